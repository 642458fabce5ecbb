package com.thorbis.backup.api;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;

/** Lets one thread ask the work of another to stop cleanly. Safe for any number of threads. */
public final class Cancellation {
  private final AtomicBoolean requested = new AtomicBoolean();
  private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

  /** Nothing is asked yet. */
  public Cancellation() {}

  /** Asks the work to stop. Returns at once; may be called again. */
  public void cancel() {
    if (requested.compareAndSet(false, true)) {
      listeners.forEach(Runnable::run);
    }
  }

  /** Whether the work was asked to stop. */
  public boolean requested() {
    return requested.get();
  }

  /**
   * Returns if the work may go on.
   *
   * @throws BackupException of kind {@link FailureKind#CANCELLED} otherwise
   */
  public void check() {
    if (requested()) {
      throw BackupException.of("cancelled", FailureKind.CANCELLED, "Cancelled").build();
    }
  }

  /** Runs {@code action} when cancelled, on the cancelling thread; at once if that has happened. */
  public Registration onCancel(Runnable action) {
    listeners.add(action);
    if (requested()) {
      action.run();
    }
    return () -> listeners.remove(action);
  }

  /** Withdraws a listener. */
  @FunctionalInterface
  public interface Registration extends AutoCloseable {
    @Override
    void close();
  }
}
