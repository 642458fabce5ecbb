package com.thorbis.backup.dr.evidence;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.ThisHost;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.engine.SourceEngine.RepositoryAccess;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The evidence of one repository, kept in it as backups of a source of type {@code evidence}, so
 * that it is sealed, copied, verified and retained as all else is. Each record is held until it is
 * {@link Builder#keep old enough}; only then may retention let go of it, and a record stays that
 * names it.
 *
 * <p>What cannot be written to the repository waits in the state directory. Safe for several
 * threads and processes.
 */
public final class EvidenceLog {
  /** The type of such sources. */
  public static final String TYPE = "evidence";

  /** The source's name unless told otherwise. */
  public static final String SOURCE = "evidence";

  /** How long evidence is kept unless told otherwise: seven years, leap days included. */
  public static final Duration KEEP = Duration.ofDays(2557);

  static final String HOLD = "evidence";

  private static final String FOLDER = "records/";
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  private final RepositoryAccess access;
  private final Spool spool;
  private final String source;
  private final Optional<Signer> signer;
  private final Clock clock;
  private final String actor;
  private final String host;
  private final Duration keep;
  private final SecureRandom random = new SecureRandom();

  private EvidenceLog(Builder builder) {
    access = builder.access;
    source = builder.source;
    spool = new Spool(builder.stateDirectory.resolve("evidence").resolve(source));
    signer = builder.signer;
    clock = builder.clock;
    actor = builder.actor;
    host = builder.host;
    keep = builder.keep;
  }

  /**
   * The evidence of a repository.
   *
   * @param repository opens it, such as {@code backup::repository}; who opened it closes it
   * @param stateDirectory of this host, for what waits and what was seen
   */
  public static Builder builder(RepositoryAccess repository, Path stateDirectory) {
    return new Builder(repository, stateDirectory);
  }

  /** Collects what it needs. */
  public static final class Builder {
    private final RepositoryAccess access;
    private final Path stateDirectory;
    private String source = SOURCE;
    private Optional<Signer> signer = Optional.empty();
    private Clock clock = Clock.systemUTC();
    private String actor = String.valueOf(System.getProperty("user.name"));
    private String host = ThisHost.name();
    private Duration keep = KEEP;

    private Builder(RepositoryAccess access, Path stateDirectory) {
      this.access = access;
      this.stateDirectory = stateDirectory;
    }

    /** The name of the source that it is kept under. */
    public Builder source(String name) {
      this.source = name;
      return this;
    }

    /** Signs every record; stays the caller's. */
    public Builder signer(Signer with) {
      this.signer = Optional.of(with);
      return this;
    }

    /** The time. */
    public Builder clock(Clock now) {
      this.clock = now;
      return this;
    }

    /** Who has things done; else the account that this process runs under. */
    public Builder actor(String name) {
      this.actor = name;
      return this;
    }

    /** Where this runs; else what the system calls it. */
    public Builder host(String name) {
      this.host = name;
      return this;
    }

    /** How old a record must be before retention may let go of it. */
    public Builder keep(Duration age) {
      this.keep = age;
      return this;
    }

    /** The log. */
    public EvidenceLog build() {
      return new EvidenceLog(this);
    }
  }

  /** How old a record must be before retention may let go of it. */
  public Duration keep() {
    return keep;
  }

  /** Where this runs. */
  public String host() {
    return host;
  }

  /**
   * Keeps a record. Fails only if it is none: that the repository cannot be written is told in the
   * result.
   *
   * @param kind such as {@link EvidenceRecord#DRILL}
   * @param subject what it is about, such as a source's name
   * @param outcome such as {@link EvidenceRecord#PASSED}
   * @param document objects, lists, texts, whole numbers and truth values
   * @throws IllegalArgumentException if one of them has not the form of a record's
   */
  public Appended append(String kind, String subject, String outcome, Map<String, ?> document) {
    Draft draft = draft(kind, subject, outcome, document);
    try {
      spool.add(draft);
    } catch (IOException e) {
      return withoutSpool(draft, e);
    }
    try (Spool.Lock held = spool.lock()) {
      return new Appended(draft.id(), Appended.Place.STORED, write(held.drafts()));
    } catch (IOException | BackupException e) {
      return new Appended(draft.id(), Appended.Place.SPOOLED, Optional.of(said(e)));
    }
  }

  private Appended withoutSpool(Draft draft, IOException why) {
    try {
      return new Appended(draft.id(), Appended.Place.STORED, write(List.of(draft)));
    } catch (IOException | BackupException e) {
      e.addSuppressed(why);
      return new Appended(draft.id(), Appended.Place.LOST, Optional.of(said(e)));
    }
  }

  /**
   * Writes what waits in the state directory.
   *
   * @return how many records that were
   */
  public int flush() throws IOException {
    try (Spool.Lock held = spool.lock()) {
      List<Draft> drafts = held.drafts();
      if (!drafts.isEmpty()) {
        write(drafts);
      }
      return drafts.size();
    }
  }

  /** How many records wait in the state directory. */
  public int waiting() throws IOException {
    return spool.waiting();
  }

  /**
   * Reads and checks every record. What this host saw before and is gone is missing, also at the
   * end, where no other record refers to it.
   */
  public EvidenceChain read() throws IOException {
    Repository repository = access.open();
    List<EvidenceChain.Found> found = new ArrayList<>();
    List<EvidenceChain.Problem> problems = new ArrayList<>();
    for (BackupDescriptor backup : backups(repository)) {
      try {
        found.addAll(records(repository, backup));
      } catch (IOException e) {
        if (!(e instanceof ClassifiedFailure known) || known.kind() != FailureKind.DAMAGED) {
          throw e;
        }
        problems.add(
            new EvidenceChain.Problem(
                EvidenceChain.UNREADABLE, backup.id().value(), "is damaged: " + e.getMessage()));
      }
    }
    return EvidenceChain.of(
        repository.id(), found, problems, spool.index(repository.id()).digests(), keep);
  }

  /**
   * Reads what is stored, the newest first, without asking whether records follow each other. Left
   * out is what proves nothing: what is no record, is of another repository or is wrongly signed,
   * and what is not signed where this log signs or what was read is. For whoever looks again and
   * again: what came since the last look is always read.
   *
   * @param known is told what was read, by the backup that has it, and is not read again; those
   *     that are gone are taken out
   * @param wanted which records are kept there
   * @param enough whether neither this backup nor an older one need be read
   */
  public void readInto(
      Map<BackupId, List<EvidenceRecord>> known,
      Predicate<EvidenceRecord> wanted,
      Predicate<BackupDescriptor> enough)
      throws IOException {
    Repository repository = access.open();
    List<BackupDescriptor> stored = new ArrayList<>(backups(repository));
    known.keySet().retainAll(stored.stream().map(BackupDescriptor::id).toList());
    Collections.reverse(stored);
    boolean news = !known.isEmpty();
    boolean signed = known.values().stream().anyMatch(EvidenceLog::signed);
    for (BackupDescriptor backup : stored) {
      if (known.containsKey(backup.id())) {
        news = false;
        continue;
      }
      if (!news && enough.test(backup)) {
        return;
      }
      List<EvidenceRecord> read = vouchedFor(repository, backup);
      known.put(backup.id(), read.stream().filter(wanted).toList());
      signed |= signed(read);
      if (signed) {
        known.replaceAll(
            (id, records) -> records.stream().filter(one -> one.signature().isPresent()).toList());
      }
    }
  }

  private static boolean signed(List<EvidenceRecord> some) {
    return some.stream().anyMatch(one -> one.signature().isPresent());
  }

  private List<EvidenceRecord> vouchedFor(Repository repository, BackupDescriptor backup)
      throws IOException {
    try {
      return records(repository, backup).stream()
          .flatMap(one -> parsed(one.bytes()).stream())
          .filter(one -> one.repository().equals(repository.id()))
          .filter(one -> one.signature().isPresent() ? one.genuine() : signer.isEmpty())
          .toList();
    } catch (IOException e) {
      if (e instanceof ClassifiedFailure known && known.kind() == FailureKind.DAMAGED) {
        return List.of();
      }
      throw e;
    }
  }

  private static Optional<EvidenceRecord> parsed(byte[] bytes) {
    try {
      return Optional.of(EvidenceRecord.parse(bytes));
    } catch (IllegalArgumentException e) {
      return Optional.empty(); // none, or of another version
    }
  }

  private Draft draft(String kind, String subject, String outcome, Map<String, ?> document) {
    Instant now = clock.instant().truncatedTo(ChronoUnit.MILLIS);
    byte[] drawn = new byte[4];
    random.nextBytes(drawn);
    String id = "ev-" + TIME.format(now) + "-" + HexFormat.of().formatHex(drawn);
    return Draft.of(id, kind, now, actor, host, subject, outcome, document);
  }

  private static BackupException said(Exception e) {
    return e instanceof BackupException known ? known : BackupException.from((IOException) e);
  }

  private List<BackupDescriptor> backups(Repository repository) {
    return repository.source(source).isEmpty()
        ? List.of()
        : repository.backups(Optional.of(source));
  }

  private static List<EvidenceChain.Found> records(Repository repository, BackupDescriptor backup)
      throws IOException {
    List<EvidenceChain.Found> found = new ArrayList<>();
    try (BackupReader reader = repository.open(backup.id())) {
      List<String> paths = new ArrayList<>();
      reader.entries(
          entry -> {
            if (entry.area() == StoredFile.Area.DATA && entry.kind() == StoredFile.Kind.FILE) {
              paths.add(entry.path());
            }
          });
      for (String path : paths) {
        Optional<byte[]> content = reader.read(StoredFile.Area.DATA, path);
        if (content.isPresent()) {
          found.add(new EvidenceChain.Found(backup.id() + " " + path, content.get()));
        }
      }
    }
    return found;
  }

  /** What is stored, as far as linking needs it; reads only what this host has not read before. */
  private Index known(Repository repository) throws IOException {
    Index index = spool.index(repository.id());
    for (BackupDescriptor backup : backups(repository)) {
      if (!index.has(backup.id())) {
        List<EvidenceRecord> records = new ArrayList<>();
        try {
          for (EvidenceChain.Found one : records(repository, backup)) {
            records.add(EvidenceRecord.parse(one.bytes()));
          }
        } catch (IOException e) {
          if (!(e instanceof ClassifiedFailure failure) || failure.kind() != FailureKind.DAMAGED) {
            throw e;
          }
          continue; // reading names it; what comes now is no reason to keep nothing
        } catch (IllegalArgumentException e) {
          continue;
        }
        index.add(backup.id(), records);
      }
    }
    return index;
  }

  /**
   * Stores records.
   *
   * @return what did not work after they were
   */
  private Optional<BackupException> write(List<Draft> drafts) throws IOException {
    Repository repository = access.open();
    repository.register(source, TYPE);
    Index index = known(repository);
    List<Draft> wanted = new ArrayList<>(drafts);
    wanted.removeIf(draft -> index.hasRecord(draft.id())); // written, and nobody was told
    List<Anchored> old = index.olderThan(clock.instant().minus(keep));
    if (!old.isEmpty()) {
      wanted.add(
          draft(EvidenceRecord.ANCHOR, source, EvidenceRecord.PASSED, Anchored.document(old)));
    }
    if (!wanted.isEmpty()) {
      List<EvidenceRecord> records = linked(repository.id(), index.heads(), wanted);
      BackupDescriptor backup = store(repository, records);
      index.add(backup.id(), records);
    }
    try {
      spool.remove(drafts);
      spool.save(repository.id(), index);
      keepAndLetGo(repository, index);
      return Optional.empty();
    } catch (IOException | BackupException e) {
      return Optional.of(said(e));
    }
  }

  private List<EvidenceRecord> linked(String repository, Set<String> heads, List<Draft> drafts)
      throws IOException {
    List<EvidenceRecord> records = new ArrayList<>();
    List<String> previous = heads.stream().sorted().toList();
    for (Draft draft : drafts) {
      EvidenceRecord record = draft.record(repository, previous);
      if (signer.isPresent()) {
        record = record.signed(signer.get());
      }
      records.add(record);
      previous = List.of(record.digest());
    }
    return records;
  }

  private BackupDescriptor store(Repository repository, List<EvidenceRecord> records)
      throws IOException {
    Instant begun = clock.instant();
    try (BackupWriter writer =
        repository.begin(new BackupStart(source, BackupType.FULL, Optional.empty(), begun))) {
      for (EvidenceRecord record : records) {
        byte[] bytes = record.bytes();
        StoredFile file =
            new StoredFile(
                StoredFile.Area.DATA,
                FOLDER + record.id() + ".json",
                StoredFile.Kind.FILE,
                bytes.length,
                0600,
                record.at());
        try (BackupWriter.FileWriter out = writer.file(file, PieceCheck.NONE)) {
          out.write(bytes, 0, bytes.length);
          out.finish();
        }
      }
      return writer.commit(
          BackupFacts.withoutServer(
              begun,
              clock.instant(),
              Map.of("evidence.records", Integer.toString(records.size())),
              List.of()),
          BackupStatus.COMPLETE);
    }
  }

  /** Holds what is not held yet, and lets go of what an anchor names. */
  private void keepAndLetGo(Repository repository, Index index) throws IOException {
    for (BackupState state : repository.states(Optional.of(source))) {
      if (state.stage() == BackupState.Stage.LIVE) {
        boolean held = state.holds().stream().anyMatch(hold -> hold.reason().equals(HOLD));
        boolean named = index.anchored(state.backup().id());
        if (held && named) {
          repository.release(state.backup().id(), HOLD);
        } else if (!held && !named) {
          repository.hold(state.backup().id(), HOLD, Optional.empty());
        }
      }
    }
  }
}
