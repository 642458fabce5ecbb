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
 * read is a failure, for nothing else tells what it needs: its packs may be older than itself, as
 * those of an incremental backup and of one that went on where an interrupted one stopped, and
 * whoever named them too may be gone. So there is no pack of which it is certain that this backup
 * does without it.
 */
final class Reach {
  /** What it fails with where a manifest cannot be read. */
  static final String UNKNOWN = "prune.need-unknown";

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
          UNKNOWN,
          e.kind(),
          "No backup's data is removed, for the manifest of backup "
              + entry.backup().id()
              + " cannot be read, so nobody knows what it shares with others: "
              + e.getMessage(),
          Map.of("backup", entry.backup().id().value()),
          "Run copies heal if there is another copy. If the backup is lost, give it up with prune"
              + " --backup "
              + entry.backup().id()
              + "; when its grace is over, sweeps go on.",
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
