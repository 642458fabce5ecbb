package com.thorbis.backup.storage;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tuple;
import net.jqwik.api.Tuple.Tuple3;

class RoundTripPropertyTest {
  private static final int MIB = 1 << 20;

  @Property(tries = 40, shrinking = ShrinkingMode.BOUNDED)
  void anyFilesComeBackAsTheyWere(
      @ForAll("files") List<Tuple3<Integer, Integer, Long>> shapes,
      @ForAll("codecs") Compression compression)
      throws IOException {
    Map<String, byte[]> files = new LinkedHashMap<>();
    for (Tuple3<Integer, Integer, Long> shape : shapes) {
      files.put("f/" + files.size(), content(shape.get1(), shape.get2(), shape.get3()));
    }
    Path state = Files.createTempDirectory("thorbis-property");
    MemoryObjectStore store = MemoryObjectStore.create();
    TestRepository.create(store, state).close();
    try (Repository repository =
        TestRepository.FACTORY.open(
            TestRepository.setup(store, state).compression(compression).build())) {
      BackupDescriptor made = TestRepository.backUp(repository, files);
      TestRepository.assertReads(repository, made.id(), files);
    }
  }

  /** Length, kind of content, seed; lengths gather around the edges of pieces. */
  @Provide
  Arbitrary<List<Tuple3<Integer, Integer, Long>>> files() {
    Arbitrary<Integer> lengths =
        Arbitraries.frequencyOf(
            Tuple.of(4, Arbitraries.integers().between(0, 20_000)),
            Tuple.of(2, Arbitraries.integers().between(MIB - 2, MIB + 2)),
            Tuple.of(1, Arbitraries.integers().between(2 * MIB - 1, 2 * MIB + 1)),
            Tuple.of(1, Arbitraries.integers().between(0, 3 * MIB)));
    return Combinators.combine(lengths, Arbitraries.integers().between(0, 3), Arbitraries.longs())
        .as(Tuple::of)
        .list()
        .ofMaxSize(12);
  }

  @Provide
  Arbitrary<Compression> codecs() {
    return Arbitraries.of(
        new Compression("zstd", 1), new Compression("lz4", 0), new Compression("none", 0));
  }

  private static byte[] content(int length, int kind, long seed) {
    Random random = new Random(seed);
    return switch (kind) {
      case 0 -> new byte[length];
      case 1 -> TestRepository.bytes(random, length);
      case 2 -> { // zeros with a single byte somewhere
        byte[] bytes = new byte[length];
        if (length > 0) {
          bytes[random.nextInt(length)] = 1;
        }
        yield bytes;
      }
      default -> TestRepository.text(random, length);
    };
  }
}
