package com.thorbis.backup.postgres.support;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.postgres.capture.WalReceiver;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/** A receiver on a thread of its own. */
public final class BackgroundReceiver implements AutoCloseable, Progress {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final MemoryRepository repository;
  private final Cancellation cancellation = new Cancellation();
  private final List<String> warnings = new CopyOnWriteArrayList<>();
  private final Thread thread;
  private volatile @Nullable Exception failure;

  /** Starts one. */
  public BackgroundReceiver(
      PostgresSettings settings, MemoryRepository repository, boolean synchronous) {
    this.repository = repository;
    WalReceiver receiver =
        new WalReceiver(
            settings,
            new ReceiveRequest("orders", synchronous),
            repository,
            new RunControl(cancellation, this));
    thread =
        new Thread(
            () -> {
              try {
                receiver.run();
              } catch (IOException | RuntimeException e) {
                failure = e;
              }
            });
    thread.start();
  }

  @Override
  public void warning(String message) {
    warnings.add(message);
  }

  /** What it warned of. */
  public List<String> warnings() {
    return warnings;
  }

  /** Returns when something holds; fails if the receiver ends before. */
  public void await(Condition condition) throws Exception {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.holds()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("Not in time; warnings: " + warnings);
      }
      thread.join(20);
      if (!thread.isAlive()) {
        throw new AssertionError("The receiver ended; warnings: " + warnings, failure);
      }
    }
  }

  /** Returns when all up to a position is stored. */
  public void awaitStored(int timeline, Lsn position) throws Exception {
    await(() -> end(timeline).compareTo(position) >= 0);
  }

  /** How it failed; it must have ended. */
  public @Nullable Exception awaitFailure() throws InterruptedException {
    thread.join(PATIENCE.toMillis());
    if (thread.isAlive()) {
      throw new AssertionError("The receiver goes on; warnings: " + warnings);
    }
    return failure;
  }

  private Lsn end(int timeline) {
    if (repository.source("orders").isEmpty()) {
      return new Lsn(0);
    }
    List<WalRange> ranges = repository.wal("orders").ranges(new Timeline(timeline));
    return ranges.isEmpty() ? new Lsn(0) : ranges.get(ranges.size() - 1).end();
  }

  /** Something that holds, or not yet. */
  @FunctionalInterface
  public interface Condition {
    /** Whether it holds. */
    boolean holds() throws Exception;
  }

  @Override
  public void close() {
    cancellation.cancel();
    try {
      thread.join(PATIENCE.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (thread.isAlive()) {
      throw new AssertionError("The receiver does not stop");
    }
    if (failure != null) {
      throw new AssertionError("The receiver failed", failure);
    }
  }
}
