package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** Makes backups that refer to the packs of another and have none of their own. */
public final class ReferringBackups {
  private ReferringBackups() {}

  /** Commits one under a new id. */
  public static BackupId add(Services services, BackupId of, BackupId id) throws IOException {
    Catalog.Entry entry = services.log().catalog().backup(of).orElseThrow();
    Catalog.Source source = services.log().catalog().source(entry.backup().source()).orElseThrow();
    Manifest manifest = new SealedBackupReader(services, source, entry).manifest();
    StoredBackup old = entry.backup();
    StoredBackup backup =
        new StoredBackup(
            id,
            old.source(),
            old.incarnation(),
            old.server(),
            old.log(),
            old.type(),
            Optional.of(of),
            old.status(),
            old.label(),
            old.startedAt(),
            old.stoppedAt(),
            old.files(),
            old.bytes(),
            old.bytesRead(),
            0,
            0,
            old.durationMillis(),
            old.copies(),
            List.of(),
            old.warnings(),
            old.rekeyedFrom(),
            old.partial());
    ObjectKey key = ObjectNames.manifest(source.tree(), id);
    byte[] sealed =
        SealedObjects.seal(
            ObjectType.MANIFEST,
            key,
            Json.write(
                new Manifest(
                        backup, manifest.facts(), id.value(), manifest.packs(), manifest.tables())
                    .document()),
            services.keys().key(source.tree(), 1),
            services.random());
    services.store().put(key, ObjectSource.of(sealed));
    SlotRef ref = new SlotRef(key, Digests.sha256(sealed), sealed.length);
    services.log().append(catalog -> List.of(new Operation.Backup(backup, ref)));
    return id;
  }
}
