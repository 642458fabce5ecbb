package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.FileContent;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Files that exist nowhere: what lies in them follows from where it lies, and from the round in
 * which it was last changed. Every page begins with its own number and that round, and compresses
 * about three times.
 */
abstract class SyntheticCluster {
  static final int PAGE = Arrival.PAGE;

  private static final long SEED = 20260102;
  private static final int WORDS = 64;

  /** How many pages there are with something in them. */
  final long pages;

  /** In each round one page in so many changes; none does if zero. */
  private final int[] changedOneIn;

  SyntheticCluster(long pages, int... changedOneIn) {
    this.pages = pages;
    this.changedOneIn = changedOneIn;
  }

  /** Writes all of it, as it is after a round. */
  abstract void write(BackupWriter writer, int round) throws IOException;

  /** How long all files are together. */
  abstract long bytes();

  /** Which page of those with something in them lies there in a file; -1 if none does. */
  abstract long page(StoredFile file, long offset);

  /** When a page was last changed. */
  final int changedIn(long page, int now) {
    int last = 0;
    for (int round = 1; round <= now; round++) {
      int oneIn = changedOneIn[round - 1];
      if (oneIn > 0 && Math.floorMod(mix(page * 31 + round), oneIn) == 0) {
        last = round;
      }
    }
    return last;
  }

  /** The pages that a round changes. */
  final BitSet changes(long first, int count, int round) {
    BitSet changed = new BitSet();
    for (int i = 0; i < count; i++) {
      if (changedIn(first + i, round) == round) {
        changed.set(i);
      }
    }
    return changed;
  }

  final void fill(byte[] into, int at, int length, long page, int now) {
    ByteBuffer out = ByteBuffer.wrap(into, at, length).slice().order(ByteOrder.LITTLE_ENDIAN);
    int round = changedIn(page, now);
    long state = mix(page ^ (long) round << 48);
    if (length < PAGE) {
      while (out.hasRemaining()) {
        state = mix(state);
        out.put((byte) ('a' + (state & 15)));
      }
      return;
    }
    out.putLong(page);
    out.putLong(round);
    while (out.hasRemaining()) {
      state = mix(state);
      // Three words in four repeat what stands before them.
      boolean fresh = out.position() < WORDS * Long.BYTES || (state & 3) == 0;
      out.putLong(fresh ? state : out.getLong(out.position() - WORDS * Long.BYTES));
    }
  }

