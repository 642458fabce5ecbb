package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.SoundReads;
import com.thorbis.backup.storage.internal.copies.Thawing;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackReader;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Reads one committed backup. */
public final class SealedBackupReader implements BackupReader {
  private static final long MOST_WHOLE_FILE = 64L << 20;

  /** How much of a long map is fetched with one request, if it is in several pieces. */
  private static final int MOST_MAPS = 128 << 10;

  private final Services services;
  private final Catalog.Source source;
  private final Catalog.Entry entry;
  private final Manifest manifest;
  private final int epoch;
  private volatile PackReader.@Nullable Gate gate;

  /** Opens its manifest. */
  public SealedBackupReader(Services services, Catalog.Source source, Catalog.Entry entry)
      throws IOException {
    this.services = services;
    this.source = source;
    this.entry = entry;
    Read read = read(services, source, entry);
    this.manifest = read.manifest();
    this.epoch = read.epoch();
  }

  /** A manifest, and the epoch that it is sealed under. */
  private record Read(Manifest manifest, int epoch) {}

  /** The same before it is taken apart. */
  private record Opened(byte[] plain, int epoch) {}

  private static Read read(Services services, Catalog.Source source, Catalog.Entry entry)
      throws IOException {
    ObjectKey key = entry.manifest().key();
    Opened opened;
    try {
      opened =
          SoundReads.read(
              services.store(), key, from -> openManifest(services, source, entry, from));
    } catch (StorageException.NotFound e) {
      throw RepositoryException.damaged(key.value(), "is missing", e);
    }
    Manifest manifest =
        Manifest.read(
            Json.read(opened.plain(), key.value()),
            services.repository(),
            CopySet.holders(services.store()));
    if (!manifest.backup().id().equals(entry.backup().id())) {
      throw RepositoryException.damaged(key.value(), "is another backup's", null);
    }
    return new Read(manifest, opened.epoch());
  }

  private static Opened openManifest(
      Services services, Catalog.Source source, Catalog.Entry entry, ObjectStore from)
      throws IOException {
    ObjectKey key = entry.manifest().key();
    byte[] sealed = SealedObjects.fetch(from, key, SealedObjects.MOST_BYTES);
    if (!entry.manifest().matches(sealed)) {
      throw RepositoryException.damaged(key.value(), "is not what its commit vouches for", null);
    }
    byte[] plain =
        SealedObjects.open(
            sealed,
            ObjectType.MANIFEST,
            key,
            services.repository(),
            source.tree(),
            services.keys());
    return new Opened(plain, ObjectHeader.decode(sealed).epoch());
  }

  @Override
  public BackupDescriptor descriptor() {
    return entry.backup();
  }

  @Override
  public BackupFacts facts() {
    return manifest.facts();
  }

  @Override
  public void entries(EntryVisitor visitor) throws IOException {
    try (FileTable table = new FileTable()) {
      for (FileEntry found = table.next(); found != null; found = table.next()) {
        visitor.visit(found.file());
      }
    }
  }

  @Override
  public Optional<byte[]> read(StoredFile.Area area, String path) throws IOException {
    try (FileTable table = new FileTable()) {
      for (FileEntry found = table.next(); found != null; found = table.next()) {
        StoredFile file = found.file();
        if (file.area() == area
            && file.kind() == StoredFile.Kind.FILE
            && file.path().equals(path)) {
          return Optional.of(readWhole(found));
        }
      }
    }
    return Optional.empty();
  }

  @Override
  public long extract(Predicate<StoredFile> wanted, FileTarget target, RunControl control)
      throws IOException {
    PackReader packs = packs();
    try (FileTable table = new FileTable(packs);
        Extraction extraction =
            new Extraction(
                this,
                packs,
                fingerprints(),
                services.codecs(),
                services.parallelism(),
                target,
                control,
                entry.backup().bytes())) {
      for (FileEntry found = table.next(); found != null; found = table.next()) {
        control.cancellation().check();
        if (found.file().kind() == StoredFile.Kind.FILE && wanted.test(found.file())) {
          extraction.add(found);
        }
      }
      extraction.finish();
    }
    return packs.fetched();
  }

  @Override
  public Layout layout() throws IOException {
    long extents = 0;
    PackReader packs = packs();
    try (FileTable table = new FileTable(packs);
        PieceCodec codec = services.codecs().get()) {
      for (FileEntry found = table.next(); found != null; found = table.next()) {
        if (found.file().kind() == StoredFile.Kind.FILE) {
          ExtentCursor cursor = extents(found, packs, codec);
          for (List<Extent> some = cursor.next(); some != null; some = cursor.next()) {
            extents += some.stream().filter(extent -> extent.piece() != null).count();
          }
        }
      }
    }
    return new Layout(
        extents,
        manifest.packs().size(),
        manifest.packs().values().stream().mapToLong(PackRef::sealedLength).sum(),
        manifest.packs().values().stream()
            .map(pack -> pack.sealedWith().tree() + "/" + pack.sealedWith().epoch())
            .distinct()
            .toList());
  }

  @Override
  public void close() {
    // The repository's store and keys stay open.
  }

  /** Nothing of a backup is read where some of it is gone on purpose. */
  private PackReader packs() throws IOException {
    new Narrowing(services).requireReadable(entry.backup().id());
    return new PackReader(services.store(), services.keys(), gate);
  }

  @Override
  public Frozen frozen() throws IOException {
    Thawing thawing =
        Thawing.look(services, manifest.packs().values().stream().map(PackRef::key).toList());
    return new Frozen() {
      @Override
      public Thaw thaw() {
        return thawing.thaw();
      }

      @Override
      public void request(RunControl control) throws IOException {
        thawing.request(control);
        gate = (pack, again) -> thawing.await(pack, again, control);
      }

      @Override
      public void await(RunControl control) throws IOException {
        thawing.await(control);
      }
    };
  }

