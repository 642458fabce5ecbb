package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.copies.CopyIdentity;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.SoundReads;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The hash-chained log whose objects are created only if absent: who creates the next sequence
 * number has won, who does not reads on and decides again. Safe for several threads.
 */
public final class CommitLog {
  private static final Logger LOG = LoggerFactory.getLogger(CommitLog.class);
  private static final long MOST_COMMIT_BYTES = 4 << 20;
  private static final long MOST_CHECKPOINT_BYTES = SealedObjects.MOST_BYTES;

  /**
   * So many checkpoints are kept, the newest: one to open, and one should that be damaged. Whoever
   * last saw a commit before them follows the chain back to it.
   */
  public static final int KEPT_CHECKPOINTS = 2;

  /** What a commit fails with that is whole and belongs to a log that went another way. */
  public static final String OTHER_HISTORY = "repository.other-history";

  /** What a commit fails with that may not do what it does: it counts for nothing. */
  public static final String NOT_ALLOWED = "repository.commit-not-allowed";

  /** What is found of a commit that counts for nothing, until a rotation answers it. */
  public static final String FOREIGN = "foreign-commit";

  static final String ASK_ADMINISTRATOR =
      "Set repository.signing-key to this host's own, and let an administrator run keys writers"
          + " add with what keys signing-key prints here.";

  private static final String SHA256 = "sha256";

  private final ObjectStore store;
  private final RepositoryHeader header;
  private final SlotRef headerRef;
  private final KeyRing keys;
  private final RememberedHead remembered;
  private final RememberedHead proven; // checkpoints, where not every one is to be believed
  private final Optional<Signer> signer;
  private final Authority authority;
  private final Clock clock;
  private volatile Instant refreshedAt = Instant.MIN;
  private final SecureRandom random;
  private final String writer;
  private final int checkpointEvery;
  private final boolean beginning; // of a log that was read further elsewhere
  private final Authority.Judge judge;
  private final List<Fence> fences = new CopyOnWriteArrayList<>();
  private final List<String> hashes = new ArrayList<>();
  private final List<String> earlier = new ArrayList<>(); // before the checkpoint, backwards
  private final List<WritersReport.PassedOver> passedOver = new ArrayList<>();
  private volatile Catalog catalog = new Catalog();
  private long base; // the checkpoint that was opened; 0 if commits were read from the first on
  private long checkpointed;
  private String baseHead = "";
  private long sequence;
  private String head = "";
  private Optional<ObjectId> decidingId = Optional.empty();
  private volatile Guard guard = () -> {};
  private volatile boolean alone;

  /** Looks before anything is written. */
  @FunctionalInterface
  public interface Guard {
    /** Refuses, or does nothing. */
    void check() throws IOException;
  }

  /** Decides what to commit, given all commits so far; nothing if that is done already. */
  @FunctionalInterface
  public interface Decision {
    /** The operations. */
    List<Operation> decide(Catalog catalog) throws IOException;
  }

  /** Knows what sweeps have named since it was raised, so that nothing refers to any of it. */
  public final class Fence implements AutoCloseable {
    private final Set<ObjectKey> condemned = ConcurrentHashMap.newKeySet();
    private final Map<ObjectId, Set<ObjectKey>> condemnedAt = new ConcurrentHashMap<>();
    private volatile boolean swept;

    private Fence() {}

    /** Whether a sweep began since. */
    public boolean swept() {
      return swept;
    }

    /** Whether this object is being removed from every copy, or was since. */
    public boolean condemns(ObjectKey key) {
      return condemned.contains(key);
    }

    /** Whether this object is being removed from a copy, or was since. */
    public boolean condemns(ObjectKey key, Optional<ObjectId> copy) {
      return condemns(key)
          || copy.map(condemnedAt::get).filter(keys -> keys.contains(key)).isPresent();
    }

    /** Whether this object is being removed from any copy, or was since. */
    public boolean condemnsSomewhere(ObjectKey key) {
      return condemns(key) || condemnedAt.values().stream().anyMatch(keys -> keys.contains(key));
    }

    private void condemn(Operation.SweepCopy sweep) {
      condemnedAt
          .computeIfAbsent(sweep.copy(), copy -> ConcurrentHashMap.newKeySet())
          .addAll(catalog.named(sweep));
    }

    @Override
    public void close() {
      fences.remove(this);
    }
  }

  CommitLog(
      ObjectStore store,
      RepositoryHeader header,
      SlotRef headerRef,
      KeyRing keys,
      Path stateDirectory,
      Optional<Signer> signer,
      Authority authority,
      Authority.Judge judge,
      int checkpointEvery,
      Clock clock,
      SecureRandom random) {
    this(
        store,
        header,
        headerRef,
        keys,
        new RememberedHead(stateDirectory, header.id()),
        RememberedHead.ofCheckpoint(stateDirectory, header.id(), authority.label()),
        signer,
        authority,
        judge,
        checkpointEvery,
        false,
        clock,
        random);
  }