  static long mix(long value) {
    long z = value + SEED + 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  /** Takes what comes back, keeps nothing, and compares. */
  final class Sink implements BackupReader.FileTarget {
    final AtomicLong files = new AtomicLong();
    final AtomicLong bytes = new AtomicLong();
    final AtomicLong pages = new AtomicLong();
    private final int round;

    Sink(int round) {
      this.round = round;
    }

    @Override
    public BackupReader.FileOutput begin(StoredFile file) {
      return new BackupReader.FileOutput() {
        private final byte[] page = new byte[PAGE];
        private final byte[] expected = new byte[PAGE];
        private long offset;
        private int held;

        @Override
        public void write(ByteBuffer plain) {
          while (plain.hasRemaining()) {
            int count = Math.min(plain.remaining(), PAGE - held);
            plain.get(page, held, count);
            held += count;
            if (held == PAGE) {
              look();
            }
          }
        }

        @Override
        public void zeros(long length) throws IOException {
          if (held != 0 || length % PAGE != 0) {
            BackupReader.FileOutput.super.zeros(length);
            return;
          }
          for (long end = offset + length; offset < end; offset += PAGE) {
            if (page(file, offset) >= 0) {
              throw new IOException(file.path() + " has a hole at " + offset);
            }
          }
          bytes.addAndGet(length);
        }

        private void look() {
          long number = page(file, offset);
          Arrays.fill(expected, (byte) 0);
          if (number >= 0) {
            fill(expected, 0, held, number, round);
            pages.incrementAndGet();
          }
          if (!Arrays.equals(page, 0, held, expected, 0, held)) {
            throw new IllegalStateException(file.path() + " differs at " + offset);
          }
          bytes.addAndGet(held);
          offset += held;
          held = 0;
        }

        @Override
        public void finish(int crc32c) {
          if (held > 0) {
            look();
          }
          assertThat(offset).isEqualTo(file.length());
          files.incrementAndGet();
        }

        @Override
        public void close() {}
      };
    }

    /** All has come. */
    void requireAll() {
      assertThat(bytes.get()).isEqualTo(bytes());
      assertThat(pages.get()).isEqualTo(SyntheticCluster.this.pages);
    }
  }

  /** Files of up to 300 bytes, in folders of a thousand. */
  static final class Small extends SyntheticCluster {
    Small(int files, int... changedOneIn) {
      super(files, changedOneIn);
    }

    @Override
    void write(BackupWriter writer, int round) throws IOException {
      byte[] content = new byte[300];
      for (int i = 0; i < pages; i++) {
        if (i % 1000 == 0) {
          writer.directory(TestRepository.directory("base/" + i / 1000));
        }
        int length = length(i);
        fill(content, 0, length, i, round);
        StoredFile file = TestRepository.file("base/" + i / 1000 + "/" + i, length);
        try (BackupWriter.FileWriter out =
            writer.file(
                file, PieceCheck.NONE, round == 0 ? new Arrival.Whole() : new Arrival.Compared())) {
          out.write(content, 0, length);
          out.finish();
        }
      }
    }

    private static int length(long file) {
      return 1 + (int) Math.floorMod(mix(file), 300L);
    }

    @Override
    long bytes() {
      long sum = 0;
      for (int i = 0; i < pages; i++) {
        sum += length(i);
      }
      return sum;
    }

    @Override
    long page(StoredFile file, long offset) {
      return Long.parseLong(file.path().substring(file.path().lastIndexOf('/') + 1));
    }
  }

  /** Segments of relations, up to 1 GiB each, with something in every page. */
  static final class Dense extends SyntheticCluster {
    private static final int SEGMENT = 1 << 17;

    Dense(long pages, int... changedOneIn) {
      super(pages, changedOneIn);
    }

    @Override
    void write(BackupWriter writer, int round) throws IOException {
      for (long first = 0; first < pages; first += SEGMENT) {
        int count = (int) Math.min(SEGMENT, pages - first);
        StoredFile file =
            TestRepository.file("base/5/16384." + first / SEGMENT, (long) count * PAGE);
        long start = first;
        FileContent content =
            (offset, into, at, length) -> {
              for (int done = 0; done < length; done += PAGE) {
                fill(into, at + done, PAGE, start + (offset + done) / PAGE, round);
              }
              return true;
            };
        writer.add(
            file,
            content,
            round == 0
                ? new Arrival.Whole()
                : new Arrival.Listed(changes(first, count, round), new Equal()));
      }
    }

    @Override
    long bytes() {
      return pages * PAGE;
    }

    @Override
    long page(StoredFile file, long offset) {
      String path = file.path();
      return Long.parseLong(path.substring(path.lastIndexOf('.') + 1)) * SEGMENT + offset / PAGE;
    }
  }

  /** One file that is mostly holes: one page in every so many has something in it. */
  static final class Holes extends SyntheticCluster {
    private final long length;
    private final long spread;

    Holes(long length, long pages, int... changedOneIn) {
      super(pages, changedOneIn);
      this.length = length;
      this.spread = length / PAGE / pages;
    }

    /** Where in the file the page of a number lies, counted in pages. */
    private long place(long page) {
      return page * spread + Math.floorMod(mix(page), spread);
    }

    @Override
    void write(BackupWriter writer, int round) throws IOException {
      StoredFile file = TestRepository.file("holes", length);
      if (round > 0 && round % 2 == 0) {
        writer.add(file, this::read, new Arrival.Listed(listed(round), new Equal()));
        return;
      }
      byte[] content = new byte[PAGE];
      long at = 0;
      try (BackupWriter.FileWriter out =
          writer.file(
              file, PieceCheck.NONE, round == 0 ? new Arrival.Whole() : new Arrival.Sparse())) {
        for (long page = 0; page < pages; page++) {
          if (round > 0 && changedIn(page, round) < round) {
            continue;
          }
          long from = place(page) * PAGE;
          pass(out, from - at, round);
          fill(content, 0, PAGE, page, round);
          out.write(content, 0, PAGE);
          at = from + PAGE;
        }
        pass(out, length - at, round);
        out.finish();
      }
    }

    private static void pass(BackupWriter.FileWriter out, long count, int round)
        throws IOException {
      if (round == 0) {
        out.zeros(count);
      } else {
        out.unchanged(count);
      }
    }

    private BitSet listed(int round) {
      BitSet listed = new BitSet();
      for (long page = 0; page < pages; page++) {
        if (changedIn(page, round) == round) {
          listed.set(Math.toIntExact(place(page)));
        }
      }
      return listed;
    }

    /** As it is after the second round, the only one that reads. */
    private boolean read(long offset, byte[] into, int at, int count) {
      for (int done = 0; done < count; done += PAGE) {
        long page = pageAt((offset + done) / PAGE);
        if (page < 0) {
          Arrays.fill(into, at + done, at + done + PAGE, (byte) 0);
        } else {
          fill(into, at + done, PAGE, page, 2);
        }
      }
      return true;
    }

    private long pageAt(long place) {
      long page = place / spread;
      return page < pages && place(page) == place ? page : -1;
    }

    @Override
    long bytes() {
      return length;
    }

    @Override
    long page(StoredFile file, long offset) {
      return pageAt(offset / PAGE);
    }
  }

  /** Pages are what they are. */
  private static final class Equal implements Arrival.PageJudge {
    @Override
    public boolean changed(long offset, ByteBuffer page) {
      return false;
    }

    @Override
    public boolean same(long offset, ByteBuffer page, ByteBuffer base) {
      return page.equals(base);
    }
  }
}
