package com.thorbis.backup.storage.internal.verify;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.backup.BackupContents;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.Registrar;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import com.thorbis.backup.storage.internal.pack.PackReader;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Looks whether all is as it was stored. What is damaged goes into the report; what could not be
 * looked at is an exception.
 */
public final class Verifier {
  private static final int MOST_PLAIN = 1 << 20;

  private final Services services;
  private final RunControl control;
  private final Findings findings;
  private final Catalog catalog;
  private final Narrowing narrowing;
  private final Catalog held;
  private final Openings openings;
  private final PackReader packs;
  private final Map<ObjectId, Needed> needed = new LinkedHashMap<>();
  private final Map<ObjectId, PackCheck.Result> results = new ConcurrentHashMap<>();
  private final Map<BackupId, BackupContents> opened = new LinkedHashMap<>();
  private final Set<ObjectId> locked = new HashSet<>();
  private final AtomicLong done = new AtomicLong();
  private final Proofs.Place proofs;
  private final List<ObjectKey> loose = new ArrayList<>();
  private boolean budgeted;
  private long expected;
  private Map<BackupId, Instant> proven = Map.of();

  /** A pack, and who needs it. */
  private record Needed(PackRef pack, Set<BackupId> backups) {}

  /**
   * Looks at what the catalogue holds now, on one copy.
   *
   * @param copy the name that reports give it
   * @param proofs what is known of it, which grows; stays the caller's
   */
  public Verifier(Services services, RunControl control, String copy, Proofs.Place proofs)
      throws IOException {
    this.proofs = proofs;
    this.services = services;
    this.control = control;
    this.findings = new Findings(copy);
    this.catalog = services.log().catalog();
    this.narrowing = new Narrowing(services);
    this.held = narrowing.expected(services.store());
    this.openings = new Openings(services, findings, control);
    this.packs = new PackReader(services.store(), services.keys(), openings::await);
  }

  /** Whether a kind of damage is that there is nothing. */
  public static boolean isMissing(String kind) {
    return kind.equals(Findings.MISSING);
  }

  /** Whether a kind of damage is one of the object itself, and not of what refers to it. */
  public static boolean isOfObject(String kind) {
    return kind.equals(Findings.MISSING)
        || kind.equals(Findings.ALTERED)
        || kind.equals(Findings.TRUNCATED);
  }

  /** Verifies. */
  public VerifyReport verify(VerifyRequest request) throws IOException {
    try (CommitLog.Fence sweeps = services.log().fence()) {
      return verify(request, sweeps);
    }
  }

  private VerifyReport verify(VerifyRequest request, CommitLog.Fence sweeps) throws IOException {
    long started = System.nanoTime();
    boolean everything = request.backup().isEmpty();
    budgeted = request.budget().isPresent();
    boolean data = request.level() == VerifyRequest.Level.DATA && !budgeted;
    List<Catalog.Entry> entries = entries(request);
    checkCommits();
    checkPlainObjects();
    openTrees();
    entries.removeIf(entry -> locked.contains(tree(entry)));
    for (Catalog.Entry entry : entries) {
      openManifest(entry);
    }
    // Of what this copy let go of, only the manifest is expected here.
    entries.removeIf(entry -> held.kept(entry.backup().id()).isEmpty());
    Map<ObjectKey, Long> listed = everything ? list() : Map.of();
    if (everything) {
      proofs.keepOnly(listed.keySet());
    }
    expected =
        budgeted
            ? request.budget().get().bytes().orElse(-1)
            : needed.values().stream().mapToLong(need -> need.pack().sealedLength()).sum();
    if (request.thaw()) {
      openings.thaw(readKeys(entries, listed));
    }
    control.progress().begin("verify", expected);
    checkPacks(listed, data, request.samplePercent());
    WalCheck wal = new WalCheck(services, held, findings, control, locked, proofs, openings);
    if (!budgeted) {
      nameFiles(data);
    }
    wal.check(entries, everything, data, listed);
    if (everything) {
      checkUnreferenced(listed, data);
    }
    Optional<VerifyReport.Coverage> coverage = Optional.empty();
    if (budgeted) {
      coverage = Optional.of(scrub(new Allowance(request.budget().get()), wal, listed));
      nameFiles(false);
    }
    control.progress().end("verify");
    leaveOutWhatWentMeanwhile(sweeps);
    if (budgeted) {
      proven = sound(entries, entry -> provenSince(entry, wal, listed));
    } else if (data && request.samplePercent() == 100) {
      proven = sound(entries, entry -> Optional.of(services.clock().instant()));
    }
    return findings.report((System.nanoTime() - started) / 1_000_000, coverage);
  }

