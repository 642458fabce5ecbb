package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.KeySlots;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.PassphraseKeyProvider;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.SoundReads;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The keys of a repository: opened when first needed, erased on {@link #close}. */
public final class KeyRing implements SealedObjects.Keys, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(KeyRing.class);

  private static final String FORMAT = "thorbis-key-slot";
  private static final int VERSION = 1;
  private static final int MOST_SLOT_BYTES = 64 << 10;

  private static final int MOST_CANDIDATES = 64;

  /** So long nobody asks again for a key that could not be asked for, if another will do. */
  private static final Duration PAUSE = Duration.ofMinutes(1);

  private final ObjectStore store;
  private final ObjectId repository;
  private final List<KeyProvider> recipients;
  private final Map<KeySlot, EpochKey> open = new HashMap<>();
  private final Map<KeySlot, List<SlotRef>> vouched = new HashMap<>();
  private final Map<ObjectKey, SlotRef> expected = new LinkedHashMap<>();
  private final Map<KeySlot, Long> pausedUntil = new HashMap<>();
  private final Map<ObjectId, Operation.Erased> erased = new HashMap<>();
  private @Nullable CommitLog log;

  KeyRing(ObjectStore store, ObjectId repository, List<KeyProvider> recipients) {
    this.store = store;
    this.repository = repository;
    this.recipients = recipients;
  }

  /** From now on, the log says which slots count, and is read on where it has not said enough. */
  synchronized void follow(CommitLog log) {
    this.log = log;
  }

  @Override
  public EpochKey key(ObjectId tree, int epoch) throws IOException {
    KeySlot place = new KeySlot(repository, tree, epoch);
    CommitLog reading;
    synchronized (this) {
      requireNotErased(tree);
      EpochKey known = find(place);
      if (known != null) {
        return known;
      }
      if (!knows(tree)) {
        if (epoch == 1) {
          return openFirst(place);
        }
        throw unnamed(place);
      }
      reading = log;
    }
    // Another process may have rotated since: whatever a commit does not name opens nothing.
    if (reading != null) {
      reading.readOn();
    }
    synchronized (this) {
      requireNotErased(tree);
      EpochKey known = find(place);
      if (known == null) {
        throw unnamed(place);
      }
      return known;
    }
  }

  /** From now on nothing opens keys of this tree, whatever slots lie there or come back. */
  synchronized void forget(Operation.Erased what) {
    ObjectId tree = what.tree();
    erased.put(tree, what);
    open.forEach(
        (place, key) -> {
          if (place.tree().equals(tree)) {
            key.close();
          }
        });
    open.keySet().removeIf(place -> place.tree().equals(tree));
    vouched.keySet().removeIf(place -> place.tree().equals(tree));
    pausedUntil.keySet().removeIf(place -> place.tree().equals(tree));
  }

  /** Whether the log says that the keys of a tree were destroyed. */
  public synchronized boolean isErased(ObjectId tree) {
    return erased.containsKey(tree);
  }

  private void requireNotErased(ObjectId tree) throws RepositoryException {
    Operation.Erased what = erased.get(tree);
    if (what != null) {
      throw ErasedSource.refusal(what);
    }
  }

  private static RepositoryException unnamed(KeySlot place) {
    return RepositoryException.damaged(
        ObjectNames.slots(place), "is of an epoch that no commit names", null);
  }

  /**
   * The key that new objects of a tree are sealed under: that of its newest epoch. Where that was
   * never opened here and its recipients cannot be asked now, the one before it goes on for now.
   */
  public EpochKey current(ObjectId tree) throws IOException {
    KeySlot place;
    EpochKey older;
    synchronized (this) {
      requireNotErased(tree);
      place = newest(tree);
      EpochKey known = open.get(place);
      if (known != null) {
        return known;
      }
      older = newestOpen(tree);
      Long until = pausedUntil.get(place);
      if (older != null && until != null && until - System.nanoTime() > 0) {
        return older;
      }
    }
    try {
      return key(tree, place.epoch());
    } catch (KeyException e) {
      if (older == null || e.kind() != FailureKind.TRANSIENT) {
        throw e;
      }
      synchronized (this) {
        pausedUntil.put(place, System.nanoTime() + PAUSE.toNanos());
      }
      LOG.warn("{} goes on for now: {}", older, e.getMessage());
      return older;
    }
  }

  /**
   * Opens the newest keys of those trees that are in use here, as long as whoever can open them is
   * likely to be there. What fails now fails again when it matters.
   */
  void openEarly(List<ObjectId> trees) throws InterruptedIOException {
    for (ObjectId tree : trees) {
      boolean used;
      synchronized (this) {
        used = newestOpen(tree) != null;
      }
      try {
        if (used) {
          current(tree);
        }
      } catch (InterruptedIOException e) {
        throw e;
      } catch (IOException e) {
        LOG.debug("The newest key of {} was not opened yet", tree, e);
      }
    }
  }

  private @Nullable EpochKey newestOpen(ObjectId tree) {
    EpochKey newest = null;
    for (EpochKey key : open.values()) {
      if (key.slot().tree().equals(tree)
          && (newest == null || newest.slot().epoch() < key.slot().epoch())) {
        newest = key;
      }
    }
    return newest;
  }

  /** Whether any commit that was read vouches for keys of a tree. */
  synchronized boolean knows(ObjectId tree) {
    return vouched.keySet().stream().anyMatch(place -> place.tree().equals(tree));
  }

  /** The newest epoch that commits vouch for; the first one where none does yet. */
  private KeySlot newest(ObjectId tree) {
    return new KeySlot(
        repository,
        tree,
        vouched.keySet().stream()
            .filter(place -> place.tree().equals(tree))
            .mapToInt(KeySlot::epoch)
            .max()
            .orElse(1));
  }

  private @Nullable EpochKey find(KeySlot place) throws IOException {
    EpochKey known = open.get(place);
    List<SlotRef> slots = vouched.get(place);
    if (known == null && slots != null) {
      List<IOException> problems = new ArrayList<>();
      List<WrappedKey> wraps = read(slots, place, problems);
      if (wraps.isEmpty()) {
        throw unreadable(place, problems);
      }
      try {
        known = KeySlots.open(place, wraps, recipients);
      } catch (KeyException e) {
        throw refused(place, problems, e);
      }
      open.put(place, known);
    }
    return known;
  }

  /**
   * Opens the first key of a tree of which no commit was read yet: by the slots that the header
   * names, or, once others took their place, by any that proves to have sealed the first commit.
   */
  private EpochKey openFirst(KeySlot place) throws IOException {
    List<IOException> problems = new ArrayList<>();
    List<SlotRef> named =
        expected.values().stream().filter(slot -> lies(slot.key(), place)).toList();
    List<WrappedKey> wraps = new ArrayList<>();
    List<IOException> missing = new ArrayList<>();
    for (SlotRef slot : named) {
      try {
        wraps.add(read(slot, place));
      } catch (StorageException.NotFound e) {
        missing.add(e); // lost; or retired, which the header cannot know
      } catch (RepositoryException e) {
        LOG.warn("A key slot is damaged: {}", e.getMessage());
        problems.add(e);
      }
    }
    KeyException refusal = null;
    EpochKey known = null;
    if (!wraps.isEmpty()) {
      try {
        known = KeySlots.open(place, wraps, recipients);
      } catch (KeyException e) {
        refusal = e;
      }
    }
    if (known == null) {
      CommitLog reading = log;
      Proof first = key -> reading == null || reading.mayHaveSealedFirst(key);
      known = findListed(place, first, refusal, wraps, problems);
    }
    if (known == null) {
      if (wraps.isEmpty()) {
        throw unreadable(place, problems.isEmpty() ? missing : problems);
      }
      throw refused(place, problems, refusal(place, wraps));
    }
    open.put(place, known);
    return known;
  }

  /** Why none of these opens. */
  private KeyException refusal(KeySlot place, List<WrappedKey> wraps) throws IOException {
    List<WrappedKey> some = wraps.subList(0, Math.min(wraps.size(), KeySlots.MOST_RECIPIENTS));
    try (EpochKey opened = KeySlots.open(place, some, recipients)) {
      throw RepositoryException.damaged(
          ObjectNames.slots(place), opened + " opens, and is not what sealed the commits", null);
    } catch (KeyException e) {
      return e;
    }
  }

  /**
   * Opens a key of the repository's tree for an object of the log. As long as the log was not read
   * to its end, it does not say who opens the key now: then a slot that nobody vouches for counts
   * too, if its key is of the same tree as the first one, and opens the object.
   *
   * @throws RepositoryException of kind DAMAGED if none does
   */
  synchronized EpochKey key(ObjectId tree, int epoch, Proof opens) throws IOException {
    KeySlot place = new KeySlot(repository, tree, epoch);
    IOException refused = null;
    try {
      EpochKey known = find(place);
      if (known != null) {
        return known;
      }
    } catch (KeyException | RepositoryException e) {
      refused = e;
    }
    if (epoch == 1) {
      if (refused != null) {
        throw refused;
      }
      return key(tree, 1);
    }
    if (refused == null && knows(tree)) {
      throw unnamed(place);
    }
    EpochKey first = key(tree, 1);
    List<IOException> problems = new ArrayList<>();
    EpochKey found =
        findListed(
            place,
            key -> key.isOfSameTree(first) && opens.holds(key),
            refused instanceof KeyException refusal ? refusal : null,
            new ArrayList<>(),
            problems);
    if (found == null) {
      throw refused == null ? unreadable(place, problems) : refused;
    }
    open.put(place, found);
    return found;
  }

  /** Finds out whether a key is the one that is looked for. */
  @FunctionalInterface
  interface Proof {
    boolean holds(EpochKey key) throws IOException;
  }

  /**
   * The first key in a slot that nobody vouches for yet which opens and proves right; null if none
   * does. A listing may have been short, so that takes two.
   *
   * @param tried takes what was tried
   */
  private @Nullable EpochKey findListed(
      KeySlot place,
      Proof proof,
      @Nullable KeyException before,
      List<WrappedKey> tried,
      List<IOException> problems)
      throws IOException {
    EpochKey found = null;
    for (int look = 0; look < 2 && found == null; look++) {
      List<WrappedKey> wraps = candidates(place, problems);
      found = choose(place, wraps, proof, before);
      tried.addAll(wraps);
    }
    return found;
  }

  /** The first key that opens and proves right; null if none does. */
  private @Nullable EpochKey choose(
      KeySlot place, List<WrappedKey> wraps, Proof proof, @Nullable KeyException before)
      throws IOException {
    KeyException unreachable =
        before != null && before.kind() == FailureKind.TRANSIENT ? before : null;
    for (WrappedKey wrapped : wraps) {
      EpochKey candidate;
      try {
        candidate = KeySlots.open(place, List.of(wrapped), recipients);
      } catch (KeyException e) {
        if (e.kind() == FailureKind.TRANSIENT) {
          unreachable = e;
        }
        continue;
      }
      boolean right = false;
      try {
        right = proof.holds(candidate);
      } finally {
        if (!right) {
          candidate.close();
        }
      }
      if (right) {
        return candidate;
      }
    }
    if (unreachable != null) {
      throw unreachable;
    }
    return null;
  }

  private static RepositoryException unreadable(KeySlot place, List<IOException> problems) {
    return RepositoryException.damaged(
        ObjectNames.slots(place),
        "no key slot can be read",
        problems.isEmpty() ? null : problems.get(0));
  }

  private static IOException refused(
      KeySlot place, List<IOException> problems, KeyException refusal) {
    return problems.isEmpty() || refusal.kind() == FailureKind.TRANSIENT
        ? refusal
        : RepositoryException.damaged(
            ObjectNames.slots(place), "no key slot that opens can be read whole", refusal);
  }

  private static boolean lies(ObjectKey slot, KeySlot place) {
    return slot.value().startsWith(ObjectNames.slots(place));
  }

  /** These slots are there, whether a listing has them or not. */
  synchronized void expect(List<SlotRef> slots) {
    slots.forEach(slot -> expected.put(slot.key(), slot));
  }

  /** From now on, only these slots count for their keys. */
  synchronized void vouch(List<SlotRef> slots) throws RepositoryException {
    Map<KeySlot, List<SlotRef>> byPlace = new HashMap<>();
    for (SlotRef slot : slots) {
      byPlace
          .computeIfAbsent(SlotRef.place(slot.key(), repository), place -> new ArrayList<>())
          .add(slot);
    }
    vouched.putAll(byPlace);
  }

  /** Wraps a new key to every recipient and stores the wraps, read back and compared. */
  List<SlotRef> store(EpochKey key, List<? extends KeyProvider> to, SecureRandom random)
      throws IOException {
    List<SlotRef> slots = new ArrayList<>();
    for (WrappedKey wrapped : KeySlots.wrap(key, to)) {
      byte[] id = new byte[8];
      random.nextBytes(id);
      String name = HexFormat.of().formatHex(id);
      ObjectKey place = ObjectNames.slot(key.slot(), name);
      byte[] bytes = encode(key.slot(), name, wrapped);
      SlotRef ref = SlotRef.of(place, bytes);
      Outcomes.settle(store, place, bytes.length, () -> store.put(place, ObjectSource.of(bytes)));
      requireOpens(
          key, decode(fetch(ref, "was not stored as it was written"), place, key.slot()), to);
      slots.add(ref);
    }
    return slots;
  }

  /** What was read back opens as this key, with every recipient that can be tried here. */
  private static void requireOpens(
      EpochKey key, WrappedKey wrapped, List<? extends KeyProvider> recipients) throws IOException {
    for (KeyProvider recipient : recipients) {
      if (recipient.canUnwrap() && serves(recipient, wrapped)) {
        try (EpochKey opened = KeySlots.open(key.slot(), List.of(wrapped), List.of(recipient))) {
          if (!opened.isSame(key)) {
            throw new KeyException(
                "key.wrap-mismatch",
                FailureKind.PERMANENT,
                recipient.describe() + ": a stored wrap opened as another key",
                recipient.describe(),
                "Nothing was changed. The recipient is broken: use another one.",
                null);
          }
        }
      }
    }
  }

  /**
   * The recipients that a new tree must have: all that the repository's own tree has.
   *
   * @throws RepositoryException of kind DAMAGED if a slot cannot be read
   */
  List<KeyProvider> recipientsLike(ObjectId tree) throws IOException {
    KeySlot place = newestOf(tree);
    List<SlotRef> slots;
    synchronized (this) {
      slots = vouched.get(place);
    }
    List<KeyProvider> all = new ArrayList<>(recipients);
    for (KeyProvider holder : recipientsOf(place, slots == null ? list(place) : slots)) {
      if (!all.contains(holder)) {
        all.add(holder);
      }
    }
    return all;
  }

  /**
   * The recipients of a key, to wrap another one to all of them.
   *
   * @throws RepositoryException of kind DAMAGED if a slot cannot be read: its recipient is not
   *     known then, and must not be left out
   */
  List<KeyProvider> recipientsOf(KeySlot place, List<SlotRef> slots) throws IOException {
    List<WrappedKey> wraps = new ArrayList<>();
    for (SlotRef slot : slots) {
      try {
        wraps.add(read(slot, place));
      } catch (StorageException.NotFound e) {
        throw RepositoryException.damaged(slot.key().value(), "is missing", e);
      }
    }
    return holders(place, wraps);
  }

  /** Recovery keys need not be configured, as their wraps carry the public half. */
  private List<KeyProvider> holders(KeySlot place, List<WrappedKey> wraps) throws IOException {
    List<KeyProvider> holders = new ArrayList<>();
    for (WrappedKey wrapped : wraps) {
      Optional<KeyProvider> configured =
          recipients.stream().filter(recipient -> serves(recipient, wrapped)).findFirst();
      if (configured.isPresent()) {
        holders.add(configured.get());
      } else if (wrapped.scheme().equals(RecoveryKeyProvider.SCHEME)) {
        holders.add(RecoveryKeyProvider.ofFingerprint(wrapped.keyId()));
      } else {
        throw new RepositoryException(
            "repository.recipient-missing",
            FailureKind.REFUSED,
            "The repository also opens with "
                + wrapped.scheme()
                + " "
                + wrapped.keyId()
                + ", which is not configured here: a new key would not open with it",
            Map.of("scheme", wrapped.scheme(), "keyId", wrapped.keyId()),
            "Configure every recipient of the repository, or run keys rewrap to change them, then"
                + " run it again.",
            null);
      }
    }
    // Opening lets each recovery recipient find its public half in its wrap.
    List<KeyProvider> asked = new ArrayList<>(recipients);
    holders.stream().filter(holder -> !asked.contains(holder)).forEach(asked::add);
    KeySlots.open(place, wraps, asked).close();
    return holders;
  }

  /** The configured recipients. */
  List<KeyProvider> recipients() {
    return recipients;
  }

  private synchronized KeySlot newestOf(ObjectId tree) {
    return newest(tree);
  }

  /** Whom slots are for, as far as they can be read. */
  public List<String> recipients(List<SlotRef> slots) throws IOException {
    Set<String> names = new LinkedHashSet<>();
    for (SlotRef slot : slots) {
      try {
        WrappedKey wrapped = read(slot, SlotRef.place(slot.key(), repository));
        names.add(wrapped.scheme() + " " + wrapped.keyId());
      } catch (StorageException.NotFound | RepositoryException e) {
        LOG.debug("{} tells no recipient", slot.key(), e);
      }
    }
    return List.copyOf(names);
  }

  /** Who can open a tree, described from what is stored. */
  List<String> describeRecipients(ObjectId tree) throws IOException {
    return wraps(newestOf(tree)).stream()
        .map(wrapped -> wrapped.scheme() + " " + wrapped.keyId())
        .toList();
  }

  /** Every slot there is of an epoch of a tree. */
  List<SlotRef> list(KeySlot place) throws IOException {
    return list(place, KeySlots.MOST_RECIPIENTS);
  }

  private List<SlotRef> list(KeySlot place, int most) throws IOException {
    Map<ObjectKey, SlotRef> known;
    synchronized (this) {
      known = new LinkedHashMap<>(expected);
    }
    known.keySet().removeIf(key -> !key.value().startsWith(ObjectNames.slots(place)));
    List<SlotRef> slots = new ArrayList<>(known.values());
    Optional<String> after = Optional.empty();
    do {
      ListPage page = store.list(ObjectNames.slots(place), after);
      for (ObjectInfo info : page.objects()) {
        if (!known.containsKey(info.key())) {
          slots.add(
              SlotRef.of(info.key(), SealedObjects.fetch(store, info.key(), MOST_SLOT_BYTES)));
        }
        if (slots.size() > most) {
          throw RepositoryException.damaged(
              ObjectNames.slots(place), "has more than " + most + " slots", null);
        }
      }
      after = page.next();
    } while (after.isPresent());
    return slots;
  }

  @Override
  public synchronized void close() {
    open.values().forEach(EpochKey::close);
    open.clear();
  }

  /** Those of the slots that count for a place which can be read; all there are if none counts. */
  private List<WrappedKey> wraps(KeySlot place) throws IOException {
    List<SlotRef> slots;
    synchronized (this) {
      slots = vouched.get(place);
    }
    List<IOException> problems = new ArrayList<>();
    List<WrappedKey> wraps = read(slots == null ? list(place) : slots, place, problems);
    if (wraps.isEmpty()) {
      throw unreadable(place, problems);
    }
    return wraps;
  }

  private List<WrappedKey> read(List<SlotRef> slots, KeySlot place, List<IOException> problems)
      throws IOException {
    List<WrappedKey> wraps = new ArrayList<>();
    for (SlotRef slot : slots) {
      try {
        wraps.add(read(slot, place));
      } catch (RepositoryException | StorageException.NotFound e) {
        // One recipient's slot may be lost while another still opens.
        LOG.warn("A key slot is damaged: {}", e.getMessage());
        problems.add(e);
      }
    }
    return wraps;
  }

  /** A slot that counts, from whichever copy has it whole. */
  WrappedKey read(SlotRef slot, KeySlot place) throws IOException {
    return SoundReads.read(store, slot.key(), from -> wrap(from, slot, place));
  }

  /** What may be the key of a place for which nobody vouches yet, and the header names nothing. */
  private List<WrappedKey> candidates(KeySlot place, List<IOException> problems)
      throws IOException {
    List<SlotRef> listed = list(place, MOST_CANDIDATES);
    List<SlotRef> unnamed = new ArrayList<>(listed);
    List<SlotRef> tried = vouched.getOrDefault(place, List.of());
    unnamed.removeIf(slot -> expected.containsKey(slot.key()) || tried.contains(slot));
    List<WrappedKey> wraps = read(unnamed, place, problems);
    if (store instanceof CopySet set) {
      // One that is damaged on one copy opens from another.
      addOfEachCopy(set, listed, place, wraps);
    }
    return wraps;
  }

  private static void addOfEachCopy(
      CopySet set, List<SlotRef> known, KeySlot place, List<WrappedKey> wraps) {
    for (Copy copy : set.copies()) {
      for (SlotRef slot : known) {
        try {
          byte[] bytes = SealedObjects.fetch(copy.store(), slot.key(), MOST_SLOT_BYTES);
          if (!slot.matches(bytes)) {
            wraps.add(decode(bytes, slot.key(), place));
          }
        } catch (IOException e) {
          LOG.debug("{} has no other {}: {}", copy.name(), slot.key(), e.getMessage());
        }
      }
    }
  }

  private static WrappedKey wrap(ObjectStore from, SlotRef slot, KeySlot place) throws IOException {
    byte[] bytes = SealedObjects.fetch(from, slot.key(), MOST_SLOT_BYTES);
    if (!slot.matches(bytes)) {
      throw RepositoryException.damaged(
          slot.key().value(), "is not what its commit vouches for", null);
    }
    return decode(bytes, slot.key(), place);
  }

  private byte[] fetch(SlotRef slot, String otherwise) throws IOException {
    return SealedObjects.again(
        slot.key(),
        () -> {
          byte[] bytes = SealedObjects.fetch(store, slot.key(), MOST_SLOT_BYTES);
          if (!slot.matches(bytes)) {
            throw RepositoryException.damaged(slot.key().value(), otherwise, null);
          }
          return bytes;
        });
  }

  /** Whether a recipient is the one that a wrap was made for. */
  static boolean serves(KeyProvider recipient, WrappedKey wrapped) {
    return recipient.scheme().equals(wrapped.scheme())
        && (wrapped.scheme().equals(PassphraseKeyProvider.SCHEME)
            || recipient.keyId().equals(wrapped.keyId()));
  }

  private static byte[] encode(KeySlot place, String slot, WrappedKey wrapped) {
    Map<String, Object> document = document(place, slot, wrapped);
    document.put("check", check(document));
    return Json.write(document);
  }

  /** Tells a damaged slot from one of another recipient, as long as no commit does. */
  private static String check(Map<String, Object> document) {
    return Digests.sha256(Json.write(document)).substring(0, 16);
  }

  private static Map<String, Object> document(KeySlot place, String slot, WrappedKey wrapped) {
    Map<String, Object> document = Json.object();
    document.put("format", FORMAT);
    document.put("version", VERSION);
    document.put("repository", place.repository());
    document.put("tree", place.tree());
    document.put("epoch", place.epoch());
    document.put("slot", slot);
    document.put("scheme", wrapped.scheme());
    document.put("keyId", wrapped.keyId());
    document.put("wrapped", wrapped.ciphertext());
    return document;
  }

  private static WrappedKey decode(byte[] bytes, ObjectKey key, KeySlot place)
      throws RepositoryException {
    Json.Node node = Json.read(bytes, key.value());
    if (!node.text("format").equals(FORMAT)
        || node.number("version") != VERSION
        || !node.text("repository").equals(place.repository().toString())
        || !node.text("tree").equals(place.tree().toString())
        || node.number("epoch") != place.epoch()
        || !node.text("slot").equals(key.name())) {
      throw RepositoryException.damaged(key.value(), "is not the slot its name says", null);
    }
    String scheme = node.text("scheme");
    String keyId = node.text("keyId");
    if (scheme.length() > 64 || keyId.length() > 512) {
      throw RepositoryException.damaged(key.value(), "has a recipient out of bounds", null);
    }
    WrappedKey wrapped = WrappedKey.of(scheme, keyId, node.base64("wrapped", 4096));
    Optional<String> check = node.optionalText("check");
    if (check.isPresent() && !check.get().equals(check(document(place, key.name(), wrapped)))) {
      throw RepositoryException.damaged(key.value(), "is not as it was written", null);
    }
    return wrapped;
  }
}
