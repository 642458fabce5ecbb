package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedRange;
import com.thorbis.backup.crypto.SealedWriter;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.storage.internal.format.BinaryOutput;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** One pack being written, streamed to the store as it grows. Used by one thread at a time. */
final class PackWriter implements AutoCloseable {
  /** How long a pack is at most, plain; a power of two, so that most packs end just below it. */
  static final long TARGET = 32 << 20;

  /** One piece in so many has a sealed chunk opened again. */
  private static final int SAMPLE = 16;

  private static final byte[] ZEROS = new byte[1 << 16];

  private final EpochKey key;
  private final ObjectId id;
  private final ObjectStore store;
  private final ObjectHeader header;
  private final String name;
  private final ObjectUpload upload;
  private final Sink sink;
  private final SealedWriter sealed;
  private final List<PieceRef> pieces = new ArrayList<>();

  PackWriter(ObjectStore store, EpochKey key, SecureRandom random, ObjectId id) throws IOException {
    this.key = key;
    this.id = id;
    this.store = store;
    this.header = ObjectHeader.of(ObjectType.PACK, key.slot(), id);
    ObjectKey place = ObjectNames.pack(key.slot().tree(), id);
    this.name = place.value();
    this.upload = store.startUpload(place);
    this.sink = new Sink(upload.body());
    this.sealed = new SealedWriter(sink, key, header, name, random);
  }

  /** Whether another piece of this length still fits. */
  boolean hasRoom(int storedLength) {
    return pieces.isEmpty()
        || sealed.plainLength() + storedLength + PackIndex.length(pieces.size() + 1) <= TARGET;
  }

  /** Adds an encoded piece. */
  PieceRef add(Piece piece) throws IOException {
    long position = sealed.plainLength();
    int length = piece.storedLength();
    PieceRef ref =
        new PieceRef(
            id,
            position,
            length,
            piece.length(),
            piece.codec(),
            piece.crc(),
            piece.address(),
            piece.fingerprint());
    // A whole chunk that lies inside this piece, now and then.
    long chunk = (position + SealedRange.CHUNK_LENGTH - 1) / SealedRange.CHUNK_LENGTH;
    long from = chunk * SealedRange.CHUNK_LENGTH - position;
    boolean sample = pieces.size() % SAMPLE == 0 && from + SealedRange.CHUNK_LENGTH <= length;
    if (sample) {
      sink.watch(chunk);
    }
    sealed.write(piece.stored(), 0, length);
    if (sample) {
      requireOpens(chunk, piece.stored(), (int) from);
    }
    pieces.add(ref);
    return ref;
  }

  private void requireOpens(long chunk, byte[] plain, int from) throws IOException {
    byte[] opened = new byte[SealedRange.CHUNK_LENGTH];
    byte[] bytes = sink.watched();
    // The length is not known yet; all chunks but the last are alike.
    new SealedRange(
            key,
            header,
            name,
            sealed.salt(),
            sealed.commitment(),
            SealedRange.sealedLength(SealedRange.MAX_PLAIN_LENGTH))
        .open(bytes, 0, bytes.length, chunk, opened, 0);
    if (!Arrays.equals(opened, 0, opened.length, plain, from, from + opened.length)) {
      throw RepositoryException.damaged(name, "was not sealed as it was written", null);
    }
  }

  /** How many sealed bytes there are so far. */
  long sealedLength() {
    return sealed.sealedLength();
  }

  /** Ends it; nothing is added any more. */
  PackRef seal() throws IOException {
    long content = sealed.plainLength();
    long tail = PackIndex.length(pieces.size());
    long indexPosition = PackIndex.padded(content + tail) - tail;
    for (long left = indexPosition - content; left > 0; ) {
      int zeros = (int) Math.min(left, ZEROS.length);
      sealed.write(ZEROS, 0, zeros);
      left -= zeros;
    }
    BinaryOutput index = PackIndex.encode(pieces, indexPosition);
    sealed.write(index.array(), 0, index.length());
    PackRef ref =
        new PackRef(key.slot(), id, sealed.sealedLength(), sealed.salt(), sealed.commitment());
    sealed.close();
    return ref;
  }

  /** Makes it durable and visible, sealed; on any one thread. */
  void publish(PackRef ref) throws IOException {
    Outcomes.settle(store, ref.key(), ref.sealedLength(), () -> commit(ref));
  }

  private ObjectInfo commit(PackRef ref) throws IOException {
    ObjectInfo info = upload.commit();
    if (info.length() != ref.sealedLength()) {
      throw RepositoryException.damaged(
          name, "the store took " + info.length() + " of " + ref.sealedLength() + " bytes", null);
    }
    return info;
  }

  /** Discards it unless it was finished. */
  @Override
  public void close() throws IOException {
    sealed.abort();
    try {
      sealed.close();
    } finally {
      upload.close();
    }
  }

  /** Lets one chunk be looked at on its way out. */
  private static final class Sink extends FilterOutputStream {
    private long next = -1; // what the sealer writes first stands before the chunks
    private long watching = -1;
    private byte[] watched = new byte[0];

    Sink(OutputStream to) {
      super(to);
    }

    void watch(long chunk) {
      watching = chunk;
    }

    byte[] watched() {
      return watched;
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      if (next == watching && next >= 0) {
        watched = Arrays.copyOfRange(bytes, offset, offset + length);
      }
      next++;
      out.write(bytes, offset, length);
    }
  }
}
