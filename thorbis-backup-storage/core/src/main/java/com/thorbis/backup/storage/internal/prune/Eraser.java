package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.ErasePlan;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.Erasure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.ErasedSource;
import com.thorbis.backup.storage.internal.catalog.Membership;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.Registrar;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import com.thorbis.backup.storage.internal.lease.Lease;
import com.thorbis.backup.storage.internal.lease.LeaseFacts;
import com.thorbis.backup.storage.internal.lease.Leases;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Destroys the keys of a source, which nobody can take back: asked for in one commit, done in
 * another that cannot come before a delay is over, and only then are the slots removed. So whatever
 * interrupts it, everything of the source opens, or the commit says that it is gone and the next
 * run goes on.
 */
public final class Eraser {
  private static final Logger LOG = LoggerFactory.getLogger(Eraser.class);
  private static final long MOST_SLOT_BYTES = 64 << 10;

  private final Services services;

  /** Over an open repository. */
  public Eraser(Services services) {
    this.services = services;
  }

  /** What keeps keys from being destroyed now. */
  private record Obstacle(String code, String text, String remedy) {}

  /**
   * The slots of a tree.
   *
   * @param read in their bytes
   * @param unread those that may be there
   */
  private record Slots(List<SlotRef> read, List<ObjectKey> unread) {}

  /** What is to be erased, and what was. */
  public List<Erasure> report() throws IOException {
    services.log().refresh();
    List<Erasure> all = new ArrayList<>();
    Catalog catalog = services.log().catalog();
    for (ErasedSource erased : catalog.erasures()) {
      all.add(report(erased, List.of("a copy may still have slots: run keys erase, or prune")));
    }
    catalog.erasing().forEach(wanted -> all.add(report(wanted)));
    return all;
  }

  private Erasure report(Operation.Erase wanted) {
    return new Erasure(
        services.repository().toString(),
        wanted.source(),
        wanted.tree().toString(),
        new Erasure.Act(wanted.by(), wanted.at()),
        wanted.reason(),
        wanted.notBefore(),
        Optional.empty(),
        Optional.empty(),
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        Optional.empty(),
        List.of(),
        List.of());
  }

  private Erasure report(ErasedSource erased, List<String> open) throws IOException {
    Operation.Erased what = erased.what();
    Operation.Erase wanted = what.request();
    Optional<Operation.EraseEnded> end = erased.end();
    return new Erasure(
        services.repository().toString(),
        wanted.source(),
        wanted.tree().toString(),
        new Erasure.Act(wanted.by(), wanted.at()),
        wanted.reason(),
        wanted.notBefore(),
        Optional.of(new Erasure.Act(what.by(), what.at())),
        Optional.of(
            new Erasure.Commit(
                erased.sequence(),
                end.isPresent()
                    ? end.get().sha256()
                    : services.log().requireHash(erased.sequence()))),
        what.slots().stream()
            .map(slot -> new Erasure.Slot(slot.key().value(), slot.sha256(), slot.length()))
            .toList(),
        what.unread().stream().map(ObjectKey::value).toList(),
        what.recipients(),
        what.backups(),
        end.map(Operation.EraseEnded::at),
        end.map(Operation.EraseEnded::copies).orElse(List.of()).stream()
            .map(
                copy ->
                    new Erasure.CopyWithout(
                        copy.name(), copy.id().map(ObjectId::toString), copy.at(), copy.kept()))
            .toList(),
        end.isPresent() ? List.of() : open);
  }

