package com.thorbis.backup.storage.s3;

import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import software.amazon.awssdk.http.ContentStreamProvider;

/** Bytes that are kept to be sent, again if need be; takes what it holds and no more. */
final class Buffer implements ContentStreamProvider {
  private static final int CHUNK = 1 << 18;

  private final List<byte[]> chunks = new ArrayList<>();
  private long length;

  long length() {
    return length;
  }

  void write(byte[] bytes, int offset, int count) {
    int done = 0;
    while (done < count) {
      int used = (int) (length % CHUNK);
      if (used == 0) {
        chunks.add(new byte[CHUNK]);
      }
      int some = Math.min(CHUNK - used, count - done);
      System.arraycopy(bytes, offset + done, chunks.get(chunks.size() - 1), used, some);
      done += some;
      length += some;
    }
  }

  @Override
  public InputStream newStream() {
    return new InputStream() {
      private long position;

      @Override
      public int read() {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
      }

      @Override
      public int read(byte[] target, int offset, int count) {
        Objects.checkFromIndexSize(offset, count, target.length);
        if (count == 0) {
          return 0;
        }
        if (position == length) {
          return -1;
        }
        int from = (int) (position % CHUNK);
        int some = (int) Math.min(Math.min(CHUNK - from, count), length - position);
        System.arraycopy(chunks.get((int) (position / CHUNK)), from, target, offset, some);
        position += some;
        return some;
      }

      @Override
      public int available() {
        return (int) Math.min(Integer.MAX_VALUE, length - position);
      }
    };
  }
}
