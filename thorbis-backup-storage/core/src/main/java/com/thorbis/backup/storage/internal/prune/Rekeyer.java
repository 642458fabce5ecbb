package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.backup.BackupContents;
import com.thorbis.backup.storage.internal.backup.BackupCopy;
import com.thorbis.backup.storage.internal.backup.SealedBackupReader;
import com.thorbis.backup.storage.internal.backup.SealedBackupWriter;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Registrar;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.pack.PackRef;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes backups anew under the last key of their source, as after an earlier one has leaked. Each
 * new one takes the place of the old one in a single commit, which gives the old one up as a prune
 * does: until its grace is over it is whole, then a sweep removes what nothing else needs. So
 * history has every backup once, whenever this is interrupted.
 *
 * <p>A full backup is written as the independent copy that it is. Others are compared with what
 * their base became, or else with the newest before them, so that what they share is stored once.
 */
public final class Rekeyer {
  private static final Logger LOG = LoggerFactory.getLogger(Rekeyer.class);

  /** Backups that were running commit meanwhile what refers to older ones. */
  private static final int MOST_ROUNDS = 3;

  private static final List<String> REMAINS =
      List.of(
          "Whoever kept a copy of what was stored before opens it with the key that leaked: change"
              + " what it holds that is secret",
          "Commits of the repository stay under the keys that they were sealed with: they hold names"
              + " of sources and backups, times, lengths, labels and positions of log");

  private final Services services;
  private final Verification verification;

  /** Reads a backup back. */
  @FunctionalInterface
  public interface Verification {
    /** Says what is wrong with it, and writes down that nothing is. */
    VerifyReport verify(VerifyRequest request, RunControl control) throws IOException;
  }

  /** Over an opened repository. */
  public Rekeyer(Services services, Verification verification) {
    this.services = services;
    this.verification = verification;
  }

  /** A source, and which of its keys are to be left. */
  private record Target(Catalog.Source source, int epoch, int before) {
    String name() {
      return source.info().name();
    }
  }

  /** What lies under the keys to leave, and what does not. */
  private static final class Scan {
    final List<Catalog.Kept> affected = new ArrayList<>();
    final Set<BackupId> clean = new HashSet<>();
    final List<RekeyReport.Skipped> skipped = new ArrayList<>();
    final List<RekeyReport.Deleted> deleted = new ArrayList<>();
  }

  /** What would be done now. */
  public RekeyReport plan(RekeyRequest request) throws IOException {
    services.log().refresh();
    List<RekeyReport.Source> sources = new ArrayList<>();
    for (Target target : targets(request)) {
      Scan scan = scan(target);
      List<RekeyReport.Backup> backups = new ArrayList<>();
      for (Catalog.Kept kept : scan.affected) {
        backups.add(estimate(target, kept));
      }
      OlderLog.Sums sums = new OlderLog.Sums();
      sources.add(report(target, backups, scan, List.of(), sums));
    }
    return new RekeyReport(sources, REMAINS);
  }

  /** Does it. */
  public RekeyReport rekey(RekeyRequest request, RunControl control) throws IOException {
    services.log().refresh();
    services.log().requireDeciding();
    Pruner.requireClock(services, services.store().now());
    List<RekeyReport.Source> sources = new ArrayList<>();
    for (Target target : targets(request)) {
      sources.add(new Run(target, request, control).run());
    }
    return new RekeyReport(sources, REMAINS);
  }

  private List<Target> targets(RekeyRequest request) throws RepositoryException {
    Catalog catalog = services.log().catalog();
    List<Catalog.Source> chosen =
        request.source().isEmpty()
            ? catalog.sources()
            : List.of(Registrar.require(catalog, request.source().get()));
    List<Target> targets = new ArrayList<>();
    for (Catalog.Source source : chosen) {
      List<Catalog.KeyEpoch> epochs = catalog.epochs(source.tree());
      int last = epochs.get(epochs.size() - 1).number();
      int before = request.beforeEpoch().orElse(last);
      if (last == 1 || before > last) {
        throw new RepositoryException(
            "rekey.not-rotated",
            FailureKind.REFUSED,
            "Source "
                + source.info().name()
                + " seals what is new under key "
                + last
                + ", which is the one to leave: there is nothing to seal its backups under",
            Map.of("source", source.info().name(), "epoch", Integer.toString(last)),
            "Take out the recipient that leaked with keys rewrap, run keys rotate, then this again.",
            null);
      }
      targets.add(new Target(source, last, before));
    }
    return targets;
  }

