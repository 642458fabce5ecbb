package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import com.thorbis.backup.storage.internal.pack.PackReader;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import com.thorbis.backup.storage.internal.verify.PackCheck;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What packs and manifests say by themselves, when no commit is asked: it has to be what the
 * catalogue, the manifests and the maps go by.
 */
public final class Rebuilt {
  private final Services services;
  private final List<String> differences = new ArrayList<>();
  private final Map<ObjectId, PackRef> packs = new HashMap<>();
  private final Map<ObjectId, Set<PieceRef>> pieces = new HashMap<>();
  private final Map<BackupId, Manifest> manifests = new HashMap<>();

  private Rebuilt(Services services) {
    this.services = services;
  }

  /** Where it is not the same, one line each. */
  public static List<String> differences(Services services) throws IOException {
    Rebuilt rebuilt = new Rebuilt(services);
    Catalog catalog = services.log().catalog();
    for (Catalog.Source source : catalog.sources()) {
      rebuilt.rebuildIndex(source.tree());
      rebuilt.rebuildCatalogue(source.tree());
    }
    for (Catalog.Entry entry : catalog.whole()) {
      rebuilt.compare(catalog.source(entry.backup().source()).orElseThrow(), entry);
    }
    return rebuilt.differences;
  }

  private List<ObjectInfo> list(String prefix) throws IOException {
    List<ObjectInfo> found = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      ListPage page = services.store().list(prefix, after);
      found.addAll(page.objects());
      after = page.next();
    } while (after.isPresent());
    return found;
  }

  /** Each piece is opened where its pack says that it lies, and its marks are made anew. */
  private void rebuildIndex(ObjectId tree) throws IOException {
    PackReader reader = new PackReader(services.store(), services.keys());
    try (PackCheck check = new PackCheck(services, reader, 100)) {
      for (ObjectInfo info : list(ObjectNames.PACKS + tree + "/")) {
        PackRef pack = check.refer(info.key(), info.length(), tree);
        if (!check.open(pack, Optional.of(info.length())).sound()) {
          differences.add(info.key() + " holds other pieces than it says");
        }
        packs.put(pack.id(), pack);
        pieces.put(pack.id(), new HashSet<>(check.pieces(pack)));
      }
    }
  }

  private void rebuildCatalogue(ObjectId tree) throws IOException {
    for (ObjectInfo info : list(ObjectNames.MANIFESTS + tree + "/")) {
      byte[] plain =
          SealedObjects.open(
              SealedObjects.fetch(services.store(), info.key(), SealedObjects.MOST_BYTES),
              ObjectType.MANIFEST,
              info.key(),
              services.repository(),
              tree,
              services.keys());
      Manifest manifest =
          Manifest.read(
              Json.read(plain, info.key().value()),
              services.repository(),
              CopySet.holders(services.store()));
      manifests.put(manifest.backup().id(), manifest);
    }
  }

  private void compare(Catalog.Source source, Catalog.Entry entry) throws IOException {
    BackupId id = entry.backup().id();
    Manifest manifest = manifests.get(id);
    if (manifest == null) {
      differences.add(id + " has no manifest");
      return;
    }
    // What it awaited may have come since.
    if (!manifest.backup().with(entry.backup().status()).equals(entry.backup())) {
      differences.add(entry.backup() + " is by its manifest " + manifest.backup());
    }
    Set<ObjectId> used = new HashSet<>();
    try (PieceCodec codec = services.codecs().get()) {
      new BackupContents(services, source, entry)
          .visit(
              new PackReader(services.store(), services.keys()),
              codec,
              new BackupContents.Visitor() {
                @Override
                public void table(PackRef pack, PieceRef piece) {
                  use(pack, piece);
                }

                @Override
                public void map(StoredFile file, PackRef pack, PieceRef piece) {
                  use(pack, piece);
                }

                @Override
                public void content(
                    StoredFile file, long offset, long length, PackRef pack, PieceRef piece) {
                  use(pack, piece);
                }

                @Override
                public void unreadable(
                    @Nullable StoredFile file, PackRef pack, RepositoryException problem) {
                  differences.add(id + ": " + problem);
                }

                private void use(PackRef pack, PieceRef piece) {
                  used.add(pack.id());
                  if (!pieces.getOrDefault(pack.id(), Set.of()).contains(piece)) {
                    differences.add(id + " refers to " + piece + ", which its pack does not have");
                  }
                }
              });
    } catch (StorageException.NotFound e) {
      differences.add(id + ": " + e);
    }
    for (PackRef pack : manifest.packs().values()) {
      PackRef found = packs.get(pack.id());
      if (found == null || !found.document().equals(pack.document())) {
        differences.add(id + " lists " + pack.document() + ", which is not there like that");
      }
      if (!used.contains(pack.id())) {
        differences.add(id + " lists " + pack.key() + " and refers to nothing in it");
      }
    }
  }
}