  /** What {@link #erase} would do now. */
  public ErasePlan plan(EraseRequest request) throws IOException {
    services.log().refresh();
    Catalog catalog = services.log().catalog();
    Optional<ErasedSource> open = open(request.source(), catalog);
    if (open.isPresent()) {
      Operation.Erased what = open.get().what();
      return new ErasePlan(
          request.source(),
          ErasePlan.Step.FINISH,
          Optional.of(what.request().notBefore()),
          0,
          what.slots().size() + what.unread().size(),
          what.backups(),
          0,
          List.of());
    }
    Optional<ErasedSource> before = catalog.erased(request.source());
    if (catalog.source(request.source()).isEmpty() && before.isPresent()) {
      return new ErasePlan(
          request.source(),
          ErasePlan.Step.NONE,
          Optional.of(before.get().what().request().notBefore()),
          0,
          0,
          before.get().what().backups(),
          0,
          List.of());
    }
    Catalog.Source source = Registrar.require(catalog, request.source());
    Optional<Operation.Erase> wanted = catalog.erasing(source.tree());
    Instant now = services.store().now();
    ErasePlan.Step step =
        wanted.isEmpty()
            ? ErasePlan.Step.REQUEST
            : now.isBefore(wanted.get().notBefore()) ? ErasePlan.Step.WAIT : ErasePlan.Step.DESTROY;
    Slots slots = slots(source.tree(), catalog);
    List<Obstacle> obstacles = held(source, catalog, now);
    obstacles.addAll(inUse(source, catalog, now));
    obstacles.addAll(locked(slots, now));
    List<Catalog.Kept> kept = of(source, catalog);
    return new ErasePlan(
        request.source(),
        step,
        wanted.map(Operation.Erase::notBefore),
        catalog.epochs(source.tree()).size(),
        slots.read().size() + slots.unread().size(),
        kept.stream().map(one -> one.entry().backup().id()).toList(),
        kept.stream().mapToLong(one -> one.entry().backup().bytesStored()).sum(),
        obstacles.stream().map(Obstacle::text).toList());
  }

  /** Takes the next step. */
  public Erasure erase(EraseRequest request, RunControl control) throws IOException {
    services.log().refresh();
    services.log().requireDeciding();
    Catalog catalog = services.log().catalog();
    String name = request.source();
    if (open(name, catalog).isPresent()) {
      return finish(open(name, catalog).get().tree(), control);
    }
    if (catalog.source(name).isEmpty() && catalog.erased(name).isPresent()) {
      return report(catalog.erased(name).get(), List.of());
    }
    Catalog.Source source = Registrar.require(catalog, name);
    Optional<Operation.Erase> wanted = catalog.erasing(source.tree());
    if (wanted.isEmpty()) {
      return ask(source, request);
    }
    if (services.store().now().isBefore(wanted.get().notBefore())) {
      return report(wanted.get());
    }
    return destroy(source, request.by(), control);
  }

  private Erasure ask(Catalog.Source source, EraseRequest request) throws IOException {
    String reason =
        request
            .reason()
            .orElseThrow(
                () ->
                    new RepositoryException(
                        "erase.no-reason",
                        FailureKind.CONFIGURATION,
                        "Nobody asked yet that source " + request.source() + " be erased",
                        Map.of("source", request.source()),
                        "Say why: it is written down with it.",
                        null));
    Instant now = services.store().now();
    Pruner.requireClock(services, now);
    services
        .log()
        .append(
            catalog -> {
              requireSame(source, catalog);
              if (catalog.erasing(source.tree()).isPresent()) {
                return List.of();
              }
              requireNone(source, held(source, catalog, now));
              return List.of(
                  new Operation.Erase(
                      request.source(),
                      source.tree(),
                      request.by(),
                      reason,
                      now,
                      now.plus(request.delay())));
            });
    Operation.Erase wanted = services.log().catalog().erasing(source.tree()).orElseThrow();
    LOG.info("To be erased source={} notBefore={}", wanted.source(), wanted.notBefore());
    return report(wanted);
  }

