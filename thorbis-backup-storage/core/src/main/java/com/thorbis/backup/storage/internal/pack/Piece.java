package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.crypto.Address;
import com.thorbis.backup.spi.repository.PieceCheck;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A piece on its way: plain bytes of one file or of several small ones, then what a worker made of
 * them. Reused; belongs to one thread at a time.
 */
public final class Piece {
  private static final int MAX_SLICES = 4096;

  private final byte[] plain = new byte[PieceCodec.MAX_PIECE];
  private final byte[] compressed = new byte[PieceCodec.MAX_PIECE];
  private final List<Slice> slices = new ArrayList<>();
  private final Semaphore encoded = new Semaphore(0);
  private int length;

  // What a worker made of it.
  private boolean zeros;
  private byte codec;
  private int storedLength;
  private int crc;
  private @Nullable Address address;
  private @Nullable Fingerprint fingerprint;
  private @Nullable PieceRef known;

  /** A stretch of one file's content, or the mark of its end. */
  public static final class Slice {
    private final Object file;
    private final PieceCheck check;
    private final long fileOffset;
    private final int offset;
    private final @Nullable Reading reading;
    private final CRC32C crc = new CRC32C();
    private int length;
    private @Nullable Fingerprint fingerprint;

    private Slice(
        Object file, PieceCheck check, long fileOffset, int offset, @Nullable Reading reading) {
      this.file = file;
      this.check = check;
      this.fileOffset = fileOffset;
      this.offset = offset;
      this.reading = reading;
    }

    /** The file it belongs to. */
    public Object file() {
      return file;
    }

    /** Where it starts in its piece. */
    public int offset() {
      return offset;
    }

    /** How many bytes; 0 marks the end of the file. */
    public int length() {
      return length;
    }

    /** The fingerprint of its bytes. */
    public Fingerprint fingerprint() {
      return fingerprint == null ? Fingerprint.ZERO : fingerprint;
    }

    /** CRC-32C of its bytes as they came. */
    public int crc() {
      return (int) crc.getValue();
    }

    long fileOffset() {
      return fileOffset;
    }

    PieceCheck check() {
      return check;
    }

    void fingerprint(Fingerprint taken) {
      fingerprint = taken;
    }
  }

  /** The bytes taken so far. */
  public int length() {
    return length;
  }

  /** How many more bytes fit. */
  public int room() {
    return plain.length - length;
  }

  /** Whether no more slices should be added. */
  public boolean crowded() {
    return slices.size() >= MAX_SLICES;
  }

  /** Its slices in order. */
  public List<Slice> slices() {
    return slices;
  }

  /** Begins a slice. */
  public Slice begin(Object file, PieceCheck check, long fileOffset) {
    Slice slice = new Slice(file, check, fileOffset, length, null);
    slices.add(slice);
    return slice;
  }

  /** Adds a slice that a worker reads. */
  public void read(Object file, Reading reading, long fileOffset, int count) {
    Slice slice = new Slice(file, PieceCheck.NONE, fileOffset, length, reading);
    slice.length = count;
    slices.add(slice);
    length += count;
    reading.plan();
  }

  /** Reads what is to be read; a file that is gone is zero. */
  void fetch() throws IOException {
    for (Slice slice : slices) {
      Reading reading = slice.reading;
      if (reading != null) {
        int to = slice.offset + slice.length;
        if (!reading.read(slice.fileOffset - slice.offset, plain, slice.offset, to)) {
          Arrays.fill(plain, slice.offset, to, (byte) 0);
        }
        slice.crc.update(plain, slice.offset, slice.length);
      }
    }
  }

  /** Adds bytes to the last slice. */
  public void append(Slice slice, byte[] bytes, int offset, int count) {
    System.arraycopy(bytes, offset, plain, length, count);
    // Taken from the caller's bytes: it also guards the copy.
    slice.crc.update(bytes, offset, count);
    slice.length += count;
    length += count;
  }

  /** Takes the last slice out again. */
  public void remove(Slice slice) {
    if (slices.remove(slices.size() - 1) != slice) {
      throw new IllegalStateException("Not the last slice");
    }
    length = slice.offset;
  }

  /** Moves the last slice of another piece into this empty one. */
  public Slice adopt(Piece from, Slice slice) {
    Slice moved = begin(slice.file, slice.check, slice.fileOffset);
    append(moved, from.plain, slice.offset, slice.length);
    if (moved.crc() != slice.crc()) {
      throw new IllegalStateException("Memory did not keep what was read");
    }
    from.remove(slice);
    return moved;
  }

  /** Fills it with bytes that belong to no file. */
  public void fill(byte[] bytes, int count) {
    clear();
    append(begin(this, PieceCheck.NONE, 0), bytes, 0, count);
  }

  /** Makes it as new. */
  void clear() {
    slices.clear();
    length = 0;
    zeros = false;
    address = null;
    fingerprint = null;
    known = null;
    encoded.drainPermits();
  }

  byte[] plain() {
    return plain;
  }

  byte[] compressed() {
    return compressed;
  }

  /** Says what it became: nothing but zeros. */
  void becameZeros() {
    zeros = true;
  }

  /** Says what it became: nothing, as it is stored already. */
  void becameKnown(PieceRef there) {
    known = there;
  }

  /** Says what it became. */
  void became(byte codec, int storedLength, int crc, Address address, Fingerprint fingerprint) {
    this.codec = codec;
    this.storedLength = storedLength;
    this.crc = crc;
    this.address = address;
    this.fingerprint = fingerprint;
  }

  void markEncoded() {
    encoded.release();
  }

  void awaitEncoded() throws InterruptedException {
    encoded.acquire();
  }

  /** Whether all bytes are zero: nothing is stored then. */
  public boolean zeros() {
    return zeros;
  }

  /** Where it was stored before; null if it was not. */
  public @Nullable PieceRef known() {
    return known;
  }

  byte codec() {
    return codec;
  }

  byte[] stored() {
    return codec == PieceCodec.NONE ? plain : compressed;
  }

  int storedLength() {
    return storedLength;
  }

  int crc() {
    return crc;
  }

  Address address() {
    if (address == null) {
      throw new IllegalStateException("The piece was not encoded");
    }
    return address;
  }

  Fingerprint fingerprint() {
    if (fingerprint == null) {
      throw new IllegalStateException("The piece was not encoded");
    }
    return fingerprint;
  }
}