  /** All that is going to be opened. */
  private List<ObjectKey> readKeys(List<Catalog.Entry> entries, Map<ObjectKey, Long> listed)
      throws IOException {
    Set<ObjectKey> keys = new LinkedHashSet<>();
    needed.values().forEach(need -> keys.add(need.pack().key()));
    for (ObjectKey key : listed.keySet()) {
      if (key.value().startsWith(ObjectNames.PACKS) || key.value().startsWith(ObjectNames.WAL)) {
        keys.add(key);
      }
    }
    for (Catalog.Entry entry : listed.isEmpty() ? entries : List.<Catalog.Entry>of()) {
      keys.addAll(WalCheck.segments(catalog, entry.backup()));
    }
    return List.copyOf(keys);
  }

  /** What a sweep has named since this began is no damage. */
  private void leaveOutWhatWentMeanwhile(CommitLog.Fence sweeps) throws IOException {
    if (!findings.any()) {
      return;
    }
    services.log().refresh();
    Catalog all = services.log().catalog();
    Catalog now = narrowing.expected(services.store());
    Optional<ObjectId> place = narrowing.narrowed(services.store());
    findings.leaveOut(
        id ->
            all.kept(id).filter(kept -> !kept.fate().sweeping()).isEmpty()
                || now.kept(id).isEmpty() && held.kept(id).isPresent(),
        object ->
            sweeps.condemns(new ObjectKey(object), place)
                || isGone(object, now)
                || wentWithItsSource(new ObjectKey(object), all));
  }

  /** Whether it was of a source when this began, which was erased since. */
  private boolean wentWithItsSource(ObjectKey object, Catalog now) {
    return catalog.sources().stream()
        .map(Catalog.Source::tree)
        .anyMatch(tree -> ObjectNames.isOf(object, tree) && now.erased(tree).isPresent());
  }

  private boolean isGone(String object, Catalog now) {
    StoredWal stored =
        object.startsWith(ObjectNames.WAL) ? StoredWal.parse(new ObjectKey(object), now) : null;
    WalSegment segment = stored == null ? null : stored.segment();
    return stored != null
        && (stored.replacedBy(now, this::isThere).isPresent()
            || segment != null
                && now.sources().stream()
                    .filter(source -> source.tree().equals(stored.tree()))
                    .anyMatch(
                        source -> now.isGone(source.info().name(), stored.incarnation(), segment)));
  }

  private boolean isThere(ObjectKey key) {
    try {
      return services.store().head(key).isPresent();
    } catch (IOException e) {
      return false; // then what is damaged is said
    }
  }

  /** The backups of which every byte was found as it was stored, and since when. */
  public Map<BackupId, Instant> proven() {
    return proven;
  }

  private Map<BackupId, Instant> sound(
      List<Catalog.Entry> entries, Function<Catalog.Entry, Optional<Instant>> since) {
    Map<BackupId, Instant> sound = new LinkedHashMap<>();
    for (Catalog.Entry entry : entries) {
      BackupId id = entry.backup().id();
      if (entry.backup().status() != BackupStatus.AWAITING_WAL
          && !findings.concern(id)
          && !isFrozen(entry)) {
        since.apply(entry).ifPresent(at -> sound.put(id, at));
      }
    }
    return sound;
  }

