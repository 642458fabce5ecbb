package com.thorbis.backup.storage.internal.wal;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedWriter;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.copies.SoundReads;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.Map;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The form of a WAL object: the length of its header, the header, then blocks of up to 1 MiB, each
 * with its codec and lengths.
 */
final class WalObject {
  private static final int MOST_HEADER = 1 << 20;

  /** Long enough for nearly every header. */
  private static final int HEADER_FETCH = 72 + 24 + 32 + 2 * (16384 + 16);

  private WalObject() {}

  /**
   * A whole object that was read.
   *
   * @param header what it says
   * @param content its bytes
   * @param sha256 of the object as stored
   */
  record Whole(WalHeader header, byte[] content, String sha256) {}

  /** Seals content. */
  static SealedContent seal(
      Services services, EpochKey key, ObjectKey place, WalHeader header, ByteBuffer content)
      throws IOException {
    SealedContent sealed = new SealedContent(content.remaining() / 4);
    ObjectHeader objectHeader =
        ObjectHeader.of(ObjectType.WAL, key.slot(), ObjectId.random(services.random()));
    try (PieceCodec codec = services.codecs().get();
        DataOutputStream out =
            new DataOutputStream(
                new SealedWriter(sealed, key, objectHeader, place.value(), services.random()))) {
      byte[] document = header.encode();
      out.writeInt(document.length);
      out.write(document);
      byte[] plain = new byte[Math.min(PieceCodec.MAX_PIECE, content.remaining())];
      byte[] stored = new byte[plain.length];
      byte[] again = new byte[plain.length];
      ByteBuffer rest = content.duplicate();
      CRC32C whole = new CRC32C();
      while (rest.hasRemaining()) {
        int length = Math.min(plain.length, rest.remaining());
        rest.get(plain, 0, length);
        int storedLength = codec.compress(plain, length, stored);
        byte id = storedLength < 0 ? PieceCodec.NONE : codec.id();
        byte[] bytes = storedLength < 0 ? plain : stored;
        int count = storedLength < 0 ? length : storedLength;
        reproduce(codec, id, bytes, count, again, length);
        whole.update(again, 0, length);
        out.writeByte(id);
        out.writeInt(count);
        out.writeInt(length);
        out.write(bytes, 0, count);
      }
      if ((int) whole.getValue() != header.crc()) {
        throw notReproduced(place, null);
      }
    }
    return sealed;
  }

  private static void reproduce(
      PieceCodec codec, byte id, byte[] stored, int count, byte[] again, int length)
      throws RepositoryException {
    try {
      codec.decompress(id, stored, 0, count, again, length);
    } catch (IOException e) {
      throw notReproduced(null, e);
    }
  }

  private static RepositoryException notReproduced(
      @Nullable ObjectKey place, @Nullable Throwable cause) {
    return new RepositoryException(
        "repository.not-reproduced",
        FailureKind.PERMANENT,
        "A stretch of WAL opened to other bytes than were given; nothing was stored",
        place == null ? Map.of() : Map.of("object", place.value()),
        "Push it again; if it repeats, check the machine's memory and choose another"
            + " repository.compression.",
        cause);
  }

  /** Reads a whole object. */
  static Whole read(Services services, ObjectId tree, ObjectKey key) throws IOException {
    return SoundReads.read(services.store(), key, from -> read(services, tree, key, from));
  }

  private static Whole read(Services services, ObjectId tree, ObjectKey key, ObjectStore from)
      throws IOException {
    MessageDigest digest = Digests.sha256();
    try (ObjectRead read = from.get(key);
        InputStream body = new DigestInputStream(read.body(), digest);
        DataInputStream in = new DataInputStream(open(services, tree, key, body))) {
      WalHeader header = readHeader(in, key);
      byte[] content = new byte[header.length()];
      try (PieceCodec codec = services.codecs().get()) {
        readBlocks(in, key, codec, content);
      }
      CRC32C crc = new CRC32C();
      crc.update(content);
      if ((int) crc.getValue() != header.crc()) {
        throw RepositoryException.damaged(
            key.value(), "has another checksum than its header says", null);
      }
      return new Whole(header, content, Digests.text(digest.digest()));
    } catch (MalformedObjectException e) {
      throw SealedObjects.damaged(key, e);
    } catch (EOFException e) {
      throw RepositoryException.damaged(key.value(), "ends too early", e);
    }
  }

  /** Reads what an object says of itself. */
  static WalHeader readHeader(Services services, ObjectId tree, ObjectKey key) throws IOException {
    return SealedObjects.again(key, () -> tryReadHeader(services, tree, key));
  }

  private static WalHeader tryReadHeader(Services services, ObjectId tree, ObjectKey key)
      throws IOException {
    try (ObjectRead read = services.store().get(key, new ByteRange(0, HEADER_FETCH));
        DataInputStream in = new DataInputStream(open(services, tree, key, read.body()))) {
      return readHeader(in, key);
    } catch (MalformedObjectException | EOFException e) {
      // Either damaged or longer than what was fetched: the whole object tells.
      return read(services, tree, key).header();
    }
  }

  private static InputStream open(Services services, ObjectId tree, ObjectKey key, InputStream body)
      throws IOException {
    return SealedObjects.open(
        body, ObjectType.WAL, key, services.repository(), tree, services.keys());
  }

  private static WalHeader readHeader(DataInputStream in, ObjectKey key) throws IOException {
    int length = in.readInt();
    if (length < 1 || length > MOST_HEADER) {
      throw RepositoryException.damaged(key.value(), "has a header of " + length + " bytes", null);
    }
    byte[] document = new byte[length];
    in.readFully(document);
    return WalHeader.read(document, key.value());
  }

  private static void readBlocks(
      DataInputStream in, ObjectKey key, PieceCodec codec, byte[] content) throws IOException {
    byte[] stored = new byte[PieceCodec.MAX_PIECE];
    byte[] plain = new byte[PieceCodec.MAX_PIECE];
    int at = 0;
    for (int id = in.read(); id >= 0; id = in.read()) {
      int count = in.readInt();
      int length = in.readInt();
      if (length < 1
          || length > Math.min(plain.length, content.length - at)
          || count < 1
          || count > length) {
        throw RepositoryException.damaged(key.value(), "has a block out of bounds", null);
      }
      in.readFully(stored, 0, count);
      try {
        codec.decompress((byte) id, stored, 0, count, plain, length);
      } catch (IOException e) {
        throw RepositoryException.damaged(key.value(), String.valueOf(e.getMessage()), e);
      }
      System.arraycopy(plain, 0, content, at, length);
      at += length;
    }
    if (at != content.length) {
      throw RepositoryException.damaged(
          key.value(), "holds " + at + " of " + content.length + " bytes", null);
    }
  }
}
