package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.RewrapReport;
import com.thorbis.backup.api.RewrapRequest;
import com.thorbis.backup.api.RotateReport;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.KeySlots;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.PassphraseKeyProvider;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Changes which keys seal what is new, and who opens them. What is written is read back and opened
 * before a commit makes it count, and what it replaces stays until a later sweep: whatever
 * interrupts a change, every key opens with the slots that count.
 */
public final class KeyChanges {
  private static final Logger LOG = LoggerFactory.getLogger(KeyChanges.class);

  /** So many keys are changed by one commit, which has room for 16 slots of each. */
  private static final int AT_ONCE = 200;

  private static final int MOST_ROUNDS = 5;

  private final RepositoryHeader header;
  private final ObjectStore store;
  private final KeyRing keys;
  private final CommitLog log;
  private final RepositorySetup setup;
  private final SecureRandom random;

  /** Over an opened repository. */
  public KeyChanges(Bootstrap.Opened opened, RepositorySetup setup, SecureRandom random) {
    this.header = opened.header();
    this.store = opened.store();
    this.keys = opened.keys();
    this.log = opened.log();
    this.setup = setup;
    this.random = random;
  }

  /**
   * Refuses to make slots count that another process removes, or removed.
   *
   * @param fence was raised before they were written
   */
  static void requireKept(List<SlotRef> slots, CommitLog.Fence fence) throws RepositoryException {
    for (SlotRef slot : slots) {
      if (fence.condemns(slot.key())) {
        throw new RepositoryException(
            "keys.swept",
            FailureKind.REFUSED,
            slot.key() + " was removed before anything relied on it: this took too long",
            Map.of("object", slot.key().value()),
            "Run it again.",
            null);
      }
    }
  }

  /** The keys there are, and whom their slots are for. Tries none of them. */
  public KeysReport report() throws IOException {
    log.refresh();
    List<KeysReport.Tree> trees = new ArrayList<>();
    Catalog catalog = log.catalog();
    for (ObjectId tree : catalog.trees()) {
      List<KeysReport.Epoch> epochs = new ArrayList<>();
      for (Catalog.KeyEpoch epoch : catalog.epochs(tree)) {
        epochs.add(describe(tree, epoch));
      }
      trees.add(new KeysReport.Tree(tree.toString(), source(catalog, tree), epochs));
    }
    return new KeysReport(trees);
  }

  private KeysReport.Epoch describe(ObjectId tree, Catalog.KeyEpoch epoch) throws IOException {
    List<KeysReport.Recipient> recipients = new ArrayList<>();
    List<String> problems = new ArrayList<>();
    for (SlotRef slot : epoch.slots()) {
      try {
        WrappedKey wrapped = keys.read(slot, place(tree, epoch.number()));
        boolean configured =
            keys.recipients().stream().anyMatch(one -> KeyRing.serves(one, wrapped));
        recipients.add(new KeysReport.Recipient(wrapped.scheme(), wrapped.keyId(), configured));
      } catch (StorageException.NotFound e) {
        problems.add(slot.key() + ": is missing");
      } catch (RepositoryException e) {
        problems.add(String.valueOf(e.getMessage()));
      }
    }
    return new KeysReport.Epoch(epoch.number(), since(epoch), recipients, problems);
  }

  private Instant since(Catalog.KeyEpoch epoch) {
    return epoch.since().orElse(header.createdAt());
  }

  private static Optional<String> source(Catalog catalog, ObjectId tree) {
    return catalog.sources().stream()
        .filter(source -> source.tree().equals(tree))
        .map(source -> source.info().name())
        .findFirst();
  }

  private KeySlot place(ObjectId tree, int epoch) {
    return new KeySlot(header.id(), tree, epoch);
  }

  /** A key that nothing relies on yet. */
  private record Fresh(Catalog.KeyEpoch before, Operation.Wraps wraps, List<String> recipients) {}

  /** Gives trees another key for what is sealed from now on. */
  public RotateReport rotate(RotateRequest request) throws IOException {
    log.refresh();
    log.requireDeciding();
    Instant now = store.now();
    List<ObjectId> chosen = chosen(request, now);
    List<RotateReport.Rotated> rotated = new ArrayList<>();
    List<String> notes = new ArrayList<>();
    for (int from = 0; from < chosen.size(); from += AT_ONCE) {
      rotate(chosen.subList(from, Math.min(chosen.size(), from + AT_ONCE)), now, rotated, notes);
    }
    return new RotateReport(rotated, notes);
  }

