package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.util.function.LongConsumer;

/** Passes files on to a program, byte for byte. */
final class Feed implements BackupReader.FileTarget {
  private final WritableByteChannel program;
  private final LongConsumer told;
  private volatile boolean broken;
  private long fed;

  /**
   * One.
   *
   * @param told hears how many bytes went through
   */
  Feed(OutputStream program, LongConsumer told) {
    this.told = told;
    this.program = Channels.newChannel(program);
  }

  /** Whether it was the program that took no more. */
  boolean broken() {
    return broken;
  }

  /** That was all, which the program may be the first to know. */
  void end() throws IOException {
    try {
      program.close();
    } catch (IOException e) {
      broken = true;
      throw e;
    }
  }

  @Override
  public BackupReader.FileOutput begin(StoredFile file) {
    return new BackupReader.FileOutput() {
      @Override
      public void write(ByteBuffer plain) throws IOException {
        try {
          while (plain.hasRemaining()) {
            fed += program.write(plain);
          }
          told.accept(fed);
        } catch (IOException e) {
          broken = true;
          throw e;
        }
      }

      @Override
      public void finish(int crc32c) {}

      @Override
      public void close() {}
    };
  }
}
