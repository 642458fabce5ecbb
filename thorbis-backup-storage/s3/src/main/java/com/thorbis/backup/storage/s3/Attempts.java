package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.StorageException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;

/** The one place where requests are repeated. */
final class Attempts {
  private static final Duration FIRST = Duration.ofMillis(100);
  private static final Duration LONGEST = Duration.ofSeconds(20);

  private final int most;
  private final Pause pause;

  /** Waits, or pretends to. */
  @FunctionalInterface
  interface Pause {
    void of(Duration time) throws InterruptedException;
  }

  /** One request. */
  @FunctionalInterface
  interface Call<T> {
    T run() throws StorageException;
  }

  Attempts(int most, Pause pause) {
    this.most = most;
    this.pause = pause;
  }

  <T> T run(Call<T> call, Function<SdkException, StorageException> translation)
      throws StorageException {
    for (int attempt = 1; ; attempt++) {
      try {
        return once(call);
      } catch (SdkException e) {
        if (!again(attempt, e)) {
          throw translation.apply(e);
        }
      }
    }
  }

  /** Sends one request. The client lets some failures of the network through as they are. */
  static <T> T once(Call<T> call) throws StorageException {
    try {
      return call.run();
    } catch (UncheckedIOException e) {
      throw SdkClientException.create("The connection broke: " + e.getMessage(), e);
    }
  }

  /** Whether there is another attempt after this one, counted from 1; waits before it. */
  boolean again(int attempt, SdkException e) {
    if (attempt >= most || !Failures.repeatable(e)) {
      return false;
    }
    try {
      pause.of(Failures.header(e, "Retry-After").map(Attempts::asked).orElse(backoff(attempt)));
      return true;
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      e.addSuppressed(interrupted);
      return false;
    }
  }

  private static Duration asked(String header) {
    try {
      Duration asked = Duration.ofSeconds(Long.parseLong(header.strip()));
      return asked.isNegative() || asked.compareTo(LONGEST) > 0 ? LONGEST : asked;
    } catch (NumberFormatException e) {
      return FIRST; // a date: rare, and clocks differ
    }
  }

  /** Twice as long each time, and anything between nothing and that, so that writers part. */
  private static Duration backoff(int attempt) {
    long most = Math.min(LONGEST.toMillis(), FIRST.toMillis() << Math.min(attempt - 1, 16));
    return Duration.ofMillis(ThreadLocalRandom.current().nextLong(most + 1));
  }
}
