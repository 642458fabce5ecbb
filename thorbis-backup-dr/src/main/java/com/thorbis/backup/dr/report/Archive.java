package com.thorbis.backup.dr.report;

import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32;

/**
 * Files in one: a ZIP archive that every tool opens, in the one form that has nothing left to
 * choose. Files are stored as they are, and have no times, rights or comments, so that equal files
 * make equal archives, and each byte is either what it must be or wrong.
 */
final class Archive {
  private static final int LOCAL = 0x04034b50;
  private static final int CENTRAL = 0x02014b50;
  private static final int END = 0x06054b50;
  private static final int LOCAL_SIZE = 30;
  private static final int CENTRAL_SIZE = 46;
  private static final int END_SIZE = 22;
  private static final short VERSION = 10;

  /** 1980-01-01, where the times of such archives begin. */
  private static final short DAY = 0x21;

  private Archive() {}

  /** One file. */
  record Part(String name, byte[] content) {}

  /** What is not an archive as it was written, and why. */
  static final class Broken extends Exception {
    private static final long serialVersionUID = 1;
    private final boolean truncated;

    Broken(String message, boolean truncated) {
      super(message);
      this.truncated = truncated;
    }

    /** Whether its end is missing. */
    boolean truncated() {
      return truncated;
    }
  }

  static byte[] write(List<Part> parts) {
    ByteArrayOutputStream files = new ByteArrayOutputStream();
    ByteArrayOutputStream directory = new ByteArrayOutputStream();
    for (Part part : parts) {
      byte[] name = part.name().getBytes(StandardCharsets.US_ASCII);
      CRC32 crc = new CRC32();
      crc.update(part.content());
      int offset = files.size();
      ByteBuffer local = buffer(LOCAL_SIZE).putInt(LOCAL);
      common(local, part, name, (int) crc.getValue());
      files.writeBytes(local.array());
      files.writeBytes(name);
      files.writeBytes(part.content());
      ByteBuffer entry = buffer(CENTRAL_SIZE).putInt(CENTRAL).putShort(VERSION);
      common(entry, part, name, (int) crc.getValue());
      entry.putShort((short) 0).putShort((short) 0).putShort((short) 0).putInt(0).putInt(offset);
      directory.writeBytes(entry.array());
      directory.writeBytes(name);
    }
    ByteBuffer end = buffer(END_SIZE).putInt(END).putInt(0);
    end.putShort((short) parts.size()).putShort((short) parts.size());
    end.putInt(directory.size()).putInt(files.size()).putShort((short) 0);
    files.writeBytes(directory.toByteArray());
    files.writeBytes(end.array());
    return files.toByteArray();
  }

  /** What stands before a file and in the directory alike. */
  private static void common(ByteBuffer out, Part part, byte[] name, int crc) {
    out.putShort(VERSION).putShort((short) 0).putShort((short) 0);
    out.putShort((short) 0).putShort(DAY).putInt(crc);
    out.putInt(part.content().length).putInt(part.content().length);
    out.putShort((short) name.length).putShort((short) 0);
  }

  private static ByteBuffer buffer(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * The files of an archive, in their order. Whether all else is as it was written, {@link
   * #differs} tells.
   */
  static List<Part> read(byte[] archive) throws Broken {
    ByteBuffer in = ByteBuffer.wrap(archive).order(ByteOrder.LITTLE_ENDIAN);
    List<Part> parts = new ArrayList<>();
    try {
      int kind = in.getInt();
      while (kind == LOCAL) {
        in.position(in.position() + 14);
        int size = in.getInt();
        in.position(in.position() + 4);
        int nameSize = in.getShort() & 0xffff;
        in.position(in.position() + 2);
        byte[] name = take(in, nameSize);
        parts.add(new Part(new String(name, StandardCharsets.ISO_8859_1), take(in, size)));
        kind = in.getInt();
      }
      if (kind != CENTRAL && kind != END) {
        throw new Broken(
            parts.isEmpty()
                ? "is no ZIP archive"
                : "has something that is no file after " + parts.get(parts.size() - 1).name(),
            false);
      }
    } catch (BufferUnderflowException | IllegalArgumentException e) {
      throw new Broken(
          archive.length < LOCAL_SIZE ? "is no ZIP archive" : "ends in the middle of a file", true);
    }
    int files = in.position() - Integer.BYTES;
    int rest = archive.length - files;
    int wanted = END_SIZE;
    for (Part part : parts) {
      wanted += CENTRAL_SIZE + part.name().length();
    }
    if (rest < wanted) {
      throw new Broken("ends in the middle of its directory", true);
    }
    return parts;
  }

  private static byte[] take(ByteBuffer in, int size) {
    if (size < 0 || size > in.remaining()) {
      throw new BufferUnderflowException();
    }
    byte[] bytes = new byte[size];
    in.get(bytes);
    return bytes;
  }

  /** The first byte that is not as {@link #write} puts it around these files; below 0 if none. */
  static int differs(byte[] archive, List<Part> parts) {
    return Arrays.mismatch(archive, write(parts));
  }
}
