package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedWriter;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.FileContent;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.ErasedSource;
import com.thorbis.backup.storage.internal.catalog.Membership;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.Locks;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.lease.Lease;
import com.thorbis.backup.storage.internal.pack.Crc;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackIds;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PackSet;
import com.thorbis.backup.storage.internal.pack.Piece;
import com.thorbis.backup.storage.internal.pack.PieceEncoder;
import com.thorbis.backup.storage.internal.pack.PiecePipeline;
import com.thorbis.backup.storage.internal.pack.Reading;
import com.thorbis.backup.storage.internal.wal.SealedWalArchive;
import java.io.IOException;
import java.io.OutputStream;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes a backup: bytes into pieces, pieces into packs, then maps, manifest and commit. With a
 * base, what did not change is referenced where it lies.
 */
public final class SealedBackupWriter implements BackupWriter {
  private static final Logger LOG = LoggerFactory.getLogger(SealedBackupWriter.class);

  /** Why a backup was given up, as the commit has it. */
  private static final String REKEYED = "rekeyed";

  private static final String NOT_PROVEN = "not-proven";

  /** One in so many judged stretches is compared with the base, and the first. */
  private static final int SAMPLE = 64;

  /** Of a change that is no older than this the times of a coarse clock do not tell all. */
  private static final Duration SETTLING = Duration.ofSeconds(2);

