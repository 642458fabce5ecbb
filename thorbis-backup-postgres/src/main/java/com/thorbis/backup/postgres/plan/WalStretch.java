package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wal.WalListener;
import com.thorbis.backup.postgres.wal.WalReader;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A line of timelines from one position as far as the log is stored without a hole. Marks tell
 * which segments are worth reading; what is answered was read from the records themselves.
 */
final class WalStretch {
  private static final int MARKS_AHEAD = 16;

  private final WalLedger ledger;
  private final TimelineHistory line;
  private final Lsn start;
  private final List<WalRange> ranges;
  private final Optional<WalRange> gap;
  private final List<Slice> slices;

  WalStretch(
      WalLedger ledger,
      TimelineHistory line,
      Lsn start,
      List<WalRange> ranges,
      Optional<WalRange> gap)
      throws IOException {
    this.ledger = ledger;
    this.line = line;
    this.start = start;
    this.ranges = List.copyOf(ranges);
    this.gap = gap;
    this.slices = slices();
  }

  /**
   * What the stretch has of one segment.
   *
   * @param segment the segment
   * @param from the first byte of it in the stretch
   * @param to the byte after the last
   * @param toEnd whether that is all that is stored of it
   */
  record Slice(WalSegment segment, Lsn from, Lsn to, boolean toEnd) {}

  /** The end of a transaction, or a restore point, which has a name. */
  record Event(Lsn record, long xid, Instant time, Optional<String> name) {
    boolean transaction() {
      return name.isEmpty();
    }
  }

  /** The last whole record. */
  record Last(Lsn record, Lsn end) {}

  TimelineHistory line() {
    return line;
  }

  List<WalRange> ranges() {
    return ranges;
  }

  List<Slice> segments() {
    return slices;
  }

  Lsn start() {
    return start;
  }

  /** The byte after the last. */
  Lsn end() {
    return ranges.isEmpty() ? start : ranges.get(ranges.size() - 1).end();
  }

  /** The hole it ends at; empty if nothing of the line is stored after it. */
  Optional<WalRange> gap() {
    return gap;
  }

  /** The stretches to the segment after the one that holds a position: a record may reach it. */
  List<WalRange> rangesTo(Lsn position) {
    List<WalRange> needed = new ArrayList<>();
    for (WalRange range : ranges) {
      if (range.start().compareTo(position) > 0) {
        break;
      }
      Lsn end =
          WalSegment.containing(range.timeline(), position, ledger.segmentSize()).next().end();
      needed.add(
          new WalRange(
              range.timeline(), range.start(), end.compareTo(range.end()) < 0 ? end : range.end()));
    }
    return needed;
  }

  /** The first commit or abort that {@code beyond} the time is. */
  Optional<Event> firstEnd(Predicate<Instant> beyond) throws IOException {
    return first(
        marks -> marks.lastEnd().isPresent() && beyond.test(marks.lastEnd().get()),
        event -> event.transaction() && beyond.test(event.time()));
  }

  /**
   * A commit or abort that {@code beyond} the time is: the first one, if it lies before a position
   * or commit times never go back by more than the length of a segment. Where they do, because the
   * server's clock was set back, it may be a later one; but empty means that there is none. Looks
   * at the marks of few segments, unless none is found.
   */
  Optional<Event> anEnd(Predicate<Instant> beyond, Lsn exactTo) throws IOException {
    int exact = 0;
    while (exact < slices.size() && slices.get(exact).from().compareTo(exactTo) < 0) {
      exact++;
    }
    Predicate<WalMarks> mayHold =
        marks -> marks.lastEnd().isPresent() && beyond.test(marks.lastEnd().get());
    Predicate<Event> wanted = event -> event.transaction() && beyond.test(event.time());
    Optional<Event> early = first(0, exact, mayHold, wanted);
    if (early.isPresent()) {
      return early;
    }
    int begin = search(exact, mayHold);
    Optional<Event> found = first(begin, slices.size(), mayHold, wanted);
    return found.isPresent() ? found : first(exact, begin, mayHold, wanted);
  }