  private Erasure destroy(Catalog.Source source, String by, RunControl control) throws IOException {
    ObjectId tree = source.tree();
    try (Lease lease = Lease.takeExclusive(services, draw(), LeaseFacts.PRUNE)) {
      Instant now = lease.startedAt();
      Pruner.requireClock(services, now);
      services.log().refresh();
      Catalog seen = services.log().catalog();
      requireSame(source, seen);
      Slots found = slots(tree, seen);
      List<Obstacle> obstacles = held(source, seen, now);
      obstacles.addAll(inUse(source, seen, now));
      obstacles.addAll(locked(found, now));
      requireNone(source, obstacles);
      List<String> recipients = services.keys().recipients(found.read());
      services
          .log()
          .append(
              catalog -> {
                if (catalog.erased(tree).isPresent()) {
                  return List.of();
                }
                Instant at = lease.renew();
                requireSame(source, catalog);
                Operation.Erase wanted = requireDue(source, catalog, at);
                requireNone(source, held(source, catalog, at));
                List<BackupId> going =
                    of(source, catalog).stream().map(kept -> kept.entry().backup().id()).toList();
                List<Operation> operations = new ArrayList<>(Membership.releases(going, catalog));
                operations.add(
                    new Operation.Erased(
                        wanted,
                        by,
                        at,
                        joined(found.read(), counted(tree, catalog)),
                        found.unread(),
                        recipients,
                        going));
                return operations;
              });
      LOG.info("Erased source={} tree={} by={}", source.info().name(), tree, by);
      return finish(tree, lease, now, control);
    }
  }

  private static Operation.Erase requireDue(Catalog.Source source, Catalog catalog, Instant at)
      throws RepositoryException {
    Optional<Operation.Erase> wanted =
        catalog.erasing(source.tree()).filter(erase -> !at.isBefore(erase.notBefore()));
    return wanted.orElseThrow(
        () ->
            new RepositoryException(
                "erase.not-due",
                FailureKind.REFUSED,
                "Source "
                    + source.info().name()
                    + " is not to be erased, or not yet: somebody took it back, or asked for it"
                    + " anew",
                Map.of("source", source.info().name()),
                "Look with keys erasures.",
                null));
  }

  private Erasure finish(ObjectId tree, RunControl control) throws IOException {
    try (Lease lease = Lease.takeExclusive(services, draw(), LeaseFacts.PRUNE)) {
      return finish(tree, lease, lease.startedAt(), control);
    }
  }

  private Erasure finish(ObjectId tree, Lease lease, Instant now, RunControl control)
      throws IOException {
    EraseSweeper sweeper = new EraseSweeper(services, lease, now, control);
    sweeper.removeSlots();
    return report(services.log().catalog().erased(tree).orElseThrow(), sweeper.open(tree));
  }

  /** Takes it back. */
  public void unerase(String name, String by) throws IOException {
    Instant now = services.store().now();
    services
        .log()
        .append(
            catalog -> {
              Optional<ErasedSource> open = open(name, catalog);
              if (open.isPresent()) {
                throw open.get().refusal();
              }
              Catalog.Source source = Registrar.require(catalog, name);
              if (catalog.erasing(source.tree()).isEmpty()) {
                throw new RepositoryException(
                    "erase.not-requested",
                    FailureKind.NOT_FOUND,
                    "Nobody asked that source " + name + " be erased, or it was taken back",
                    Map.of("source", name),
                    "There is nothing to do.",
                    null);
              }
              return List.of(new Operation.Unerase(source.tree(), by, now));
            });
    LOG.info("Not to be erased source={}", name);
  }

  /** What everybody should know of it. */
  public List<CheckItem> check() throws IOException {
    List<CheckItem> items = new ArrayList<>();
    Catalog catalog = services.log().catalog();
    for (Operation.Erase wanted : catalog.erasing()) {
      items.add(
          new CheckItem(
              "repository.erasure",
              Outcome.WARN,
              "source "
                  + wanted.source()
                  + " may be erased for good from "
                  + wanted.notBefore()
                  + " on: "
                  + wanted.by()
                  + " asked for it at "
                  + wanted.at()
                  + " ("
                  + wanted.reason()
                  + ")",
              "If that is not wanted, run keys unerase."));
    }
    for (ErasedSource erased : catalog.erasures()) {
      if (erased.end().isEmpty()) {
        items.add(
            new CheckItem(
                "repository.erasure",
                Outcome.FAIL,
                erased.refusal().getMessage() + ", but a copy may still have slots of its keys",
                "Run keys erase again, which says which."));
      } else {
        lookForSlots(erased, items);
      }
    }
    return items;
  }