  /** Whether something of a backup was not opened. */
  private boolean isFrozen(Catalog.Entry entry) {
    BackupContents contents = opened.get(entry.backup().id());
    return contents == null
        || contents.packs().stream().anyMatch(pack -> findings.isFrozen(pack.key()))
        || WalCheck.segments(catalog, entry.backup()).stream().anyMatch(findings::isFrozen);
  }

  /** When the part of a backup that was proven longest ago was; empty if one never was. */
  private Optional<Instant> provenSince(
      Catalog.Entry entry, WalCheck wal, Map<ObjectKey, Long> listed) {
    BackupContents contents = opened.get(entry.backup().id());
    if (contents == null) {
      return Optional.empty();
    }
    Instant since = services.clock().instant();
    List<ObjectKey> parts = new ArrayList<>(wal.needed(entry.backup(), listed));
    contents.packs().forEach(pack -> parts.add(pack.key()));
    for (ObjectKey part : parts) {
      Optional<Instant> at = proofs.at(part, listed.getOrDefault(part, -1L));
      if (at.isEmpty()) {
        return Optional.empty();
      }
      since = at.get().isBefore(since) ? at.get() : since;
    }
    return Optional.of(since);
  }

  /** Something that a budget is spent on. */
  private record Part(ObjectKey key, long length, Instant proven, Opening opening) {}

  /** Opens one object, names it if it is damaged, and says whether it is whole. */
  @FunctionalInterface
  private interface Opening {
    boolean sound(PackCheck check) throws IOException;
  }

  /** Opens what was proven longest ago, as far as the budget goes. */
  private VerifyReport.Coverage scrub(
      Allowance allowance, WalCheck wal, Map<ObjectKey, Long> listed) throws IOException {
    List<Part> parts = parts(wal, listed);
    parts.sort(Comparator.comparing(Part::proven).thenComparing(Part::key));
    Parallel.forEach(
        parts,
        services.parallelism(),
        () -> new PackCheck(services, packs, 100),
        (check, part) -> {
          control.cancellation().check();
          if (allowance.take(part.length())) {
            openings.open(
                part.key(),
                () -> proofs.record(part.key(), part.length(), part.opening().sound(check)));
            control.progress().advance(done.addAndGet(part.length()), expected);
          }
        });
    proofs.requireRecorded();
    return coverage(allowance, parts);
  }

  private List<Part> parts(WalCheck wal, Map<ObjectKey, Long> listed) {
    List<Part> parts = new ArrayList<>();
    for (Needed need : needed.values()) {
      PackRef pack = need.pack();
      if (result(pack).sound()) {
        parts.add(
            part(
                pack.key(),
                pack.sealedLength(),
                check -> {
                  PackCheck.Result result = check.open(pack, Optional.of(pack.sealedLength()));
                  results.put(pack.id(), result);
                  return result.sound();
                }));
      }
    }
    for (StoredWal object : wal.objects()) {
      parts.add(
          part(
              object.key(),
              listed.getOrDefault(object.key(), 0L),
              check -> wal.open(object, listed)));
    }
    for (ObjectKey key : loose) {
      long length = listed.getOrDefault(key, 0L);
      ObjectId tree = ObjectId.parse(key.value().split("/", -1)[1]);
      parts.add(part(key, length, check -> openLoose(key, length, tree, check)));
    }
    return parts;
  }

  private Part part(ObjectKey key, long length, Opening opening) {
    return new Part(key, length, proofs.at(key, length).orElse(Instant.MIN), opening);
  }

