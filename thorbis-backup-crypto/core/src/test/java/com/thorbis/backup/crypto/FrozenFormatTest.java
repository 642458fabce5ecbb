package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What this release writes, the next ones must read. The values come from a second implementation
 * of FORMAT.md in another language.
 */
class FrozenFormatTest {
  private static final String SALT = "404142434445464748494a4b4c4d4e4f5051525354555657";
  private static final KeySlot SLOT =
      new KeySlot(
          ObjectId.parse("000102030405060708090a0b0c0d0e0f"),
          ObjectId.parse("101112131415161718191a1b1c1d1e1f"),
          7);
  private static final ObjectId OBJECT = ObjectId.parse("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");

  @ParameterizedTest
  @CsvSource({
    "PACK, aebbb50469b90a546435aa95285bd05009558065da6cfebe0e89eb7d6a8ae63f",
    "MANIFEST, 39c1feb5da4d28012e3693414eb1fae6b57e3864430dc02cb91d337f0bb2c0ed",
    "COMMIT, 0efac77fc2ed4298fef82720b545ad3aa76247c7336c3944a636e76a6b89afb9",
    "WAL, d6acc2fb388602e304f992e4d7f52e558d161ea8c3cda0e5ca1a1ba3fabc0ac6",
    "HISTORY, 125244cc22b7dfb502042b2d49e233649690f559fbb9db48ae8b479b7b3f9ff8",
    "CHECKPOINT, 4f1757a9c749c4aae792f8176642da0ed8bfc81bd6232a0a33b4d33710e8c1d0"
  })
  void anObjectOfEachType(ObjectType type, String commitment) throws IOException {
    ObjectHeader header = ObjectHeader.of(type, SLOT, OBJECT);
    ByteArrayOutputStream sealed = new ByteArrayOutputStream();
    try (EpochKey key = key()) {
      try (SealedWriter writer =
          new SealedWriter(sealed, key, header, "wal/\u00e4", new FixedRandom())) {
        writer.write(1);
      }
      assertThat(HexFormat.of().formatHex(sealed.toByteArray(), 72, 128))
          .isEqualTo(SALT + commitment);
      try (SealedReader reader =
          SealedReader.open(
              new ByteArrayInputStream(sealed.toByteArray()), key, header, "wal/\u00e4")) {
        assertThat(reader.readAllBytes()).containsExactly(1);
      }
    }
  }

  @Test
  void theKeysOfATree() {
    try (EpochKey key = key()) {
      assertThat(HexFormat.of().formatHex(key.addressKey()))
          .isEqualTo("2be3f531d1962064c8081e9839ad0336df0f90da09c19d0b23f62e7959e97875");
      assertThat(HexFormat.of().toHexDigits(key.fingerprintSeed())).isEqualTo("016299b616226977");
      assertThat(HexFormat.of().toHexDigits(key.padSeed())).isEqualTo("100ee211af297679");
      assertThat(HexFormat.of().formatHex(key.cutTable(), 0, 16))
          .isEqualTo("a95fdb51d1adb8f71b728abce7f8eade");
      assertThat(
              Address.of(
                  key.addressKey(),
                  (byte) 1,
                  ByteBuffer.wrap("compressed".getBytes(StandardCharsets.US_ASCII))))
          .hasToString("d0438566d044878a9830a2ff9afb8527e4b5516dec34214e1f20e5ba0cc5a6f3");
    }
  }

  @Test
  void aWrap() {
    try (EpochKey key = key();
        DataKey material = key.material();
        DataKey wrapping = DataKey.copyOf(count(0x80, 32))) {
      WrappedKey wrapped =
          Wraps.wrap(
              wrapping,
              "keystore",
              "backup:0011223344556677",
              material,
              SLOT.context(),
              new FixedRandom());
      assertThat(HexFormat.of().formatHex(wrapped.ciphertext(), 0, 56))
          .isEqualTo(SALT + "6ab08bb9fe8edb36e0930702d2a65defd9ec5681e49050bd8658efdd2e0c1f53");
      assertThat(wrapped.ciphertext()).hasSize(56 + 64 + 16);
    }
  }

  private static EpochKey key() {
    try (DataKey material = DataKey.copyOf(count(0, 64))) {
      return EpochKey.of(SLOT, material);
    }
  }

  private static byte[] count(int from, int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (from + i);
    }
    return bytes;
  }

  private static final class FixedRandom extends SecureRandom {
    private static final long serialVersionUID = 1L;

    @Override
    public void nextBytes(byte[] bytes) {
      System.arraycopy(count(0x40, bytes.length), 0, bytes, 0, bytes.length);
    }
  }
}
