package com.thorbis.backup.crypto.azure;

import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * Calls of the vendor's client, each in a thread of its own: that client takes an interrupt for one
 * more failure and goes on, and waits for as long as a vault tells it to.
 */
final class Asked {
  private Asked() {}

  /**
   * What {@code call} returns or throws.
   *
   * @param longest how long the caller waits
   * @throws TimeoutException if that was not enough; the call may still go on for a while
   * @throws InterruptedException if the caller is interrupted; the call may still go on for a while
   */
  static <T> T of(Supplier<T> call, Duration longest)
      throws InterruptedException, TimeoutException {
    FutureTask<T> task = new FutureTask<>(call::get);
    Thread thread = new Thread(task, "thorbis-azure-keyvault");
    thread.setDaemon(true);
    thread.start();
    try {
      return task.get(longest.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException | TimeoutException e) {
      task.cancel(true);
      throw e;
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException failure) {
        throw failure;
      }
      throw new IllegalStateException("The vault's client broke", e.getCause());
    }
  }
}
