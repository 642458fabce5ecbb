package com.thorbis.backup.postgres.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TarReaderTest {
  private static byte[] header(String name, char type, long size) {
    byte[] header = new byte[512];
    put(header, 0, name.getBytes(StandardCharsets.UTF_8));
    put(header, 100, "0000640\0".getBytes(StandardCharsets.US_ASCII));
    if (size < 1L << 33) {
      put(header, 124, "%011o ".formatted(size).getBytes(StandardCharsets.US_ASCII));
    } else {
      header[124] = (byte) 0x80;
      for (int i = 0; i < 8; i++) {
        header[135 - i] = (byte) (size >>> 8 * i);
      }
    }
    put(header, 136, "%011o ".formatted(1_700_000_000L).getBytes(StandardCharsets.US_ASCII));
    header[156] = (byte) type;
    put(header, 257, "ustar\00000".getBytes(StandardCharsets.US_ASCII));
    return sealed(header);
  }

  private static byte[] sealed(byte[] header) {
    Arrays.fill(header, 148, 156, (byte) ' ');
    int sum = 0;
    for (byte b : header) {
      sum += b & 0xFF;
    }
    put(header, 148, "%06o\0 ".formatted(sum).getBytes(StandardCharsets.US_ASCII));
    return header;
  }

  private static void put(byte[] target, int at, byte[] bytes) {
    System.arraycopy(bytes, 0, target, at, bytes.length);
  }

  private static byte[] file(String name, byte[] content) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(header(name, '0', content.length));
    out.writeBytes(content);
    out.writeBytes(new byte[-content.length & 511]);
    return out.toByteArray();
  }

  private static final class Seen implements TarReader.Target {
    private final List<String> entries = new ArrayList<>();
    private final ByteArrayOutputStream content = new ByteArrayOutputStream();
    private long announced;

    @Override
    public void entry(TarReader.Entry entry) {
      entries.add(entry.kind() + " " + entry.path() + " " + entry.mode());
      announced = entry.length();
      content.reset();
    }

    @Override
    public void content(byte[] bytes, int offset, int length) {
      content.write(bytes, offset, length);
    }

    @Override
    public void endFile() {
      assertThat(content.size()).isEqualTo((int) announced);
      entries.add("crc " + Arrays.hashCode(content.toByteArray()));
    }
  }

  private static List<String> read(byte[] archive, int... cuts) throws IOException {
    Seen seen = new Seen();
    TarReader reader = new TarReader(seen);
    int from = 0;
    for (int cut : cuts) {
      reader.feed(archive, from, cut - from);
      from = cut;
    }
    reader.feed(archive, from, archive.length - from);
    reader.end();
    return seen.entries;
  }

  private static byte[] sample() {
    byte[] content = new byte[1500];
    new Random(7).nextBytes(content);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(header("base/", '5', 0));
    out.writeBytes(file("base/1/1259", content));
    out.writeBytes(file("empty", new byte[0]));
    out.writeBytes(file("exact", Arrays.copyOf(content, 1024)));
    out.writeBytes(header("pg_tblspc/16384", '2', 0));
    out.writeBytes(new byte[1024]);
    return out.toByteArray();
  }

  @Test
  void readsTheSameHoweverItComes() throws IOException {
    byte[] archive = sample();
    List<String> expected = read(archive);
    assertThat(expected)
        .hasSize(8)
        .startsWith("DIRECTORY base 416", "FILE base/1/1259 416")
        .endsWith("LINK pg_tblspc/16384 416");
    for (int cut = 0; cut < archive.length; cut++) {
      assertThat(read(archive, cut)).isEqualTo(expected);
    }
  }

  @Test
  void knowsFilesBeyondEightGibibytes() throws IOException {
    long[] length = new long[1];
    TarReader reader =
        new TarReader(
            new TarReader.Target() {
              @Override
              public void entry(TarReader.Entry entry) {
                length[0] = entry.length();
              }

              @Override
              public void content(byte[] bytes, int offset, int count) {}

              @Override
              public void endFile() {}
            });
    reader.feed(header("large", '0', 12L << 30), 0, 512);
    assertThat(length[0]).isEqualTo(12L << 30);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "/etc/passwd", "../x", "a/../b", "a//b", "a/./b", "..", ".", "a/..", "/"})
  void refusesNamesThatLeadElsewhere(String name) {
    assertThatThrownBy(() -> read(file(name, new byte[3]))).isInstanceOf(IOException.class);
  }

  @ParameterizedTest
  @ValueSource(chars = {'1', '3', '4', '6', 'L', 'K', 'x', 'g', 'S'})
  void refusesEntriesThatServersDoNotSend(char type) {
    assertThatThrownBy(() -> read(header("x", type, 0))).isInstanceOf(IOException.class);
  }

  @Test
  void refusesAnEndInTheMiddle() {
    byte[] archive = sample();
    for (int length : new int[] {1, 511, 513, 1100, 2500}) {
      assertThatThrownBy(() -> read(Arrays.copyOf(archive, length)))
          .isInstanceOf(IOException.class);
    }
  }

  @Test
  void refusesASizeBeyondAllBounds() {
    byte[] header = header("x", '0', 0);
    Arrays.fill(header, 124, 136, (byte) 0xFF);
    assertThatThrownBy(() -> read(sealed(header))).isInstanceOf(IOException.class);
  }

  @Test
  void survivesChangedBytes() {
    long seed = Long.getLong("thorbis.seed", System.nanoTime());
    Random random = new Random(seed);
    byte[] archive = sample();
    for (int i = 0; i < 20_000; i++) {
      byte[] changed = archive.clone();
      int at = random.nextInt(changed.length);
      changed[at] = (byte) random.nextInt(256);
      int block = at / 512 * 512;
      if (random.nextBoolean() && changed[block + 257] == 'u') {
        byte[] header = sealed(Arrays.copyOfRange(changed, block, block + 512));
        put(changed, block, header);
      }
      try {
        assertThat(read(changed)).isNotNull();
      } catch (IOException | BackupException e) {
        assertThat(e).isNotNull();
      } catch (RuntimeException | AssertionError e) {
        throw new AssertionError("seed " + seed + ", change " + i, e);
      }
    }
  }
}