  private void lookForSlots(ErasedSource erased, List<CheckItem> items) throws IOException {
    for (Copy copy : CopySet.places(services.store())) {
      List<ObjectKey> back;
      try {
        back = EraseSweeper.listed(erased.tree(), copy.store());
      } catch (StorageException e) {
        LOG.debug("{} cannot be asked for slots", copy.name(), e);
        continue; // that it cannot be asked is told of the copy
      }
      if (!back.isEmpty()) {
        items.add(
            new CheckItem(
                "repository.erasure",
                Outcome.FAIL,
                copy.name()
                    + " has slots of the keys of source "
                    + erased.what().source()
                    + " again, which was erased at "
                    + erased.what().at()
                    + ": "
                    + back.get(0)
                    + (back.size() == 1 ? "" : " and " + (back.size() - 1) + " more"),
                "Find out who brought them back, and from where. Run prune, which removes them."));
      }
    }
  }

  private static Optional<ErasedSource> open(String name, Catalog catalog) {
    return catalog.erasures().stream()
        .filter(erased -> erased.end().isEmpty() && erased.what().source().equals(name))
        .findFirst();
  }

  /** The name may have been given to another source since. */
  private static void requireSame(Catalog.Source source, Catalog catalog)
      throws RepositoryException {
    Optional<ErasedSource> erased = catalog.erased(source.tree());
    if (erased.isPresent()) {
      throw erased.get().refusal();
    }
    Registrar.require(catalog, source.info().name());
  }

  private static void requireNone(Catalog.Source source, List<Obstacle> obstacles)
      throws RepositoryException {
    if (obstacles.isEmpty()) {
      return;
    }
    throw new RepositoryException(
        obstacles.get(0).code(),
        FailureKind.REFUSED,
        "Source "
            + source.info().name()
            + " is not erased: "
            + String.join("; ", obstacles.stream().map(Obstacle::text).toList()),
        Map.of("source", source.info().name()),
        obstacles.get(0).remedy(),
        null);
  }

  private static List<Catalog.Kept> of(Catalog.Source source, Catalog catalog) {
    return catalog.kept().stream()
        .filter(kept -> kept.entry().backup().source().equals(source.info().name()))
        .toList();
  }

  private static List<Obstacle> held(Catalog.Source source, Catalog catalog, Instant now) {
    List<Obstacle> found = new ArrayList<>();
    for (Catalog.Kept kept : of(source, catalog)) {
      for (Operation.Hold hold : kept.fate().holds()) {
        if (hold.active(now)) {
          found.add(
              new Obstacle(
                  "erase.held",
                  "backup "
                      + kept.entry().backup().id()
                      + " is held ("
                      + hold.reason()
                      + ") until "
                      + hold.until().map(Instant::toString).orElse("somebody removes that"),
                  "Remove the hold first, if whoever placed it agrees."));
        }
      }
    }
    return found;
  }

  /** Runs that write to it or read it, and log that arrives, for which nobody takes a lease. */
  private List<Obstacle> inUse(Catalog.Source source, Catalog catalog, Instant now)
      throws IOException {
    Set<BackupId> backups = new HashSet<>();
    of(source, catalog).forEach(kept -> backups.add(kept.entry().backup().id()));
    List<Obstacle> found = new ArrayList<>();
    for (Leases.Held held : Leases.newest(Leases.all(services.store()))) {
      if (held.folder().equals(LeaseFacts.PRUNE)) {
        continue; // this run's own, or it gets none
      }
      Optional<LeaseFacts> facts = held.facts();
      boolean ours =
          facts.isEmpty()
              || facts.get().trace().filter(one -> one.tree().equals(source.tree())).isPresent()
              || facts.get().pins().stream().anyMatch(backups::contains);
      if (ours && held.alive(now)) {
        found.add(
            new Obstacle(
                "erase.in-use",
                "a run of "
                    + facts.map(one -> one.purpose() + " by " + one.holder()).orElse("somebody")
                    + " works with it, until "
                    + held.endsAt()
                    + " unless it goes on",
                "Wait until it has ended. The lease of a run that died lapses by itself."));
      }
    }
    // So that nobody is told that log is stored which nothing opens any more.
    Instant quiet = lastLog(source.tree()).plus(services.tuning().leaseLasts());
    if (quiet.isAfter(now)) {
      found.add(
          new Obstacle(
              "erase.in-use",
              "its log was still arriving a while ago; until " + quiet + " unless more comes",
              "Stop what ships its log: wal receive, or the server's archive_command."));
    }
    return found;
  }

