package com.thorbis.backup.storage;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;

/** Random edits of random files over several backups: each backup stays exactly its tree. */
class ChunkedPropertyTest {
  private static final int MIB = 1 << 20;

  @Property(tries = 25, shrinking = ShrinkingMode.OFF)
  void eachBackupIsItsTree(@ForAll long seed) throws IOException {
    Random random = new Random(seed);
    Path state = Files.createTempDirectory("thorbis-property");
    SettableClock clock = SettableClock.at(TestRepository.NOW);
    try (Site site = Site.create(MemoryObjectStore.create(clock, 1000), state, clock)) {
      FileTree.register(site.repository);
      FileTree tree = new FileTree();
      for (int i = random.nextInt(12); i >= 0; i--) {
        tree.file(path(random), content(random));
      }
      List<FileTree> trees = new ArrayList<>();
      List<BackupId> ids = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        Optional<BackupId> base =
            ids.isEmpty() || random.nextInt(6) == 0
                ? Optional.empty()
                : Optional.of(ids.get(random.nextInt(ids.size())));
        FileTree.Made made = tree.backUp(site.repository, base, random.nextInt(4) > 0);
        trees.add(tree.copy());
        ids.add(made.id());
        tree = edited(tree.copy(), random);
      }
      for (int i = 0; i < ids.size(); i++) {
        trees.get(i).assertIs(site.repository, ids.get(i));
      }
      site.requireAllWhole();
    }
  }

  private static String path(Random random) {
    return "d" + random.nextInt(3) + "/f" + random.nextInt(30);
  }

  private static byte[] content(Random random) {
    int length =
        switch (random.nextInt(4)) {
          case 0 -> random.nextInt(100);
          case 1 -> random.nextInt(20_000);
          case 2 -> random.nextInt(MIB);
          default -> random.nextInt(6 * MIB);
        };
    return switch (random.nextInt(4)) {
      case 0 -> new byte[length];
      case 1 -> TestRepository.text(random, length);
      default -> TestRepository.bytes(random, length);
    };
  }

  private static FileTree edited(FileTree tree, Random random) {
    FileTree edited = tree;
    for (int edit = random.nextInt(6); edit >= 0; edit--) {
      List<String> files = edited.files();
      if (files.isEmpty()) {
        return edited.file(path(random), content(random));
      }
      String one = files.get(random.nextInt(files.size()));
      byte[] content = edited.content(one);
      switch (random.nextInt(8)) {
        case 0 -> edited.remove(one);
        case 1 -> edited.file(path(random), content); // a copy
        case 2 -> edited = edited.moved("d0", "d" + (3 + random.nextInt(9)));
        case 3 -> edited.file(path(random), content(random));
        case 4 -> edited.file(one, Arrays.copyOf(content, random.nextInt(2 * content.length + 2)));
        case 5 -> {
          int at = random.nextInt(content.length + 1);
          byte[] more = TestRepository.bytes(random, random.nextInt(3000));
          byte[] longer = Arrays.copyOf(content, content.length + more.length);
          System.arraycopy(content, at, longer, at + more.length, content.length - at);
          System.arraycopy(more, 0, longer, at, more.length);
          edited.file(one, longer);
        }
        case 6 -> edited.link(Kind.SYMBOLIC_LINK, path(random) + ".link", "f" + edit);
        default -> {
          byte[] changed = content.clone();
          if (changed.length > 0) {
            changed[random.nextInt(changed.length)] ^= 1;
          }
          edited.file(one, changed);
        }
      }
    }
    return edited;
  }
}
