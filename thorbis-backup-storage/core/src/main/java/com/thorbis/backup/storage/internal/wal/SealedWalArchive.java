package com.thorbis.backup.storage.internal.wal;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.Thawing;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The WAL of one incarnation, every object of it sealed under the source's tree. */
public final class SealedWalArchive implements WalArchive {
  private static final Logger LOG = LoggerFactory.getLogger(SealedWalArchive.class);

  /** Longer segments are stored in parts only, so that no object needs so much memory. */
  public static final int MOST_WHOLE = 32 << 20;

  private static final int PART_OF_LARGE = 16 << 20;
  private static final int MOST_HISTORY = StoredWal.MOST_HISTORY / 2;
  private static final int MOST_SUMMARY = StoredWal.MOST_SUMMARY / 2;
  private static final int MOST_CHAINS = 64;

  /** A segment in memory takes several times its length: only so many at once. */
  private static final Semaphore SEALING = new Semaphore(2);

  /** What is put to several copies is in memory once more meanwhile. */
  private static final Semaphore SPREADING = new Semaphore(2);

  /** What others committed may be known from so long ago for an answer that log is absent. */
  private static final Duration STALE = Duration.ofSeconds(10);

  /** The same for what is stored. */
  private static final Duration STALE_FOR_STORING = Duration.ofMinutes(1);

  private final Services services;
  private final Narrowing narrowing;
  private final String source;
  private final ObjectId tree;
  private final SourceInfo.Incarnation incarnation;
  private final String home; // the folder that is written to
  private final boolean follows;
  private final List<Ancestor> lineage;
  private final Object storingParts = new Object();

  /**
   * Whether somebody else seems to store the same segments: then looking is cheaper than sealing
   * what is there already, and otherwise a request for nothing.
   */
  private volatile boolean anothersToo = true;

  private volatile Instant triedAt = Instant.MIN;

