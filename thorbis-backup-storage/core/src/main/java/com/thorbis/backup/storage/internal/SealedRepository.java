package com.thorbis.backup.storage.internal;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.CheckItem;
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
import com.thorbis.backup.api.TierMoves;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Claim;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.backup.SealedBackupReader;
import com.thorbis.backup.storage.internal.backup.SealedBackupWriter;
import com.thorbis.backup.storage.internal.catalog.Bootstrap;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.KeyChanges;
import com.thorbis.backup.storage.internal.catalog.KeyChecks;
import com.thorbis.backup.storage.internal.catalog.Membership;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.Registrar;
import com.thorbis.backup.storage.internal.catalog.RepositoryHeader;
import com.thorbis.backup.storage.internal.catalog.SealedGrant;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.catalog.WriterChanges;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.KnownStores;
import com.thorbis.backup.storage.internal.lease.Lease;
import com.thorbis.backup.storage.internal.prune.CopyRetention;
import com.thorbis.backup.storage.internal.prune.Eraser;
import com.thorbis.backup.storage.internal.prune.Histories;
import com.thorbis.backup.storage.internal.prune.Keeper;
import com.thorbis.backup.storage.internal.prune.KeySweeper;
import com.thorbis.backup.storage.internal.prune.Pruner;
import com.thorbis.backup.storage.internal.prune.Rekeyer;
import com.thorbis.backup.storage.internal.retention.Candidate;
import com.thorbis.backup.storage.internal.retention.LockRule;
import com.thorbis.backup.storage.internal.retention.Retention;
import com.thorbis.backup.storage.internal.session.Offers;
import com.thorbis.backup.storage.internal.upkeep.CopyChecks;
import com.thorbis.backup.storage.internal.upkeep.CopySurvey;
import com.thorbis.backup.storage.internal.upkeep.CopySync;
import com.thorbis.backup.storage.internal.upkeep.LockRenewal;
import com.thorbis.backup.storage.internal.upkeep.ObjectProof;
import com.thorbis.backup.storage.internal.upkeep.ReadBacks;
import com.thorbis.backup.storage.internal.upkeep.Transitions;
import com.thorbis.backup.storage.internal.verify.Proofs;
import com.thorbis.backup.storage.internal.verify.Verifier;
import com.thorbis.backup.storage.internal.wal.SealedWalArchive;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An open repository. */
public final class SealedRepository implements Repository {
  private static final Logger LOG = LoggerFactory.getLogger(SealedRepository.class);

  private final Services services;
  private final Narrowing narrowing;
  private final Registrar registrar;
  private final ObjectProof proof;
  private final Proofs proofs;
  private final RepositoryHeader header;
  private final KeyChanges keyChanges;
  private final WriterChanges writerChanges;
  private final Bootstrap.Opened opened;
  private final RepositorySetup setup;
  private final List<Copy> copies;
  private final KnownStores known;
  private final WritePolicy policy;
  private final boolean readOnly;
  private final Map<String, SealedWalArchive> archives = new HashMap<>();

  /** Over an opened log; the keys are closed with this. */
  public SealedRepository(Services services, Bootstrap.Opened opened, RepositorySetup setup) {
    this.services = services;
    this.narrowing = new Narrowing(services);
    this.registrar = new Registrar(opened, services.random());
    this.opened = opened;
    this.setup = setup;
    this.header = opened.header();
    this.keyChanges = new KeyChanges(opened, setup, services.random());
    this.writerChanges = new WriterChanges(opened, setup.signer());
    this.proof = new ObjectProof(services, header.tree());
    this.proofs = new Proofs(setup.stateDirectory(), services.repository(), services.clock());
    this.copies = setup.copies();
    this.known =
        new KnownStores(
            setup.stateDirectory(),
            services.repository(),
            setup.copies(),
            setup.clock(),
            services.random());
    this.policy = setup.writePolicy();
    this.readOnly = setup.readOnly();
    if (services.store() instanceof CopySet set) {
      set.waivers(narrowing);
      set.proof(proof);
    }
  }