  private List<ObjectId> chosen(RotateRequest request, Instant now) throws RepositoryException {
    Catalog catalog = log.catalog();
    List<ObjectId> chosen = new ArrayList<>();
    if (request.sources().isEmpty()) {
      chosen.addAll(catalog.trees());
    }
    for (String name : request.sources()) {
      chosen.add(Registrar.require(catalog, name).tree());
    }
    Optional<Duration> olderThan = request.olderThan();
    chosen.removeIf(
        tree ->
            olderThan.isPresent()
                && now.isBefore(since(last(catalog, tree)).plus(olderThan.get())));
    return chosen;
  }

  private static Catalog.KeyEpoch last(Catalog catalog, ObjectId tree) {
    List<Catalog.KeyEpoch> epochs = catalog.epochs(tree);
    return epochs.get(epochs.size() - 1);
  }

  private void rotate(
      List<ObjectId> trees, Instant now, List<RotateReport.Rotated> rotated, List<String> notes)
      throws IOException {
    List<Fresh> fresh = new ArrayList<>();
    try (CommitLog.Fence fence = log.fence()) {
      for (ObjectId tree : trees) {
        fresh.add(next(tree));
      }
      log.append(
          catalog -> {
            List<Operation.Wraps> epochs = new ArrayList<>();
            for (Fresh one : fresh) {
              requireKept(one.wraps().slots(), fence);
              if (catalog.erased(one.wraps().tree()).isEmpty()
                  && last(catalog, one.wraps().tree()).equals(one.before())) {
                epochs.add(one.wraps());
              }
            }
            return epochs.isEmpty() ? List.of() : List.of(new Operation.Rotate(epochs, now));
          });
    }
    for (Fresh one : fresh) {
      Catalog catalog = log.catalog();
      ObjectId tree = one.wraps().tree();
      Optional<ErasedSource> erased = catalog.erased(tree);
      if (erased.isPresent()) {
        discard(one.wraps().slots());
        notes.add(String.valueOf(erased.get().refusal().getMessage()));
        continue;
      }
      Optional<String> source = source(catalog, tree);
      Catalog.KeyEpoch last = last(catalog, tree);
      if (last.slots().equals(one.wraps().slots())) {
        LOG.info("Rotated tree={} epoch={}", tree, last.number());
        rotated.add(new RotateReport.Rotated(source, one.wraps().epoch(), one.recipients()));
        continue;
      }
      discard(one.wraps().slots());
      if (last.number() == one.before().number()) {
        throw changed(); // by others who changed its recipients
      }
      notes.add(
          source.map(name -> "source " + name).orElse("the repository")
              + ": another process was faster; epoch "
              + last.number()
              + " seals what is new");
    }
  }

  private Fresh next(ObjectId tree) throws IOException {
    Catalog.KeyEpoch before = last(log.catalog(), tree);
    KeySlot place = place(tree, before.number());
    List<KeyProvider> recipients = keys.recipientsOf(place, before.slots());
    try (EpochKey key = keys.key(tree, before.number()).next(random)) {
      return new Fresh(
          before,
          new Operation.Wraps(tree, key.slot().epoch(), keys.store(key, recipients, random)),
          recipients.stream().map(KeyChanges::name).toList());
    }
  }

  private static String name(KeyProvider recipient) {
    return name(recipient.scheme(), recipient.keyId());
  }

  /** A repository has one passphrase, and each of its wraps another id. */
  private static String name(String scheme, String keyId) {
    return scheme.equals(PassphraseKeyProvider.SCHEME) ? scheme : scheme + " " + keyId;
  }

  /** Removes slots that no commit named, nor ever will. */
  private void discard(List<SlotRef> slots) throws IOException {
    for (SlotRef slot : slots) {
      try {
        store.delete(slot.key());
      } catch (StorageException e) {
        LOG.debug("{} stays until a sweep finds it by its age", slot.key(), e);
      }
    }
  }

  private static RepositoryException changed() {
    return new RepositoryException(
        "keys.changed",
        FailureKind.REFUSED,
        "Another process changes who opens the repository",
        Map.of(),
        "Run it again when that has ended.",
        null);
  }

