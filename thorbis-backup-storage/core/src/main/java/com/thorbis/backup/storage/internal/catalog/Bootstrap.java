package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.InitReport;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Creates repositories and finds the way into existing ones. */
public final class Bootstrap {
  private static final Logger LOG = LoggerFactory.getLogger(Bootstrap.class);
  private static final int MOST_HEADER_BYTES = 1 << 20;

  private Bootstrap() {}

  /**
   * A repository that was opened.
   *
   * @param header what it says of itself
   * @param keys closed by the caller
   * @param log all commits so far were read
   */
  public record Opened(RepositoryHeader header, KeyRing keys, CommitLog log) {}

  /** The one store; several copies come with a later version. */
  public static ObjectStore store(RepositorySetup setup) throws RepositoryException {
    if (setup.copies().size() != 1) {
      throw new RepositoryException(
          "configuration.copies",
          FailureKind.CONFIGURATION,
          "repository.copies: "
              + setup.copies().size()
              + " are configured; this release supports exactly one",
          Map.of("copies", Integer.toString(setup.copies().size())),
          "Configure one copy.",
          null);
    }
    return setup.copies().get(0);
  }

  /** Opens an existing repository. */
  public static Opened open(RepositorySetup setup, int checkpointEvery, SecureRandom random)
      throws IOException {
    ObjectStore store = store(setup);
    // What was damaged on its way may show only where it is compared with something else.
    return SealedObjects.again(
        ObjectNames.HEADER, () -> tryOpen(setup, store, checkpointEvery, random));
  }

  private static Opened tryOpen(
      RepositorySetup setup, ObjectStore store, int checkpointEvery, SecureRandom random)
      throws IOException {
    byte[] headerBytes = readHeader(store);
    if (headerBytes == null) {
      if (!store.list(ObjectNames.COMMITS, Optional.empty()).objects().isEmpty()) {
        throw RepositoryException.damaged(
            ObjectNames.HEADER.value(), "is missing, while there are commits", null);
      }
      throw notInitialised(store);
    }
    RepositoryHeader header = RepositoryHeader.read(headerBytes);
    KeyRing keys = new KeyRing(store, header.id(), setup.recipients());
    keys.expect(header.slots());
    boolean opened = false;
    try {
      CommitLog log = log(setup, store, header, headerBytes, keys, checkpointEvery, random);
      log.refresh();
      if (log.sequence() == 0) {
        throw notInitialised(store);
      }
      opened = true;
      return new Opened(header, keys, log);
    } finally {
      if (!opened) {
        keys.close();
      }
    }
  }

  /** Creates a repository, or finishes what an earlier attempt left. */
  public static InitReport init(RepositorySetup setup, int checkpointEvery, SecureRandom random)
      throws IOException {
    ObjectStore store = store(setup);
    store.createPlace();
    return SealedObjects.again(
        ObjectNames.HEADER, () -> tryInit(setup, store, checkpointEvery, random));
  }

  private static InitReport tryInit(
      RepositorySetup setup, ObjectStore store, int checkpointEvery, SecureRandom random)
      throws IOException {
    byte[] headerBytes = readHeader(store);
    if (headerBytes == null) {
      if (!store.list(ObjectNames.COMMITS, Optional.empty()).objects().isEmpty()) {
        throw RepositoryException.damaged(
            ObjectNames.HEADER.value(), "is missing, while there are commits", null);
      }
      requireTwoWays(setup);
      probe(store, random);
      headerBytes = createHeader(setup, store, random);
    }
    RepositoryHeader header = RepositoryHeader.read(headerBytes);
    try (KeyRing keys = new KeyRing(store, header.id(), setup.recipients())) {
      keys.expect(header.slots());
      CommitLog log = log(setup, store, header, headerBytes, keys, checkpointEvery, random);
      SlotRef headerRef = SlotRef.of(ObjectNames.HEADER, headerBytes);
      log.refresh();
      boolean created = log.sequence() == 0;
      if (created) {
        KeySlot place = new KeySlot(header.id(), header.tree(), 1);
        List<SlotRef> slots = header.slots().isEmpty() ? keys.list(place) : header.slots();
        keys.key(header.tree(), 1);
        log.append(
            catalog ->
                catalog.plainObjects().isEmpty()
                    ? List.of(new Operation.Init(headerRef, header.tree(), slots))
                    : List.of());
        LOG.info("Created repository={} in {}", header.id(), store.describe());
      } else {
        keys.key(header.tree(), 1);
      }
      return new InitReport(
          header.id().toString(), created, keys.describeRecipients(header.tree()));
    }
  }