  private VerifyReport.Coverage coverage(Allowance allowance, List<Part> parts) {
    long bytes = 0;
    long unproven = 0;
    long unprovenBytes = 0;
    Optional<Instant> oldest = Optional.empty();
    for (Part part : parts) {
      bytes += part.length();
      Optional<Instant> at = proofs.at(part.key(), part.length());
      if (at.isEmpty()) {
        unproven++;
        unprovenBytes += part.length();
      } else if (oldest.isEmpty() || at.get().isBefore(oldest.get())) {
        oldest = at;
      }
    }
    return new VerifyReport.Coverage(
        allowance.objects(),
        allowance.bytes(),
        parts.size(),
        bytes,
        unproven,
        unprovenBytes,
        oldest);
  }

  private List<Catalog.Entry> entries(VerifyRequest request) throws IOException {
    if (request.backup().isEmpty()) {
      return new ArrayList<>(catalog.whole());
    }
    BackupId id = request.backup().get();
    if (catalog.backup(id).isEmpty()) {
      throw Registrar.missing(catalog, id);
    }
    narrowing.requireHeld(id);
    return new ArrayList<>(catalog.backup(id).stream().toList());
  }

  /** Walks the whole chain, whatever checkpoints stand for it when the repository is opened. */
  private void checkCommits() throws IOException {
    CommitLog log = services.log();
    List<Long> checkpoints = CommitLog.checkpoints(services.store());
    CommitLog.Audit audit = log.audit(services.store());
    for (long sequence = 1; sequence <= log.sequence(); sequence++) {
      control.cancellation().check();
      findings.looked();
      long number = sequence;
      ObjectKey key = ObjectNames.commit(number);
      try {
        SealedObjects.again(
            key,
            () -> {
              byte[] bytes = SealedObjects.fetch(services.store(), key, SealedObjects.MOST_BYTES);
              Optional<String> known = log.hash(number);
              if (known.isPresent() && !Digests.sha256(bytes).equals(known.get())) {
                throw RepositoryException.damaged(key.value(), "is not what was read before", null);
              }
              audit.take(number, key, bytes);
              return number;
            });
      } catch (StorageException.NotFound e) {
        needed(key, Findings.MISSING);
        audit.lose();
      } catch (RepositoryException e) {
        needed(key, Findings.ALTERED);
        audit.lose();
      }
      if (checkpoints.contains(sequence)) {
        findings.looked();
        if (!audit.confirms(sequence)) {
          unreferenced(ObjectNames.checkpoint(sequence), Findings.ALTERED, Optional.empty());
        }
      }
    }
    for (long foreign : audit.foreign()) {
      unreferenced(ObjectNames.commit(foreign), CommitLog.FOREIGN, Optional.empty());
    }
  }

  private void checkPlainObjects() throws IOException {
    for (SlotRef ref : catalog.plainObjects()) {
      check(ref.key(), MOST_PLAIN, ref::matches);
    }
  }

  private void check(ObjectKey key, long most, Predicate<byte[]> whole) throws IOException {
    findings.looked();
    try {
      SealedObjects.again(
          key,
          () -> {
            byte[] bytes = SealedObjects.fetch(services.store(), key, most);
            if (!whole.test(bytes)) {
              throw RepositoryException.damaged(key.value(), "is not what it was", null);
            }
            return bytes;
          });
    } catch (StorageException.NotFound e) {
      needed(key, Findings.MISSING);
    } catch (RepositoryException e) {
      needed(key, Findings.ALTERED);
    }
  }

  /** What a damaged slot locks is not damaged itself: the slot is, and it is named already. */
  private void openTrees() throws IOException {
    for (Catalog.Source source : catalog.sources()) {
      if (services.keys().isErased(source.tree())) { // of which a copy that is behind knows nothing
        locked.add(source.tree());
        continue;
      }
      try {
        for (Catalog.KeyEpoch epoch : catalog.epochs(source.tree())) {
          services.keys().key(source.tree(), epoch.number());
        }
      } catch (RepositoryException e) {
        if (!findings.name(e.details().getOrDefault("object", e.code()))) {
          throw e;
        }
        locked.add(source.tree());
      }
    }
  }

