package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class ObjectHeaderTest {
  private static final ObjectId REPOSITORY = ObjectId.parse("000102030405060708090a0b0c0d0e0f");
  private static final ObjectId TREE = ObjectId.parse("101112131415161718191a1b1c1d1e1f");
  private static final ObjectId OBJECT = ObjectId.parse("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  private static final ObjectHeader HEADER =
      new ObjectHeader(ObjectType.WAL, REPOSITORY, TREE, 7, OBJECT);

  @Test
  void theFormatIsFixed() {
    assertThat(HexFormat.of().formatHex(HEADER.encode()))
        .isEqualTo(
            "54484f524249530a"
                + "01010400"
                + "00000048"
                + "000102030405060708090a0b0c0d0e0f"
                + "101112131415161718191a1b1c1d1e1f"
                + "00000007"
                + "00000000"
                + "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  }

  @Test
  void everyTypeIsReadBack() throws IOException {
    for (ObjectType type : ObjectType.values()) {
      ObjectHeader header = new ObjectHeader(type, REPOSITORY, TREE, Integer.MAX_VALUE, OBJECT);
      assertThat(ObjectHeader.decode(header.encode())).isEqualTo(header);
    }
  }

  @Test
  void everyOtherFixedByteIsRefused() {
    for (int at : new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 52, 53, 54, 55}) {
      for (int bit = 0; bit < 8; bit++) {
        byte[] encoded = HEADER.encode();
        encoded[at] ^= (byte) (1 << bit);
        assertThatThrownBy(() -> ObjectHeader.decode(encoded))
            .describedAs("byte %d bit %d", at, bit)
            .isInstanceOf(MalformedObjectException.class);
      }
    }
  }

  @Test
  void unknownTypesAndEpochsAreRefused() {
    for (int type : new int[] {0, 9, 255}) {
      byte[] encoded = HEADER.encode();
      encoded[10] = (byte) type;
      assertThatThrownBy(() -> ObjectHeader.decode(encoded))
          .isInstanceOf(MalformedObjectException.class)
          .hasMessageContaining("type " + type);
    }
    for (int epoch : new int[] {0, -1, Integer.MIN_VALUE}) {
      byte[] encoded = HEADER.encode();
      ByteBuffer.wrap(encoded).putInt(48, epoch);
      assertThatThrownBy(() -> ObjectHeader.decode(encoded))
          .isInstanceOf(MalformedObjectException.class)
          .hasMessageContaining("epoch");
    }
  }

  @Test
  void everyShorterHeaderIsRefused() {
    for (int length = 0; length < ObjectHeader.LENGTH; length++) {
      byte[] cut = Arrays.copyOf(HEADER.encode(), length);
      assertThatThrownBy(() -> ObjectHeader.decode(cut))
          .isInstanceOfSatisfying(
              MalformedObjectException.class,
              e -> assertThat(e.code()).isEqualTo(MalformedObjectException.TRUNCATED));
    }
  }

  @Test
  void idsHaveOneForm() {
    assertThat(REPOSITORY).hasToString("000102030405060708090a0b0c0d0e0f");
    assertThat(ObjectId.parse(OBJECT.toString())).isEqualTo(OBJECT);
    assertThat(HexFormat.of().formatHex(OBJECT.bytes())).isEqualTo(OBJECT.toString());
    assertThat(REPOSITORY).isLessThan(OBJECT);
    for (String wrong :
        new String[] {
          "",
          "0",
          "000102030405060708090A0B0C0D0E0F",
          "g".repeat(32),
          "0".repeat(31),
          "0".repeat(33)
        }) {
      assertThatThrownBy(() -> ObjectId.parse(wrong)).isInstanceOf(IllegalArgumentException.class);
    }
  }
}
