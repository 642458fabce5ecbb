package com.thorbis.backup.storage.gcs;

import com.google.api.client.http.HttpResponseException;
import com.google.auth.Retryable;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLHandshakeException;

/** Repeats what the store could not answer. Nothing else does: the client is told not to. */
final class Attempts {
  private static final long LONGEST_WAIT_MILLIS = 16_000;

  private final int most;
  private final long patienceNanos;
  private final long firstWaitMillis;

  /**
   * How to repeat.
   *
   * @param most how many attempts
   * @param patience after which no further attempt begins
   * @param firstWait at most, before the second attempt; doubled for each one after it
   */
  Attempts(int most, Duration patience, Duration firstWait) {
    this.most = most;
    this.patienceNanos = patience.toNanos();
    this.firstWaitMillis = firstWait.toMillis();
  }

  /** A request, which may be made again. */
  @FunctionalInterface
  interface Call<T> {
    /**
     * Makes it.
     *
     * @param attempt 1 for the first
     */
    T run(int attempt) throws IOException;
  }

  /** What is known of a write when its attempts have ended. */
  static final class Doubt {
    private boolean open;

    /** Whether an attempt may have done it without its answer having arrived. */
    boolean isOpen() {
      return open;
    }
  }

  <T> T run(Call<T> call) throws IOException {
    return run(new Doubt(), call);
  }

  <T> T run(Doubt doubt, Call<T> call) throws IOException {
    long start = System.nanoTime();
    for (int attempt = 1; ; attempt++) {
      if (Thread.currentThread().isInterrupted()) {
        throw new InterruptedIOException("interrupted");
      }
      IOException failure;
      try {
        return call.run(attempt);
      } catch (HttpResponseException e) {
        failure = Answer.of(e);
      } catch (IOException e) {
        failure = e;
      } catch (IllegalArgumentException | NullPointerException e) { // from parsing
        failure = new IOException("The store's answer cannot be read", e);
      }
      doubt.open |= leavesOpen(failure);
      long wait = wait(attempt, failure);
      boolean late =
          System.nanoTime() - start + TimeUnit.MILLISECONDS.toNanos(wait) > patienceNanos;
      if (attempt == most || late || !worthRepeating(failure)) {
        throw failure;
      }
      try {
        Thread.sleep(wait);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw failure;
      }
    }
  }

  private long wait(int attempt, IOException failure) {
    long most = Math.min(LONGEST_WAIT_MILLIS, firstWaitMillis << Math.min(attempt - 1, 16));
    long wait = ThreadLocalRandom.current().nextLong(most / 2, most + 1);
    return failure instanceof Answer answer ? Math.max(wait, answer.retryAfterMillis()) : wait;
  }

  static boolean worthRepeating(IOException e) {
    if (e instanceof Answer answer) {
      return answer.worthRepeating();
    }
    if (e instanceof Retryable login) {
      return login.isRetryable();
    }
    return !(e instanceof SSLHandshakeException) && !(e instanceof StorageException);
  }

  private static boolean leavesOpen(IOException e) {
    if (e instanceof Answer answer) {
      return answer.leavesOpen();
    }
    return !(e instanceof ConnectException
        || e instanceof NoRouteToHostException
        || e instanceof UnknownHostException
        || e instanceof SSLHandshakeException
        || e instanceof Retryable); // no token, so nothing was asked
  }
}
