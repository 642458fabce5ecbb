package com.thorbis.backup.crypto.azure;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Supplier;

/**
 * Calls of the vendor's client, each in a thread of its own: that client takes an interrupt for one
 * more failure and goes on, so that the caller would wait for all its attempts.
 */
final class Asked {
  private Asked() {}

  /**
   * What {@code call} returns or throws.
   *
   * @throws InterruptedException if the caller is interrupted; the call may still go on for a while
   */
  static <T> T of(Supplier<T> call) throws InterruptedException {
    FutureTask<T> task = new FutureTask<>(call::get);
    Thread thread = new Thread(task, "thorbis-azure-keyvault");
    thread.setDaemon(true);
    thread.start();
    try {
      return task.get();
    } catch (InterruptedException e) {
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
