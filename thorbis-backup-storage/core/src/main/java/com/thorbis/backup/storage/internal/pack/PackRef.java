package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedRange;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.util.HexFormat;
import java.util.Map;

/** What a manifest knows of a pack: enough to open any range of it with one request. */
public final class PackRef {
  private final KeySlot sealedWith;
  private final ObjectId id;
  private final long sealedLength;
  private final byte[] salt;
  private final byte[] commitment;

  PackRef(KeySlot sealedWith, ObjectId id, long sealedLength, byte[] salt, byte[] commitment) {
    this.sealedWith = sealedWith;
    this.id = id;
    this.sealedLength = sealedLength;
    this.salt = salt;
    this.commitment = commitment;
  }

  /** What a pack's own beginning tells of it. */
  public static PackRef of(ObjectHeader header, long sealedLength, byte[] salt, byte[] commitment) {
    return new PackRef(header.slot(), header.object(), sealedLength, salt, commitment);
  }

  /** Reads one from a document. */
  public static PackRef read(Json.Node node, ObjectId repository) throws RepositoryException {
    long length = node.number("length", 1, Long.MAX_VALUE);
    try {
      SealedRange.plainLength(length);
    } catch (MalformedObjectException e) {
      throw node.wrong("length", Long.toString(length));
    }
    return new PackRef(
        new KeySlot(
            repository,
            node.parse("tree", ObjectId::parse),
            node.integer("epoch", 1, Integer.MAX_VALUE)),
        node.parse("id", ObjectId::parse),
        length,
        node.hex("salt", 24),
        node.hex("commitment", 32));
  }

  /** Writes it into a document. */
  public Map<String, Object> document() {
    Map<String, Object> document = Json.object();
    document.put("id", id);
    document.put("tree", sealedWith.tree());
    document.put("epoch", sealedWith.epoch());
    document.put("length", sealedLength);
    document.put("salt", HexFormat.of().formatHex(salt));
    document.put("commitment", HexFormat.of().formatHex(commitment));
    return document;
  }

  /** Its object id. */
  public ObjectId id() {
    return id;
  }

  /** Which key sealed it. */
  public KeySlot sealedWith() {
    return sealedWith;
  }

  /** The length of the whole object. */
  public long sealedLength() {
    return sealedLength;
  }

  /** Where it lies. */
  public ObjectKey key() {
    return ObjectNames.pack(sealedWith.tree(), id);
  }

  /** The header that it begins with. */
  public ObjectHeader header() {
    return ObjectHeader.of(ObjectType.PACK, sealedWith, id);
  }

  /** Its salt. */
  public byte[] salt() {
    return salt.clone();
  }

  /** Its commitment. */
  public byte[] commitment() {
    return commitment.clone();
  }
}