  private static CommitLog log(
      RepositorySetup setup,
      ObjectStore store,
      RepositoryHeader header,
      byte[] headerBytes,
      KeyRing keys,
      int checkpointEvery,
      SecureRandom random) {
    return new CommitLog(
        store,
        header,
        SlotRef.of(ObjectNames.HEADER, headerBytes),
        keys,
        setup.stateDirectory(),
        checkpointEvery,
        setup.clock(),
        random);
  }

  private static byte @Nullable [] readHeader(ObjectStore store) throws IOException {
    try {
      return SealedObjects.fetch(store, ObjectNames.HEADER, MOST_HEADER_BYTES);
    } catch (StorageException.NotFound e) {
      return null;
    }
  }

  /** Slots first: a header that exists names a tree that can be opened. */
  private static byte[] createHeader(RepositorySetup setup, ObjectStore store, SecureRandom random)
      throws IOException {
    ObjectId id = ObjectId.random(random);
    ObjectId tree = ObjectId.random(random);
    List<SlotRef> slots;
    try (KeyRing keys = new KeyRing(store, id, setup.recipients());
        EpochKey key = EpochKey.generate(new KeySlot(id, tree, 1), random)) {
      slots = keys.store(key, setup.recipients(), random);
      keys.vouch(slots);
      // What is stored must open before anything relies on it.
      keys.key(tree, 1);
    }
    byte[] bytes =
        new RepositoryHeader(id, tree, setup.clock().instant(), slots).encode(setup.recipients());
    try {
      Outcomes.settle(
          store,
          ObjectNames.HEADER,
          bytes.length,
          () -> store.put(ObjectNames.HEADER, ObjectSource.of(bytes)),
          () -> Optional.ofNullable(readHeader(store)).map(there -> Arrays.equals(there, bytes)));
      return bytes;
    } catch (StorageException.AlreadyExists e) {
      // Another process creates the same repository: its header counts.
      return SealedObjects.fetch(store, ObjectNames.HEADER, MOST_HEADER_BYTES);
    }
  }

  private static void requireTwoWays(RepositorySetup setup) throws RepositoryException {
    List<? extends KeyProvider> recipients = setup.recipients();
    if (recipients.stream().noneMatch(KeyProvider::canUnwrap)) {
      throw new RepositoryException(
          "configuration.recipients",
          FailureKind.CONFIGURATION,
          "repository.encryption.recipients: none can open what it wraps",
          Map.of(),
          "Add a recipient whose private half is here, such as a keystore.",
          null);
    }
    if (!setup.singleKeyRiskAccepted()
        && recipients.stream().map(KeyProvider::scheme).distinct().count() < 2) {
      throw new RepositoryException(
          "repository.single-key-risk",
          FailureKind.REFUSED,
          "All recipients are of one kind: whoever loses it loses every backup",
          Map.of("recipients", Integer.toString(recipients.size())),
          "Add a recipient of another kind, such as a recovery key, or accept the risk.",
          null);
    }
  }

  /** Finds out whether the store really refuses a second object under one key. */
  private static void probe(ObjectStore store, SecureRandom random) throws IOException {
    ObjectKey key = new ObjectKey(ObjectNames.PROBE + ObjectId.random(random));
    byte[] first = key.value().getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    byte[] second = new byte[first.length];
    Outcomes.settle(store, key, first.length, () -> store.put(key, ObjectSource.of(first)));
    boolean refused = false;
    try {
      store.put(key, ObjectSource.of(second));
    } catch (StorageException.AlreadyExists e) {
      refused = true;
    }
    if (refused) {
      SealedObjects.again(
          key,
          () -> {
            byte[] kept = SealedObjects.fetch(store, key, MOST_HEADER_BYTES);
            if (!Arrays.equals(kept, first)) {
              throw RepositoryException.damaged(
                  key.value(), "was not stored as it was written", null);
            }
            return kept;
          });
    } else {
      throw new RepositoryException(
          "storage.not-conditional",
          FailureKind.CONFIGURATION,
          store.describe()
              + " does not refuse a second object under one key: two writers would destroy each"
              + " other's backups",
          Map.of("object", key.value()),
          "Use a store with conditional writes.",
          null);
    }
    try {
      store.delete(key);
    } catch (StorageException e) {
      LOG.debug("The probe {} stays: {}", key, e.getMessage());
    }
  }

  private static RepositoryException notInitialised(ObjectStore store) {
    return new RepositoryException(
        "repository.not-initialised",
        FailureKind.NOT_FOUND,
        "There is no repository in " + store.describe(),
        Map.of(),
        "Run init.",
        null);
  }
}