  private final Map<WalSegment, PartChain> chains =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<WalSegment, PartChain> eldest) {
          return size() > MOST_CHAINS;
        }
      };

  /**
   * An incarnation that shares its log with this one.
   *
   * @param incarnation its id; this one's first
   * @param last the last timeline it shares; null where it shares all
   */
  private record Ancestor(String incarnation, @Nullable Timeline last) {
    boolean shares(Timeline timeline) {
      return last == null || timeline.compareTo(last) <= 0;
    }
  }

  /** As the log says that was read. Opens nothing yet. */
  public SealedWalArchive(Services services, Catalog.Source source, String incarnation) {
    this(services, source, incarnation, incarnation, false);
  }

  private SealedWalArchive(
      Services services, Catalog.Source source, String life, String home, boolean follows) {
    this.services = services;
    this.narrowing = new Narrowing(services);
    this.source = source.info().name();
    this.tree = source.tree();
    this.incarnation = source.incarnation(life).orElseThrow();
    this.home = home;
    this.follows = follows;
    this.lineage =
        home.equals(life)
            ? lineage(source, this.incarnation)
            : List.of(new Ancestor(home, null)); // a folder by itself
  }

  /**
   * For whoever keeps it: before it says that something is absent it looks whether that was sealed
   * anew meanwhile, and lies elsewhere.
   */
  public static SealedWalArchive following(
      Services services, Catalog.Source source, String incarnation) {
    return new SealedWalArchive(services, source, incarnation, incarnation, true);
  }

  /** A life's log as it lies in one of its folders, which is written to. */
  public static SealedWalArchive folder(
      Services services, Catalog.Source source, String incarnation, String folder) {
    return new SealedWalArchive(services, source, incarnation, folder, false);
  }

  private static List<Ancestor> lineage(Catalog.Source source, SourceInfo.Incarnation from) {
    List<Ancestor> lineage = new ArrayList<>();
    lineage.add(new Ancestor(from.id(), null));
    Timeline last = null;
    Optional<SourceInfo.Fork> fork = from.fork();
    while (fork.isPresent() && lineage.size() <= source.info().incarnations().size()) {
      Timeline left = fork.get().timeline();
      last = last == null || left.compareTo(last) < 0 ? left : last;
      lineage.add(new Ancestor(fork.get().parent(), last));
      fork = source.incarnation(fork.get().parent()).flatMap(SourceInfo.Incarnation::fork);
    }
    return lineage;
  }

  @Override
  public String incarnation() {
    return incarnation.id();
  }

  @Override
  public ClusterIdentity cluster() {
    return incarnation.cluster();
  }

  @Override
  public Stored storeSegment(WalSegment segment, ByteBuffer content, WalMarks marks)
      throws IOException {
    requireSize(segment);
    int size = segment.size().bytes();
    if (content.remaining() != size) {
      throw new RepositoryException(
          "wal.segment-incomplete",
          FailureKind.REFUSED,
          segment.fileName() + " has " + content.remaining() + " of " + size + " bytes: refused",
          Map.of("segment", segment.fileName()),
          "Push the whole segment.",
          null);
    }
    PageHeader.require(cluster(), segment, content);
    services.log().requireDeciding();
    Optional<Stored> shared = alreadyElsewhere(segment, 0, content);
    if (shared.isPresent()) {
      return shared.get();
    }
    Stored stored =
        size > MOST_WHOLE
            ? storeLarge(segment, content, marks)
            : storeWhole(segment, content, marks);
    content.position(content.limit());
    return stored;
  }

  @Override
  public Stored storePart(WalSegment segment, int offset, ByteBuffer content, WalMarks marks)
      throws IOException {
    requireSize(segment);
    if (offset < 0
        || !content.hasRemaining()
        || content.remaining() > segment.size().bytes() - offset) {
      throw new IllegalArgumentException(
          "Not a part of " + segment + ": " + offset + "+" + content.remaining());
    }
    if (offset == 0) {
      PageHeader.require(cluster(), segment, content);
    }
    services.log().requireDeciding();
    Optional<Stored> shared = alreadyElsewhere(segment, offset, content);
    if (shared.isPresent()) {
      return shared.get();
    }
    Stored stored;
    synchronized (storingParts) {
      stored = storeParts(segment, offset, content.slice(), marks);
    }
    content.position(content.limit());
    return stored;
  }

  @Override
  public Stored storeHistory(Timeline timeline, byte[] content) throws IOException {
    if (content.length > MOST_HISTORY) {
      throw new IllegalArgumentException(
          timeline.historyFileName() + " has " + content.length + " bytes");
    }
    services.log().requireDeciding();
    Optional<byte[]> known = history(timeline);
    if (known.isPresent()) {
      if (!Arrays.equals(known.get(), content)) {
        throw conflict(timeline.historyFileName(), "another history file is stored");
      }
      // An ancestor's is not written here.
      isStored(
          ObjectNames.history(tree, home, timeline),
          folder -> ObjectNames.history(tree, folder, timeline));
      return Stored.ALREADY_PRESENT;
    }
    ObjectKey key = ObjectNames.history(tree, home, timeline);
    byte[] sealed = SealedObjects.seal(ObjectType.HISTORY, key, content, key(), services.random());
    try {
      Outcomes.settle(
          services.store(),
          key,
          sealed.length,
          () -> services.store().put(key, ObjectSource.of(sealed)),
          () -> readHistory(key).map(there -> Arrays.equals(there, content)));
    } catch (StorageException.AlreadyExists e) {
      throw conflict(timeline.historyFileName(), "another history file is stored");
    }
    return Stored.WRITTEN;
  }

  @Override
  public Stored storeSummary(Timeline timeline, Lsn start, byte[] summary) throws IOException {
    WalSegment first = summarized(timeline, start);
    if (summary.length > MOST_SUMMARY) {
      throw new IllegalArgumentException(
          "A summary of " + first + " of " + summary.length + " bytes");
    }
    services.log().requireDeciding();
    ObjectKey key = ObjectNames.summary(tree, home, first);
    if (isStored(key, folder -> ObjectNames.summary(tree, folder, first))) {
      return Stored.ALREADY_PRESENT;
    }
    byte[] sealed =
        SealedObjects.seal(ObjectType.WAL_SUMMARY, key, summary, key(), services.random());
    try {
      Outcomes.settle(
          services.store(),
          key,
          sealed.length,
          () -> services.store().put(key, ObjectSource.of(sealed)),
          () -> readSummary(key).map(there -> Arrays.equals(there, summary)));
    } catch (StorageException.AlreadyExists e) {
      return Stored.ALREADY_PRESENT; // another's, of the same log
    }
    return Stored.WRITTEN;
  }

  @Override
  public Optional<byte[]> summary(Timeline timeline, Lsn start) throws IOException {
    WalSegment first = summarized(timeline, start);
    return nearest(
        timeline,
        ObjectNames.summary(tree, home, first).name(),
        folder -> readSummary(ObjectNames.summary(tree, folder, first)));
  }

  @Override
  public void recordGap(WalRange range, Instant noticedAt, String reason) throws IOException {
    services.log().requireDeciding();
    WalSegment first =
        WalSegment.containing(range.timeline(), range.start(), cluster().segmentSize());
    ObjectKey key = ObjectNames.gap(tree, home, first);
    if (isStored(key, folder -> ObjectNames.gap(tree, folder, first))) {
      return; // nothing is overwritten: the first one says when it began
    }
    byte[] content = GapRecord.encode(range, noticedAt, reason);
    byte[] sealed = SealedObjects.seal(ObjectType.WAL_GAP, key, content, key(), services.random());
    try {
      Outcomes.settle(
          services.store(),
          key,
          sealed.length,
          () -> services.store().put(key, ObjectSource.of(sealed)));
    } catch (StorageException.AlreadyExists e) {
      LOG.debug("{} was recorded by another", key);
    }
  }

  @Override
  public Optional<WalGap> recordedGap(Timeline timeline, Lsn start) throws IOException {
    WalSegment first = WalSegment.containing(timeline, start, cluster().segmentSize());
    return nearest(
        timeline,
        ObjectNames.gap(tree, home, first).name(),
        folder -> {
          try {
            ObjectKey key = ObjectNames.gap(tree, folder, first);
            return Optional.of(GapRecord.read(services, tree, key));
          } catch (StorageException.NotFound e) {
            return Optional.empty();
          }
        });
  }

  /** Whether this life has it, in whichever folder; if so it counts as written here. */
  private boolean isStored(ObjectKey own, Function<String, ObjectKey> in) throws IOException {
    for (String folder : services.log().catalog().logFolders(source, home, own.name())) {
      ObjectKey key = in.apply(folder);
      if (services.store().head(key).isPresent()) {
        CopySet.ensure(services.store(), key);
        return true;
      }
    }
    return false;
  }

  /** What one folder of the log has. */
  @FunctionalInterface
  private interface Look<T> {
    Optional<T> in(String folder) throws IOException;
  }

  /** What the nearest of the lives has that share a timeline, by its file name. */
  private <T> Optional<T> nearest(Timeline timeline, String name, Look<T> look) throws IOException {
    return first(folders(timeline, name), look);
  }

  private List<String> folders(Timeline timeline, String name) {
    Catalog catalog = services.log().catalog();
    return lineage.stream()
        .filter(ancestor -> ancestor.shares(timeline))
        .flatMap(ancestor -> catalog.logFolders(source, ancestor.incarnation(), name).stream())
        .toList();
  }

  private static <T> Optional<T> first(List<String> folders, Look<T> look) throws IOException {
    for (String folder : folders) {
      Optional<T> found = look.in(folder);
      if (found.isPresent()) {
        return found;
      }
    }
    return Optional.empty();
  }

  private List<String> ownFolders(WalSegment segment) {
    return services.log().catalog().logFolders(source, home, segment);
  }

  private List<String> folders(Ancestor ancestor, WalSegment segment) {
    return services.log().catalog().logFolders(source, ancestor.incarnation(), segment);
  }

  /** Where a segment may lie, in the order in which to look. */
  private List<String> folders(WalSegment segment) {
    return lineage.stream()
        .filter(ancestor -> ancestor.shares(segment.timeline()))
        .flatMap(ancestor -> folders(ancestor, segment).stream())
        .toList();
  }

  /** Reads what others committed, unless somebody here did so a moment ago. */
  private void readOn(Duration stale) throws IOException {
    Instant due = services.clock().instant().minus(stale);
    if (follows && !services.log().refreshedAt().isAfter(due)) {
      services.log().refresh();
    }
  }

  private WalSegment summarized(Timeline timeline, Lsn start) {
    if ((start.value() & (summarySpan() - 1)) != 0) {
      throw new IllegalArgumentException("No stretch that is summarized starts at " + start);
    }
    return WalSegment.containing(timeline, start, cluster().segmentSize());
  }

  private Optional<byte[]> readSummary(ObjectKey key) throws IOException {
    try {
      return Optional.of(StoredWal.openSummary(services, tree, key));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  @Override
  public Optional<WalContent> open(WalSegment segment) throws IOException {
    requireSize(segment);
    List<String> looked = folders(segment);
    Optional<WalContent> found = find(segment);
    if (found.isEmpty()) {
      readOn(STALE);
      if (!folders(segment).equals(looked)) {
        found = find(segment);
      }
    }
    if (found.isEmpty()) {
      // A server that recovers takes it for the end of the log.
      for (Ancestor ancestor : lineage) {
        if (ancestor.shares(segment.timeline())) {
          narrowing.requireHeld(source, ancestor.incarnation(), segment);
        }
      }
    }
    return found;
  }

  @Override
  public Optional<WalMarks> marks(WalSegment segment) throws IOException {
    requireSize(segment);
    return first(folders(segment), folder -> marks(folder, segment));
  }

  private Optional<WalMarks> marks(String folder, WalSegment segment) throws IOException {
    ObjectKey whole = ObjectNames.segment(tree, folder, segment);
    Optional<WalHeader> header = header(whole, segment, 0);
    if (header.isEmpty()) {
      PartChain chain = walk(folder, segment);
      if (!chain.parts().isEmpty()) {
        return Optional.of(
            WalHeader.join(chain.parts().stream().map(part -> part.header().marks()).toList()));
      }
      header = header(whole, segment, 0); // it may have taken the place of its parts meanwhile
    }
    return header.map(WalHeader::marks);
  }

  @Override
  public Frozen frozen(List<WalRange> ranges) throws IOException {
    List<ObjectKey> keys = new ArrayList<>();
    for (WalRange range : ranges) {
      WalSegment segment =
          WalSegment.containing(range.timeline(), range.start(), cluster().segmentSize());
      while (segment.start().compareTo(range.end()) < 0) {
        for (Ancestor ancestor : lineage) {
          if (ancestor.shares(range.timeline())) {
            keys.add(ObjectNames.segment(tree, folders(ancestor, segment).get(0), segment));
          }
        }
        segment = segment.next();
      }
    }
    return Thawing.look(services, keys);
  }

  @Override
  public Optional<byte[]> history(Timeline timeline) throws IOException {
    List<String> looked = folders(timeline, timeline.historyFileName());
    Optional<byte[]> found = findHistory(timeline);
    if (found.isEmpty()) {
      readOn(STALE);
      if (!folders(timeline, timeline.historyFileName()).equals(looked)) {
        found = findHistory(timeline);
      }
    }
    return found;
  }

  private Optional<byte[]> findHistory(Timeline timeline) throws IOException {
    return nearest(
        timeline,
        timeline.historyFileName(),
        folder -> readHistory(ObjectNames.history(tree, folder, timeline)));
  }

  @Override
  public List<Timeline> timelines() throws IOException {
    TreeSet<Timeline> timelines = new TreeSet<>();
    for (Ancestor ancestor : lineage) {
      for (String folder : services.log().catalog().logFolders(source, ancestor.incarnation())) {
        for (Timeline timeline : timelines(ObjectNames.wal(tree, folder))) {
          if (ancestor.shares(timeline)) {
            timelines.add(timeline);
          }
        }
      }
    }
    return List.copyOf(timelines);
  }

  private List<Timeline> timelines(String prefix) throws IOException {
    List<Timeline> timelines = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      ListPage page = services.store().list(prefix, after);
      after = page.next();
      String folder = "";
      for (ObjectInfo info : page.objects()) {
        folder = info.key().value().substring(prefix.length());
        folder = folder.substring(0, Math.max(0, folder.indexOf('/')));
        if (isTimeline(folder)) {
          timelines.add(Timeline.parseHex(folder));
        }
      }
      if (after.isPresent() && !folder.isEmpty()) {
        after = Optional.of(prefix + folder + "0"); // the character after the slash
      }
    } while (after.isPresent());
    return timelines;
  }

  @Override
  public List<WalRange> ranges(Timeline timeline) throws IOException {
    TreeMap<Long, Lsn> ends = new TreeMap<>(Long::compareUnsigned);
    for (Ancestor ancestor : lineage) {
      if (ancestor.shares(timeline)) {
        collect(ancestor, timeline, ends);
      }
    }
    List<WalRange> ranges = new ArrayList<>();
    Lsn start = null;
    Lsn end = null;
    for (Map.Entry<Long, Lsn> stretch : ends.entrySet()) {
      Lsn from = new Lsn(stretch.getKey());
      if (start != null && end != null && from.compareTo(end) <= 0) {
        end = end.compareTo(stretch.getValue()) < 0 ? stretch.getValue() : end;
        continue;
      }
      if (start != null && end != null) {
        ranges.add(new WalRange(timeline, start, end));
      }
      start = from;
      end = stretch.getValue();
    }
    if (start != null && end != null) {
      ranges.add(new WalRange(timeline, start, end));
    }
    return ranges;
  }

  /** How far the log that a backup begins is stored now, to be recorded in a commit. */
  public static List<Operation> mark(Services services, Catalog.Source source, StoredBackup backup)
      throws IOException {
    if (!backup.physical()) {
      return List.of();
    }
    SealedWalArchive archive = new SealedWalArchive(services, source, backup.incarnation());
    for (WalRange range : archive.ranges(backup.timeline())) {
      if (range.contains(backup.startLsn())) {
        return List.of(
            new Operation.WalMark(
                backup.source(),
                backup.incarnation(),
                backup.timeline(),
                Optional.of(range.start()),
                range.end()));
      }
    }
    return List.of();
  }

  /**
   * How far a segment is stored from its first byte on; empty if it is positively absent.
   *
   * @param open whether to open all of it; what is damaged then counts as absent
   */
  public Optional<Lsn> reach(WalSegment segment, boolean open) throws IOException {
    if (open) {
      try {
        return open(segment).map(content -> segment.start().plus(content.bytes().remaining()));
      } catch (RepositoryException e) {
        return Optional.empty();
      }
    }
    for (Ancestor ancestor : lineage) {
      int longest = 0;
      if (ancestor.shares(segment.timeline())) {
        for (String folder : folders(ancestor, segment)) {
          ObjectKey whole = ObjectNames.segment(tree, folder, segment);
          if (services.store().head(whole).isPresent()) {
            return Optional.of(segment.end());
          }
          longest = Math.max(longest, soundEnd(folder, segment));
        }
      }
      if (longest > 0) {
        return Optional.of(segment.start().plus(longest));
      }
    }
    return Optional.empty();
  }

  /** Makes a segment that was found to be stored whole count as written here. */
  public void ensure(WalSegment segment) throws IOException {
    CopySet.ensure(services.store(), own(segment));
  }

  /** CRC-32C of a segment that is stored whole here; empty if it is not. */
  public OptionalInt crc(WalSegment segment) throws IOException {
    Optional<WalHeader> header = header(own(segment), segment, 0);
    return header.isEmpty() ? OptionalInt.empty() : OptionalInt.of(header.get().crc());
  }

  /** A whole segment of this life, wherever it lies. */
  private ObjectKey own(WalSegment segment) {
    return ObjectNames.segment(tree, ownFolders(segment).get(0), segment);
  }

  private Optional<WalContent> find(WalSegment segment) throws IOException {
    for (Ancestor ancestor : lineage) {
      if (ancestor.shares(segment.timeline())) {
        Optional<WalContent> found = openOf(ancestor, segment);
        if (found.isPresent()) {
          return found;
        }
      }
    }
    return Optional.empty();
  }

  /**
   * A life's whole segment in whichever folder it is sound; else what there is of it. Nobody may
   * take for the end of the log what another folder goes on behind.
   */
  private Optional<WalContent> openOf(Ancestor ancestor, WalSegment segment) throws IOException {
    Optional<WalContent> longest = Optional.empty();
    RepositoryException damaged = null;
    for (String folder : folders(ancestor, segment)) {
      try {
        Optional<WalContent> found = open(folder, segment);
        if (found.isPresent() && found.get().complete()) {
          return found;
        }
        if (length(found) > length(longest)) {
          longest = found;
        }
      } catch (RepositoryException e) {
        if (e.kind() != FailureKind.DAMAGED) {
          throw e;
        }
        damaged = damaged == null ? e : damaged;
      }
    }
    if (damaged != null) {
      throw damaged;
    }
    return longest;
  }

  private static int length(Optional<WalContent> content) {
    return content.map(found -> found.bytes().remaining()).orElse(0);
  }

  private void collect(Ancestor ancestor, Timeline timeline, Map<Long, Lsn> ends)
      throws IOException {
    List<String> folders = services.log().catalog().logFolders(source, ancestor.incarnation());
    for (String folder : folders) {
      // What an interrupted run sealed anew, nobody looks for there.
      Predicate<WalSegment> counts =
          folders.size() == 1
              ? segment -> true
              : segment -> folders(ancestor, segment).contains(folder);
      collect(folder, timeline, counts, ends);
    }
  }

  private void collect(
      String folder, Timeline timeline, Predicate<WalSegment> counts, Map<Long, Lsn> ends)
      throws IOException {
    WalSegment whole = null;
    WalSegment inParts = null;
    String prefix = ObjectNames.wal(tree, folder, timeline);
    Optional<String> after = Optional.empty();
    do {
      ListPage page = services.store().list(prefix, after);
      after = page.next();
      for (ObjectInfo info : page.objects()) {
        String name = info.key().name();
        boolean part = name.length() == 33 && name.charAt(24) == '.';
        if (!(part || name.length() == 24) || !WalSegment.isName(name.substring(0, 24))) {
          continue;
        }
        WalSegment segment;
        try {
          segment = WalSegment.parse(name.substring(0, 24), cluster().segmentSize());
        } catch (IllegalArgumentException e) {
          continue;
        }
        if (!segment.timeline().equals(timeline) || !counts.test(segment)) {
          continue;
        }
        if (!part) {
          whole = segment;
          ends.put(segment.start().value(), segment.end());
        } else if (!segment.equals(whole)
            && !segment.equals(inParts)
            && !segment.end().equals(ends.get(segment.start().value()))) {
          inParts = segment;
          int length = soundEnd(folder, segment);
          if (length > 0) {
            ends.merge(
                segment.start().value(),
                segment.start().plus(length),
                (one, other) -> one.compareTo(other) < 0 ? other : one);
          }
        }
      }
    } while (after.isPresent());
  }

  private Optional<WalContent> open(String folder, WalSegment segment) throws IOException {
    ObjectKey whole = ObjectNames.segment(tree, folder, segment);
    Optional<WalContent> found = readWhole(whole, segment);
    if (found.isPresent()) {
      return found;
    }
    byte[] bytes = new byte[0];
    PartChain chain = new PartChain();
    int end = 0;
    while (end < segment.size().bytes()) {
      ObjectKey key = ObjectNames.part(tree, folder, segment, end);
      WalObject.Whole part;
      try {
        part = WalObject.read(services, tree, key);
      } catch (StorageException.NotFound e) {
        break;
      }
      requireNamed(part.header(), segment, end, key);
      chain.add(new PartChain.Part(part.header(), part.sha256()), key.value());
      if (bytes.length < part.header().end()) {
        // Once for most: growing step by step holds more than the segment, in pieces hard to place.
        int more = bytes.length == 0 ? 0 : Math.max(2 * MOST_WHOLE, 2 * bytes.length);
        int room = Math.max(part.header().end(), more);
        bytes = Arrays.copyOf(bytes, Math.min(room, segment.size().bytes()));
      }
      System.arraycopy(part.content(), 0, bytes, end, part.content().length);
      end = part.header().end();
    }
    if (end == segment.size().bytes()) {
      return Optional.of(content(bytes, end, true));
    }
    found = readWhole(whole, segment); // it may have taken the place of its parts meanwhile
    if (found.isPresent() || end == 0) {
      return found;
    }
    return Optional.of(content(bytes, end, false));
  }

  private static WalContent content(byte[] bytes, int length, boolean complete) {
    return new WalContent(ByteBuffer.wrap(bytes, 0, length).slice().asReadOnlyBuffer(), complete);
  }

  private Optional<WalContent> readWhole(ObjectKey key, WalSegment segment) throws IOException {
    try {
      WalObject.Whole whole = WalObject.read(services, tree, key);
      requireNamed(whole.header(), segment, 0, key);
      if (whole.header().end() != segment.size().bytes()) {
        throw RepositoryException.damaged(key.value(), "is not a whole segment", null);
      }
      return Optional.of(content(whole.content(), whole.content().length, true));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  private Stored storeWhole(WalSegment segment, ByteBuffer content, WalMarks marks)
      throws IOException {
    Marked marked = mark(content);
    ObjectKey key = ObjectNames.segment(tree, home, segment);
    PartChain chain = walk(home, segment);
    for (PartChain.Part part : chain.parts()) {
      WalHeader header = part.header();
      requireSame(header, content.slice(header.start(), header.length()), segment);
    }
    WalHeader header =
        WalHeader.of(
            cluster(),
            segment,
            0,
            content.remaining(),
            marked.crc(),
            marked.fingerprint(),
            marks,
            "");
    return put(key, header, content, segment);
  }

  private Stored storeLarge(WalSegment segment, ByteBuffer content, WalMarks marks)
      throws IOException {
    Stored stored = Stored.ALREADY_PRESENT;
    int size = content.remaining();
    synchronized (storingParts) {
      for (int offset = 0; offset < size; offset += PART_OF_LARGE) {
        int length = Math.min(PART_OF_LARGE, size - offset);
        boolean last = offset + length == size;
        Stored part =
            storeParts(
                segment,
                offset,
                content.slice(content.position() + offset, length),
                last ? marks : WalMarks.NONE);
        stored = part == Stored.WRITTEN ? part : stored;
      }
    }
    return stored;
  }

  private Stored storeParts(WalSegment segment, int from, ByteBuffer content, WalMarks marks)
      throws IOException {
    Optional<WalHeader> whole = header(ObjectNames.segment(tree, home, segment), segment, 0);
    if (whole.isPresent()) {
      WalContent stored = open(segment).orElseThrow();
      if (!stored.bytes().slice(from, content.remaining()).equals(content)) {
        throw conflict(segment.fileName(), "the complete segment is stored with other content");
      }
      CopySet.ensure(services.store(), ObjectNames.segment(tree, home, segment));
      return Stored.ALREADY_PRESENT;
    }
    PartChain chain = known(segment);
    int offset = from;
    while (content.hasRemaining()) {
      PartChain.Part covering = chain.covering(offset);
      if (covering != null) {
        offset = skip(segment, covering, offset, content);
        continue;
      }
      if (offset != chain.end()) {
        chain = walk(home, segment);
        if (offset > chain.end()) {
          throw new RepositoryException(
              "wal.not-contiguous",
              FailureKind.REFUSED,
              segment.fileName() + ": a part at " + offset + " does not follow " + chain.end(),
              Map.of("segment", segment.fileName(), "end", Integer.toString(chain.end())),
              "Ship from " + chain.end() + " on.",
              null);
        }
        if (offset < chain.end()) {
          continue;
        }
      }
      // Whoever looks meanwhile must not find the part in the store before the chain has it.
      synchronized (chain) {
        PartChain.Part written = tryPut(segment, chain, offset, content, marks);
        if (written != null) {
          chain.add(written, segment.fileName());
          return Stored.WRITTEN;
        }
      }
      chain = walk(home, segment);
    }
    return Stored.ALREADY_PRESENT;
  }

  /** Puts the next part; null if another is there already. */
  private PartChain.@Nullable Part tryPut(
      WalSegment segment, PartChain chain, int offset, ByteBuffer content, WalMarks marks)
      throws IOException {
    Marked marked = mark(content);
    PartChain.Part last = chain.last();
    WalHeader header =
        WalHeader.of(
            cluster(),
            segment,
            offset,
            content.remaining(),
            marked.crc(),
            marked.fingerprint(),
            marks,
            last == null ? "" : last.sha256());
    ObjectKey key = ObjectNames.part(tree, home, segment, offset);
    SealedContent sealed = seal(key, header, content);
    String sha256 = sealed.sha256();
    try {
      Outcomes.settle(
          services.store(),
          key,
          sealed.length(),
          () -> services.store().put(key, sealed),
          () -> stored(key).map(there -> there.equals(sha256)));
    } catch (StorageException.AlreadyExists e) {
      return null;
    }
    return new PartChain.Part(header, sha256);
  }

  private Optional<String> stored(ObjectKey key) throws IOException {
    try {
      return Optional.of(
          Digests.sha256(SealedObjects.fetch(services.store(), key, SealedObjects.MOST_BYTES)));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  /** Compares with what is stored as far as both reach, and goes behind it. */
  private int skip(WalSegment segment, PartChain.Part part, int offset, ByteBuffer content)
      throws IOException {
    WalHeader header = part.header();
    CopySet.ensure(services.store(), ObjectNames.part(tree, home, segment, header.start()));
    int length = Math.min(header.end() - offset, content.remaining());
    ByteBuffer stretch = content.slice(content.position(), length);
    if (offset == header.start() && length == header.length()) {
      requireSame(header, stretch, segment);
    } else {
      ObjectKey key = ObjectNames.part(tree, home, segment, header.start());
      byte[] there = WalObject.read(services, tree, key).content();
      if (!ByteBuffer.wrap(there, offset - header.start(), length).equals(stretch)) {
        throw conflict(segment.fileName(), "other content is stored at offset " + offset);
      }
    }
    content.position(content.position() + length);
    return offset + length;
  }

  private Stored put(ObjectKey key, WalHeader header, ByteBuffer content, WalSegment segment)
      throws IOException {
    if ((anothersToo || isOfSeveral()) && services.store().head(key).isPresent()) {
      requireSame(WalObject.readHeader(services, tree, key), content, segment);
      CopySet.ensure(services.store(), key);
      return Stored.ALREADY_PRESENT;
    }
    SealedContent sealed = seal(key, header, content);
    AtomicBoolean there = new AtomicBoolean();
    boolean several = isOfSeveral();
    if (several) {
      acquire(SPREADING, key);
    }
    try {
      Outcomes.settle(
          services.store(),
          key,
          sealed.length(),
          () -> services.store().put(key, sealed),
          () -> {
            Optional<WalHeader> found = header(key, segment, 0);
            there.set(found.isPresent());
            return found.map(other -> same(other, header));
          });
    } catch (StorageException.AlreadyExists e) {
      throw conflict(segment.fileName(), "other content is stored under this name");
    } finally {
      if (several) {
        SPREADING.release();
      }
    }
    anothersToo = there.get();
    return there.get() ? Stored.ALREADY_PRESENT : Stored.WRITTEN;
  }

  /** Of several copies one may have what another lacks, or let go of. */
  private boolean isOfSeveral() {
    return services.store() instanceof CopySet set && set.copies().size() > 1;
  }

  private static void acquire(Semaphore semaphore, ObjectKey key) throws InterruptedIOException {
    try {
      semaphore.acquire();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted before " + key + " was stored");
    }
  }

  private SealedContent seal(ObjectKey key, WalHeader header, ByteBuffer content)
      throws IOException {
    acquire(SEALING, key);
    try {
      return WalObject.seal(services, key(), key, header, content);
    } finally {
      SEALING.release();
    }
  }

  /** Log never waits for a key service; what was sealed anew since is stored once more then. */
  private void readOnIfPossible() throws InterruptedIOException {
    Instant now = services.clock().instant();
    if (triedAt.isAfter(now.minus(STALE_FOR_STORING))) {
      return;
    }
    try {
      readOn(STALE_FOR_STORING);
    } catch (InterruptedIOException e) {
      throw e;
    } catch (IOException e) {
      triedAt = now;
      LOG.debug("What others committed is not known before log is stored", e);
    }
  }

  /** What was sealed anew, or is an ancestor's, is compared and not stored twice. */
  private Optional<Stored> alreadyElsewhere(WalSegment segment, int offset, ByteBuffer content)
      throws IOException {
    readOnIfPossible();
    for (String folder : ownFolders(segment)) {
      Optional<WalContent> there = folder.equals(home) ? Optional.empty() : open(folder, segment);
      if (length(there) >= offset + content.remaining()) {
        if (!there.orElseThrow().bytes().slice(offset, content.remaining()).equals(content)) {
          throw conflict(segment.fileName(), "other content is stored, sealed anew");
        }
        ensureAnew(segment, folder);
        content.position(content.limit());
        return Optional.of(Stored.ALREADY_PRESENT);
      }
    }
    return inParent(segment, offset, content);
  }

  private void ensureAnew(WalSegment segment, String folder) throws IOException {
    for (ObjectKey key : objects(tree, folder, segment)) {
      CopySet.ensure(services.store(), key);
    }
  }

  /** As what a whole segment lies in a folder that it was sealed anew into. */
  static List<ObjectKey> objects(ObjectId tree, String folder, WalSegment segment) {
    int size = segment.size().bytes();
    if (size <= MOST_WHOLE) {
      return List.of(ObjectNames.segment(tree, folder, segment));
    }
    List<ObjectKey> parts = new ArrayList<>();
    for (int offset = 0; offset < size; offset += PART_OF_LARGE) {
      parts.add(ObjectNames.part(tree, folder, segment, offset));
    }
    return parts;
  }

  /** A stretch that an ancestor holds already is compared with it and not stored twice. */
  private Optional<Stored> inParent(WalSegment segment, int offset, ByteBuffer content)
      throws IOException {
    if (lineage.size() < 2 || !lineage.get(1).shares(segment.timeline())) {
      return Optional.empty();
    }
    SourceInfo.Fork fork = incarnation.fork().orElseThrow();
    for (Ancestor ancestor : lineage.subList(1, lineage.size())) {
      Optional<WalContent> there =
          ancestor.shares(segment.timeline()) ? openOf(ancestor, segment) : Optional.empty();
      if (there.isPresent() && there.get().bytes().remaining() >= offset + content.remaining()) {
        if (!there.get().bytes().slice(offset, content.remaining()).equals(content)) {
          throw conflict(
              segment.fileName(), "incarnation " + ancestor.incarnation() + " has other content");
        }
        content.position(content.limit());
        return Optional.of(Stored.ALREADY_PRESENT);
      }
    }
    if (fork.position().compareTo(segment.start().plus(offset)) <= 0) {
      throw new RepositoryException(
          "wal.identity-mismatch",
          FailureKind.REFUSED,
          segment.fileName()
              + " lies on timeline "
              + segment.timeline()
              + " behind "
              + fork.position()
              + ", where this incarnation left it: refused",
          Map.of("segment", segment.fileName()),
          "Check which server ships into this source.",
          null);
    }
    return Optional.empty();
  }

  private PartChain known(WalSegment segment) throws IOException {
    PartChain chain;
    synchronized (chains) {
      chain = chains.get(segment);
    }
    return chain == null ? walk(home, segment) : chain;
  }

  /** How far parts reach that are sound: the log behind a damaged one is of no use. */
  private int soundEnd(String folder, WalSegment segment) throws IOException {
    PartChain chain = new PartChain();
    try {
      return walk(folder, segment, chain).end();
    } catch (RepositoryException e) {
      LOG.warn("The log ends at a damaged part: {}", e.getMessage());
      return chain.end();
    } catch (StorageException e) {
      ObjectKey next = ObjectNames.part(tree, folder, segment, chain.end());
      if (services.store() instanceof CopySet set && set.isUnknownToSome(next)) {
        return chain.end(); // as far as the copies know that can be asked, like a listing
      }
      throw e;
    }
  }

  /** Reads all parts there are now; only what is new is fetched. */
  private PartChain walk(String folder, WalSegment segment) throws IOException {
    return walk(folder, segment, new PartChain());
  }

  private PartChain walk(String folder, WalSegment segment, PartChain fresh) throws IOException {
    boolean own = folder.equals(home);
    PartChain chain = fresh;
    if (own) {
      synchronized (chains) {
        PartChain known = chains.get(segment);
        if (known != null) {
          chain = known;
        }
      }
    }
    if (chain != fresh) {
      for (PartChain.Part part : chain.parts()) {
        fresh.add(part, segment.fileName());
      }
    }
    synchronized (chain) {
      while (chain.end() < segment.size().bytes()) {
        ObjectKey key = ObjectNames.part(tree, folder, segment, chain.end());
        Optional<PartChain.Part> part = part(key, segment, chain.end());
        if (part.isEmpty()) {
          break;
        }
        chain.add(part.get(), key.value());
        if (chain != fresh) {
          fresh.add(part.get(), key.value());
        }
      }
    }
    if (own && !chain.parts().isEmpty()) {
      synchronized (chains) {
        chains.put(segment, chain);
      }
    }
    return chain;
  }

  private Optional<PartChain.Part> part(ObjectKey key, WalSegment segment, int offset)
      throws IOException {
    try {
      // Whole, because the hash of each part is needed to check the one that follows.
      WalObject.Whole part = WalObject.read(services, tree, key);
      requireNamed(part.header(), segment, offset, key);
      return Optional.of(new PartChain.Part(part.header(), part.sha256()));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  private Optional<WalHeader> header(ObjectKey key, WalSegment segment, int offset)
      throws IOException {
    try {
      WalHeader header = WalObject.readHeader(services, tree, key);
      requireNamed(header, segment, offset, key);
      return Optional.of(header);
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  private void requireNamed(WalHeader header, WalSegment segment, int offset, ObjectKey key)
      throws RepositoryException {
    if (!header.segment().equals(segment)
        || header.start() != offset
        || header.systemId() != cluster().systemId()) {
      throw RepositoryException.damaged(
          key.value(), "holds " + header.segment() + " from " + header.start(), null);
    }
  }

  private void requireSame(WalHeader header, ByteBuffer content, WalSegment segment)
      throws IOException {
    Marked marked = mark(content);
    if (header.length() != content.remaining()
        || header.crc() != marked.crc()
        || !header.fingerprint().equals(marked.fingerprint())) {
      throw conflict(segment.fileName(), "other content is stored at offset " + header.start());
    }
  }

  private static boolean same(WalHeader one, WalHeader other) {
    return one.start() == other.start()
        && one.end() == other.end()
        && one.crc() == other.crc()
        && one.fingerprint().equals(other.fingerprint());
  }

  private record Marked(int crc, Fingerprint fingerprint) {}

  private Marked mark(ByteBuffer content) throws IOException {
    CRC32C crc = new CRC32C();
    crc.update(content.duplicate());
    return new Marked(
        (int) crc.getValue(),
        new Fingerprint.Function(key().fingerprintSeed()).of(content.duplicate()));
  }

  private Optional<byte[]> readHistory(ObjectKey key) throws IOException {
    try {
      return Optional.of(StoredWal.openHistory(services, tree, key));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  private void requireSize(WalSegment segment) throws RepositoryException {
    if (!segment.size().equals(cluster().segmentSize())) {
      throw new RepositoryException(
          "wal.identity-mismatch",
          FailureKind.REFUSED,
          segment.fileName()
              + " is of "
              + segment.size().bytes()
              + " bytes; the cluster's segments have "
              + cluster().segmentSize().bytes(),
          Map.of("segment", segment.fileName()),
          "Check which server ships into this source.",
          null);
    }
  }

  private EpochKey key() throws IOException {
    return services.keys().current(tree);
  }

  private static boolean isTimeline(String text) {
    return text.matches("[0-9A-F]{8}") && !text.equals("00000000");
  }

  private static RepositoryException conflict(String name, String problem) {
    return new RepositoryException(
        "wal.conflict",
        FailureKind.REFUSED,
        name + ": " + problem + "; nothing was changed",
        Map.of("segment", name),
        "Two servers or two writers ship into one source, or the log was rewritten. Find out which"
            + " before anything else.",
        null);
  }
}
