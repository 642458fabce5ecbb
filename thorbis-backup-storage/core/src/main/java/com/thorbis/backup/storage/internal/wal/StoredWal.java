package com.thorbis.backup.storage.internal.wal;

import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.copies.SoundReads;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * An object of the log as its name tells.
 *
 * @param key where it lies
 * @param tree which tree sealed it
 * @param incarnation whose log
 * @param folder in which of its folders
 * @param segment which segment, the first one of what a summary or a gap is about; null for a
 *     history file
 * @param offset where it starts in its segment
 * @param whole whether it is a complete segment
 * @param about what it says of the log, if it is none itself: {@link ObjectType#WAL_SUMMARY} or
 *     {@link ObjectType#WAL_GAP}
 */
public record StoredWal(
    ObjectKey key,
    ObjectId tree,
    String incarnation,
    String folder,
    @Nullable WalSegment segment,
    int offset,
    boolean whole,
    Optional<ObjectType> about) {
  /** How long a summary is at most, sealed. */
  static final int MOST_SUMMARY = 64 << 20;

  /** How long a record of missing log is at most, sealed. */
  static final int MOST_GAP = 64 << 10;

  /** How long a history file is at most, sealed. */
  static final int MOST_HISTORY = 2 << 20;

  /** Takes a name apart; null if it is none of the catalogue's log. */
  public static @Nullable StoredWal parse(ObjectKey key, Catalog catalog) {
    String[] parts = key.value().split("/", -1);
    if (parts.length != 5) {
      return null;
    }
    Catalog.Source source =
        catalog.sources().stream()
            .filter(one -> one.tree().toString().equals(parts[1]))
            .findFirst()
            .orElse(null);
    if (source == null) {
      return null;
    }
    String folder = parts[2];
    Optional<SourceInfo.Incarnation> life =
        catalog.lifeOf(source, folder).flatMap(source::incarnation);
    if (life.isEmpty() || life.get().server().isEmpty()) {
      return null;
    }
    ObjectId tree = source.tree();
    String of = life.get().id();
    try {
      Timeline timeline = Timeline.parseHex(parts[3]);
      String name = parts[4];
      if (name.equals(timeline.historyFileName())) {
        return new StoredWal(key, tree, of, folder, null, 0, true, Optional.empty());
      }
      Optional<ObjectType> about = about(name);
      if (name.length() != 24 && name.length() != 33 && about.isEmpty()) {
        return null;
      }
      WalSegment segment =
          WalSegment.parse(name.substring(0, 24), life.get().cluster().segmentSize());
      if (about.isPresent()) {
        boolean named =
            segment.timeline().equals(timeline)
                && key.equals(
                    about.get() == ObjectType.WAL_GAP
                        ? ObjectNames.gap(tree, folder, segment)
                        : ObjectNames.summary(tree, folder, segment));
        return named ? new StoredWal(key, tree, of, folder, segment, 0, false, about) : null;
      }
      int offset = name.length() == 24 ? 0 : Integer.parseUnsignedInt(name.substring(25), 16);
      StoredWal found =
          new StoredWal(key, tree, of, folder, segment, offset, name.length() == 24, about);
      ObjectKey expected =
          found.whole
              ? ObjectNames.segment(tree, folder, segment)
              : ObjectNames.part(tree, folder, segment, offset);
      return segment.timeline().equals(timeline) && expected.equals(key) ? found : null;
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static Optional<ObjectType> about(String name) {
    if (name.length() == 24 + ObjectNames.SUMMARY_SUFFIX.length()
        && name.endsWith(ObjectNames.SUMMARY_SUFFIX)) {
      return Optional.of(ObjectType.WAL_SUMMARY);
    }
    return name.length() == 24 + ObjectNames.GAP_SUFFIX.length()
            && name.endsWith(ObjectNames.GAP_SUFFIX)
        ? Optional.of(ObjectType.WAL_GAP)
        : Optional.empty();
  }

  /** Whether a name is that of log of a source or life that only later commits know. */
  public static boolean isOfLaterCommit(ObjectKey key, Catalog catalog) {
    String[] parts = key.value().split("/", -1);
    return parts.length == 5
        && parts[1].matches("[0-9a-f]{32}")
        && parts[2].matches("[0-9a-f]{16}")
        && catalog.sources().stream()
            .filter(source -> source.tree().toString().equals(parts[1]))
            .allMatch(source -> catalog.lifeOf(source, parts[2]).isEmpty());
  }

  /** Of which timeline it is. */
  public Timeline timeline() {
    return Timeline.parseHex(key.value().split("/", -1)[3]);
  }

  /**
   * What put it into a newer folder, so that it counts no more.
   *
   * @param there whether an object is there: what the newer folder lacks counts here
   */
  public Optional<Operation.Resealed> replacedBy(Catalog catalog, Predicate<ObjectKey> there) {
    WalSegment of = segment;
    return catalog.sources().stream()
        .filter(source -> source.tree().equals(tree))
        .map(source -> source.info().name())
        .flatMap(
            source ->
                (of == null || about.isPresent()
                        ? catalog.replacing(source, incarnation, folder, key.name())
                        : catalog.replacing(source, incarnation, folder, of))
                    .stream())
        .filter(said -> isWholeIn(said.log(), there))
        .findFirst();
  }

  /** Whether another folder has all of its segment, or the like of what is no segment. */
  private boolean isWholeIn(String other, Predicate<ObjectKey> there) {
    WalSegment of = segment;
    if (of == null || about.isPresent()) {
      return there.test(new ObjectKey(ObjectNames.wal(tree, other, timeline()) + key.name()));
    }
    return SealedWalArchive.objects(tree, other, of).stream().allMatch(there);
  }

  /** The content of a history file. */
  static byte[] openHistory(Services services, ObjectId tree, ObjectKey key) throws IOException {
    return open(services, tree, key, ObjectType.HISTORY, MOST_HISTORY);
  }

  /** What a summary says. */
  static byte[] openSummary(Services services, ObjectId tree, ObjectKey key) throws IOException {
    return open(services, tree, key, ObjectType.WAL_SUMMARY, MOST_SUMMARY);
  }

  /** What is written down of missing log. */
  static byte[] openGap(Services services, ObjectId tree, ObjectKey key) throws IOException {
    return open(services, tree, key, ObjectType.WAL_GAP, MOST_GAP);
  }

  private static byte[] open(
      Services services, ObjectId tree, ObjectKey key, ObjectType type, int most)
      throws IOException {
    return SoundReads.read(
        services.store(),
        key,
        from ->
            SealedObjects.open(
                SealedObjects.fetch(from, key, most),
                type,
                key,
                services.repository(),
                tree,
                services.keys()));
  }

  /** Opens all of it. */
  public void open(Services services) throws IOException {
    WalSegment of = segment;
    if (of == null) {
      openHistory(services, tree, key);
      return;
    }
    if (about.isPresent()) {
      if (about.get() == ObjectType.WAL_GAP) {
        GapRecord.read(services, tree, key);
      } else {
        openSummary(services, tree, key);
      }
      return;
    }
    WalObject.Whole object = WalObject.read(services, tree, key);
    WalHeader header = object.header();
    if (!header.segment().equals(of)
        || header.start() != offset
        || whole && header.end() != of.size().bytes()) {
      throw RepositoryException.damaged(key.value(), "is another stretch than its name says", null);
    }
  }
}
