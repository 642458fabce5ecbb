package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.Registrar;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.lease.Lease;
import com.thorbis.backup.storage.internal.lease.LeaseFacts;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Plans what goes, gives it up in a commit, and in a later run removes it. All decisions are made
 * inside of an append, on every commit there is, so that two of these and any backup see each
 * other.
 */
public final class Pruner {
  private static final Logger LOG = LoggerFactory.getLogger(Pruner.class);
  private static final Duration MOST_SKEW = Duration.ofMinutes(5);
  private static final Duration PLAN_LASTS = Duration.ofMinutes(30);
  static final String TOO_MUCH = "retention.most-deleted:";
  private static final String BY_HAND = "by hand";
  private static final String STOPPED = "prune.too-much";

  private final Services services;
  private final String source;
  private final Planner planner;
  private final CopyRetention copies;
  private final Optional<BackupId> chosen;
  private final boolean lastAllowed;

  /** Decides what stays; a function of what is stored. */
  @FunctionalInterface
  public interface Planner {
    /** Decides on the backups of a source that were not deleted, in the order of their commits. */
    RetentionPlan plan(List<Catalog.Kept> backups, Instant now) throws IOException;
  }

  /**
   * How a run goes about it.
   *
   * @param plan this one or none; empty: whatever the planner says now
   * @param grace how long what is given up stays whole
   * @param mostPercent of all bytes that may be given up without confirmation
   * @param floor so many backups may be given up whatever share they are
   * @param confirmed whether somebody agreed to more
   */
  public record Terms(
      Optional<PrunePlan> plan, Duration grace, int mostPercent, int floor, boolean confirmed) {}

  /** For one source. */
  public Pruner(Services services, String source, Planner planner) {
    this(services, source, planner, CopyRetention.NONE);
  }

  /**
   * For one source.
   *
   * @param copies decides what single copies let go of besides
   */
  public Pruner(Services services, String source, Planner planner, CopyRetention copies) {
    this(services, source, planner, copies, Optional.empty(), false);
  }

  private Pruner(
      Services services,
      String source,
      Planner planner,
      CopyRetention copies,
      Optional<BackupId> chosen,
      boolean lastAllowed) {
    this.services = services;
    this.source = source;
    this.planner = planner;
    this.copies = copies;
    this.chosen = chosen;
    this.lastAllowed = lastAllowed;
  }

  /**
   * For one backup that somebody chose. Removes nothing, so that it works while sweeps are stopped
   * by this very backup.
   */
  public static Pruner ofChosen(
      Services services, String source, BackupId chosen, boolean lastAllowed) {
    return new Pruner(
        services,
        source,
        (backups, now) -> planFor(chosen, source, backups, now),
        CopyRetention.NONE,
        Optional.of(chosen),
        lastAllowed);
  }

  private static RetentionPlan planFor(
      BackupId chosen, String source, List<Catalog.Kept> backups, Instant now) {
    List<RetentionPlan.Decision> decisions = new ArrayList<>();
    for (Catalog.Kept kept : backups) {
      BackupId id = kept.entry().backup().id();
      boolean keep = !id.equals(chosen);
      decisions.add(new RetentionPlan.Decision(id, keep, List.of(keep ? "not chosen" : BY_HAND)));
    }
    return new RetentionPlan(source, now, "", decisions, List.of(), List.of());
  }

  /** The backups of the source that were not given up, in the order of their commits. */
  public List<Catalog.Kept> live() throws IOException {
    services.log().refresh();
    requireSource();
    return live(services.log().catalog());
  }

  /** What would be done now. */
  public PrunePlan plan() throws IOException {
    Instant now = services.store().now();
    requireClock(now);
    services.log().refresh();
    if (isErased()) {
      return nothing(now);
    }
    requireSource();
    PrunePlan plan = plan(services.log().catalog(), now, services.log().sequence()).plan();
    if (chosen.isPresent()) {
      requireAllowed(live(services.log().catalog()), going(plan.retention()), now);
    }
    return plan;
  }

