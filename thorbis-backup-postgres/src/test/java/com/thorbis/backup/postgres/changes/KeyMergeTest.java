package com.thorbis.backup.postgres.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.postgres.changes.PgOutput.Column;
import com.thorbis.backup.postgres.wire.ProtocolException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.Test;

class KeyMergeTest {
  private static final KeyOrder NUMBERS = new KeyOrder(List.of(new Column(true, "id", 20, -1)));
  private static final KeyOrder PAIRS =
      new KeyOrder(List.of(new Column(true, "a\"", 25, -1), new Column(true, "b", 23, -1)));

  private final List<String> removed = new ArrayList<>();

  @Test
  void whatWasThereAndIsNotGoesAndWhatIsNewIsCounted() throws IOException {
    KeyMerge merge =
        merge(NUMBERS, true, List.of("-5", "2", "9", "10"), "-5 f", "3 t", "9 t", "9 f", "11 f");
    assertThat(removed).containsExactly("2", "9", "10");
    assertThat(merge.keys()).isEqualTo(4);
    assertThat(merge.gone()).isEqualTo(2);
    assertThat(merge.replaced()).isEqualTo(1);
    assertThat(merge.appeared()).isEqualTo(1);
    assertThat(merge.unexplained()).isEqualTo(1);
  }

  @Test
  void ofSomeKeysNoneIsGone() throws IOException {
    KeyMerge merge = merge(NUMBERS, false, List.of("1", "2", "3"), "2 t", "4 t");
    assertThat(removed).containsExactly("2");
    assertThat(merge.gone()).isZero();
    assertThat(merge.appeared()).isEqualTo(1);
  }

  @Test
  void nothingAndEverythingAreNoSpecialCases() throws IOException {
    assertThat(merge(NUMBERS, true, List.of()).keys()).isZero();
    assertThat(merge(NUMBERS, true, List.of("1")).gone()).isEqualTo(1);
    assertThat(merge(NUMBERS, true, List.of(), "1 f").unexplained()).isEqualTo(1);
  }

  @Test
  void textsAreOrderedByTheirBytes() throws IOException {
    KeyMerge merge =
        merge(
            PAIRS,
            true,
            List.of("\t1", "Z\t9", "a\t2", "a\t10", "a\\\\\t1", "\u00e4\t1", "\ud83d\ude00\t1"),
            "\t1 f",
            "a\t2 t",
            "a\t10 f",
            "a\\n\t1 t",
            "\u00e4\t1 f",
            "\uffee\t1 t");
    // A newline comes behind the end of a text, and before a backslash.
    assertThat(removed).containsExactly("Z\t9", "a\t2", "a\\\\\t1", "\ud83d\ude00\t1");
    assertThat(merge.keys()).isEqualTo(6);
  }

  @Test
  void anotherOrderIsNotBelieved() {
    assertThatThrownBy(() -> merge(NUMBERS, true, List.of("1"), "2 f", "1 f"))
        .isInstanceOf(ProtocolException.class)
        .hasMessageContaining("another order");
    assertThatThrownBy(() -> merge(NUMBERS, true, List.of(), "1 f", "3 f", "2 f"))
        .isInstanceOf(ProtocolException.class);
    assertThatThrownBy(() -> merge(NUMBERS, true, List.of("2", "2"), "2 f"))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("Damaged");
  }

  @Test
  void theServerIsAskedForTheSameOrder() {
    assertThat(PAIRS.selected()).isEqualTo("t.\"a\"\"\" AS k1, t.\"b\" AS k2");
    assertThat(PAIRS.ordered())
        .isEqualTo("pg_catalog.convert_to(pg_catalog.format('%s', s.k1), 'UTF8'), s.k2");
  }

  private KeyMerge merge(KeyOrder order, boolean all, List<String> stored, String... present)
      throws IOException {
    Iterator<String> keys = List.of(present).iterator();
    KeyMerge merge =
        new KeyMerge(
            order,
            () -> keys.hasNext() ? line(keys.next()) : null,
            key -> removed.add(new String(key, StandardCharsets.UTF_8)),
            all);
    for (String each : stored) {
      merge.stored(each.getBytes(StandardCharsets.UTF_8));
    }
    merge.end();
    return merge;
  }

  private static byte[] line(String text) {
    int space = text.lastIndexOf(' ');
    return (text.substring(0, space) + "\t" + text.substring(space + 1) + "\n")
        .getBytes(StandardCharsets.UTF_8);
  }
}
