package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.restore.ManifestWriter;
import com.thorbis.backup.postgres.settings.OwnerOnly;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.OptionalInt;

/**
 * A manifest that grows while files are read, in a private file that goes away by itself: of a
 * million files it has some 150 MB. Files may be added by another thread than the others.
 */
final class ManifestSpool implements AutoCloseable {
  private static final int BUFFER = 1 << 16;

  private final FileChannel channel;
  private final ManifestWriter manifest;

  private ManifestSpool(FileChannel channel, ManifestWriter manifest) {
    this.channel = channel;
    this.manifest = manifest;
  }

  /** Where what was spooled goes. */
  @FunctionalInterface
  interface Sink {
    /** Takes the next bytes. */
    void write(byte[] bytes, int offset, int length) throws IOException;
  }

  static ManifestSpool create(Path folder, int majorVersion, String systemId) throws IOException {
    Files.createDirectories(folder, OwnerOnly.FOLDER);
    Path file = Files.createTempFile(folder, "manifest", ".spool");
    FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            StandardOpenOption.DELETE_ON_CLOSE);
    try {
      return new ManifestSpool(
          channel, new ManifestWriter(Channels.newOutputStream(channel), majorVersion, systemId));
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  /**
   * Adds a file.
   *
   * @param crc its CRC-32C; empty where nobody knows, because some of it was not read
   */
  void file(String path, long length, Instant modifiedAt, OptionalInt crc) throws IOException {
    if (crc.isPresent()) {
      manifest.file(path, length, modifiedAt, crc.getAsInt());
    } else {
      manifest.unsummed(path, length, modifiedAt);
    }
  }

  /** Ends it with the log that the backup needs. */
  void finish(Timeline timeline, Lsn start, Lsn stop) throws IOException {
    manifest.finish(timeline, start, stop);
  }

  long length() throws IOException {
    return channel.size();
  }

  void copyTo(Sink sink) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
    channel.position(0);
    while (channel.read(buffer) >= 0) {
      sink.write(buffer.array(), 0, buffer.position());
      buffer.clear();
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
