package com.thorbis.backup.storage;

import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.backup.BackupContents;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What lies in a store that nothing needs, by the catalogue and the manifests. */
final class Leftovers {
  private Leftovers() {}

  static List<String> of(List<MemoryObjectStore> disks, int which, RepositorySetup setup)
      throws IOException {
    List<String> left = new ArrayList<>();
    Set<String> needed = new HashSet<>();
    try (Site site = Site.open(setup, 1000, 1000)) {
      Catalog all = site.services.log().catalog();
      all.whole().forEach(entry -> needed.add(entry.manifest().key().value()));
      Catalog catalog = new Narrowing(site.services).expected(disks.get(which));
      for (Catalog.Entry entry : catalog.whole()) {
        Catalog.Source source = catalog.source(entry.backup().source()).orElseThrow();
        for (PackRef pack : new BackupContents(site.services, source, entry).packs()) {
          needed.add(pack.key().value());
        }
      }
      all.plainObjects().forEach(ref -> needed.add(ref.key().value()));
      int checkpoints = 0;
      for (String key : disks.get(which).contents().keySet()) {
        String kind = key.substring(0, key.indexOf('/') + 1);
        boolean unneeded =
            switch (kind) {
              case "packs/", "manifests/", "keys/" -> !needed.contains(key);
              case "wal/" ->
                  isGone(new ObjectKey(key), catalog)
                      || all.erasures().stream().anyMatch(one -> one.owns(new ObjectKey(key)));
              case "leases/" -> true;
              case "checkpoints/" -> ++checkpoints > 2;
              default -> false;
            };
        if (unneeded) {
          left.add(key);
        }
      }
      all.erasures().stream()
          .filter(one -> one.end().isEmpty())
          .forEach(one -> left.add("slots of " + one.what().source()));
      all.sweeps().forEach(sweep -> left.add("sweep " + sweep.sweep()));
      all.keySweeps().forEach(sweep -> left.add("sweep of slots " + sweep.sweep()));
      all.retiredSlots().keySet().forEach(slot -> left.add("retired " + slot));
      all.copySweeps().forEach(sweep -> left.add("sweep of a copy " + sweep.sweep()));
    }
    return left;
  }

  private static boolean isGone(ObjectKey key, Catalog catalog) {
    StoredWal stored = StoredWal.parse(key, catalog);
    WalSegment segment = stored == null ? null : stored.segment();
    return segment != null && catalog.isGone(TestClient.SOURCE, stored.incarnation(), segment);
  }
}
