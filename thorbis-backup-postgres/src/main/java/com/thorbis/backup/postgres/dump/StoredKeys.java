package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.Progress;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Hands out the keys of a file, one by one. */
final class StoredKeys implements BackupReader.FileTarget, BackupReader.FileOutput {
  private final Target target;
  private byte[] held = new byte[256];
  private int length;
  private volatile @Nullable IOException failure;
  private volatile @Nullable RuntimeException unchecked;
  private volatile boolean finished;

  private StoredKeys(Target target) {
    this.target = target;
  }

  /** What takes them. */
  @FunctionalInterface
  interface Target {
    /** One key as {@code COPY} writes it, without the end of its line. */
    void key(byte[] key) throws IOException;
  }

  /** Reads a file to its end. What the target throws is thrown as it is. */
  static void read(BackupReader reader, String file, Target target, RunControl control)
      throws IOException {
    StoredKeys keys = new StoredKeys(target);
    try {
      reader.extract(
          each -> each.area() == StoredFile.Area.DATA && each.path().equals(file),
          keys,
          new RunControl(control.cancellation(), Progress.NONE));
    } catch (IOException | RuntimeException e) {
      IOException checked = keys.failure;
      RuntimeException thrown = keys.unchecked;
      if (checked != null) {
        throw checked;
      }
      if (thrown != null) {
        throw thrown;
      }
      throw e;
    }
    if (!keys.finished) {
      throw new IOException("The backup has no " + file);
    }
  }

  @Override
  public BackupReader.FileOutput begin(StoredFile file) {
    return this;
  }

  @Override
  public void write(ByteBuffer plain) throws IOException {
    while (plain.hasRemaining()) {
      byte next = plain.get();
      if (next == '\n') {
        byte[] key = Arrays.copyOf(held, length);
        length = 0;
        hand(key);
      } else {
        if (length == held.length) {
          held = Arrays.copyOf(held, length * 2);
        }
        held[length++] = next;
      }
    }
  }

  private void hand(byte[] key) throws IOException {
    try {
      target.key(key);
    } catch (IOException e) {
      failure = e;
      throw e;
    } catch (RuntimeException e) {
      unchecked = e;
      throw e;
    }
  }

  @Override
  public void finish(int crc32c) throws IOException {
    if (length != 0) {
      throw new IOException("Damaged: keys that break off within one");
    }
    finished = true;
  }

  @Override
  public void close() {}
}