  /** Has the stores tried that nobody has tried of late, before anything is written to them. */
  public SealedRepository tryingStores() {
    services.log().guard(known::requireTried);
    return this;
  }

  @Override
  public String id() {
    return services.repository().toString();
  }

  @Override
  public void refresh() throws IOException {
    services.log().refresh();
  }

  @Override
  public List<SourceInfo> sources() {
    return services.log().catalog().sources().stream().map(Catalog.Source::info).toList();
  }

  @Override
  public Optional<SourceInfo> source(String name) {
    return services.log().catalog().source(name).map(Catalog.Source::info);
  }

  @Override
  public SourceInfo register(String name, String type, ClusterIdentity cluster) throws IOException {
    return registrar.register(name, type, Optional.of(cluster));
  }

  @Override
  public SourceInfo register(String name, String type) throws IOException {
    return registrar.register(name, type, Optional.empty());
  }

  @Override
  public SourceInfo adopt(String name, ClusterIdentity cluster, SourceInfo.Fork fork)
      throws IOException {
    return registrar.adopt(name, cluster, fork);
  }

  @Override
  public List<BackupDescriptor> backups(Optional<String> source) {
    return services.log().catalog().kept().stream()
        .filter(kept -> kept.fate().live())
        .filter(kept -> source.isEmpty() || kept.entry().backup().source().equals(source.get()))
        .map(this::located)
        .map(BackupDescriptor.class::cast)
        .toList();
  }

  @Override
  public Optional<BackupDescriptor> backup(BackupId id) {
    return services.log().catalog().kept(id).filter(kept -> kept.fate().live()).map(this::located);
  }

  /** A backup, and which copies hold it now. */
  private StoredBackup located(Catalog.Kept kept) {
    StoredBackup backup = kept.entry().backup();
    if (kept.fate().partings().isEmpty()) {
      return backup;
    }
    List<String> places = new ArrayList<>(backup.copies());
    List<String> keeping = new ArrayList<>();
    for (Copy copy : CopySet.places(services.store())) {
      try {
        if (narrowing.place(copy.store()).flatMap(kept.fate()::parting).isEmpty()) {
          keeping.add(copy.name());
        }
      } catch (IOException e) {
        keeping.add(copy.name());
        LOG.debug("Nobody knows what {} let go of", copy.name(), e);
      }
    }
    places.retainAll(keeping);
    if (places.isEmpty()) {
      places.addAll(keeping); // whoever removed it elsewhere has seen it there
    }
    return backup.at(places, services.log().catalog().letGoBy(backup.id()));
  }

  @Override
  public BackupWriter begin(BackupStart start) throws IOException {
    services.log().requireDeciding();
    Catalog.Source source = requireSource(start.source());
    if (!start.type().physical()) {
      Registrar.requireServer(source, source.info().current());
    }
    return new SealedBackupWriter(services, source, start);
  }

  @Override
  public BackupReader open(BackupId id) throws IOException {
    Catalog.Entry entry = requireBackup(id);
    try {
      return new SealedBackupReader(services, requireSource(entry.backup().source()), entry);
    } catch (RepositoryException e) {
      if (e.getCause() instanceof StorageException.NotFound) {
        services.log().refresh();
        requireBackup(id); // given up by others since the log was read, it is not damaged
      }
      throw e;
    }
  }

  @Override
  public BackupDescriptor complete(BackupId id) throws IOException {
    Catalog.Entry entry = requireBackup(id);
    Catalog.Source source = requireSource(entry.backup().source());
    registrar.complete(id, SealedWalArchive.mark(services, source, entry.backup()));
    return requireBackup(id).backup();
  }

  @Override
  public WalArchive wal(String source) throws IOException {
    return wal(source, requireSource(source).info().current().id());
  }

