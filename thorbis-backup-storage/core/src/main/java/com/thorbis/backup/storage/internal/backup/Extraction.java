package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.BackupReader.FileInput;
import com.thorbis.backup.spi.repository.BackupReader.FileOutput;
import com.thorbis.backup.spi.repository.BackupReader.FileTarget;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackReader;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Lays files down with several threads. The unit of work is one large file, or a batch of small
 * ones that lie together; within it, pieces that lie together are fetched with one request. The
 * next stretches, of the same unit or the next one, are fetched while one is written. A piece that
 * holds scattered pages stays open until its last byte was written, as far as there is room. What
 * lies at the target already and has the fingerprint of a whole piece, or of the last stretch of a
 * file, is not fetched; what shares a piece with other content has no fingerprint of its own, and
 * comes to be compared.
 */
final class Extraction implements AutoCloseable {
  private static final int MOST_WORKERS = 8;
  private static final long BATCH_BYTES = 4 << 20;
  private static final int BATCH_FILES = 512;

  /**
   * No more than a request of its own would fetch besides: a run is never longer than its parts.
   */
  private static final int MOST_GAP = PackReader.bufferLength(0);

  private static final int MOST_STEPS = 4096;

  /** One that is written, and two on their way: a request to a store far away takes as long. */
  private static final int MOST_BEGUN = 3;

  private static final int OPEN_PIECES = 4 * PageDiff.MOST_PIECES;
  private static final long LOOK_AROUND_MILLIS = 100;

  private final SealedBackupReader backup;
  private final PackReader packs;
  private final Fingerprint.Function fingerprints;
  private final FileTarget target;
  private final RunControl control;
  private final long expectedBytes;
  private final int stretch;
  private final int openPieces;
  private final BlockingQueue<List<FileEntry>> jobs;
  private final List<Thread> workers = new ArrayList<>();
  private final ExecutorService fetchers;
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
  private final AtomicLong written = new AtomicLong();
  private List<FileEntry> batch = new ArrayList<>();
  private long batchBytes;
  private volatile boolean noMore;
  private volatile boolean stop;

  Extraction(
      SealedBackupReader backup,
      PackReader packs,
      Fingerprint.Function fingerprints,
      Supplier<PieceCodec> codecs,
      int parallelism,
      FileTarget target,
      RunControl control,
      long expectedBytes) {
    this.backup = backup;
    this.packs = packs;
    this.fingerprints = fingerprints;
    this.target = target;
    this.control = control;
    this.expectedBytes = expectedBytes;
    int threads = Math.min(parallelism, MOST_WORKERS);
    this.stretch = threads <= 4 ? 4 << 20 : 2 << 20;
    this.openPieces = OPEN_PIECES / Math.max(threads, 2);
    this.jobs = new ArrayBlockingQueue<>(2 * threads);
    String name = "thorbis-extract-" + backup.descriptor().id();
    this.fetchers =
        Executors.newFixedThreadPool(2 * threads, work -> daemon(work, name + "-fetch"));
    for (int i = 0; i < threads; i++) {
      Worker worker = new Worker(codecs.get());
      workers.add(daemon(worker, name + "-" + i));
    }
    workers.forEach(Thread::start);
  }

  /** Adds a file; waits while the workers are busy. */
  void add(FileEntry file) throws IOException {
    if (file.file().length() >= BATCH_BYTES) {
      submit(List.of(file));
      return;
    }
    batch.add(file);
    batchBytes += file.file().length();
    if (batchBytes >= BATCH_BYTES || batch.size() >= BATCH_FILES) {
      flush();
    }
  }

  /** Waits until all files are whole. */
  void finish() throws IOException {
    flush();
    noMore = true;
    try {
      for (Thread worker : workers) {
        do {
          requireHealthy(); // others may wait for hours until what they need can be read
          worker.join(LOOK_AROUND_MILLIS);
        } while (worker.isAlive());
      }
    } catch (InterruptedException e) {
      throw interrupted();
    }
    requireHealthy();
  }

