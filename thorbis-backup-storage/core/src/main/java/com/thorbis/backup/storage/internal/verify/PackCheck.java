package com.thorbis.backup.storage.internal.verify;

import com.thorbis.backup.crypto.Address;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedRange;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackIndex;
import com.thorbis.backup.storage.internal.pack.PackReader;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/** Looks at one pack after the other. Used by one thread. */
public final class PackCheck implements Parallel.Worker {
  private static final int STRETCH = 4 << 20;
  private static final int MOST_INDEX = 64 << 20;

  /** Holds most indexes whole, so that one request does. */
  private static final int TAIL = 16 << 10;

  private final Services services;
  private final PackReader packs;
  private final PieceCodec codec;
  private final int samplePercent;
  private final SplittableRandom sampling;
  private final byte[] stretch = new byte[PackReader.bufferLength(STRETCH)];
  private final byte[] plain = new byte[PieceCodec.MAX_PIECE];

  /**
   * Reads a store.
   *
   * @param samplePercent how many of the pieces are opened
   */
  public PackCheck(Services services, PackReader packs, int samplePercent) {
    this.services = services;
    this.packs = packs;
    this.codec = services.codecs().get();
    this.samplePercent = samplePercent;
    this.sampling = new SplittableRandom(services.random().nextLong());
  }

  /** What is wrong with a pack. */
  public static final class Result {
    /** Empty if nothing is wrong with the object as a whole. */
    Optional<String> kind = Optional.empty();

    /** Whether none of the content can be read. */
    boolean lost;

    /** Damaged stretches of the plain content: start and end in turn. */
    final List<long[]> damaged = new ArrayList<>();

    /** The marks of all pieces it holds, sorted; empty where they could not be read. */
    Optional<long[]> pieces = Optional.empty();

    /** Whether nothing is wrong. */
    public boolean sound() {
      return kind.isEmpty() && damaged.isEmpty();
    }

    /** Whether these bytes of the plain content are lost. */
    boolean hits(long start, long end) {
      return lost || damaged.stream().anyMatch(range -> range[0] < end && start < range[1]);
    }

    /** Whether it holds this very piece; true where nobody can know. */
    boolean holds(PieceRef piece) {
      return pieces.isEmpty() || Arrays.binarySearch(pieces.get(), mark(piece)) >= 0;
    }

    private void damaged(long start, long end) {
      damaged.add(new long[] {start, end});
    }
  }

  /** Presence and length. */
  Result presence(PackRef pack, Optional<Long> listedLength) throws IOException {
    Result result = new Result();
    Optional<Long> length = listedLength;
    if (length.isEmpty()) {
      // A listing without it proves nothing.
      length = services.store().head(pack.key()).map(ObjectInfo::length);
    }
    if (length.isEmpty()) {
      result.kind = Optional.of(Findings.MISSING);
    } else if (length.get() != pack.sealedLength()) {
      result.kind = Optional.of(Findings.TRUNCATED);
    }
    result.lost = result.kind.isPresent();
    return result;
  }

  /** Of one that went while it was looked at. */
  static Result lost() {
    Result result = new Result();
    result.kind = Optional.of(Findings.MISSING);
    result.lost = true;
    return result;
  }

  /** Opens everything. */
  public Result open(PackRef pack, Optional<Long> listedLength) throws IOException {
    Result result = presence(pack, listedLength);
    if (result.kind.isPresent()) {
      return result;
    }
    boolean begins = beginsAsListed(pack);
    if (!begins) { // maybe only on its way here
      begins = beginsAsListed(pack);
    }
    if (!begins) {
      result.kind = Optional.of(Findings.ALTERED);
    }
    Index index;
    try {
      index = index(pack);
    } catch (RepositoryException e) {
      result.kind = Optional.of(Findings.ALTERED);
      scan(pack, 0, SealedRange.plainLength(pack.sealedLength()), result);
      return result;
    }
    List<PieceRef> pieces = index.pieces();
    result.pieces = Optional.of(pieces.stream().mapToLong(PackCheck::mark).sorted().toArray());
    check(pack, pieces, result);
    long padding = pieces.isEmpty() ? 0 : pieces.get(pieces.size() - 1).end();
    if (samplePercent == 100) {
      scan(pack, padding, index.position(), result);
    }
    if (!result.damaged.isEmpty()) {
      result.kind = Optional.of(Findings.ALTERED);
    }
    return result;
  }

  /**
   * Refers to the pack that lies under a key, by what its beginning says.
   *
   * @param length of the whole object
   * @param tree must have sealed it
   */
  public PackRef refer(ObjectKey key, long length, ObjectId tree) throws IOException {
    return SealedObjects.again(key, () -> tryRefer(key, length, tree));
  }

  private PackRef tryRefer(ObjectKey key, long length, ObjectId tree) throws IOException {
    try (ObjectRead read =
        services.store().get(key, new ByteRange(0, ObjectHeader.LENGTH + 24 + 32))) {
      InputStream body = read.body();
      ObjectHeader header = ObjectHeader.read(body);
      byte[] salt = body.readNBytes(24);
      byte[] commitment = body.readNBytes(32);
      if (header.type() != ObjectType.PACK
          || !header.repository().equals(services.repository())
          || !header.tree().equals(tree)
          || !header.object().toString().equals(key.name())) {
        throw RepositoryException.damaged(
            key.value(), "is another object than its name says", null);
      }
      return PackRef.of(header, length, salt, commitment);
    }
  }

  /** The pieces that a pack holds, in order, by what its end says. */
  public List<PieceRef> pieces(PackRef pack) throws IOException {
    return index(pack).pieces();
  }

  private record Index(long position, List<PieceRef> pieces) {}