  private ObjectId tree(Catalog.Entry entry) {
    return catalog.source(entry.backup().source()).orElseThrow().tree();
  }

  private void openManifest(Catalog.Entry entry) throws IOException {
    findings.looked();
    BackupId id = entry.backup().id();
    Catalog.Source source = catalog.source(entry.backup().source()).orElseThrow();
    BackupContents contents;
    try {
      contents = new BackupContents(services, source, entry);
    } catch (RepositoryException e) {
      findings.add(
          entry.manifest().key().value(),
          e.getCause() instanceof StorageException.NotFound ? Findings.MISSING : Findings.ALTERED,
          true,
          Set.of(id),
          Optional.empty(),
          Optional.empty());
      return;
    }
    if (held.kept(id).isEmpty()) {
      return;
    }
    opened.put(id, contents);
    for (PackRef pack : contents.packs()) {
      needed
          .computeIfAbsent(pack.id(), key -> new Needed(pack, new LinkedHashSet<>()))
          .backups()
          .add(id);
    }
  }

  private Map<ObjectKey, Long> list() throws IOException {
    Map<ObjectKey, Long> lengths = new LinkedHashMap<>();
    Optional<String> after = Optional.empty();
    do {
      control.cancellation().check();
      ListPage page = services.store().list("", after);
      for (ObjectInfo info : page.objects()) {
        lengths.put(info.key(), info.length());
      }
      after = page.next();
    } while (after.isPresent());
    return lengths;
  }

  private void checkPacks(Map<ObjectKey, Long> listed, boolean data, int samplePercent)
      throws IOException {
    Parallel.forEach(
        List.copyOf(needed.values()),
        services.parallelism(),
        () -> new PackCheck(services, packs, samplePercent),
        (check, need) -> {
          control.cancellation().check();
          findings.looked();
          Optional<Long> length = Optional.ofNullable(listed.get(need.pack().key()));
          PackRef pack = need.pack();
          boolean read = false;
          try {
            if (data) {
              read =
                  openings.open(pack.key(), () -> results.put(pack.id(), check.open(pack, length)));
            }
            if (!read) {
              results.put(pack.id(), check.presence(pack, length));
            }
          } catch (StorageException.NotFound e) {
            results.put(pack.id(), PackCheck.lost());
            read = data;
          }
          if (read && samplePercent == 100) {
            proofs.record(pack.key(), pack.sealedLength(), result(pack).sound());
          }
          if (!budgeted) {
            control.progress().advance(done.addAndGet(need.pack().sealedLength()), expected);
          }
        });
  }

  /** Says which files of which backups the damage of packs means. */
  private void nameFiles(boolean data) throws IOException {
    Set<ObjectId> named = new HashSet<>();
    for (Map.Entry<BackupId, BackupContents> entry : opened.entrySet()) {
      boolean sound = entry.getValue().packs().stream().allMatch(pack -> result(pack).sound());
      if (!data && sound) {
        continue;
      }
      BackupContents contents = entry.getValue();
      try (PieceCodec codec = services.codecs().get()) {
        contents.visit(packs, codec, new Naming(entry.getKey(), named));
      } catch (StorageException e) {
        if (!StorageException.isOffline(e)) {
          throw e;
        }
        // Its maps are not to be had now: what is damaged is named without files.
      } catch (RepositoryException e) {
        findings.add(
            entry.getValue().manifestKey().value(),
            Findings.DANGLING,
            true,
            Set.of(entry.getKey()),
            Optional.empty(),
            Optional.empty());
      }
    }
    for (Needed need : needed.values()) {
      PackCheck.Result result = result(need.pack());
      if (!result.sound() && !named.contains(need.pack().id())) {
        add(need.pack(), result, need.backups(), Optional.empty(), range(result));
      }
    }
  }

  private PackCheck.Result result(PackRef pack) {
    return Objects.requireNonNull(results.get(pack.id()), "every pack was looked at");
  }

