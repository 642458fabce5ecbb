package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.crypto.SealedRange;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Objects that are cut, longer, gone, exchanged or set back: all of it is noticed, and named. */
class StructuralDamageTest {
  private static final int SEALED_BEGINNING = 128;
  private static final int SEALED_CHUNK = SealedRange.CHUNK_LENGTH + 16;

  @TempDir Path states;

  private TestWorld world;
  private MemoryObjectStore disk;
  private TestClient client;

  @BeforeEach
  void prepare() throws IOException {
    world = Scenario.named("verify-data").world(states);
    disk = world.disk;
    client = world.client(disk);
    client.storeSegment(2);
    client.storePart(3, 0, 4000);
    client.register("other");
    Map<String, byte[]> files = new HashMap<>(Scenario.files(2));
    files.put("base/1/260", TestRepository.bytes(new Random(3), 70_000)); // several chunks
    client.backUp(files, BackupStatus.COMPLETE);
    client.verify(VerifyRequest.Level.DATA);
    assertThat(client.found).isEmpty();
  }

  @Test
  void everyCutAndExtensionAroundAnEdge() throws IOException {
    FaultSuite suite = new FaultSuite("cuts-and-extensions", "cut or extended objects");
    for (String name : disk.contents().keySet()) {
      byte[] content = disk.content(new ObjectKey(name));
      Set<Integer> lengths = new TreeSet<>();
      for (int edge = SEALED_BEGINNING; edge <= content.length + SEALED_CHUNK; ) {
        lengths.addAll(List.of(edge - 1, edge, edge + 1));
        edge += SEALED_CHUNK;
      }
      lengths.addAll(List.of(0, 1, content.length - 1, content.length + 1));
      lengths.remove(content.length);
      for (int length : lengths) {
        suite.run(
            name + " of " + content.length + " now has " + length,
            () -> requireNoticed(Map.of(name, Arrays.copyOf(content, length))));
      }
    }
    suite.report();
  }

  @Test
  void everyObjectThatIsGone() throws IOException {
    FaultSuite suite = new FaultSuite("deleted-objects", "objects taken away");
    for (String name : disk.contents().keySet()) {
      // Nothing says that there was a history file, or another part behind the last one.
      if (!name.endsWith(".history")
          && !name.contains("000000010000000000000003")
          && !isSuperseded(name)) {
        Map<String, byte[]> gone = new HashMap<>();
        gone.put(name, null);
        suite.run(name + " is gone", () -> requireNoticed(gone));
      }
    }
    suite.report();
  }

  private boolean isSuperseded(String name) {
    int dot = name.indexOf('.');
    return dot > 0 && disk.contents().containsKey(name.substring(0, dot));
  }

  @Test
  void everyPairOfOneTypeThatIsExchanged() throws IOException {
    FaultSuite suite = new FaultSuite("exchanged-objects", "pairs of one type");
    List<String> names = new ArrayList<>(disk.contents().keySet());
    for (int i = 0; i < names.size(); i++) {
      for (int j = i + 1; j < names.size(); j++) {
        String one = names.get(i);
        String other = names.get(j);
        if (type(one).equals(type(other))) {
          Map<String, byte[]> exchanged =
              Map.of(
                  one, disk.content(new ObjectKey(other)), other, disk.content(new ObjectKey(one)));
          suite.run(one + " and " + other, () -> requireNoticed(exchanged));
          suite.run(
              one + " in place of " + other,
              () -> requireNoticed(Map.of(other, disk.content(new ObjectKey(one)))));
        }
      }
    }
    suite.report();
  }

  private static String type(String name) {
    return name.substring(0, Math.max(0, name.indexOf('/')));
  }

  @Test
  void everyEarlierStateOfTheLogOnAMachineThatHasSeenMore() throws IOException {
    List<String> commits =
        disk.contents().keySet().stream().filter(name -> name.startsWith("commits/")).toList();
    for (int kept = 0; kept < commits.size(); kept++) {
      TestWorld earlier = world.copy();
      commits.subList(kept, commits.size()).forEach(name -> earlier.disk.lose(new ObjectKey(name)));
      try (TestClient knowing = client.successor(earlier.disk)) {
        knowing.open();
        throw new AssertionError("Not noticed with " + kept + " commits");
      } catch (RepositoryException e) {
        assertThat(e.code()).isIn("repository.rolled-back", "repository.not-initialised");
      }
    }
  }

  /** Each byte that says what another byte means: packs of maps, and what WAL begins with. */
  @Test
  void everyFlippedByteOfMapsAndWalHeaders() throws Exception {
    FaultSuite suite = new FaultSuite("metadata-bytes", "flipped bytes of maps and WAL headers");
    int stride = FaultSuite.RELEASE ? 1 : 23;
    int start = (int) (FaultSuite.SEED % stride);
    List<FaultSuite.Labelled> cases = new ArrayList<>();
    for (String name : disk.contents().keySet()) {
      byte[] content = disk.content(new ObjectKey(name));
      boolean map = name.startsWith("packs/") && content.length < 16_000;
      int length = map ? content.length : name.startsWith("wal/") ? 1000 : 0;
      for (int at = start; at < Math.min(length, content.length); at += stride) {
        int flippedAt = at;
        cases.add(
            FaultSuite.Labelled.of(
                name + " byte " + at,
                () -> {
                  byte[] flipped = content.clone();
                  flipped[flippedAt] ^= (byte) (1 << flippedAt % 8);
                  requireNoticed(Map.of(name, flipped));
                }));
      }
    }
    suite.forEach(cases);
    suite.report();
  }

  /** Opening fails typed, or verifying names an object that was changed and nothing else. */
  private void requireNoticed(Map<String, byte[]> changes) throws IOException {
    TestWorld damaged = world.copy();
    for (Map.Entry<String, byte[]> change : changes.entrySet()) {
      if (change.getValue() == null) {
        damaged.disk.delete(new ObjectKey(change.getKey()));
      } else {
        damaged.disk.replace(new ObjectKey(change.getKey()), change.getValue());
      }
    }
    try (TestClient fresh = client.successor(damaged.disk)) {
      fresh.verify(VerifyRequest.Level.DATA);
      assertThat(fresh.found).isNotEmpty();
      assertThat(fresh.found)
          .allSatisfy(
              found ->
                  assertThat(changes.keySet())
                      .anyMatch(
                          name -> !found.object().isEmpty() && name.startsWith(found.object())));
    } catch (RepositoryException e) {
      assertThat(e.kind())
          .as("%s", e)
          .isIn(FailureKind.DAMAGED, FailureKind.PERMANENT, FailureKind.NOT_FOUND);
      String object = e.details().getOrDefault("object", "");
      assertThat(changes.keySet())
          .as("%s names what was changed", e)
          .anyMatch(
              name ->
                  !object.isEmpty() && name.startsWith(object)
                      || e.code().equals("repository.rolled-back") && name.startsWith("commits/"));
    }
  }
}