  private Index index(PackRef pack) throws IOException {
    String name = pack.key().value();
    long plainLength = SealedRange.plainLength(pack.sealedLength());
    int tailLength = (int) Math.min(plainLength, TAIL);
    byte[] tail = content(pack, plainLength - tailLength, tailLength);
    int end = Math.max(0, tailLength - PackIndex.TRAILER);
    PackIndex.Trailer trailer =
        PackIndex.Trailer.read(
            ByteBuffer.wrap(tail, end, tailLength - end).slice(), plainLength, name);
    long length = (long) trailer.pieces() * PackIndex.ENTRY;
    if (length > MOST_INDEX) {
      throw RepositoryException.damaged(name, "has an index out of bounds", null);
    }
    byte[] index =
        length <= end
            ? Arrays.copyOfRange(tail, end - (int) length, end)
            : content(pack, trailer.indexPosition(), (int) length);
    return new Index(trailer.indexPosition(), PackIndex.read(pack.id(), trailer, index, name));
  }

  @Override
  public void close() {
    codec.close();
  }

  /** A piece's facts in 64 bits: enough to notice a map that means another piece. */
  static long mark(PieceRef piece) {
    long mark = piece.address().a() ^ Long.rotateLeft(piece.address().b(), 17);
    mark = mark * 31 + piece.position();
    mark = mark * 31 + piece.storedLength();
    mark = mark * 31 + piece.plainLength();
    mark = mark * 31 + piece.codec();
    mark = mark * 31 + piece.crc();
    return mark * 31 + piece.fingerprint().high() + Long.rotateLeft(piece.fingerprint().low(), 31);
  }

  private boolean beginsAsListed(PackRef pack) throws IOException {
    ByteArrayOutputStream expected = new ByteArrayOutputStream();
    expected.writeBytes(pack.header().encode());
    expected.writeBytes(pack.salt());
    expected.writeBytes(pack.commitment());
    try (ObjectRead read = services.store().get(pack.key(), new ByteRange(0, expected.size()))) {
      return Arrays.equals(read.body().readNBytes(expected.size()), expected.toByteArray());
    }
  }

  private void check(PackRef pack, List<PieceRef> pieces, Result result) throws IOException {
    EpochKey key = services.keys().key(pack.sealedWith().tree(), pack.sealedWith().epoch());
    byte[] addressKey = key.addressKey();
    Fingerprint.Function fingerprints = new Fingerprint.Function(key.fingerprintSeed());
    try {
      for (int from = 0; from < pieces.size(); ) {
        if (!sampled()) {
          from++;
          continue;
        }
        int to = from + 1;
        PieceRef first = pieces.get(from);
        while (samplePercent == 100
            && to < pieces.size()
            && pieces.get(to).end() - first.position() <= STRETCH) {
          to++;
        }
        check(pack, pieces.subList(from, to), addressKey, fingerprints, result);
        from = to;
      }
    } finally {
      Arrays.fill(addressKey, (byte) 0);
    }
  }

  private void check(
      PackRef pack,
      List<PieceRef> pieces,
      byte[] addressKey,
      Fingerprint.Function fingerprints,
      Result result)
      throws IOException {
    PieceRef first = pieces.get(0);
    long length = pieces.get(pieces.size() - 1).end() - first.position();
    int start;
    try {
      start = packs.fetch(pack, first.position(), (int) length, stretch);
    } catch (RepositoryException e) {
      if (pieces.size() > 1) {
        for (PieceRef piece : pieces) {
          check(pack, List.of(piece), addressKey, fingerprints, result);
        }
      } else {
        result.damaged(first.position(), first.end());
      }
      return;
    }
    for (PieceRef piece : pieces) {
      int at = start + (int) (piece.position() - first.position());
      if (!sound(pack, piece, at, addressKey, fingerprints)) {
        result.damaged(piece.position(), piece.end());
      }
    }
  }

  private boolean sound(
      PackRef pack, PieceRef piece, int at, byte[] addressKey, Fingerprint.Function fingerprints) {
    ByteBuffer stored = ByteBuffer.wrap(stretch, at, piece.storedLength());
    if (!Address.of(addressKey, piece.codec(), stored).equals(piece.address())) {
      return false;
    }
    try {
      PackReader.decode(pack, piece, stretch, at, codec, plain);
    } catch (RepositoryException e) {
      return false;
    }
    return fingerprints.of(plain, 0, piece.plainLength()).equals(piece.fingerprint());
  }

  /** Opens a stretch for nothing but to see whether it opens, down to single chunks. */
  private void scan(PackRef pack, long from, long to, Result result) throws IOException {
    for (long at = from; at < to; ) {
      int length = (int) Math.min(to - at, STRETCH);
      try {
        packs.fetch(pack, at, length, stretch);
      } catch (RepositoryException e) {
        scanChunks(pack, at, at + length, result);
      }
      at += length;
    }
  }

  private void scanChunks(PackRef pack, long from, long to, Result result) throws IOException {
    for (long at = from; at < to; ) {
      long next = Math.min(to, (at / SealedRange.CHUNK_LENGTH + 1) * SealedRange.CHUNK_LENGTH);
      try {
        packs.fetch(pack, at, (int) (next - at), stretch);
      } catch (RepositoryException e) {
        result.damaged(at, next);
      }
      at = next;
    }
  }

  private byte[] content(PackRef pack, long position, int length) throws IOException {
    byte[] buffer = new byte[PackReader.bufferLength(length)];
    int start = packs.fetch(pack, position, length, buffer);
    return Arrays.copyOfRange(buffer, start, start + length);
  }

  private boolean sampled() {
    return samplePercent == 100 || sampling.nextInt(100) < samplePercent;
  }
}