  /** Does it. */
  public PruneReport prune(Terms terms, RunControl control) throws IOException {
    services.log().refresh();
    if (isErased()) {
      return pruneErased(terms, control);
    }
    Catalog.Source found = requireSource();
    if (chosen.isPresent()) {
      return pruneChosen(terms);
    }
    control.progress().begin("sweep", 0);
    try (Lease lease = Lease.takeExclusive(services, draw(32), LeaseFacts.PRUNE)) {
      Instant now = lease.startedAt();
      requireClock(now);
      if (terms.plan().isPresent()) {
        requireFresh(terms.plan().get(), now);
      }
      // What this run gives up is for another to remove, however short its grace.
      Sweeper sweeper =
          new Sweeper(services, found, lease, now, terms.grace(), control, Pruner.this::draw);
      CopySweeper copySweeper =
          new CopySweeper(services, found, lease, now, control, Pruner.this::draw);
      Deleted deleted;
      try {
        deleted = delete(terms, lease);
      } catch (RepositoryException e) {
        if (e.code().equals(STOPPED)) {
          sweeper.run(); // what was agreed on earlier is no matter of this plan
          copySweeper.run();
        }
        throw e;
      }
      sweeper.run();
      copySweeper.run();
      KeySweeper keySweeper = new KeySweeper(services, now, terms.grace(), control);
      keySweeper.run();
      EraseSweeper eraseSweeper = new EraseSweeper(services, lease, now, control);
      eraseSweeper.removeSlots();
      eraseSweeper.removeRest(terms.grace());
      control.progress().end("sweep");
      PrunePlan plan = deleted.plan();
      List<String> alarms = new ArrayList<>(plan.retention().alarms());
      alarms.addAll(deleted.alarms());
      alarms.addAll(sweeper.alarms());
      alarms.addAll(copySweeper.alarms());
      alarms.addAll(keySweeper.problems());
      alarms.addAll(eraseSweeper.problems());
      for (PrunePlan.CopyPlan copy : plan.copies()) {
        copy.retention().alarms().forEach(alarm -> alarms.add(alarm + " (" + copy.copy() + ")"));
      }
      LOG.info(
          "Pruned source={} deleted={} swept={} objects={} bytes={}",
          source,
          deleted.backups().size(),
          sweeper.swept().size(),
          sweeper.objects() + keySweeper.objects() + eraseSweeper.objects(),
          sweeper.bytes() + keySweeper.bytes() + eraseSweeper.bytes());
      for (PrunePlan.CopyPlan copy : plan.copies()) {
        // Only now: what the repository gives up is no matter of this copy.
        requireNotStopped(copy.retention(), source + " on " + copy.copy(), terms);
      }
      return new PruneReport(
          plan,
          deleted.backups(),
          sweeper.swept(),
          sweeper.objects() + keySweeper.objects() + eraseSweeper.objects(),
          sweeper.bytes() + keySweeper.bytes() + eraseSweeper.bytes(),
          sweeper.unknown(),
          alarms,
          reports(plan, copySweeper));
    }
  }

  private static List<PruneReport.CopyReport> reports(PrunePlan plan, CopySweeper sweeper) {
    Map<String, List<BackupId>> letGo = new LinkedHashMap<>();
    plan.copies().forEach(copy -> letGo.put(copy.copy(), copy.retention().deleted()));
    sweeper.removed().forEach((copy, freed) -> letGo.putIfAbsent(copy, List.of()));
    List<PruneReport.CopyReport> reports = new ArrayList<>();
    letGo.forEach(
        (copy, backups) -> {
          CopySweeper.Freed freed = sweeper.removed().getOrDefault(copy, CopySweeper.Freed.NOTHING);
          reports.add(new PruneReport.CopyReport(copy, backups, freed.objects(), freed.bytes()));
        });
    return reports;
  }

