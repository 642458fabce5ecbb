package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.dr.schedule.Job;
import com.thorbis.backup.spi.repository.RunControl;
import java.time.Clock;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** What keeps a repository in order, as it is done without anybody watching. */
final class Upkeep {
  private final ThorbisBackup opened;
  private final Config config;
  private final Clock clock;

  Upkeep(ThorbisBackup opened, Config config, Clock clock) {
    this.opened = opened;
    this.config = config;
    this.clock = clock;
  }

  void run(String name, VerifyRequest verify, RunControl control) {
    switch (name) {
      case Timetable.PRUNE -> prune(control);
      case Timetable.VERIFY -> verify(verify, control);
      case Timetable.SYNC -> sync(control);
      case Timetable.ROTATE -> rotate(control);
      default -> throw new IllegalArgumentException(name);
    }
  }

  /** What {@code wal receive} does. */
  Job capture(String source) {
    ReceiveRequest request = new ReceiveRequest(source, false);
    return Job.of(source + ".wal", control -> opened.receiveWal(request, control));
  }

  /** One that is refused keeps no other source from its turn. */
  private void prune(RunControl control) {
    BackupException failure = null;
    for (Map.Entry<String, Config.SourceConfig> source : config.sources().entrySet()) {
      Optional<RetentionPolicy> policy = source.getValue().retention();
      if (policy.isEmpty()) {
        continue;
      }
      control.cancellation().check();
      try {
        PruneRequest.Builder request = PruneRequest.builder(source.getKey(), policy.get());
        request.plan(opened.planPrune(request.build())).grace(config.grace());
        PruneReport report = opened.prune(request.build(), control);
        new HostEvidence(config, clock, opened::repository, control.progress()::warning)
            .pruned(opened, report);
        report
            .alarms()
            .forEach(alarm -> control.progress().warning(source.getKey() + ": " + alarm));
      } catch (BackupException e) {
        if (e.code().equals("source.not-registered")) {
          continue; // it was never backed up: there is nothing to let go of
        }
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  private void verify(VerifyRequest request, RunControl control) {
    VerifyReport report = opened.verify(request, control);
    if (!report.damaged().isEmpty()) {
      throw BackupException.of(
              "verify.damaged",
              FailureKind.DAMAGED,
              report.damaged().size()
                  + " of "
                  + report.checked()
                  + " objects are damaged, the first of them "
                  + report.damaged().get(0).object()
                  + " on "
                  + report.damaged().get(0).copy())
          .remedy("See all of them with verify; copies heal repairs what another copy has whole.")
          .build();
    }
  }

  private void sync(RunControl control) {
    SyncReport report = opened.syncCopies(control);
    if (!report.complete()) {
      throw BackupException.of(
              "copies.behind",
              FailureKind.TRANSIENT,
              report.copies().stream()
                  .filter(copy -> !copy.problems().isEmpty())
                  .map(copy -> copy.name() + ": " + String.join("; ", copy.problems()))
                  .collect(Collectors.joining("; ")))
          .remedy("Look with copies.")
          .build();
    }
  }

  private void rotate(RunControl control) {
    opened.rotateKeys(RotateRequest.due()).notes().forEach(control.progress()::note);
  }
}