  /** Finds the files that a damaged stretch belongs to. */
  private final class Naming implements BackupContents.Visitor {
    private final Set<BackupId> backup;
    private final Set<ObjectId> named;

    Naming(BackupId backup, Set<ObjectId> named) {
      this.backup = Set.of(backup);
      this.named = named;
    }

    @Override
    public void table(PackRef pack, PieceRef piece) {
      look(pack, piece, Optional.empty(), Optional.empty());
    }

    @Override
    public void map(StoredFile file, PackRef pack, PieceRef piece) {
      look(pack, piece, Optional.of(file.path()), Optional.of("0+" + file.length()));
    }

    @Override
    public void content(StoredFile file, long offset, long length, PackRef pack, PieceRef piece) {
      look(pack, piece, Optional.of(file.path()), Optional.of(offset + "+" + length));
    }

    @Override
    public void unreadable(@Nullable StoredFile file, PackRef pack, RepositoryException problem) {
      named.add(pack.id());
      PackCheck.Result result = result(pack);
      findings.add(
          pack.key().value(),
          result.kind.orElse(Findings.ALTERED),
          true,
          backup,
          Optional.ofNullable(file).map(StoredFile::path),
          Optional.empty());
    }

    private void look(PackRef pack, PieceRef piece, Optional<String> file, Optional<String> range) {
      PackCheck.Result result = result(pack);
      if (result.hits(piece.position(), piece.end())) {
        named.add(pack.id());
        add(pack, result, backup, file, range);
      } else if (!result.holds(piece)) {
        findings.add(pack.key().value(), Findings.DANGLING, true, backup, file, range);
      }
    }
  }

  private void add(
      PackRef pack,
      PackCheck.Result result,
      Set<BackupId> backups,
      Optional<String> file,
      Optional<String> range) {
    findings.add(
        pack.key().value(), result.kind.orElse(Findings.ALTERED), true, backups, file, range);
  }

  private static Optional<String> range(PackCheck.Result result) {
    return result.damaged.isEmpty()
        ? Optional.empty()
        : Optional.of(
            result.damaged.get(0)[0] + "+" + (result.damaged.get(0)[1] - result.damaged.get(0)[0]));
  }

  /** Everything that the store holds and nothing refers to. */
  private void checkUnreferenced(Map<ObjectKey, Long> listed, boolean data) throws IOException {
    Set<ObjectKey> known = new HashSet<>();
    catalog.plainObjects().forEach(ref -> known.add(ref.key()));
    catalog.kept().forEach(kept -> known.add(kept.entry().manifest().key()));
    needed.values().forEach(need -> known.add(need.pack().key()));
    for (long sequence = 1; sequence <= services.log().sequence(); sequence++) {
      known.add(ObjectNames.commit(sequence));
    }
    known.add(ObjectNames.COPY);
    known.add(ObjectNames.SIGNED); // it lies there before the commit that names it
    Map<ObjectId, Catalog.Source> trees = new HashMap<>();
    catalog.sources().forEach(source -> trees.put(source.tree(), source));
    List<ObjectKey> rest = new ArrayList<>();
    for (ObjectKey key : listed.keySet()) {
      if (!known.contains(key)
          && !key.value().startsWith(ObjectNames.WAL)
          && !key.value().startsWith(ObjectNames.SESSIONS)) {
        rest.add(key);
      }
    }
    Parallel.forEach(
        rest,
        services.parallelism(),
        () -> new PackCheck(services, packs, 100),
        (check, key) -> {
          control.cancellation().check();
          findings.looked();
          Long length = listed.get(key);
          checkUnreferenced(key, length == null ? 0 : length, trees, data, check);
        });
  }