  private PruneReport pruneChosen(Terms terms) throws IOException {
    try (Lease lease = Lease.takeExclusive(services, draw(32), LeaseFacts.PRUNE)) {
      requireClock(lease.startedAt());
      Deleted deleted = delete(terms, lease);
      LOG.info("Deleted by hand source={} backups={}", source, deleted.backups());
      return new PruneReport(
          deleted.plan(), deleted.backups(), List.of(), 0, 0, List.of(), List.of(), List.of());
    }
  }

  /** A source that was erased has nothing that could be given up; what is left of it goes. */
  private boolean isErased() {
    Catalog catalog = services.log().catalog();
    return chosen.isEmpty()
        && catalog.source(source).isEmpty()
        && catalog.erased(source).isPresent();
  }

  private PrunePlan nothing(Instant now) {
    return new PrunePlan(
        new RetentionPlan(source, now, "", List.of(), List.of(), List.of()),
        services.log().sequence(),
        List.of(),
        0,
        List.of());
  }

  private PruneReport pruneErased(Terms terms, RunControl control) throws IOException {
    control.progress().begin("sweep", 0);
    try (Lease lease = Lease.takeExclusive(services, draw(32), LeaseFacts.PRUNE)) {
      Instant now = lease.startedAt();
      requireClock(now);
      EraseSweeper sweeper = new EraseSweeper(services, lease, now, control);
      sweeper.removeSlots();
      sweeper.removeRest(terms.grace());
      control.progress().end("sweep");
      return new PruneReport(
          nothing(now),
          List.of(),
          List.of(),
          sweeper.objects(),
          sweeper.bytes(),
          List.of(),
          sweeper.problems(),
          List.of());
    }
  }

  /** A plan, and why it says nothing of some copies. */
  private record Planned(PrunePlan plan, List<String> alarms) {}

  private Planned plan(Catalog catalog, Instant now, long head) throws IOException {
    List<Catalog.Kept> live = live(catalog);
    RetentionPlan retention = planner.plan(live, now);
    Set<BackupId> going = going(retention);
    long bytes =
        live.stream()
            .map(kept -> kept.entry().backup())
            .filter(backup -> going.contains(backup.id()))
            .mapToLong(StoredBackup::bytesStored)
            .sum();
    List<BackupId> sweeps =
        catalog.kept().stream()
            .filter(kept -> chosen.isEmpty())
            .filter(kept -> kept.entry().backup().source().equals(source))
            .filter(kept -> Sweeper.isDue(catalog, kept, now))
            .map(kept -> kept.entry().backup().id())
            .toList();
    CopyRetention.Plans ofCopies = copies.plan(services, source, catalog, live, going, now);
    return new Planned(
        new PrunePlan(retention, head, sweeps, bytes, ofCopies.plans()), ofCopies.alarms());
  }

  /** What a run gave up, and by which plan. */
  private record Deleted(PrunePlan plan, List<BackupId> backups, List<String> alarms) {}

