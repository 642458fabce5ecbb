package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.crypto.SealedRange;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.pack.PackReader;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.io.IOException;
import java.util.List;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** Writes what one backup holds into another, file after file, opened and checked. */
public final class BackupCopy implements AutoCloseable {
  /** Pieces lie in the order of the files, so what follows one is needed next. */
  private static final int AHEAD = 4 << 20;

  private final SealedBackupReader from;
  private final PackReader packs;
  private final PieceCodec codec;
  private final Arrival arrival;
  private final byte[] zeros = new byte[64 << 10];
  private byte[] stretch = new byte[PackReader.bufferLength(AHEAD)];
  private @Nullable PackRef stretchOf;
  private long stretchFrom;
  private long stretchEnd;
  private int stretchAt;
  private @Nullable PieceRef piece;
  private byte[] plain = new byte[0];

  /** Zeros that are not written yet: a map may have one hole in several parts. */
  private long hole;

  /** Reads with what opened the backup. */
  public BackupCopy(Services services, SealedBackupReader from) {
    this.from = from;
    this.packs = new PackReader(services.store(), services.keys());
    this.codec = services.codecs().get();
    // Pages lie at fixed places; what is not a server's is not made of pages.
    this.arrival =
        from.descriptor().server().isPresent() ? new Arrival.Compared() : new Arrival.Chunked();
  }

  /**
   * Writes everything. What the other one's base holds too is referenced there.
   *
   * @throws RepositoryException of kind DAMAGED if not every byte is what was stored
   */
  public void into(BackupWriter to, RunControl control) throws IOException {
    into(to, control, length -> {});
  }

  /**
   * The same.
   *
   * @param done told of the plain bytes of each stretch that was written
   */
  public void into(BackupWriter to, RunControl control, LongConsumer done) throws IOException {
    try (SealedBackupReader.FileTable table = from.new FileTable(packs)) {
      for (FileEntry entry = table.next(); entry != null; entry = table.next()) {
        control.cancellation().check();
        switch (entry.file().kind()) {
          case DIRECTORY -> to.directory(entry.file());
          case SYMBOLIC_LINK, HARD_LINK -> to.link(entry.file());
          case FILE -> write(entry, to, control, done);
        }
      }
    }
  }

  private void write(FileEntry entry, BackupWriter to, RunControl control, LongConsumer done)
      throws IOException {
    ContentCrc crc = new ContentCrc();
    long length = 0;
    hole = 0;
    try (BackupWriter.FileWriter out = to.file(entry.file(), PieceCheck.NONE, arrival)) {
      SealedBackupReader.ExtentCursor cursor = from.extents(entry, packs, codec);
      for (List<Extent> some = cursor.next(); some != null; some = cursor.next()) {
        control.cancellation().check();
        for (Extent extent : some) {
          write(extent, out, crc, entry.file());
          length += extent.length();
          done.accept(extent.length());
        }
      }
      writeHole(out, crc);
      if (length != entry.file().length()
          || entry.crc().isPresent() && entry.crc().getAsInt() != crc.value()) {
        throw RepositoryException.damaged(
            from.manifestKey(), entry.file().path() + " is not what was backed up", null);
      }
      out.finish();
    }
  }

  private void write(Extent extent, BackupWriter.FileWriter out, ContentCrc crc, StoredFile file)
      throws IOException {
    PieceRef wanted = extent.piece();
    if (wanted == null) {
      hole += extent.length();
      return;
    }
    writeHole(out, crc);
    byte[] bytes = open(wanted);
    if (extent.offset() < 0 || extent.offset() + extent.length() > bytes.length) {
      throw RepositoryException.damaged(
          from.manifestKey(), file.path() + " refers beyond the end of a piece", null);
    }
    out.write(bytes, extent.offset(), (int) extent.length());
    crc.update(bytes, extent.offset(), (int) extent.length());
  }

  /** What is cut by its content is cut as it was only if its holes come as holes. */
  private void writeHole(BackupWriter.FileWriter out, ContentCrc crc) throws IOException {
    if (hole == 0) {
      return;
    }
    crc.zeros(hole);
    if (arrival instanceof Arrival.Chunked) {
      out.zeros(hole);
    } else {
      for (long left = hole; left > 0; left -= Math.min(left, zeros.length)) {
        out.write(zeros, 0, (int) Math.min(left, zeros.length));
      }
    }
    hole = 0;
  }

  private byte[] open(PieceRef wanted) throws IOException {
    if (wanted.equals(piece)) {
      return plain;
    }
    PackRef pack = from.pack(wanted);
    if (stretchOf == null
        || !stretchOf.id().equals(pack.id())
        || wanted.position() < stretchFrom
        || wanted.end() > stretchEnd) {
      fetch(pack, wanted);
    }
    byte[] opened = new byte[wanted.plainLength()];
    int at = stretchAt + (int) (wanted.position() - stretchFrom);
    PackReader.decode(pack, wanted, stretch, at, codec, opened);
    piece = wanted;
    plain = opened;
    return opened;
  }

  /** Sealed bytes of content that were fetched so far. */
  public long fetched() {
    return packs.fetched();
  }

  private void fetch(PackRef pack, PieceRef wanted) throws IOException {
    stretchOf = null;
    long end = SealedRange.plainLength(pack.sealedLength());
    int length = (int) Math.min(Math.max(AHEAD, wanted.storedLength()), end - wanted.position());
    if (wanted.storedLength() > length) {
      throw RepositoryException.damaged(
          pack.key().value(),
          "ends before " + wanted.position() + "+" + wanted.storedLength(),
          null);
    }
    if (stretch.length < PackReader.bufferLength(length)) {
      stretch = new byte[PackReader.bufferLength(length)];
    }
    stretchAt = packs.fetch(pack, wanted.position(), length, stretch);
    stretchFrom = wanted.position();
    stretchEnd = stretchFrom + length;
    stretchOf = pack;
  }

  @Override
  public void close() {
    codec.close();
  }
}
