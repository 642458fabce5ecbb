package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.ClassifiedFailure;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Calls steps: none for longer than it may take, and none while an earlier call of it runs. */
final class StepCalls implements AutoCloseable {
  private static final int MOST_TEXT = 2000;
  private static final long GRACE_SECONDS = 5;
  private static final long TURN_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final Map<String, CountDownLatch> running = new ConcurrentHashMap<>();
  private final ExecutorService threads =
      Executors.newCachedThreadPool(
          task -> {
            Thread thread = new Thread(task, "thorbis-step");
            thread.setDaemon(true);
            return thread;
          });

  /** Calls what only looks: whatever goes wrong, nothing is known. */
  Result look(Task task, Callable<Result> call) {
    return call(task, call, false, () -> {});
  }

  /** Calls what may have an effect: what goes wrong leaves it open, unless it says otherwise. */
  Result act(Task task, Callable<Result> call) {
    return call(task, call, true, () -> {});
  }

  /**
   * The same, of which nobody else answers for the run meanwhile.
   *
   * @param meanwhile done each second until there is an answer, in a thread of its own: it may take
   *     long, or fail
   */
  Result act(Task task, Callable<Result> call, Runnable meanwhile) {
    return call(task, call, true, meanwhile);
  }

  private Result call(Task task, Callable<Result> call, boolean acts, Runnable meanwhile) {
    CountDownLatch before = running.get(task.id());
    if (before != null && before.getCount() > 0) {
      return Result.unknown("an earlier call still runs, and does not end when it is told to");
    }
    CountDownLatch ended = new CountDownLatch(1);
    running.put(task.id(), ended);
    Future<Result> answer =
        threads.submit(
            () -> {
              try {
                return call.call();
              } finally {
                ended.countDown();
              }
            });
    try {
      return shortened(answer(answer, task.timeout().toNanos(), meanwhile));
    } catch (TimeoutException e) {
      answer.cancel(true);
      await(ended);
      return Result.unknown("took longer than " + task.timeout());
    } catch (InterruptedException e) {
      answer.cancel(true);
      await(ended);
      Thread.currentThread().interrupt();
      return Result.unknown("was interrupted");
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      return failure(cause == null ? e : cause, acts);
    }
  }

  private Result answer(Future<Result> answer, long nanos, Runnable meanwhile)
      throws InterruptedException, ExecutionException, TimeoutException {
    long since = System.nanoTime();
    Future<?> doing = CompletableFuture.completedFuture(null);
    while (true) {
      long left = nanos - (System.nanoTime() - since);
      try {
        return answer.get(Math.min(TURN_NANOS, Math.max(0, left)), TimeUnit.NANOSECONDS);
      } catch (TimeoutException e) {
        if (left <= TURN_NANOS) {
          throw e;
        }
        if (doing.isDone()) {
          doing = threads.submit(meanwhile);
        }
      }
    }
  }

  private static void await(CountDownLatch ended) {
    try {
      ended.await(GRACE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static Result failure(Throwable cause, boolean acts) {
    if (cause instanceof Error error) {
      throw error;
    }
    String text = shortened(String.valueOf(cause.getMessage()));
    String detail =
        cause instanceof ClassifiedFailure ? text : cause.getClass().getSimpleName() + ": " + text;
    if (acts && cause instanceof ClassifiedFailure known) {
      return switch (known.kind()) {
        case TRANSIENT -> Result.notDone(detail);
        case PERMANENT, REFUSED, NOT_FOUND, DAMAGED, CONFIGURATION -> Result.failed(detail);
        default -> Result.unknown(detail);
      };
    }
    return Result.unknown(detail);
  }

  private static Result shortened(Result result) {
    return new Result(
        result.outcome(), shortened(result.detail()), result.facts(), result.awaited());
  }

  private static String shortened(String text) {
    return text.length() <= MOST_TEXT ? text : text.substring(0, MOST_TEXT) + "…";
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