  /**
   * What is to change about one key.
   *
   * @param kept slots that stay
   * @param adding recipients that get one
   * @param retiring slots that do not count any more
   */
  private record Change(
      KeySlot place,
      Catalog.KeyEpoch before,
      List<SlotRef> kept,
      List<KeyProvider> adding,
      List<ObjectKey> retiring) {
    boolean isNeeded() {
      return !adding.isEmpty() || !retiring.isEmpty();
    }
  }

  /** What is to change, and who notices. */
  private static final class Changes {
    private final List<Change> all = new ArrayList<>();
    private final Set<String> added = new LinkedHashSet<>();
    private final Set<String> removed = new LinkedHashSet<>();
    private final Set<String> notes = new LinkedHashSet<>();
    private int keys;
    private int written;
    private int retired;
  }

  /** What {@link #rewrap} would do now. */
  public RewrapReport plan(RewrapRequest request) throws IOException {
    Bootstrap.requireTwoWays(setup);
    log.refresh();
    Changes changes = new Changes();
    find(request.anew(), Set.of(), changes);
    for (Change change : changes.all) {
      changes.written += change.adding().size();
      changes.retired += change.retiring().size();
    }
    changes.keys = changes.all.size();
    return report(changes, 0);
  }

  /**
   * Wraps every key to the configured recipients, and to nobody else.
   *
   * @param swept how many slots a sweep removed before
   */
  public RewrapReport rewrap(RewrapRequest request, long swept) throws IOException {
    Bootstrap.requireTwoWays(setup);
    log.refresh();
    log.requireDeciding();
    Changes done = new Changes();
    Set<KeySlot> renewed = new HashSet<>();
    for (int round = 0; round < MOST_ROUNDS; round++) {
      find(request.anew(), renewed, done);
      if (done.all.isEmpty()) {
        return report(done, swept);
      }
      List<Change> needed = List.copyOf(done.all);
      for (int from = 0; from < needed.size(); from += AT_ONCE) {
        List<Change> part = needed.subList(from, Math.min(needed.size(), from + AT_ONCE));
        renewed.addAll(apply(part, request.grace(), done));
      }
      log.refresh();
    }
    throw changed();
  }

  private RewrapReport report(Changes changes, long swept) {
    List<String> kept = new ArrayList<>();
    keys.recipients().stream()
        .map(KeyChanges::name)
        .filter(name -> !changes.added.contains(name))
        .forEach(kept::add);
    return new RewrapReport(
        List.copyOf(changes.added),
        List.copyOf(changes.removed),
        kept,
        changes.keys,
        changes.written,
        changes.retired,
        swept,
        List.copyOf(changes.notes));
  }

  private void find(boolean anew, Set<KeySlot> renewed, Changes into) throws IOException {
    into.all.clear();
    Catalog catalog = log.catalog();
    for (ObjectId tree : catalog.trees()) {
      for (Catalog.KeyEpoch epoch : catalog.epochs(tree)) {
        KeySlot place = place(tree, epoch.number());
        Change change = find(place, epoch, anew && !renewed.contains(place), into);
        if (change.isNeeded()) {
          into.all.add(change);
        }
      }
    }
  }

