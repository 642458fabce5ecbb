package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
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
  private static final int EPOCH = 1;

  private final ObjectStore store;
  private final RepositoryHeader header;
  private final SlotRef headerRef;
  private final KeyRing keys;
  private final RememberedHead remembered;
  private final Clock clock;
  private final SecureRandom random;
  private final String writer;
  private final int checkpointEvery;
  private final List<Fence> fences = new CopyOnWriteArrayList<>();
  private final List<String> hashes = new ArrayList<>();
  private volatile Catalog catalog = new Catalog();
  private long base; // the checkpoint that was opened; 0 if commits were read from the first on
  private long checkpointed;
  private String baseHead = "";
  private long sequence;
  private String head = "";

  /** Decides what to commit, given all commits so far; nothing if that is done already. */
  @FunctionalInterface
  public interface Decision {
    /** The operations. */
    List<Operation> decide(Catalog catalog) throws IOException;
  }

  /** Knows what sweeps have named since it was raised, so that nothing refers to any of it. */
  public final class Fence implements AutoCloseable {
    private final Set<ObjectKey> condemned = ConcurrentHashMap.newKeySet();
    private volatile boolean swept;

    private Fence() {}

    /** Whether a sweep began since. */
    public boolean swept() {
      return swept;
    }

    /** Whether this object is being removed, or was since. */
    public boolean condemns(ObjectKey key) {
      return condemned.contains(key);
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
      int checkpointEvery,
      Clock clock,
      SecureRandom random) {
    this.store = store;
    this.header = header;
    this.headerRef = headerRef;
    this.keys = keys;
    this.remembered = new RememberedHead(stateDirectory, header.id());
    this.checkpointEvery = checkpointEvery;
    this.clock = clock;
    this.random = random;
    this.writer = drawId();
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

  /** From now on, remembers what sweeps name. Close it. */
  public synchronized Fence fence() {
    Fence fence = new Fence();
    for (Operation.Sweep pending : catalog.sweeps()) {
      fence.condemned.addAll(catalog.named(pending));
    }
    fences.add(fence);
    return fence;
  }

  /** Who writes here, as commits name it. */
  public String writer() {
    return writer;
  }

  /**
   * Reads every commit that was added since.
   *
   * @throws RepositoryException code {@code repository.rolled-back} if the log does not extend what
   *     this machine has seen, {@code repository.damaged} if a commit is not what it was or missing
   */
  public synchronized void refresh() throws IOException {
    Optional<RememberedHead.Head> seen = remembered.read();
    long before = sequence;
    if (sequence == 0) {
      openCheckpoint(seen);
    }
    while (true) {
      while (readNext(seen)) {
        // Reads on.
      }
      if (!laterExists()) {
        break;
      }
    }
    if (seen.isPresent() && seen.get().sequence() > sequence) {
      throw rolledBack(
          "this machine has seen commit "
              + seen.get().sequence()
              + ", the store ends at "
              + sequence);
    }
    if (sequence > before) {
      remember();
    }
  }

  /**
   * Commits what {@code decision} says. Decided again whenever another writer was faster.
   *
   * @throws RepositoryException of kind OUTCOME_UNKNOWN if it may have been committed
   */
  public synchronized void append(Decision decision) throws IOException {
    while (true) {
      refresh();
      List<Operation> operations = decision.decide(catalog);
      if (operations.isEmpty()) {
        return;
      }
      Commit commit =
          new Commit(
              sequence + 1, head, clock.instant(), writer, drawId(), List.copyOf(operations));
      ObjectKey key = ObjectNames.commit(commit.sequence());
      // A commit that nobody could read would be the end of the repository.
      catalog.copy().apply(commit.sequence(), commit.operations(), key);
      byte[] sealed =
          SealedObjects.seal(
              ObjectType.COMMIT, key, commit.encode(), keys.key(header.tree(), EPOCH), random);
      if (sealed.length > MOST_COMMIT_BYTES) {
        throw new IllegalStateException("A commit of " + sealed.length + " bytes: " + key);
      }
      try {
        Outcomes.settle(
            store,
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

  /** The numbers of the checkpoints that are listed, newest first. */
  public List<Long> checkpoints() throws IOException {
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

  /** Folds all commits anew, one by one, to compare what checkpoints say. */
  public Audit audit() {
    return new Audit();
  }

  /** Walks the whole chain. */
  public final class Audit {
    private final Catalog fold = new Catalog();
    private long folded;
    private Optional<String> previous = Optional.of("");

    private Audit() {}

    /**
     * Takes the next commit as stored.
     *
     * @throws RepositoryException if it is not one, or does not follow the one before
     */
    public void take(long number, ObjectKey key, byte[] sealed) throws IOException {
      Commit commit = open(key, sealed);
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
        Checkpoint read = readCheckpoint(checkpoint);
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
   * Begins with the newest checkpoint that does not lie beyond what this machine remembers, so that
   * every commit after that memory is read and has to follow. What a checkpoint says counts if the
   * commit that it stands for is the one it names.
   */
  private void openCheckpoint(Optional<RememberedHead.Head> seen) throws IOException {
    List<Long> found = checkpoints();
    checkpointed = found.isEmpty() ? 0 : found.get(0);
    long most = seen.map(RememberedHead.Head::sequence).orElse(Long.MAX_VALUE);
    for (long number : found) {
      if (number > most || number == 0) {
        continue;
      }
      Checkpoint read;
      Catalog folded = new Catalog();
      try {
        read = readCheckpoint(number);
        for (Catalog.Step step : read.steps()) {
          folded.apply(step.sequence(), step.operations(), ObjectNames.checkpoint(number));
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

  private void begin(Checkpoint from, Catalog folded, Optional<RememberedHead.Head> seen)
      throws IOException {
    ObjectKey key = ObjectNames.commit(from.sequence());
    String sha256;
    try {
      sha256 = Digests.sha256(SealedObjects.fetch(store, key, MOST_COMMIT_BYTES));
    } catch (StorageException.NotFound e) {
      throw RepositoryException.damaged(
          key.value(),
          "is missing, while " + ObjectNames.checkpoint(from.sequence()) + " stands for it",
          e);
    }
    if (seen.isPresent()
        && seen.get().sequence() == from.sequence()
        && !seen.get().sha256().equals(sha256)) {
      throw rolledBack("commit " + from.sequence() + " is another than this machine has seen");
    }
    if (!sha256.equals(from.head())) {
      throw RepositoryException.damaged(
          key.value(),
          "is another than " + ObjectNames.checkpoint(from.sequence()) + " stands for",
          null);
    }
    for (Catalog.Step step : from.steps()) {
      admit(step.operations());
    }
    catalog = folded;
    base = from.sequence();
    baseHead = sha256;
    sequence = base;
    head = sha256;
  }

  private Checkpoint readCheckpoint(long number) throws IOException {
    ObjectKey key = ObjectNames.checkpoint(number);
    byte[] sealed = SealedObjects.fetch(store, key, MOST_CHECKPOINT_BYTES);
    byte[] plain =
        SealedObjects.open(sealed, ObjectType.CHECKPOINT, key, header.id(), header.tree(), keys);
    Checkpoint read = Checkpoint.read(plain, key.value(), store.describe());
    if (read.sequence() != number) {
      throw RepositoryException.damaged(key.value(), "stands for another commit", null);
    }
    return read;
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
              keys.key(header.tree(), EPOCH),
              random);
      store.put(key, ObjectSource.of(sealed));
    } catch (IOException e) {
      LOG.warn("Checkpoint {} of repository {} was not written", sequence, header.id(), e);
    }
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
    return SealedObjects.again(ObjectNames.commit(sequence + 1), () -> tryNext(seen));
  }

  private boolean tryNext(Optional<RememberedHead.Head> seen) throws IOException {
    ObjectKey key = ObjectNames.commit(sequence + 1);
    byte[] sealed;
    try {
      sealed = SealedObjects.fetch(store, key, MOST_COMMIT_BYTES);
    } catch (StorageException.NotFound e) {
      return false;
    }
    String sha256 = Digests.sha256(sealed);
    if (seen.isPresent()
        && seen.get().sequence() == sequence + 1
        && !seen.get().sha256().equals(sha256)) {
      throw rolledBack("commit " + (sequence + 1) + " is another than this machine has seen");
    }
    Commit commit = open(key, sealed);
    if (commit.sequence() != sequence + 1 || !commit.previous().equals(head)) {
      throw RepositoryException.damaged(key.value(), "does not follow the commit before it", null);
    }
    apply(commit, key, sha256);
    return true;
  }

  /** Whether any commit lies beyond the first missing one: then that one is lost. */
  private boolean laterExists() throws IOException {
    ObjectKey missing = ObjectNames.commit(sequence + 1);
    Optional<String> after = Optional.of(ObjectNames.commit(sequence).value());
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
      }
    }
    sequence = commit.sequence();
    head = sha256;
    hashes.add(sha256);
  }

  /** Takes in what the keys and the header depend on. */
  private void admit(List<Operation> operations) throws IOException {
    for (Operation operation : operations) {
      if (operation instanceof Operation.Init init) {
        if (!init.header().equals(headerRef) || !init.tree().equals(header.tree())) {
          throw RepositoryException.damaged(
              ObjectNames.HEADER.value(), "is not what the first commit vouches for", null);
        }
        keys.vouch(init.slots());
      } else if (operation instanceof Operation.Register register) {
        keys.vouch(register.slots());
      }
    }
  }

  private Optional<Boolean> isOurs(ObjectKey key, String run) throws IOException {
    try {
      return SealedObjects.again(
          key,
          () -> {
            byte[] there = SealedObjects.fetch(store, key, MOST_COMMIT_BYTES);
            return Optional.of(open(key, there).run().equals(run));
          });
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  private Commit open(ObjectKey key, byte[] sealed) throws IOException {
    byte[] plain =
        SealedObjects.open(sealed, ObjectType.COMMIT, key, header.id(), header.tree(), keys);
    return Commit.read(plain, key.value(), store.describe());
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

  /** The id of the repository, for those who open objects. */
  public ObjectId repository() {
    return header.id();
  }
}
