package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedWriter;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PackSet;
import com.thorbis.backup.storage.internal.pack.Piece;
import com.thorbis.backup.storage.internal.pack.PieceEncoder;
import com.thorbis.backup.storage.internal.pack.PiecePipeline;
import com.thorbis.backup.storage.internal.wal.SealedWalArchive;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Writes a full backup: bytes into pieces, pieces into packs, then maps, manifest and commit. */
public final class SealedBackupWriter implements BackupWriter {
  private static final Logger LOG = LoggerFactory.getLogger(SealedBackupWriter.class);
  private static final int EPOCH = 1;
  private static final int MOST_PATH_BYTES = 16 << 10;
  private static final DateTimeFormatter ID_TIME =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);

  private final Services services;
  private final BackupStart start;
  private final Catalog.Source source;
  private final SourceInfo.Incarnation incarnation;
  private final BackupId id;
  private final EpochKey key;
  private final byte[] addressKey;
  private final PackSet packs;
  private final Assembler assembler;
  private final PiecePipeline pipeline;
  private @Nullable Content open;
  private @Nullable Piece current;
  private long bytesRead;
  private long manifestLength;
  private boolean ended;

  /** Starts a backup of the source's current incarnation. */
  public SealedBackupWriter(Services services, Catalog.Source source, BackupStart start)
      throws IOException {
    this.services = services;
    this.start = start;
    this.source = source;
    this.incarnation = source.info().current();
    this.id =
        new BackupId(
            ID_TIME.format(services.clock().instant())
                + String.format(Locale.ROOT, "-%08x", services.random().nextInt()));
    this.key = services.keys().key(source.tree(), EPOCH);
    this.addressKey = key.addressKey();
    Fingerprint.Function fingerprints = new Fingerprint.Function(key.fingerprintSeed());
    this.packs = new PackSet(services.store(), key, services.random());
    this.assembler =
        new Assembler(packs, new PieceEncoder(services.codecs().get(), addressKey, fingerprints));
    this.pipeline =
        new PiecePipeline(
            "thorbis-backup-" + id,
            services.parallelism(),
            () -> new PieceEncoder(services.codecs().get(), addressKey, fingerprints),
            assembler);
  }

  @Override
  public BackupId id() {
    return id;
  }

  @Override
  public void directory(StoredFile directory) throws IOException {
    FileState state = begin(directory, StoredFile.Kind.DIRECTORY);
    markEnd(state);
  }

  @Override
  public FileWriter file(StoredFile file, PieceCheck check) throws IOException {
    FileState state = begin(file, StoredFile.Kind.FILE);
    if (current != null && current.length() > 0 && file.length() > current.room()) {
      submitCurrent();
    }
    Content content = new Content(state, check);
    open = content;
    return content;
  }

  @Override
  public void settle() throws IOException {
    requireIdle();
    submitCurrent();
    pipeline.drain();
  }

  @Override
  public long bytesRead() {
    return bytesRead;
  }

  @Override
  public long bytesStored() {
    return packs.sealedLength() + manifestLength;
  }

  @Override
  public BackupDescriptor commit(BackupFacts facts, BackupStatus status) throws IOException {
    requireIdle();
    ended = true;
    submitCurrent();
    pipeline.finish();
    Map<ObjectId, PackRef> table = new LinkedHashMap<>();
    for (PackRef pack : assembler.packs()) {
      table.put(pack.id(), pack);
    }
    requireStored(assembler.packs());
    long stored = packs.sealedLength();
    StoredBackup backup = describe(facts, status, stored);
    Manifest manifest =
        new Manifest(backup, facts, id.value(), table, List.copyOf(assembler.tables()));
    SlotRef ref = store(manifest);
    manifestLength = ref.length();
    List<Operation> operations = new ArrayList<>();
    if (status != BackupStatus.AWAITING_WAL) {
      operations.addAll(SealedWalArchive.mark(services, source, backup));
    }
    operations.add(new Operation.Backup(backup, ref));
    services.log().append(catalog -> catalog.backup(id).isPresent() ? List.of() : operations);
    LOG.info(
        "Committed backup={} source={} files={} read={} stored={}",
        id,
        source.info().name(),
        backup.files(),
        backup.bytesRead(),
        backup.bytesStored());
    return backup;
  }

  @Override
  public void close() throws IOException {
    ended = true;
    pipeline.close();
    Arrays.fill(addressKey, (byte) 0);
  }

  private StoredBackup describe(BackupFacts facts, BackupStatus status, long stored) {
    Instant now = services.clock().instant();
    return new StoredBackup(
        id,
        source.info().name(),
        incarnation.id(),
        incarnation.cluster(),
        start.type(),
        Optional.empty(),
        status,
        start.label(),
        facts.startedAt(),
        facts.stoppedAt(),
        facts.startLsn(),
        facts.stopLsn(),
        facts.timeline(),
        assembler.files(),
        bytesRead,
        bytesRead,
        stored,
        Math.max(0, now.toEpochMilli() - start.startedAt().toEpochMilli()),
        CopySet.holders(services.store()),
        facts.warnings());
  }

  /** Nothing is committed that refers to what is not there. */
  private void requireStored(List<PackRef> written) throws IOException {
    for (PackRef pack : written) {
      Optional<ObjectInfo> info = services.store().head(pack.key());
      if (info.isEmpty() || info.get().length() != pack.sealedLength()) {
        throw RepositoryException.damaged(
            pack.key().value(),
            info.isEmpty()
                ? "is not there, though the store took it"
                : "has " + info.get().length() + " of " + pack.sealedLength() + " bytes",
            null);
      }
    }
  }

  private SlotRef store(Manifest manifest) throws IOException {
    ObjectKey place = ObjectNames.manifest(source.tree(), id);
    MessageDigest digest = Digests.sha256();
    ObjectHeader header =
        ObjectHeader.of(ObjectType.MANIFEST, key.slot(), ObjectId.random(services.random()));
    try (ObjectUpload upload = services.store().startUpload(place)) {
      long length;
      OutputStream body = new DigestOutputStream(upload.body(), digest);
      SealedWriter sealed = new SealedWriter(body, key, header, place.value(), services.random());
      try {
        Json.write(manifest.document(), sealed);
        length = sealed.sealedLength();
      } catch (IOException | RuntimeException e) {
        sealed.abort();
        sealed.close();
        throw e;
      }
      sealed.close();
      Outcomes.settle(services.store(), place, length, upload::commit);
      return new SlotRef(place, Digests.text(digest.digest()), length);
    }
  }

  private FileState begin(StoredFile file, StoredFile.Kind kind) throws IOException {
    requireIdle();
    pipeline.requireHealthy();
    if (file.kind() != kind
        || file.path().isEmpty()
        || file.path().getBytes(StandardCharsets.UTF_8).length > MOST_PATH_BYTES
        || (file.mode() & ~07777) != 0) {
      throw new RepositoryException(
          "repository.entry-refused",
          FailureKind.REFUSED,
          "Not an entry that can be stored: "
              + kind
              + " \""
              + (file.path().length() > 200 ? file.path().substring(0, 200) : file.path())
              + "\", mode "
              + Integer.toOctalString(file.mode()),
          Map.of(),
          "",
          null);
    }
    return new FileState(file);
  }

  private void requireIdle() {
    if (ended) {
      throw new IllegalStateException("The backup was committed or closed");
    }
    if (open != null) {
      throw new IllegalStateException("The file before is not finished");
    }
  }

  private Piece current() throws IOException {
    Piece piece = current;
    if (piece == null) {
      piece = pipeline.take();
      current = piece;
    }
    return piece;
  }

  private void submitCurrent() throws IOException {
    Piece piece = current;
    current = null;
    if (piece != null) {
      pipeline.submit(piece);
    }
  }

  private void markEnd(FileState state) throws IOException {
    Piece piece = current();
    piece.begin(state, PieceCheck.NONE, state.length);
    if (piece.crowded()) {
      submitCurrent();
    }
  }

  private final class Content implements FileWriter {
    private final FileState state;
    private final PieceCheck check;
    private final CRC32C crc = new CRC32C();
    private Piece.@Nullable Slice slice;
    private long length;

    Content(FileState state, PieceCheck check) {
      this.state = state;
      this.check = check;
    }

    @Override
    public void write(byte[] bytes, int offset, int count) throws IOException {
      java.util.Objects.checkFromIndexSize(offset, count, bytes.length);
      requireOpen();
      int from = offset;
      int left = count;
      while (left > 0) {
        Piece piece = current();
        Piece.Slice part = slice;
        if (part == null) {
          part = piece.begin(state, check, length);
          slice = part;
        }
        if (piece.room() == 0) {
          slice = part.offset() == 0 ? null : moveOut(piece, part);
          if (slice == null) {
            submitCurrent();
          }
          continue;
        }
        int taken = Math.min(left, piece.room());
        piece.append(part, bytes, from, taken);
        crc.update(bytes, from, taken);
        from += taken;
        left -= taken;
        length += taken;
        bytesRead += taken;
      }
    }

    @Override
    public void finish() throws IOException {
      requireOpen();
      pipeline.requireHealthy();
      state.length = length;
      state.crc = (int) crc.getValue();
      dropEmptySlice();
      open = null;
      markEnd(state);
    }

    @Override
    public void close() {
      if (open != this) {
        return;
      }
      open = null;
      Piece.Slice part = slice;
      if (part != null && current != null) {
        current.remove(part);
      }
    }

    /** The file outgrew what was left of a shared piece: it gets one that begins with it. */
    private Piece.Slice moveOut(Piece shared, Piece.Slice part) throws IOException {
      Piece own = pipeline.take();
      Piece.Slice moved = own.adopt(shared, part);
      pipeline.submit(shared);
      current = own;
      return moved;
    }

    private void dropEmptySlice() {
      Piece.Slice part = slice;
      slice = null;
      if (part != null && part.length() == 0 && current != null) {
        current.remove(part);
      }
    }

    private void requireOpen() {
      if (open != this) {
        throw new IllegalStateException("The file was finished or closed");
      }
    }
  }
}
