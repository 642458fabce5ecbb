package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.wire.ProtocolException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HexFormat;

/**
 * Takes a tar archive apart as it comes, in the form that PostgreSQL writes: ustar headers, sizes
 * in octal or base 256, no extensions. Copies no content and keeps one header.
 */
final class TarReader {
  private static final int BLOCK = 512;
  private static final long LARGEST_FILE = 1L << 50;
  private static final long LAST_SECOND = 1L << 40;

  private final Target target;
  private final byte[] header = new byte[BLOCK];
  private int headerBytes;
  private long contentLeft;
  private int paddingLeft;
  private boolean inFile;
  private boolean terminated;

  TarReader(Target target) {
    this.target = target;
  }

  /** Where entries go. */
  interface Target {
    /** A folder, link or file begins; only a file has content. */
    void entry(Entry entry) throws IOException;

    /** The file's next bytes; not kept after return. */
    void content(byte[] bytes, int offset, int length) throws IOException;

    /** The file is whole. */
    void endFile() throws IOException;
  }

  /** What an entry is. */
  enum Kind {
    FILE,
    DIRECTORY,
    LINK
  }

  /** One header. */
  record Entry(Kind kind, String path, long length, int mode, Instant modifiedAt) {}

  /** Takes the archive's next bytes. */
  void feed(byte[] bytes, int offset, int length) throws IOException {
    int position = offset;
    int end = offset + length;
    while (position < end) {
      if (contentLeft > 0) {
        int count = (int) Math.min(contentLeft, end - position);
        target.content(bytes, position, count);
        contentLeft -= count;
        position += count;
        endFileIfWhole();
      } else if (paddingLeft > 0) {
        int count = Math.min(paddingLeft, end - position);
        paddingLeft -= count;
        position += count;
      } else {
        int count = Math.min(BLOCK - headerBytes, end - position);
        System.arraycopy(bytes, position, header, headerBytes, count);
        headerBytes += count;
        position += count;
        if (headerBytes == BLOCK) {
          headerBytes = 0;
          header();
        }
      }
    }
  }

  /** The archive has no more bytes. */
  void end() throws ProtocolException {
    if (inFile || paddingLeft > 0 || headerBytes > 0) {
      throw new ProtocolException("an archive that ends in the middle of a file");
    }
  }

  private void header() throws IOException {
    if (allZero()) {
      terminated = true;
      return;
    }
    if (terminated) {
      throw new ProtocolException("an archive that goes on after its end");
    }
    if (!ascii(257, 5).equals("ustar") || number(148, 8) != checksum()) {
      throw new ProtocolException("a tar header that is none");
    }
    Kind kind =
        switch (header[156]) {
          case '0', 0 -> Kind.FILE;
          case '5' -> Kind.DIRECTORY;
          case '2' -> Kind.LINK;
          default -> throw new ProtocolException("a tar entry of type " + header[156]);
        };
    long length = number(124, 12);
    long seconds = number(136, 12);
    if (length > LARGEST_FILE || seconds > LAST_SECOND) {
      throw new ProtocolException("a tar entry of " + length + " bytes");
    }
    Entry entry =
        new Entry(
            kind,
            path(),
            kind == Kind.FILE ? length : 0,
            (int) (number(100, 8) & 07777),
            Instant.ofEpochSecond(seconds));
    if (kind != Kind.FILE && length != 0) {
      throw new ProtocolException("a tar entry with content that can have none");
    }
    target.entry(entry);
    if (kind == Kind.FILE) {
      inFile = true;
      contentLeft = length;
      paddingLeft = (int) (-length & (BLOCK - 1));
      endFileIfWhole();
    }
  }

  private void endFileIfWhole() throws IOException {
    if (contentLeft == 0 && inFile) {
      inFile = false;
      target.endFile();
    }
  }

  private String path() throws ProtocolException {
    String name = text(0, 100);
    String prefix = text(345, 155);
    String path = prefix.isEmpty() ? name : prefix + "/" + name;
    if (path.endsWith("/")) {
      path = path.substring(0, path.length() - 1);
    }
    if (path.startsWith("./")) {
      path = path.substring(2);
    }
    for (String part : path.split("/", -1)) {
      if (part.isEmpty() || part.equals(".") || part.equals("..")) {
        throw new ProtocolException("a file name that leads elsewhere");
      }
    }
    return path;
  }

  private boolean allZero() {
    for (byte value : header) {
      if (value != 0) {
        return false;
      }
    }
    return true;
  }

  private long checksum() {
    long sum = 0;
    for (int i = 0; i < BLOCK; i++) {
      sum += i >= 148 && i < 156 ? ' ' : header[i] & 0xFF;
    }
    return sum;
  }

  private long number(int offset, int length) throws ProtocolException {
    if ((header[offset] & 0x80) != 0) {
      // Base 256. Eight bytes are more than any file has; those before them must be empty.
      long value = 0;
      for (int i = 1; i < length; i++) {
        if (value >>> 54 != 0) {
          throw new ProtocolException("a tar number beyond all bounds");
        }
        value = value << 8 | header[offset + i] & 0xFF;
      }
      if (header[offset] != (byte) 0x80) {
        throw new ProtocolException("a tar number beyond all bounds");
      }
      return value;
    }
    long value = 0;
    boolean digits = false;
    for (int i = offset; i < offset + length; i++) {
      byte c = header[i];
      if (c >= '0' && c <= '7') {
        value = value << 3 | c - '0';
        digits = true;
      } else if (c == 0 || c == ' ') {
        if (digits) {
          break;
        }
      } else {
        throw new ProtocolException("a tar number that is none");
      }
    }
    return value;
  }

  private String ascii(int offset, int length) {
    return new String(header, offset, length, StandardCharsets.ISO_8859_1);
  }

  private String text(int offset, int length) {
    int end = offset;
    while (end < offset + length && header[end] != 0) {
      end++;
    }
    ByteBuffer bytes = ByteBuffer.wrap(header, offset, end - offset);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw BackupException.of(
              "backup.file-name",
              FailureKind.PERMANENT,
              "The data directory holds a file whose name is not UTF-8, in hexadecimal: "
                  + HexFormat.of().formatHex(header, offset, end))
          .remedy("Rename or remove it: it is none of PostgreSQL's.")
          .cause(e)
          .build();
    }
  }
}
