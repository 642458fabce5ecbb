package com.thorbis.backup.postgres.serve;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.cluster.ControlData;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.engine.SourceEngine.RepositoryAccess;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The resident process: answers what scripts ask in their exchanges, and lays segments out ahead of
 * a server that recovers. One thread looks, a few fetch.
 */
public final class WalServer {
  private static final Logger LOG = LoggerFactory.getLogger(WalServer.class);

  private static final Pattern QUESTION =
      Pattern.compile("([0-9A-F]{24}|[0-9A-F]{8}\\.history)\\.([0-9]{1,10})\\.want");
  private static final Pattern OFFER = Pattern.compile("(.*)\\.([0-9]{1,10})\\.push");
  private static final Pattern ANSWER =
      Pattern.compile(".*\\.[0-9]{1,10}\\.(file|absent|failed|done)|\\.[0-9]+\\.[0-9]+");

  private static final long BUSY_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
  private static final long IDLE_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
  private static final long BUSY_SPAN_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final long BEAT_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long RECENT_NANOS = TimeUnit.SECONDS.toNanos(5);
  private static final Duration FORGOTTEN = Duration.ofMinutes(1);

  /** How much is laid out ahead of one server. */
  private static final long AHEAD_BYTES = 128L << 20;

  private static final int MOST_AHEAD = 16;

  /** How many questions wait for the repository at once, over all servers. */
  private static final int MOST_ASKERS = 16;

  /**
   * Enough for the processors of a small machine while some wait for a store far away; {@link
   * SegmentMemory} bounds what they hold.
   */
  private static final int MOST_SHIPPED = 8;

  /** Likewise. */
  private static final int MOST_FETCHED_AHEAD = 4;

  private final PostgresSettings settings;
  private final RepositoryAccess repository;
  private final WalFiles files;
  private final Map<Path, Served> served = new HashMap<>();
  private final ExecutorService askers;
  private final ExecutorService ahead;
  private final ExecutorService shippers;
  private volatile @Nullable Opened lastOpened;
  private volatile boolean lookAgain;
  private long beats;

  /** The repository, and when it was last asked what others committed. */
  private record Opened(Repository repository, long at) {}

  /** A server that fetches from {@code repository} when it is asked. */
  public WalServer(PostgresSettings settings, RepositoryAccess repository) {
    this.settings = settings;
    this.repository = repository;
    this.files = new WalFiles(settings);
    this.askers = Executors.newFixedThreadPool(MOST_ASKERS, task -> daemon(task, "wal-serve"));
    // While one waits for the disk or the store, the other decodes.
    this.shippers = Executors.newCachedThreadPool(task -> daemon(task, "wal-ship"));
    this.ahead =
        Executors.newFixedThreadPool(MOST_FETCHED_AHEAD, task -> daemon(task, "wal-ahead"));
  }

  /**
   * The repository as it is now, or as it was when somebody last could read what others committed:
   * log must not wait for a key service, and the keys at hand are as good as the next ones. What
   * was read a moment ago is not enough: a cluster that was adopted since begins a life of its own.
   */
  private Repository forPushing() throws IOException {
    try {
      return openNow();
    } catch (KeyException e) {
      Opened before = lastOpened;
      if (before == null || e.kind() != FailureKind.TRANSIENT) {
        throw e;
      }
      LOG.warn("source={} ships under the keys at hand: {}", settings.source(), e.getMessage());
      return before.repository();
    }
  }

  private Repository openNow() throws IOException {
    long now = System.nanoTime();
    Repository open = repository.open();
    lastOpened = new Opened(open, now);
    lookAgain = false;
    return open;
  }

  /**
   * The repository as it was a moment ago, for whoever tells nobody that something is absent: each
   * look at what others committed costs requests.
   */
  private Repository forLayingOut() throws IOException {
    Opened last = lastOpened;
    return last != null && !lookAgain && System.nanoTime() - last.at() < RECENT_NANOS
        ? last.repository()
        : openNow();
  }

