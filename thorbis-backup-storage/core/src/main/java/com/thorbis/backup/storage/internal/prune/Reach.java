package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.backup.BackupContents;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.pack.PackRef;
import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What backups need, from their manifests alone: never from a listing. A manifest that cannot be
 * read is a failure, for nobody knows what it needs.
 */
final class Reach {
  private final Services services;
  private final Catalog.Source source;
  private final Set<BackupId> read = new HashSet<>();
  private final Set<ObjectId> packs = new HashSet<>();

  Reach(Services services, Catalog.Source source) {
    this.services = services;
    this.source = source;
  }

  /** Takes in what a backup needs; once. */
  void add(Catalog.Entry entry) throws IOException {
    if (read.contains(entry.backup().id())) {
      return;
    }
    try {
      packs.addAll(packs(services, source, entry).keySet());
    } catch (RepositoryException e) {
      throw new RepositoryException(
          "prune.need-unknown",
          e.kind(),
          "Nothing is removed, for nobody knows what backup "
              + entry.backup().id()
              + " needs: "
              + e.getMessage(),
          Map.of("backup", entry.backup().id().value()),
          "Run verify. If the backup is lost, delete it; then this goes on when its grace is over.",
          e);
    }
    read.add(entry.backup().id());
  }

  /** Whether any backup taken in needs this pack. */
  boolean needs(ObjectId pack) {
    return packs.contains(pack);
  }

  /** The packs that a backup lists, and their lengths. */
  static Map<ObjectId, Long> packs(Services services, Catalog.Source source, Catalog.Entry entry)
      throws IOException {
    Map<ObjectId, Long> lengths = new HashMap<>();
    for (PackRef pack : new BackupContents(services, source, entry).packs()) {
      if (pack.sealedWith().tree().equals(source.tree())) {
        lengths.put(pack.id(), pack.sealedLength());
      }
    }
    return lengths;
  }
}
