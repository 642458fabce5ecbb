package com.thorbis.backup.api;

import com.thorbis.backup.spi.Names;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Providers;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.engine.SourceEngineFactory;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.InitReport;
import com.thorbis.backup.spi.repository.ObjectDescription;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryFactory;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.TierStep;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StorageTier;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The entry point: sources, and one repository that protects them. Built either from the host's own
 * objects, which the host closes after this, or by name through providers, which are closed with
 * it. Contacts nobody until it is used. Safe for several threads; while one opens the repository or
 * reads what is new in it, {@link #close} waits, and the others wait until that was done for all of
 * them once more. What takes no {@link RunControl} ends early only by an interrupt, as far as the
 * store heeds it.
 *
 * <p>Failures are {@link BackupException}s.
 */
public final class ThorbisBackup implements AutoCloseable {
  private final RepositoryFactory repositories;
  private final RepositorySetup setup;
  private final Map<String, SourceEngine> sources;
  private final List<AutoCloseable> owned;
  private final SharedRun reading = new SharedRun();
  private @Nullable Repository repository;

  private ThorbisBackup(
      RepositoryFactory repositories,
      RepositorySetup setup,
      Map<String, SourceEngine> sources,
      List<AutoCloseable> owned) {
    this.repositories = repositories;
    this.setup = setup;
    this.sources = sources;
    this.owned = owned;
  }

  /** Starts one. */
  public static Builder builder() {
    return new Builder();
  }

  /** The names of the configured sources, in the order they were given. */
  public List<String> sources() {
    return List.copyOf(sources.keySet());
  }

  /** Creates the repository where there is none; otherwise changes nothing. */
  public InitReport init() {
    return call(() -> repositories.init(setup));
  }

  /** Looks at every precondition of a source. Changes nothing. */
  public List<CheckItem> check(String source) {
    SourceEngine engine = engine(source);
    return call(() -> engine.check(repository()));
  }

  /** The statements that give the source's role what it needs and nothing more. */
  public String grants(String source) {
    SourceEngine engine = engine(source);
    return call(engine::grants);
  }

  /**
   * Takes a backup and waits until the WAL it needs is stored.
   *
   * @throws BackupException code {@code backup.awaiting-wal} if that WAL did not come in time; the
   *     backup is listed and becomes complete when it does
   */
  public BackupDescriptor backup(BackupRequest request, RunControl control) {
    SourceEngine engine = engine(request.source());
    return call(() -> engine.backup(request, repository(), control));
  }

  /**
   * The engine of a source, for what engines of its kind alone can do. Stays this object's.
   *
   * @throws BackupException code {@code source.other-type} if it is of another kind
   */
  public <T extends SourceEngine> T engine(String source, Class<T> kind) {
    SourceEngine engine = engine(source);
    if (!kind.isInstance(engine)) {
      throw BackupException.of(
              "source.other-type",
              FailureKind.CONFIGURATION,
              "Source "
                  + source
                  + " is of a type that this is not for: it is protected by "
                  + engine.getClass().getSimpleName()
                  + ", and not by "
                  + kind.getSimpleName())
          .remedy("Name a source of the right type.")
          .build();
    }
    return kind.cast(engine);
  }

  /** Committed backups, oldest first; of one source if given. */
  public List<BackupDescriptor> backups(Optional<String> source) {
    return call(
        () -> {
          Repository open = repository();
          if (source.isPresent()
              && open.source(source.get()).isEmpty()
              && open.erasures().stream().noneMatch(one -> one.source().equals(source.get()))) {
            engine(source.get()); // not registered yet, or no such source at all
          }
          return open.backups(source);
        });
  }

  /** One committed backup. */
  public BackupDescriptor show(BackupId id) {
    return call(() -> repository().backup(id)).orElseThrow(() -> noSuchBackup(id));
  }

  /** Visits every entry of a backup, in stored order, with bounded memory. */
  public void entries(BackupId id, BackupReader.EntryVisitor visitor) {
    show(id);
    call(
        () -> {
          try (BackupReader reader = repository().open(id)) {
            reader.entries(visitor);
          }
          return true;
        });
  }

  /**
   * What is recoverable of a source now, by what is stored. The source itself is asked for a moment
   * whether it is fenced, and need not answer.
   */
  public SourceStatus status(String source) {
    SourceEngine engine = engine(source);
    return call(() -> engine.status(repository()));
  }

  /**
   * What a source says of its log, asked for a moment; empty if it keeps none that is stored.
   *
   * @throws BackupException if it cannot be asked
   */
  public Optional<ServerLog> serverLog(String source) {
    return engine(source).serverLog();
  }

  /**
   * Proves that a moment can be reached, and says how.
   *
   * @throws BackupException code {@code restore.unreachable} with {@code nearest} in its details
   */
  public RestorePlan plan(RestoreRequest request) {
    SourceEngine engine = engine(request.source());
    return call(() -> engine.plan(request, repository()));
  }

  /**
   * Plans and brings a source back; with {@link RestoreRequest#start} also proves the position
   * reached.
   */
  public RestoreReport restore(RestoreRequest request, RunControl control) {
    SourceEngine engine = engine(request.source());
    return call(() -> engine.restore(request, repository(), control));
  }

  /**
   * Proves that the moment can be reached from which tables, or a whole database, are wanted, and
   * says what would be done.
   *
   * @throws BackupException code {@code restore.unreachable} with {@code nearest} in its details;
   *     kind REFUSED where they would meet something of their name
   */
  public TableRestorePlan planTables(TableRestoreRequest request) {
    SourceEngine engine = engine(request.source());
    return call(() -> engine.planTables(request, repository()));
  }

  /**
   * Brings tables, or a whole database, back through a throw-away server on this host, of which
   * nothing stays: not after a failure either, and after a kill until the next call. A whole
   * database becomes a new one, which has its name only once it is whole and compared.
   *
   * @throws BackupException code {@code restore.table-not-found} of kind NOT_FOUND for a table that
   *     did not exist then; kind REFUSED where something of its name exists
   */
  public TableRestoreReport restoreTables(TableRestoreRequest request, RunControl control) {
    SourceEngine engine = engine(request.source());
    return call(() -> engine.restoreTables(request, repository(), control));
  }

  /**
   * Says what loading a dump would do. Asks the target, and changes nothing.
   *
   * @throws BackupException code {@code load.no-dump} if the backup is none
   */
  public LoadPlan planLoad(LoadRequest request) {
    SourceEngine engine = engine(show(request.backup()).source());
    return call(() -> engine.planLoad(request, repository()));
  }

  /**
   * Brings a dump into a running server, in one transaction, and compares every table with what was
   * dumped; what differs is in the report.
   *
   * @throws BackupException code {@code load.tables-exist}, kind REFUSED, if the target has some of
   *     the tables and they are not to be replaced; code {@code load.failed} if nothing was loaded
   */
  public LoadReport load(LoadRequest request, RunControl control) {
    SourceEngine engine = engine(show(request.backup()).source());
    return call(() -> engine.load(request, repository(), control));
  }

  /** Checks what is stored. Damage is in the report. */
  public VerifyReport verify(VerifyRequest request, RunControl control) {
    request.backup().ifPresent(this::show);
    return call(() -> repository().verify(request, control));
  }

  /** What has become of backups, deleted ones that are not gone yet among them. */
  public List<BackupState> states(Optional<String> source) {
    return call(() -> repository().states(source));
  }

  /** What pruning a source would do now. Changes nothing. */
  public PrunePlan planPrune(String source, RetentionPolicy policy) {
    return call(() -> repository().planPrune(source, policy));
  }

  /** What a request would do now; its own plan is not looked at. Changes nothing. */
  public PrunePlan planPrune(PruneRequest request) {
    return call(() -> repository().planPrune(request));
  }

  /**
   * What retention will have left of a source at dates to come, if every backup of the schedule
   * succeeds and is verified. Changes nothing.
   */
  public List<RetentionForecast> forecast(
      String source, RetentionPolicy policy, List<Instant> schedule, List<Instant> dates) {
    return call(() -> repository().forecast(source, policy, schedule, dates));
  }

  /** Removes what was given up earlier, and gives up what a policy lets go of; or one backup. */
  public PruneReport prune(PruneRequest request, RunControl control) {
    return call(() -> repository().prune(request, control));
  }

  /** Keeps a backup whatever a policy says, until a moment or until it is released. */
  public BackupState hold(BackupId id, String reason, Optional<Instant> until) {
    return call(() -> repository().hold(id, reason, until));
  }

  /** Removes the hold of this reason. */
  public BackupState release(BackupId id, String reason) {
    return call(() -> repository().release(id, reason));
  }

  /** Brings a deleted backup back whose bytes are still there. */
  public BackupState undelete(BackupId id) {
    return call(() -> repository().undelete(id));
  }

  /** What each copy holds, and how all of them stand against 3-2-1-1-0. */
  public CopiesReport copies(RunControl control) {
    return call(() -> repository().copies(control));
  }

  /** Looks whether each copy can be asked and is what it should be. Changes nothing. */
  public List<CheckItem> checkCopies() {
    return call(() -> repository().checkCopies());
  }

  /**
   * Tries, on small objects below {@code probe/}, what the store of each copy enforces, and
   * remembers it in the state directory. Where objects are locked, one of them stays for some
   * minutes. Opened to look only, it tells what was found before.
   *
   * <p>Whatever writes first does the same where this machine has not done it in seven days, and
   * fails with {@code storage.not-conditional} where two writers would destroy each other's
   * backups.
   */
  public List<CheckItem> probeCopies() {
    return call(() -> repository().probeCopies());
  }

  /** Looks whether each recipient still opens every key. Changes nothing. */
  public List<CheckItem> checkKeys() {
    return call(() -> repository().checkKeys());
  }

  /** A warning if keys are used for longer than they should be. Tries none; changes nothing. */
  public List<CheckItem> checkKeyAge() {
    return call(() -> repository().checkKeyAge());
  }

  /** The keys there are, and who opens them, by what is stored. */
  public KeysReport keys() {
    return call(() -> repository().keys());
  }

  /** Gives trees another key for what is sealed from now on; what is stored stays as it is. */
  public RotateReport rotateKeys(RotateRequest request) {
    return call(() -> repository().rotateKeys(request));
  }

  /** What {@link #rewrapKeys} would do now. Changes nothing. */
  public RewrapReport planRewrap(RewrapRequest request) {
    return call(() -> repository().planRewrap(request));
  }

  /** Wraps every key to the recipients that are configured now; data stays as it is. */
  public RewrapReport rewrapKeys(RewrapRequest request, RunControl control) {
    return call(() -> repository().rewrapKeys(request, control));
  }

  /** What {@link #rekey} would do now, and what it would leave. Changes nothing. */
  public RekeyReport planRekey(RekeyRequest request) {
    return call(() -> repository().planRekey(request));
  }

  /**
   * Writes backups and log anew under the last key of their source, and gives up what lies under
   * earlier ones.
   */
  public RekeyReport rekey(RekeyRequest request, RunControl control) {
    return call(() -> repository().rekey(request, control));
  }

  /** Sources that are to be erased, and those that were. */
  public List<Erasure> erasures() {
    return call(() -> repository().erasures());
  }

  /** What {@link #erase} would do now. Changes nothing. */
  public ErasePlan planErase(EraseRequest request) {
    return call(() -> repository().planErase(request));
  }

  /**
   * Takes the next step towards destroying the keys of a source: asks for it, or, once the delay is
   * over, does it for good.
   */
  public Erasure erase(EraseRequest request, RunControl control) {
    return call(() -> repository().erase(request, control));
  }

  /**
   * Takes back that a source is to be erased.
   *
   * @param by who does, for the record
   */
  public void unerase(String source, String by) {
    call(
        () -> {
          repository().unerase(source, by);
          return true;
        });
  }

  /** Who may write to the repository, and what others tried who may not. */
  public WritersReport writers() {
    return call(() -> repository().writers());
  }

  /** Changes who may write; the key that this host signs with has to be an administrator's. */
  public WritersReport changeWriters(WritersRequest request) {
    return call(
        () ->
            setup.administrators().isEmpty()
                ? repository().changeWriters(request)
                : repositories.changeWriters(setup, request));
  }

  /**
   * What a host needs to write to the repository and to read nothing of it; holds no secret. Signed
   * with this host's signing key, which must be an administrator's.
   */
  public String sealedWriter(SealedWriterRequest request) {
    return call(() -> repository().sealedWriter(request));
  }

  /** What sealed writers have stored that is not adopted yet. Changes nothing. */
  public OffersReport offers(RunControl control) {
    return call(() -> repository().offers(control));
  }

  /**
   * Makes what sealed writers have stored the repository's own; what is missing or altered is in
   * the report. Interrupted, it goes on the next time.
   *
   * @param forgotten sessions that are given up, whatever they hold
   */
  public OffersReport adoptOffers(List<String> forgotten, RunControl control) {
    return call(() -> repository().adoptOffers(forgotten, control));
  }

  /** Whether this host may write, and what others tried who may not. Changes nothing. */
  public List<CheckItem> checkWriters() {
    return call(() -> repository().checkWriters());
  }

  /** How a backup lies in the repository. */
  public BackupReader.Layout layout(BackupId id) {
    show(id);
    return call(
        () -> {
          try (BackupReader reader = repository().open(id)) {
            return reader.layout();
          }
        });
  }

  /** Gives every copy what it lacks of what the others hold. */
  public SyncReport syncCopies(RunControl control) {
    return call(() -> repository().syncCopies(control));
  }

  /** Verifies every copy and repairs what is damaged from one that has it whole. */
  public HealReport healCopies(RunControl control) {
    return call(() -> repository().healCopies(control));
  }

  /**
   * Makes the first configured copy the one that decides who writes.
   *
   * @param force do so although the copy that decided so far is gone for good
   */
  public void promoteCopy(boolean force) {
    call(
        () -> {
          repositories.promote(setup, force);
          return true;
        });
  }

  /** Captures WAL until cancelled. */
  public void receiveWal(ReceiveRequest request, RunControl control) {
    SourceEngine engine = engine(request.source());
    call(
        () -> {
          engine.receiveWal(request, repository(), control);
          return true;
        });
  }

  /** Serves {@code archive_command} and {@code restore_command} of a source until cancelled. */
  public void serveWal(String source, RunControl control) {
    SourceEngine engine = engine(source);
    call(
        () -> {
          engine.serveWal(this::repository, control);
          return true;
        });
  }

  /** Stores one segment or history file by hand. */
  public WalArchive.Stored pushWal(String source, Path file) {
    SourceEngine engine = engine(source);
    return call(() -> engine.pushWal(file, repository()));
  }

  /**
   * Delivers one segment or history file.
   *
   * @return false only if it is positively absent
   */
  public boolean getWal(String source, String fileName, Path destination) {
    SourceEngine engine = engine(source);
    return call(() -> engine.getWal(fileName, destination, repository()));
  }

  /** Stretches of stored WAL, in order. */
  public List<WalRange> walRanges(String source) {
    SourceEngine engine = engine(source);
    return call(() -> engine.walRanges(repository()));
  }

  /** The exact setting for the server's configuration. */
  public String walHook(String source, SourceEngine.Hook hook) {
    return engine(source).walHook(hook);
  }

  /**
   * A source as the repository knows it.
   *
   * @throws BackupException code {@code source.not-registered} if it was never backed up
   */
  public SourceInfo source(String source) {
    return call(() -> repository().source(source))
        .orElseThrow(
            () ->
                BackupException.of(
                        "source.not-registered",
                        FailureKind.NOT_FOUND,
                        "The repository has no source " + source)
                    .remedy("Take a backup of it first; that registers it.")
                    .build());
  }

  /**
   * Lifts the fence of a restored cluster, which leads the source's life from then on.
   *
   * @throws BackupException code {@code adopt.still-fenced} if it is adopted and its role may not
   *     lift the fence; the remedy says how to
   */
  public SourceInfo adopt(String source, RunControl control) {
    SourceEngine engine = engine(source);
    return call(() -> engine.adopt(repository(), control));
  }

  /** Looks at one repository object without any key. */
  public ObjectDescription decode(InputStream object) {
    return call(() -> repositories.decode(object));
  }

  /** The open repository. It is closed with this. */
  public Repository repository() throws IOException {
    while (true) {
      reading.run(this::openOrRefresh);
      synchronized (this) {
        Repository open = repository;
        if (open != null) { // another thread may have closed this meanwhile
          return open;
        }
      }
    }
  }

  /** The configured copies of the repository, the one that decides first. */
  public List<Copy> configuredCopies() {
    return setup.copies();
  }

  /**
   * Opens the repository as one copy alone gives it, to look only: what that copy lacks, no other
   * makes up for. The caller closes it before this.
   *
   * @param name as in {@link #configuredCopies}
   * @throws BackupException code {@code copy.not-configured} if there is none of this name, with
   *     those there are
   */
  public Repository openCopy(String name) {
    Copy copy = configuredCopy(name);
    return call(() -> repositories.open(setup.only(copy)));
  }

  /** The copy of this name; fails as {@link #openCopy} does. */
  public Copy configuredCopy(String name) {
    List<String> names = setup.copies().stream().map(Copy::name).toList();
    return setup.copies().stream()
        .filter(copy -> copy.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                BackupException.of(
                        "copy.not-configured",
                        FailureKind.NOT_FOUND,
                        "No copy \""
                            + name
                            + "\" is configured; there are: "
                            + String.join(", ", names))
                    .remedy(
                        Names.nearest(name, names)
                            .map(near -> "Did you mean " + near + "?")
                            .orElse("Name one as repository.copies has it."))
                    .build());
  }

  private synchronized void openOrRefresh() throws IOException {
    Repository open = repository;
    if (open == null) {
      repository = repositories.open(setup);
    } else {
      open.refresh();
    }
  }

  /** Closes the repository and what was opened by name. */
  @Override
  public synchronized void close() {
    List<AutoCloseable> all = new ArrayList<>(owned);
    Repository open = repository;
    if (open != null) {
      all.add(0, open);
      repository = null;
    }
    closeAll(all);
  }

  private static void closeAll(List<AutoCloseable> all) {
    BackupException failure = null;
    for (AutoCloseable each : all) {
      try {
        each.close();
      } catch (Exception e) {
        if (failure == null) {
          failure = BackupException.of("close", FailureKind.PERMANENT, "Could not close").build();
        }
        failure.addSuppressed(e);
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  private SourceEngine engine(String source) {
    return engine(sources, source);
  }

  private static SourceEngine engine(Map<String, SourceEngine> sources, String source) {
    SourceEngine engine = sources.get(source);
    if (engine == null) {
      throw BackupException.of(
              "source.not-configured",
              FailureKind.NOT_FOUND,
              "No source \""
                  + source
                  + "\" is configured; there are: "
                  + String.join(", ", sources.keySet()))
          .remedy(
              Names.nearest(source, sources.keySet())
                  .map(near -> "Did you mean " + near + "?")
                  .orElse("Add it under sources."))
          .build();
    }
    return engine;
  }

  private static BackupException noSuchBackup(BackupId id) {
    return BackupException.of(
            "backup.not-found", FailureKind.NOT_FOUND, "No backup " + id + " in this repository")
        .remedy("See the backups there are with list.")
        .build();
  }

  private static <T> T call(Call<T> call) {
    try {
      return call.run();
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  @FunctionalInterface
  private interface Call<T> {
    T run() throws IOException;
  }

  /** Collects what an instance is made of. Each slot takes an object of the host's, or a name. */
  public static final class Builder {
    private final List<Function<Opener, Copy>> copies = new ArrayList<>();
    private final List<Function<Opener, KeyProvider>> recipients = new ArrayList<>();
    private final Map<String, Function<Opener, SourceEngine>> sources = new LinkedHashMap<>();
    private ProviderLoader loader =
        ProviderLoader.serviceLoader(ThorbisBackup.class.getClassLoader());
    private @Nullable Path stateDirectory;
    private @Nullable RepositoryFactory repositories;
    private WritePolicy writePolicy = WritePolicy.PRIMARY;
    private Compression compression = Compression.DEFAULT;
    private int parallelism = Math.max(1, Runtime.getRuntime().availableProcessors());
    private boolean singleKeyRiskAccepted;
    private boolean readOnly;
    private @Nullable Signer signer;
    private final List<String> administrators = new ArrayList<>();
    private @Nullable String sealed;
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /** A folder for local state that may be lost; created with mode 0700. */
    public Builder stateDirectory(Path directory) {
      this.stateDirectory = directory;
      return this;
    }

    /** Adds a copy of the repository in the host's own store. */
    public Builder copy(ObjectStore store) {
      return copy(Copy.of(store));
    }

    /** Adds a copy of the repository in the host's own store; the first decides who writes. */
    public Builder copy(Copy copy) {
      copies.add(opener -> copy);
      return this;
    }

    /**
     * Adds a copy of the repository by name; the first decides who writes.
     *
     * @param settings the adapter's, without its scheme in front, and what is said of the place:
     *     {@code medium}, {@code domain}, {@code location}, {@code offsite}, {@code immutable}
     */
    public Builder copy(URI location, Map<String, ?> settings) {
      return copy(location, settings, Optional.empty());
    }

    /**
     * Adds a copy of the repository by name that may keep less than the repository does.
     *
     * @param retention what it keeps of what the repository keeps; empty: all of it
     * @see #copy(URI, Map)
     */
    public Builder copy(
        URI location, Map<String, ?> settings, Optional<RetentionPolicy> retention) {
      copies.add(opener -> opener.copy(location, settings, copies.size() > 1, retention));
      return this;
    }

    /** Chooses when an object counts as written: when the first copy has it, otherwise. */
    public Builder writePolicy(WritePolicy policy) {
      this.writePolicy = policy;
      return this;
    }

    /** Adds a recipient of the host's own. */
    public Builder recipient(KeyProvider recipient) {
      recipients.add(opener -> recipient);
      return this;
    }

    /** Adds a recipient by name. */
    public Builder recipient(URI recipient, Map<String, ?> settings) {
      recipients.add(opener -> opener.recipient(recipient, settings));
      return this;
    }

    /** Accepts that losing one key loses everything. */
    public Builder acceptSingleKeyRisk(boolean accepted) {
      this.singleKeyRiskAccepted = accepted;
      return this;
    }

    /** Signs what this host commits: needed where the repository names who may write. */
    public Builder signer(Signer signer) {
      this.signer = signer;
      return this;
    }

    /**
     * Adds an administrator of the repository. With any, a repository counts as the right one only
     * if its writers go back to a list that one of these keys has signed, whatever else lies there;
     * else it is refused with the code {@code repository.administrator-unknown}.
     *
     * @param publicKey as {@code keys signing-key} prints it
     */
    public Builder administrator(String publicKey) {
      administrators.add(publicKey);
      return this;
    }

    /**
     * Only writes, and opens nothing: backups and log count once another host has adopted them. It
     * needs a {@link #signer}, an {@link #administrator}, and one copy, and no recipients. What it
     * lists is what this process has stored.
     *
     * @param grant what {@link ThorbisBackup#sealedWriter} gave, signed by such an administrator
     */
    public Builder sealed(String grant) {
      this.sealed = grant;
      return this;
    }

    /** Adds a source with the host's own engine. */
    public Builder source(String name, SourceEngine engine) {
      return addSource(name, opener -> engine);
    }

    /**
     * Adds a source by name.
     *
     * @param type such as {@code postgres}
     * @param settings dotted keys, such as {@code wal.slot}
     */
    public Builder source(String name, String type, Map<String, ?> settings) {
      return addSource(name, opener -> opener.source(name, type, settings));
    }

    /** Chooses how new pieces are compressed. */
    public Builder compression(Compression compression) {
      this.compression = compression;
      return this;
    }

    /** Chooses how many threads compress and seal. */
    public Builder parallelism(int threads) {
      this.parallelism = threads;
      return this;
    }

    /** Replaces how providers are found. */
    public Builder providers(ProviderLoader loader) {
      this.loader = loader;
      return this;
    }

    /** Uses this repository engine instead of the one that providers offer. */
    public Builder repositories(RepositoryFactory factory) {
      this.repositories = factory;
      return this;
    }

    /** Opens the repository to look only: what verifying found is then not recorded either. */
    public Builder readOnly(boolean readOnly) {
      this.readOnly = readOnly;
      return this;
    }

    /** Replaces the system's clock. */
    public Builder clock(Clock clock) {
      this.clock = clock;
      return this;
    }

    /**
     * The instance.
     *
     * @throws BackupException of kind {@link FailureKind#CONFIGURATION} if something is missing or
     *     wrong
     */
    public ThorbisBackup build() {
      Path state = Objects.requireNonNull(stateDirectory, "stateDirectory");
      if (copies.isEmpty()) {
        throw BackupException.of(
                "configuration.invalid", FailureKind.CONFIGURATION, "repository.copies is missing")
            .remedy("Name at least one place for the repository.")
            .build();
      }
      createPrivately(state);
      List<AutoCloseable> owned = new ArrayList<>();
      try {
        Map<String, SourceEngine> engines = new LinkedHashMap<>();
        Opener opener = new Opener(loader, clock, state, owned, name -> engine(engines, name));
        RepositorySetup.Builder setup =
            RepositorySetup.builder()
                .acceptSingleKeyRisk(singleKeyRiskAccepted)
                .writePolicy(writePolicy)
                .compression(compression)
                .parallelism(parallelism)
                .stateDirectory(state)
                .readOnly(readOnly)
                .clock(clock);
        copies.forEach(copy -> setup.copy(copy.apply(opener)));
        recipients.forEach(recipient -> setup.recipient(recipient.apply(opener)));
        if (signer != null) {
          setup.signer(signer);
        }
        administrators.forEach(setup::administrator);
        if (sealed != null) {
          setup.sealed(sealed);
        }
        sources.forEach((name, source) -> engines.put(name, source.apply(opener)));
        return new ThorbisBackup(
            repositories != null ? repositories : opener.repositories(),
            setup.build(),
            engines,
            owned);
      } catch (RuntimeException e) {
        try {
          closeAll(owned);
        } catch (BackupException closing) {
          e.addSuppressed(closing);
        }
        throw e;
      }
    }

    private Builder addSource(String name, Function<Opener, SourceEngine> source) {
      if (sources.putIfAbsent(name, source) != null) {
        throw BackupException.of(
                "configuration.invalid",
                FailureKind.CONFIGURATION,
                "Two sources are named \"" + name + "\"")
            .remedy("Rename one of them.")
            .build();
      }
      return this;
    }

    private static void createPrivately(Path directory) {
      try {
        Path parent = directory.toAbsolutePath().getParent();
        if (parent != null && !Files.isDirectory(parent)) {
          createPrivately(parent);
        }
        Files.createDirectory(
            directory,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      } catch (FileAlreadyExistsException e) {
        if (!Files.isDirectory(directory)) {
          throw stateUnusable(directory, e);
        }
      } catch (IOException e) {
        throw stateUnusable(directory, e);
      }
    }

    private static BackupException stateUnusable(Path directory, IOException e) {
      return BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              "state-directory: cannot use " + directory + ": " + e)
          .remedy("Name a folder that this account can write to.")
          .cause(e)
          .build();
    }
  }

  /** Opens providers by name and remembers them for closing. */
  private record Opener(
      ProviderLoader loader,
      Clock clock,
      Path stateDirectory,
      List<AutoCloseable> owned,
      Function<String, SourceEngine> sources) {
    private static final List<String> FACTS =
        List.of("medium", "domain", "location", "offsite", "immutable", "tier", "tiers", "lock");

    /**
     * Opens a copy.
     *
     * @param spare whether there are others: then one that cannot be reached now is asked later
     * @param retention what it keeps of what the repository keeps
     */
    Copy copy(
        URI location, Map<String, ?> values, boolean spare, Optional<RetentionPolicy> retention) {
      Map<String, Object> adapter = new LinkedHashMap<>(values);
      Map<String, Object> said = new LinkedHashMap<>();
      for (String fact : FACTS) {
        Object value = adapter.remove(fact);
        if (value != null) {
          said.put(fact, value);
        }
      }
      Settings facts = Settings.of("copy " + location, said);
      Copy.Builder copy = Copy.builder(store(location, adapter, spare)).name(location.toString());
      facts.find("medium").ifPresent(copy::medium);
      facts.find("domain").ifPresent(copy::domain);
      facts.find("location").ifPresent(copy::location);
      copy.offsite(facts.flag("offsite", false));
      copy.immutable(facts.flag("immutable", false));
      facts.find("tier").ifPresent(tier -> copy.tier(tier(tier, location)));
      facts.find("tiers").ifPresent(tiers -> copy.tiers(tiers(tiers, location)));
      if (facts.find("lock").isPresent()) {
        copy.lock(facts.duration("lock", Duration.ZERO));
      }
      retention.ifPresent(copy::retention);
      return copy.build();
    }

    /** Such as {@code 30d=cold, 90d=archive}. */
    private static List<TierStep> tiers(String text, URI location) {
      List<TierStep> steps = new ArrayList<>();
      for (String step : text.split(",", -1)) {
        String[] parts = step.strip().split("=", -1);
        String after = parts[0].strip();
        StorageTier tier = tier(parts.length == 2 ? parts[1].strip() : step.strip(), location);
        Duration age =
            Settings.of("copy " + location, Map.of("tiers", after))
                .duration("tiers", Duration.ZERO);
        try {
          steps.add(new TierStep(age, tier));
        } catch (IllegalArgumentException e) {
          throw BackupException.of(
                  "configuration.tiers",
                  FailureKind.CONFIGURATION,
                  "copy " + location + ": tiers: \"" + step.strip() + "\" (1d or more, not hot)")
              .remedy("Write an age and a tier, such as 30d=cold.")
              .build();
        }
      }
      return steps;
    }

    private static StorageTier tier(String tier, URI location) {
      for (StorageTier one : StorageTier.values()) {
        if (one.label().equals(tier)) {
          return one;
        }
      }
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              "copy " + location + ": tier: there is no \"" + tier + "\"")
          .remedy("Write hot, warm, cold or archive.")
          .build();
    }

    private ObjectStore store(URI location, Map<String, ?> values, boolean spare) {
      String scheme = scheme(location);
      Settings settings = Settings.of(scheme, values);
      ObjectStoreFactory factory =
          Providers.load(ObjectStoreFactory.class, "store", ObjectStoreFactory::scheme, loader)
              .require(scheme);
      ObjectStore store;
      try {
        store = factory.open(location, context(settings));
      } catch (IOException e) {
        if (!spare || e instanceof ClassifiedFailure failure && isFinal(failure.kind())) {
          throw BackupException.from(e);
        }
        store = new LateStore(location.toString(), () -> factory.open(location, context(settings)));
        owned.add(store);
        return store;
      }
      owned.add(store);
      settings.requireAllRead();
      return store;
    }

    private static boolean isFinal(FailureKind kind) {
      return kind == FailureKind.CONFIGURATION;
    }

    KeyProvider recipient(URI recipient, Map<String, ?> values) {
      String scheme = scheme(recipient);
      Settings settings = Settings.of("recipient " + scheme, values);
      KeyProviderFactory factory =
          Providers.load(KeyProviderFactory.class, "recipient", KeyProviderFactory::scheme, loader)
              .require(scheme);
      KeyProvider provider = call(() -> factory.open(recipient, context(settings)));
      owned.add(provider);
      settings.requireAllRead();
      return provider;
    }

    SourceEngine source(String name, String type, Map<String, ?> values) {
      Settings settings = Settings.of("sources." + name, values);
      SourceEngineFactory factory =
          Providers.load(
                  SourceEngineFactory.class, "source type", SourceEngineFactory::type, loader)
              .require(type);
      SourceEngine engine = factory.open(name, context(settings));
      owned.add(engine);
      settings.requireAllRead();
      return engine;
    }

    RepositoryFactory repositories() {
      return Providers.load(
              RepositoryFactory.class,
              "repository engine",
              factory -> factory.getClass().getName(),
              loader)
          .only();
    }

    private ProviderContext context(Settings settings) {
      return new Context(settings, clock, stateDirectory, loader, sources);
    }

    private static String scheme(URI uri) {
      String scheme = uri.getScheme();
      if (scheme == null) {
        throw BackupException.of(
                "configuration.invalid",
                FailureKind.CONFIGURATION,
                "uri: \"" + uri + "\" has no scheme")
            .remedy("Write one in front, such as file:///var/lib/thorbis/repo.")
            .build();
      }
      return scheme;
    }
  }

  private record Context(
      Settings settings,
      Clock clock,
      Path stateDirectory,
      ProviderLoader providers,
      Function<String, SourceEngine> sources)
      implements ProviderContext {
    @Override
    public SourceEngine source(String name) {
      return sources.apply(name);
    }
  }
}
