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
import com.thorbis.backup.storage.internal.copies.CopyIdentity;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.SoundReads;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The hash-chained log whose objects are created only if absent: who creates the next sequence
 * number has won, who does not reads on and decides again. Safe for several threads.
 */
public final class CommitLog {
  private static final Logger LOG = LoggerFactory.getLogger(CommitLog.class);
  private static final long MOST_COMMIT_BYTES = 4 << 20;
  private static final int EPOCH = 1;

  /** What a commit fails with that is whole and belongs to a log that went another way. */
  public static final String OTHER_HISTORY = "repository.other-history";

  private final ObjectStore store;
  private final RepositoryHeader header;
  private final SlotRef headerRef;
  private final KeyRing keys;
  private final RememberedHead remembered;
  private final Clock clock;
  private final SecureRandom random;
  private final String writer;
  private final Catalog catalog = new Catalog();
  private final List<String> hashes = new ArrayList<>();
  private long sequence;
  private String head = "";
  private Optional<ObjectId> decidingId = Optional.empty();

  /** Decides what to commit, given all commits so far; nothing if that is done already. */
  @FunctionalInterface
  public interface Decision {
    /** The operations. */
    List<Operation> decide(Catalog catalog) throws IOException;
  }

  CommitLog(
      ObjectStore store,
      RepositoryHeader header,
      SlotRef headerRef,
      KeyRing keys,
      Path stateDirectory,
      Clock clock,
      SecureRandom random) {
    this(
        store,
        header,
        headerRef,
        keys,
        new RememberedHead(stateDirectory, header.id()),
        clock,
        random);
  }

  private CommitLog(
      ObjectStore store,
      RepositoryHeader header,
      SlotRef headerRef,
      KeyRing keys,
      RememberedHead remembered,
      Clock clock,
      SecureRandom random) {
    this.store = store;
    this.header = header;
    this.headerRef = headerRef;
    this.keys = keys;
    this.remembered = remembered;
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

  /** SHA-256 of a commit as stored when it was read. */
  public synchronized String hash(long of) {
    return hashes.get(Math.toIntExact(of - 1));
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
    while (true) {
      while (readNext(seen)) {
        // Reads on.
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
      Commit commit =
          new Commit(
              sequence + 1, head, clock.instant(), writer, drawId(), List.copyOf(operations));
      ObjectKey key = ObjectNames.commit(commit.sequence());
      byte[] sealed =
          SealedObjects.seal(
              ObjectType.COMMIT, key, commit.encode(), keys.key(header.tree(), EPOCH), random);
      try {
        Outcomes.settle(
            key, () -> store.put(key, ObjectSource.of(sealed)), () -> isOurs(key, commit.run()));
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
      return;
    }
  }

  /**
   * Refuses to write through another copy than the log names, as far as it was read: elsewhere,
   * another writer could win too.
   */
  public synchronized void requireDeciding() throws IOException {
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

  /** Without the copy that decides, the log is as long as the others know. */
  private boolean endIsUnknown() throws IOException {
    if (!(store instanceof CopySet set)) {
      return false;
    }
    try {
      set.primary().head(ObjectNames.commit(sequence + 1));
      return false;
    } catch (StorageException e) {
      LOG.warn(
          "{} cannot be asked, and the other copies know fewer commits than this machine has seen:"
              + " the latest backups are missing",
          set.describe(),
          e);
      return true;
    }
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
    CommitLog beginning = new CommitLog(store, header, headerRef, keys, remembered, clock, random);
    synchronized (beginning) {
      while (beginning.sequence < last && beginning.readNext(Optional.empty())) {
        // Reads on.
      }
    }
    return beginning;
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
      if (e.code().equals(OTHER_HISTORY) && endsAtPrimary(key)) {
        LOG.warn("A copy was written to by itself; it is left alone: {}", e.getMessage());
        return false;
      }
      throw e;
    }
    apply(read.commit(), key, read.sha256());
    return true;
  }

  /** Whether the copy that decides is whole and positively has no such commit. */
  private boolean endsAtPrimary(ObjectKey key) throws IOException {
    return store instanceof CopySet set
        && !set.isPrimaryIncomplete()
        && set.primary().head(key).isEmpty();
  }

  private record Read(Commit commit, String sha256) {}

  private Read read(ObjectKey key, ObjectStore from, Optional<RememberedHead.Head> seen)
      throws IOException {
    byte[] sealed = SealedObjects.fetch(from, key, MOST_COMMIT_BYTES);
    String sha256 = Digests.sha256(sealed);
    if (seen.isPresent()
        && seen.get().sequence() == sequence + 1
        && !seen.get().sha256().equals(sha256)) {
      throw rolledBack("commit " + (sequence + 1) + " is another than this machine has seen");
    }
    Commit commit = open(key, sealed);
    if (commit.sequence() != sequence + 1 || !commit.previous().equals(head)) {
      throw new RepositoryException(
          OTHER_HISTORY,
          FailureKind.DAMAGED,
          key + ": does not follow the commit before it",
          Map.of("object", key.value()),
          "Find out who wrote to a copy, or to an older state of the repository, by itself.",
          null);
    }
    return new Read(commit, sha256);
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
    for (Operation operation : commit.operations()) {
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
    catalog.apply(commit, key);
    sequence = commit.sequence();
    head = sha256;
    hashes.add(sha256);
  }

  private Optional<Boolean> isOurs(ObjectKey key, String run) throws IOException {
    try {
      byte[] there = SealedObjects.fetch(CopySet.deciding(store), key, MOST_COMMIT_BYTES);
      return Optional.of(open(key, there).run().equals(run));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  private Commit open(ObjectKey key, byte[] sealed) throws IOException {
    byte[] plain =
        SealedObjects.open(sealed, ObjectType.COMMIT, key, header.id(), header.tree(), keys);
    return Commit.read(plain, key.value(), CopySet.holders(store));
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
