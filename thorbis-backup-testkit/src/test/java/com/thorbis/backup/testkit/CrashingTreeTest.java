package com.thorbis.backup.testkit;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class CrashingTreeTest {
  private final CrashingTree tree = new CrashingTree();

  @Test
  void aNameIsThereOrNotUntilItsFolderIsForced() {
    tree.createFile("a");
    tree.createFile("b");
    assertThat(states()).containsExactlyInAnyOrder("", "a= ", "b= ", "a= b= ");
    tree.forceFolder("");
    assertThat(states()).containsExactly("a= b= ");
    assertThat(tree.pending()).isZero();
  }

  @Test
  void contentMayBeLostZeroOrThere() {
    tree.createFile("a");
    tree.forceFolder("");
    tree.write("a", 0, ByteBuffer.wrap("xy".getBytes(UTF_8)));
    assertThat(states()).containsExactlyInAnyOrder("a= ", "a=\0\0 ", "a=xy ");
    tree.force("a");
    assertThat(states()).containsExactly("a=xy ");
  }

  @Test
  void longContentIsTornAtTheEdgesOfSectors() {
    tree.createFile("a");
    tree.forceFolder("");
    tree.write("a", 0, ByteBuffer.wrap(new byte[10_000]));
    Set<Integer> lengths = new TreeSet<>();
    tree.states(1, 1000, new HashSet<>(), state -> lengths.add(state.files().get("a").length));
    assertThat(lengths).contains(0, 512, 4096, 9728, 10_000);
  }

  @Test
  void aNameCanBeThereWithoutItsContentAndBehindAFolderThatIsLost() {
    tree.createFolder("d");
    tree.createFile("t");
    tree.write("t", 0, ByteBuffer.wrap("xy".getBytes(UTF_8)));
    tree.link("d/a", "t");
    tree.forceFolder("d");
    assertThat(states()).contains("d/a= ", "d/a=xy ", "", "t=xy ");
    tree.force("t");
    tree.forceFolder("");
    assertThat(states()).containsExactly("d/a=xy t=xy ");
  }

  @Test
  void changesOfOneNameKeepTheirOrder() {
    tree.createFile("a");
    tree.delete("a");
    tree.createFile("b");
    tree.rename("b", "a");
    assertThat(states()).doesNotContain("a= b= b= ").contains("", "a= ");
  }

  @Test
  void manyPendingChangesAreSampledBySeed() {
    for (int i = 0; i < 20; i++) {
      tree.createFile("f" + i);
    }
    Set<String> seen = new HashSet<>();
    tree.states(1, 100, seen, state -> {});
    assertThat(seen).hasSizeBetween(50, 100);
    Set<String> again = new HashSet<>();
    tree.states(1, 100, again, state -> {});
    assertThat(again).isEqualTo(seen);
  }

  private Set<String> states() {
    Set<String> states = new TreeSet<>();
    tree.states(
        1,
        5000,
        new HashSet<>(),
        state -> {
          StringBuilder text = new StringBuilder();
          state
              .files()
              .forEach(
                  (name, content) ->
                      text.append(name).append('=').append(new String(content, UTF_8)).append(' '));
          states.add(text.toString());
        });
    return states;
  }
}