  private static final DateTimeFormatter ID_TIME =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);

  private final Services services;
  private final BackupStart start;
  private final Catalog.Source source;
  private final SourceInfo.Incarnation incarnation;
  private final BackupId run;
  private final BackupId id;
  private final List<Operation> alongside;
  private final Predicate<Catalog> done;
  private final Optional<Replacement> replaced;
  private final EpochKey key;
  private final byte[] addressKey;
  private final PackSet packs;
  private final Assembler assembler;
  private final PiecePipeline pipeline;
  private final PieceFeed feed;
  private final ChunkedContent chunked;
  private final CommitLog.Fence fence;
  private final long head;
  private final Lease lease;
  private final Leftovers leftovers;
  private final @Nullable Base base;
  private final @Nullable StretchQueue stretches;
  private final SplittableRandom sampling;
  private final Set<Reading> readings = ConcurrentHashMap.newKeySet();
  private final PathIndex linkable;
  private @Nullable FileWriter open;
  private long bytesRead;
  private long bytesChanged;
  private boolean sampled;
  private long manifestLength;
  private boolean ended;
  private boolean committed;

  /** Starts a backup of the source's current incarnation. */
  public SealedBackupWriter(Services services, Catalog.Source source, BackupStart start)
      throws IOException {
    this(services, source, start, Optional.empty());
  }

  /**
   * A backup that was made elsewhere and is taken in.
   *
   * @param incarnation whose it is
   * @param id what it was called there
   * @param alongside what its commit says besides
   * @param done whether another process has taken it in by now
   */
  public record Offered(
      SourceInfo.Incarnation incarnation,
      BackupId id,
      List<Operation> alongside,
      Predicate<Catalog> done)
      implements Origin {}

  /**
   * A backup of the repository that is written anew under a newer key, and given up for it.
   *
   * @param incarnation whose it is
   * @param backup what the catalogue says of it
   * @param epoch the oldest key that the new one may lie under
   * @param grace how long the old one stays whole
   */
  public record Replacement(
      SourceInfo.Incarnation incarnation, StoredBackup backup, int epoch, Duration grace)
      implements Origin {
    /**
     * What the commit says besides, of the backup that takes its place.
     *
     * @throws RepositoryException code {@code backup.not-found} if it does not count any more
     */
    public List<Operation> operations(BackupId by, Catalog catalog, long head, Instant now)
        throws RepositoryException {
      Catalog.Fate fate = catalog.kept(backup.id()).map(Catalog.Kept::fate).orElse(null);
      if (fate == null || !fate.live()) {
        throw new RepositoryException(
            "backup.not-found",
            FailureKind.NOT_FOUND,
            "Backup " + backup.id() + " was given up meanwhile, so nothing takes its place",
            Map.of("backup", backup.id().value()),
            "Look with list --deleted.",
            null);
      }
      List<Operation> operations = new ArrayList<>(movedHolds(catalog, backup.id(), by));
      operations.addAll(Membership.moved(backup.id(), by, catalog));
      for (Catalog.Parting parting : fate.partings()) {
        if (partingsOf(catalog, by).stream()
            .noneMatch(one -> one.letGo().copy().equals(parting.letGo().copy()))) {
          operations.add(parting.letGo().only(by)); // that copy has not its log either
        }
      }
      operations.add(
          new Operation.Delete(List.of(backup.id()), REKEYED, "", head, now, now.plus(grace)));
      return operations;
    }

    private static List<Catalog.Parting> partingsOf(Catalog catalog, BackupId id) {
      return catalog.kept(id).map(kept -> kept.fate().partings()).orElse(List.of());
    }

    /**
     * What takes the new one out of the old one's place again, as it cannot be read back; nothing
     * where the old one is being removed, or somebody has decided otherwise meanwhile.
     */
    public static List<Operation> undo(
        BackupId old, BackupId anew, Catalog catalog, long head, Instant now, Duration grace) {
      boolean whole =
          catalog.kept(old).filter(it -> !it.fate().live() && !it.fate().sweeping()).isPresent();
      if (!whole || catalog.kept(anew).filter(it -> it.fate().live()).isEmpty()) {
        return List.of();
      }
      List<Operation> operations = new ArrayList<>();
      operations.add(new Operation.Undelete(List.of(old)));
      operations.addAll(movedHolds(catalog, anew, old));
      operations.addAll(Membership.moved(anew, old, catalog));
      operations.add(
          new Operation.Delete(List.of(anew), NOT_PROVEN, "", head, now, now.plus(grace)));
      return operations;
    }

    private static List<Operation> movedHolds(Catalog catalog, BackupId from, BackupId to) {
      List<Operation> operations = new ArrayList<>();
      List<Operation.Hold> there =
          catalog.kept(to).map(kept -> kept.fate().holds()).orElse(List.of());
      for (Operation.Hold hold : catalog.kept(from).orElseThrow().fate().holds()) {
        boolean longer =
            there.stream()
                .filter(one -> one.reason().equals(hold.reason()))
                .anyMatch(one -> end(one).isAfter(end(hold)));
        if (!longer) {
          operations.add(new Operation.Hold(to, hold.reason(), hold.at(), hold.until()));
        }
        operations.add(new Operation.Release(from, hold.reason()));
      }
      return operations;
    }

    private static Instant end(Operation.Hold hold) {
      return hold.until().orElse(Instant.MAX);
    }
  }

  /** What makes a backup another than one that is taken here and now. */
  public sealed interface Origin {
    /** Whose it is. */
    SourceInfo.Incarnation incarnation();
  }

  /**
   * Starts a backup.
   *
   * @param origin where it was made elsewhere, or before
   */
  public SealedBackupWriter(
      Services services,
      Catalog.Source source,
      BackupStart start,
      Optional<? extends Origin> origin)
      throws IOException {
    Optional<Offered> offered = cast(origin, Offered.class);
    this.replaced = cast(origin, Replacement.class);
    this.services = services;
    this.start = start;
    this.source = source;
    this.incarnation = origin.isPresent() ? origin.get().incarnation() : source.info().current();
    this.run =
        new BackupId(
            ID_TIME.format(services.clock().instant())
                + String.format(Locale.ROOT, "-%08x", services.random().nextInt()));
    this.id = offered.isPresent() ? free(offered.get().id()) : run;
    this.alongside = offered.map(Offered::alongside).orElse(List.of());
    this.done = offered.map(Offered::done).orElse(catalog -> false);
    this.key = services.keys().current(source.tree());
    requireKey();
    this.fence = services.log().fence();
    this.head = services.log().sequence();
    PackIds ids = new PackIds(services.random());
    this.lease = lease(ids.prefix());
    this.addressKey = key.addressKey();
    Fingerprint.Function fingerprints = new Fingerprint.Function(key.fingerprintSeed());
    this.sampling = new SplittableRandom(services.random().nextLong());
    this.leftovers =
        new Leftovers(services, source, run, replaced.map(Replacement::epoch).orElse(1));
    Base base = begin(fingerprints);
    this.base = base;
    this.packs =
        new PackSet(
            services.store(),
            key,
            services.random(),
            ids,
            "thorbis-backup-" + id,
            services.parallelism() > 1);
    OwnContent own = new OwnContent();
    this.assembler =
        new Assembler(
            packs, new PieceEncoder(services.codecs().get(), addressKey, fingerprints), own);
    this.pipeline =
        new PiecePipeline(
            "thorbis-backup-" + id,
            services.parallelism(),
            () -> new PieceEncoder(services.codecs().get(), addressKey, fingerprints, leftovers),
            assembler);
    this.feed = new PieceFeed(pipeline);
    this.linkable = new PathIndex(fingerprints);
    this.chunked = new ChunkedContent(key, fingerprints, feed, own, base);
    this.stretches =
        base == null
            ? null
            : new StretchQueue(
                "thorbis-backup-" + id,
                services.parallelism(),
                () -> new PageDiff(services.codecs().get(), fingerprints),
                this::take);
  }

  private static <T> Optional<T> cast(Optional<? extends Origin> origin, Class<T> kind) {
    return origin.filter(kind::isInstance).map(kind::cast);
  }

  /** Where the last key cannot be asked for, the one before it would go on. */
  private void requireKey() throws RepositoryException {
    if (replaced.isPresent() && key.slot().epoch() < replaced.get().epoch()) {
      throw new RepositoryException(
          "rekey.key-not-open",
          FailureKind.TRANSIENT,
          "No recipient that can be asked now opens key "
              + replaced.get().epoch()
              + " of source "
              + source.info().name()
              + ": nothing is written under an older one",
          Map.of("source", source.info().name()),
          "Look with keys check, and run it again.",
          null);
    }
  }

  /** Its name as long as nobody who was interrupted left a manifest under it. */
  private BackupId free(BackupId wanted) throws IOException {
    boolean taken =
        services.log().catalog().kept(wanted).isPresent()
            || services.store().head(ObjectNames.manifest(source.tree(), wanted)).isPresent();
    return taken ? run : wanted;
  }

  private @Nullable Base begin(Fingerprint.Function fingerprints) throws IOException {
    boolean begun = false;
    Base base = null;
    try {
      base = start.base().isEmpty() ? null : open(start.base().get(), fingerprints);
      leftovers.find(lease, fence);
      begun = true;
      return base;
    } finally {
      if (!begun) {
        leftovers.close();
        if (base != null) {
          base.close();
        }
        endLease(leftovers.any());
        fence.close();
      }
    }
  }

  /** Whoever leaves something says so, for the next run of this source to find. */
  private void endLease(boolean leaves) {
    if (leaves) {
      lease.leave();
    } else {
      lease.close();
    }
  }

  private Base open(BackupId wanted, Fingerprint.Function fingerprints) throws IOException {
    Catalog.Entry entry =
        services
            .log()
            .catalog()
            .backup(wanted)
            .filter(found -> found.backup().source().equals(source.info().name()))
            .orElseThrow(
                () ->
                    new RepositoryException(
                        "backup.not-found",
                        FailureKind.NOT_FOUND,
                        "Source " + source.info().name() + " has no backup " + wanted,
                        Map.of("backup", wanted.value()),
                        "Look with list.",
                        null));
    List<String> letGoBy = services.log().catalog().letGoBy(wanted);
    if (!letGoBy.isEmpty()) {
      throw new RepositoryException(
          "backup.base-let-go",
          FailureKind.REFUSED,
          "Nothing can build on backup "
              + wanted
              + ": "
              + String.join(", ", letGoBy)
              + " let go of it, so that the new one would lack content there",
          Map.of("backup", wanted.value()),
          "Build on a newer one, or take a full backup.",
          null);
    }
    return new Base(services, new SealedBackupReader(services, source, entry), fingerprints);
  }

  private Lease lease(String packs) throws IOException {
    boolean taken = false;
    try {
      List<BackupId> pins = new ArrayList<>(start.base().stream().toList());
      replaced.ifPresent(old -> pins.add(old.backup().id()));
      Lease lease = Lease.take(services, run, pins, source.tree(), packs, head);
      taken = true;
      return lease;
    } finally {
      if (!taken) {
        fence.close();
      }
    }
  }

  @Override
  public BackupId id() {
    return id;
  }

  @Override
  public void directory(StoredFile directory) throws IOException {
    addEmpty(begin(directory, StoredFile.Kind.DIRECTORY));
  }

  @Override
  public void link(StoredFile link) throws IOException {
    if (!link.kind().link()) {
      throw EntryRules.refused(link);
    }
    FileState state = begin(link, link.kind());
    if (link.kind() == StoredFile.Kind.HARD_LINK
        && linkable.find(link.area(), link.target().orElseThrow()) < 0) {
      throw EntryRules.leadsNowhere(link);
    }
    addEmpty(state);
  }

  private void addEmpty(FileState state) throws IOException {
    drainStretches();
    feed.end(state);
  }

  @Override
  public boolean keep(StoredFile file) throws IOException {
    requireIdle();
    if (base == null || file.kind() != StoredFile.Kind.FILE) {
      return false;
    }
    Instant settled = base.startedAt().minus(SETTLING);
    Optional<Base.BaseFile> found = base.find(file).filter(one -> isUnchanged(one, file, settled));
    if (found.isEmpty()) {
      return false;
    }
    FileState state = begin(file, StoredFile.Kind.FILE);
    drainStretches();
    Base.BaseFile there = found.get();
    for (Base.BaseFile.Block block : there.blocks()) {
      MapRef map = block.map();
      feed.mark(
          map == null
              ? new Reuse(state, there.entry().extents(), null)
              : new Reuse(state, List.of(), map));
    }
    state.length = there.length();
    state.crc = there.entry().crc();
    state.known = there.fingerprint();
    end(state);
    return true;
  }

  /** Ends a file that is whole: a hard link may lead to it from now on. */
  private void end(FileState state) throws IOException {
    feed.end(state);
    linkable.add(state.file.area(), state.file.path(), 0);
  }

  private static boolean isUnchanged(Base.BaseFile there, StoredFile now, Instant settled) {
    StoredFile before = there.entry().file();
    return now.node().isPresent()
        && before.node().equals(now.node())
        && before.length() == now.length()
        && before.modifiedAt().equals(now.modifiedAt())
        && now.modifiedAt().isBefore(settled)
        && now.node().get().changedAt().isBefore(settled);
  }

  @Override
  public FileWriter file(StoredFile file, PieceCheck check) throws IOException {
    FileState state = begin(file, StoredFile.Kind.FILE);
    drainStretches();
    feed.submitUnlessRoom(file.length());
    Content content = new Content(state, check);
    open = content;
    return content;
  }

  @Override
  public FileWriter file(StoredFile file, PieceCheck check, Arrival arrival) throws IOException {
    if (arrival instanceof Arrival.Chunked) {
      FileState state = begin(file, StoredFile.Kind.FILE);
      drainStretches();
      FileWriter content = new ChunkedFile(state, check, chunked, this::end, () -> open = null);
      open = content;
      return content;
    }
    Base known = base;
    StretchQueue queue = stretches;
    if (known == null || queue == null || arrival instanceof Arrival.Whole) {
      return file(file, check);
    }
    FileState state = begin(file, StoredFile.Kind.FILE);
    Patched content = new Patched(state, check, arrival, known, known.find(file), queue);
    open = content;
    return content;
  }

  @Override
  public void add(StoredFile file, FileContent content, Arrival arrival) throws IOException {
    Reading reading = new Reading(content, readings);
    if (arrival instanceof Arrival.Chunked) {
      throw new IllegalArgumentException("What is cut by its content is read from start to end");
    }
    FileState state = begin(file, StoredFile.Kind.FILE);
    state.reading = reading;
    state.length = file.length();
    Base known = base;
    StretchQueue queue = stretches;
    if (known == null || queue == null || arrival instanceof Arrival.Whole) {
      drainStretches();
      readWhole(state, reading);
      feed.end(state);
    } else {
      new Patched(state, PieceCheck.NONE, arrival, known, known.find(file), queue).read(reading);
    }
  }

  private void readWhole(FileState state, Reading reading) throws IOException {
    feed.submitUnlessRoom(state.length);
    for (long at = 0; at < state.length; ) {
      Piece piece = feed.current();
      int next = (int) Math.min(piece.room(), state.length - at);
      piece.read(state, reading, at, next);
      at += next;
      if (piece.room() == 0) {
        feed.submit();
      }
    }
    bytesRead += state.length;
    bytesChanged += state.length;
    reading.planned();
  }

  @Override
  public void settle() throws IOException {
    requireIdle();
    drainStretches();
    feed.submit();
    pipeline.drain();
  }

  @Override
  public long bytesRead() {
    return bytesRead + chunked.bytesRead() - assembler.bytesGone();
  }

  @Override
  public long bytesStored() {
    return packs.sealedLength() + manifestLength;
  }

  @Override
  public long bytesResumed() {
    return assembler.bytesResumed();
  }

  @Override
  public BackupDescriptor commit(BackupFacts facts, BackupStatus status) throws IOException {
    requireIdle();
    boolean server = incarnation.server().isPresent();
    if (facts.log().isPresent() != server || !server && status == BackupStatus.AWAITING_WAL) {
      throw new IllegalArgumentException(
          "Source " + source.info().name() + (server ? " has a server" : " has no server"));
    }
    ended = true;
    drainStretches();
    feed.submit();
    pipeline.finish();
    Map<ObjectId, PackRef> table = new LinkedHashMap<>();
    for (PackRef pack : assembler.packs()) {
      table.put(pack.id(), pack);
    }
    requireStored(List.copyOf(table.values()));
    Set<ObjectId> doubtful = requireResumed(table);
    Set<ObjectId> ours = Set.copyOf(table.keySet());
    requireReferenced(table);
    long stored = packs.sealedLength();
    StoredBackup backup = describe(facts, status, stored);
    Manifest manifest =
        new Manifest(backup, facts, run.value(), table, List.copyOf(assembler.tables()));
    SlotRef ref = store(manifest);
    manifestLength = ref.length();
    List<Operation> operations = new ArrayList<>();
    if (status != BackupStatus.AWAITING_WAL && replaced.isEmpty()) {
      operations.addAll(SealedWalArchive.mark(services, source, backup));
    }
    operations.add(new Operation.Backup(backup, ref));
    operations.addAll(alongside);
    boolean lapsed = lapsed();
    if (lapsed) {
      doubtful.addAll(ours); // whoever took this run for dead may have them too
    }
    services
        .log()
        .append(
            catalog -> {
              if (catalog.kept(id).isPresent() || done.test(catalog)) {
                return List.of();
              }
              Optional<ErasedSource> erased = catalog.erased(source.tree());
              if (erased.isPresent()) {
                throw erased.get().refusal();
              }
              requireNothingSwept(manifest, ref, lapsed, catalog);
              requireUnshared(doubtful, catalog);
              if (replaced.isPresent()) {
                return replacing(operations, catalog);
              }
              if (start.members().isEmpty()) {
                return operations;
              }
              List<Operation> all = new ArrayList<>(operations);
              all.addAll(Membership.holds(id, start.members(), catalog, services.store().now()));
              return all;
            });
    committed = true;
    leftovers.forget();
    LOG.info(
        "Committed backup={} source={} type={} files={} read={} changed={} resumed={} stored={}",
        id,
        source.info().name(),
        backup.type().label(),
        backup.files(),
        backup.bytesRead(),
        backup.bytesChanged(),
        bytesResumed(),
        backup.bytesStored());
    return backup;
  }

  /** It comes and the old one goes in one commit, so that history never has both, nor neither. */
  private List<Operation> replacing(List<Operation> operations, Catalog catalog)
      throws IOException {
    Replacement old = replaced.orElseThrow();
    List<Operation> all = new ArrayList<>(operations);
    List<Operation> besides =
        old.operations(id, catalog, services.log().sequence(), services.store().now());
    long place = catalog.kept(old.backup().id()).orElseThrow().fate().place();
    all.add(new Operation.Rekeyed(id, place));
    all.addAll(besides);
    return all;
  }

  @Override
  public void close() throws IOException {
    ended = true;
    try {
      if (stretches != null) {
        stretches.close();
      }
    } finally {
      pipeline.close();
      closeReadings();
      leftovers.close();
      if (base != null) {
        base.close();
      }
      endLease(!committed && (leftovers.any() || packs.publishedLength() > 0));
      fence.close();
      Arrays.fill(addressKey, (byte) 0);
    }
  }

  /** What was to be read and was not, when nobody reads any more. */
  private void closeReadings() {
    for (Reading left : readings) {
      try {
        left.close();
      } catch (IOException e) {
        LOG.debug("backup={} cannot close a file", id, e);
      }
    }
  }

  /**
   * What an interrupted run stored goes into one backup alone: the next one, if it is full too, is
   * to be an independent copy.
   */
  private void requireUnshared(Set<ObjectId> doubtful, Catalog catalog) throws IOException {
    if (doubtful.isEmpty()) {
      return;
    }
    for (Catalog.Kept kept : catalog.kept()) {
      StoredBackup other = kept.entry().backup();
      if (kept.fate().sequence() <= head || !other.source().equals(source.info().name())) {
        continue;
      }
      for (PackRef pack : new BackupContents(services, source, kept.entry()).packs()) {
        if (doubtful.contains(pack.id())) {
          throw leaseLost("the backup " + other.id() + " has taken " + pack.key());
        }
      }
    }
  }

  private boolean lapsed() {
    try {
      lease.renew();
      return false;
    } catch (IOException e) {
      LOG.warn("backup={} cannot renew its lease before it commits: {}", id, e.toString());
      return true;
    }
  }

  /**
   * Decided on all commits so far: a sweep writes down what it removes before it does. One that
   * began while nobody could see this run's lease is not argued with.
   */
  private void requireNothingSwept(Manifest manifest, SlotRef ref, boolean lapsed, Catalog catalog)
      throws RepositoryException {
    Optional<ObjectKey> lost =
        Stream.concat(Stream.of(ref.key()), manifest.packs().values().stream().map(PackRef::key))
            .filter(fence::condemnsSomewhere)
            .findFirst();
    // The log of one that still counts is kept, whatever around it was let go of.
    boolean logGone =
        manifest.backup().physical()
            && replaced.isEmpty()
            && catalog
                    .walGoneSomewhere(
                        source.info().name(), incarnation.id(), manifest.backup().timeline())
                    .compareTo(manifest.backup().startLsn())
                > 0;
    if (lost.isEmpty() && !logGone && !lease.taken() && !(lapsed && fence.swept())) {
      return;
    }
    throw leaseLost(
        lost.map(key -> key + " was removed while it ran")
            .orElse(
                logGone
                    ? "the log at its start was removed while it ran"
                    : lease.taken()
                        ? "its lease lapsed, and another run took what it had stored"
                        : "its lease lapsed, and things were removed since"));
  }

  private RepositoryException leaseLost(String why) {
    return new RepositoryException(
        "backup.lease-lost",
        FailureKind.REFUSED,
        "Backup " + id + " is refused: " + why,
        Map.of("backup", id.value()),
        "Take another backup. Find out what held this one up for so long.",
        null);
  }

  private StoredBackup describe(BackupFacts facts, BackupStatus status, long stored) {
    Instant now = services.clock().instant();
    Optional<StoredBackup> old = replaced.map(Replacement::backup);
    return new StoredBackup(
        id,
        source.info().name(),
        incarnation.id(),
        incarnation.server(),
        facts.log(),
        start.type(),
        start.base(),
        status,
        start.label(),
        facts.startedAt(),
        facts.stoppedAt(),
        assembler.files(),
        assembler.bytes(),
        old.map(StoredBackup::bytesRead).orElse(bytesRead()),
        old.map(StoredBackup::bytesChanged).orElse(bytesChanged + chunked.bytesChanged()),
        stored,
        old.map(StoredBackup::durationMillis)
            .orElse(Math.max(0, now.toEpochMilli() - start.startedAt().toEpochMilli())),
        CopySet.holders(services.store()),
        List.of(),
        facts.warnings(),
        old.map(StoredBackup::id),
        start.partial());
  }

  /** Nothing is committed that refers to what is not there. */
  private void requireStored(List<PackRef> needed) throws IOException {
    Parallel.forEach(
        needed,
        services.parallelism(),
        () -> () -> {},
        (nothing, pack) -> {
          Optional<ObjectInfo> info = services.store().head(pack.key());
          if (info.isEmpty() || info.get().length() != pack.sealedLength()) {
            throw RepositoryException.damaged(
                pack.key().value(),
                info.isEmpty()
                    ? "is not there, though the store took it"
                    : "has " + info.get().length() + " of " + pack.sealedLength() + " bytes",
                null);
          }
        });
  }

  /** Adds the packs that interrupted runs left and this one takes; says which. */
  private Set<ObjectId> requireResumed(Map<ObjectId, PackRef> table) throws IOException {
    List<PackRef> resumed = leftovers.packs(assembler.resumed());
    requireStored(resumed);
    renewLocks(resumed);
    resumed.forEach(pack -> table.put(pack.id(), pack));
    return new HashSet<>(assembler.resumed());
  }

  /** Adds the packs of earlier backups to those of this one, after a look at each. */
  private void requireReferenced(Map<ObjectId, PackRef> table) throws IOException {
    Base known = base;
    if (known == null) {
      return;
    }
    List<PackRef> earlier = new ArrayList<>();
    for (ObjectId referenced : assembler.referenced()) {
      if (!table.containsKey(referenced)) {
        earlier.add(known.pack(referenced));
      }
    }
    try {
      requireStored(earlier);
    } catch (RepositoryException e) {
      throw known.damaged(e);
    }
    earlier.forEach(pack -> table.put(pack.id(), pack));
    renewLocks(earlier);
  }

  /** What it refers to must be safe for as long as what it wrote. */
  private void renewLocks(List<PackRef> packs) throws IOException {
    Locks.renew(services.store(), packs.stream().map(PackRef::key).toList(), LOG::warn);
  }

  private SlotRef store(Manifest manifest) throws IOException {
    ObjectKey place = ObjectNames.manifest(source.tree(), id);
    MessageDigest digest = Digests.sha256();
    ObjectHeader header =
        ObjectHeader.of(ObjectType.MANIFEST, key.slot(), ObjectId.random(services.random()));
    try (ObjectUpload upload = services.store().startUpload(place)) {
      long length;
      OutputStream body = new DigestOutputStream(upload.body(), digest);
      SealedWriter sealed = new SealedWriter(body, key, header, place.value(), services.random());
      try {
        Json.write(manifest.document(), sealed);
        length = sealed.sealedLength();
      } catch (IOException | RuntimeException e) {
        sealed.abort();
        sealed.close();
        throw e;
      }
      sealed.close();
      Outcomes.settle(services.store(), place, length, upload::commit);
      return new SlotRef(place, Digests.text(digest.digest()), length);
    }
  }

  private FileState begin(StoredFile file, StoredFile.Kind kind) throws IOException {
    requireIdle();
    pipeline.requireHealthy();
    EntryRules.require(file, kind);
    return new FileState(file);
  }

  private void requireIdle() {
    if (ended) {
      throw new IllegalStateException("The backup was committed or closed");
    }
    if (open != null) {
      throw new IllegalStateException("The file before is not finished");
    }
  }

  private static void requireLength(long count) {
    if (count < 0) {
      throw new IllegalArgumentException("A length of " + count);
    }
  }

  private void drainStretches() throws IOException {
    if (stretches != null) {
      stretches.drain();
    }
  }

  /** Maps a stretch whose parts are known, and sends what changed on its way. */
  private void take(Stretch stretch) throws IOException {
    FileState state = stretch.state;
    if (state.gone()) {
      if (stretch.endsFile) {
        feed.end(state);
      }
      return;
    }
    for (Stretch.Part part : stretch.parts) {
      long at = stretch.offset + part.from();
      switch (part.kind()) {
        case UNCHANGED -> {
          if (state.runTo != at) {
            flushRun(stretch, false);
            state.runFrom = at;
          }
          state.runTo = at + part.length();
        }
        case ZEROS -> {
          flushRun(stretch, false);
          feed.mark(new Reuse(state, List.of(new Extent(part.length(), null, 0)), null));
        }
        case CHANGED -> {
          flushRun(stretch, false);
          store(stretch, part);
        }
        case SAMPLED -> throw new IllegalStateException("A sample that was not compared");
      }
    }
    state.exact &= stretch.exact;
    if (stretch.length() > 0) {
      state.known = stretch.fingerprint;
      if (state.reading != null) {
        state.readWhole &= stretch.whole;
        state.crcRead = Crc.joined(state.crcRead, stretch.crc(), stretch.length());
      }
    }
    if (stretch.endsFile) {
      flushRun(stretch, true);
      if (state.reading != null) {
        state.crc = state.readWhole ? OptionalInt.of(state.crcRead) : OptionalInt.empty();
      }
      if (!state.exact) {
        state.crc = OptionalInt.empty(); // what came is not what a restore brings
      }
      feed.end(state);
    }
  }

  /** Hands on a run of unchanged bytes: whole parts of the base's map where it can. */
  private void flushRun(Stretch stretch, boolean atEnd) throws IOException {
    FileState state = stretch.state;
    long from = state.runFrom;
    long to = state.runTo;
    if (from == to) {
      return;
    }
    state.runFrom = to;
    Base.BaseFile file = stretch.base.orElseThrow();
    for (Base.BaseFile.Block block : file.blocks(from, to)) {
      MapRef map = block.map();
      boolean covered = from <= block.start() && block.end() <= to;
      boolean last = atEnd && block.end() == to && to == file.length();
      if (map != null && covered && (map.length() >= Assembler.REGION || last)) {
        feed.mark(new Reuse(state, List.of(), map));
      } else {
        feed.mark(
            new Reuse(
                state,
                file.extents(Math.max(from, block.start()), Math.min(to, block.end())),
                null));
      }
    }
  }

  /** Changed pages of many stretches share pieces; a stretch that is new begins its own. */
  private void store(Stretch stretch, Stretch.Part part) throws IOException {
    byte[] bytes = stretch.bytes();
    int from = (int) part.from();
    int left = (int) part.length();
    boolean whole = left == stretch.length();
    bytesChanged += left;
    while (left > 0) {
      Piece piece = feed.current();
      int room = piece.room();
      int taken = left <= room ? left : whole ? 0 : room - room % Arrival.PAGE;
      if (taken == 0 || piece.crowded()) {
        feed.submit();
        continue;
      }
      Piece.Slice slice = piece.begin(stretch.state, PieceCheck.NONE, stretch.offset + from);
      piece.append(slice, bytes, from, taken);
      from += taken;
      left -= taken;
    }
  }

  private final class Content implements FileWriter {
    private final FileState state;
    private final PieceCheck check;
    private final ContentCrc crc = new ContentCrc();
    private Piece.@Nullable Slice slice;
    private long length;

    Content(FileState state, PieceCheck check) {
      this.state = state;
      this.check = check;
    }

    @Override
    public void write(byte[] bytes, int offset, int count) throws IOException {
      java.util.Objects.checkFromIndexSize(offset, count, bytes.length);
      requireOpen();
      int from = offset;
      int left = count;
      while (left > 0) {
        Piece piece = feed.current();
        Piece.Slice part = slice;
        if (part == null) {
          part = piece.begin(state, check, length);
          slice = part;
        }
        if (piece.room() == 0) {
          slice = part.offset() == 0 ? null : moveOut(piece, part);
          if (slice == null) {
            feed.submit();
          }
          continue;
        }
        int taken = Math.min(left, piece.room());
        piece.append(part, bytes, from, taken);
        crc.update(bytes, from, taken);
        from += taken;
        left -= taken;
        length += taken;
        bytesRead += taken;
        bytesChanged += taken;
      }
    }

    @Override
    public void zeros(long count) throws IOException {
      requireOpen();
      requireLength(count);
      if (count == 0) {
        return;
      }
      dropEmptySlice();
      crc.zeros(count);
      length += count;
      // The last slice need not be the last stretch any more.
      state.known = Fingerprint.ZERO;
      feed.mark(new Reuse(state, List.of(new Extent(count, null, 0)), null));
    }

    @Override
    public void finish() throws IOException {
      requireOpen();
      pipeline.requireHealthy();
      state.length = length;
      state.crc = OptionalInt.of(crc.value());
      dropEmptySlice();
      open = null;
      SealedBackupWriter.this.end(state);
    }

    @Override
    public void close() {
      if (open != this) {
        return;
      }
      open = null;
      Piece.Slice part = slice;
      Piece piece = feed.begun();
      if (part != null && piece != null) {
        piece.remove(part);
      }
    }

    /** The file outgrew what was left of a shared piece: it gets one that begins with it. */
    private Piece.Slice moveOut(Piece shared, Piece.Slice part) throws IOException {
      Piece own = feed.another();
      Piece.Slice moved = own.adopt(shared, part);
      feed.submit();
      feed.replace(own);
      return moved;
    }

    private void dropEmptySlice() {
      Piece.Slice part = slice;
      slice = null;
      Piece piece = feed.begun();
      if (part != null && part.length() == 0 && piece != null) {
        piece.remove(part);
      }
    }

    private void requireOpen() {
      if (open != this) {
        throw new IllegalStateException("The file was finished or closed");
      }
    }
  }

  /** A file of which some content may be the base's. */
  private final class Patched implements FileWriter {
    private final FileState state;
    private final PieceCheck check;
    private final Arrival arrival;
    private final Base known;
    private final Optional<Base.BaseFile> file;
    private final StretchQueue queue;
    private final ContentCrc crc = new ContentCrc();
    private boolean whole = true;
    private @Nullable Stretch stretch;
    private @Nullable Reading reading;
    private long length;

    Patched(
        FileState state,
        PieceCheck check,
        Arrival arrival,
        Base known,
        Optional<Base.BaseFile> file,
        StretchQueue queue) {
      this.state = state;
      this.check = check;
      this.arrival = arrival;
      this.known = known;
      this.file = file;
      this.queue = queue;
      state.known = Fingerprint.ZERO;
    }

    @Override
    public void write(byte[] bytes, int offset, int count) throws IOException {
      java.util.Objects.checkFromIndexSize(offset, count, bytes.length);
      requireOpen();
      crc.update(bytes, offset, count);
      bytesRead += count;
      append(bytes, offset, count);
    }

    private void append(byte[] bytes, int offset, int count) throws IOException {
      for (int taken = 0; taken < count; ) {
        Stretch now = stretch();
        int next = Math.min(count - taken, now.room());
        now.append(bytes, offset + taken, next);
        taken += next;
        length += next;
        submitFull();
      }
    }

    /** Has all that is to be read, read. */
    void read(Reading reading) throws IOException {
      this.reading = reading;
      open = this;
      if (arrival instanceof Arrival.Listed listed) {
        plan(listed.pages());
      } else {
        expect(Stretch.Kind.CHANGED, state.file.length());
      }
      submit();
      reading.planned();
      end();
    }

    private void plan(BitSet pages) throws IOException {
      long known = Math.min(file.map(Base.BaseFile::length).orElse(0L), state.file.length());
      long sample = nextSample(0);
      while (length < known) {
        int page = (int) (length / Arrival.PAGE);
        if (pages.get(page)) {
          expect(Stretch.Kind.CHANGED, to(pages.nextClearBit(page), known) - length);
          continue;
        }
        long to = to(pages.nextSetBit(page), known);
        while (sample < page) {
          sample = nextSample(sample + 1);
        }
        long at = sample * Arrival.PAGE;
        if (at >= to || at + Arrival.PAGE > known) {
          expect(Stretch.Kind.UNCHANGED, to - length);
        } else if (at > length) {
          expect(Stretch.Kind.UNCHANGED, at - length);
        } else {
          expect(Stretch.Kind.SAMPLED, Arrival.PAGE);
          sample = nextSample(sample + 1);
        }
      }
      expect(Stretch.Kind.CHANGED, state.file.length() - length);
    }

    private static long to(int page, long known) {
      return page < 0 ? known : Math.min(known, (long) page * Arrival.PAGE);
    }

    /** The very first page of a backup, then one in as many as lie in all stretches of a sample. */
    private long nextSample(long from) {
      if (!sampled) {
        sampled = true;
        return from;
      }
      return from + sampling.nextLong(2L * SAMPLE * (Stretch.LENGTH / Arrival.PAGE));
    }

    @Override
    public OptionalLong baseLength() {
      return file.isPresent() ? OptionalLong.of(file.get().length()) : OptionalLong.empty();
    }

    @Override
    public void unchanged(long count) throws IOException {
      requireSparse();
      if (count > 0 && count > file.map(Base.BaseFile::length).orElse(0L) - length) {
        throw new RepositoryException(
            "backup.base-too-short",
            FailureKind.REFUSED,
            "The base "
                + known.id()
                + " has no bytes "
                + length
                + "+"
                + count
                + " of "
                + state.file.path(),
            Map.of("base", known.id().value(), "file", state.file.path()),
            "Take a full backup.",
            null);
      }
      whole &= count == 0;
      extend(Stretch.Kind.UNCHANGED, count);
    }

    @Override
    public void zeros(long count) throws IOException {
      requireOpen();
      requireLength(count);
      crc.zeros(count);
      if (arrival instanceof Arrival.Sparse) {
        extend(Stretch.Kind.ZEROS, count);
        return;
      }
      long left = count;
      while (left > 0) {
        if (stretch == null && left >= Stretch.LENGTH) {
          long many = left - left % Stretch.LENGTH;
          extend(Stretch.Kind.ZEROS, many);
          left -= many;
        } else {
          int next = (int) Math.min(left, stretch().room());
          append(new byte[next], 0, next);
          left -= next;
        }
      }
    }

    @Override
    public void finish() throws IOException {
      requireOpen();
      pipeline.requireHealthy();
      submit();
      state.crc = whole ? OptionalInt.of(crc.value()) : OptionalInt.empty();
      end();
      linkable.add(state.file.area(), state.file.path(), 0);
    }

    private void end() throws IOException {
      state.length = length;
      Stretch end = new Stretch(state, arrival, check, file, length, null);
      end.endsFile = true;
      open = null;
      queue.pass(end);
    }

    @Override
    public void close() {
      if (open != this) {
        return;
      }
      open = null;
      Stretch left = stretch;
      stretch = null;
      if (left != null) {
        queue.giveBack(left.bytes());
      }
    }

    private void extend(Stretch.Kind kind, long count) throws IOException {
      requireLength(count);
      expect(kind, count);
    }

    /** Adds bytes that are not written. */
    private void expect(Stretch.Kind kind, long count) throws IOException {
      boolean toRead = kind == Stretch.Kind.CHANGED || kind == Stretch.Kind.SAMPLED;
      if (toRead) {
        bytesRead += count;
      }
      long left = count;
      while (left > 0) {
        long many = left - left % Stretch.LENGTH;
        if (stretch == null && many > 0 && !toRead) {
          Stretch passing = new Stretch(state, arrival, check, file, length, null);
          passing.extend(kind, many);
          length += many;
          left -= many;
          passing.fingerprint = fingerprintIfLast(passing);
          queue.pass(passing);
          continue;
        }
        Stretch now = stretch();
        long next = Math.min(left, now.room());
        now.extend(kind, next);
        left -= next;
        length += next;
        submitFull();
      }
    }

    private Stretch stretch() throws IOException {
      Stretch now = stretch;
      if (now == null) {
        now = new Stretch(state, arrival, check, file, length, queue.buffer());
        stretch = now;
      }
      return now;
    }

    private void submitFull() throws IOException {
      if (stretch != null && stretch.room() == 0) {
        submit();
      }
    }

    private void submit() throws IOException {
      Stretch now = stretch;
      stretch = null;
      if (now == null) {
        return;
      }
      if (arrival instanceof Arrival.Judged && file.isPresent()) {
        now.sampled = !sampled || sampling.nextInt(SAMPLE) == 0;
        sampled = true;
      }
      now.fingerprint = fingerprintIfLast(now);
      if (reading != null && now.reads()) {
        reading.plan();
        now.reading = reading;
      }
      queue.submit(now);
    }

    /** What is unchanged to the base's end has its fingerprint, if nothing comes behind it. */
    private Fingerprint fingerprintIfLast(Stretch now) {
      boolean toTheEnd =
          now.parts.size() == 1
              && now.parts.get(0).kind() == Stretch.Kind.UNCHANGED
              && file.filter(one -> one.length() == length).isPresent();
      return toTheEnd ? file.orElseThrow().fingerprint() : Fingerprint.ZERO;
    }

    private void requireSparse() {
      requireOpen();
      if (!(arrival instanceof Arrival.Sparse)) {
        throw new IllegalStateException("Not a sparse file");
      }
    }

    private void requireOpen() {
      if (open != this) {
        throw new IllegalStateException("The file was finished or closed");
      }
    }
  }
}
