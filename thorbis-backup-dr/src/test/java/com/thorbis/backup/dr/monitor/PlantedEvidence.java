package com.thorbis.backup.dr.monitor;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.ServerLog;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A repository that says what a test plants. Healthy as it is made. */
final class PlantedEvidence implements Evidence {
  static final String SOURCE = "orders";

  final List<Taken> backups = new ArrayList<>();
  final List<WalGap> gaps = new ArrayList<>();
  final List<CheckItem> copies = new ArrayList<>();
  final List<CheckItem> recipients = new ArrayList<>();
  final List<CheckItem> writers = new ArrayList<>();
  Instant keySince;
  Instant registered;
  Optional<Duration> lag = Optional.empty();
  Optional<ServerLog> log = Optional.empty();
  Lsn stored = Lsn.parse("0/5000000");
  boolean fenced;
  Duration skew = Duration.ZERO;
  RuntimeException failure;
  RuntimeException serverFailure;
  Runnable beforeStatus = () -> {};
  int recipientTrials;
  private int number;

  PlantedEvidence(Instant now) {
    this.keySince = now.minus(Duration.ofDays(10));
    this.registered = now.minus(Duration.ofDays(10));
  }

  Taken taken(BackupType type, Instant stoppedAt, long bytes, long changed, Duration duration) {
    Taken taken =
        new Taken(
            new BackupId(String.format("20260101T000000Z-%08x", ++number)),
            type,
            stoppedAt.minus(duration),
            stoppedAt,
            Optional.of(Lsn.parse("0/2000000")),
            bytes,
            changed,
            duration,
            true,
            false);
    backups.add(taken);
    return taken;
  }

  Taken full(Instant stoppedAt) {
    return taken(BackupType.FULL, stoppedAt, 1L << 30, 1L << 30, Duration.ofMinutes(10));
  }

  /** The last one, with other facts. */
  void awaiting() {
    Taken last = backups.remove(backups.size() - 1);
    backups.add(
        new Taken(
            last.id(),
            last.type(),
            last.startedAt(),
            last.stoppedAt(),
            last.startLsn(),
            last.bytes(),
            last.changed(),
            last.duration(),
            false,
            false));
  }

  void partial() {
    Taken last = backups.remove(backups.size() - 1);
    backups.add(
        new Taken(
            last.id(),
            last.type(),
            last.startedAt(),
            last.stoppedAt(),
            last.startLsn(),
            last.bytes(),
            last.changed(),
            last.duration(),
            true,
            true));
  }

  @Override
  public List<Taken> backups(String source) {
    answer();
    return List.copyOf(backups);
  }

  @Override
  public SourceStatus status(String source) {
    answer();
    beforeStatus.run();
    Instant end = Instant.parse("2026-03-01T00:00:00Z");
    return new SourceStatus(
        source,
        List.of(
            new SourceStatus.Window(
                end.minusSeconds(60),
                Optional.of(end),
                Lsn.parse("0/2000000"),
                stored,
                new Timeline(1))),
        gaps,
        Optional.empty(),
        List.of(),
        lag,
        fenced);
  }

  @Override
  public Optional<ServerLog> serverLog(String source) {
    if (serverFailure != null) {
      throw serverFailure;
    }
    return log;
  }

  @Override
  public KeysReport keys() {
    answer();
    return new KeysReport(
        List.of(
            tree(Optional.empty(), registered),
            new KeysReport.Tree(
                "b", Optional.of(SOURCE), List.of(epoch(1, registered), epoch(2, keySince)))));
  }

  private static KeysReport.Tree tree(Optional<String> source, Instant since) {
    return new KeysReport.Tree("a", source, List.of(epoch(1, since)));
  }

  private static KeysReport.Epoch epoch(int number, Instant since) {
    return new KeysReport.Epoch(number, since, List.of(), List.of());
  }

  @Override
  public List<CheckItem> checkKeys() {
    recipientTrials++;
    return recipients;
  }

  @Override
  public List<CheckItem> checkCopies() {
    return copies;
  }

  @Override
  public List<CheckItem> checkWriters() {
    return writers;
  }

  @Override
  public Duration clockSkew() throws IOException {
    return skew;
  }

  private void answer() {
    if (failure != null) {
      throw failure;
    }
  }
}
