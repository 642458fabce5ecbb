package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RetentionForecast;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegmentSize;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Backups to come, and what retention makes of them. */
final class Simulation {
  private static final DateTimeFormatter IN_IDS =
      DateTimeFormatter.ofPattern("uuuuMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  private final RetentionPolicy policy;
  private final String source;
  private final List<Candidate> backups;

  Simulation(RetentionPolicy policy, String source, List<Candidate> history) {
    this.policy = policy;
    this.source = source;
    this.backups = new ArrayList<>(history);
    backups.sort(Comparator.comparingLong(Candidate::sequence));
  }

  List<RetentionForecast> run(List<Instant> schedule, List<Instant> dates) {
    Deque<Instant> upcoming = new ArrayDeque<>(schedule.stream().sorted().toList());
    List<RetentionForecast> forecasts = new ArrayList<>();
    for (Instant date : dates.stream().sorted().toList()) {
      while (!upcoming.isEmpty() && !upcoming.peek().isAfter(date)) {
        Instant moment = upcoming.remove();
        backups.add(next(moment));
        apply(moment);
      }
      RetentionPlan plan = apply(date);
      forecasts.add(
          new RetentionForecast(date, backups.stream().map(Candidate::backup).toList(), plan));
    }
    return forecasts;
  }

  private RetentionPlan apply(Instant now) {
    RetentionPlan plan = Retention.plan(policy, source, backups, now);
    Set<BackupId> leaving = new HashSet<>(plan.deleted());
    backups.removeIf(one -> leaving.contains(one.id()));
    return plan;
  }

  /** A verified backup like the newest one: on its line, if it has one, a segment further on. */
  private Candidate next(Instant stop) {
    Optional<Candidate> last =
        backups.isEmpty() ? Optional.empty() : Optional.of(backups.get(backups.size() - 1));
    long sequence = last.map(Candidate::sequence).orElse(0L) + 1;
    Optional<BackupDescriptor> before = last.map(Candidate::backup);
    Optional<ClusterIdentity> server =
        before
            .map(BackupDescriptor::server)
            .orElseGet(() -> Optional.of(new ClusterIdentity(0, 0, WalSegmentSize.DEFAULT)));
    Optional<WalRange> log =
        server.map(
            cluster -> {
              Lsn start = before.map(BackupDescriptor::stopLsn).orElseGet(() -> new Lsn(0));
              return new WalRange(
                  before.map(BackupDescriptor::timeline).orElseGet(() -> new Timeline(1)),
                  start,
                  start.plus(cluster.segmentSize().bytes()));
            });
    AssumedBackup made =
        new AssumedBackup(
            new BackupId(IN_IDS.format(stop) + "-%08x".formatted(sequence & 0xFFFFFFFFL)),
            source,
            before.map(BackupDescriptor::incarnation).orElse("0".repeat(16)),
            server,
            log,
            before
                .map(BackupDescriptor::type)
                .filter(type -> !type.physical())
                .orElse(BackupType.FULL),
            Optional.empty(),
            BackupStatus.COMPLETE,
            stop,
            stop,
            false);
    return new Candidate(made, sequence, Optional.of(stop), List.of());
  }
}