  /** Where to begin to look; {@code from}, where marks do not tell enough. */
  private int search(int from, Predicate<WalMarks> beyond) throws IOException {
    int found = slices.size() - 1;
    while (found >= from && tellsNothing(found)) {
      found--;
    }
    if (found < from || !beyond.test(marks(found))) {
      return from;
    }
    int low = from;
    int high = found;
    while (low < high) {
      int middle = (low + high) >>> 1;
      int probe = middle;
      while (probe < high && tellsNothing(probe)) {
        probe++;
      }
      if (probe == high) {
        high = middle;
      } else if (beyond.test(marks(probe))) {
        found = probe;
        high = middle;
      } else {
        low = probe + 1;
      }
    }
    while (found > from && beyond.test(marks(found - 1))) {
      found--;
    }
    // One that nothing is known of is read, and so are those that no transaction ended in.
    while (found > from && tellsNothing(found - 1)) {
      found--;
    }
    return found;
  }

  private boolean tellsNothing(int slice) throws IOException {
    return marks(slice).lastEnd().isEmpty();
  }

  private WalMarks marks(int slice) throws IOException {
    return ledger.marks(slices.get(slice).segment());
  }

  /** The end of a transaction; reads the whole stretch if the marks do not know it. */
  Optional<Event> end(long xid) throws IOException {
    Predicate<Event> wanted = event -> event.transaction() && event.xid() == xid;
    Optional<Event> found =
        first(
            marks ->
                marks.leastXid().isPresent()
                    && marks.mostXid().isPresent()
                    && marks.leastXid().getAsLong() <= xid
                    && xid <= marks.mostXid().getAsLong(),
            wanted);
    return found.isPresent() ? found : first(marks -> true, wanted);
  }

  /** The least and the greatest id of a transaction that the marks say ends after a position. */
  List<Long> outermostXids(Lsn after) throws IOException {
    List<Long> found = new ArrayList<>();
    ahead(0, slices.size());
    for (Slice slice : slices) {
      if (slice.from().compareTo(after) >= 0
          && slice.from().equals(slice.segment().start())
          && slice.toEnd()) {
        WalMarks marks = ledger.marks(slice.segment());
        marks.leastXid().ifPresent(found::add);
        marks.mostXid().ifPresent(found::add);
      }
    }
    return found.isEmpty() ? found : List.of(Collections.min(found), Collections.max(found));
  }

  /** The first restore point of a name; reads the whole stretch if the marks do not know it. */
  Optional<Event> restorePoint(String name) throws IOException {
    Predicate<Event> wanted = event -> event.name().equals(Optional.of(name));
    Optional<Event> found =
        first(
            marks -> marks.restorePoints().stream().anyMatch(point -> point.name().equals(name)),
            wanted);
    return found.isPresent() ? found : first(marks -> true, wanted);
  }

  /** The restore points that the marks know, in the log's order. */
  List<WalMarks.RestorePoint> restorePoints() throws IOException {
    List<WalMarks.RestorePoint> points = new ArrayList<>();
    ahead(0, slices.size());
    for (Slice slice : slices) {
      for (WalMarks.RestorePoint point : ledger.marks(slice.segment()).restorePoints()) {
        if (start.compareTo(point.position()) <= 0
            && point.position().compareTo(slice.to()) < 0
            && points.stream().noneMatch(p -> p.position().equals(point.position()))) {
          points.add(point);
        }
      }
    }
    return points;
  }

  /**
   * The moment up to which nothing that happened is missing, by the server's clock; empty if
   * nothing tells.
   */
  Optional<Instant> completeTo() throws IOException {
    Instant latest = null;
    int from = slices.size() - 1;
    for (; from > 0 && ledger.marks(slices.get(from).segment()).lastEnd().isEmpty(); from--) {
      latest = later(latest, asOf(slices.get(from)));
    }
    List<Event> events = new ArrayList<>();
    if (from >= 0) {
      latest = later(latest, asOf(slices.get(from)));
      read(from, collect(events));
    }
    for (Event event : events) {
      if (event.transaction() && event.record().compareTo(start) >= 0) {
        latest = later(latest, Optional.of(event.time()));
      }
    }
    return Optional.ofNullable(latest);
  }

  private Optional<Instant> asOf(Slice slice) throws IOException {
    return slice.toEnd() ? ledger.marks(slice.segment()).asOf() : Optional.empty();
  }

  private static @Nullable Instant later(@Nullable Instant known, Optional<Instant> other) {
    return other.filter(time -> known == null || time.isAfter(known)).orElse(known);
  }

  /** The last whole record. */
  Optional<Last> last() throws IOException {
    for (int i = slices.size() - 1; i >= 0; i--) {
      if (i > 0 && ledger.marks(slices.get(i).segment()).lastRecord().isEmpty()) {
        continue;
      }
      WalReader reader = read(i, WalListener.NONE);
      Optional<Lsn> record = reader.lastRecord();
      Optional<Lsn> end = reader.lastRecordEnd();
      if (record.isPresent() && end.isPresent() && record.get().compareTo(start) >= 0) {
        return Optional.of(new Last(record.get(), end.get()));
      }
    }
    return Optional.empty();
  }

