package com.thorbis.backup.postgres.trial;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.page.PageChecksums;
import com.thorbis.backup.postgres.page.RelationFiles;
import com.thorbis.backup.postgres.server.ThrowAway;
import com.thorbis.backup.spi.engine.Trial.Pages;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;

/** The pages of a cluster on which no server works. */
final class RestingPages {
  private static final int PAGE = 8192;
  private static final int PAGES_AT_ONCE = 128;
  private static final int UPPER = 14;

  /** In the rows of a page that is not nearly empty, or between them. */
  private static final int INSIDE = PAGE - 64;

  private static final int DAMAGED_BYTES = 16;
  private static final byte FLIP = 0x5A;

  /** No page is newer than this: each is judged. */
  private static final Lsn EVERYTHING = new Lsn(-1);

  private final ThrowAway place;

  RestingPages(ThrowAway place) {
    this.place = place;
  }

  Pages check(RunControl control) throws IOException {
    PageChecksums checksums = new PageChecksums(EVERYTHING);
    long read = 0;
    ByteBuffer buffer = ByteBuffer.allocate(PAGE * PAGES_AT_ONCE);
    for (Map.Entry<String, Path> file : files().entrySet()) {
      control.cancellation().check();
      PieceCheck check = checksums.forFile(file.getKey());
      try (FileChannel channel =
          FileChannel.open(
              file.getValue(), Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS))) {
        long offset = 0;
        while (fill(channel, buffer, offset)) {
          read += buffer.remaining() / PAGE;
          offset += buffer.remaining();
          check.check(offset - buffer.remaining(), buffer);
        }
      }
    }
    return new Pages(
        true,
        read,
        checksums.failures().stream()
            .map(one -> name(one.file(), one.block()) + ": " + one.problem())
            .toList());
  }

  /** Changes a page of the longest file in a way that a disk might. */
  String damage() throws IOException {
    Map<String, Path> files = files();
    String longest = "";
    long length = 0;
    for (Map.Entry<String, Path> file : files.entrySet()) {
      long bytes = Files.size(file.getValue());
      if (bytes > length && RelationFiles.isMainFork(file.getKey())) {
        longest = file.getKey();
        length = bytes;
      }
    }
    OptionalLong first = RelationFiles.firstBlock(longest);
    if (length < PAGE || first.isEmpty()) {
      throw new IOException("No file has a page");
    }
    try (FileChannel channel =
        FileChannel.open(
            files.get(longest),
            Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS))) {
      ByteBuffer page = ByteBuffer.allocate(PAGE).order(ByteOrder.LITTLE_ENDIAN);
      for (long block = 0; block < length / PAGE; block++) {
        if (!fill(channel, page, block * PAGE) || page.getShort(UPPER) == 0) {
          continue; // one that was never filled has no checksum
        }
        for (int at = INSIDE; at < INSIDE + DAMAGED_BYTES; at++) {
          page.put(at, (byte) (page.get(at) ^ FLIP));
        }
        page.rewind();
        while (page.hasRemaining()) {
          channel.write(page, block * PAGE + page.position());
        }
        return name(longest, first.getAsLong() + block);
      }
    }
    throw new IOException("No page of " + longest + " is filled");
  }

  private static String name(String file, long block) {
    return file + " block " + block;
  }

  private static boolean fill(FileChannel channel, ByteBuffer buffer, long offset)
      throws IOException {
    buffer.clear();
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, offset + buffer.position()) < 0) {
        break;
      }
    }
    buffer.flip();
    return buffer.hasRemaining();
  }

  /** By their path in the data directory; no link is followed. */
  private Map<String, Path> files() throws IOException {
    Map<String, Path> files = new TreeMap<>();
    Path data = place.dataDirectory();
    add(files, data.resolve("global"), "global");
    folders(files, data.resolve("base"), "base");
    try (DirectoryStream<Path> links = Files.newDirectoryStream(data.resolve("pg_tblspc"))) {
      for (Path link : links) {
        String oid = String.valueOf(link.getFileName());
        Path tablespace = place.tablespace(Long.parseLong(oid));
        try (DirectoryStream<Path> versions = Files.newDirectoryStream(tablespace)) {
          for (Path version : versions) {
            folders(files, version, "pg_tblspc/" + oid + "/" + version.getFileName());
          }
        }
      }
    }
    return files;
  }

  private static void folders(Map<String, Path> files, Path above, String name) throws IOException {
    try (DirectoryStream<Path> databases = Files.newDirectoryStream(above)) {
      for (Path database : databases) {
        if (Files.isDirectory(database, LinkOption.NOFOLLOW_LINKS)) {
          add(files, database, name + "/" + database.getFileName());
        }
      }
    }
  }

  private static void add(Map<String, Path> files, Path folder, String name) throws IOException {
    try (DirectoryStream<Path> found = Files.newDirectoryStream(folder)) {
      for (Path file : found) {
        String path = name + "/" + file.getFileName();
        if (RelationFiles.firstBlock(path).isPresent()) {
          files.put(path, file);
        }
      }
    }
  }
}
