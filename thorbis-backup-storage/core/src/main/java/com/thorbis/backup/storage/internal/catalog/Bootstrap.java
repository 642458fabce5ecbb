package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.InitReport;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.copies.CopyIdentity;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.KeepingStore;
import com.thorbis.backup.storage.internal.copies.KnownStores;
import com.thorbis.backup.storage.internal.copies.StoreProbe;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
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
   * @param store all copies as one; closed by the caller with {@link #release}
   * @param keys closed by the caller
   * @param log all commits so far were read
   */
  public record Opened(RepositoryHeader header, ObjectStore store, KeyRing keys, CommitLog log) {}

  /** Ends what was opened over stores, which themselves stay open. */
  public static void release(ObjectStore store) {
    if (store instanceof CopySet set) {
      set.close();
    }
  }

  private static ObjectStore store(List<Copy> copies, WritePolicy policy)
      throws RepositoryException {
    if (copies.isEmpty()) {
      throw new RepositoryException(
          "configuration.copies",
          FailureKind.CONFIGURATION,
          "repository.copies: none is configured",
          Map.of(),
          "Configure one copy or more.",
          null);
    }
    return copies.size() == 1 ? copies.get(0).store() : new CopySet(copies, policy);
  }

  /** Opens an existing repository. */
  public static Opened open(RepositorySetup setup, int checkpointEvery, SecureRandom random)
      throws IOException {
    return open(
        setup,
        setup.copies(),
        setup.writePolicy(),
        Authority.of(setup.administrators()),
        checkpointEvery,
        random);
  }

  /** Changes who may write, also where the administrators that are pinned have named nobody. */
  public static WritersReport changeWriters(
      RepositorySetup setup, WritersRequest request, int checkpointEvery, SecureRandom random)
      throws IOException {
    Opened opened =
        open(
            setup,
            setup.copies(),
            setup.writePolicy(),
            Authority.of(setup.administrators()).naming(),
            checkpointEvery,
            random);
    try {
      return new WriterChanges(opened, setup.signer()).change(request);
    } finally {
      opened.keys().close();
      release(opened.store());
    }
  }

  private static Opened open(
      RepositorySetup setup,
      List<Copy> copies,
      WritePolicy policy,
      Authority authority,
      int checkpointEvery,
      SecureRandom random)
      throws IOException {
    ObjectStore store = store(copies, policy);
    boolean opened = false;
    try {
      // What was damaged on its way may show only where it is compared with something else.
      Opened found =
          SealedObjects.again(
              ObjectNames.HEADER, () -> open(setup, store, authority, checkpointEvery, random));
      opened = true;
      return found;
    } finally {
      if (!opened) {
        release(store);
      }
    }
  }

  private static Opened open(
      RepositorySetup setup,
      ObjectStore store,
      Authority authority,
      int checkpointEvery,
      SecureRandom random)
      throws IOException {
    byte[] headerBytes = findHeader(store);
    if (headerBytes == null) {
      throw notInitialised(store);
    }
    try {
      return open(setup, store, authority, headerBytes, checkpointEvery, random);
    } catch (RepositoryException | KeyException damaged) {
      // The header is plain: that it was altered shows only when it opens nothing.
      for (byte[] other : otherHeaders(store, headerBytes)) {
        try {
          Opened opened = open(setup, store, authority, other, checkpointEvery, random);
          LOG.warn("The header of a copy is damaged; run copies heal", damaged);
          return opened;
        } catch (RepositoryException | KeyException e) {
          damaged.addSuppressed(e);
        }
      }
      throw damaged;
    }
  }

  private static Opened open(
      RepositorySetup setup,
      ObjectStore store,
      Authority authority,
      byte[] headerBytes,
      int checkpointEvery,
      SecureRandom random)
      throws IOException {
    RepositoryHeader header = RepositoryHeader.read(headerBytes);
    KeyRing keys = new KeyRing(store, header.id(), setup.recipients());
    keys.expect(header.slots());
    boolean opened = false;
    try {
      CommitLog log =
          log(setup, store, authority, header, headerBytes, keys, checkpointEvery, random);
      log.refresh();
      if (log.sequence() == 0) {
        // That the others have none says nothing where the copy that decides cannot be asked.
        CopySet.deciding(store).head(ObjectNames.commit(1));
        throw notInitialised(store);
      }
      opened = true;
      return new Opened(header, store, keys, log);
    } finally {
      if (!opened) {
        keys.close();
      }
    }
  }

  /**
   * Begins a sealed writer's session: a repository of its own, in a store that nobody else has.
   *
   * @param of where it is to go
   * @param before what the same host has offered earlier
   */
  public static Opened beginSession(
      RepositorySetup setup,
      ObjectId of,
      List<Operation.Session.Earlier> before,
      SecureRandom random)
      throws IOException {
    create(setup, Integer.MAX_VALUE, random, new ArrayList<>()); // its place tells nothing
    Opened opened = open(setup, Integer.MAX_VALUE, random);
    opened.log().append(catalog -> List.of(new Operation.Session(of, before)));
    return opened;
  }

  /**
   * A sealed writer's session, as far as it can be read.
   *
   * @param opened closed by the caller
   * @param writer whose it is; empty if nothing in it counts
   * @param problem why it was not read to its end; empty if it was
   */
  public record Session(
      Opened opened,
      Optional<Operation.Writers.Writer> writer,
      Optional<RepositoryException> problem) {}

  /**
   * Opens what a sealed writer stored, of which only counts what one of these writers signed.
   *
   * @param setup whose recipients open it, and whose state directory remembers how far it was read
   * @param store it lies in this as if it were alone
   * @throws RepositoryException code {@code repository.not-initialised} if it was not begun whole
   */
  public static Session openSession(
      RepositorySetup setup,
      ObjectStore store,
      List<Operation.Writers.Writer> writers,
      SecureRandom random)
      throws IOException {
    byte[] headerBytes = readHeader(store);
    if (headerBytes == null) {
      if (store.list("", Optional.empty()).objects().stream()
          .allMatch(info -> info.key().value().startsWith(ObjectNames.KEYS))) {
        throw notInitialised(store);
      }
      throw RepositoryException.damaged(
          ObjectNames.HEADER.value(), "is missing, while there is what comes after it", null);
    }
    RepositoryHeader header =
        SealedObjects.again(ObjectNames.HEADER, () -> RepositoryHeader.read(headerBytes));
    KeyRing keys = new KeyRing(store, header.id(), setup.recipients());
    keys.expect(header.slots());
    boolean opened = false;
    try {
      Authority.OfSession judge = new Authority.OfSession(writers);
      CommitLog log =
          log(
              setup,
              store,
              Authority.of(List.of()),
              judge,
              header,
              headerBytes,
              keys,
              Integer.MAX_VALUE,
              random);
      Optional<RepositoryException> problem = Optional.empty();
      try {
        log.refresh();
      } catch (RepositoryException e) {
        if (e.kind() != FailureKind.DAMAGED) {
          throw e;
        }
        problem = Optional.of(e);
      }
      boolean begun = log.catalog().session().isPresent() || log.sequence() > 1;
      if (!begun && log.passedOver().isEmpty() && problem.isEmpty()) {
        for (String later : List.of(ObjectNames.PACKS, ObjectNames.MANIFESTS, ObjectNames.WAL)) {
          if (!store.list(later, Optional.empty()).objects().isEmpty()) {
            throw RepositoryException.damaged(
                ObjectNames.commit(log.sequence() + 1).value(),
                "is missing, while there is what comes after it",
                null);
          }
        }
        throw notInitialised(store);
      }
      opened = true;
      return new Session(new Opened(header, store, keys, log), judge.writer(), problem);
    } finally {
      if (!opened) {
        keys.close();
      }
    }
  }

  private static byte @Nullable [] findHeader(ObjectStore store) throws IOException {
    if (store instanceof CopySet set) {
      try {
        // A place that is being filled gets its header last.
        set.primaryIncomplete(set.primary().head(ObjectNames.HEADER).isEmpty());
      } catch (StorageException e) {
        LOG.warn(
            "{} cannot be asked; the other copies may lack what it got last: {}",
            set.describe(),
            e.getMessage());
      }
    }
    byte[] headerBytes = readHeader(store);
    if (headerBytes == null
        && !store.list(ObjectNames.COMMITS, Optional.empty()).objects().isEmpty()) {
      throw RepositoryException.damaged(
          ObjectNames.HEADER.value(),
          "is missing, while there are commits; it is written last when a copy is filled",
          null);
    }
    return headerBytes;
  }

  private static List<byte[]> otherHeaders(ObjectStore store, byte[] known) {
    List<byte[]> others = new ArrayList<>();
    if (store instanceof CopySet set) {
      for (Copy copy : set.copies()) {
        try {
          byte[] bytes = readHeader(copy.store());
          if (bytes != null && !Arrays.equals(bytes, known)) {
            others.add(bytes);
          }
        } catch (IOException e) {
          LOG.debug("{} has no header to try: {}", copy.name(), e.getMessage());
        }
      }
    }
    return others;
  }

  /** Creates a repository, or finishes what an earlier attempt left; makes places of new copies. */
  public static InitReport init(RepositorySetup setup, int checkpointEvery, SecureRandom random)
      throws IOException {
    List<StoreProbe> tried = new ArrayList<>();
    InitReport report = create(setup, checkpointEvery, random, tried);
    KnownStores known =
        new KnownStores(
            setup.stateDirectory(),
            ObjectId.parse(report.repositoryId()),
            setup.copies(),
            setup.clock(),
            random);
    tried.forEach(known::record);
    return report;
  }

  private static InitReport create(
      RepositorySetup setup, int checkpointEvery, SecureRandom random, List<StoreProbe> tried)
      throws IOException {
    List<Copy> copies = setup.copies();
    Authority authority = Authority.of(setup.administrators());
    // Under any policy the first copy comes first, and the others get all of it when it is whole.
    ObjectStore store = store(copies, WritePolicy.PRIMARY);
    try {
      for (Copy copy : copies) {
        copy.store().createPlace();
      }
      return SealedObjects.again(
          ObjectNames.HEADER, () -> init(setup, store, authority, tried, checkpointEvery, random));
    } finally {
      release(store);
    }
  }

  private static InitReport init(
      RepositorySetup setup,
      ObjectStore store,
      Authority authority,
      List<StoreProbe> tried,
      int checkpointEvery,
      SecureRandom random)
      throws IOException {
    byte[] headerBytes = findHeader(store);
    if (headerBytes == null) {
      requireTwoWays(setup);
      authority.requireMayCreate(setup.signer());
      for (Copy copy : setup.copies()) {
        KeepingStore.requireOffered(copy);
        StoreProbe probe = StoreProbe.of(copy, setup.clock(), random);
        probe.require();
        tried.add(probe);
      }
      headerBytes = createHeader(setup, store, random);
    }
    return init(setup, store, authority, headerBytes, checkpointEvery, random);
  }

  private static InitReport init(
      RepositorySetup setup,
      ObjectStore store,
      Authority authority,
      byte[] headerBytes,
      int checkpointEvery,
      SecureRandom random)
      throws IOException {
    RepositoryHeader header = RepositoryHeader.read(headerBytes);
    try (KeyRing keys = new KeyRing(store, header.id(), setup.recipients())) {
      keys.expect(header.slots());
      CommitLog log =
          log(setup, store, authority, header, headerBytes, keys, checkpointEvery, random);
      SlotRef headerRef = SlotRef.of(ObjectNames.HEADER, headerBytes);
      log.refresh();
      boolean created = log.sequence() == 0;
      keys.key(header.tree(), 1);
      List<String> notes = new ArrayList<>();
      if (created) {
        KeySlot place = new KeySlot(header.id(), header.tree(), 1);
        List<SlotRef> slots = header.slots().isEmpty() ? keys.list(place) : header.slots();
        Instant now = store.now();
        List<Operation> first = new ArrayList<>();
        first.add(new Operation.Init(headerRef, header.tree(), slots, Optional.of(now)));
        if (!authority.pinned().isEmpty()) {
          authority.requireMayCreate(setup.signer());
          first.add(WriterChanges.first(authority, store, header));
        }
        log.append(catalog -> catalog.plainObjects().isEmpty() ? first : List.of(), true);
        LOG.info("Created repository={} in {}", header.id(), store.describe());
      }
      recordPlaces(setup.copies(), header, log, random, notes);
      if (store instanceof CopySet set) {
        noteIncomplete(set, log, notes);
      }
      return new InitReport(
          header.id().toString(), created, keys.describeRecipients(header.tree()), notes);
    }
  }

  /** The places as they are configured; those that have no id yet get one. */
  private static Operation.Copies places(
      List<Copy> copies, RepositoryHeader header, SecureRandom random) throws IOException {
    for (Copy copy : copies) {
      requireSameRepository(copy, header);
    }
    List<Operation.Copies.Place> places = new ArrayList<>();
    for (Copy copy : copies) {
      ObjectId id = CopyIdentity.ensure(copy.store(), header.id(), random);
      if (places.stream().anyMatch(place -> place.id().equals(id))) {
        throw new RepositoryException(
            "configuration.copies",
            FailureKind.CONFIGURATION,
            "repository.copies: " + copy.name() + " is the same place as another copy",
            Map.of("copy", copy.name()),
            "Name each place once. A place that was made by copying another's files must be"
                + " emptied and filled by copies sync.",
            null);
      }
      places.add(new Operation.Copies.Place(id, copy.name()));
    }
    return new Operation.Copies(places);
  }

  private static void requireSameRepository(Copy copy, RepositoryHeader header) throws IOException {
    ObjectId found = header.id();
    try {
      // It is plain: what was altered on its way is another the second time.
      for (int attempt = 0; attempt == 0 || attempt == 1 && !found.equals(header.id()); attempt++) {
        byte[] bytes = readHeader(copy.store());
        found = bytes == null ? header.id() : RepositoryHeader.read(bytes).id();
      }
    } catch (RepositoryException e) {
      LOG.warn("The header of {} is damaged; run copies heal: {}", copy.name(), e.getMessage());
    }
    if (!found.equals(header.id())) {
      throw new RepositoryException(
          "repository.other",
          FailureKind.REFUSED,
          copy.name() + " holds the repository " + found + ", not " + header.id(),
          Map.of("copy", copy.name(), "repository", found.toString()),
          "Name an empty place, or the right one.",
          null);
    }
  }

  /** Records which copies there are, as far as the copy that decides stays the same. */
  private static void recordPlaces(
      List<Copy> copies,
      RepositoryHeader header,
      CommitLog log,
      SecureRandom random,
      List<String> notes)
      throws IOException {
    List<Operation.Copies.Place> known = log.catalog().copies();
    if (copies.size() == 1) {
      return; // what others configure stays recorded
    }
    Operation.Copies now = places(copies, header, random);
    if (!known.isEmpty() && !known.get(0).id().equals(now.places().get(0).id())) {
      notes.add(
          copies.get(0).name()
              + " is not the copy through which the repository is written, which is "
              + known.get(0).name()
              + ": run copies sync, then copies promote");
      return;
    }
    if (known.isEmpty() && copies.get(0).store().head(ObjectNames.HEADER).isEmpty()) {
      notes.add(
          copies.get(0).name()
              + " is new and cannot come first: name the place first that holds the repository");
      return;
    }
    log.append(catalog -> catalog.copies().equals(now.places()) ? List.of() : List.of(now), true);
  }

  private static void noteIncomplete(CopySet set, CommitLog log, List<String> notes)
      throws IOException {
    for (Copy copy : set.copies()) {
      if (copy.store().head(ObjectNames.HEADER).isEmpty()
          || copy.store().head(ObjectNames.commit(log.sequence())).isEmpty()) {
        notes.add(copy.name() + " does not hold everything yet: run copies sync");
      }
    }
  }

  /** Makes the first configured copy the one that decides. */
  public static void promote(
      RepositorySetup setup, boolean force, int checkpointEvery, SecureRandom random)
      throws IOException {
    List<Copy> copies = setup.copies();
    Copy next = copies.get(0);
    Authority authority = Authority.of(setup.administrators());
    Opened opened = open(setup, copies, WritePolicy.PRIMARY, authority, checkpointEvery, random);
    Copy deciding;
    boolean lost;
    try {
      requireWhole(next, opened.log());
      Optional<Copy> found = findDeciding(copies, opened, force);
      lost = found.isEmpty();
      deciding = found.orElse(next);
    } finally {
      opened.keys().close();
      release(opened.store());
    }
    // Written through the copy that decides so far, so that no writer can win there any more.
    List<Copy> order = new ArrayList<>(copies);
    order.remove(deciding);
    order.add(0, deciding);
    opened = open(setup, order, WritePolicy.PRIMARY, authority, checkpointEvery, random);
    try {
      Operation.Copies now = places(reachable(copies), opened.header(), random);
      opened
          .log()
          .append(
              catalog -> catalog.copies().equals(now.places()) ? List.of() : List.of(now), true);
      if (lost) {
        opened.log().believe(); // what only the lost one had is given up on purpose
      }
      LOG.warn("{} decides who writes from now on", next.name());
      if (deciding != next) {
        CommitLog log = opened.log();
        // Nobody writes before it has this: done here, no sync need come first.
        ObjectKey last = ObjectNames.commit(opened.log().sequence());
        byte[] bytes =
            SealedObjects.again(
                last,
                () -> {
                  byte[] read =
                      SealedObjects.fetch(deciding.store(), last, SealedObjects.MOST_BYTES);
                  log.requireLast(read);
                  return read;
                });
        Outcomes.settle(
            next.store(), last, bytes.length, () -> next.store().put(last, ObjectSource.of(bytes)));
      }
    } finally {
      opened.keys().close();
      release(opened.store());
    }
  }

  /** Those that can be asked now; the others are recorded when init runs again. */
  private static List<Copy> reachable(List<Copy> copies) throws IOException {
    List<Copy> reachable = new ArrayList<>();
    for (Copy copy : copies) {
      try {
        copy.store().head(ObjectNames.HEADER);
        reachable.add(copy);
      } catch (StorageException e) {
        LOG.warn("{} cannot be asked: run init when it is back: {}", copy.name(), e.getMessage());
      }
    }
    return reachable;
  }

  private static void requireWhole(Copy next, CommitLog log) throws IOException {
    if (next.store().head(ObjectNames.HEADER).isEmpty()
        || next.store().head(ObjectNames.commit(log.sequence())).isEmpty()) {
      throw new RepositoryException(
          "repository.copy-behind",
          FailureKind.REFUSED,
          next.name() + " does not hold everything yet, so it cannot come first",
          Map.of("copy", next.name()),
          "Run copies sync.",
          null);
    }
  }

  /** The copy that decides so far; empty where that is gone and this is accepted. */
  private static Optional<Copy> findDeciding(List<Copy> copies, Opened opened, boolean force)
      throws IOException {
    List<Operation.Copies.Place> places = opened.log().catalog().copies();
    if (places.isEmpty()) {
      return Optional.of(copies.get(0));
    }
    Operation.Copies.Place deciding = places.get(0);
    for (Copy copy : copies) {
      try {
        if (CopyIdentity.read(copy.store(), opened.header().id())
            .equals(Optional.of(deciding.id()))) {
          return Optional.of(copy);
        }
      } catch (StorageException e) {
        LOG.warn("{} cannot be asked: {}", copy.name(), e.getMessage());
      }
    }
    if (force) {
      return Optional.empty();
    }
    throw new RepositoryException(
        "repository.primary-unreachable",
        FailureKind.REFUSED,
        deciding.name()
            + ", through which the repository is written, cannot be asked: were it written to"
            + " meanwhile, the repository would split in two",
        Map.of("primary", deciding.name()),
        "Bring it back. If it is gone for good, run copies promote --yes.",
        null);
  }

  private static CommitLog log(
      RepositorySetup setup,
      ObjectStore store,
      Authority authority,
      RepositoryHeader header,
      byte[] headerBytes,
      KeyRing keys,
      int checkpointEvery,
      SecureRandom random) {
    return log(
        setup,
        store,
        authority,
        Authority::objection,
        header,
        headerBytes,
        keys,
        checkpointEvery,
        random);
  }

  private static CommitLog log(
      RepositorySetup setup,
      ObjectStore store,
      Authority authority,
      Authority.Judge judge,
      RepositoryHeader header,
      byte[] headerBytes,
      KeyRing keys,
      int checkpointEvery,
      SecureRandom random) {
    CommitLog log =
        new CommitLog(
            store,
            header,
            SlotRef.of(ObjectNames.HEADER, headerBytes),
            keys,
            setup.stateDirectory(),
            setup.signer(),
            authority,
            judge,
            checkpointEvery,
            setup.clock(),
            random);
    if (setup.alone()) {
      log.alone();
    }
    keys.follow(log);
    return log;
  }

  private static byte @Nullable [] readHeader(ObjectStore store) throws IOException {
    try {
      return SealedObjects.again(
          ObjectNames.HEADER,
          () -> SealedObjects.fetch(store, ObjectNames.HEADER, MOST_HEADER_BYTES));
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

  /**
   * Refuses a list of recipients of which none can open, or all of which are lost at once.
   *
   * @throws RepositoryException code {@code repository.single-key-risk} if nobody accepted that
   */
  static void requireTwoWays(RepositorySetup setup) throws RepositoryException {
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