  /** The seed is the tree's, the same in every epoch. */
  private Fingerprint.Function fingerprints() throws IOException {
    EpochKey key = services.keys().current(source.tree());
    return new Fingerprint.Function(key.fingerprintSeed());
  }

  /** The pack that a piece lies in. */
  PackRef pack(PieceRef piece) throws RepositoryException {
    PackRef pack = manifest.packs().get(piece.pack());
    if (pack == null) {
      throw RepositoryException.damaged(
          entry.manifest().key().value(), "does not list the pack " + piece.pack(), null);
    }
    return pack;
  }

  /** Where the manifest lies. */
  String manifestKey() {
    return entry.manifest().key().value();
  }

  Manifest manifest() {
    return manifest;
  }

  /** Of the keys that the manifest and the packs are sealed under, the number of the oldest. */
  int oldestEpoch() {
    return manifest.packs().values().stream()
        .mapToInt(pack -> pack.sealedWith().epoch())
        .reduce(epoch, Math::min);
  }

  /** A part of the file table. */
  List<FileEntry> table(PieceRef piece, PackReader packs, PieceCodec codec) throws IOException {
    PackRef pack = pack(piece);
    return MapBlock.readTable(ByteBuffer.wrap(packs.read(pack, piece, codec)), pack.key().value());
  }

  /** A part of a file's map. */
  List<Extent> map(PieceRef piece, PackReader packs, PieceCodec codec) throws IOException {
    PackRef pack = pack(piece);
    return MapBlock.readMap(ByteBuffer.wrap(packs.read(pack, piece, codec)), pack.key().value());
  }

  /** The extents of a file; a long map is read piece by piece. */
  ExtentCursor extents(FileEntry file, PackReader packs, PieceCodec codec) {
    if (file.maps().isEmpty()) {
      Iterator<List<Extent>> once = List.of(file.extents()).iterator();
      return () -> once.hasNext() ? once.next() : null;
    }
    Deque<PieceRef> maps = new ArrayDeque<>();
    file.maps().forEach(map -> maps.add(map.piece()));
    Deque<List<Extent>> ahead = new ArrayDeque<>();
    return () -> {
      if (ahead.isEmpty() && !maps.isEmpty()) {
        ahead.addAll(maps(maps, packs, codec));
      }
      return ahead.poll();
    };
  }

  /** Takes parts of a map that lie side by side, which one request fetches. */
  List<List<Extent>> maps(Deque<PieceRef> from, PackReader packs, PieceCodec codec)
      throws IOException {
    List<PieceRef> run = new ArrayList<>();
    PieceRef first = from.remove();
    PieceRef last = first;
    run.add(first);
    while (!from.isEmpty()
        && from.element().pack().equals(first.pack())
        && from.element().position() == last.end()
        && from.element().end() - first.position() <= MOST_MAPS) {
      last = from.remove();
      run.add(last);
    }
    PackRef pack = pack(first);
    int length = (int) (last.end() - first.position());
    byte[] fetched = new byte[PackReader.bufferLength(length)];
    int start = packs.fetch(pack, first.position(), length, fetched);
    List<List<Extent>> found = new ArrayList<>();
    for (PieceRef piece : run) {
      byte[] plain = new byte[piece.plainLength()];
      int at = start + (int) (piece.position() - first.position());
      PackReader.decode(pack, piece, fetched, at, codec, plain);
      found.add(MapBlock.readMap(ByteBuffer.wrap(plain), pack.key().value()));
    }
    return found;
  }

  private byte[] readWhole(FileEntry found) throws IOException {
    if (found.file().length() > MOST_WHOLE_FILE) {
      throw new IllegalArgumentException(
          found.file().path() + " has " + found.file().length() + " bytes: extract it");
    }
    ByteArrayOutputStream content = new ByteArrayOutputStream((int) found.file().length());
    PackReader packs = packs();
    FileTarget target =
        file ->
            new FileOutput() {
              @Override
              public void write(ByteBuffer plain) {
                byte[] bytes = new byte[plain.remaining()];
                plain.get(bytes);
                content.write(bytes, 0, bytes.length);
              }

              @Override
              public void finish(int crc32c) {}

              @Override
              public void close() {}
            };
    try (Extraction extraction =
        new Extraction(
            this,
            packs,
            fingerprints(),
            services.codecs(),
            1,
            target,
            RunControl.unattended(),
            0)) {
      extraction.add(found);
      extraction.finish();
    }
    return content.toByteArray();
  }

  /** The entries in stored order; holds one part of the table at a time. */
  final class FileTable implements AutoCloseable {
    private final PackReader packs;
    private final PieceCodec codec = services.codecs().get();
    private final Iterator<PieceRef> pieces = manifest.tables().iterator();
    private Iterator<FileEntry> part = List.<FileEntry>of().iterator();

    FileTable() throws IOException {
      this(packs());
    }

    FileTable(PackReader packs) {
      this.packs = packs;
    }

    @Nullable FileEntry next() throws IOException {
      while (!part.hasNext()) {
        if (!pieces.hasNext()) {
          return null;
        }
        part = table(pieces.next(), packs, codec).iterator();
      }
      return part.next();
    }

    @Override
    public void close() {
      codec.close();
    }
  }

  /** Hands out the extents of one file, a part of its map at a time. */
  interface ExtentCursor {
    /** The next extents in order, or null after the last. */
    @Nullable List<Extent> next() throws IOException;
  }
}
