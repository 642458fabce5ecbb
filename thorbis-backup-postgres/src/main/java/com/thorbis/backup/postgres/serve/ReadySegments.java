package com.thorbis.backup.postgres.serve;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stores what a server's archiver offers, and ahead of it what it will offer next: the archiver
 * names one file at a time, but notes in {@code archive_status} all that are ready. An offer is
 * answered only for the very file that it names: what was stored ahead counts if that file is still
 * the one that was read. Safe for several threads.
 */
final class ReadySegments {
  private static final Logger LOG = LoggerFactory.getLogger(ReadySegments.class);
  private static final String READY = ".ready";

  /** How many are remembered as stored before anybody asks. */
  private static final int MOST_AHEAD = 256;

  private static final long SCAN_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** Whoever asks no more may have been told to archive elsewhere. */
  private static final long INTEREST_NANOS = TimeUnit.MINUTES.toNanos(1);

  /**
   * A file system's clock ticks in milliseconds: a change within the tick of the one before leaves
   * the same time, so that a file changed just now proves nothing by its times.
   */
  private static final Duration SETTLED = Duration.ofMillis(200);

  private final Path log;
  private final Store store;
  private final Executor executor;
  private final int most;
  private final Clock clock;

  private final Map<String, Identity> stored = new HashMap<>();
  private final Map<String, List<Consumer<Optional<Throwable>>>> running = new HashMap<>();
  private final Set<String> troubled = new HashSet<>();
  private final Deque<String> next = new ArrayDeque<>();
  private long lastScan;
  private long lastOffer;

  /**
   * For one server.
   *
   * @param log its {@code pg_wal}
   * @param executor runs what is stored
   * @param most how many files to store at once; what is offered is stored in any case
   */
  ReadySegments(Path log, Store store, Executor executor, int most, Clock clock) {
    this.log = log;
    this.store = store;
    this.executor = executor;
    this.most = most;
    this.clock = clock;
    this.lastScan = System.nanoTime() - SCAN_NANOS;
  }

  /** Stores a file durably. */
  @FunctionalInterface
  interface Store {
    /** Returns when it is stored. */
    void store(Path file) throws IOException;
  }

  /** Tells two files of one name apart, and a file from what it was before somebody wrote to it. */
  private record Identity(Object file, long length, FileTime written, FileTime changed) {
    static Identity of(Path path) throws IOException {
      Map<String, Object> attributes =
          Files.readAttributes(
              path, "unix:fileKey,size,lastModifiedTime,ctime", LinkOption.NOFOLLOW_LINKS);
      return new Identity(
          Objects.requireNonNull(attributes.get("fileKey")),
          (Long) Objects.requireNonNull(attributes.get("size")),
          (FileTime) Objects.requireNonNull(attributes.get("lastModifiedTime")),
          (FileTime) Objects.requireNonNull(attributes.get("ctime")));
    }
  }

  /**
   * Takes an offer; returns at once.
   *
   * @param answer told from any thread: empty if the file is stored, else what went wrong
   */
  void offer(String name, Consumer<Optional<Throwable>> answer) {
    boolean known;
    synchronized (this) {
      lastOffer = System.nanoTime();
      List<Consumer<Optional<Throwable>>> waiting = running.get(name);
      if (waiting != null) {
        waiting.add(answer);
        return;
      }
      known = isStored(name);
      if (!known) {
        troubled.remove(name);
        start(name, answer);
      }
    }
    if (known) {
      answer.accept(Optional.empty());
    }
    lookAhead();
  }

  private synchronized boolean isStored(String name) {
    Identity then = stored.get(name);
    if (then == null) {
      return false;
    }
    try {
      if (Identity.of(log.resolve(name)).equals(then)) {
        return true;
      }
    } catch (IOException e) {
      LOG.debug("{} cannot be looked at", name, e); // storing it says why
    }
    stored.remove(name);
    return false;
  }

  private void start(String name, Consumer<Optional<Throwable>> answer) {
    running.put(name, new ArrayList<>());
    try {
      executor.execute(
          () -> {
            Optional<Throwable> failure = store(name);
            List<Consumer<Optional<Throwable>>> waiting;
            synchronized (this) {
              waiting = Objects.requireNonNull(running.remove(name));
              if (failure.isEmpty()) {
                troubled.clear();
              }
            }
            answer.accept(failure);
            // Whoever came later may mean a file that was put there after this one was read.
            waiting.forEach(one -> offer(name, one));
            lookAhead();
          });
    } catch (RejectedExecutionException e) {
      running.remove(name);
      answer.accept(Optional.of(e));
    }
  }

  private Optional<Throwable> store(String name) {
    Path file = log.resolve(name);
    try {
      Identity before = Identity.of(file);
      store.store(file);
      boolean settled =
          before.changed().toInstant().plus(SETTLED).isBefore(clock.instant())
              && Identity.of(file).equals(before);
      synchronized (this) {
        if (settled && stored.size() < MOST_AHEAD) {
          stored.put(name, before);
        }
      }
      return Optional.empty();
    } catch (IOException | RuntimeException | Error e) {
      return Optional.of(e);
    }
  }

  private void lookAhead() {
    synchronized (this) {
      while (running.size() < most) {
        String name = nextReady();
        if (name == null || stored.size() >= MOST_AHEAD) {
          return;
        }
        if (running.containsKey(name) || stored.containsKey(name) || troubled.contains(name)) {
          continue;
        }
        start(
            name,
            failure ->
                failure.ifPresent(
                    problem -> {
                      LOG.debug("{} could not be stored ahead", name, problem);
                      synchronized (this) {
                        troubled.add(name); // whoever offers it learns what is wrong
                      }
                    }));
      }
    }
  }

  private @Nullable String nextReady() {
    long now = System.nanoTime();
    if (next.isEmpty() && now - lastScan >= SCAN_NANOS && now - lastOffer < INTEREST_NANOS) {
      lastScan = now;
      List<String> ready = ready();
      stored.keySet().retainAll(new HashSet<>(ready));
      ready.stream().limit(MOST_AHEAD).filter(this::settled).forEach(next::add);
    }
    return next.poll();
  }

  /** In the archiver's order. */
  private List<String> ready() {
    List<String> names = new ArrayList<>();
    try (DirectoryStream<Path> status =
        Files.newDirectoryStream(log.resolve("archive_status"), "*" + READY)) {
      for (Path path : status) {
        String file = path.getFileName().toString();
        String name = file.substring(0, file.length() - READY.length());
        if (WalFiles.isArchived(name)) {
          names.add(name);
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      LOG.debug("{} cannot be looked through", log, e); // each is stored when it is offered
      return List.of();
    }
    names.sort(
        Comparator.comparing((String name) -> !name.endsWith(".history"))
            .thenComparing(Comparator.naturalOrder()));
    return names;
  }

  private boolean settled(String name) {
    try {
      return Identity.of(log.resolve(name))
          .changed()
          .toInstant()
          .plus(SETTLED)
          .isBefore(clock.instant());
    } catch (IOException e) {
      return false;
    }
  }
}
