package com.thorbis.backup.dr.run;

import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;

/** Tells observers what happened, in a thread that nobody waits for. */
final class Watchers implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 5;

  private record Failure(String observer, String reason) {}

  private final List<RunObserver> observers;
  private final Queue<Failure> failures = new ConcurrentLinkedQueue<>();
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(
          task -> {
            Thread daemon = new Thread(task, "thorbis-run-observers");
            daemon.setDaemon(true);
            return daemon;
          });

  Watchers(List<RunObserver> observers) {
    this.observers = observers;
  }

  void tell(JournalRecord record) {
    if (observers.isEmpty() || record.kind().equals(RunState.OBSERVER)) {
      return;
    }
    thread.execute(() -> observers.forEach(observer -> tell(observer, record)));
  }

  @SuppressWarnings("PMD.AvoidCatchingGenericException") // whatever it throws changes nothing
  private void tell(RunObserver observer, JournalRecord record) {
    String name = observer.getClass().getSimpleName();
    try {
      observer.happened(record);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (Exception e) {
      failures.add(new Failure(name, "record " + record.sequence() + ": " + e));
    }
  }

  /** What went wrong since it was asked last. */
  void failures(BiConsumer<String, String> each) {
    for (Failure failure = failures.poll(); failure != null; failure = failures.poll()) {
      each.accept(failure.observer(), failure.reason());
    }
  }

  /** Lets observers hear what there is, for a short while. */
  void drain(BiConsumer<String, String> each) {
    if (observers.isEmpty()) {
      return;
    }
    try {
      thread.submit(() -> {}).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (java.util.concurrent.ExecutionException | java.util.concurrent.TimeoutException e) {
      each.accept("observers", "did not hear all of it within " + PATIENCE_SECONDS + " s");
    }
    failures(each);
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
