package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;
import java.util.Locale;

/**
 * Writes {@code backup_manifest} (PostgreSQL 74, Backup Manifest Format) for the tree that was
 * written, so that {@code pg_verifybackup} can judge it without us. Files are written as they come;
 * safe for several threads.
 */
public final class ManifestWriter implements AutoCloseable {
  static final String NAME = "backup_manifest";

  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss 'GMT'", Locale.ROOT)
          .withZone(ZoneOffset.UTC);

  private final OutputStream out;
  private final MessageDigest digest;
  private boolean first = true;

  /**
   * Begins a manifest.
   *
   * @param systemId the cluster's, as PostgreSQL prints it
   */
  public ManifestWriter(OutputStream out, int majorVersion, String systemId) throws IOException {
    this.out = new BufferedOutputStream(out, 1 << 16);
    try {
      this.digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
    put(
        "{ \"PostgreSQL-Backup-Manifest-Version\": "
            + (majorVersion >= 17 ? "2,\n\"System-Identifier\": " + systemId : "1")
            + ",\n\"Files\": [");
  }

  /** Adds a file. */
  public void file(String path, long length, Instant modifiedAt, int crc32c) throws IOException {
    file(
        path,
        length,
        modifiedAt,
        ", \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"" + hex(crc32c) + "\"");
  }

  /** Adds a file of which only the length counts. */
  public void unsummed(String path, long length, Instant modifiedAt) throws IOException {
    file(path, length, modifiedAt, "");
  }

  private synchronized void file(String path, long length, Instant modifiedAt, String checksum)
      throws IOException {
    put(
        (first ? "\n{ " : ",\n{ ")
            + name(path)
            + ", \"Size\": "
            + length
            + ", \"Last-Modified\": \""
            + TIME.format(modifiedAt)
            + "\""
            + checksum
            + " }");
    first = false;
  }

  /** Ends the manifest with the log that the backup needs. */
  public synchronized void finish(Timeline timeline, Lsn start, Lsn stop) throws IOException {
    put(
        "\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": "
            + timeline
            + ", \"Start-LSN\": \""
            + start
            + "\", \"End-LSN\": \""
            + stop
            + "\" }\n],\n");
    byte[] sum = digest.digest();
    out.write(
        ("\"Manifest-Checksum\": \"" + HexFormat.of().formatHex(sum) + "\"}\n")
            .getBytes(StandardCharsets.US_ASCII));
    out.flush();
  }

  @Override
  public synchronized void close() throws IOException {
    out.close();
  }

  /** The server stores the four bytes of the sum as they lie in memory, lowest first. */
  private static String hex(int crc32c) {
    return HexFormat.of()
        .formatHex(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(crc32c).array());
  }

  private static String name(String path) {
    try {
      StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(path));
      if (path.indexOf('"') < 0) { // other escapes cannot occur in a checked path
        return "\"Path\": \"" + path + "\"";
      }
    } catch (CharacterCodingException e) {
      // Written in hexadecimal like a name in another encoding.
    }
    return "\"Encoded-Path\": \""
        + HexFormat.of().formatHex(path.getBytes(StandardCharsets.UTF_8))
        + "\"";
  }

  private void put(String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    digest.update(bytes);
    out.write(bytes);
  }
}
