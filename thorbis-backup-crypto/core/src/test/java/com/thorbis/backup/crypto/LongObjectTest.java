package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** Objects that no memory holds. */
class LongObjectTest {
  private static final long GATE = 320L << 20;
  private static final long RELEASE = (5L << 30) + 1;

  @Test
  void c18AnObjectLongerThanTheHeapIsHandedOutAsItComes() throws Exception {
    long length = Boolean.getBoolean("thorbis.release") ? RELEASE : GATE;
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-cp",
                System.getProperty("java.class.path"),
                Worker.class.getName(),
                Long.toString(length))
            .redirectErrorStream(true)
            .start();
    try {
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(process.waitFor()).as(said).isZero();
      assertThat(said.strip()).isEqualTo("opened " + length);
    } finally {
      process.destroyForcibly();
    }
  }

  /** Seals and opens at once; what lies between them is shorter than a frame of the network. */
  static final class Worker {
    private static final String NAME = "packs/long";

    public static void main(String[] arguments) throws Exception {
      long length = Long.parseLong(arguments[0]);
      SecureRandom random = new SecureRandom();
      KeySlot slot = new KeySlot(ObjectId.random(random), ObjectId.random(random), 1);
      ObjectHeader header = ObjectHeader.of(ObjectType.PACK, slot, ObjectId.random(random));
      byte[] piece = new byte[1 << 20];
      random.nextBytes(piece);
      try (EpochKey key = EpochKey.generate(slot, random);
          PipedOutputStream out = new PipedOutputStream();
          PipedInputStream in = new PipedInputStream(out, 1 << 16)) {
        CompletableFuture<Void> sealing =
            CompletableFuture.runAsync(
                () -> {
                  try (SealedWriter writer = new SealedWriter(out, key, header, NAME, random)) {
                    for (long left = length; left > 0; left -= piece.length) {
                      writer.write(piece, 0, (int) Math.min(left, piece.length));
                    }
                  } catch (IOException e) {
                    throw new IllegalStateException(e);
                  }
                });
        long opened = 0;
        byte[] got = new byte[piece.length];
        try (SealedReader reader = SealedReader.open(in, key, header, NAME)) {
          for (int count = reader.readNBytes(got, 0, got.length);
              count > 0;
              count = reader.readNBytes(got, 0, got.length)) {
            if (!Arrays.equals(got, 0, count, piece, 0, count)) {
              throw new IllegalStateException("Other bytes at " + opened);
            }
            opened += count;
          }
        }
        sealing.get();
        System.out.println("opened " + opened);
      }
    }
  }
}