  private static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }

  /**
   * Serves every restore of the source on this host, and the source itself where its data directory
   * is configured and can be reached, until cancelled.
   */
  public void serveAll(RunControl control) throws IOException {
    Registrations registrations = new Registrations(settings);
    serve(
        () -> {
          Set<Path> wanted = new HashSet<>();
          for (Registrations.Entry entry : registrations.list()) {
            if (recovered(entry.dataDirectory())) {
              forget(registrations, entry);
            } else if (isAnothers(entry)) {
              registrations.remove(entry); // whoever restored it anew serves it
            } else {
              wanted.add(entry.dataDirectory());
            }
          }
          settings.dataDirectory().filter(this::ready).ifPresent(wanted::add);
          return wanted;
        },
        control);
  }

  /** Whether the place was filled again, from another repository or another life of the source. */
  static boolean isAnothers(Registrations.Entry entry) {
    if (entry.incarnation().isEmpty()) {
      return false;
    }
    try {
      Optional<String> followed =
          Exchange.incarnationBeside(entry.dataDirectory().resolve("pg_wal/any"));
      return followed.isPresent() && !followed.get().equals(entry.incarnation());
    } catch (IOException e) {
      LOG.debug("{} does not say whose log it follows", entry.dataDirectory(), e);
      return false; // opening it says what is wrong
    }
  }

  /** Serves one data directory until cancelled. */
  public void serveOnly(Path dataDirectory, RunControl control) throws IOException {
    serve(() -> Set.of(dataDirectory), control);
  }

  /** Says which data directories are to be served. */
  @FunctionalInterface
  private interface Finder {
    Set<Path> find() throws IOException;
  }

  private boolean ready(Path dataDirectory) {
    try {
      if (!Files.isDirectory(dataDirectory.resolve("pg_wal"))) {
        return false;
      }
      Exchange.create(
          dataDirectory, com.thorbis.backup.postgres.server.ServerUser.owning(dataDirectory));
      return true;
    } catch (IOException | RuntimeException e) {
      LOG.debug("{} cannot be served", dataDirectory, e);
      return false;
    }
  }

  /**
   * Whether it is certain: a data directory that cannot be looked into may still recover. So may
   * one without a signal file: a server that is done asks for one more history file after it has
   * removed it.
   */
  static boolean recovered(Path dataDirectory) {
    return Files.isReadable(dataDirectory)
        && Files.isRegularFile(dataDirectory.resolve("PG_VERSION"))
        && Files.notExists(dataDirectory.resolve("recovery.signal"), LinkOption.NOFOLLOW_LINKS)
        && Files.notExists(dataDirectory.resolve("standby.signal"), LinkOption.NOFOLLOW_LINKS)
        && asksNoMore(dataDirectory.resolve(ControlData.PATH));
  }

  private static boolean asksNoMore(Path control) {
    try (InputStream in = Files.newInputStream(control)) {
      return ControlData.parse(in.readNBytes(ControlData.MOST_BYTES))
          .filter(data -> !data.asksForLog())
          .isPresent();
    } catch (IOException e) {
      LOG.debug("{} cannot be read", control, e); // the next beat looks again
      return false;
    }
  }

  /** Tidies up behind a restore that is over; what does not work is tried with the next beat. */
  private void forget(Registrations registrations, Registrations.Entry entry) {
    try {
      Served one = served.remove(entry.dataDirectory());
      if (one != null) {
        one.close();
      }
      clear(entry.dataDirectory());
      registrations.remove(entry);
    } catch (IOException | RuntimeException e) {
      LOG.debug("{} could not be tidied yet", entry.dataDirectory(), e);
    }
  }

  private static void clear(Path dataDirectory) throws IOException {
    if (!Files.isDirectory(dataDirectory.resolve(Exchange.FOLDER), LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (Exchange exchange = Exchange.open(dataDirectory)) {
      for (String name : exchange.list()) {
        exchange.delete(name);
      }
    }
    Files.deleteIfExists(dataDirectory.resolve(Exchange.FOLDER));
  }

  private void serve(Finder finder, RunControl control) throws IOException {
    long nextBeat = System.nanoTime();
    long busyUntil = nextBeat;
    try {
      while (!control.cancellation().requested()) {
        long now = System.nanoTime();
        if (now - nextBeat >= 0) {
          nextBeat = now + BEAT_NANOS;
          try {
            follow(finder.find(), control);
          } catch (IOException | RuntimeException e) {
            // Those that are served already go on being served.
            LOG.warn("The restores of {} could not be listed", settings.source(), e);
          }
          beats++;
        }
        boolean busy = false;
        for (Iterator<Served> each = served.values().iterator(); each.hasNext(); ) {
          Served one = each.next();
          try {
            busy |= one.look(beats);
          } catch (IOException | RuntimeException | Error e) {
            // Its data directory may be gone; if not, it is opened again with the next beat.
            LOG.debug("{} is not served any more", one.exchange.dataDirectory(), e);
            each.remove();
            one.close();
          }
        }
        if (busy) {
          busyUntil = now + BUSY_SPAN_NANOS;
        }
        pause(now - busyUntil < 0 ? BUSY_NANOS : IDLE_NANOS);
      }
    } finally {
      askers.shutdownNow();
      ahead.shutdownNow();
      shippers.shutdownNow();
      for (Served one : served.values()) {
        one.close();
      }
    }
  }

  private static void pause(long nanos) throws IOException {
    try {
      TimeUnit.NANOSECONDS.sleep(nanos);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("Interrupted while serving WAL");
    }
  }

  private void follow(Set<Path> wanted, RunControl control) {
    for (Iterator<Map.Entry<Path, Served>> each = served.entrySet().iterator(); each.hasNext(); ) {
      Map.Entry<Path, Served> entry = each.next();
      if (!wanted.contains(entry.getKey())) {
        each.remove();
        entry.getValue().close();
      }
    }
    for (Path path : wanted) {
      if (!served.containsKey(path)) {
        try {
          served.put(path, open(path));
          control.progress().note("Serving WAL to " + path);
          LOG.info("Serving WAL to {}", path);
        } catch (IOException | RuntimeException e) {
          LOG.debug("{} cannot be served", path, e);
        }
      }
    }
  }

  private Served open(Path dataDirectory) throws IOException {
    Exchange exchange = Exchange.open(dataDirectory);
    try {
      return new Served(exchange);
    } catch (IOException | RuntimeException e) {
      exchange.close();
      throw e;
    }
  }

  /** One exchange. Its fields but the concurrent ones belong to the looking thread. */
  private final class Served {
    private final Exchange exchange;
    private final Optional<String> incarnation;
    private final ReadySegments ready;
    private final Set<String> asked = ConcurrentHashMap.newKeySet();
    private final Set<String> fetching = ConcurrentHashMap.newKeySet();
    private final Set<String> laidOut = ConcurrentHashMap.newKeySet();
    private final Set<String> missing = ConcurrentHashMap.newKeySet();
    private volatile @Nullable TimelineHistory history;
    private volatile @Nullable WalSegmentSize segmentSize;
    private @Nullable String position;
    private long lastBeat = -1;

    Served(Exchange exchange) throws IOException {
      this.exchange = exchange;
      this.incarnation = exchange.incarnation();
      this.ready =
          new ReadySegments(
              exchange.dataDirectory().resolve("pg_wal"),
              file -> files.push(file, forPushing()),
              shippers,
              MOST_SHIPPED,
              settings.clock());
      // What an earlier process laid out is whole, or would not have its name.
      exchange.list().stream().filter(WalSegment::isName).forEach(laidOut::add);
    }

    /** Returns whether there was anything to do. */
    boolean look(long beat) throws IOException {
      if (beat != lastBeat) {
        exchange.beat(beat);
        lastBeat = beat;
      }
      boolean busy = false;
      Set<String> before = Set.copyOf(laidOut);
      Set<String> present = new HashSet<>(exchange.list());
      for (String name : present) {
        Matcher question = QUESTION.matcher(name);
        if (question.matches()) {
          busy = true;
          if (asked.add(name)) {
            move(question.group(1));
            submit(askers, name, () -> answer(name, question.group(1)));
          }
          continue;
        }
        Matcher offer = OFFER.matcher(name);
        if (offer.matches() && WalFiles.isArchived(offer.group(1))) {
          busy = true;
          if (asked.add(name)) {
            take(name, offer.group(1));
          }
        } else if (ANSWER.matcher(name).matches()) {
          forget(name);
        }
      }
      for (String name : before) {
        if (!present.contains(name)) {
          laidOut.remove(name);
          busy = true;
          move(name);
        }
      }
      layOut(present);
      return busy;
    }

    private void submit(ExecutorService pool, String name, Runnable task) {
      try {
        pool.execute(task);
      } catch (RejectedExecutionException e) {
        asked.remove(name);
      }
    }

    /** The server is at this segment now. */
    private void move(String name) {
      if (WalSegment.isName(name)) {
        position = name;
        missing.clear();
      }
    }

    /** Where the server is, once the length of segments is known. */
    private @Nullable WalSegment cursor() {
      WalSegmentSize size = segmentSize;
      String name = position;
      if (size == null || name == null) {
        return null;
      }
      try {
        return WalSegment.parse(name, size);
      } catch (IllegalArgumentException e) {
        return null; // answered as trouble to whoever asked
      }
    }

    private void answer(String question, String name) {
      String base = question.substring(0, question.length() - ".want".length());
      try {
        if (exchange.modified(question).isEmpty()) {
          return; // answered already: the listing was older than the answer
        }
        try (SegmentMemory.Reserved memory = reserve(name)) {
          deliver(name, base);
        }
        exchange.delete(question); // after its answer: a script asks again if both are gone
      } catch (IOException | RuntimeException | Error e) {
        // Whoever asked waits for an answer, whatever happened.
        LOG.warn("{} could not be delivered to {}", name, exchange.dataDirectory(), e);
        fail(question, base, name + " could not be delivered: " + WalFiles.message(e));
      } finally {
        asked.remove(question);
      }
    }

    private void deliver(String name, String base) throws IOException {
      Optional<WalFiles.Content> content =
          files.fetch(name, incarnation, repository, settings.getDeadline(), Optional.of(log()));
      if (segmentSize == null) {
        segmentSize = archiveSegmentSize();
      }
      if (content.isEmpty()) {
        exchange.publish(base + ".absent", ByteBuffer.allocate(0), 0, false);
        return;
      }
      WalFiles.Content found = content.get();
      if (TimelineHistory.isFileName(name)) {
        learn(name, found.bytes().duplicate());
      }
      exchange.publish(base + ".file", found.bytes(), found.length(), true);
    }

    private Path log() {
      return exchange.dataDirectory().resolve("pg_wal");
    }

    /** For a segment whose length is not known yet, all that there is. */
    private SegmentMemory.Reserved reserve(String name) throws IOException {
      WalSegmentSize size = segmentSize;
      if (TimelineHistory.isFileName(name)) {
        return SegmentMemory.reserve(0);
      }
      return SegmentMemory.reserve(size == null ? Integer.MAX_VALUE : size.bytes());
    }

    private WalSegmentSize archiveSegmentSize() throws IOException {
      return (incarnation.isPresent()
              ? repository.open().wal(settings.source(), incarnation.get())
              : repository.open().wal(settings.source()))
          .cluster()
          .segmentSize();
    }

    private void learn(String name, ByteBuffer content) {
      Timeline timeline = TimelineHistory.timelineOf(name);
      TimelineHistory known = history;
      if (known == null || known.timeline().compareTo(timeline) < 0) {
        byte[] bytes = new byte[content.remaining()];
        content.get(bytes);
        try {
          history = TimelineHistory.parse(timeline, bytes);
        } catch (BackupException e) {
          LOG.debug("{} is not followed", name, e);
        }
      }
    }

    private void take(String offer, String name) throws IOException {
      if (exchange.modified(offer).isEmpty()) {
        asked.remove(offer);
        return; // answered already: the listing was older than the answer
      }
      String base = offer.substring(0, offer.length() - ".push".length());
      ready.offer(
          name,
          failure -> {
            if (failure.isEmpty()) {
              succeed(offer, base);
            } else {
              Throwable problem = failure.get();
              LOG.warn("{} of {} could not be stored", name, exchange.dataDirectory(), problem);
              fail(offer, base, name + " could not be stored: " + WalFiles.message(problem));
            }
            asked.remove(offer);
          });
    }

    private void succeed(String offer, String base) {
      try {
        exchange.publish(base + ".done", ByteBuffer.allocate(0), 0, false);
        exchange.delete(offer);
      } catch (IOException | RuntimeException e) {
        LOG.warn("{} cannot be answered", exchange.dataDirectory(), e);
      }
    }

    private void fail(String question, String base, String message) {
      try {
        exchange.publish(
            base + ".failed",
            ByteBuffer.wrap((message + "\n").getBytes(StandardCharsets.UTF_8)),
            0,
            false);
        exchange.delete(question);
      } catch (IOException | RuntimeException e) {
        LOG.warn("{} cannot be answered", exchange.dataDirectory(), e);
      }
    }

    /** Removes an answer that whoever asked did not live to read. */
    private void forget(String name) throws IOException {
      Optional<java.nio.file.attribute.FileTime> written = exchange.modified(name);
      if (written.isPresent()
          && written.get().toInstant().plus(FORGOTTEN).isBefore(settings.clock().instant())) {
        exchange.delete(name);
      }
    }

    private void layOut(Set<String> present) throws IOException {
      WalSegment at = cursor();
      if (at == null) {
        return;
      }
      int most = (int) Math.max(1, Math.min(MOST_AHEAD, AHEAD_BYTES / at.size().bytes()));
      Set<String> wanted = new HashSet<>();
      WalSegment next = at;
      for (int i = 0; i < most; i++) {
        next = following(next);
        String name = next.fileName();
        wanted.add(name);
        if (!present.contains(name)
            && !laidOut.contains(name)
            && !missing.contains(name)
            && fetching.add(name)) {
          submit(ahead, name, () -> layOut(name));
        }
      }
      for (String name : present) {
        if (WalSegment.isName(name) && !wanted.contains(name) && !name.equals(at.fileName())) {
          laidOut.remove(name);
          exchange.delete(name);
        }
      }
    }

    /**
     * The segment that recovery reads after this one: of the newest timeline that began by then.
     */
    private WalSegment following(WalSegment segment) {
      long number = segment.number() + 1;
      Timeline timeline = segment.timeline();
      TimelineHistory line = history;
      if (line != null && line.contains(timeline)) {
        for (TimelineHistory.Piece piece : line.pieces()) {
          if (Long.compareUnsigned(
                  Long.divideUnsigned(piece.begin().value(), segment.size().bytes()), number)
              <= 0) {
            timeline = piece.timeline();
          }
        }
      }
      return new WalSegment(timeline, number, segment.size());
    }

    private void layOut(String name) {
      try (SegmentMemory.Reserved memory = reserve(name)) {
        Optional<WalFiles.Content> content =
            files.fetch(
                name, incarnation, WalServer.this::forLayingOut, Duration.ZERO, Optional.empty());
        if (content.isPresent() && content.get().lasting()) {
          exchange.publish(name, content.get().bytes(), content.get().length(), true);
          laidOut.add(name);
        } else {
          missing.add(name);
        }
      } catch (IOException | RuntimeException | Error e) {
        // Whoever needs it asks for it, and learns what is wrong.
        lookAgain = true;
        missing.add(name);
        LOG.debug("{} could not be laid out ahead", name, e);
      } finally {
        fetching.remove(name);
      }
    }

    void close() {
      try (exchange) {
        exchange.rest();
        for (String name : exchange.list()) {
          if (WalSegment.isName(name)) {
            exchange.delete(name);
          }
        }
      } catch (IOException | RuntimeException e) {
        LOG.debug("{} could not be tidied", exchange.dataDirectory(), e);
      }
    }
  }
}
