package com.thorbis.backup.storage.internal.session;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.OffersReport;
import com.thorbis.backup.api.OffersReport.Offer;
import com.thorbis.backup.api.OffersReport.State;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.backup.BackupCopy;
import com.thorbis.backup.storage.internal.backup.SealedBackupReader;
import com.thorbis.backup.storage.internal.backup.SealedBackupWriter;
import com.thorbis.backup.storage.internal.catalog.Bootstrap;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.Registrar;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.wal.SealedWalArchive;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What sealed writers have stored, and how it becomes the repository's: what a session says is
 * opened, checked and written anew, as if it were made here, and one commit says that it was. So
 * nothing that counts is ever under a key that a sealed writer had, or in a place that it wrote to.
 */
public final class Offers {
  private static final Logger LOG = LoggerFactory.getLogger(Offers.class);
  private static final int MOST_REMOVED_AT_ONCE = 1000;
  private static final int WAL_NAME = 24;

  private final Services services;
  private final RepositorySetup setup;
  private final Registrar registrar;
  private final RunControl control;
  private final Map<ObjectId, Found> found = new LinkedHashMap<>();
  private final List<BackupId> adopted = new ArrayList<>();
  private List<ObjectId> listed = List.of();
  private long segments;
  private long removed;

  /** Over an opened repository. */
  public Offers(Services services, RepositorySetup setup, Registrar registrar, RunControl control) {
    this.services = services;
    this.setup = setup;
    this.registrar = registrar;
    this.control = control;
  }

  /** A session. */
  private static final class Found {
    final ObjectId id;
    final Set<String> problems = new LinkedHashSet<>();
    final List<ObjectId> missing = new ArrayList<>();
    final List<ObjectKey> confirmed = new ArrayList<>(); // log that is in the repository
    Bootstrap.@Nullable Session session;
    @Nullable State state; // null as long as nothing speaks against it
    boolean ended;

    Found(ObjectId id) {
      this.id = id;
    }

    Bootstrap.Opened opened() {
      return Objects.requireNonNull(session).opened();
    }

    CommitLog log() {
      return opened().log();
    }

    Catalog catalog() {
      return log().catalog();
    }

    void refuse(State as, String problem) {
      state = as;
      problems.add(problem);
    }
  }

  /** Sealed writers store into the first copy alone: what another one lacks says nothing. */
  private ObjectStore place() {
    return CopySet.deciding(services.store());
  }

  /** What there is. Changes nothing. */
  public OffersReport look() throws IOException {
    try {
      find();
      return report();
    } finally {
      close();
    }
  }

  /** What somebody should do about it. */
  public List<CheckItem> check() throws IOException {
    List<CheckItem> items = new ArrayList<>();
    for (Offer offer : look().offers()) {
      if (offer.state() == State.LOCKED) {
        items.add(
            new CheckItem(
                "repository.offers",
                Outcome.WARN,
                String.join("; ", offer.problems()),
                "Run offers adopt where the private half of a recovery recipient is."));
      } else if (!offer.problems().isEmpty()) {
        items.add(
            new CheckItem(
                "repository.offers",
                Outcome.FAIL,
                String.join("; ", offer.problems()),
                "Find out who can write to the store. Run offers adopt, which takes in what is"
                    + " whole; what can never be adopted is given up with offers adopt --forget "
                    + offer.session()
                    + "."));
      } else if (offer.state() == State.WAITING) {
        items.add(
            new CheckItem(
                "repository.offers",
                Outcome.WARN,
                "A session of "
                    + offer.writer().orElse("a sealed writer")
                    + " is not adopted: what it stored counts for nothing yet",
                "Run offers adopt, from a timer best."));
      }
    }
    return items;
  }

  /**
   * Takes it in.
   *
   * @param forgotten sessions that are given up, whatever they hold
   */
  public OffersReport adopt(Collection<ObjectId> forgotten) throws IOException {
    services.log().requireDeciding();
    try {
      find();
      for (ObjectId id : forgotten) {
        forget(id);
      }
      for (Found one : found.values()) {
        control.cancellation().check();
        if (one.state == null && !isEnded(one.id)) {
          take(one);
        }
      }
      for (ObjectId id : listed) {
        if (isEnded(id)) {
          remove(id);
        }
      }
      return report();
    } finally {
      close();
    }
  }