  private Scan scan(Target target) throws IOException {
    Scan scan = new Scan();
    for (Catalog.Kept kept : services.log().catalog().kept()) {
      StoredBackup backup = kept.entry().backup();
      if (!backup.source().equals(target.name())) {
        continue;
      }
      boolean under;
      try {
        under = oldestEpoch(target, kept) < target.before();
      } catch (RepositoryException e) {
        if (e.kind() != FailureKind.DAMAGED) {
          throw e;
        }
        if (kept.fate().live()) {
          scan.skipped.add(skipped(backup.id(), e));
          continue;
        }
        under = true; // of one that is being removed the manifest goes first on some copy
      }
      if (!under) {
        if (kept.fate().live()) {
          scan.clean.add(backup.id());
        }
      } else if (kept.fate().deleted().isPresent()) {
        scan.deleted.add(
            new RekeyReport.Deleted(backup.id(), kept.fate().deleted().get().sweepAfter()));
      } else if (backup.status() == BackupStatus.AWAITING_WAL) {
        scan.skipped.add(
            new RekeyReport.Skipped(
                backup.id(),
                "backup.awaiting-wal",
                "its log is not stored yet; run this again when it is, or give it up"));
      } else {
        scan.affected.add(kept);
      }
    }
    return scan;
  }

  private int oldestEpoch(Target target, Catalog.Kept kept) throws IOException {
    return new BackupContents(services, target.source(), kept.entry()).oldestEpoch();
  }

  private static RekeyReport.Skipped skipped(BackupId id, RepositoryException e) {
    return new RekeyReport.Skipped(id, e.code(), String.valueOf(e.getMessage()));
  }

  private RekeyReport.Backup estimate(Target target, Catalog.Kept kept) throws IOException {
    StoredBackup backup = kept.entry().backup();
    Set<ObjectId> shared = new HashSet<>();
    Optional<Catalog.Entry> base = backup.base().flatMap(services.log().catalog()::backup);
    if (base.isPresent()) {
      try {
        new BackupContents(services, target.source(), base.get())
            .packs()
            .forEach(pack -> shared.add(pack.id()));
      } catch (RepositoryException e) {
        LOG.debug("Nobody knows what {} shares with its base", backup.id(), e);
      }
    }
    long reads = kept.entry().manifest().length();
    long writes = kept.entry().manifest().length();
    for (PackRef pack : new BackupContents(services, target.source(), kept.entry()).packs()) {
      reads += pack.sealedLength();
      writes += shared.contains(pack.id()) ? 0 : pack.sealedLength();
    }
    return new RekeyReport.Backup(backup.id(), Optional.empty(), reads, writes, false);
  }

  private RekeyReport.Source report(
      Target target,
      List<RekeyReport.Backup> backups,
      Scan scan,
      List<String> problems,
      OlderLog.Sums sums)
      throws IOException {
    for (OlderLog.Found found : older(target).find(sums)) {
      sums.of(found, RekeyReport.LogState.OLDER).add(found);
    }
    return new RekeyReport.Source(
        target.name(),
        target.epoch(),
        target.before(),
        backups,
        scan.skipped,
        scan.deleted,
        sums.report(services.log().catalog()),
        problems);
  }

  private OlderLog older(Target target) {
    return new OlderLog(services, target.source(), target.before());
  }

  /** One source in one run. */
  private final class Run {
    private final Target target;
    private final RekeyRequest request;
    private final RunControl control;
    private final Map<BackupId, RekeyReport.Backup> done = new LinkedHashMap<>();
    private final Map<BackupId, RekeyReport.Skipped> skipped = new LinkedHashMap<>();
    private final List<String> problems = new ArrayList<>();
    private long expected;
    private long copied;

    Run(Target target, RekeyRequest request, RunControl control) {
      this.target = target;
      this.request = request;
      this.control = control;
    }

    RekeyReport.Source run() throws IOException {
      Scan scan = scan(target);
      expected = scan.affected.stream().mapToLong(kept -> kept.entry().backup().bytes()).sum();
      control.progress().begin("rekey", expected);
      for (int round = 0; round < MOST_ROUNDS && rewriteAll(scan); round++) {
        services.log().refresh();
        scan = scan(target);
      }
      control.progress().end("rekey");
      verify();
      OlderLog.Sums sums = new OlderLog.Sums();
      LogRekeyer log =
          new LogRekeyer(
              services, target.source(), target.before(), request.grace(), control, sums);
      log.run(older(target).find(new OlderLog.Sums()));
      problems.addAll(log.problems());
      services.log().refresh();
      scan = scan(target);
      for (Catalog.Kept left : scan.affected) {
        BackupId id = left.entry().backup().id();
        scan.skipped.add(
            skipped.getOrDefault(
                id,
                new RekeyReport.Skipped(
                    id, "rekey.meanwhile", "it was made while this ran; run it again")));
      }
      return report(target, List.copyOf(done.values()), scan, problems, sums);
    }

