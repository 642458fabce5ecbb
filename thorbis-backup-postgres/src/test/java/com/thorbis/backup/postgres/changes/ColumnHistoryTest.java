package com.thorbis.backup.postgres.changes;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.postgres.changes.PgOutput.Column;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Histories at random, in which transactions are open while rows are looked at: with parts of their
 * own, late commits, changed keys, places that are exchanged, and updates that leave the time
 * alone.
 */
class ColumnHistoryTest {
  private static final KeyOrder ORDER = new KeyOrder(List.of(new Column(true, "id", 23, -1)));
  private static final Duration MARGIN = Duration.ofSeconds(30);
  private static final int HISTORIES = Boolean.getBoolean("thorbis.release") ? 1000 : 20;
  private static final int STEPS = 400;

  /** A row; no two have the same place at the source. */
  private record Row(int place, String note, Instant time, int xmin, boolean stamped) {}

  private static final class Transaction {
    private final Instant begun;
    private final boolean prepared;
    private long number = -1;
    private final Map<Integer, Optional<Row>> written = new HashMap<>();

    Transaction(Instant begun, boolean prepared) {
      this.begun = begun;
      this.prepared = prepared;
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theCopyIsWhatWasCommittedWhenItWasLookedAt(boolean byTime) throws IOException {
    int unseen = 0;
    int late = 0;
    for (int seed = 0; seed < HISTORIES; seed++) {
      History history = new History(seed, byTime);
      for (int step = 0; step < STEPS; step++) {
        history.step();
      }
      unseen += history.unseen;
      late += history.late;
    }
    assertThat(late).isGreaterThan(HISTORIES);
    if (byTime) {
      assertThat(unseen).isGreaterThan(HISTORIES);
    } else {
      assertThat(unseen).isZero();
    }
  }

  /** A server with one table, and a copy. */
  private static final class History {
    private final Random random;
    private final boolean byTime;
    private Instant clock = Instant.parse("2026-01-01T00:00:00Z");
    private long next;
    private final TreeMap<Integer, Row> table = new TreeMap<>();
    private final List<Transaction> open = new ArrayList<>();
    private int count;

    private final TreeMap<Integer, Row> copy = new TreeMap<>();
    private long since;
    private long wholeSince;
    private Optional<Instant> watermark = Optional.empty();
    private int unseen;
    private int late;

    History(long seed, boolean byTime) {
      random = new Random(seed);
      this.byTime = byTime;
      // Some cross the place where numbers begin anew.
      next = (1L << 32) * (1 + random.nextInt(3)) - random.nextInt(400);
      since = next;
      wholeSince = next;
    }

    void step() throws IOException {
      clock = clock.plusSeconds(random.nextInt(20));
      int what = random.nextInt(100);
      if (what < 15 && open.size() < 5) {
        open.add(new Transaction(clock, random.nextInt(10) == 0));
      } else if (what < 70 && !open.isEmpty()) {
        write(open.get(random.nextInt(open.size())));
      } else if (what < 90 && !open.isEmpty()) {
        end(open.remove(random.nextInt(open.size())));
      } else {
        look();
      }
    }

    /** In a part of its own now and then, which has a number of its own. */
    private int number(Transaction transaction) {
      if (transaction.number < 0) {
        transaction.number = next++;
        return (int) transaction.number;
      }
      return random.nextInt(3) == 0 ? (int) next++ : (int) transaction.number;
    }

    private void write(Transaction transaction) {
      int key = random.nextInt(40) - 20;
      if (locked(transaction, key)) {
        return;
      }
      Optional<Row> old = seen(transaction, key);
      Instant time = transaction.begun.minusSeconds(random.nextInt(30));
      int xmin = number(transaction);
      String note = "n" + count;
      boolean stamped = !byTime || random.nextInt(4) > 0;
      if (old.isEmpty()) {
        transaction.written.put(
            key,
            Optional.of(new Row(count++, note, stamped ? time : Instant.EPOCH, xmin, stamped)));
        return;
      }
      Row row = old.get();
      Instant kept = stamped ? time : row.time();
      switch (random.nextInt(4)) {
        case 0 -> transaction.written.put(key, Optional.empty());
        case 1 -> {
          int other = random.nextInt(40) - 20;
          if (!locked(transaction, other) && seen(transaction, other).isEmpty()) {
            transaction.written.put(key, Optional.empty());
            transaction.written.put(
                other, Optional.of(new Row(row.place(), note, kept, xmin, stamped)));
          }
        }
        case 2 -> {
          int other = random.nextInt(40) - 20;
          Optional<Row> partner = seen(transaction, other);
          if (other != key && !locked(transaction, other) && partner.isPresent()) {
            transaction.written.put(
                key, Optional.of(new Row(partner.get().place(), note, kept, xmin, stamped)));
            transaction.written.put(
                other,
                Optional.of(
                    new Row(
                        row.place(),
                        partner.get().note(),
                        stamped ? time : partner.get().time(),
                        xmin,
                        stamped)));
          }
        }
        default -> {
          count++;
          transaction.written.put(
              key, Optional.of(new Row(row.place(), note, kept, xmin, stamped)));
        }
      }
    }

    private boolean locked(Transaction mine, int key) {
      return open.stream().anyMatch(each -> each != mine && each.written.containsKey(key));
    }

    private Optional<Row> seen(Transaction transaction, int key) {
      return transaction.written.getOrDefault(key, Optional.ofNullable(table.get(key)));
    }

    private void end(Transaction transaction) {
      if (random.nextInt(5) == 0) {
        return; // taken back
      }
      if (transaction.number >= 0 && transaction.number < since) {
        throw new IllegalStateException("It was open when rows were looked at");
      }
      transaction.written.forEach(
          (key, row) -> {
            if (row.isPresent()) {
              table.put(key, row.get());
              late += transaction.begun.isBefore(clock.minusSeconds(120)) ? 1 : 0;
            } else {
              table.remove(key);
            }
          });
    }

    private void look() throws IOException {
      boolean prepared = open.stream().anyMatch(each -> each.prepared);
      Watermark reading =
          new Watermark(
              clock,
              open.stream()
                  .filter(each -> !each.prepared)
                  .map(each -> each.begun)
                  .min(Instant::compareTo),
              !prepared);
      long oldest =
          open.stream()
              .filter(each -> each.number >= 0)
              .mapToLong(each -> each.number)
              .min()
              .orElse(next);
      Horizon sinceWhole = new Horizon(wholeSince, next);
      Horizon sinceLast = new Horizon(since, next);
      boolean whole = !byTime || watermark.isEmpty() || random.nextInt(6) == 0;
      Predicate<Row> mayBeNew = row -> sinceWhole.mayBeNew(row.xmin());
      Instant from = watermark.orElse(Instant.MIN);
      Predicate<Row> stamped = row -> !row.time().isBefore(from) && sinceLast.mayBeNew(row.xmin());
      Predicate<Row> which = whole ? mayBeNew : stamped;
      List<Integer> before = List.copyOf(copy.keySet());
      KeyMerge merge = merge(before, which, false);
      if (merge.unexplained() > 0) {
        assertThat(whole).isFalse();
        KeyMerge rest = merge(before, mayBeNew.and(stamped.negate()), true);
        assertThat(rest.appeared()).isEqualTo(merge.unexplained());
        which = mayBeNew;
        whole = true;
      }
      for (Map.Entry<Integer, Row> each : table.entrySet()) {
        if (which.test(each.getValue())) {
          assertThat(copy).doesNotContainKey(each.getKey());
          // Where updates may be unseen, nothing but keys may have to be unique.
          assertThat(byTime ? List.<Row>of() : copy.values())
              .noneMatch(row -> row.place() == each.getValue().place());
          copy.put(each.getKey(), each.getValue());
        }
      }
      since = oldest;
      if (whole) {
        wholeSince = oldest;
      }
      watermark = reading.from(MARGIN, watermark);
      assertThat(copy.keySet()).isEqualTo(table.keySet());
      if (whole) {
        assertThat(copy).isEqualTo(table);
      } else {
        Set<Integer> different = new HashSet<>();
        table.forEach(
            (key, row) -> {
              if (!row.equals(copy.get(key))) {
                different.add(key);
                assertThat(row.stamped()).as("a time was kept in %s", row).isFalse();
              }
            });
        unseen += different.size();
      }
    }

    private KeyMerge merge(List<Integer> before, Predicate<Row> which, boolean changedAlone)
        throws IOException {
      Iterator<Map.Entry<Integer, Row>> rows =
          table.entrySet().stream()
              .filter(each -> !changedAlone || which.test(each.getValue()))
              .iterator();
      KeyMerge merge =
          new KeyMerge(
              ORDER,
              () -> {
                if (!rows.hasNext()) {
                  return null;
                }
                Map.Entry<Integer, Row> row = rows.next();
                return (row.getKey() + (which.test(row.getValue()) ? "\tt\n" : "\tf\n"))
                    .getBytes(StandardCharsets.US_ASCII);
              },
              key ->
                  assertThat(
                          copy.remove(Integer.valueOf(new String(key, StandardCharsets.US_ASCII))))
                      .isNotNull(),
              !changedAlone);
      for (Integer key : before) {
        merge.stored(key.toString().getBytes(StandardCharsets.US_ASCII));
      }
      merge.end();
      return merge;
    }
  }
}
