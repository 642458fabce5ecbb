package com.thorbis.backup.storage.internal.format;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Takes bytes apart that {@link BinaryOutput} collected; trusts none of them. */
public final class BinaryInput {
  private final ByteBuffer bytes;
  private final String object;

  /**
   * Reads from the buffer's position to its limit.
   *
   * @param object what messages call it
   */
  public BinaryInput(ByteBuffer bytes, String object) {
    this.bytes = bytes;
    this.object = object;
  }

  /** How many bytes are left. */
  public int remaining() {
    return bytes.remaining();
  }

  /** One byte. */
  public int get() throws RepositoryException {
    require(1);
    return bytes.get() & 0xff;
  }

  /** Four bytes. */
  public int getInt() throws RepositoryException {
    require(Integer.BYTES);
    return bytes.getInt();
  }

  /** Eight bytes. */
  public long getLong() throws RepositoryException {
    require(Long.BYTES);
    return bytes.getLong();
  }

  /** Sixteen bytes. */
  public ObjectId getId() throws RepositoryException {
    require(ObjectId.LENGTH);
    return ObjectId.read(bytes);
  }

  /** The buffer with at least this many bytes in front. */
  public ByteBuffer buffer(int count) throws RepositoryException {
    require(count);
    return bytes;
  }

  /** A number of 0 or more in its shortest form. */
  public long getVarint() throws RepositoryException {
    long value = 0;
    for (int shift = 0; shift < 63; shift += 7) {
      int next = get();
      value |= (long) (next & 0x7f) << shift;
      if (next < 0x80) {
        if (next == 0 && shift > 0) {
          throw malformed("a number is not in its shortest form");
        }
        return value;
      }
    }
    throw malformed("a number is too long");
  }

  /** A number from 0 to {@code most}. */
  public long getVarint(long most, String what) throws RepositoryException {
    long value = getVarint();
    if (value > most) {
      throw malformed(what + " is " + value + ", more than " + most);
    }
    return value;
  }

  /** A number of 0 or more that fits an int. */
  public int getVarint(int most, String what) throws RepositoryException {
    return (int) getVarint((long) most, what);
  }

  /** A count of things that take at least {@code least} bytes each. */
  public int getCount(int least, String what) throws RepositoryException {
    return getVarint(bytes.remaining() / least, "the count of " + what);
  }

  /** Any number. */
  public long getSigned() throws RepositoryException {
    long value = getVarint();
    return value >>> 1 ^ -(value & 1);
  }

  /** A text in UTF-8 of at most {@code most} bytes. */
  public String getText(int most) throws RepositoryException {
    int length = getVarint(most, "the length of a text");
    require(length);
    ByteBuffer utf8 = bytes.slice(bytes.position(), length);
    bytes.position(bytes.position() + length);
    try {
      CharBuffer text = StandardCharsets.UTF_8.newDecoder().decode(utf8);
      return text.toString();
    } catch (CharacterCodingException e) {
      throw malformed("a text is not UTF-8");
    }
  }

  /** Fails if anything is left. */
  public void requireEnd() throws RepositoryException {
    if (bytes.hasRemaining()) {
      throw malformed(bytes.remaining() + " bytes follow its end");
    }
  }

  /** Damage of what is read here. */
  public RepositoryException malformed(String problem) {
    return RepositoryException.damaged(object, problem, null);
  }

  private void require(int count) throws RepositoryException {
    if (bytes.remaining() < count) {
      throw malformed("ends too early");
    }
  }
}
