package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.backup.BackupContents;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the repository is made of, as of the last commit: what commits, and backups that are not
 * being removed, refer to. Whatever else lies on a copy was removed by a sweep that this copy has
 * not heard of, was left by a run that died, or is not committed yet. It belongs on no other copy.
 */
final class Belongings {
  private static final Logger LOG = LoggerFactory.getLogger(Belongings.class);

  private final Catalog catalog;
  private final long last;
  private final Set<ObjectKey> plain = new HashSet<>();
  private final Set<ObjectKey> manifests = new HashSet<>();
  private final Set<ObjectKey> packs = new HashSet<>();
  private final Set<ObjectKey> swept = new HashSet<>();
  private final Set<Long> checkpoints = new HashSet<>();
  private final Map<ObjectId, Part> parts = new HashMap<>();
  private final Set<ObjectKey> anew = new HashSet<>();
  private boolean unknown;

  /**
   * What a copy that let go of something is to hold of it.
   *
   * @param catalog as seen from there
   * @param packs what the backups need that it keeps
   */
  private record Part(Catalog catalog, Set<ObjectKey> packs) {}

  /** Reads the manifest of every backup. */
  Belongings(Services services) throws IOException {
    this.catalog = services.log().catalog().copy();
    this.last = services.log().sequence();
    catalog.plainObjects().stream().map(SlotRef::key).forEach(plain::add);
    // Sweeps remove the others, copy by copy.
    CommitLog.checkpoints(services.store()).stream()
        .filter(this::isNumbered)
        .limit(CommitLog.KEPT_CHECKPOINTS)
        .forEach(checkpoints::add);
    for (Operation.Sweep sweep : catalog.sweeps()) {
      swept.addAll(catalog.named(sweep));
    }
    for (Operation.Resealed said : catalog.resealed()) {
      ObjectId tree = catalog.source(said.source()).orElseThrow().tree();
      if (said.wal().isEmpty() && said.others().isEmpty()) { // names its folder, once for each
        listAnew(services, ObjectNames.wal(tree, said.log()));
      }
    }
    for (ObjectId copy : catalog.narrowed()) {
      parts.put(copy, new Part(catalog.at(copy), new HashSet<>()));
    }
    for (Catalog.Entry entry : catalog.whole()) {
      manifests.add(entry.manifest().key());
      Catalog.Source source = catalog.source(entry.backup().source()).orElseThrow();
      try {
        for (PackRef pack : new BackupContents(services, source, entry).packs()) {
          packs.add(pack.key());
          for (Part part : parts.values()) {
            if (part.catalog().kept(entry.backup().id()).isPresent()) {
              part.packs().add(pack.key());
            }
          }
        }
      } catch (RepositoryException e) {
        unknown = true; // then rather too many than one too few
        LOG.warn("Nobody knows what backup {} needs: {}", entry.backup().id(), e.getMessage());
      }
    }
  }

  /** What lies, on any copy, in a folder of log that was sealed anew. */
  private void listAnew(Services services, String folder) throws IOException {
    Optional<String> after = Optional.empty();
    do {
      ListPage page = services.store().list(folder, after);
      page.objects().forEach(info -> anew.add(info.key()));
      after = page.next();
    } while (after.isPresent());
  }

  /** The packs and manifests among them, as far as manifests could be read. */
  Set<ObjectKey> named(String prefix) {
    return switch (prefix) {
      case ObjectNames.PACKS -> packs;
      case ObjectNames.MANIFESTS -> manifests;
      default -> Set.of();
    };
  }

  /**
   * Whether an object is one of those that a copy is to hold.
   *
   * @param copy the place's id; empty if it has none yet
   */
  boolean has(ObjectKey key, Optional<ObjectId> copy) {
    Part part = copy.map(parts::get).orElse(null);
    if (part == null || !has(key)) {
      return has(key);
    }
    if (key.value().startsWith(ObjectNames.PACKS)) {
      return part.packs().contains(key) || unknown;
    }
    StoredWal log =
        key.value().startsWith(ObjectNames.WAL) ? StoredWal.parse(key, part.catalog()) : null;
    return log == null || !isGone(log, part.catalog());
  }

  /** Whether an object is one of them. */
  boolean has(ObjectKey key) {
    String name = key.value();
    if (name.startsWith(ObjectNames.PACKS)) {
      return packs.contains(key) || unknown && !swept.contains(key);
    }
    if (name.startsWith(ObjectNames.MANIFESTS)) {
      return manifests.contains(key);
    }
    if (name.startsWith(ObjectNames.WAL)) {
      StoredWal log = StoredWal.parse(key, catalog);
      return log != null && !isGone(log, catalog);
    }
    return plain.contains(key)
        || isNumbered(ObjectNames.sequence(key).orElse(0))
        || checkpoints.contains(ObjectNames.checkpointed(key).orElse(0));
  }

  private boolean isNumbered(long number) {
    return number > 0 && number <= last;
  }

  private boolean isGone(StoredWal log, Catalog catalog) {
    WalSegment segment = log.segment();
    return log.replacedBy(catalog, anew::contains).isPresent()
        || segment != null
            && catalog.sources().stream()
                .filter(source -> source.tree().equals(log.tree()))
                .anyMatch(
                    source -> catalog.isGone(source.info().name(), log.incarnation(), segment));
  }
}