  private CommitLog(
      ObjectStore store,
      RepositoryHeader header,
      SlotRef headerRef,
      KeyRing keys,
      RememberedHead remembered,
      RememberedHead proven,
      Optional<Signer> signer,
      Authority authority,
      Authority.Judge judge,
      int checkpointEvery,
      boolean beginning,
      Clock clock,
      SecureRandom random) {
    this.store = store;
    this.header = header;
    this.headerRef = headerRef;
    this.keys = keys;
    this.remembered = remembered;
    this.proven = proven;
    this.signer = signer;
    this.authority = authority;
    this.judge = judge;
    this.checkpointEvery = checkpointEvery;
    this.beginning = beginning;
    this.clock = clock;
    this.random = random;
    this.writer = drawId();
  }

  /**
   * The last commit of a repository that a machine has seen.
   *
   * @param sha256 of it as stored
   */
  public record Seen(long sequence, String sha256) {}

  /** What a state directory remembers of a repository. */
  public static Optional<Seen> seen(Path stateDirectory, ObjectId repository) throws IOException {
    return new RememberedHead(stateDirectory, repository)
        .read()
        .map(head -> new Seen(head.sequence(), head.sha256()));
  }

  /** Where it remembers it. */
  public static Path seenIn(Path stateDirectory, ObjectId repository) {
    return new RememberedHead(stateDirectory, repository).file();
  }

  /** What all commits read so far add up to. */
  public Catalog catalog() {
    return catalog;
  }

  /** The last commit read so far; 0 before the first. */
  public synchronized long sequence() {
    return sequence;
  }

  /** SHA-256 of a commit as stored when it was read; empty if a checkpoint stood for it. */
  public synchronized Optional<String> hash(long of) {
    return of == base && base > 0
        ? Optional.of(baseHead)
        : of <= base ? Optional.empty() : Optional.of(hashes.get(Math.toIntExact(of - base - 1)));
  }

  /**
   * SHA-256 of a commit as it must be stored. Where a checkpoint stood for it, the chain is
   * followed back to it, once.
   *
   * @param of at most {@link #sequence}
   */
  public synchronized String requireHash(long of) throws IOException {
    Optional<String> read = hash(of);
    if (read.isPresent()) {
      return read.get();
    }
    while (earlier.size() < base - of) {
      ObjectKey key = ObjectNames.commit(base - earlier.size());
      String expected = earlier.isEmpty() ? baseHead : earlier.get(earlier.size() - 1);
      try {
        earlier.add(SoundReads.read(store, key, from -> previous(key, from, expected)));
      } catch (StorageException.NotFound e) {
        throw RepositoryException.damaged(key.value(), "is missing", e);
      }
    }
    return earlier.get(Math.toIntExact(base - of - 1));
  }

  /**
   * Takes the last commit as stored.
   *
   * @throws RepositoryException of kind DAMAGED if it is another
   */
  synchronized void requireLast(byte[] sealed) throws RepositoryException {
    if (!Digests.sha256(sealed).equals(head)) {
      throw RepositoryException.damaged(
          ObjectNames.commit(sequence).value(), "is not what was committed", null);
    }
  }

  private String previous(ObjectKey key, ObjectStore from, String expected) throws IOException {
    byte[] sealed = SealedObjects.fetch(from, key, MOST_COMMIT_BYTES);
    if (!Digests.sha256(sealed).equals(expected)) {
      throw RepositoryException.damaged(key.value(), "is not what the next one follows", null);
    }
    return open(key, sealed).commit().previous();
  }

  /** From now on, remembers what sweeps name. Close it. */
  public synchronized Fence fence() {
    Fence fence = new Fence();
    for (Operation.Sweep pending : catalog.sweeps()) {
      fence.condemned.addAll(catalog.named(pending));
    }
    catalog.copySweeps().forEach(fence::condemn);
    catalog.keySweeps().forEach(pending -> fence.condemned.addAll(pending.slots()));
    fences.add(fence);
    return fence;
  }

  /**
   * Commits that were read and count for nothing, since nobody who may has made them, as far as no
   * rotation has answered them.
   */
  public synchronized List<WritersReport.PassedOver> passedOver() {
    return List.copyOf(passedOver);
  }

  /** Who writes here, as commits name it. */
  public String writer() {
    return writer;
  }

  /**
   * Reads every commit that was added since.
   *
   * @throws RepositoryException code {@code repository.rolled-back} if the log does not extend what
   *     this machine has seen, {@code repository.damaged} if a commit is not what it was or
   *     missing, {@code repository.administrator-unknown} if its writers go back to nobody that
   *     this host is told of
   */
  public synchronized void refresh() throws IOException {
    Optional<RememberedHead.Head> seen = remembered.read();
    long before = sequence;
    if (sequence == 0) {
      openCheckpoint(seen.map(RememberedHead.Head::sequence).orElse(Long.MAX_VALUE), seen);
      if (sequence == 0 && seen.isPresent()) {
        openLaterCheckpoint(seen.get());
      }
    }
    while (true) {
      while (readNext(seen)) {
        proveCheckpoint();
      }
      if (!laterExists()) {
        break;
      }
    }
    if (seen.isPresent() && seen.get().sequence() > sequence && !endIsUnknown()) {
      throw rolledBack(
          "this machine has seen commit "
              + seen.get().sequence()
              + ", the store ends at "
              + sequence);
    }
    if (sequence > 0) {
      authority.requireNamed(catalog, store);
    }
    if (sequence > before) {
      remember();
    }
    refreshedAt = clock.instant();
  }

