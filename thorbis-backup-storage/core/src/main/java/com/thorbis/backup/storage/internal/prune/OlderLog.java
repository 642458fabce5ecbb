package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyReport.LogState;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What of a source's log lies under keys before one of a number. What was stored before that key
 * was made cannot lie under it; of everything else the header is read, which is a request each, as
 * writers may have gone on under the key before for a while.
 */
final class OlderLog {
  /** Copies have clocks of their own. */
  private static final Duration SKEW = Duration.ofHours(1);

  private final Services services;
  private final Catalog.Source source;
  private final int before;
  private final Instant since;

  OlderLog(Services services, Catalog.Source source, int before) {
    this.services = services;
    this.source = source;
    this.before = before;
    this.since =
        services.log().catalog().epochs(source.tree()).stream()
            .filter(epoch -> epoch.number() == before)
            .flatMap(epoch -> epoch.since().stream())
            .findFirst()
            .orElse(Instant.MIN.plus(SKEW));
  }

  /**
   * An object of it.
   *
   * @param what which
   * @param length sealed bytes
   */
  record Found(StoredWal what, long length) {}

  /** What there is of a timeline, in the order of names. */
  static final class Sum {
    private long objects;
    private long bytes;
    private long segments;
    private @Nullable WalSegment first;
    private @Nullable WalSegment last;
    private Optional<Instant> sweepAfter = Optional.empty();

    void add(Found found) {
      objects++;
      bytes += found.length();
      WalSegment segment = found.what().about().isPresent() ? null : found.what().segment();
      if (segment != null && !segment.equals(last)) {
        segments++;
        first = first == null || segment.start().compareTo(first.start()) < 0 ? segment : first;
        last = last == null || segment.start().compareTo(last.start()) > 0 ? segment : last;
      }
    }
  }

  /** Sums, by life, timeline and state. */
  static final class Sums {
    private final Map<String, Map<Timeline, Map<LogState, Sum>>> all = new TreeMap<>();

    Sum of(Found found, LogState state) {
      return all.computeIfAbsent(found.what().incarnation(), life -> new TreeMap<>())
          .computeIfAbsent(found.what().timeline(), timeline -> new TreeMap<>())
          .computeIfAbsent(state, each -> new Sum());
    }

    List<RekeyReport.Log> report(Catalog catalog) {
      List<RekeyReport.Log> found = new ArrayList<>();
      all.forEach(
          (life, timelines) ->
              timelines.forEach(
                  (timeline, states) ->
                      states.forEach(
                          (state, sum) -> found.add(log(catalog, life, timeline, state, sum)))));
      return found;
    }
  }

  /**
   * What counts and lies under older keys, folder by folder in the order of names; what counts no
   * more is added up.
   */
  List<Found> find(Sums sums) throws IOException {
    Catalog catalog = services.log().catalog();
    List<Found> found = new ArrayList<>();
    Set<ObjectKey> listed = new HashSet<>(); // newer folders come first
    for (SourceInfo.Incarnation life : source.info().incarnations()) {
      for (String folder : catalog.logFolders(source.info().name(), life.id())) {
        Optional<String> after = Optional.empty();
        do {
          ListPage page = services.store().list(ObjectNames.wal(source.tree(), folder), after);
          page.objects().forEach(info -> listed.add(info.key()));
          Set<ObjectKey> newer = newer(page.objects());
          for (ObjectInfo info : page.objects()) {
            StoredWal stored = StoredWal.parse(info.key(), catalog);
            if (stored == null || newer.contains(info.key()) || isGone(catalog, stored)) {
              continue;
            }
            Found one = new Found(stored, info.length());
            Optional<Operation.Resealed> by = stored.replacedBy(catalog, listed::contains);
            if (by.isPresent()) {
              Sum sum = sums.of(one, LogState.GIVEN_UP);
              sum.add(one);
              Instant sweepAfter = by.get().sweepAfter();
              if (sum.sweepAfter.filter(earlier -> !earlier.isBefore(sweepAfter)).isEmpty()) {
                sum.sweepAfter = Optional.of(sweepAfter);
              }
            } else {
              found.add(one);
            }
          }
          after = page.next();
        } while (after.isPresent());
      }
    }
    return found;
  }

  /** Whether it is being removed already. */
  private boolean isGone(Catalog catalog, StoredWal stored) {
    WalSegment segment = stored.segment();
    return segment != null && catalog.isGone(source.info().name(), stored.incarnation(), segment);
  }

  private Set<ObjectKey> newer(List<ObjectInfo> page) throws IOException {
    List<ObjectInfo> unsure =
        page.stream().filter(info -> !info.modifiedAt().isBefore(since.minus(SKEW))).toList();
    Set<ObjectKey> newer = ConcurrentHashMap.newKeySet();
    Parallel.forEach(
        unsure,
        services.parallelism(),
        () -> (Parallel.Worker) () -> {},
        (worker, info) -> {
          if (!isOlder(info.key())) {
            newer.add(info.key());
          }
        });
    return newer;
  }

  /** What cannot be told counts as older: nobody is to think that it is gone. */
  private boolean isOlder(ObjectKey key) throws IOException {
    try (ObjectRead read = services.store().get(key, new ByteRange(0, ObjectHeader.LENGTH))) {
      return ObjectHeader.read(read.body()).epoch() < before;
    } catch (MalformedObjectException e) {
      return true;
    } catch (StorageException.NotFound e) {
      return false; // removed since it was listed
    } catch (StorageException e) {
      if (StorageException.isOffline(e)) {
        return true;
      }
      throw e;
    }
  }

  private static RekeyReport.Log log(
      Catalog catalog, String incarnation, Timeline timeline, LogState state, Sum sum) {
    Optional<Lsn> to = Optional.ofNullable(sum.last).map(WalSegment::end);
    Optional<BackupId> neededBy =
        catalog.backups().stream()
            .map(Catalog.Entry::backup)
            .filter(backup -> backup.incarnation().equals(incarnation))
            .filter(backup -> backup.physical())
            .filter(backup -> backup.timeline().compareTo(timeline) <= 0)
            .filter(backup -> to.isPresent() && backup.startLsn().compareTo(to.get()) < 0)
            .map(StoredBackup::id)
            .reduce((one, other) -> other);
    return new RekeyReport.Log(
        state,
        incarnation,
        timeline,
        sum.segments,
        sum.objects,
        sum.bytes,
        Optional.ofNullable(sum.first).map(WalSegment::start),
        to,
        neededBy,
        sum.sweepAfter);
  }
}
