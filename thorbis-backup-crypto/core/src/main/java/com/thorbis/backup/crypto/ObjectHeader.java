package com.thorbis.backup.crypto;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;

/**
 * What stands in plain before the sealed bytes of every object. All of it takes part in the key
 * derivation: a changed header opens nothing.
 *
 * @param type what the object is
 * @param repository which repository it belongs to
 * @param tree which key tree sealed it
 * @param epoch which epoch of that tree, 1 or more
 * @param object the object's own id
 */
public record ObjectHeader(
    ObjectType type, ObjectId repository, ObjectId tree, int epoch, ObjectId object) {
  /** The length in bytes. */
  public static final int LENGTH = 72;

  private static final byte[] MAGIC = "THORBIS\n".getBytes(StandardCharsets.US_ASCII);
  private static final int VERSION = 1;
  private static final int SUITE = 1;

  /** Checks the parts. */
  public ObjectHeader {
    Objects.requireNonNull(type, "type");
    Objects.requireNonNull(repository, "repository");
    Objects.requireNonNull(tree, "tree");
    Objects.requireNonNull(object, "object");
    if (epoch < 1) {
      throw new IllegalArgumentException("Not an epoch: " + epoch);
    }
  }

  /** The header of an object that {@code slot}'s key seals. */
  public static ObjectHeader of(ObjectType type, KeySlot slot, ObjectId object) {
    return new ObjectHeader(type, slot.repository(), slot.tree(), slot.epoch(), object);
  }

  /** Which key seals the object. */
  public KeySlot slot() {
    return new KeySlot(repository, tree, epoch);
  }

  /** The 72 bytes. */
  public byte[] encode() {
    ByteBuffer out = ByteBuffer.allocate(LENGTH);
    out.put(MAGIC).put((byte) VERSION).put((byte) SUITE).put((byte) type.code()).put((byte) 0);
    out.putInt(LENGTH);
    repository.write(out);
    tree.write(out);
    out.putInt(epoch).putInt(0);
    object.write(out);
    return out.array();
  }

  /** Reads the first 72 bytes of {@code encoded}; every other value than ours is refused. */
  public static ObjectHeader decode(byte[] encoded) throws MalformedObjectException {
    if (encoded.length < LENGTH) {
      throw new MalformedObjectException(
          MalformedObjectException.TRUNCATED,
          "object",
          "ends after " + encoded.length + " bytes, inside its header",
          null);
    }
    ByteBuffer in = ByteBuffer.wrap(encoded, 0, LENGTH);
    byte[] magic = new byte[MAGIC.length];
    in.get(magic);
    if (!Arrays.equals(magic, MAGIC)) {
      throw malformed("does not begin like a sealed object");
    }
    require("format version", VERSION, in.get() & 0xff);
    require("suite", SUITE, in.get() & 0xff);
    int code = in.get() & 0xff;
    ObjectType type = ObjectType.ofCode(code);
    if (type == null) {
      throw malformed("unknown object type " + code);
    }
    require("flags", 0, in.get() & 0xff);
    require("header length", LENGTH, in.getInt());
    ObjectId repository = ObjectId.read(in);
    ObjectId tree = ObjectId.read(in);
    int epoch = in.getInt();
    if (epoch < 1) {
      throw malformed("epoch " + Integer.toUnsignedString(epoch));
    }
    require("reserved field", 0, in.getInt());
    return new ObjectHeader(type, repository, tree, epoch, ObjectId.read(in));
  }

  /** Reads a header and nothing more. */
  public static ObjectHeader read(InputStream from) throws IOException {
    return decode(from.readNBytes(LENGTH));
  }

  private static void require(String field, int expected, int found)
      throws MalformedObjectException {
    if (found != expected) {
      throw malformed(field + " " + Integer.toUnsignedString(found) + " instead of " + expected);
    }
  }

  private static MalformedObjectException malformed(String problem) {
    return new MalformedObjectException(
        MalformedObjectException.HEADER, "object header", problem, null);
  }
}
