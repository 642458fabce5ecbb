package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * The files of a dump in a folder of their own, of mode 0600. They get their names once all of them
 * are whole and durable.
 */
final class LaidDump {
  private final BackupId id;
  private final Path folder;

  LaidDump(BackupId id, Path folder) {
    this.id = id;
    this.folder = folder;
  }

  /** The files that would be laid; changes nothing. */
  List<String> plan(ThorbisBackup opened) {
    try {
      requireDump(opened);
      requireEmpty();
      List<String> files = new ArrayList<>();
      try (BackupReader reader = opened.repository().open(id)) {
        reader.entries(file -> files.add(name(file.path())));
      }
      return files.stream().sorted().toList();
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  /** Lays them. */
  List<String> lay(ThorbisBackup opened, RunControl control) {
    try {
      requireDump(opened);
      PrivateFiles.createFolder(folder);
      requireEmpty();
      Map<String, Path> laid = new TreeMap<>();
      try {
        try (BackupReader reader = opened.repository().open(id)) {
          reader.extract(
              file -> true,
              file -> {
                String name = name(file.path());
                Path fresh = folder.resolve("." + name + "." + UUID.randomUUID());
                synchronized (laid) {
                  laid.put(name, fresh);
                }
                return new Fresh(fresh);
              },
              control);
        }
        for (Map.Entry<String, Path> each : laid.entrySet()) {
          // Fails if the name is taken; a rename would replace it.
          Files.createLink(folder.resolve(each.getKey()), each.getValue());
        }
      } finally {
        for (Path fresh : laid.values()) {
          Files.deleteIfExists(fresh);
        }
      }
      try (FileChannel names = FileChannel.open(folder)) {
        names.force(true);
      }
      return List.copyOf(laid.keySet());
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  private void requireDump(ThorbisBackup opened) {
    if (opened.show(id).type().physical()) {
      throw BackupException.of("load.no-dump", FailureKind.REFUSED, "Backup " + id + " is no dump")
          .remedy("Bring it back with restore.")
          .build();
    }
  }

  private void requireEmpty() throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> there = Files.list(folder)) {
      if (there.findAny().isPresent()) {
        throw BackupException.of("load.not-empty", FailureKind.REFUSED, folder + " is not empty")
            .remedy("Name a new folder.")
            .build();
      }
    }
  }

  private static String name(String path) throws IOException {
    if (!path.matches("[a-z]+(-[0-9]+)*\\.[a-z]+")) {
      throw new IOException("A dump holds no file \"" + path + "\"");
    }
    return path;
  }

  /** A file under another name. */
  private static final class Fresh implements BackupReader.FileOutput {
    private final FileChannel out;

    Fresh(Path file) throws IOException {
      this.out =
          FileChannel.open(
              file,
              Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    }

    @Override
    public void write(ByteBuffer plain) throws IOException {
      while (plain.hasRemaining()) {
        out.write(plain);
      }
    }

    @Override
    public void finish(int crc32c) throws IOException {
      out.force(true);
    }

    @Override
    public void close() throws IOException {
      out.close();
    }
  }
}
