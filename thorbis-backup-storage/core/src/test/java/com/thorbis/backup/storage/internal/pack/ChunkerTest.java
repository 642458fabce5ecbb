package com.thorbis.backup.storage.internal.pack;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ChunkerTest {
  private static final int MIB = 1 << 20;

  private final Fingerprint.Function fingerprints = new Fingerprint.Function(7);

  private static byte[] table(long seed) {
    return bytes(seed, 2048);
  }

  private static byte[] bytes(long seed, int length) {
    byte[] bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  /** The lengths of the chunks; the last one may be short. Bytes come in parts of any length. */
  private static List<Integer> cut(byte[] table, byte[] content, Random parts) {
    Chunker chunker = new Chunker(table);
    List<Integer> lengths = new ArrayList<>();
    int begun = 0;
    for (int at = 0; at < content.length; ) {
      int count = Math.min(content.length - at, 1 + parts.nextInt(300_000));
      int taken = chunker.cut(content, at, count);
      if (taken < 0) {
        at += count;
      } else {
        assertThat(taken).isBetween(1, count);
        at += taken;
        lengths.add(at - begun);
        begun = at;
      }
    }
    if (begun < content.length) {
      lengths.add(content.length - begun);
    }
    return lengths;
  }

  private Set<Fingerprint> content(byte[] table, byte[] content) {
    Set<Fingerprint> found = new HashSet<>();
    int at = 0;
    for (int length : cut(table, content, new Random(1))) {
      found.add(fingerprints.of(content, at, length));
      at += length;
    }
    return found;
  }

  @Test
  void chunksHaveLengthsWithinBoundsAndOfAboutHalfAMebibyte() {
    List<Integer> lengths = cut(table(1), bytes(2, 256 * MIB), new Random(3));
    assertThat(lengths.subList(0, lengths.size() - 1))
        .allSatisfy(length -> assertThat(length).isBetween(Chunker.LEAST, Chunker.MOST));
    assertThat(256.0 * MIB / lengths.size()).isBetween(440.0 * 1024, 560.0 * 1024);
    assertThat(lengths.stream().filter(length -> length == Chunker.MOST).count())
        .isLessThan(lengths.size() / 40);
  }

  @Test
  void whereItIsCutDoesNotDependOnHowTheBytesCome() {
    byte[] content = bytes(4, 8 * MIB);
    List<Integer> lengths = cut(table(1), content, new Random(5));
    for (int seed = 6; seed < 20; seed++) {
      assertThat(cut(table(1), content, new Random(seed))).isEqualTo(lengths);
    }
    assertThat(lengths).hasSizeGreaterThan(8);
  }

  @Test
  void aByteInFrontMovesOnlyTheFirstChunks() {
    byte[] content = bytes(6, 64 * MIB);
    byte[] longer = new byte[content.length + 1];
    System.arraycopy(content, 0, longer, 1, content.length);
    Set<Fingerprint> before = content(table(1), content);
    Set<Fingerprint> after = content(table(1), longer);
    after.removeAll(before);
    assertThat(after).hasSizeBetween(1, 8);
    assertThat(before).hasSizeGreaterThan(64);
  }

  @Test
  void aByteInTheMiddleMovesOnlyTheChunksAroundIt() {
    for (int seed = 0; seed < 8; seed++) {
      byte[] content = bytes(seed, 24 * MIB);
      Set<Fingerprint> before = content(table(1), content);
      content[12 * MIB + seed] ^= 1;
      Set<Fingerprint> after = content(table(1), content);
      after.removeAll(before);
      assertThat(after).hasSizeBetween(1, 8);
    }
  }

  /** A build that cuts elsewhere stores everything once more. */
  @Test
  void whereItIsCutNeverChanges() {
    assertThat(cut(table(1), bytes(2, 4 * MIB), new Random(3)))
        .containsExactly(
            500_423, 449_580, 525_330, 471_232, 307_198, 629_010, 456_573, 490_305, 364_653);
  }

  @Test
  void anotherTableCutsElsewhere() {
    byte[] content = bytes(8, 16 * MIB);
    Set<Fingerprint> one = content(table(1), content);
    assertThat(content(table(1), content)).isEqualTo(one);
    assertThat(content(table(2), content)).doesNotContainAnyElementsOf(one);
  }

  @Test
  void bytesThatAreAllTheSameAreCutWithinBoundsToo() {
    for (int value = 0; value < 256; value++) {
      byte[] content = new byte[3 * MIB];
      java.util.Arrays.fill(content, (byte) value);
      List<Integer> lengths = cut(table(1), content, new Random(value));
      assertThat(lengths.subList(0, lengths.size() - 1))
          .allSatisfy(length -> assertThat(length).isBetween(Chunker.LEAST, Chunker.MOST));
      assertThat(lengths.stream().mapToInt(length -> length).sum()).isEqualTo(content.length);
    }
  }
}
