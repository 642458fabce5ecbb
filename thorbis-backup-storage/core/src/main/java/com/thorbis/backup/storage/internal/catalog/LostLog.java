package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The log that was given up, and what of it is being removed or is gone: by the repository, or by
 * one copy alone. Belongs to one thread at a time.
 */
final class LostLog {
  private final List<Operation.WalExpire> expiries = new ArrayList<>();
  private final Map<Line, Said<Operation.WalExpire>> gone = new LinkedHashMap<>();

  /** One timeline of an incarnation. */
  record Line(String source, String incarnation, Timeline timeline) {
    static Line of(Operation.WalExpire expiry) {
      return new Line(expiry.source(), expiry.incarnation(), expiry.timeline());
    }
  }

  /** What a commit of this number said. */
  record Said<T>(long sequence, T what) {}

  LostLog copy() {
    LostLog copy = new LostLog();
    copy.expiries.addAll(expiries);
    copy.gone.putAll(gone);
    return copy;
  }

  /** What was given up and is not being removed. */
  List<Operation.WalExpire> expiries() {
    return List.copyOf(expiries);
  }

  /** What is being removed or is gone. */
  List<Said<Operation.WalExpire>> gone() {
    return List.copyOf(gone.values());
  }

  /** Up to where a timeline was given up, removed or not; zero if it was not. */
  Lsn expired(Line line) {
    return last(line).map(Operation.WalExpire::before).orElse(new Lsn(0));
  }

  /** Up to where a timeline is being removed, or is gone; zero if it is not. */
  Lsn gone(Line line) {
    Said<Operation.WalExpire> said = gone.get(line);
    return said == null ? new Lsn(0) : said.what().before();
  }

  /** The commit that says of such log that it is being removed; 0 if none does. */
  long commitOf(Operation.WalExpire removed) {
    Said<Operation.WalExpire> said = gone.get(Line.of(removed));
    return said == null ? 0 : said.sequence();
  }

  /** Whether a segment is being removed, or is gone, unless a backup needs it. */
  boolean takes(Line line, WalSegment segment) {
    Said<Operation.WalExpire> said = gone.get(line);
    return said != null
        && segment.end().compareTo(said.what().before()) <= 0
        && said.what().keep().stream()
            .noneMatch(
                stretch ->
                    segment.start().compareTo(stretch.end()) < 0
                        && stretch.start().compareTo(segment.end()) < 0);
  }

  /** Whether an expiry gives up more than was given up before. */
  boolean isNews(Operation.WalExpire expiry) {
    return last(Line.of(expiry)).map(expiry::exceeds).orElse(true);
  }

  void expire(Operation.WalExpire expiry) {
    if (isNews(expiry)) {
      expiries.add(expiry);
    }
  }

  /** A backup that comes back needs the log behind it, as far as that is not being removed. */
  void bringBack(StoredBackup backup) {
    if (!backup.physical()) {
      return;
    }
    expiries.replaceAll(
        expiry ->
            expiry.source().equals(backup.source())
                    && expiry.incarnation().equals(backup.incarnation())
                    && expiry.timeline().equals(backup.timeline())
                    && expiry.before().compareTo(backup.startLsn()) > 0
                ? new Operation.WalExpire(
                    expiry.source(),
                    expiry.incarnation(),
                    expiry.timeline(),
                    backup.startLsn(),
                    expiry.keep(),
                    expiry.sweepAfter())
                : expiry);
    dropVoid();
  }

  /** Of a source that is not there any more. */
  void forget(String source) {
    expiries.removeIf(expiry -> expiry.source().equals(source));
    gone.keySet().removeIf(line -> line.source().equals(source));
  }

  boolean isEmpty() {
    return expiries.isEmpty() && gone.isEmpty();
  }

  void lose(long sequence, Operation.WalExpire removed) {
    Line line = Line.of(removed);
    expiries.removeIf(
        expiry ->
            Line.of(expiry).equals(line) && !expiry.sweepAfter().isAfter(removed.sweepAfter()));
    gone.merge(
        line,
        new Said<>(sequence, removed),
        (one, other) -> other.what().exceeds(one.what()) ? other : one);
    dropVoid();
  }

  /** Leaves out what gives up no more than one before it. */
  private void dropVoid() {
    Map<Line, Operation.WalExpire> last = new LinkedHashMap<>();
    gone.forEach((line, said) -> last.put(line, said.what()));
    expiries.removeIf(
        expiry -> {
          Operation.WalExpire before = last.get(Line.of(expiry));
          if (before != null && !expiry.exceeds(before)) {
            return true;
          }
          last.put(Line.of(expiry), expiry);
          return false;
        });
  }

  private Optional<Operation.WalExpire> last(Line line) {
    return Stream.concat(
            Stream.ofNullable(gone.get(line)).map(Said::what),
            expiries.stream().filter(expiry -> Line.of(expiry).equals(line)))
        .reduce((one, other) -> other);
  }
}
