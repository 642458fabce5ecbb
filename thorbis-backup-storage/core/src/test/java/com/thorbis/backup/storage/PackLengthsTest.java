package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.crypto.SealedRange;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a store learns of a backup from the lengths of what it holds. */
class PackLengthsTest {
  @TempDir Path states;

  private int machines;

  /** The plain lengths of all packs of a backup of these files, in order of length. */
  private List<Long> lengths(Map<String, byte[]> files) throws Exception {
    MemoryObjectStore store = MemoryObjectStore.create(TestRepository.CLOCK, 1000);
    try (Repository repository = TestRepository.create(store, states.resolve("m" + ++machines))) {
      TestRepository.backUp(repository, files);
    }
    List<Long> lengths = new ArrayList<>();
    for (Map.Entry<String, byte[]> object : store.contents().entrySet()) {
      if (object.getKey().startsWith("packs/")) {
        lengths.add(SealedRange.plainLength(object.getValue().length));
      }
    }
    lengths.sort(null);
    return lengths;
  }

  @Test
  void c9FilesOfManyLengthsMakePacksOfFew() throws Exception {
    Random random = new Random(9);
    TreeSet<Long> seen = new TreeSet<>();
    for (int i = 0; i < 40; i++) {
      int length = 1 << 20 | random.nextInt(1 << 15); // within a 32nd of each other
      byte[] content = TestRepository.bytes(random, length);
      List<Long> lengths = lengths(Map.of("base/1/1", content));
      assertThat(lengths).allSatisfy(PackLengthsTest::assertFewLike);
      long longest = lengths.get(lengths.size() - 1);
      assertThat(longest).isBetween((long) length, (length + 4096L) * 33 / 32);
      seen.add(longest);
    }
    assertThat(seen).as("of 40 files of different lengths").hasSizeLessThanOrEqualTo(2);
  }

  /** Of all lengths up to twice this one, 32 are used. */
  private static void assertFewLike(long length) {
    long unit = Math.max(1 << 12, Long.highestOneBit(length - 1) >>> 5);
    assertThat(length % Math.min(unit, length)).isZero();
  }

  @Test
  void c9NeitherOrderNorDivisionShows() throws Exception {
    Random random = new Random(10);
    byte[] known = TestRepository.bytes(random, 700_000);
    Map<String, byte[]> first = new LinkedHashMap<>();
    first.put("base/1/1", known);
    first.put("base/1/2", TestRepository.bytes(random, 300_000));
    Map<String, byte[]> second = new LinkedHashMap<>();
    second.put("base/1/1", TestRepository.bytes(random, 500_000));
    second.put("base/1/2", TestRepository.bytes(random, 500_000));
    Map<String, byte[]> turned = new LinkedHashMap<>();
    turned.put("base/1/1", first.get("base/1/2"));
    turned.put("base/1/2", known);
    assertThat(lengths(first)).isEqualTo(lengths(turned)).isEqualTo(lengths(second));
  }
}
