package com.thorbis.backup.storage.azure;

import com.azure.core.exception.ClientAuthenticationException;
import com.azure.storage.blob.models.BlobStorageException;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.UnknownHostException;
import java.net.http.HttpConnectTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLHandshakeException;
import org.jspecify.annotations.Nullable;

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
    /** Makes it. */
    T run() throws IOException;
  }

  /** What is known of a write when its attempts have ended. */
  static final class Doubt {
    private boolean open;

    /** Whether an attempt may have done it without its answer having arrived. */
    boolean isOpen() {
      return open;
    }
  }

  /** What keeps this machine from being let in. */
  static final class NoToken extends IOException {
    private static final long serialVersionUID = 1L;

    NoToken(ClientAuthenticationException e) {
      super(e.getMessage());
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
        return call.run();
      } catch (IOException e) {
        failure = e;
      } catch (RuntimeException e) {
        failure = unwrap(e);
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

  /** What the client's exception is about; anything else comes from reading an answer. */
  private static IOException unwrap(RuntimeException e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof BlobStorageException answer) {
        return new Answer(answer);
      }
      if (cause instanceof ClientAuthenticationException refused) {
        return new NoToken(refused);
      }
      if (cause instanceof InterruptedException) {
        Thread.currentThread().interrupt();
        return new InterruptedIOException("interrupted");
      }
      if (cause instanceof IOException io) {
        return io;
      }
      if (cause instanceof java.util.concurrent.TimeoutException late) {
        return new IOException(late);
      }
    }
    return new IOException("The store's answer cannot be read", e);
  }

  private long wait(int attempt, IOException failure) {
    long most = Math.min(LONGEST_WAIT_MILLIS, firstWaitMillis << Math.min(attempt - 1, 16));
    long wait = ThreadLocalRandom.current().nextLong(most / 2, most + 1);
    return failure instanceof Answer answer ? Math.max(wait, answer.retryAfterMillis()) : wait;
  }

  private static boolean worthRepeating(IOException e) {
    if (e instanceof Answer answer) {
      return answer.worthRepeating();
    }
    return !(e instanceof SSLHandshakeException
        || e instanceof InterruptedIOException && Thread.currentThread().isInterrupted()
        || e instanceof NoToken
        || e instanceof StorageException);
  }

  private static boolean leavesOpen(IOException e) {
    if (e instanceof Answer answer) {
      return answer.leavesOpen();
    }
    for (@Nullable Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof ConnectException
          || cause instanceof NoRouteToHostException
          || cause instanceof UnknownHostException
          || cause instanceof UnresolvedAddressException
          || cause instanceof HttpConnectTimeoutException
          || cause instanceof SSLHandshakeException
          || cause instanceof NoToken) {
        return false; // nothing was asked
      }
    }
    return true;
  }
}