  private Change find(KeySlot place, Catalog.KeyEpoch epoch, boolean anew, Changes into)
      throws IOException {
    Map<SlotRef, WrappedKey> wraps = new LinkedHashMap<>();
    for (SlotRef slot : epoch.slots()) {
      try {
        wraps.put(slot, keys.read(slot, place));
      } catch (StorageException.NotFound | RepositoryException e) {
        into.notes.add("replaced a slot that cannot be read: " + e.getMessage());
      }
    }
    EpochKey key = keys.key(place.tree(), place.epoch());
    List<SlotRef> kept = new ArrayList<>();
    List<KeyProvider> adding = new ArrayList<>();
    boolean proven = false;
    for (KeyProvider recipient : keys.recipients()) {
      boolean had = false;
      Optional<SlotRef> staying = Optional.empty();
      for (Map.Entry<SlotRef, WrappedKey> slot : wraps.entrySet()) {
        if (!KeyRing.serves(recipient, slot.getValue())) {
          continue;
        }
        Opens opens = opens(recipient, slot.getValue(), key, into);
        had |= opens != Opens.NO;
        if (!anew && opens != Opens.NO && staying.isEmpty()) {
          staying = Optional.of(slot.getKey());
          proven |= opens == Opens.YES;
        }
      }
      staying.ifPresent(kept::add);
      if (staying.isEmpty()) {
        adding.add(recipient);
        proven |= recipient.canUnwrap();
      }
      if (!had) {
        into.added.add(name(recipient));
      }
    }
    if (!proven) {
      throw new KeyException(
          "key.unreachable",
          FailureKind.TRANSIENT,
          place + ": none of the configured recipients can prove now that it opens",
          "",
          "Run it again when one of them can be asked.",
          null);
    }
    List<ObjectKey> retiring = new ArrayList<>();
    for (SlotRef slot : epoch.slots()) {
      if (!kept.contains(slot)) {
        retiring.add(slot.key());
        WrappedKey wrapped = wraps.get(slot);
        if (wrapped != null
            && keys.recipients().stream().noneMatch(one -> KeyRing.serves(one, wrapped))) {
          into.removed.add(name(wrapped.scheme(), wrapped.keyId()));
        }
      }
    }
    return new Change(place, epoch, kept, adding, retiring);
  }

  private enum Opens {
    YES,
    NO,
    NOT_TRIED
  }

  private static Opens opens(KeyProvider recipient, WrappedKey wrapped, EpochKey key, Changes into)
      throws IOException {
    if (!recipient.canUnwrap()) {
      return Opens.NOT_TRIED;
    }
    try (EpochKey opened = KeySlots.open(key.slot(), List.of(wrapped), List.of(recipient))) {
      return opened.isSame(key) ? Opens.YES : Opens.NO;
    } catch (KeyException e) {
      if (e.kind() != FailureKind.TRANSIENT) {
        return Opens.NO;
      }
      into.notes.add(recipient.describe() + " stays, and could not be asked: " + e.getMessage());
      return Opens.NOT_TRIED;
    }
  }

  /** Those that were changed; others were changed by somebody else meanwhile. */
  private List<KeySlot> apply(List<Change> changes, Duration grace, Changes into)
      throws IOException {
    Map<Change, Operation.Wraps> fresh = new LinkedHashMap<>();
    Instant sweepAfter = store.now().plus(grace);
    List<Change> committed = new ArrayList<>();
    try (CommitLog.Fence fence = log.fence()) {
      for (Change change : changes) {
        KeySlot place = change.place();
        List<SlotRef> slots = new ArrayList<>(change.kept());
        if (!change.adding().isEmpty()) {
          slots.addAll(keys.store(keys.key(place.tree(), place.epoch()), change.adding(), random));
        }
        fresh.put(change, new Operation.Wraps(place.tree(), place.epoch(), slots));
      }
      log.append(
          catalog -> {
            committed.clear();
            List<Operation.Wraps> epochs = new ArrayList<>();
            List<ObjectKey> retiring = new ArrayList<>();
            for (Map.Entry<Change, Operation.Wraps> one : fresh.entrySet()) {
              requireKept(one.getValue().slots(), fence);
              if (isAsSeen(one.getKey(), catalog)) {
                committed.add(one.getKey());
                epochs.add(one.getValue());
                retiring.addAll(one.getKey().retiring());
              }
            }
            return epochs.isEmpty()
                ? List.of()
                : List.of(new Operation.Rewrap(epochs, retiring, sweepAfter));
          });
    }
    for (Map.Entry<Change, Operation.Wraps> one : fresh.entrySet()) {
      Change change = one.getKey();
      List<SlotRef> slots = one.getValue().slots();
      if (committed.contains(change)) {
        into.keys++;
        into.written += change.adding().size();
        into.retired += change.retiring().size();
        LOG.info(
            "Wrapped {} to {} recipients, retired {} slots",
            change.place(),
            slots.size(),
            change.retiring().size());
      } else {
        discard(slots.stream().filter(slot -> !change.kept().contains(slot)).toList());
      }
    }
    return committed.stream().map(Change::place).toList();
  }

  private static boolean isAsSeen(Change change, Catalog catalog) {
    return catalog.epochs(change.place().tree()).stream()
        .anyMatch(epoch -> epoch.equals(change.before()));
  }
}