  private void close() {
    for (Found one : found.values()) {
      if (one.session != null) {
        one.opened().keys().close();
      }
    }
  }

  private OffersReport report() throws IOException {
    List<Offer> offers = new ArrayList<>();
    Catalog catalog = services.log().catalog();
    for (Found one : found.values()) {
      Optional<Operation.Taken> taken = catalog.taken(one.id);
      if (taken.isPresent() && taken.get().ended()) {
        continue;
      }
      List<BackupId> waiting =
          one.session == null || one.state == State.REFUSED
              ? List.of()
              : waiting(one, taken).stream().map(kept -> kept.entry().backup().id()).toList();
      State state = one.state;
      if (state == null) {
        state =
            !one.problems.isEmpty()
                ? State.DAMAGED
                : taken.isPresent() && taken.get().sequence() == one.log().sequence()
                    ? State.TAKEN
                    : State.WAITING;
      }
      offers.add(
          new Offer(
              one.id.toString(),
              one.session == null
                  ? Optional.empty()
                  : one.session.writer().map(Operation.Writers.Writer::name),
              state,
              waiting,
              List.copyOf(one.problems)));
    }
    for (ObjectId missing : missing(catalog)) {
      offers.add(
          new Offer(
              missing.toString(),
              Optional.empty(),
              State.MISSING,
              List.of(),
              List.of(
                  ObjectNames.session(missing)
                      + ": a later session of its host says that it was stored, and it is not"
                      + " there")));
    }
    return new OffersReport(offers, adopted, segments, removed);
  }

  /** What sessions name, those that are there and those that were taken in, and nobody finds. */
  private Set<ObjectId> missing(Catalog catalog) {
    Set<ObjectId> missing = new LinkedHashSet<>();
    catalog.taken().forEach(taken -> missing.addAll(taken.missing()));
    found.values().forEach(one -> missing.addAll(one.missing));
    missing.removeIf(id -> catalog.taken(id).isPresent() || found.containsKey(id));
    return missing;
  }

  private void find() throws IOException {
    services.log().refresh();
    listed = list();
    for (ObjectId id : listed) {
      open(id);
    }
    // A listing may be short: what others vouch for is looked for by name.
    List<Found> reading = new ArrayList<>(found.values());
    for (int i = 0; i < reading.size(); i++) {
      for (Operation.Session.Earlier earlier : before(reading.get(i))) {
        if (!found.containsKey(earlier.session()) && !isEnded(earlier.session())) {
          open(earlier.session());
          Found more = found.get(earlier.session());
          if (more != null) {
            reading.add(more);
          }
        }
      }
    }
    for (Found one : List.copyOf(found.values())) {
      for (Operation.Session.Earlier earlier : before(one)) {
        compare(one, earlier);
      }
    }
    // What was stored first is taken in first: the log of one goes on where that of another ended.
    List<Found> ordered = new ArrayList<>(found.values());
    ordered.sort(
        Comparator.comparing(
            one -> one.session == null ? Instant.MAX : one.opened().header().createdAt()));
    found.clear();
    ordered.forEach(one -> found.put(one.id, one));
  }

  private static List<Operation.Session.Earlier> before(Found one) {
    return one.session == null || one.state == State.REFUSED
        ? List.of()
        : one.catalog().session().map(Operation.Session::before).orElse(List.of());
  }

  private boolean isEnded(ObjectId session) {
    return services.log().catalog().taken(session).filter(Operation.Taken::ended).isPresent();
  }

