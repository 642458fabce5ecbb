package com.thorbis.backup.postgres.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ManifestCheckTest {
  private static final long SYSTEM = 7711470573973216892L;

  private static byte[] manifest(String files) throws Exception {
    String body =
        "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": "
            + SYSTEM
            + ",\n\"Files\": [\n"
            + files
            + "\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": 1, \"Start-LSN\": \"0/2000028\","
            + " \"End-LSN\": \"0/2000100\" }\n],\n";
    String sum =
        HexFormat.of()
            .formatHex(
                MessageDigest.getInstance("SHA-256").digest(body.getBytes(StandardCharsets.UTF_8)));
    return (body + "\"Manifest-Checksum\": \"" + sum + "\"}\n").getBytes(StandardCharsets.UTF_8);
  }

  private static String entry(String path, long size, String crc) {
    return "{ \"Path\": \""
        + path
        + "\", \"Size\": "
        + size
        + ", \"Last-Modified\": \"2026-01-02 03:04:05 GMT\", \"Checksum-Algorithm\": \"CRC32C\","
        + " \"Checksum\": \""
        + crc
        + "\" }";
  }

  private static ReceivedFiles files() throws IOException {
    ReceivedFiles files = new ReceivedFiles();
    files.add("PG_VERSION", 3, 0x04030201);
    files.add("base/1/ü", 8192, 0xFFEEDDCC);
    return files;
  }

  private static void check(byte[] manifest, ReceivedFiles files, int step) throws IOException {
    try (ManifestCheck check = new ManifestCheck(files, SYSTEM)) {
      for (int at = 0; at < manifest.length; at += step) {
        check.feed(manifest, at, Math.min(step, manifest.length - at));
      }
      check.finish();
    }
  }

  private static String both() {
    return entry("PG_VERSION", 3, "01020304")
        + ",\n{ \"Encoded-Path\": \"626173652f312fc3bc\", \"Size\": 8192,"
        + " \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"ccddeeff\" }";
  }

  @Test
  void agreesHoweverItComes() throws Exception {
    byte[] manifest = manifest(both());
    for (int step : new int[] {1, 7, 100, 10_000}) {
      check(manifest, files(), step);
    }
  }

  @Test
  void seesEveryDifference() throws Exception {
    String[] wrong = {
      entry("PG_VERSION", 3, "01020304"),
      both().replace("01020304", "01020305"),
      both().replace("Size\": 3", "Size\": 4"),
      both().replace("PG_VERSION", "PG_VERSIOM"),
      both() + ",\n" + entry("extra", 1, "00000000"),
      both() + ",\n" + entry("PG_VERSION", 3, "01020304"),
    };
    for (String files : wrong) {
      assertThatThrownBy(() -> check(manifest(files), files(), 50))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> assertThat(e.code()).isEqualTo("backup.manifest-mismatch"));
    }
    byte[] other = manifest(both());
    assertThatThrownBy(
            () -> {
              try (ManifestCheck check = new ManifestCheck(files(), 1)) {
                check.feed(other, 0, other.length);
                check.finish();
              }
            })
        .isInstanceOf(BackupException.class);
  }

  @Test
  void lacksNothingThatIsCutOrChanged() throws Exception {
    byte[] manifest = manifest(both());
    for (int length = 0; length < manifest.length - 2; length++) {
      byte[] cut = java.util.Arrays.copyOf(manifest, length);
      assertThatThrownBy(() -> check(cut, files(), 64))
          .as("cut at %d", length)
          .isInstanceOfAny(IOException.class, BackupException.class);
    }
    long seed = Long.getLong("thorbis.seed", System.nanoTime());
    Random random = new Random(seed);
    int lastLine = new String(manifest, StandardCharsets.US_ASCII).indexOf("\"Manifest-Checksum\"");
    for (int i = 0; i < 5_000; i++) {
      byte[] changed = manifest.clone();
      int at = random.nextInt(changed.length - 1);
      changed[at] ^= (byte) (1 + random.nextInt(255));
      if (at > lastLine && manifest[at] == ' ' && (changed[at] == '\t' || changed[at] == '\r')) {
        // The checksum does not cover its own line, in which one blank says what another says.
        continue;
      }
      int number = i;
      assertThatThrownBy(() -> check(changed, files(), 64))
          .as("seed %d, change %d", seed, number)
          .isInstanceOfAny(IOException.class, BackupException.class);
    }
  }

  @Test
  void remembersManyFiles() throws IOException {
    ReceivedFiles files = new ReceivedFiles();
    for (int i = 0; i < 100_000; i++) {
      files.add("base/" + i, i, i * 31);
    }
    assertThat(files.take("base/5", 5, 155)).isTrue();
    assertThat(files.take("base/5", 5, 155)).isFalse();
    assertThat(files.take("base/6", 5, 186)).isFalse();
    assertThat(files.left()).isEqualTo(99_999);
    assertThatThrownBy(() -> files.add("base/7", 7, 1)).isInstanceOf(IOException.class);
  }
}