  @Override
  public WalArchive wal(String source, String incarnation) throws IOException {
    Catalog.Source found = requireSource(source);
    Optional<SourceInfo.Incarnation> life = found.incarnation(incarnation);
    if (life.isEmpty()) {
      throw new RepositoryException(
          "source.incarnation-unknown",
          FailureKind.NOT_FOUND,
          "Source " + source + " has no incarnation " + incarnation,
          Map.of("source", source, "incarnation", incarnation),
          "",
          null);
    }
    Registrar.requireServer(found, life.get());
    synchronized (archives) {
      // One that was erased and began anew by a sealed writer's hand has its lives, and other keys.
      return archives.computeIfAbsent(
          found.tree() + "/" + incarnation,
          key -> SealedWalArchive.following(services, found, incarnation));
    }
  }

  @Override
  public VerifyReport verify(VerifyRequest request, RunControl control) throws IOException {
    services.log().refresh();
    if (services.store() instanceof CopySet set) {
      return checks(set, control).verify(request);
    }
    ObjectStore store = services.store();
    ReadBacks readBacks = readBacks();
    try (Proofs.Place known = proofs.of(ReadBacks.place(services, store), store)) {
      Verifier verifier = new Verifier(services, control, store.describe(), known);
      VerifyReport report = verifier.verify(request);
      readBacks.add(store, verifier.proven());
      readBacks.record();
      return report;
    }
  }

  @Override
  public List<BackupState> states(Optional<String> source) {
    return services.log().catalog().kept().stream()
        .filter(kept -> source.isEmpty() || kept.entry().backup().source().equals(source.get()))
        .map(kept -> Keeper.state(kept, located(kept)))
        .toList();
  }

  @Override
  public Duration clockSkew() throws IOException {
    return Duration.between(services.store().now(), services.clock().instant());
  }

  @Override
  public PrunePlan planPrune(String source, RetentionPolicy policy) throws IOException {
    return planned(pruner(source, policy, false).plan(), source, policy);
  }

  @Override
  public PrunePlan planPrune(PruneRequest request) throws IOException {
    PrunePlan plan = pruner(request).plan();
    return request.backup().isPresent() ? plan : planned(plan, request.source(), request.policy());
  }

  private PrunePlan planned(PrunePlan plan, String source, RetentionPolicy policy)
      throws IOException {
    return moves(source) ? plan.moving(transitions(source, policy).plan()) : plan;
  }

  /** Whether anything of a source may move; of one that was erased nothing does. */
  private boolean moves(String source) {
    return Transitions.any(copies) && services.log().catalog().source(source).isPresent();
  }

  private Transitions transitions(String source, RetentionPolicy policy) throws IOException {
    Instant now = services.store().now();
    return new Transitions(
        services,
        narrowing,
        copies,
        source,
        policy,
        pruner(source, policy, false).live().stream().map(kept -> candidate(kept, now)).toList(),
        now);
  }

  @Override
  public List<RetentionForecast> forecast(
      String source, RetentionPolicy policy, List<Instant> schedule, List<Instant> dates)
      throws IOException {
    Instant now = services.store().now();
    return Retention.simulate(
        policy,
        source,
        pruner(source, policy, false).live().stream().map(kept -> candidate(kept, now)).toList(),
        schedule,
        dates);
  }

  @Override
  public PruneReport prune(PruneRequest request, RunControl control) throws IOException {
    RetentionPolicy policy = request.policy();
    Pruner.Terms terms =
        new Pruner.Terms(
            request.plan(),
            request.grace(),
            policy.mostDeletedPercent(),
            RetentionPolicy.MOST_DELETED_FLOOR,
            request.confirmed());
    PruneReport report;
    try {
      report = pruner(request).prune(terms, control);
    } catch (IOException e) {
      try {
        LockRenewal.run(services, narrowing, control); // what failed must not cost any lock
      } catch (IOException alsoFailed) {
        e.addSuppressed(alsoFailed);
      }
      throw e;
    }
    LockRenewal.run(services, narrowing, control);
    if (request.backup().isPresent() || !moves(request.source())) {
      return report;
    }
    Transitions transitions = transitions(request.source(), policy);
    List<TierMoves> moved = transitions.run(control);
    return report.moving(moved, transitions.alarms());
  }

