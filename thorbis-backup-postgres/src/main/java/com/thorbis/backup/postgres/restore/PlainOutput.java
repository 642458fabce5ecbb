package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.spi.repository.BackupReader.FileOutput;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** A file that belongs to no cluster. */
final class PlainOutput implements FileOutput {
  private final FileChannel channel;

  PlainOutput(FileChannel channel) {
    this.channel = channel;
  }

  @Override
  public void write(ByteBuffer plain) throws IOException {
    TargetTree.writeFully(channel, plain);
  }

  @Override
  public void zeros(long length) throws IOException {
    TargetTree.skip(channel, length);
  }

  @Override
  public void finish(int crc32c) throws IOException {
    TargetTree.endHole(channel);
    channel.force(true);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