    /** Whether there was anything to do. */
    private boolean rewriteAll(Scan scan) throws IOException {
      boolean any = false;
      for (Catalog.Kept kept : scan.affected) {
        control.cancellation().check();
        BackupId id = kept.entry().backup().id();
        if (!skipped.containsKey(id)) {
          any = true;
          rewrite(kept, scan);
        }
      }
      return any;
    }

    private void rewrite(Catalog.Kept kept, Scan scan) throws IOException {
      StoredBackup old = kept.entry().backup();
      SourceInfo.Incarnation life = target.source().incarnation(old.incarnation()).orElseThrow();
      SealedBackupWriter.Replacement replacement =
          new SealedBackupWriter.Replacement(life, old, target.epoch(), request.grace());
      try {
        Optional<BackupId> twin = standIn(old.id(), scan);
        if (twin.isPresent() && isSound(twin.get())) {
          // It was replaced, and brought back since.
          giveUp(replacement, twin.get());
          return;
        }
        Optional<BackupId> base = base(kept, scan);
        try {
          write(kept, replacement, base, scan);
        } catch (RepositoryException e) {
          if (base.isEmpty()
              || !Set.of("backup.base-damaged", "backup.base-let-go").contains(e.code())) {
            throw e;
          }
          LOG.warn("backup={} is written anew without base {}", old.id(), base.get(), e);
          write(kept, replacement, Optional.empty(), scan);
        }
      } catch (RepositoryException e) {
        if (e.code().equals("backup.not-found")) {
          control.progress().note(String.valueOf(e.getMessage()));
        } else if (e.kind() == FailureKind.DAMAGED || e.code().equals("backup.let-go")) {
          skip(skipped(old.id(), e));
        } else {
          throw e;
        }
      } catch (StorageException e) {
        if (!StorageException.isOffline(e)) {
          throw e;
        }
        skip(
            new RekeyReport.Skipped(
                old.id(),
                e.code(),
                e.getMessage()
                    + ": bring it back with verify --backup --thaw, then run this again"));
      }
    }

    private void skip(RekeyReport.Skipped one) {
      skipped.put(one.backup(), one);
      control.progress().warning("Backup " + one.backup() + " stays as it is: " + one.reason());
      LOG.warn("backup={} is not written anew: {}", one.backup(), one.reason());
    }

    private void write(
        Catalog.Kept kept,
        SealedBackupWriter.Replacement replacement,
        Optional<BackupId> base,
        Scan scan)
        throws IOException {
      StoredBackup old = kept.entry().backup();
      BackupStart start =
          new BackupStart(
              target.name(),
              base.isPresent() || old.type().independent()
                  ? old.type()
                  : old.type().physical() ? BackupType.FULL : BackupType.DUMP,
              base,
              old.label(),
              services.clock().instant(),
              old.partial());
      long before = copied;
      BackupId written;
      try (SealedBackupReader reader =
              new SealedBackupReader(services, target.source(), kept.entry());
          SealedBackupWriter writer =
              new SealedBackupWriter(services, target.source(), start, Optional.of(replacement));
          BackupCopy copy = new BackupCopy(services, reader)) {
        copy.into(
            writer,
            control,
            length -> {
              copied += length;
              control.progress().advance(copied, Math.max(copied, expected));
            });
        BackupId anew = writer.commit(reader.facts(), old.status()).id();
        scan.clean.add(anew);
        done.put(
            old.id(),
            new RekeyReport.Backup(
                old.id(), Optional.of(anew), copy.fetched(), writer.bytesStored(), false));
        LOG.info("Sealed anew backup={} of={} base={}", anew, old.id(), base);
        written = anew;
      } catch (IOException e) {
        copied = before;
        throw e;
      }
      if (!prove(written, old.id())) {
        scan.clean.remove(written);
      }
    }

