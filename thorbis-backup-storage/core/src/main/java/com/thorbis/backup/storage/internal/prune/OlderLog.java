package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RekeyReport;
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
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * How much log of a source lies under keys before one of a number. What was stored before that key
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

  /** What there is of a timeline, in the order of names. */
  private static final class Sum {
    long objects;
    long bytes;
    long segments;
    @Nullable WalSegment first;
    @Nullable WalSegment last;

    void add(ObjectInfo info, @Nullable WalSegment segment) {
      objects++;
      bytes += info.length();
      if (segment != null && !segment.equals(last)) {
        segments++;
        first = first == null ? segment : first;
        last = segment;
      }
    }
  }

  List<RekeyReport.Log> measure() throws IOException {
    Catalog catalog = services.log().catalog();
    List<RekeyReport.Log> found = new ArrayList<>();
    for (SourceInfo.Incarnation life : source.info().incarnations()) {
      Map<Timeline, Sum> sums = new TreeMap<>();
      Optional<String> after = Optional.empty();
      do {
        ListPage page = services.store().list(ObjectNames.wal(source.tree(), life.id()), after);
        add(page.objects(), catalog, sums);
        after = page.next();
      } while (after.isPresent());
      sums.forEach((timeline, sum) -> found.add(log(catalog, life.id(), timeline, sum)));
    }
    return found;
  }

  private void add(List<ObjectInfo> page, Catalog catalog, Map<Timeline, Sum> sums)
      throws IOException {
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
    for (ObjectInfo info : page) {
      StoredWal stored = StoredWal.parse(info.key(), catalog);
      if (stored != null && !newer.contains(info.key())) {
        sums.computeIfAbsent(timeline(info.key()), each -> new Sum())
            .add(info, stored.about().isPresent() ? null : stored.segment());
      }
    }
  }

  /** What cannot be told counts as older: nobody is to think that it is gone. */
  private boolean isOlder(ObjectKey key) throws IOException {
    try (ObjectRead read = services.store().get(key, new ByteRange(0, ObjectHeader.LENGTH))) {
      return ObjectHeader.read(read.body()).epoch() < before;
    } catch (MalformedObjectException e) {
      return true;
    } catch (StorageException.NotFound e) {
      return false; // removed since it was listed
    }
  }

  private static Timeline timeline(ObjectKey key) {
    return Timeline.parseHex(key.value().split("/", -1)[3]);
  }

  private static RekeyReport.Log log(
      Catalog catalog, String incarnation, Timeline timeline, Sum sum) {
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
        incarnation,
        timeline,
        sum.segments,
        sum.objects,
        sum.bytes,
        Optional.ofNullable(sum.first).map(WalSegment::start),
        to,
        neededBy);
  }
}
