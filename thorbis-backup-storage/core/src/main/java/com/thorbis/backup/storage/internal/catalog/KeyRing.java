package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.KeySlots;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.PassphraseKeyProvider;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyState;
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
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The keys of a repository: opened when first needed, erased on {@link #close}. */
public final class KeyRing implements SealedObjects.Keys, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(KeyRing.class);

  private static final String FORMAT = "thorbis-key-slot";
  private static final int VERSION = 1;
  private static final int MOST_SLOT_BYTES = 64 << 10;

  private final ObjectStore store;
  private final ObjectId repository;
  private final List<KeyProvider> recipients;
  private final Map<KeySlot, EpochKey> open = new HashMap<>();
  private final Map<KeySlot, List<SlotRef>> vouched = new HashMap<>();
  private final Map<ObjectKey, SlotRef> expected = new LinkedHashMap<>();

  KeyRing(ObjectStore store, ObjectId repository, List<KeyProvider> recipients) {
    this.store = store;
    this.repository = repository;
    this.recipients = recipients;
  }

  @Override
  public synchronized EpochKey key(ObjectId tree, int epoch) throws IOException {
    KeySlot place = new KeySlot(repository, tree, epoch);
    EpochKey known = open.get(place);
    if (known == null) {
      List<IOException> problems = new ArrayList<>();
      List<WrappedKey> wraps = wraps(place, problems);
      try {
        known = KeySlots.open(place, wraps, recipients);
      } catch (KeyException e) {
        if (problems.isEmpty()) {
          throw e;
        }
        throw RepositoryException.damaged(
            ObjectNames.slots(place), "no key slot that opens can be read whole", e);
      }
      open.put(place, known);
    }
    return known;
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

  /** Keeps a key that was just made. */
  synchronized void keep(EpochKey key) {
    open.put(key.slot(), key);
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
      fetch(ref, "was not stored as it was written");
      slots.add(ref);
    }
    return slots;
  }

  /**
   * The recipients that a new tree must have: all that the repository's own tree has, of which the
   * recovery keys need not be configured, as their wraps carry the public half.
   */
  List<KeyProvider> recipientsLike(ObjectId tree) throws IOException {
    List<KeyProvider> all = new ArrayList<>(recipients);
    List<WrappedKey> wraps = wraps(new KeySlot(repository, tree, 1), new ArrayList<>());
    for (WrappedKey wrapped : wraps) {
      if (recipients.stream().anyMatch(recipient -> serves(recipient, wrapped))) {
        continue;
      }
      if (!wrapped.scheme().equals(RecoveryKeyProvider.SCHEME)) {
        throw new RepositoryException(
            "repository.recipient-missing",
            FailureKind.REFUSED,
            "The repository also opens with "
                + wrapped.scheme()
                + " "
                + wrapped.keyId()
                + ", which is not configured here: a new source would not open with it",
            Map.of("scheme", wrapped.scheme(), "keyId", wrapped.keyId()),
            "Configure every recipient of the repository, then run it again.",
            null);
      }
      all.add(RecoveryKeyProvider.ofFingerprint(wrapped.keyId()));
    }
    // Opening lets each recovery recipient find its public half in its wrap.
    KeySlots.open(new KeySlot(repository, tree, 1), wraps, all).close();
    return all;
  }

  /** Who can open a tree, described from what is stored. */
  List<String> describeRecipients(ObjectId tree) throws IOException {
    return wraps(new KeySlot(repository, tree, 1), new ArrayList<>()).stream()
        .map(wrapped -> wrapped.scheme() + " " + wrapped.keyId())
        .toList();
  }

  /** Whether each recipient still opens a tree's key; those that are offline cannot be tried. */
  public List<CheckItem> check(ObjectId tree) throws IOException {
    KeySlot place = new KeySlot(repository, tree, 1);
    List<WrappedKey> wraps = wraps(place, new ArrayList<>());
    List<CheckItem> items = new ArrayList<>();
    for (KeyProvider recipient : recipients) {
      items.add(check(recipient, place, wraps));
    }
    for (WrappedKey wrapped : wraps) {
      if (recipients.stream().noneMatch(recipient -> serves(recipient, wrapped))) {
        items.add(
            new CheckItem(
                "repository.key",
                Outcome.OK,
                wrapped.scheme()
                    + " "
                    + wrapped.keyId()
                    + " opens it too, and is not configured here: not tried",
                ""));
      }
    }
    return items;
  }

  private static CheckItem check(KeyProvider recipient, KeySlot place, List<WrappedKey> wraps)
      throws IOException {
    if (!recipient.canUnwrap()) {
      boolean there = wraps.stream().anyMatch(wrapped -> serves(recipient, wrapped));
      return new CheckItem(
          "repository.key",
          there ? Outcome.OK : Outcome.FAIL,
          recipient.describe()
              + (there ? " is kept elsewhere: not tried" : " is no recipient of this repository"),
          there ? "" : "Name the recipients that it was created with.");
    }
    CheckItem opens = opens(recipient, place, wraps);
    KeyState state;
    try {
      state = recipient.state();
    } catch (KeyException e) {
      return opens.outcome() == Outcome.OK
          ? new CheckItem(
              "repository.key",
              Outcome.WARN,
              opens.message() + ", but whether it will be destroyed is unknown: " + e.getMessage(),
              e.remedy())
          : opens;
    }
    if (state instanceof KeyState.PendingDeletion pending) {
      return new CheckItem(
          "repository.key",
          Outcome.FAIL,
          recipient.describe()
              + " is scheduled for destruction"
              + pending.at().map(at -> " at " + at).orElse("")
              + ": after that it opens nothing any more",
          "Call the destruction off at its service, or give the repository another recipient while"
              + " one still opens it.");
    }
    if (state instanceof KeyState.Disabled disabled) {
      return new CheckItem(
          "repository.key",
          Outcome.FAIL,
          recipient.describe() + " cannot be used: " + disabled.reason(),
          "Enable it again at its service.");
    }
    return opens;
  }

  private static CheckItem opens(KeyProvider recipient, KeySlot place, List<WrappedKey> wraps)
      throws InterruptedIOException {
    try (EpochKey opened = KeySlots.open(place, wraps, List.of(recipient))) {
      return new CheckItem(
          "repository.key",
          Outcome.OK,
          recipient.describe() + " opens epoch " + opened.slot().epoch(),
          "");
    } catch (InterruptedIOException e) {
      throw e;
    } catch (IOException e) {
      boolean unknown = e instanceof KeyException key && key.kind() == FailureKind.TRANSIENT;
      return new CheckItem(
          "repository.key",
          Outcome.FAIL,
          recipient.describe()
              + (unknown ? " could not be asked: " : " does not open the repository: ")
              + e.getMessage(),
          unknown
              ? ((KeyException) e).remedy()
              : "Bring the key back while another recipient still opens it.");
    }
  }

  /** Every slot there is of an epoch of a tree. */
  List<SlotRef> list(KeySlot place) throws IOException {
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
        if (slots.size() > KeySlots.MOST_RECIPIENTS) {
          throw RepositoryException.damaged(
              ObjectNames.slots(place),
              "has more than " + KeySlots.MOST_RECIPIENTS + " slots",
              null);
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

  private List<WrappedKey> wraps(KeySlot place, List<IOException> problems) throws IOException {
    List<SlotRef> expected;
    synchronized (this) {
      expected = vouched.get(place);
    }
    List<SlotRef> slots = expected == null ? list(place) : expected;
    List<WrappedKey> wraps = new ArrayList<>();
    if (expected == null && store instanceof CopySet set) {
      // Nothing vouches for them yet: one that is damaged on one copy opens from another.
      addOfEachCopy(set, slots, place, wraps);
    }
    for (SlotRef slot : slots) {
      try {
        wraps.add(SoundReads.read(store, slot.key(), from -> wrap(from, slot, place)));
      } catch (RepositoryException | StorageException.NotFound e) {
        // One recipient's slot may be lost while another still opens.
        LOG.warn("A key slot is damaged: {}", e.getMessage());
        problems.add(e);
      }
    }
    if (wraps.isEmpty()) {
      throw RepositoryException.damaged(
          ObjectNames.slots(place),
          "no key slot can be read",
          problems.isEmpty() ? null : problems.get(0));
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

  private static boolean serves(KeyProvider recipient, WrappedKey wrapped) {
    return recipient.scheme().equals(wrapped.scheme())
        && (wrapped.scheme().equals(PassphraseKeyProvider.SCHEME)
            || recipient.keyId().equals(wrapped.keyId()));
  }

  private static byte[] encode(KeySlot place, String slot, WrappedKey wrapped) {
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
    return Json.write(document);
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
    return WrappedKey.of(scheme, keyId, node.base64("wrapped", 4096));
  }
}