  private Instant lastLog(ObjectId tree) throws IOException {
    Instant last = Instant.EPOCH;
    Optional<String> after = Optional.empty();
    do {
      ListPage page = services.store().list(ObjectNames.WAL + tree + "/", after);
      for (ObjectInfo info : page.objects()) {
        last = info.modifiedAt().isAfter(last) ? info.modifiedAt() : last;
      }
      after = page.next();
    } while (after.isPresent());
    return last;
  }

  /** What a copy does not let go of yet; one that cannot be asked keeps the erasure from ending. */
  private List<Obstacle> locked(Slots slots, Instant now) throws IOException {
    Set<ObjectKey> all = new LinkedHashSet<>(slots.unread());
    slots.read().forEach(slot -> all.add(slot.key()));
    List<Obstacle> found = new ArrayList<>();
    for (Copy copy : CopySet.places(services.store())) {
      Instant until = now;
      try {
        for (ObjectKey slot : all) {
          Instant end =
              copy.store().head(slot).flatMap(ObjectInfo::lockedUntil).orElse(Instant.EPOCH);
          until = end.isAfter(until) ? end : until;
        }
      } catch (StorageException e) {
        if (copy.store() == CopySet.deciding(services.store())) {
          throw e;
        }
        LOG.warn("{} cannot be asked whether it locks slots", copy.name(), e);
      }
      if (until.isAfter(now)) {
        found.add(
            new Obstacle(
                "erase.locked",
                copy.name() + " locks slots of its keys until " + until,
                "Run it again then: nothing renews these locks while the source is to be"
                    + " erased."));
      }
    }
    return found;
  }

  private static List<SlotRef> counted(ObjectId tree, Catalog catalog) {
    List<SlotRef> slots = new ArrayList<>();
    catalog.epochs(tree).forEach(epoch -> slots.addAll(epoch.slots()));
    return slots;
  }

  private static List<SlotRef> joined(List<SlotRef> one, List<SlotRef> other) {
    Set<SlotRef> all = new LinkedHashSet<>(one);
    all.addAll(other);
    return List.copyOf(all);
  }

  /** All that wrap a key of a tree, or did, by what commits say and by what lies there. */
  private Slots slots(ObjectId tree, Catalog catalog) throws IOException {
    List<SlotRef> read = new ArrayList<>(counted(tree, catalog));
    Set<ObjectKey> others = new LinkedHashSet<>(catalog.retiredSlots().keySet());
    catalog.keySweeps().forEach(sweep -> others.addAll(sweep.slots()));
    others.removeIf(slot -> !ObjectNames.isOf(slot, tree));
    others.addAll(EraseSweeper.listed(tree, services.store()));
    read.forEach(slot -> others.remove(slot.key()));
    List<ObjectKey> unread = new ArrayList<>();
    for (ObjectKey slot : others) {
      try {
        byte[] bytes = SealedObjects.fetch(services.store(), slot, MOST_SLOT_BYTES);
        // No commit tells what is in it; that a bit was flipped on its way shows by comparing.
        if (Arrays.equals(bytes, SealedObjects.fetch(services.store(), slot, MOST_SLOT_BYTES))) {
          read.add(SlotRef.of(slot, bytes));
        } else {
          unread.add(slot);
        }
      } catch (StorageException.NotFound | RepositoryException e) {
        unread.add(slot);
      }
    }
    return new Slots(read, unread);
  }

  private String draw() {
    byte[] id = new byte[16];
    services.random().nextBytes(id);
    return HexFormat.of().formatHex(id);
  }
}