  private Deleted delete(Terms terms, Lease lease) throws IOException {
    Deleted[] done = new Deleted[1];
    services
        .log()
        .append(
            catalog -> {
              // Whoever lost its lease, or slept, must not act on what it saw before.
              Instant at = lease.renew();
              Instant asOf = terms.plan().map(plan -> plan.retention().asOf()).orElse(at);
              Planned planned = plan(catalog, asOf, services.log().sequence());
              PrunePlan plan = planned.plan();
              if (terms.plan().isPresent()) {
                requireFresh(terms.plan().get(), at);
                requireSame(terms.plan().get().retention(), plan.retention(), "");
                plan = ofCopies(terms.plan().get(), plan);
              }
              requireNotStopped(plan.retention(), source, terms);
              List<Catalog.Kept> live = live(catalog);
              requireAllowed(live, going(plan.retention()), at);
              requireUsual(live, going(plan.retention()), terms);
              List<BackupId> backups =
                  plan.retention().decisions().stream()
                      .filter(decision -> !decision.keep())
                      .map(RetentionPlan.Decision::backup)
                      .toList();
              done[0] = new Deleted(plan, backups, planned.alarms());
              Instant sweepAfter = at.plus(terms.grace());
              List<Operation> operations = new ArrayList<>();
              if (!backups.isEmpty()) {
                operations.add(
                    new Operation.Delete(
                        backups,
                        chosen.isPresent() ? BY_HAND : "retention",
                        plan.retention().policyDigest(),
                        plan.head(),
                        at,
                        sweepAfter));
              }
              List<Operation.WalExpire> log = expiries(catalog, live, plan.retention(), sweepAfter);
              operations.addAll(log);
              List<Catalog.Kept> staying =
                  live.stream()
                      .filter(kept -> !backups.contains(kept.entry().backup().id()))
                      .toList();
              for (PrunePlan.CopyPlan copy : plan.copies()) {
                letGo(catalog, staying, log, copy, plan.head(), at, sweepAfter)
                    .ifPresent(operations::add);
              }
              return operations;
            });
    return done[0];
  }

