package com.thorbis.backup.storage.internal.session;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.ErasePlan;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.Erasure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.OffersReport;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionForecast;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RewrapReport;
import com.thorbis.backup.api.RewrapRequest;
import com.thorbis.backup.api.RotateReport;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.SealedWriterRequest;
import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.storage.internal.SealedRepository;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.Tuning;
import com.thorbis.backup.storage.internal.catalog.Bootstrap;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.Registrar;
import com.thorbis.backup.storage.internal.catalog.SealedGrant;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.wal.SealedWalArchive;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The repository as a sealed writer has it: what this process stores, and nothing of what others
 * did. Everything else is refused. Its keys are gone when it is closed.
 */
public final class SessionRepository implements Repository {
  private static final Logger LOG = LoggerFactory.getLogger(SessionRepository.class);

  private final SealedGrant grant;
  private final WriteOnlyStore store;
  private final SessionKey key;
  private final OwnSessions own;
  private final Services services;
  private final SealedRepository session;
  private final Registrar registrar;
  private boolean closed;

  private SessionRepository(
      SealedGrant grant,
      WriteOnlyStore store,
      SessionKey key,
      OwnSessions own,
      Services services,
      SealedRepository session,
      Registrar registrar) {
    this.grant = grant;
    this.store = store;
    this.key = key;
    this.own = own;
    this.services = services;
    this.session = session;
    this.registrar = registrar;
  }

  /** Begins a session. Nothing is stored before there is a backup, or log, to store. */
  public static Repository open(RepositorySetup asked, Tuning tuning, SecureRandom random)
      throws IOException {
    SealedGrant grant = SealedGrant.read(asked.sealed().orElseThrow(), asked.administrators());
    Signer signer = requireOwn(asked, grant);
    if (asked.copies().size() != 1) {
      throw configuration(
          "configuration.copies",
          "repository.copies: a sealed writer stores into one place, and "
              + asked.copies().size()
              + " are configured",
          "Name the first copy of the repository alone; what is taken in there reaches the others.");
    }
    Path state =
        asked
            .stateDirectory()
            .resolve("sealed")
            .resolve(grant.repository().toString())
            .resolve(grant.key().text());
    OwnSessions own = new OwnSessions(state);
    WriteOnlyStore store = new WriteOnlyStore(asked.copies().get(0).store(), asked.clock());
    SessionKey key = new SessionKey();
    RepositorySetup.Builder setup =
        RepositorySetup.builder()
            .copy(Copy.of(store))
            .recipient(key)
            .acceptSingleKeyRisk(true)
            .compression(asked.compression())
            .parallelism(asked.parallelism())
            .stateDirectory(state)
            .clock(asked.clock())
            .signer(signer);
    grant.recipients().forEach(one -> setup.recipient(RecoveryKeyProvider.ofPublicKey(one)));
    RepositorySetup alone = setup.build();
    boolean opened = false;
    try {
      Bootstrap.Opened begun =
          Bootstrap.beginSession(alone, grant.repository(), own.earlier(), random);
      ObjectId id = begun.header().id();
      store.place(ObjectNames.session(id), () -> own.begin(id));
      Services services =
          new Services(
              id,
              begun.store(),
              begun.keys(),
              begun.log(),
              PieceCodec.of(asked.compression()),
              asked.parallelism(),
              asked.clock(),
              random,
              new Tuning(
                  Integer.MAX_VALUE,
                  tuning.sweepBatch(),
                  tuning.removalsAtOnce(),
                  tuning.leaseLasts(),
                  tuning.heartbeat(),
                  tuning.pause(),
                  false));
      opened = true;
      return new SessionRepository(
          grant,
          store,
          key,
          own,
          services,
          new SealedRepository(services, begun, alone),
          new Registrar(begun, random));
    } finally {
      if (!opened) {
        key.close();
      }
    }
  }

  private static Signer requireOwn(RepositorySetup setup, SealedGrant grant)
      throws RepositoryException {
    Optional<Signer> signer = setup.signer();
    if (signer.isPresent() && SigningPublicKey.of(signer.get().publicKey()).equals(grant.key())) {
      return signer.get();
    }
    throw configuration(
        "repository.writer-not-allowed",
        "What this host was told is for the writer "
            + grant.writer()
            + ", whose key is "
            + grant.key()
            + "; it signs "
            + signer.map(one -> "with " + SigningPublicKey.of(one.publicKey())).orElse("nothing"),
        "Set repository.signing-key to that writer's key.");
  }

  private static RepositoryException configuration(String code, String problem, String remedy) {
    return new RepositoryException(
        code, FailureKind.CONFIGURATION, problem, Map.of(), remedy, null);
  }