  private Pruner pruner(PruneRequest request) throws IOException {
    if (request.backup().isEmpty()) {
      LockRule.require(copies, request.policy(), request.grace());
    }
    return request.backup().isPresent()
        ? Pruner.ofChosen(services, request.source(), request.backup().get(), request.lastAllowed())
        : pruner(request.source(), request.policy(), request.confirmed());
  }

  private Pruner pruner(String source, RetentionPolicy policy, boolean confirmed) {
    Histories histories = new Histories(services, source);
    return new Pruner(
        services,
        source,
        (backups, now) ->
            Retention.plan(
                policy,
                source,
                backups.stream().map(kept -> candidate(kept, now)).toList(),
                histories.branches(backups),
                now),
        new CopyRetention(copies, confirmed));
  }

  private static Candidate candidate(Catalog.Kept kept, Instant now) {
    Catalog.Fate fate = kept.fate();
    return new Candidate(
        kept.entry().backup(),
        fate.place(),
        fate.verified().map(Operation.Verified::at),
        fate.holds().stream()
            .filter(hold -> hold.active(now))
            .map(Operation.Hold::reason)
            .toList());
  }

  @Override
  public List<BackupDescriptor> members(BackupId whole) {
    return List.copyOf(Membership.of(whole, services.log().catalog()));
  }

  @Override
  public BackupState hold(BackupId id, String reason, Optional<Instant> until) throws IOException {
    return new Keeper(services).hold(id, reason, until);
  }

  @Override
  public BackupState release(BackupId id, String reason) throws IOException {
    return new Keeper(services).release(id, reason);
  }

  @Override
  public BackupState undelete(BackupId id) throws IOException {
    return new Keeper(services).undelete(id);
  }

  @Override
  public CopiesReport copies(RunControl control) throws IOException {
    services.log().refresh();
    return survey().run(control);
  }

  @Override
  public List<CheckItem> checkKeys() throws IOException {
    List<CheckItem> items = new ArrayList<>(keyChecks().items());
    items.addAll(new Eraser(services).check());
    return items;
  }

  @Override
  public List<CheckItem> checkKeyAge() throws IOException {
    services.log().refresh();
    return keyChecks().age();
  }

  private KeyChecks keyChecks() {
    return new KeyChecks(services.keys(), services.log(), header, services.store());
  }

  @Override
  public KeysReport keys() throws IOException {
    return keyChanges.report();
  }

  @Override
  public WritersReport writers() throws IOException {
    return writerChanges.report();
  }

  @Override
  public WritersReport changeWriters(WritersRequest request) throws IOException {
    return writerChanges.change(request);
  }

  @Override
  public List<CheckItem> checkWriters() throws IOException {
    List<CheckItem> items = new ArrayList<>(writerChanges.check());
    if (!services.log().catalog().writers().isEmpty()) {
      items.addAll(new Offers(services, setup, registrar, RunControl.unattended()).check());
    }
    return items;
  }

  @Override
  public String sealedWriter(SealedWriterRequest request) throws IOException {
    return SealedGrant.of(opened, setup.signer(), request, registrar, services.clock().instant());
  }

  @Override
  public OffersReport offers(RunControl control) throws IOException {
    return new Offers(services, setup, registrar, control).look();
  }

  @Override
  public OffersReport adoptOffers(List<String> forgotten, RunControl control) throws IOException {
    List<ObjectId> ids = new ArrayList<>();
    for (String session : forgotten) {
      try {
        ids.add(ObjectId.parse(session));
      } catch (IllegalArgumentException e) {
        throw new RepositoryException(
            "offers.unknown",
            FailureKind.NOT_FOUND,
            "\"" + session + "\" is no session",
            Map.of("session", session),
            "Look with offers list.",
            e);
      }
    }
    return new Offers(services, setup, registrar, control).adopt(ids);
  }