  /** The sessions there are, in as few requests as they have. */
  private List<ObjectId> list() throws IOException {
    List<ObjectId> ids = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      control.cancellation().check();
      ListPage page = place().list(ObjectNames.SESSIONS, after);
      after = page.next();
      String folder = "";
      for (ObjectInfo info : page.objects()) {
        String below = info.key().value().substring(ObjectNames.SESSIONS.length());
        folder = below.substring(0, Math.max(0, below.indexOf('/')));
        if (folder.matches("[0-9a-f]{32}")) {
          ObjectId id = ObjectId.parse(folder);
          if (!ids.contains(id)) {
            ids.add(id);
          }
        }
      }
      if (after.isPresent() && !folder.isEmpty()) {
        after = Optional.of(ObjectNames.SESSIONS + folder + "0"); // the character after the slash
      }
    } while (after.isPresent());
    return ids;
  }

  private void open(ObjectId id) throws IOException {
    if (isEnded(id)) {
      return;
    }
    Found one = new Found(id);
    try {
      Bootstrap.Session session =
          Bootstrap.openSession(
              setup,
              new StoreBelow(place(), ObjectNames.session(id)),
              services.log().catalog().writers(),
              services.random());
      one.session = session;
      found.put(id, one);
      judge(one, session);
    } catch (RepositoryException e) {
      if (e.code().equals("repository.not-initialised")) {
        return; // it was not begun whole: nothing in it can count yet
      }
      found.put(id, one);
      one.refuse(State.DAMAGED, ObjectNames.session(id) + e.getMessage());
    } catch (KeyException e) {
      if (e.kind() == FailureKind.TRANSIENT) {
        throw e;
      }
      found.put(id, one);
      one.refuse(State.LOCKED, ObjectNames.session(id) + ": " + e.getMessage());
    }
  }

  private void judge(Found one, Bootstrap.Session session) {
    String place = ObjectNames.session(one.id);
    CommitLog log = session.opened().log();
    log.passedOver()
        .forEach(
            passed ->
                one.problems.add(
                    place
                        + ObjectNames.commit(passed.sequence())
                        + " counts for nothing: "
                        + passed.reason()));
    session.problem().ifPresent(problem -> one.problems.add(place + problem.getMessage()));
    Optional<Operation.Session> said = log.catalog().session();
    if (!session.opened().header().id().equals(one.id)) {
      one.refuse(
          State.REFUSED,
          place
              + " holds what belongs below "
              + ObjectNames.session(session.opened().header().id()));
    } else if (session.writer().isEmpty() || said.isEmpty()) {
      one.refuse(State.REFUSED, place + " is refused: no writer of the repository has signed it");
    } else if (!said.get().of().equals(services.repository())) {
      one.refuse(
          State.REFUSED, place + " is refused: it was offered to repository " + said.get().of());
    }
    one.ended = log.catalog().sessionEnded();
  }

  /** Compares what a session says of one before it with what is there. */
  private void compare(Found by, Operation.Session.Earlier earlier) throws IOException {
    ObjectId id = earlier.session();
    Found there = found.get(id);
    Optional<Operation.Taken> taken = services.log().catalog().taken(id);
    if (there == null) {
      boolean enough = taken.filter(one -> one.sequence() >= earlier.sequence()).isPresent();
      if (!enough && !isEnded(id)) {
        by.missing.add(id);
      }
      return;
    }
    if (there.session == null || there.state == State.REFUSED) {
      return; // named already
    }
    if (!there.session.writer().equals(Objects.requireNonNull(by.session).writer())) {
      by.problems.add(
          ObjectNames.session(by.id)
              + " vouches for "
              + ObjectNames.session(id)
              + ", which is another writer's");
      return;
    }
    ObjectKey commit = ObjectNames.commit(earlier.sequence());
    if (there.log().sequence() < earlier.sequence()) {
      there.problems.add(
          ObjectNames.session(id)
              + commit
              + " is missing, which "
              + ObjectNames.session(by.id)
              + " vouches for");
    } else if (!there.log().requireHash(earlier.sequence()).equals(earlier.sha256())) {
      there.problems.add(
          ObjectNames.session(id)
              + commit
              + " is another than "
              + ObjectNames.session(by.id)
              + " vouches for");
    } else if (earlier.ended() && !there.ended) {
      there.ended =
          there.log().sequence() == earlier.sequence() && !newest(id).isAfter(began(by.id));
    }
  }

  private Instant began(ObjectId session) throws IOException {
    return place()
        .head(new ObjectKey(ObjectNames.session(session) + ObjectNames.HEADER))
        .map(ObjectInfo::modifiedAt)
        .orElse(Instant.MIN);
  }

  private Instant newest(ObjectId session) throws IOException {
    Instant newest = Instant.MIN;
    Optional<String> after = Optional.empty();
    do {
      ListPage page = place().list(ObjectNames.session(session), after);
      for (ObjectInfo info : page.objects()) {
        newest = info.modifiedAt().isAfter(newest) ? info.modifiedAt() : newest;
      }
      after = page.next();
    } while (after.isPresent());
    return newest;
  }

  private List<Catalog.Kept> waiting(Found one, Optional<Operation.Taken> taken) {
    long done = taken.map(Operation.Taken::sequence).orElse(0L);
    return one.catalog().kept().stream()
        .filter(kept -> kept.fate().sequence() > done && kept.fate().live())
        .sorted(Comparator.comparingLong(kept -> kept.fate().sequence()))
        .toList();
  }

  /** Takes in all of a session that is whole; what is not keeps what was made after it. */
  private void take(Found one) throws IOException {
    Services theirs = services(one);
    try {
      for (Catalog.Source source : one.catalog().sources()) {
        takeLog(one, theirs, source);
      }
      for (Catalog.Kept kept : waiting(one, services.log().catalog().taken(one.id))) {
        takeBackup(one, theirs, kept);
      }
      complete(one);
    } catch (KeyException e) {
      if (e.kind() == FailureKind.TRANSIENT) {
        throw e;
      }
      stop(one, e);
      return;
    } catch (IllegalArgumentException | IllegalStateException e) {
      stop(one, e); // what it says makes no sense, and must not keep others from being taken in
      return;
    } catch (RepositoryException e) {
      boolean ofTheirs = e.code().startsWith("wal.") || e.code().startsWith("source.");
      if (e.kind() != FailureKind.DAMAGED && !(e.kind() == FailureKind.REFUSED && ofTheirs)) {
        throw e;
      }
      stop(one, e);
      return;
    }
    boolean whole = one.problems.isEmpty();
    record(
        new Operation.Taken(
            one.id,
            one.log().sequence(),
            one.log().requireHash(one.log().sequence()),
            one.ended && whole,
            one.missing));
    if (whole && !one.ended) {
      removeAll(one.confirmed); // the log of a host that streams for months would lie there twice
    }
  }

  private static void stop(Found one, Exception e) {
    one.problems.add(ObjectNames.session(one.id) + e.getMessage());
    LOG.warn("Session {} is not taken in any further", one.id, e);
  }

  private Services services(Found one) {
    return new Services(
        one.id,
        one.opened().store(),
        one.opened().keys(),
        one.log(),
        services.codecs(),
        services.parallelism(),
        services.clock(),
        services.random(),
        services.tuning());
  }

  private void record(Operation.Taken taken) throws IOException {
    services
        .log()
        .append(
            catalog -> {
              Optional<Operation.Taken> before = catalog.taken(taken.session());
              return before.filter(one -> one.equals(taken) || one.ended()).isPresent()
                      || before.filter(one -> one.sequence() > taken.sequence()).isPresent()
                  ? List.of()
                  : List.of(taken);
            });
  }

  private void forget(ObjectId id) throws IOException {
    Found one = found.get(id);
    Optional<Operation.Taken> taken = services.log().catalog().taken(id);
    if (one == null
        && taken.isEmpty()
        && !listed.contains(id)
        && !missing(services.log().catalog()).contains(id)) {
      throw new RepositoryException(
          "offers.unknown",
          FailureKind.NOT_FOUND,
          "There is no session " + id,
          Map.of("session", id.toString()),
          "Look with offers list.",
          null);
    }
    long sequence =
        Math.max(
            taken.map(Operation.Taken::sequence).orElse(0L),
            one == null || one.session == null ? 0 : one.log().sequence());
    record(new Operation.Taken(id, sequence, "", true, List.of()));
  }

  /** The source that a session's is, whose life it saw. */
  private Catalog.Source own(Found one, Catalog.Source source, SourceInfo.Incarnation life)
      throws IOException {
    String name = source.info().name();
    if (services.log().catalog().source(name).isEmpty()) {
      registrar.register(name, source.info().type(), life.server(), life.id());
    }
    Catalog.Source own = services.log().catalog().source(name).orElseThrow();
    if (own.incarnation(life.id()).filter(it -> it.server().equals(life.server())).isEmpty()) {
      throw new RepositoryException(
          "source.incarnation-unknown",
          FailureKind.REFUSED,
          ": it is of a life of source "
              + name
              + " that the repository does not know, "
              + life.id()
              + life.server().map(it -> " of cluster " + it.systemIdText()).orElse(""),
          Map.of("source", name, "session", one.id.toString()),
          "Give its host a new file with keys sealed-writer, and give up what it stored with offers"
              + " adopt --forget.",
          null);
    }
    return own;
  }

  private void takeLog(Found one, Services theirs, Catalog.Source source) throws IOException {
    SourceInfo.Incarnation life = source.info().current();
    Catalog.Source own = own(one, source, life);
    SealedWalArchive from = new SealedWalArchive(theirs, source, life.id());
    SealedWalArchive to = new SealedWalArchive(services, own, life.id());
    for (Timeline timeline : from.timelines()) {
      Optional<byte[]> history = from.history(timeline);
      if (history.isPresent()) {
        to.storeHistory(timeline, history.get());
      }
      Lsn expired = services.log().catalog().walExpired(own.info().name(), life.id(), timeline);
      Set<String> whole = new HashSet<>();
      for (WalRange range : from.ranges(timeline)) {
        WalSegment segment =
            WalSegment.containing(timeline, range.start(), life.cluster().segmentSize());
        while (segment.start().compareTo(range.end()) < 0) {
          control.cancellation().check();
          if (segment.end().compareTo(expired) <= 0 || takeSegment(segment, from, to)) {
            whole.add(segment.fileName());
          }
          segment = segment.next();
        }
        Optional<WalGap> gap = from.recordedGap(timeline, range.end());
        if (gap.isPresent() && to.recordedGap(timeline, range.end()).isEmpty()) {
          to.recordGap(
              gap.get().range(),
              gap.get().noticedAt().orElse(services.clock().instant()),
              gap.get().reason().orElse(""));
        }
      }
      confirm(one, ObjectNames.wal(source.tree(), life.id(), timeline), whole);
    }
    for (Operation.WalMark mark : one.catalog().walMarks()) {
      if (mark.source().equals(source.info().name()) && !covers(to, mark)) {
        one.problems.add(
            ObjectNames.session(one.id)
                + ": log of timeline "
                + mark.timeline()
                + " is missing that it vouches for, between "
                + mark.from().map(Object::toString).orElse("its beginning")
                + " and "
                + mark.position());
      }
    }
  }

  /** Notes which objects hold log that is in the repository now, whole. */
  private void confirm(Found one, String folder, Set<String> whole) throws IOException {
    Optional<String> after = Optional.empty();
    do {
      ListPage page = one.opened().store().list(folder, after);
      for (ObjectInfo info : page.objects()) {
        String name = info.key().name();
        if (name.length() >= WAL_NAME && whole.contains(name.substring(0, WAL_NAME))) {
          one.confirmed.add(new ObjectKey(ObjectNames.session(one.id) + info.key()));
        }
      }
      after = page.next();
    } while (after.isPresent());
  }

  /** Whether it is there, whole. */
  private boolean takeSegment(WalSegment segment, SealedWalArchive from, SealedWalArchive to)
      throws IOException {
    OptionalInt crc = from.crc(segment);
    if (crc.isPresent() && crc.equals(to.crc(segment))) {
      to.ensure(segment); // on as many copies as the write policy wants
      return true;
    }
    Optional<WalArchive.WalContent> content = from.open(segment);
    if (content.isEmpty()) {
      return false; // what is missing is compared with what its host vouches for
    }
    WalMarks marks = from.marks(segment).orElse(WalMarks.NONE);
    WalArchive.Stored stored =
        content.get().complete()
            ? to.storeSegment(segment, content.get().bytes(), marks)
            : to.storePart(segment, 0, content.get().bytes(), marks);
    if (stored == WalArchive.Stored.WRITTEN) {
      segments++;
    }
    return content.get().complete();
  }

  /** Whether the repository has what a session vouches for, or has given it up. */
  private boolean covers(SealedWalArchive archive, Operation.WalMark mark) throws IOException {
    Lsn expired =
        services.log().catalog().walExpired(mark.source(), mark.incarnation(), mark.timeline());
    if (mark.position().compareTo(expired) <= 0) {
      return true;
    }
    for (WalRange range : archive.ranges(mark.timeline())) {
      Lsn from = mark.from().orElse(range.start());
      if (range.start().compareTo(from.compareTo(expired) > 0 ? from : expired) <= 0
          && mark.position().compareTo(range.end()) <= 0) {
        return true;
      }
    }
    return false;
  }

  private void takeBackup(Found one, Services theirs, Catalog.Kept kept) throws IOException {
    StoredBackup offered = kept.entry().backup();
    Catalog.Source source = one.catalog().source(offered.source()).orElseThrow();
    Optional<SourceInfo.Incarnation> its = source.incarnation(offered.incarnation());
    if (its.isEmpty()) {
      throw RepositoryException.damaged(
          kept.entry().manifest().key().value(),
          "is of a life that its session does not know",
          null);
    }
    SourceInfo.Incarnation life = its.get();
    Catalog.Source own = own(one, source, life);
    if (!offered.type().independent()) {
      throw RepositoryException.damaged(
          kept.entry().manifest().key().value(), "is of a backup that references others", null);
    }
    long sequence = kept.fate().sequence();
    Operation.Taken taken =
        new Operation.Taken(one.id, sequence, one.log().requireHash(sequence), false, one.missing);
    SealedBackupWriter.Offered what =
        new SealedBackupWriter.Offered(
            own.incarnation(life.id()).orElseThrow(),
            offered.id(),
            List.of(taken),
            catalog -> catalog.taken(one.id).filter(by -> by.sequence() >= sequence).isPresent());
    BackupStart start =
        new BackupStart(
            offered.source(),
            offered.type(),
            Optional.empty(),
            offered.label(),
            services.clock().instant(),
            offered.partial());
    try (SealedBackupReader reader = new SealedBackupReader(theirs, source, kept.entry());
        SealedBackupWriter writer =
            new SealedBackupWriter(services, own, start, Optional.of(what));
        BackupCopy copy = new BackupCopy(theirs, reader)) {
      copy.into(writer, control);
      adopted.add(writer.commit(reader.facts(), status(own, offered)).id());
    }
  }

  /** Complete is what the repository has the log of. */
  private BackupStatus status(Catalog.Source own, StoredBackup offered) throws IOException {
    return !offered.physical() || hasLog(own, offered)
        ? offered.status()
        : BackupStatus.AWAITING_WAL;
  }

  private boolean hasLog(Catalog.Source own, StoredBackup backup) throws IOException {
    SealedWalArchive archive = new SealedWalArchive(services, own, backup.incarnation());
    for (WalRange range : archive.ranges(backup.timeline())) {
      if (range.start().compareTo(backup.startLsn()) <= 0
          && backup.stopLsn().compareTo(range.end()) <= 0) {
        return true;
      }
    }
    return false;
  }

  /** What came later may be what a backup awaited. */
  private void complete(Found one) throws IOException {
    for (Catalog.Kept kept : one.catalog().kept()) {
      StoredBackup offered = kept.entry().backup();
      Optional<StoredBackup> here =
          services.log().catalog().backup(offered.id()).map(Catalog.Entry::backup);
      if (offered.status() != BackupStatus.AWAITING_WAL
          && here.filter(backup -> backup.status() == BackupStatus.AWAITING_WAL)
              .filter(backup -> backup.source().equals(offered.source()))
              .filter(backup -> backup.incarnation().equals(offered.incarnation()))
              .isPresent()) {
        Catalog.Source own = services.log().catalog().source(offered.source()).orElseThrow();
        if (hasLog(own, here.get())) {
          registrar.complete(offered.id(), SealedWalArchive.mark(services, own, here.get()));
        }
      }
    }
  }

  /** Nothing refers to any of it. */
  private void remove(ObjectId session) throws IOException {
    String prefix = ObjectNames.session(session);
    List<ObjectKey> going = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      control.cancellation().check();
      ListPage page = place().list(prefix, after);
      page.objects().forEach(info -> going.add(info.key()));
      after = page.next();
    } while (after.isPresent());
    removeAll(going);
    Files.deleteIfExists(CommitLog.seenIn(setup.stateDirectory(), session));
  }

  private void removeAll(List<ObjectKey> keys) throws IOException {
    for (int from = 0; from < keys.size(); from += MOST_REMOVED_AT_ONCE) {
      control.cancellation().check();
      List<ObjectKey> going =
          keys.subList(from, Math.min(keys.size(), from + MOST_REMOVED_AT_ONCE));
      Map<ObjectKey, StorageException> kept = place().deleteAll(going);
      removed += going.size() - kept.size();
      if (!kept.isEmpty()) {
        LOG.info(
            "{} objects that were adopted stay for now: {}",
            kept.size(),
            kept.values().iterator().next().getMessage());
      }
    }
  }
}