  /** Stops what is still running and waits for it. */
  @Override
  public void close() {
    stop = true;
    // Who waits for one of those would do so for ever.
    fetchers.shutdownNow().forEach(task -> ((Future<?>) task).cancel(false));
    workers.forEach(Thread::interrupt);
    boolean interrupted = false;
    // Nobody may write into files, or ask the store, any more when this returns.
    for (Thread worker : workers) {
      while (worker.isAlive()) {
        try {
          worker.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    Parallel.awaitEnd(fetchers);
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void flush() throws IOException {
    if (!batch.isEmpty()) {
      submit(batch);
      batch = new ArrayList<>();
      batchBytes = 0;
    }
  }

  private void submit(List<FileEntry> job) throws IOException {
    try {
      do {
        requireHealthy();
      } while (!jobs.offer(job, LOOK_AROUND_MILLIS, TimeUnit.MILLISECONDS));
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  private void requireHealthy() throws IOException {
    Throwable cause = failure.get();
    if (cause instanceof IOException e) {
      throw e;
    }
    if (cause instanceof RuntimeException e) {
      throw e;
    }
    if (cause instanceof Error e) {
      throw e;
    }
    if (cause != null) { // a worker was interrupted: its files are not whole
      throw unwrap(cause);
    }
    control.cancellation().check();
  }

  private static InterruptedIOException interrupted() {
    Thread.currentThread().interrupt();
    return new InterruptedIOException("Interrupted while files were being extracted");
  }

  private static Thread daemon(Runnable work, String name) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    return thread;
  }

  /**
   * A bit of work on one file.
   *
   * @param extent what to write; null where the file ends
   * @param offset where it goes in the file
   * @param kept CRC-32C of what lies there already, if it is the extent's content
   */
  private record Step(FileEntry file, @Nullable Extent extent, long offset, OptionalInt kept) {
    @Nullable PieceRef piece() {
      return extent == null || kept.isPresent() ? null : extent.piece();
    }
  }

  /** Pieces that lie together in one pack and are fetched with one request. */
  private static final class Run {
    final PieceRef first;
    long end;
    int at;

    Run(PieceRef first) {
      this.first = first;
      this.end = first.end();
    }

    boolean takes(PieceRef piece) {
      return piece.pack().equals(first.pack())
          && piece.position() >= first.position()
          && piece.position() <= end + MOST_GAP;
    }

    int length() {
      return (int) (end - first.position());
    }
  }

  /** Steps that are written one after another, and the pieces that have to be fetched for them. */
  private static final class Stretch {
    final List<Step> steps = new ArrayList<>();
    final Map<PieceRef, Run> fetched = new LinkedHashMap<>();
    private long bytes;

    boolean takes(Step step, int most, Predicate<PieceRef> open) {
      if (steps.size() >= MOST_STEPS) {
        return false;
      }
      PieceRef piece = step.piece();
      return piece == null
          || fetched.isEmpty()
          || fetched.containsKey(piece)
          || open.test(piece)
          // Whole pieces and one request for each, whatever else lies between them.
          || PackReader.bufferLength((int) (bytes + piece.storedLength())) <= most;
    }

    void add(Step step, Predicate<PieceRef> open) {
      steps.add(step);
      PieceRef piece = step.piece();
      if (piece != null && !fetched.containsKey(piece) && !open.test(piece)) {
        fetched.put(piece, new Run(piece));
        bytes += PackReader.bufferLength(piece.storedLength());
      }
    }

    /** The requests, each piece under the one that brings it. */
    List<Run> runs() {
      List<PieceRef> sorted = new ArrayList<>(fetched.keySet());
      sorted.sort(
          Comparator.comparing((PieceRef piece) -> piece.pack().toString())
              .thenComparingLong(PieceRef::position));
      List<Run> runs = new ArrayList<>();
      Run run = null;
      for (PieceRef piece : sorted) {
        if (run == null || !run.takes(piece)) {
          run = new Run(piece);
          runs.add(run);
        }
        run.end = Math.max(run.end, piece.end());
        fetched.put(piece, run);
      }
      return runs;
    }
  }

  /** A run on its way. */
  private record Fetch(Stretch stretch, byte[] buffer, Map<Run, Future<Integer>> runs) {}

  /** Pieces that were opened, the longest unused first. */
  private final class OpenPieces {
    private final Map<PieceRef, byte[]> open = new LinkedHashMap<>(16, 0.75f, true);
    private final Deque<byte[]> free = new ArrayDeque<>();

    byte @Nullable [] get(PieceRef piece) {
      return open.get(piece);
    }

    boolean contains(PieceRef piece) {
      return open.containsKey(piece);
    }

    /** A buffer that is nobody's. */
    byte[] buffer() {
      byte[] next = free.poll();
      if (next == null && open.size() >= openPieces) {
        Iterator<byte[]> eldest = open.values().iterator();
        next = eldest.next();
        eldest.remove();
      }
      return next == null ? new byte[PieceCodec.MAX_PIECE] : next;
    }

    void put(PieceRef piece, byte[] plain) {
      open.put(piece, plain);
    }

    void giveBack(byte[] buffer) {
      free.push(buffer);
    }

    void drop(PieceRef piece) {
      byte[] plain = open.remove(piece);
      if (plain != null) {
        free.push(plain);
      }
    }
  }

  private final class Worker implements Runnable {
    private final PieceCodec codec;
    private final OpenPieces open = new OpenPieces();
    private final Deque<Fetch> begun = new ArrayDeque<>();
    private final byte[][] buffers = new byte[MOST_BEGUN][];
    private byte @Nullable [] comparing;
    private int turn;
    private @Nullable Steps steps;
    private @Nullable FileOutput output;
    private final ContentCrc crc = new ContentCrc();
    private long length;

    Worker(PieceCodec codec) {
      this.codec = codec;
    }

    @Override
    public void run() {
      try (codec) {
        work();
      } catch (Throwable e) {
        failure.compareAndSet(null, e);
      } finally {
        abandon();
      }
    }

    private void work() throws IOException, InterruptedException {
      while (!stop && failure.get() == null) {
        boolean last = noMore;
        while (begun.size() < MOST_BEGUN) {
          Fetch next = ahead(begun.isEmpty() && !last ? LOOK_AROUND_MILLIS : 0);
          if (next == null) {
            break;
          }
          begun.add(next);
        }
        Fetch now = begun.poll();
        if (now != null) {
          control.cancellation().check();
          write(now);
        } else if (last) {
          return;
        }
      }
    }

    /** Begins to fetch what is to be written next; waits for a job, but for none that is begun. */
    private @Nullable Fetch ahead(long millis) throws IOException, InterruptedException {
      while (true) {
        Steps current = steps;
        if (current == null) {
          List<FileEntry> job = jobs.poll(millis, TimeUnit.MILLISECONDS);
          if (job == null) {
            return null;
          }
          current = new Steps(job);
          steps = current;
        }
        Stretch stretch = current.stretch();
        if (stretch != null) {
          return fetch(stretch);
        }
        current.close();
        steps = null;
      }
    }

    private boolean isBegun(PieceRef piece) {
      for (Fetch fetch : begun) {
        if (fetch.stretch().fetched.containsKey(piece)) {
          return true;
        }
      }
      return false;
    }

    private byte[] comparing() {
      byte[] buffer = comparing;
      if (buffer == null) {
        buffer = new byte[PieceCodec.MAX_PIECE];
        comparing = buffer;
      }
      return buffer;
    }

    private Fetch fetch(Stretch from) throws IOException {
      List<Run> runs = from.runs();
      int length = 0;
      for (Run run : runs) {
        run.at = length;
        length += PackReader.bufferLength(run.length());
      }
      turn = (turn + 1) % MOST_BEGUN;
      byte[] buffer = buffers[turn];
      if (buffer == null || buffer.length < length) {
        buffer = new byte[Math.max(length, PackReader.bufferLength(stretch))];
        buffers[turn] = buffer;
      }
      Map<Run, Future<Integer>> fetches = new HashMap<>();
      for (Run run : runs) {
        PackRef pack = backup.pack(run.first);
        byte[] into = buffer;
        fetches.put(
            run,
            fetchers.submit(
                () -> packs.fetch(pack, run.first.position(), run.length(), into, run.at)));
      }
      return new Fetch(from, buffer, fetches);
    }

    private void write(Fetch fetch) throws IOException, InterruptedException {
      for (Step step : fetch.stretch().steps) {
        Extent extent = step.extent();
        if (extent == null) {
          end(step.file());
          continue;
        }
        FileOutput to = outputOf(step.file());
        if (step.kept().isPresent()) {
          keep(to, extent.length(), step.kept().getAsInt());
          continue;
        }
        PieceRef piece = extent.piece();
        if (piece == null) {
          writeZeros(to, extent.length());
          continue;
        }
        byte[] plain = open.get(piece);
        if (plain == null) {
          plain = open(step, piece, fetch);
        }
        write(to, ByteBuffer.wrap(plain, extent.offset(), (int) extent.length()));
        if (extent.offset() + extent.length() == piece.plainLength()) {
          open.drop(piece); // what comes behind it in the file, comes from behind it
        }
      }
      for (Future<Integer> run : fetch.runs().values()) {
        if (!run.isDone()) {
          await(run); // of what came another way in the end; its buffer is the next one's
        }
      }
    }

    private static void await(Future<Integer> run) throws InterruptedException {
      try {
        run.get();
      } catch (ExecutionException | CancellationException e) {
        // Nobody needs it.
      }
    }

    private byte[] open(Step step, PieceRef piece, Fetch fetch)
        throws IOException, InterruptedException {
      byte[] plain = open.buffer();
      try {
        PackRef pack = backup.pack(piece);
        Run run = fetch.stretch().fetched.get(piece);
        int start = run == null ? -1 : start(fetch, run);
        if (run != null && start >= 0) {
          int at = start + (int) (piece.position() - run.first.position());
          PackReader.decode(pack, piece, fetch.buffer(), at, codec, plain);
        } else {
          byte[] alone = packs.read(pack, piece, codec);
          System.arraycopy(alone, 0, plain, 0, alone.length);
        }
      } catch (RepositoryException e) {
        open.giveBack(plain);
        throw naming(step, e);
      }
      open.put(piece, plain);
      return plain;
    }

    /** Where a run begins in the buffer; -1 if it could not be fetched as a whole. */
    private int start(Fetch fetch, Run run) throws IOException, InterruptedException {
      Future<Integer> future = fetch.runs().get(run);
      if (future == null) {
        return -1;
      }
      try {
        return future.get();
      } catch (ExecutionException e) {
        if (!(e.getCause() instanceof RepositoryException)) {
          throw unwrap(e.getCause());
        }
        return -1; // piece by piece shows which file is hit; what comes before it is sound
      }
    }

    @SuppressWarnings("ReferenceEquality") // the same entry, not one like it
    private FileOutput outputOf(FileEntry file) throws IOException {
      FileOutput now = output;
      if (now == null) {
        now = target.begin(file.file());
        output = now;
        crc.reset();
        length = 0;
      }
      return now;
    }

    private void write(FileOutput to, ByteBuffer bytes) throws IOException {
      int count = bytes.remaining();
      crc.update(bytes.duplicate());
      to.write(bytes);
      length += count;
      control.progress().advance(written.addAndGet(count), expectedBytes);
    }

    private void writeZeros(FileOutput to, long count) throws IOException {
      crc.zeros(count);
      to.zeros(count);
      length += count;
      control.progress().advance(written.addAndGet(count), expectedBytes);
    }

    private void keep(FileOutput to, long count, int sum) throws IOException {
      crc.append(sum, count);
      to.keep(count);
      length += count;
      control.progress().advance(written.addAndGet(count), expectedBytes);
    }

    private void end(FileEntry file) throws IOException {
      FileOutput to = outputOf(file);
      if (length != file.file().length()
          || file.crc().isPresent() && crc.value() != file.crc().getAsInt()) {
        throw damaged(
            file.file(),
            "0+" + length,
            "its map gives other content than was stored",
            backup.manifestKey(),
            null);
      }
      to.finish(crc.value());
      output = null;
      to.close();
    }

    private void abandon() {
      close(output);
      output = null;
      close(steps);
      steps = null;
    }

    private void close(@Nullable AutoCloseable unfinished) {
      if (unfinished != null) {
        try {
          unfinished.close();
        } catch (Exception e) {
          Throwable first = failure.get();
          if (first != null) {
            first.addSuppressed(e);
          }
        }
      }
    }

    /** The steps of a job, in order. */
    private final class Steps implements AutoCloseable {
      private final Deque<FileEntry> files;
      private final Deque<Step> ahead = new ArrayDeque<>();
      private SealedBackupReader.@Nullable ExtentCursor cursor;
      private @Nullable FileEntry file;
      private @Nullable FileInput there;
      private long offset;

      Steps(List<FileEntry> job) {
        this.files = new ArrayDeque<>(job);
      }

      @Nullable Stretch stretch() throws IOException {
        Stretch found = new Stretch();
        Predicate<PieceRef> there = piece -> open.contains(piece) || isBegun(piece);
        while (fill()) {
          Step step = ahead.getFirst();
          if (!found.takes(step, stretch, there)) {
            break;
          }
          found.add(ahead.removeFirst(), there);
        }
        return found.steps.isEmpty() ? null : found;
      }

      private boolean fill() throws IOException {
        while (ahead.isEmpty()) {
          SealedBackupReader.ExtentCursor extents = cursor;
          FileEntry current = file;
          if (extents == null || current == null) {
            if (files.isEmpty()) {
              return false;
            }
            begin(files.removeFirst());
            continue;
          }
          List<Extent> some = extents.next();
          if (some == null) {
            ahead.add(new Step(current, null, offset, OptionalInt.empty()));
            cursor = null;
            close();
            continue;
          }
          for (Extent extent : some) {
            ahead.add(new Step(current, extent, offset, kept(current, extent)));
            offset += extent.length();
          }
        }
        return true;
      }

      private void begin(FileEntry next) throws IOException {
        file = next;
        offset = 0;
        there = target.existing(next.file()).orElse(null);
        long all = next.file().length();
        Extent whole = new Extent(all, null, 0);
        OptionalInt kept =
            all > 0 && all <= PieceCodec.MAX_PIECE
                ? kept(next.fingerprint(), all)
                : OptionalInt.empty();
        if (kept.isEmpty()) {
          cursor = backup.extents(next, packs, codec);
        } else {
          ahead.add(new Step(next, whole, 0, kept));
          offset = all;
          cursor = () -> null;
        }
      }

      private OptionalInt kept(FileEntry of, Extent extent) throws IOException {
        PieceRef piece = extent.piece();
        if (piece == null) {
          return OptionalInt.empty(); // the target sees by itself whether zeros lie there
        }
        if (extent.length() == piece.plainLength()) {
          return kept(piece.fingerprint(), extent.length());
        }
        boolean lastStretch =
            offset % PieceCodec.MAX_PIECE == 0 && offset + extent.length() == of.file().length();
        return lastStretch ? kept(of.fingerprint(), extent.length()) : OptionalInt.empty();
      }

      /** CRC-32C of the next bytes at the target, if they have a fingerprint that is known. */
      private OptionalInt kept(Fingerprint wanted, long count) throws IOException {
        FileInput input = there;
        if (input == null || wanted.equals(Fingerprint.ZERO)) {
          return OptionalInt.empty();
        }
        ByteBuffer bytes = ByteBuffer.wrap(comparing(), 0, (int) count);
        input.read(offset, bytes);
        if (bytes.hasRemaining()
            || !fingerprints.of(bytes.array(), 0, (int) count).equals(wanted)) {
          return OptionalInt.empty();
        }
        CRC32C sum = new CRC32C();
        sum.update(bytes.flip());
        return OptionalInt.of((int) sum.getValue());
      }

      @Override
      public void close() throws IOException {
        FileInput input = there;
        there = null;
        if (input != null) {
          input.close();
        }
      }
    }
  }

  private RepositoryException naming(Step step, RepositoryException cause) {
    Extent extent = step.extent();
    return damaged(
        step.file().file(),
        step.offset() + "+" + (extent == null ? 0 : extent.length()),
        String.valueOf(cause.getMessage()),
        cause.details().getOrDefault("object", ""),
        cause);
  }

  private static RepositoryException damaged(
      StoredFile file, String range, String problem, String object, @Nullable Throwable cause) {
    return new RepositoryException(
        "repository.damaged",
        FailureKind.DAMAGED,
        file.path() + ", bytes " + range + ": " + problem,
        Map.of("object", object, "file", file.path(), "range", range),
        "Run verify to see what else is damaged.",
        cause);
  }

  private static IOException unwrap(@Nullable Throwable cause) {
    if (cause instanceof IOException e) {
      return e;
    }
    if (cause instanceof RuntimeException e) {
      throw e;
    }
    if (cause instanceof Error e) {
      throw e;
    }
    IOException interrupted = new InterruptedIOException("Interrupted while files were extracted");
    interrupted.initCause(cause);
    return interrupted;
  }
}