  private static RepositoryException refused(String what) {
    return new RepositoryException(
        "repository.sealed",
        FailureKind.REFUSED,
        "This host is a sealed writer of the repository: it opens nothing, and cannot " + what,
        Map.of(),
        "Do it on a host that opens the repository.",
        null);
  }

  @Override
  public String id() {
    return grant.repository().toString();
  }

  @Override
  public void refresh() {
    // Nobody else writes to this session, and nothing else can be read.
  }

  @Override
  public List<SourceInfo> sources() {
    return session.sources();
  }

  @Override
  public Optional<SourceInfo> source(String name) {
    return session.source(name);
  }

  @Override
  public SourceInfo register(String name, String type, ClusterIdentity cluster) throws IOException {
    SealedGrant.Source source = granted(name);
    if (cluster.segmentSize().bytes() > SealedWalArchive.MOST_WHOLE) {
      throw new RepositoryException(
          "source.segments-too-long",
          FailureKind.REFUSED,
          "Source "
              + name
              + " has WAL segments of "
              + (cluster.segmentSize().bytes() >> 20)
              + " MiB, of which a sealed writer cannot show itself again what it has stored; up to "
              + (SealedWalArchive.MOST_WHOLE >> 20)
              + " MiB work",
          Map.of("source", name),
          "Let a host back it up that opens the repository.",
          null);
    }
    requireSame(source, Optional.of(cluster));
    return registrar.register(name, type, Optional.of(cluster), source.incarnation());
  }

  @Override
  public SourceInfo register(String name, String type) throws IOException {
    SealedGrant.Source source = granted(name);
    requireSame(source, Optional.empty());
    return registrar.register(name, type, Optional.empty(), source.incarnation());
  }

  private SealedGrant.Source granted(String name) throws RepositoryException {
    return grant
        .source(name)
        .orElseThrow(
            () ->
                new RepositoryException(
                    "source.not-registered",
                    FailureKind.REFUSED,
                    "This host was told nothing of a source " + name,
                    Map.of("source", name),
                    "Let an administrator run keys sealed-writer "
                        + grant.writer()
                        + " again, with this source.",
                    null));
  }

  private static void requireSame(SealedGrant.Source source, Optional<ClusterIdentity> found)
      throws RepositoryException {
    if (source.cluster().isEmpty() || source.cluster().equals(found)) {
      return;
    }
    String known = source.cluster().get().systemIdText();
    throw new RepositoryException(
        "source.identity-mismatch",
        FailureKind.REFUSED,
        "Source "
            + source.name()
            + " belongs to the cluster "
            + known
            + ", and this one "
            + found
                .map(it -> "is " + it.systemIdText() + ", or has become another version")
                .orElse("has no server"),
        Map.of("known", known, "found", found.map(ClusterIdentity::systemIdText).orElse("")),
        "Connect to the right server; after an upgrade, or a restore that was adopted, let an"
            + " administrator run keys sealed-writer again.",
        null);
  }

  @Override
  public SourceInfo adopt(String name, ClusterIdentity cluster, SourceInfo.Fork fork)
      throws IOException {
    throw refused("begin another life of a source");
  }

  @Override
  public List<BackupDescriptor> backups(Optional<String> source) {
    return session.backups(source);
  }

  @Override
  public Optional<BackupDescriptor> backup(BackupId id) {
    return session.backup(id);
  }

  @Override
  public BackupWriter begin(BackupStart start) throws IOException {
    if (start.base().isPresent()) {
      throw refused("build on an earlier backup");
    }
    if (!start.members().isEmpty()) {
      throw refused("keep other backups");
    }
    return session.begin(start);
  }

  @Override
  public List<BackupDescriptor> members(BackupId whole) throws IOException {
    throw refused("look what a backup keeps");
  }

  @Override
  public BackupReader open(BackupId id) throws IOException {
    throw refused("open a backup");
  }

  @Override
  public BackupDescriptor complete(BackupId id) throws IOException {
    return session.complete(id);
  }

  @Override
  public WalArchive wal(String source) throws IOException {
    return new SessionArchive(session.wal(source));
  }

  @Override
  public WalArchive wal(String source, String incarnation) throws IOException {
    return new SessionArchive(session.wal(source, incarnation));
  }

  @Override
  public VerifyReport verify(VerifyRequest request, RunControl control) throws IOException {
    throw refused("verify");
  }

  @Override
  public Duration clockSkew() throws IOException {
    throw refused("ask the store for the time");
  }

  @Override
  public List<BackupState> states(Optional<String> source) {
    return session.states(source);
  }