  private void checkUnreferenced(
      ObjectKey key,
      long length,
      Map<ObjectId, Catalog.Source> trees,
      boolean data,
      PackCheck check)
      throws IOException {
    String[] parts = key.value().split("/", -1);
    String kind = parts[0] + "/";
    if (kind.equals(ObjectNames.KEYS) && cameBack(key)) {
      unreferenced(key, Findings.ERASED_KEY, Optional.empty());
      return;
    }
    if (kind.equals(ObjectNames.PROBE)
        || kind.equals(ObjectNames.LEASES) && parts.length == 3
        || kind.equals(ObjectNames.CHECKPOINTS) && parts.length == 2 && isNumber(parts[1])
        || kind.equals(ObjectNames.KEYS) && parts.length == 4
        || kind.equals(ObjectNames.COMMITS) && parts.length == 2 && isLater(parts[1])) {
      return; // left by another one that was faster, or replaced; or just committed
    }
    boolean pack = kind.equals(ObjectNames.PACKS);
    boolean manifest = kind.equals(ObjectNames.MANIFESTS);
    Optional<ObjectId> tree = parts.length == 3 ? id(parts[1]) : Optional.empty();
    if (!(pack || manifest) || tree.isEmpty() || pack && id(parts[2]).isEmpty()) {
      unreferenced(key, Findings.UNKNOWN, Optional.empty());
      return;
    }
    if (!trees.containsKey(tree.get()) || locked.contains(tree.get())) {
      return;
    }
    if (!data && pack) {
      synchronized (loose) {
        loose.add(key);
      }
    }
    if (!data && (pack || !budgeted)) {
      return;
    }
    if (pack) {
      ObjectId owner = tree.get();
      openings.open(key, () -> proofs.record(key, length, openLoose(key, length, owner, check)));
      return;
    }
    try {
      byte[] sealed = SealedObjects.fetch(services.store(), key, SealedObjects.MOST_BYTES);
      SealedObjects.open(
          sealed, ObjectType.MANIFEST, key, services.repository(), tree.get(), services.keys());
    } catch (RepositoryException | MalformedObjectException e) {
      unreferenced(key, Findings.ALTERED, Optional.empty());
    } catch (StorageException.NotFound e) {
      // Somebody removed it since it was listed; nobody misses it.
    }
  }

  /** Whether a slot is of a source whose keys no copy had any more. */
  private boolean cameBack(ObjectKey slot) {
    return catalog.erasures().stream()
        .anyMatch(erased -> erased.end().isPresent() && erased.owns(slot));
  }

  /** Opens a pack that nothing refers to. */
  private boolean openLoose(ObjectKey key, long length, ObjectId tree, PackCheck check)
      throws IOException {
    try {
      PackCheck.Result result = check.open(check.refer(key, length, tree), Optional.of(length));
      if (!result.sound()) {
        unreferenced(key, result.kind.orElse(Findings.ALTERED), range(result));
      }
      return result.sound();
    } catch (RepositoryException | MalformedObjectException e) {
      unreferenced(key, Findings.ALTERED, Optional.empty());
    } catch (StorageException.NotFound e) {
      // Somebody removed it since it was listed; nobody misses it.
    }
    return false;
  }

  private static boolean isNumber(String name) {
    return name.matches("[0-9a-f]{16}");
  }

  private boolean isLater(String name) {
    return isNumber(name) && Long.parseUnsignedLong(name, 16) > services.log().sequence();
  }

  private static Optional<ObjectId> id(String text) {
    try {
      return Optional.of(ObjectId.parse(text));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private void needed(ObjectKey key, String kind) {
    Set<BackupId> all = new LinkedHashSet<>();
    catalog.backups().stream()
        .filter(entry -> entry.backup().status() != BackupStatus.AWAITING_WAL)
        .forEach(entry -> all.add(entry.backup().id()));
    findings.add(key.value(), kind, true, all, Optional.empty(), Optional.empty());
  }

  private void unreferenced(ObjectKey key, String kind, Optional<String> range) {
    findings.add(key.value(), kind, false, Set.of(), Optional.empty(), range);
  }
}