  /** When all commits were last read that there were. */
  public Instant refreshedAt() {
    return refreshedAt;
  }

  /**
   * Commits what {@code decision} says. Decided again whenever another writer was faster.
   *
   * @throws RepositoryException of kind OUTCOME_UNKNOWN if it may have been committed
   */
  public synchronized void append(Decision decision) throws IOException {
    append(decision, false);
  }

  /**
   * Commits where {@code placing} has made sure that the first copy may decide, as {@link #append}
   * does from what the log says.
   */
  synchronized void append(Decision decision, boolean placing) throws IOException {
    while (true) {
      refresh();
      List<Operation> operations = decision.decide(catalog);
      if (operations.isEmpty()) {
        return;
      }
      if (!placing) {
        requireDeciding();
      }
      requireAllowed(operations);
      Commit commit =
          new Commit(
              sequence + 1, head, clock.instant(), writer, drawId(), List.copyOf(operations));
      ObjectKey key = ObjectNames.commit(commit.sequence());
      // A commit that nobody could read would be the end of the repository.
      catalog.copy().apply(commit.sequence(), commit.operations(), key);
      byte[] document = commit.encode();
      byte[] sealed =
          SealedObjects.seal(
              ObjectType.COMMIT,
              key,
              signer.isPresent()
                  ? Signature.add(document, header.id(), key, signer.get())
                  : document,
              keys.current(header.tree()),
              random);
      if (sealed.length > MOST_COMMIT_BYTES) {
        throw new IllegalStateException("A commit of " + sealed.length + " bytes: " + key);
      }
      try {
        Outcomes.settle(
            CopySet.deciding(store),
            key,
            sealed.length,
            () -> store.put(key, ObjectSource.of(sealed)),
            () -> isOurs(key, commit.run()));
      } catch (StorageException.AlreadyExists e) {
        continue;
      } catch (StorageException.OutcomeUnknown e) {
        throw new RepositoryException(
            "repository.commit-unknown",
            FailureKind.OUTCOME_UNKNOWN,
            "The store did not say whether it took " + key + "; it may exist",
            Map.of("object", key.value()),
            "Look with list before anything is repeated.",
            e);
      }
      apply(commit, key, Digests.sha256(sealed));
      remember();
      if (sequence - checkpointed >= checkpointEvery) {
        writeCheckpoint();
      }
      return;
    }
  }

  /** Refuses what would count for nothing, as far as the log was read. */
  private void requireAllowed(List<Operation> operations) throws RepositoryException {
    Optional<String> objection = Authority.objection(signer, operations, catalog);
    boolean usurped = authority.isUsurped(operations, Authority.key(signer), catalog);
    if (objection.isEmpty() && !usurped) {
      return;
    }
    if (usurped || Authority.objection(signer, List.of(), catalog).isEmpty()) {
      throw new RepositoryException(
          "keys.not-administrator",
          FailureKind.REFUSED,
          "Who writes, who opens, and where the repository lies is for an administrator to change",
          Map.of("repository", header.id().toString()),
          "Run it with repository.signing-key set to an administrator's; where"
              + " repository.administrators is set, the first to one that it names.",
          null);
    }
    throw new RepositoryException(
        "repository.writer-not-allowed",
        FailureKind.REFUSED,
        "The repository names who may write, and this host "
            + signer
                .map(
                    one ->
                        "signs with "
                            + SigningPublicKey.of(one.publicKey())
                            + ", which is no key of theirs")
                .orElse("signs nothing"),
        Map.of("repository", header.id().toString()),
        ASK_ADMINISTRATOR,
        null);
  }

  /**
   * Refuses to write what would count for nothing, and to write through another copy than the log
   * names, as far as it was read: elsewhere, another writer could win too.
   */
  public void requireDeciding() throws IOException {
    synchronized (this) {
      requireAllowed(List.of());
      requirePlace();
    }
    requireTried();
  }

  /** From now on, has this look before anything is written. */
  public void guard(Guard guard) {
    this.guard = guard;
  }

  /**
   * Refuses stores that do not keep what is written to them. Others may read the log meanwhile: a
   * copy that does not answer holds up nobody but writers.
   */
  public void requireTried() throws IOException {
    guard.check();
  }