  @Override
  public List<Erasure> erasures() throws IOException {
    return new Eraser(services).report();
  }

  @Override
  public ErasePlan planErase(EraseRequest request) throws IOException {
    return new Eraser(services).plan(request);
  }

  @Override
  public Erasure erase(EraseRequest request, RunControl control) throws IOException {
    return new Eraser(services).erase(request, control);
  }

  @Override
  public void unerase(String source, String by) throws IOException {
    new Eraser(services).unerase(source, by);
  }

  @Override
  public RekeyReport planRekey(RekeyRequest request) throws IOException {
    return rekeyer().plan(request);
  }

  @Override
  public RekeyReport rekey(RekeyRequest request, RunControl control) throws IOException {
    return rekeyer().rekey(request, control);
  }

  private Rekeyer rekeyer() {
    return new Rekeyer(services, this::verify);
  }

  @Override
  public RotateReport rotateKeys(RotateRequest request) throws IOException {
    return keyChanges.rotate(request);
  }

  @Override
  public RewrapReport planRewrap(RewrapRequest request) throws IOException {
    return keyChanges.plan(request);
  }

  @Override
  public RewrapReport rewrapKeys(RewrapRequest request, RunControl control) throws IOException {
    KeySweeper sweeper = new KeySweeper(services, services.store().now(), request.grace(), control);
    sweeper.run();
    sweeper.problems().forEach(control.progress()::note);
    return keyChanges.rewrap(request, sweeper.objects());
  }

  @Override
  public List<CheckItem> checkCopies() throws IOException {
    services.log().refresh();
    return survey().check();
  }

  @Override
  public List<CheckItem> probeCopies() throws IOException {
    return readOnly ? survey().known() : survey().probe();
  }

  @Override
  public SyncReport syncCopies(RunControl control) throws IOException {
    services.log().refresh();
    services.log().requireTried();
    SyncReport report =
        services.store() instanceof CopySet set
            ? new CopySync(services, narrowing, set, proof, control).run()
            : new SyncReport(List.of(), 0);
    LockRenewal.run(services, narrowing, control);
    return report;
  }

  @Override
  public HealReport healCopies(RunControl control) throws IOException {
    services.log().refresh();
    if (!(services.store() instanceof CopySet set)) {
      throw new RepositoryException(
          "repository.one-copy",
          FailureKind.REFUSED,
          "There is one copy: nothing to heal it from",
          Map.of(),
          "Run verify to see what is damaged; add a copy to repository.copies.",
          null);
    }
    services.log().requireTried();
    return checks(set, control).heal();
  }

  private CopyChecks checks(CopySet set, RunControl control) {
    return new CopyChecks(services, set, proof, control, readBacks(), proofs);
  }

  private ReadBacks readBacks() {
    return new ReadBacks(services, readOnly);
  }

  private CopySurvey survey() {
    return new CopySurvey(services, narrowing, copies, policy, known);
  }

  @Override
  public Optional<Claim> claim(String name, Duration lasts) throws IOException {
    byte[] run = new byte[16];
    services.random().nextBytes(run);
    return Lease.claim(services, HexFormat.of().formatHex(run), name, lasts)
        .map(lease -> lease::close);
  }

  @Override
  public void close() {
    services.keys().close();
    Bootstrap.release(services.store());
  }

  private Catalog.Source requireSource(String name) throws RepositoryException {
    return Registrar.require(services.log().catalog(), name);
  }

  private Catalog.Entry requireBackup(BackupId id) throws RepositoryException {
    Catalog catalog = services.log().catalog();
    return catalog.backup(id).orElseThrow(() -> Registrar.missing(catalog, id));
  }
}