  /** What one copy lets go of besides what the whole repository gives up in the same commit. */
  private Optional<Operation> letGo(
      Catalog catalog,
      List<Catalog.Kept> live,
      List<Operation.WalExpire> everywhere,
      PrunePlan.CopyPlan plan,
      long head,
      Instant at,
      Instant sweepAfter) {
    ObjectId place = ObjectId.parse(plan.place());
    Catalog seen = catalog.at(place);
    List<Catalog.Kept> held =
        live.stream().filter(kept -> seen.kept(kept.entry().backup().id()).isPresent()).toList();
    List<Operation.WalExpire> wal =
        expiries(seen, held, plan.retention(), sweepAfter).stream()
            .filter(expiry -> everywhere.stream().noneMatch(one -> one.givesUpAsMuchAs(expiry)))
            .toList();
    List<BackupId> backups = plan.retention().deleted();
    return backups.isEmpty() && wal.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Operation.LetGo(
                place,
                source,
                backups,
                wal,
                plan.retention().policyDigest(),
                head,
                at,
                sweepAfter));
  }

  /** What of the log nothing needs that stays. */
  private List<Operation.WalExpire> expiries(
      Catalog catalog, List<Catalog.Kept> live, RetentionPlan plan, Instant sweepAfter) {
    Catalog.Source found = catalog.source(source).orElseThrow();
    Set<BackupId> going = going(plan);
    List<Operation.WalExpire> expiries = new ArrayList<>();
    for (RetentionPlan.WalKeep keep : plan.wal()) {
      List<WalRange> stretches = new ArrayList<>(keep.stretches());
      Lsn before = RetentionPlan.WalKeep.END;
      if (!stretches.isEmpty()
          && stretches.get(stretches.size() - 1).end().equals(RetentionPlan.WalKeep.END)) {
        before = stretches.remove(stretches.size() - 1).start();
      }
      boolean all = before.equals(RetentionPlan.WalKeep.END);
      Operation.WalExpire expiry =
          new Operation.WalExpire(
              source, keep.incarnation(), keep.timeline(), before, stretches, sweepAfter);
      if (found.incarnation(keep.incarnation()).isPresent()
          && before.compareTo(new Lsn(0)) > 0
          && !(all && mayGrow(found, live, going, keep))
          && catalog.isNews(expiry)) {
        expiries.add(expiry);
      }
    }
    return expiries;
  }

  /** Whether log may still arrive on a timeline: then its end is not known. */
  private static boolean mayGrow(
      Catalog.Source found,
      List<Catalog.Kept> live,
      Set<BackupId> going,
      RetentionPlan.WalKeep keep) {
    return found.info().current().id().equals(keep.incarnation())
        && live.stream()
            .map(kept -> kept.entry().backup())
            .noneMatch(
                backup ->
                    !going.contains(backup.id())
                        && backup.incarnation().equals(keep.incarnation())
                        && backup.timeline().compareTo(keep.timeline()) > 0);
  }

  /** The policy itself stops a plan that lets go of too much; whoever runs it must hear of it. */
  private void requireNotStopped(RetentionPlan plan, String of, Terms terms)
      throws RepositoryException {
    Optional<String> stopped =
        plan.alarms().stream().filter(alarm -> alarm.startsWith(TOO_MUCH)).findFirst();
    if (stopped.isPresent() && !terms.confirmed()) {
      throw refused(
          STOPPED,
          of + ": " + stopped.get().substring(TOO_MUCH.length()).strip(),
          Map.of("source", source),
          "Look at the plan. If it is what you want, confirm it.");
    }
  }

  private void requireAllowed(List<Catalog.Kept> live, Set<BackupId> going, Instant at)
      throws RepositoryException {
    if (chosen.isPresent() && !going.contains(chosen.get())) {
      throw new RepositoryException(
          "backup.not-found",
          FailureKind.NOT_FOUND,
          "Source " + source + " has no backup " + chosen.get() + ", or it is deleted already",
          Map.of("backup", chosen.get().value()),
          "Look with list --deleted.",
          null);
    }
    boolean restorableStays = false;
    boolean restorableGoes = false;
    boolean verifiedStays = false;
    boolean verifiedGoes = false;
    for (Catalog.Kept kept : live) {
      StoredBackup backup = kept.entry().backup();
      boolean goes = going.contains(backup.id());
      boolean restorable = backup.status().restorable();
      boolean verified = restorable && kept.fate().verified().isPresent();
      restorableGoes |= goes && restorable;
      restorableStays |= !goes && restorable;
      verifiedGoes |= goes && verified;
      verifiedStays |= !goes && verified;
      if (goes && kept.fate().held(at)) {
        throw refused(
            "backup.held",
            "Backup " + backup.id() + " is held: it cannot be deleted",
            Map.of("backup", backup.id().value()),
            "Remove the hold first, if whoever placed it agrees.");
      }
    }
    if (restorableGoes && !restorableStays && !lastAllowed) {
      throw refused(
          "prune.last-backup",
          "No backup of " + source + " would be left that can be restored: nothing is deleted",
          Map.of("source", source),
          "Take a backup first.");
    }
    if (chosen.isPresent() && verifiedGoes && !verifiedStays && !lastAllowed) {
      throw refused(
          "prune.last-backup",
          "No backup of " + source + " would be left that was verified: nothing is deleted",
          Map.of("source", source),
          "Verify another one first, or allow it.");
    }
  }

  private void requireUsual(List<Catalog.Kept> live, Set<BackupId> going, Terms terms)
      throws RepositoryException {
    long all = 0;
    long gone = 0;
    for (Catalog.Kept kept : live) {
      StoredBackup backup = kept.entry().backup();
      all += backup.bytesStored();
      gone += going.contains(backup.id()) ? backup.bytesStored() : 0;
    }
    if (chosen.isEmpty()
        && !terms.confirmed()
        && going.size() > terms.floor()
        && (gone * 100.0 > (double) all * terms.mostPercent()
            || going.size() * 100L > (long) live.size() * terms.mostPercent())) {
      throw refused(
          STOPPED,
          going.size()
              + " of "
              + live.size()
              + " backups of "
              + source
              + " would go, which is over "
              + terms.mostPercent()
              + " percent: nothing is deleted",
          Map.of("source", source, "deletes", Integer.toString(going.size())),
          "Look at the plan. If it is what you want, confirm it.");
    }
  }

  /** The same again, of the copies alone that could be asked both times. */
  private PrunePlan ofCopies(PrunePlan plan, PrunePlan again) throws RepositoryException {
    List<PrunePlan.CopyPlan> both = new ArrayList<>();
    for (PrunePlan.CopyPlan now : again.copies()) {
      for (PrunePlan.CopyPlan before : plan.copies()) {
        if (before.place().equals(now.place())) {
          requireSame(before.retention(), now.retention(), " on " + now.copy());
          both.add(now);
        }
      }
    }
    return new PrunePlan(again.retention(), again.head(), again.sweeps(), again.bytes(), both);
  }

  private void requireSame(RetentionPlan plan, RetentionPlan again, String where)
      throws RepositoryException {
    Set<BackupId> now = going(again);
    if (!now.equals(going(plan))
        || !again.policyDigest().equals(plan.policyDigest())
        || !again.wal().equals(plan.wal())) {
      throw refused(
          "prune.plan-changed",
          "What would be deleted of "
              + source
              + where
              + " has changed since the plan was made: "
              + (now.isEmpty() ? "nothing now" : now + " now"),
          Map.of(
              "source",
              source,
              "deletes",
              String.join(",", now.stream().map(BackupId::value).sorted().toList())),
          "Make a new plan and look at it.");
    }
  }

  private void requireFresh(PrunePlan plan, Instant now) throws RepositoryException {
    if (!plan.retention().source().equals(source)) {
      throw new IllegalArgumentException("A plan for " + plan.retention().source());
    }
    if (Duration.between(plan.retention().asOf(), now).abs().compareTo(PLAN_LASTS) > 0) {
      throw refused(
          "prune.plan-expired",
          "The plan is of " + plan.retention().asOf() + "; by the store's clock it is " + now,
          Map.of("source", source),
          "Make a new plan and look at it.");
    }
  }

  /** A clock that is wrong makes everything look old. */
  private void requireClock(Instant store) throws RepositoryException {
    requireClock(services, store);
  }

  static void requireClock(Services services, Instant store) throws RepositoryException {
    Instant here = services.clock().instant();
    Instant latest =
        services.log().catalog().kept().stream()
            .flatMap(kept -> kept.fate().deleted().stream())
            .map(Operation.Delete::at)
            .max(Instant::compareTo)
            .orElse(Instant.MIN);
    boolean backwards = store.isBefore(latest) && apart(store, latest);
    if (apart(here, store) || backwards) {
      throw refused(
          "prune.clock-skew",
          "The store's clock shows "
              + store
              + (backwards
                  ? ", and something was deleted at " + latest
                  : ", this machine's " + here)
              + ": one of them is wrong, so nothing is deleted",
          Map.of("store", store.toString(), "here", here.toString()),
          "Set the clocks right: at most 5 minutes apart.");
    }
  }

  private static boolean apart(Instant one, Instant other) {
    return Duration.between(one, other).abs().compareTo(MOST_SKEW) > 0;
  }

  private List<Catalog.Kept> live(Catalog catalog) {
    return catalog.kept().stream()
        .filter(kept -> kept.fate().live())
        .filter(kept -> kept.entry().backup().source().equals(source))
        .toList();
  }

  private static Set<BackupId> going(RetentionPlan plan) {
    Set<BackupId> going = new HashSet<>();
    for (RetentionPlan.Decision decision : plan.decisions()) {
      if (!decision.keep()) {
        going.add(decision.backup());
      }
    }
    return going;
  }

  private Catalog.Source requireSource() throws RepositoryException {
    return Registrar.require(services.log().catalog(), source);
  }

  private String draw(int digits) {
    byte[] id = new byte[digits / 2];
    services.random().nextBytes(id);
    return HexFormat.of().formatHex(id);
  }

  private static RepositoryException refused(
      String code, String message, Map<String, String> details, String remedy) {
    return new RepositoryException(code, FailureKind.REFUSED, message, details, remedy, null);
  }
}