  private void requirePlace() throws IOException {
    List<Operation.Copies.Place> places = catalog.copies();
    if (places.isEmpty()) {
      if (store instanceof CopySet set) {
        throw new RepositoryException(
            "repository.copies-unrecorded",
            FailureKind.REFUSED,
            set.copies().size() + " copies are configured, and the repository knows of one place",
            Map.of("repository", header.id().toString()),
            "Run init, then copies sync.",
            null);
      }
      return;
    }
    if (decidingId.isEmpty()) {
      decidingId = CopyIdentity.read(CopySet.deciding(store), header.id());
    }
    Operation.Copies.Place deciding = places.get(0);
    if (!decidingId.equals(Optional.of(deciding.id()))) {
      throw new RepositoryException(
          "repository.other-primary",
          FailureKind.REFUSED,
          store.describe()
              + " is configured as the first copy; the repository is written through "
              + deciding.name(),
          Map.of("primary", deciding.name()),
          "Name that copy first. If it is gone for good, run copies sync, then copies promote.",
          null);
    }
  }

  /** The other copies are left out on purpose: that it ends before what was seen is no news. */
  void alone() {
    alone = true;
  }

  /**
   * Without the copy that decides, the log is as long as the others know. A place that no commit
   * names is none of the others: there the log was set back.
   */
  private boolean endIsUnknown() throws IOException {
    List<Operation.Copies.Place> places = catalog.copies();
    boolean others = false;
    for (Copy copy : CopySet.places(store)) {
      try {
        Optional<ObjectId> id = CopyIdentity.read(copy.store(), header.id());
        boolean known = places.stream().anyMatch(place -> id.equals(Optional.of(place.id())));
        if (!known || id.equals(Optional.of(places.get(0).id()))) {
          return false;
        }
        others = true;
      } catch (StorageException e) {
        LOG.debug("{} cannot be asked which copy it is", copy.name(), e);
      }
    }
    if (others && !alone) {
      LOG.warn(
          "{}, through which repository {} is written, is not configured or cannot be asked, and"
              + " the other copies know fewer commits than this machine has seen: what was written"
              + " last is missing",
          places.get(0).name(),
          header.id());
    }
    return others;
  }

  /**
   * The log as far as one commit: what a copy holds that has no more.
   *
   * @param last at most {@link #sequence}
   */
  public CommitLog upTo(long last) throws IOException {
    if (last >= sequence()) {
      return this;
    }
    CommitLog beginning =
        new CommitLog(
            store,
            header,
            headerRef,
            keys,
            remembered,
            proven,
            signer,
            authority,
            judge,
            checkpointEvery,
            true,
            clock,
            random);
    synchronized (beginning) {
      beginning.openCheckpoint(last, Optional.empty());
      while (beginning.sequence < last && beginning.readNext(Optional.empty())) {
        // Reads on.
      }
    }
    return beginning;
  }