    private void giveUp(SealedBackupWriter.Replacement replacement, BackupId twin)
        throws IOException {
      services
          .log()
          .append(
              catalog -> {
                BackupId id = replacement.backup().id();
                return catalog.backup(id).isEmpty() || catalog.backup(twin).isEmpty()
                    ? List.of()
                    : replacement.operations(
                        twin, catalog, services.log().sequence(), services.store().now());
              });
    }

    /** The one that replaces a backup, and counts. */
    private Optional<BackupId> standIn(BackupId old, Scan scan) {
      return services.log().catalog().backups().stream()
          .map(Catalog.Entry::backup)
          .filter(one -> one.rekeyedFrom().equals(Optional.of(old)))
          .map(StoredBackup::id)
          .filter(scan.clean::contains)
          .findFirst();
    }

    /** What a backup is compared with; nothing for a full one. */
    private Optional<BackupId> base(Catalog.Kept kept, Scan scan) {
      StoredBackup backup = kept.entry().backup();
      if (backup.type().independent()) {
        return Optional.empty();
      }
      Catalog catalog = services.log().catalog();
      Optional<BackupId> its =
          backup
              .base()
              .flatMap(base -> scan.clean.contains(base) ? backup.base() : standIn(base, scan));
      if (its.isPresent() && catalog.letGoBy(its.get()).isEmpty()) {
        return its;
      }
      return catalog.kept().stream()
          .filter(one -> one.fate().live() && one.fate().place() < kept.fate().place())
          .map(one -> one.entry().backup())
          .filter(one -> one.source().equals(backup.source()))
          .filter(one -> one.type().physical() == backup.type().physical())
          .filter(one -> backup.type() != BackupType.DIFFERENTIAL || one.type() == BackupType.FULL)
          .map(StoredBackup::id)
          .filter(id -> scan.clean.contains(id) && catalog.letGoBy(id).isEmpty())
          .reduce((one, other) -> other);
    }

    /** Those that an earlier run wrote and did not come to prove. */
    private void verify() throws IOException {
      for (Catalog.Kept kept : services.log().catalog().kept()) {
        StoredBackup backup = kept.entry().backup();
        if (backup.source().equals(target.name())
            && kept.fate().live()
            && backup.rekeyedFrom().isPresent()
            && kept.fate().verified().isEmpty()
            && done.values().stream()
                .noneMatch(one -> one.anew().equals(Optional.of(backup.id())))) {
          prove(backup.id(), backup.rekeyedFrom().get());
        }
      }
    }

    private VerifyReport readBack(BackupId id) throws IOException {
      control.cancellation().check();
      // Whoever looks on sees how far the whole is.
      return verification.verify(
          new VerifyRequest(Optional.of(id), VerifyRequest.Level.DATA, 100),
          new RunControl(control.cancellation(), Progress.NONE));
    }

    private boolean isSound(BackupId id) throws IOException {
      return readBack(id).damaged().stream().noneMatch(damage -> isOf(id, damage));
    }

    /** Whether it is damage of what was written; the log is the old one's, too. */
    private boolean isOf(BackupId id, VerifyReport.Damage damage) {
      return damage.backups().contains(id) && !damage.object().startsWith(ObjectNames.WAL);
    }

    /**
     * Reads back what was written; where it cannot be, and no other copy heals it, the one that it
     * replaces counts again.
     */
    private boolean prove(BackupId anew, BackupId old) throws IOException {
      VerifyReport report = readBack(anew);
      report
          .damaged()
          .forEach(
              damage ->
                  problems.add(
                      anew
                          + ", which replaces "
                          + old
                          + ": "
                          + damage.object()
                          + " on "
                          + damage.copy()
                          + " is "
                          + damage.kind()));
      if (report.damaged().isEmpty()) {
        if (report.frozen().isNone()) {
          done.computeIfPresent(
              old,
              (id, one) ->
                  new RekeyReport.Backup(
                      id, one.anew(), one.bytesRead(), one.bytesWritten(), true));
        }
        return true;
      }
      if (report.damaged().stream().noneMatch(damage -> isOf(anew, damage) && !damage.healable())) {
        return true;
      }
      Instant now = services.store().now();
      services
          .log()
          .append(
              catalog ->
                  SealedBackupWriter.Replacement.undo(
                      old, anew, catalog, services.log().sequence(), now, request.grace()));
      if (services.log().catalog().backup(old).isPresent()) {
        done.remove(old);
        skip(
            new RekeyReport.Skipped(
                old,
                "rekey.not-proven",
                "what was written in its place could not be read back, so it counts again: look"
                    + " what is wrong with the store, then run this again"));
      }
      return false;
    }
  }
}
