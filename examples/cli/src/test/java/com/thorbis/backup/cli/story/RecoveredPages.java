package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Lsn;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The pages of all logged relations of a stopped cluster, without what the log does not say: the
 * server's own consistency check leaves the same out.
 */
final class RecoveredPages {
  private static final int PAGE = 8192;
  private static final long FIRST_OF_USERS = 16384;

  /** A main fork or visibility map; the free-space map is not logged. */
  private static final Pattern FILE =
      Pattern.compile("(?:base|global|pg_tblspc)/(?:.*/)?[0-9]+(?:_vm)?(?:\\.[0-9]+)?");

  private RecoveredPages() {}

  /**
   * Fails where two clusters differ. Of catalogues a page is left out that was written behind the
   * position where recovery ended: a server that was promoted tidies them up when they are read.
   */
  static void assertSame(Path one, Path other, Lsn end) throws IOException {
    Map<String, Path> built = files(one);
    Map<String, Path> whole = files(other);
    withoutDropped(built, whole);
    withoutDropped(whole, built);
    assertThat(built.keySet()).isEqualTo(whole.keySet());
    assertThat(built).hasSizeGreaterThan(500);
    for (Map.Entry<String, Path> file : whole.entrySet()) {
      byte[] expected = Files.readAllBytes(file.getValue());
      byte[] found = Files.readAllBytes(built.get(file.getKey()));
      for (int page = 0; page < Math.max(expected.length, found.length); page += PAGE) {
        if (ofCatalog(file.getKey())
            && (isLater(found, page, end) || isLater(expected, page, end))) {
          continue;
        }
        byte[] first = masked(found, page);
        byte[] second = masked(expected, page);
        int difference = Arrays.mismatch(first, second);
        assertThat(difference)
            .as(
                "%s differs in block %d:%n%s%n%s",
                file.getKey(),
                page / PAGE,
                described(first, difference),
                described(second, difference))
            .isEqualTo(-1);
      }
    }
  }

  /** Of what was dropped, PostgreSQL keeps an empty first file until a checkpoint is over. */
  private static void withoutDropped(Map<String, Path> files, Map<String, Path> others)
      throws IOException {
    for (String name : List.copyOf(files.keySet())) {
      if (!others.containsKey(name) && Files.size(files.get(name)) == 0) {
        files.remove(name);
      }
    }
  }

  private static boolean ofCatalog(String file) {
    String name = file.substring(file.lastIndexOf('/') + 1).replaceAll("[_.].*", "");
    return Long.parseLong(name) < FIRST_OF_USERS;
  }

  /** Whether a page was written last behind a position. */
  private static boolean isLater(byte[] file, int at, Lsn end) {
    if (at >= file.length) {
      return false;
    }
    ByteBuffer bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    long position = (bytes.getInt(at) & 0xFFFFFFFFL) << 32 | bytes.getInt(at + 4) & 0xFFFFFFFFL;
    return new Lsn(position).compareTo(end) > 0;
  }

  private static Map<String, Path> files(Path data) throws IOException {
    Map<String, Path> files = new TreeMap<>();
    for (String part : new String[] {"base", "global", "pg_tblspc"}) {
      try (Stream<Path> all =
          Files.walk(data.resolve(part), java.nio.file.FileVisitOption.FOLLOW_LINKS)) {
        for (Path file : all.filter(Files::isRegularFile).toList()) {
          String name = data.relativize(file).toString();
          if (FILE.matcher(name).matches() && !unlogged(file)) {
            files.put(name, file);
          }
        }
      }
    }
    return files;
  }

  private static boolean unlogged(Path file) {
    String name = file.getFileName().toString().replaceAll("[_.].*", "");
    return Files.exists(file.resolveSibling(name + "_init"));
  }

  /** The item that a byte of a page lies in. */
  private static String described(byte[] page, int at) {
    if (at < 0 || page.length == 0) {
      return "nothing";
    }
    ByteBuffer bytes = ByteBuffer.wrap(page).order(ByteOrder.LITTLE_ENDIAN);
    int lower = Math.min(PAGE, bytes.getShort(12) & 0xFFFF);
    for (int slot = 24; slot + 4 <= lower; slot += 4) {
      int start = bytes.getInt(slot) & 0x7FFF;
      int end = Math.min(PAGE, start + (bytes.getInt(slot) >>> 17));
      if (start <= at && at < end) {
        return "byte %d of item %d: %s"
            .formatted(
                at - start,
                (slot - 20) / 4,
                HexFormat.of().formatHex(page, start, Math.min(end, start + 160)));
      }
    }
    return "byte %d: %s"
        .formatted(at, HexFormat.of().formatHex(page, at & ~15, Math.min(PAGE, (at & ~15) + 32)));
  }

  /** A page, or nothing where a file has no such page, or zeros alone in it. */
  private static byte[] masked(byte[] file, int at) {
    if (at >= file.length) {
      return new byte[0];
    }
    byte[] page = Arrays.copyOfRange(file, at, at + PAGE);
    ByteBuffer bytes = ByteBuffer.wrap(page).order(ByteOrder.LITTLE_ENDIAN);
    int lower = bytes.getShort(12) & 0xFFFF;
    int upper = bytes.getShort(14) & 0xFFFF;
    int special = bytes.getShort(16) & 0xFFFF;
    bytes.putShort(8, (short) 0); // the checksum of what is masked
    if (lower < 24 || lower > upper || upper > special || special > PAGE) {
      return page;
    }
    bytes.putShort(10, (short) (bytes.getShort(10) & ~3));
    bytes.putInt(20, 0);
    Arrays.fill(page, lower, upper, (byte) 0);
    boolean heap = special == PAGE;
    if (!heap && PAGE - special == 16) {
      bytes.putInt(special + 12, bytes.getInt(special + 12) & 0xFF3F & ~(1 << 5)); // of a B-tree
    }
    for (int slot = 24; slot + 4 <= lower; slot += 4) {
      int item = bytes.getInt(slot);
      int tuple = item & 0x7FFF;
      int length = item >>> 17;
      if (length > 0 && tuple >= upper && tuple + length <= PAGE) {
        Arrays.fill(page, tuple + length, Math.min(PAGE, tuple + (length + 7 & ~7)), (byte) 0);
      }
      if (!heap) {
        bytes.putInt(slot, item & ~(3 << 15));
      } else if (tuple >= upper && length >= 23 && tuple + length <= PAGE) {
        bytes.putInt(tuple + 8, 0); // which command of its transaction
        bytes.putShort(tuple + 20, (short) (bytes.getShort(tuple + 20) & ~0x0F20));
      }
    }
    return page;
  }
}