  /** Reads the segments whose marks may hold it, each with the one before, until it is found. */
  private Optional<Event> first(Predicate<WalMarks> mayHold, Predicate<Event> wanted)
      throws IOException {
    return first(0, slices.size(), mayHold, wanted);
  }

  private Optional<Event> first(
      int begin, int end, Predicate<WalMarks> mayHold, Predicate<Event> wanted) throws IOException {
    List<Event> events = new ArrayList<>();
    WalReader reader = null;
    int next = 0;
    for (int i = begin; i < end; i++) {
      if ((i - begin) % MARKS_AHEAD == 0) {
        ahead(i, Math.min(end, i + MARKS_AHEAD));
      }
      WalMarks marks = marks(i);
      if (!mayHold.test(marks) && marks.lastRecord().isPresent()) {
        continue;
      }
      boolean opening = reader == null || next < i;
      if (reader == null || next < i) {
        events.clear();
        reader = reader(i, collect(events));
        next = before(i);
      }
      for (; next <= i; next++) {
        feed(reader, slices.get(next), opening);
        opening = false;
      }
      for (Event event : events) {
        if (event.record().compareTo(start) >= 0 && wanted.test(event)) {
          return Optional.of(event);
        }
      }
      events.clear();
    }
    return Optional.empty();
  }

  /** Asks for the marks of many at once. */
  private void ahead(int begin, int end) throws IOException {
    List<WalSegment> segments = new ArrayList<>();
    for (Slice slice : slices.subList(begin, end)) {
      segments.add(slice.segment());
    }
    ledger.load(segments);
  }

  /** Reads from a segment, and the one before it, to the end. */
  private WalReader read(int slice, WalListener listener) throws IOException {
    WalReader reader = reader(slice, listener);
    for (int i = before(slice); i < slices.size(); i++) {
      feed(reader, slices.get(i), i == before(slice));
    }
    return reader;
  }

  /** A record that ends in a segment may begin in the one before. */
  private static int before(int slice) {
    return Math.max(0, slice - 1);
  }

  private WalReader reader(int slice, WalListener listener) {
    return new WalReader(
        ledger.archive().cluster(),
        line.timeline(),
        slices.get(before(slice)).segment().start(),
        listener);
  }

  /** Gives a reader the bytes of the stretch; of the first segment also those before. */
  private void feed(WalReader reader, Slice slice, boolean first) throws IOException {
    WalArchive.WalContent content = ledger.open(slice.segment());
    ByteBuffer bytes = content.bytes().duplicate();
    long segmentStart = slice.segment().start().value();
    int from = first ? 0 : (int) (slice.from().value() - segmentStart);
    int to = (int) (slice.to().value() - segmentStart);
    if (bytes.remaining() < to) {
      throw WalLedger.vanished(slice.segment());
    }
    reader.feed(bytes.slice(bytes.position() + from, to - from));
  }

  private static WalListener collect(List<Event> events) {
    return new WalListener() {
      @Override
      public void transactionEnded(Lsn record, long xid, Instant time, boolean committed) {
        events.add(new Event(record, xid, time, Optional.empty()));
      }

      @Override
      public void restorePoint(WalMarks.RestorePoint point) {
        events.add(new Event(point.position(), 0, point.time(), Optional.of(point.name())));
      }
    };
  }

  private List<Slice> slices() throws IOException {
    List<Slice> cut = new ArrayList<>();
    for (WalRange range : ranges) {
      Lsn stored = range.end();
      for (WalRange whole : ledger.ranges(range.timeline())) {
        if (whole.contains(range.start())) {
          stored = whole.end();
        }
      }
      WalSegment segment =
          WalSegment.containing(range.timeline(), range.start(), ledger.segmentSize());
      Lsn from = range.start();
      while (from.compareTo(range.end()) < 0) {
        Lsn to = least(segment.end(), range.end());
        cut.add(new Slice(segment, from, to, to.equals(least(segment.end(), stored))));
        from = to;
        segment = segment.next();
      }
    }
    return List.copyOf(cut);
  }

  private static Lsn least(Lsn a, Lsn b) {
    return a.compareTo(b) < 0 ? a : b;
  }
}