  @Override
  public PrunePlan planPrune(String source, RetentionPolicy policy) throws IOException {
    throw refused("prune");
  }

  @Override
  public PrunePlan planPrune(PruneRequest request) throws IOException {
    throw refused("prune");
  }

  @Override
  public List<RetentionForecast> forecast(
      String source, RetentionPolicy policy, List<Instant> schedule, List<Instant> dates)
      throws IOException {
    throw refused("see what retention will leave");
  }

  @Override
  public PruneReport prune(PruneRequest request, RunControl control) throws IOException {
    throw refused("prune");
  }

  @Override
  public BackupState hold(BackupId id, String reason, Optional<Instant> until) throws IOException {
    throw refused("hold a backup");
  }

  @Override
  public BackupState release(BackupId id, String reason) throws IOException {
    throw refused("release a backup");
  }

  @Override
  public BackupState undelete(BackupId id) throws IOException {
    throw refused("bring a backup back");
  }

  @Override
  public CopiesReport copies(RunControl control) throws IOException {
    throw refused("look at the copies");
  }

  @Override
  public List<CheckItem> checkWriters() {
    return List.of(
        new CheckItem(
            "repository.sealed",
            Outcome.OK,
            "This host writes as "
                + grant.writer()
                + ", and opens nothing; what it stores counts when another host has run offers"
                + " adopt",
            ""));
  }

  @Override
  public KeysReport keys() throws IOException {
    throw refused("look at the keys");
  }

  @Override
  public RekeyReport planRekey(RekeyRequest request) throws IOException {
    throw refused("seal backups anew");
  }

  @Override
  public RekeyReport rekey(RekeyRequest request, RunControl control) throws IOException {
    throw refused("seal backups anew");
  }

  @Override
  public ErasePlan planErase(EraseRequest request) throws IOException {
    throw refused("erase a source");
  }

  @Override
  public Erasure erase(EraseRequest request, RunControl control) throws IOException {
    throw refused("erase a source");
  }

  @Override
  public void unerase(String source, String by) throws IOException {
    throw refused("erase a source");
  }

  @Override
  public RotateReport rotateKeys(RotateRequest request) throws IOException {
    throw refused("rotate keys");
  }

  @Override
  public RewrapReport planRewrap(RewrapRequest request) throws IOException {
    throw refused("change the recipients");
  }

  @Override
  public RewrapReport rewrapKeys(RewrapRequest request, RunControl control) throws IOException {
    throw refused("change the recipients");
  }

  @Override
  public WritersReport writers() throws IOException {
    throw refused("say who may write");
  }

  @Override
  public WritersReport changeWriters(WritersRequest request) throws IOException {
    throw refused("say who may write");
  }

  @Override
  public String sealedWriter(SealedWriterRequest request) throws IOException {
    throw refused("let others write");
  }

  @Override
  public OffersReport offers(RunControl control) throws IOException {
    throw refused("see what was offered");
  }

  @Override
  public OffersReport adoptOffers(List<String> forgotten, RunControl control) throws IOException {
    throw refused("take in what was offered");
  }

  @Override
  public SyncReport syncCopies(RunControl control) throws IOException {
    throw refused("fill copies");
  }

  @Override
  public HealReport healCopies(RunControl control) throws IOException {
    throw refused("heal copies");
  }

  /** Says how far the log is stored, and that nobody goes on with this session. */
  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    try {
      if (store.begun()) {
        List<Operation> last = new ArrayList<>(marks());
        last.add(new Operation.SessionEnd()); // what comes later is in another session
        services.log().append(catalog -> List.copyOf(last));
        own.end(services.repository());
      } else {
        own.forget(services.repository());
      }
    } catch (IOException e) {
      LOG.warn("The session does not say that it ended; nothing of it is lost", e);
    } finally {
      session.close();
      key.close();
    }
  }

  private List<Operation.WalMark> marks() {
    List<Operation.WalMark> marks = new ArrayList<>();
    try {
      addMarks(marks);
    } catch (IOException e) {
      LOG.warn("The session does not say how far the log is stored", e);
    }
    return marks;
  }

  private void addMarks(List<Operation.WalMark> marks) throws IOException {
    for (SourceInfo source : session.sources()) {
      if (source.current().server().isEmpty()) {
        continue;
      }
      WalArchive archive = session.wal(source.name());
      for (Timeline timeline : archive.timelines()) {
        for (WalRange range : archive.ranges(timeline)) {
          marks.add(
              new Operation.WalMark(
                  source.name(),
                  archive.incarnation(),
                  timeline,
                  Optional.of(range.start()),
                  range.end()));
        }
      }
    }
  }
}
