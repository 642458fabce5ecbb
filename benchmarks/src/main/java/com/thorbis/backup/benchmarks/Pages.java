package com.thorbis.backup.benchmarks;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Random;

/** Heap pages as a table with text and numbers has them, the same ones every time. */
final class Pages {
  static final int PAGE = 8192;

  private static final int SUMS = 32;
  private static final int PRIME = 16_777_619;
  private static final int[] BASE = {
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
    0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
    0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
    0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756
  };

  private Pages() {}

  /** So many pages from block 0 on, with right checksums. */
  static byte[] of(int count) {
    byte[] pages = new byte[count * PAGE];
    Random random = new Random(20_261_101);
    for (int block = 0; block < count; block++) {
      ByteBuffer page =
          ByteBuffer.wrap(pages, block * PAGE, PAGE).slice().order(ByteOrder.LITTLE_ENDIAN);
      fill(page, random);
      page.putShort(8, (short) checksum(page, block));
    }
    return pages;
  }

  private static void fill(ByteBuffer page, Random random) {
    int pointer = 24;
    int upper = PAGE;
    int row = 0;
    while (true) {
      byte[] text = text(random).getBytes(StandardCharsets.US_ASCII);
      int length = 24 + 8 + text.length;
      int start = upper - length & -8;
      if (start < pointer + 4) {
        break;
      }
      page.putInt(start, 700 + random.nextInt(3));
      page.putInt(start + 20, ++row);
      page.putLong(start + 24, random.nextInt(1_000_000));
      page.position(start + 32).put(text);
      page.putInt(pointer, start | 1 << 15 | length << 17);
      pointer += 4;
      upper = start;
    }
    page.putInt(0, 0).putInt(4, 0x1000 + random.nextInt(0x10000));
    page.putShort(12, (short) pointer).putShort(14, (short) upper);
    page.putShort(16, (short) PAGE).putShort(18, (short) (PAGE | 4));
  }

  private static String text(Random random) {
    StringBuilder text = new StringBuilder();
    for (int words = 4 + random.nextInt(24); words > 0; words--) {
      text.append(Integer.toString(random.nextInt(512) * 977 + 1000, 36)).append(' ');
    }
    return text.toString();
  }

  private static int checksum(ByteBuffer page, int block) {
    int[] sums = BASE.clone();
    for (int word = 0; word < PAGE / Integer.BYTES + 2 * SUMS; word++) {
      int value = word < PAGE / Integer.BYTES ? page.getInt(word * Integer.BYTES) : 0;
      int mixed = sums[word % SUMS] ^ value;
      sums[word % SUMS] = mixed * PRIME ^ mixed >>> 17;
    }
    int sum = block;
    for (int part : sums) {
      sum ^= part;
    }
    return Integer.remainderUnsigned(sum, 65_535) + 1;
  }
}
