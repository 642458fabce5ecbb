package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.pack.PackReader;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.io.IOException;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a backup refers to, for those who check it. */
public final class BackupContents {
  private final SealedBackupReader reader;
  private final Manifest manifest;

  /** Told about every piece that a backup needs. */
  public interface Visitor {
    /** A piece of the file table. */
    void table(PackRef pack, PieceRef piece);

    /** A piece of the map of a file. */
    void map(StoredFile file, PackRef pack, PieceRef piece);

    /** A stretch of a file's content. */
    void content(StoredFile file, long offset, long length, PackRef pack, PieceRef piece);

    /** A part of the table, or of a file's map, that cannot be read. */
    void unreadable(@Nullable StoredFile file, PackRef pack, RepositoryException problem);
  }

  /** Opens the manifest. */
  public BackupContents(Services services, Catalog.Source source, Catalog.Entry entry)
      throws IOException {
    this.reader = new SealedBackupReader(services, source, entry);
    this.manifest = reader.manifest();
  }

  /** Every pack that the manifest lists. */
  public Collection<PackRef> packs() {
    return manifest.packs().values();
  }

  /** Of the keys that all of it is sealed under, its manifest too, the number of the oldest. */
  public int oldestEpoch() {
    return reader.oldestEpoch();
  }

  /** Where the manifest lies. */
  public ObjectKey manifestKey() {
    return new ObjectKey(reader.manifestKey());
  }

  /** Visits all that is referred to, with bounded memory; goes on behind what is unreadable. */
  public void visit(PackReader packs, PieceCodec codec, Visitor visitor) throws IOException {
    for (PieceRef table : manifest.tables()) {
      PackRef pack = reader.pack(table);
      visitor.table(pack, table);
      List<FileEntry> entries;
      try {
        entries = reader.table(table, packs, codec);
      } catch (RepositoryException e) {
        visitor.unreadable(null, pack, e);
        continue;
      }
      for (FileEntry file : entries) {
        visit(file, packs, codec, visitor);
      }
    }
  }

  private void visit(FileEntry entry, PackReader packs, PieceCodec codec, Visitor visitor)
      throws IOException {
    StoredFile file = entry.file();
    if (entry.maps().isEmpty()) {
      visit(file, 0, entry.extents(), visitor);
      return;
    }
    long offset = 0;
    for (MapRef part : entry.maps()) {
      PieceRef map = part.piece();
      PackRef pack = reader.pack(map);
      visitor.map(file, pack, map);
      List<Extent> extents;
      try {
        extents = reader.map(map, packs, codec);
      } catch (RepositoryException e) {
        visitor.unreadable(file, pack, e);
        return;
      }
      offset = visit(file, offset, extents, visitor);
    }
  }

  private long visit(StoredFile file, long from, List<Extent> extents, Visitor visitor)
      throws IOException {
    long offset = from;
    for (Extent extent : extents) {
      PieceRef piece = extent.piece();
      if (piece != null) {
        visitor.content(file, offset, extent.length(), reader.pack(piece), piece);
      }
      offset += extent.length();
    }
    return offset;
  }
}