  /** The numbers of the checkpoints that a store lists, newest first. */
  public static List<Long> checkpoints(ObjectStore store) throws IOException {
    List<Long> found = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      ListPage page = store.list(ObjectNames.CHECKPOINTS, after);
      for (ObjectInfo info : page.objects()) {
        if (info.key().name().matches("[0-7][0-9a-f]{15}")) {
          found.add(0, Long.parseLong(info.key().name(), 16));
        }
      }
      after = page.next();
    } while (after.isPresent());
    return found;
  }

  /**
   * Folds all commits anew, one by one, to compare what checkpoints say.
   *
   * @param from has the checkpoints
   */
  public Audit audit(ObjectStore from) {
    return new Audit(from);
  }

  /** Walks the whole chain. */
  public final class Audit {
    private final ObjectStore from;
    private final Catalog fold = new Catalog();
    private final List<Long> foreign = new ArrayList<>();
    private long folded;
    private Optional<String> previous = Optional.of("");

    private Audit(ObjectStore from) {
      this.from = from;
    }

    /**
     * Takes the next commit as stored.
     *
     * @throws RepositoryException if it is not one, or does not follow the one before
     */
    public void take(long number, ObjectKey key, byte[] sealed) throws IOException {
      Signed signed = open(key, sealed);
      Commit commit = signed.commit();
      if (folded == number - 1) {
        Optional<String> objection = judge.objection(commit.operations(), signed.signature(), fold);
        if (objection.isPresent()) {
          folded = number;
          previous = Optional.of(Digests.sha256(sealed));
          foreign.add(number);
          return;
        }
      }
      if (commit.sequence() != number
          || previous.isPresent() && !commit.previous().equals(previous.get())) {
        throw RepositoryException.damaged(
            key.value(), "does not follow the commit before it", null);
      }
      if (folded == number - 1) {
        fold.apply(number, commit.operations(), key);
        folded = number;
      }
      previous = Optional.of(Digests.sha256(sealed));
      if (answers(commit.operations())) {
        foreign.clear();
      }
    }

    /** The commits that count for nothing, and that no rotation has answered. */
    public List<Long> foreign() {
      return List.copyOf(foreign);
    }

    /** The next commit is lost: what comes after it can only be judged by itself. */
    public void lose() {
      previous = Optional.empty();
    }

    /** Whether a checkpoint says what all commits so far add up to; true if that is not known. */
    public boolean confirms(long checkpoint) throws IOException {
      if (folded != checkpoint) {
        return true;
      }
      try {
        Checkpoint read =
            SealedObjects.again(
                ObjectNames.checkpoint(checkpoint), () -> readCheckpoint(checkpoint, from));
        Catalog told = new Catalog();
        for (Catalog.Step step : read.steps()) {
          told.apply(step.sequence(), step.operations(), ObjectNames.checkpoint(checkpoint));
        }
        return previous.equals(Optional.of(read.head()))
            && told.compacted().equals(fold.compacted());
      } catch (RepositoryException e) {
        return false;
      } catch (StorageException.NotFound e) {
        return true; // nobody needs it
      }
    }
  }

  /**
   * Begins with the newest checkpoint that does not lie beyond a commit, such as the last that this
   * machine remembers, so that every commit after that is read and has to follow. What a checkpoint
   * says counts if the commit that it stands for is the one it names.
   */
  private void openCheckpoint(long most, Optional<RememberedHead.Head> seen) throws IOException {
    if (judge instanceof Authority.OfSession) {
      return; // nothing in a checkpoint shows whose it is
    }
    List<Long> found = checkpoints(store);
    checkpointed = found.isEmpty() ? 0 : found.get(0);
    Optional<RememberedHead.Head> known = proven.read();
    boolean believed =
        found.isEmpty() || authority.pinned().isEmpty() && known.isEmpty() && positivelyUnsigned();
    for (long number : found) {
      if (number > most
          || number == 0
          || !believed && !(known.isPresent() && known.get().sequence() == number)) {
        continue;
      }
      Checkpoint read;
      Catalog folded = new Catalog();
      try {
        ObjectKey key = ObjectNames.checkpoint(number);
        read =
            SoundReads.read(
                store,
                key,
                from -> {
                  byte[] sealed = SealedObjects.fetch(from, key, MOST_CHECKPOINT_BYTES);
                  if (!believed && !Digests.sha256(sealed).equals(known.get().sha256())) {
                    throw RepositoryException.damaged(
                        key.value(), "is another than this machine has found right", null);
                  }
                  return openCheckpoint(number, sealed);
                });
        for (Catalog.Step step : read.steps()) {
          folded.apply(step.sequence(), step.operations(), key);
        }
      } catch (StorageException.NotFound e) {
        continue;
      } catch (RepositoryException e) {
        if (e.kind() != FailureKind.DAMAGED) {
          throw e;
        }
        LOG.warn("A checkpoint is damaged; an older one is used: {}", e.getMessage());
        continue;
      }
      begin(read, folded, seen);
      return;
    }
  }

  /**
   * Whether commits name no writers for certain. Where they do, whoever has the keys could write a
   * checkpoint that says something else than they do, and nothing in it shows that: it counts only
   * where this machine has compared it with them.
   */
  private boolean positivelyUnsigned() {
    boolean asked = false;
    for (Copy copy : CopySet.places(store)) {
      try {
        if (copy.store().head(ObjectNames.SIGNED).isPresent()) {
          return false;
        }
        asked = true;
      } catch (IOException e) {
        LOG.debug("{} cannot be asked whether commits name writers", copy.name(), e);
      }
    }
    return asked;
  }

  /** Compares the newest checkpoint with what the commits up to it add up to. */
  private void proveCheckpoint() throws IOException {
    if (sequence != checkpointed || !catalog.namedWriters()) {
      return;
    }
    ObjectKey key = ObjectNames.checkpoint(sequence);
    try {
      byte[] sealed =
          SealedObjects.again(
              key,
              () -> {
                byte[] read = SealedObjects.fetch(store, key, MOST_CHECKPOINT_BYTES);
                Checkpoint checkpoint = openCheckpoint(sequence, read);
                Catalog told = new Catalog();
                for (Catalog.Step step : checkpoint.steps()) {
                  told.apply(step.sequence(), step.operations(), key);
                }
                if (!checkpoint.head().equals(head)
                    || !told.compacted().equals(catalog.compacted())) {
                  throw RepositoryException.damaged(
                      key.value(), "says something else than the commits", null);
                }
                return read;
              });
      proven.write(new RememberedHead.Head(sequence, Digests.sha256(sealed)));
    } catch (InterruptedIOException e) {
      throw e;
    } catch (IOException e) {
      LOG.warn("A checkpoint is not used: {}", e.getMessage());
    }
  }

  private void begin(Checkpoint from, Catalog folded, Optional<RememberedHead.Head> seen)
      throws IOException {
    ObjectKey key = ObjectNames.commit(from.sequence());
    String sha256;
    try {
      sha256 = SoundReads.read(store, key, copy -> requireHead(from, key, copy, seen));
    } catch (StorageException.NotFound e) {
      throw RepositoryException.damaged(
          key.value(),
          "is missing, while " + ObjectNames.checkpoint(from.sequence()) + " stands for it",
          e);
    }
    for (Catalog.Step step : from.steps()) {
      admit(step.operations());
    }
    if (!beginning) {
      folded.erasures().forEach(erased -> keys.forget(erased.what()));
    }
    catalog = folded;
    base = from.sequence();
    baseHead = sha256;
    sequence = base;
    head = sha256;
  }

  /** Begins behind what this machine remembers, where the checkpoints of that time are gone. */
  private void openLaterCheckpoint(RememberedHead.Head seen) throws IOException {
    openCheckpoint(Long.MAX_VALUE, Optional.of(seen));
    if (base > seen.sequence() && !requireHash(seen.sequence()).equals(seen.sha256())) {
      throw rolledBack("commit " + seen.sequence() + " is another than this machine has seen");
    }
  }

  private String requireHead(
      Checkpoint stands, ObjectKey key, ObjectStore from, Optional<RememberedHead.Head> seen)
      throws IOException {
    String sha256 = Digests.sha256(SealedObjects.fetch(from, key, MOST_COMMIT_BYTES));
    if (seen.isPresent()
        && seen.get().sequence() == stands.sequence()
        && !seen.get().sha256().equals(sha256)) {
      throw rolledBack("commit " + stands.sequence() + " is another than this machine has seen");
    }
    if (!sha256.equals(stands.head())) {
      throw RepositoryException.damaged(
          key.value(),
          "is another than " + ObjectNames.checkpoint(stands.sequence()) + " stands for",
          null);
    }
    return sha256;
  }

  private Checkpoint readCheckpoint(long number, ObjectStore from) throws IOException {
    ObjectKey key = ObjectNames.checkpoint(number);
    return openCheckpoint(number, SealedObjects.fetch(from, key, MOST_CHECKPOINT_BYTES));
  }

  /**
   * Takes a checkpoint as stored.
   *
   * @throws RepositoryException of kind DAMAGED if it is not one of this log
   */
  public void requireCheckpoint(long number, byte[] sealed) throws IOException {
    Checkpoint found = openCheckpoint(number, sealed);
    if (number <= sequence() && !found.head().equals(requireHash(number))) {
      throw RepositoryException.damaged(
          ObjectNames.checkpoint(number).value(), "is of another history than the log", null);
    }
  }

  private Checkpoint openCheckpoint(long number, byte[] sealed) throws IOException {
    ObjectKey key = ObjectNames.checkpoint(number);
    byte[] plain =
        SealedObjects.open(
            sealed,
            ObjectType.CHECKPOINT,
            key,
            header.id(),
            header.tree(),
            keys.knows(header.tree())
                ? keys
                : (tree, epoch) ->
                    keys.key(
                        tree, epoch, found -> opens(ObjectType.CHECKPOINT, key, sealed, found)));
    Checkpoint read = Checkpoint.read(plain, key.value(), CopySet.holders(store));
    if (read.sequence() != number) {
      throw RepositoryException.damaged(key.value(), "stands for another commit", null);
    }
    return read;
  }

  private boolean opens(ObjectType type, ObjectKey key, byte[] sealed, EpochKey with)
      throws IOException {
    try {
      SealedObjects.open(sealed, type, key, header.id(), header.tree(), (tree, epoch) -> with);
      return true;
    } catch (RepositoryException e) {
      return false;
    }
  }

  /** Whether a key may be the one that sealed the first commit; true if there is none. */
  boolean mayHaveSealedFirst(EpochKey found) throws IOException {
    ObjectKey key = ObjectNames.commit(1);
    try {
      return SoundReads.read(
          store,
          key,
          from -> {
            byte[] sealed = SealedObjects.fetch(from, key, MOST_COMMIT_BYTES);
            if (!opens(ObjectType.COMMIT, key, sealed, found)) {
              throw RepositoryException.damaged(key.value(), "does not open", null);
            }
            return true;
          });
    } catch (StorageException.NotFound e) {
      return true;
    } catch (RepositoryException e) {
      return false;
    }
  }

  /** Reads every commit that was added since, unless this very thread is about it. */
  void readOn() throws IOException {
    if (!Thread.holdsLock(this)) {
      refresh();
    }
  }

  /** Saves others reading; nobody needs it. */
  private void writeCheckpoint() {
    checkpointed = sequence;
    ObjectKey key = ObjectNames.checkpoint(sequence);
    try {
      byte[] sealed =
          SealedObjects.seal(
              ObjectType.CHECKPOINT,
              key,
              new Checkpoint(sequence, head, catalog.compacted()).encode(),
              keys.current(header.tree()),
              random);
      store.put(key, ObjectSource.of(sealed));
      if (catalog.namedWriters()) {
        proven.write(new RememberedHead.Head(sequence, Digests.sha256(sealed)));
      }
    } catch (IOException e) {
      LOG.warn("Checkpoint {} of repository {} was not written", sequence, header.id(), e);
    }
  }

  /** Takes the log as it is here for the right one, however much more this machine has seen. */
  synchronized void believe() throws IOException {
    remembered.replace(new RememberedHead.Head(sequence, head));
  }

  private void remember() {
    try {
      remembered.write(new RememberedHead.Head(sequence, head));
    } catch (IOException e) {
      // The commit exists all the same; only a store that is set back to before it may not show.
      LOG.warn(
          "Commit {} of repository {} could not be remembered in the state directory; check that"
              + " it can be written",
          sequence,
          header.id(),
          e);
    }
  }

  /** Reads the commit after the last; false if there positively is none. */
  private boolean readNext(Optional<RememberedHead.Head> seen) throws IOException {
    ObjectKey key = ObjectNames.commit(sequence + 1);
    Read read;
    try {
      read = SoundReads.read(store, key, from -> read(key, from, seen));
    } catch (StorageException.NotFound e) {
      return false;
    } catch (RepositoryException e) {
      boolean notAllowed = e.code().equals(NOT_ALLOWED);
      if (notAllowed && !endsAtPrimaryForCertain(key)) {
        passOver(key, e);
        return true;
      }
      if (notAllowed || e.code().equals(OTHER_HISTORY) && endsAtPrimary(key)) {
        LOG.warn("A copy was written to by itself; it is left alone: {}", e.getMessage());
        return false;
      }
      throw e;
    }
    authority.requirePinned(read.commit(), read.signature(), catalog);
    apply(read.commit(), key, read.sha256());
    return true;
  }

  /**
   * Goes on behind a commit that nobody made who may. Were that the end, anybody who can create an
   * object could end the repository; so its number is used up, and the next one follows it.
   */
  private void passOver(ObjectKey key, RepositoryException objection) {
    LOG.warn("A commit counts for nothing, an attack or a mistake: {}", objection.getMessage());
    sequence++;
    head = Objects.requireNonNull(objection.details().get(SHA256));
    hashes.add(head);
    passedOver.add(
        new WritersReport.PassedOver(
            sequence, String.valueOf(objection.getMessage()).substring(key.value().length() + 2)));
  }

  private static RepositoryException notAllowed(ObjectKey key, String objection, String sha256) {
    return new RepositoryException(
        NOT_ALLOWED,
        FailureKind.DAMAGED,
        key + ": " + objection,
        Map.of("object", key.value(), SHA256, sha256),
        "Find out who can write to the store and has the repository's keys.",
        null);
  }

  /** Whether the copy that decides is whole and positively has no such commit. */
  private boolean endsAtPrimary(ObjectKey key) throws IOException {
    return store instanceof CopySet set
        && !set.isPrimaryIncomplete()
        && set.primary().head(key).isEmpty();
  }

  /** Without the copy that decides, the log is what the others know. */
  private boolean endsAtPrimaryForCertain(ObjectKey key) throws IOException {
    try {
      return endsAtPrimary(key);
    } catch (StorageException e) {
      return false;
    }
  }

  private record Read(Commit commit, Optional<Signature> signature, String sha256) {}

  private Read read(ObjectKey key, ObjectStore from, Optional<RememberedHead.Head> seen)
      throws IOException {
    byte[] sealed = SealedObjects.fetch(from, key, MOST_COMMIT_BYTES);
    String sha256 = Digests.sha256(sealed);
    if (seen.isPresent()
        && seen.get().sequence() == sequence + 1
        && !seen.get().sha256().equals(sha256)) {
      throw rolledBack("commit " + (sequence + 1) + " is another than this machine has seen");
    }
    Signed signed = open(key, sealed);
    Commit commit = signed.commit();
    Optional<String> objection = judge.objection(commit.operations(), signed.signature(), catalog);
    if (objection.isPresent()) {
      throw notAllowed(key, objection.get(), sha256);
    }
    if (commit.sequence() != sequence + 1 || !commit.previous().equals(head)) {
      throw new RepositoryException(
          OTHER_HISTORY,
          FailureKind.DAMAGED,
          key + ": does not follow the commit before it",
          Map.of("object", key.value()),
          "Find out who wrote to a copy, or to an older state of the repository, by itself.",
          null);
    }
    return new Read(commit, signed.signature(), sha256);
  }

  /** The copy that decides, where it can tell: what others hold behind it is not of this log. */
  private ObjectStore whereTheLogEnds(ObjectKey next) throws IOException {
    if (store instanceof CopySet set && !set.isPrimaryIncomplete()) {
      try {
        set.primary().head(next);
        return set.primary();
      } catch (StorageException e) {
        return store; // it cannot be asked: the log is as long as the others know
      }
    }
    return store;
  }

  /**
   * The last commit of so many that a store holds; 0 for none. A store gets them without gaps, and
   * each is looked for by name: a listing may be short.
   */
  public static long lastOn(ObjectStore store, long most) throws IOException {
    long least = 0;
    long beyond = most + 1;
    while (beyond - least > 1) {
      long middle = (least + beyond) >>> 1;
      if (store.head(ObjectNames.commit(middle)).isPresent()) {
        least = middle;
      } else {
        beyond = middle;
      }
    }
    return least;
  }

  /** Whether any commit lies beyond the first missing one: then that one is lost. */
  private boolean laterExists() throws IOException {
    ObjectKey missing = ObjectNames.commit(sequence + 1);
    Optional<String> after = Optional.of(ObjectNames.commit(sequence).value());
    ObjectStore store = whereTheLogEnds(missing);
    do {
      ListPage page = store.list(ObjectNames.COMMITS, after);
      for (ObjectInfo info : page.objects()) {
        String name = info.key().name();
        if (name.length() != 16 || !name.matches("[0-9a-f]+")) {
          continue;
        }
        if (info.key().compareTo(missing) > 0 && store.head(missing).isEmpty()) {
          throw RepositoryException.damaged(
              missing.value(), "is missing, while " + info.key() + " exists", null);
        }
        return true;
      }
      after = page.next();
    } while (after.isPresent());
    return false;
  }

  private void apply(Commit commit, ObjectKey key, String sha256) throws IOException {
    admit(commit.operations());
    catalog.apply(commit.sequence(), commit.operations(), key);
    for (Operation operation : commit.operations()) {
      if (operation instanceof Operation.Sweep sweep) {
        for (Fence fence : fences) {
          fence.condemned.addAll(catalog.named(sweep));
          fence.swept = true;
        }
      } else if (operation instanceof Operation.SweepCopy sweep) {
        for (Fence fence : fences) {
          fence.condemn(sweep);
          fence.swept = true;
        }
      } else if (operation instanceof Operation.SweepKeys sweep) {
        fences.forEach(fence -> fence.condemned.addAll(sweep.slots()));
      } else if (operation instanceof Operation.Erased erased && !beginning) {
        keys.forget(erased); // only now, as what cannot be folded must not cost any key
      }
    }
    if (answers(commit.operations())) {
      passedOver.clear();
    }
    sequence = commit.sequence();
    head = sha256;
    hashes.add(sha256);
    for (Operation operation : commit.operations()) {
      if (operation instanceof Operation.Rotate rotate && !beginning) {
        keys.openEarly(rotate.epochs().stream().map(Operation.Wraps::tree).toList());
      }
    }
  }

  /** Whether from here on, whoever wrote what counts for nothing has no key to do it again. */
  private boolean answers(List<Operation> operations) {
    return operations.stream()
        .filter(Operation.Rotate.class::isInstance)
        .flatMap(rotate -> ((Operation.Rotate) rotate).epochs().stream())
        .anyMatch(wraps -> wraps.tree().equals(header.tree()));
  }

  /** Takes in what the keys and the header depend on. */
  private void admit(List<Operation> operations) throws IOException {
    if (beginning) {
      return; // the keys follow the whole log, and what it says last counts
    }
    for (Operation operation : operations) {
      if (operation instanceof Operation.Init init) {
        if (!init.header().equals(headerRef) || !init.tree().equals(header.tree())) {
          throw RepositoryException.damaged(
              ObjectNames.HEADER.value(), "is not what the first commit vouches for", null);
        }
        keys.vouch(init.slots());
      } else if (operation instanceof Operation.Register register) {
        keys.vouch(register.slots());
      } else if (operation instanceof Operation.Rotate rotate) {
        vouch(rotate.epochs());
      } else if (operation instanceof Operation.Rewrap rewrap) {
        vouch(rewrap.epochs());
      }
    }
  }

  private void vouch(List<Operation.Wraps> epochs) throws RepositoryException {
    for (Operation.Wraps wraps : epochs) {
      keys.vouch(wraps.slots());
    }
  }

  private Optional<Boolean> isOurs(ObjectKey key, String run) throws IOException {
    try {
      ObjectStore deciding = CopySet.deciding(store);
      boolean ours =
          SealedObjects.again(
              key,
              () -> {
                byte[] there = SealedObjects.fetch(deciding, key, MOST_COMMIT_BYTES);
                return open(key, there).commit().run().equals(run);
              });
      if (ours) {
        CopySet.ensure(store, key); // it is committed where the policy says
      }
      return Optional.of(ours);
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  /**
   * A commit as it lies there.
   *
   * @param signature who vouches for it; empty: nobody
   */
  private record Signed(Commit commit, Optional<Signature> signature) {}

  private Signed open(ObjectKey key, byte[] sealed) throws IOException {
    byte[] plain =
        SealedObjects.open(
            sealed,
            ObjectType.COMMIT,
            key,
            header.id(),
            header.tree(),
            (tree, epoch) ->
                keys.key(tree, epoch, found -> opens(ObjectType.COMMIT, key, sealed, found)));
    return new Signed(
        Commit.read(plain, key.value(), CopySet.holders(store)),
        Signature.of(plain, header.id(), key));
  }

  private RepositoryException rolledBack(String problem) {
    return new RepositoryException(
        "repository.rolled-back",
        FailureKind.DAMAGED,
        "The repository in " + store.describe() + " was set back: " + problem,
        Map.of("repository", header.id().toString()),
        "Find out who restored, replaced or emptied the store. If it was you, remove this"
            + " repository's file below heads in the state directory.",
        null);
  }

  private String drawId() {
    byte[] id = new byte[16];
    random.nextBytes(id);
    return HexFormat.of().formatHex(id);
  }

  /** Who may commit what, as this host knows it. */
  Authority authority() {
    return authority;
  }

  /** The id of the repository, for those who open objects. */
  public ObjectId repository() {
    return header.id();
  }
}
