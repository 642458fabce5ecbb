package com.thorbis.backup.storage.filesystem;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.storage.ListPage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

class ListingTest {
  /** Whatever lies there, pages of any size give what a sorted list of the keys gives. */
  @Property(tries = 150)
  void pagesAreSlicesOfTheSortedKeys(
      @ForAll("keys") Set<String> wanted,
      @ForAll("prefixes") String prefix,
      @ForAll("prefixes") String start,
      @ForAll @IntRange(min = 1, max = 7) int pageSize)
      throws IOException {
    Path root = Files.createTempDirectory("listing");
    try {
      TreeSet<String> keys = new TreeSet<>();
      for (String key : wanted) {
        if (create(root, key)) {
          keys.add(key);
        }
      }
      Files.createDirectories(root.resolve("9/empty/emptier"));

      List<String> listed = new ArrayList<>();
      String after = start;
      boolean more = true;
      while (more) {
        ListPage page = new Listing(root, prefix, after, pageSize).run();
        page.objects().forEach(info -> listed.add(info.key().value()));
        more = page.next().isPresent();
        assertThat(page.objects().size()).isBetween(more ? pageSize : 0, pageSize);
        after = page.next().orElse("");
      }

      assertThat(listed)
          .containsExactlyElementsOf(
              keys.stream()
                  .filter(key -> key.startsWith(prefix) && key.compareTo(start) > 0)
                  .toList());
    } finally {
      try (Stream<Path> tree = Files.walk(root)) {
        for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(path);
        }
      }
    }
  }

  private static boolean create(Path root, String key) throws IOException {
    Path file = root.resolve(key);
    for (Path above = file.getParent(); !above.equals(root); above = above.getParent()) {
      if (Files.isRegularFile(above)) {
        return false; // an object where others would lie below
      }
    }
    if (Files.exists(file)) {
      return false;
    }
    Files.createDirectories(file.getParent());
    Files.createFile(file);
    return true;
  }

  @Provide
  Arbitrary<Set<String>> keys() {
    return key().set().ofMaxSize(40);
  }

  @Provide
  Arbitrary<String> prefixes() {
    return Arbitraries.oneOf(
        Arbitraries.just(""),
        key(),
        key().map(key -> key + "/"),
        key().map(key -> key.substring(0, key.length() - 1)));
  }

  private static Arbitrary<String> key() {
    // Characters on both sides of the slash, and few of them, so that names share beginnings.
    return Arbitraries.strings()
        .withChars("-.0aB")
        .ofMinLength(1)
        .ofMaxLength(3)
        .filter(name -> !name.equals(".") && !name.equals(".."))
        .list()
        .ofMinSize(1)
        .ofMaxSize(4)
        .map(names -> String.join("/", names));
  }
}
