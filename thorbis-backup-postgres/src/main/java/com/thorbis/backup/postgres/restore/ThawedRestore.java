package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.postgres.plan.RestorePlanner;
import com.thorbis.backup.postgres.server.ServerUser;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

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
    return plan(request, facts -> request);
  }

  /**
   * The same.
   *
   * @param fitting says what of the request depends on the backup that is chosen
   */
  public RestorePlan plan(RestoreRequest asked, Function<BackupFacts, RestoreRequest> fitting)
      throws IOException {
    RestoreRequest request = asked;
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
      request = fitting.apply(reader.facts());
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
        Optional.of(new Restorer(settings).estimate(request, plan)),
        plan.thaw());
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
    return read(
        request,
        control,
        (plan, reader, log) ->
            new Restorer(settings)
                .restore(request, plan, source.current().id(), repository, reader, log, control));
  }

  /**
   * Lays the files down for a server that nobody else is told of.
   *
   * @param fitting says what of the request depends on the backup that is chosen
   * @param before told what will be laid, before anything is written
   */
  public Laid lay(
      RestoreRequest request,
      Function<BackupFacts, RestoreRequest> fitting,
      Consumer<RestorePlan> before,
      Stages stages)
      throws IOException {
    return read(
        request,
        stages.control(),
        (plan, reader, log) -> {
          Restorer restorer = new Restorer(settings);
          Restorer.Laid laid =
              restorer.lay(
                  fitting.apply(reader.facts()),
                  plan,
                  source.current().id(),
                  repository,
                  reader,
                  log,
                  stages,
                  before);
          restorer.remember(laid, 0, 0);
          return new Laid(plan, laid.tree().root(), laid.owner(), laid.counts().fetched());
        });
  }

  /**
   * A data directory that no server was started on.
   *
   * @param plan the way from there to the target
   * @param dataDirectory where it lies
   * @param owner whose it is
   * @param bytesFetched sealed bytes read from the repository
   */
  public record Laid(RestorePlan plan, Path dataDirectory, ServerUser owner, long bytesFetched) {}

  /** What is done with a backup that can be read. */
  @FunctionalInterface
  private interface Work<T> {
    T run(RestorePlan plan, BackupReader reader, Frozen log) throws IOException;
  }

  private <T> T read(RestoreRequest request, RunControl control, Work<T> work) throws IOException {
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
      return work.run(plan, reader, log);
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
