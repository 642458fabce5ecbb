package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.postgres.plan.RestorePlanner;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Restores, and says what a restore would do, also where what is needed must be brought back from
 * an archive tier first. It is said and done: whoever restores wants the data, and all of it is
 * asked for at once, so that it is waited for once.
 */
public final class ThawedRestore {
  private final PostgresSettings settings;
  private final SourceInfo source;
  private final Repository repository;
  private final WalArchive archive;

  /** For the configured source. */
  public ThawedRestore(PostgresSettings settings, SourceInfo source, Repository repository)
      throws IOException {
    this.settings = settings;
    this.source = source;
    this.repository = repository;
    this.archive = repository.wal(source.name());
  }

  /** What a restore would do. Asks for nothing to be brought back. */
  public RestorePlan plan(RestoreRequest request) throws IOException {
    Optional<RestorePlan> proven = Optional.empty();
    RestorePlanner.Outlook outlook;
    try {
      proven = Optional.of(planner().plan(request));
      outlook = new RestorePlanner.Outlook(proven.get().backup(), proven.get().wal());
    } catch (IOException e) {
      outlook = outlook(request, e);
    }
    Thaw thaw;
    try (BackupReader reader = repository.open(outlook.backup().id())) {
      thaw = reader.frozen().thaw().plus(archive.frozen(outlook.wal()).thaw());
    }
    if (proven.isPresent()) {
      try {
        return new Restorer(settings).look(request, noted(proven.get(), thaw), repository);
      } catch (IOException e) {
        if (!Frozen.isWhy(e)) {
          throw e;
        }
        return noted(
            estimated(request, proven.get()),
            thaw,
            "What the backup's own files decide is looked at when they can be read");
      }
    }
    return noted(
        estimated(
            request,
            new RestorePlan(
                outlook.backup(),
                request.target(),
                outlook.backup().timeline(),
                outlook.wal(),
                outlook.backup().files(),
                outlook.backup().bytes(),
                List.of(),
                Optional.empty(),
                Optional.empty())),
        thaw,
        "Whether the target can be reached, and with how much of the log, is proven when the log's"
            + " headers can be read");
  }

  private RestorePlan estimated(RestoreRequest request, RestorePlan plan) throws IOException {
    return new RestorePlan(
        plan.backup(),
        plan.target(),
        plan.timeline(),
        plan.wal(),
        plan.files(),
        plan.bytes(),
        plan.notes(),
        plan.until(),
        Optional.of(new Restorer(settings).estimate(request, plan)));
  }

  private static RestorePlan noted(RestorePlan plan, Thaw thaw, String... more) {
    if (thaw.isNone()) {
      return plan;
    }
    List<String> notes = new ArrayList<>(plan.notes());
    notes.add(describe(thaw));
    notes.addAll(List.of(more));
    return new RestorePlan(
        plan.backup(),
        plan.target(),
        plan.timeline(),
        plan.wal(),
        plan.files(),
        plan.bytes(),
        notes,
        plan.until(),
        plan.estimate(),
        thaw);
  }

  private static String describe(Thaw thaw) {
    Duration time = thaw.time();
    return thaw.objects()
        + " objects ("
        + (thaw.bytes() >> 20)
        + " MiB) lie in an archive tier on "
        + String.join(", ", thaw.copies())
        + " and must be brought back first, for which the vendor charges; that takes up to "
        + (time.toHours() > 0 ? time.toHours() + " hours" : time.toMinutes() + " minutes")
        + (thaw.requested() == 0
            ? ""
            : ", and " + thaw.requested() + " of them were asked for already");
  }

  /** Restores. What was asked for by an interrupted run is not asked for again. */
  public RestoreReport restore(RestoreRequest request, RunControl control) throws IOException {
    RestorePlan plan = proven(request, control);
    Frozen log = archive.frozen(plan.wal());
    try (BackupReader reader = repository.open(plan.backup().id())) {
      Frozen backup = reader.frozen();
      Frozen all = Frozen.of(List.of(backup, log));
      if (!all.thaw().isNone()) {
        Preparation.place(request, plan.backup()); // not to be refused after hours of waiting
        control.progress().note(describe(all.thaw()) + "; they are asked for now");
      }
      all.request(control); // also where all is at hand: a prune may move some meanwhile
      return new Restorer(settings)
          .restore(request, plan, source.current().id(), repository, reader, log, control);
    }
  }

  /** The way, once what proves it can be read. */
  private RestorePlan proven(RestoreRequest request, RunControl control) throws IOException {
    boolean again = false;
    while (true) {
      IOException offline;
      try {
        return planner().plan(request);
      } catch (IOException e) {
        offline = e;
      }
      RestorePlanner.Outlook outlook = outlook(request, offline);
      Frozen log = archive.frozen(outlook.wal());
      if (log.thaw().isNone()) {
        if (again) {
          throw offline;
        }
        again = true; // it came back after the planner had looked
        continue;
      }
      try (BackupReader reader = repository.open(outlook.backup().id())) {
        Frozen backup = reader.frozen();
        Preparation.place(request, outlook.backup());
        control
            .progress()
            .note(describe(backup.thaw().plus(log.thaw())) + "; they are asked for now");
        log.request(control);
        backup.request(control);
        log.await(control);
      }
    }
  }

  private RestorePlanner.Outlook outlook(RestoreRequest request, IOException failure)
      throws IOException {
    if (!Frozen.isWhy(failure)) {
      throw failure;
    }
    return planner().outlook(request).orElseThrow(() -> failure);
  }

  private RestorePlanner planner() {
    return new RestorePlanner(source, repository.backups(Optional.of(source.name())), archive);
  }
}
