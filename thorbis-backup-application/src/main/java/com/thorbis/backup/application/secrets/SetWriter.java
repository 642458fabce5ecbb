package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.KeySlots;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedWriter;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.secret.SecretInfo;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** Seals a set under a key of its own. Used by one thread. */
final class SetWriter implements AutoCloseable {
  private final SecureRandom random;
  private final EpochKey key;
  private final SetFormat.Header header;
  private final List<byte[]> sealed = new ArrayList<>();
  private long sealedBytes;

  SetWriter(
      ObjectId repository,
      Instant created,
      List<? extends KeyProvider> recipients,
      SecureRandom random)
      throws IOException {
    this.random = random;
    ObjectId id = ObjectId.random(random);
    key = EpochKey.generate(new KeySlot(repository, id, 1), random);
    boolean begun = false;
    try {
      header = new SetFormat.Header(repository, id, created, KeySlots.wrap(key, recipients));
      begun = true;
    } finally {
      if (!begun) {
        key.close();
      }
    }
  }

  ObjectId id() {
    return header.id();
  }

  /** Seals one value; returns the id of its bytes. */
  ObjectId add(
      String set,
      long sequence,
      SetIndex.Source source,
      SecretInfo info,
      SecretValue value,
      int ordinal,
      int count)
      throws IOException {
    ObjectId object = ObjectId.random(random);
    String name = SetFormat.entryName(set, sequence, source, info, ordinal, count);
    byte[] padded =
        value.useBytes(
            bytes -> {
              int length = Integer.BYTES + bytes.length;
              int whole = (length + SetFormat.PADDING - 1) / SetFormat.PADDING * SetFormat.PADDING;
              byte[] out = new byte[whole];
              ByteBuffer.wrap(out).putInt(bytes.length).put(bytes);
              return out;
            });
    try {
      byte[] bytes = seal(object, name, padded);
      sealedBytes += bytes.length;
      if (sealedBytes > SetFormat.MOST_BYTES / 2) {
        throw SetFormat.tooLarge(
            sealedBytes + " bytes or more", SetFormat.MOST_BYTES / 2 + " bytes");
      }
      sealed.add(bytes);
      return object;
    } finally {
      Arrays.fill(padded, (byte) 0);
    }
  }

  private byte[] seal(ObjectId object, String name, byte[] plain) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    ObjectHeader about = ObjectHeader.of(ObjectType.SECRET, key.slot(), object);
    try (SealedWriter out = new SealedWriter(bytes, key, about, name, random)) {
      boolean whole = false;
      try {
        out.write(plain);
        whole = true;
      } finally {
        if (!whole) {
          out.abort();
        }
      }
    }
    return bytes.toByteArray();
  }

  /**
   * Writes the set, of which everything was made and looked at before the first byte.
   *
   * @return SHA-256 of its bytes
   */
  String finish(SetIndex index, Optional<Signer> signer, OutputStream sink) throws IOException {
    byte[] begin = header.encode();
    byte[] list = seal(header.id(), SetFormat.indexName(begin), SetFormat.encode(index));
    MessageDigest unsigned = SetFormat.newDigest();
    DataOutputStream counted =
        new DataOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), unsigned));
    emit(begin, list, counted);
    byte[] signature = signature(signer, SetFormat.signed(unsigned.digest()));
    long length = (long) counted.size() + signature.length;
    if (length > SetFormat.MOST_BYTES) {
      throw SetFormat.tooLarge(length + " bytes", SetFormat.MOST_BYTES + " bytes");
    }
    MessageDigest digest = SetFormat.newDigest();
    DataOutputStream out = new DataOutputStream(new DigestOutputStream(sink, digest));
    emit(begin, list, out);
    out.write(signature);
    out.flush();
    return HexFormat.of().formatHex(digest.digest());
  }

  private void emit(byte[] begin, byte[] list, DataOutputStream out) throws IOException {
    out.write(begin);
    out.writeInt(list.length);
    out.write(list);
    out.writeInt(sealed.size());
    for (byte[] entry : sealed) {
      out.writeInt(entry.length);
      out.write(entry);
    }
  }

  /** What stands at the end; a signer that signs wrongly is found here, and not by who restores. */
  private static byte[] signature(Optional<Signer> signer, byte[] message) throws IOException {
    if (signer.isEmpty()) {
      return new byte[] {0};
    }
    byte[] key = signer.get().publicKey();
    byte[] value = signer.get().sign(message);
    boolean genuine;
    try {
      genuine = SigningPublicKey.of(key).verifies(message, value);
    } catch (IllegalArgumentException e) {
      genuine = false;
    }
    if (!genuine) {
      throw new SetException(
          SetException.FOREIGN_WRITER,
          FailureKind.PERMANENT,
          "The set of secrets: its signer gives a signature that is not its own",
          "The set of secrets",
          "Look at the signing key; nothing was written.",
          null);
    }
    return ByteBuffer.allocate(1 + key.length + value.length)
        .put((byte) 1)
        .put(key)
        .put(value)
        .array();
  }

  /** Erases the key. */
  @Override
  public void close() {
    key.close();
  }
}
