package com.thorbis.backup.storage.internal;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.copies.CopyIdentity;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.Waivers;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What copies let go of by a retention of their own, as far as the log was read, and which of the
 * copies that are configured those are. Safe for several threads.
 */
public final class Narrowing implements Waivers {
  private static final Logger LOG = LoggerFactory.getLogger(Narrowing.class);

  private final Services services;
  private final Map<ObjectStore, ObjectId> known = new ConcurrentHashMap<>();

  /** Over an open repository. */
  public Narrowing(Services services) {
    this.services = services;
  }

  /** By which id the log names a place; empty if it positively has none. */
  public Optional<ObjectId> place(ObjectStore store) throws IOException {
    ObjectId read = known.get(store);
    if (read != null) {
      return Optional.of(read);
    }
    Optional<ObjectId> id = CopyIdentity.read(store, services.repository());
    id.ifPresent(found -> known.put(store, found));
    return id;
  }

  /** By which id the log says that a place let go of something; empty if it does not. */
  public Optional<ObjectId> narrowed(ObjectStore store) throws IOException {
    Set<ObjectId> narrowed = services.log().catalog().narrowed();
    return narrowed.isEmpty() ? Optional.empty() : place(store).filter(narrowed::contains);
  }

  /** What a place is to hold. */
  public Catalog expected(ObjectStore store) throws IOException {
    Catalog catalog = services.log().catalog();
    return narrowed(store).map(catalog::at).orElse(catalog);
  }

  @Override
  public boolean waives(Copy copy, ObjectKey key) {
    Catalog catalog = services.log().catalog();
    Set<ObjectId> narrowed = catalog.narrowed();
    if (narrowed.isEmpty()) {
      return false;
    }
    Optional<ObjectId> id;
    try {
      id = place(copy.store());
    } catch (IOException e) {
      LOG.debug("Nobody knows what {} let go of", copy.name(), e);
      return true;
    }
    return id.filter(narrowed::contains).filter(place -> waives(place, key, catalog)).isPresent();
  }

  private static boolean waives(ObjectId place, ObjectKey key, Catalog catalog) {
    if (key.value().startsWith(ObjectNames.PACKS)) {
      return catalog.sources().stream()
          .filter(source -> key.value().startsWith(ObjectNames.PACKS + source.tree() + "/"))
          .anyMatch(source -> catalog.letGo(place, source.tree()));
    }
    if (!key.value().startsWith(ObjectNames.WAL)) {
      return false;
    }
    StoredWal log = StoredWal.parse(key, catalog);
    WalSegment segment = log == null ? null : log.segment();
    return log != null
        && segment != null
        && catalog.sources().stream()
            .filter(source -> source.tree().equals(log.tree()))
            .anyMatch(
                source -> catalog.mayLack(place, source.info().name(), log.incarnation(), segment));
  }

  /** Fails if every copy that is configured let go of a backup; says which others did not. */
  public void requireHeld(BackupId id) throws IOException {
    require(id, parting -> true);
  }

  /** Fails if every copy that is configured removes, or removed, what it had of a backup. */
  public void requireReadable(BackupId id) throws IOException {
    require(id, Catalog.Parting::sweeping);
  }

  private void require(BackupId id, Predicate<Catalog.Parting> gone) throws IOException {
    Catalog catalog = services.log().catalog();
    List<ObjectId> without =
        catalog.kept(id).stream()
            .flatMap(kept -> kept.fate().partings().stream())
            .filter(gone)
            .map(parting -> parting.letGo().copy())
            .toList();
    if (!without.isEmpty() && everyCopy(without::contains)) {
      throw letGo("backup.let-go", "Backup " + id, Map.of("backup", id.value()), without, catalog);
    }
  }

  /** Fails if every copy that is configured may lack a segment by a retention of its own. */
  public void requireHeld(String source, String incarnation, WalSegment segment)
      throws IOException {
    Catalog catalog = services.log().catalog();
    List<ObjectId> without =
        catalog.narrowed().stream()
            .filter(place -> catalog.mayLack(place, source, incarnation, segment))
            .toList();
    if (!without.isEmpty() && everyCopy(without::contains)) {
      throw letGo(
          "wal.let-go",
          "Log segment " + segment.fileName(),
          Map.of("segment", segment.fileName()),
          without,
          catalog);
    }
  }

  private boolean everyCopy(Predicate<ObjectId> without) throws IOException {
    for (Copy copy : CopySet.places(services.store())) {
      if (place(copy.store()).filter(without).isEmpty()) {
        return false;
      }
    }
    return true;
  }

  private RepositoryException letGo(
      String code,
      String what,
      Map<String, String> details,
      List<ObjectId> without,
      Catalog catalog) {
    List<String> others =
        catalog.copies().stream()
            .filter(place -> !without.contains(place.id()))
            .map(Operation.Copies.Place::name)
            .toList();
    return new RepositoryException(
        code,
        FailureKind.NOT_FOUND,
        what
            + " is not on "
            + String.join(", ", CopySet.places(services.store()).stream().map(Copy::name).toList())
            + " any more: it was let go of there by a retention of that copy",
        details,
        others.isEmpty()
            ? "No other copy is known that keeps it."
            : "Configure a copy that keeps it: " + String.join(", ", others) + ".",
        null);
  }
}
