package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.KeySlots;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyState;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Tries every recipient that can be tried on the slots of every epoch of every tree. */
public final class KeyChecks {
  private static final String SUBJECT = "repository.key";

  private final KeyRing keys;
  private final CommitLog log;
  private final RepositoryHeader header;
  private final ObjectStore store;
  private final Map<KeySlot, List<WrappedKey>> wraps = new LinkedHashMap<>();
  private final List<CheckItem> items = new ArrayList<>();

  /** Of an opened repository. */
  public KeyChecks(KeyRing keys, CommitLog log, RepositoryHeader header, ObjectStore store) {
    this.keys = keys;
    this.log = log;
    this.header = header;
    this.store = store;
  }

  /** One item for each recipient, and one for whatever is wrong besides. */
  public List<CheckItem> items() throws IOException {
    log.refresh();
    List<CheckItem> slots = readSlots();
    for (KeyProvider recipient : keys.recipients()) {
      CheckItem found = recipient.canUnwrap() ? known(recipient) : untried(recipient);
      items.add(
          new CheckItem(
              found.subject(),
              found.outcome(),
              found.message(),
              found.remedy(),
              Optional.of(recipient.describe())));
    }
    others();
    items.addAll(slots);
    items.addAll(age());
    return items;
  }

  private List<CheckItem> readSlots() throws IOException {
    List<CheckItem> problems = new ArrayList<>();
    Catalog catalog = log.catalog();
    for (ObjectId tree : catalog.trees()) {
      for (Catalog.KeyEpoch epoch : catalog.epochs(tree)) {
        KeySlot place = new KeySlot(header.id(), tree, epoch.number());
        List<WrappedKey> found = new ArrayList<>();
        for (SlotRef slot : epoch.slots()) {
          try {
            found.add(keys.read(slot, place));
          } catch (StorageException.NotFound e) {
            problems.add(lost(slot.key() + ": is missing", slot));
          } catch (RepositoryException e) {
            problems.add(lost(String.valueOf(e.getMessage()), slot));
          }
        }
        wraps.put(place, found);
      }
    }
    return problems;
  }

  private static CheckItem lost(String problem, SlotRef slot) {
    return new CheckItem(
        "repository.key-slot",
        Outcome.FAIL,
        problem.startsWith(slot.key().value()) ? problem : slot.key() + ": " + problem,
        "Run copies heal where another copy has it, else keys rewrap, which writes it anew.");
  }

  /** Whether it opens everything, and will. */
  private CheckItem known(KeyProvider recipient) throws IOException {
    CheckItem tried = tried(recipient);
    KeyState state;
    try {
      state = recipient.state();
    } catch (KeyException e) {
      return tried.outcome() == Outcome.OK
          ? new CheckItem(
              SUBJECT,
              Outcome.WARN,
              tried.message() + ", but whether it will be destroyed is unknown: " + e.getMessage(),
              e.remedy())
          : tried;
    }
    if (state instanceof KeyState.PendingDeletion pending) {
      return new CheckItem(
          SUBJECT,
          Outcome.FAIL,
          recipient.describe()
              + " is scheduled for destruction"
              + pending.at().map(at -> " at " + at).orElse("")
              + ": after that it opens nothing any more",
          "Call the destruction off at its service, or configure another recipient and run keys"
              + " rewrap while one still opens it.");
    }
    if (state instanceof KeyState.Disabled disabled) {
      return new CheckItem(
          SUBJECT,
          Outcome.FAIL,
          recipient.describe() + " cannot be used: " + disabled.reason(),
          "Enable it again at its service.");
    }
    return tried;
  }

  private CheckItem tried(KeyProvider recipient) throws InterruptedIOException {
    Map<KeySlot, IOException> refused = new LinkedHashMap<>();
    for (Map.Entry<KeySlot, List<WrappedKey>> each : wraps.entrySet()) {
      try (EpochKey opened = KeySlots.open(each.getKey(), each.getValue(), List.of(recipient))) {
        // It opens.
      } catch (InterruptedIOException e) {
        throw e;
      } catch (IOException e) {
        refused.put(each.getKey(), e);
        if (e instanceof KeyException key && key.kind() == FailureKind.TRANSIENT) {
          return new CheckItem(
              "repository.key-unreachable",
              Outcome.FAIL,
              recipient.describe() + " could not be asked: " + e.getMessage(),
              key.remedy());
        }
      }
    }
    if (refused.isEmpty()) {
      return new CheckItem(
          SUBJECT, Outcome.OK, recipient.describe() + " opens " + all(wraps.size()), "");
    }
    Map.Entry<KeySlot, IOException> first = refused.entrySet().iterator().next();
    return new CheckItem(
        SUBJECT,
        Outcome.FAIL,
        recipient.describe()
            + (refused.size() == wraps.size()
                ? " does not open the repository: "
                : " does not open " + refused.size() + " of " + all(wraps.size()) + ": ")
            + first.getValue().getMessage(),
        "Bring the key back while another recipient still opens it, or run keys rewrap.");
  }

  private static String all(int count) {
    return count == 1 ? "the only key" : count + " keys";
  }

  private CheckItem untried(KeyProvider recipient) {
    long lacking =
        wraps.values().stream()
            .filter(stored -> stored.stream().noneMatch(wrap -> KeyRing.serves(recipient, wrap)))
            .count();
    if (lacking == 0) {
      return new CheckItem(
          SUBJECT, Outcome.OK, recipient.describe() + " is kept elsewhere: not tried", "");
    }
    return new CheckItem(
        SUBJECT,
        Outcome.FAIL,
        recipient.describe()
            + (lacking == wraps.size()
                ? " is no recipient of this repository"
                : " has no slot of " + lacking + " of " + all(wraps.size())),
        "Name the recipients that it has, or run keys rewrap to give it this one.");
  }

  /** Those that open it too, and are not configured here. */
  private void others() {
    Set<String> names = new LinkedHashSet<>();
    for (List<WrappedKey> stored : wraps.values()) {
      for (WrappedKey wrapped : stored) {
        if (keys.recipients().stream().noneMatch(one -> KeyRing.serves(one, wrapped))) {
          names.add(wrapped.scheme() + " " + wrapped.keyId());
        }
      }
    }
    for (String name : names) {
      items.add(
          new CheckItem(
              SUBJECT,
              Outcome.OK,
              name + " opens it too, and is not configured here: not tried",
              ""));
    }
  }

  /** A key that is used for longer than it should be is a warning, and stops nothing. */
  public List<CheckItem> age() throws IOException {
    Instant now;
    try {
      now = store.now();
    } catch (StorageException e) {
      return List.of(); // whoever may only read cannot ask the time; writers can
    }
    Catalog catalog = log.catalog();
    int late = 0;
    Duration oldest = Duration.ZERO;
    for (ObjectId tree : catalog.trees()) {
      List<Catalog.KeyEpoch> epochs = catalog.epochs(tree);
      Instant since = epochs.get(epochs.size() - 1).since().orElse(header.createdAt());
      Duration age = Duration.between(since, now);
      if (age.compareTo(RotateRequest.INTERVAL) > 0) {
        late++;
        oldest = age.compareTo(oldest) > 0 ? age : oldest;
      }
    }
    return late == 0
        ? List.of()
        : List.of(
            new CheckItem(
                "repository.key-age",
                Outcome.WARN,
                late
                    + " of "
                    + catalog.trees().size()
                    + " trees seal under a key that is older than "
                    + RotateRequest.INTERVAL.toDays()
                    + " days; the oldest has "
                    + oldest.toDays(),
                "Run keys rotate, or keys rotate --if-due every day."));
  }
}
