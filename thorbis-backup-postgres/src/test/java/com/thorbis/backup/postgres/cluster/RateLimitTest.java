package com.thorbis.backup.postgres.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class RateLimitTest {
  @Test
  void manyReadsTogetherAreNotFasterThanAllowed() throws IOException {
    AtomicLong now = new AtomicLong(5);
    RateLimit limit =
        new RateLimit(1000, new Cancellation(), now::get, time -> now.addAndGet(time.toNanos()));
    for (int i = 0; i < 101; i++) {
      limit.take(10);
    }
    assertThat(now.get()).isEqualTo(5 + 1_000_000_000L);
  }

  @Test
  void timeInWhichNothingIsReadIsNotSavedUp() throws IOException {
    AtomicLong now = new AtomicLong();
    RateLimit limit =
        new RateLimit(1000, new Cancellation(), now::get, time -> now.addAndGet(time.toNanos()));
    now.set(60_000_000_000L);
    limit.take(1000);
    limit.take(1000);
    assertThat(now.get()).isEqualTo(61_000_000_000L);
  }

  @Test
  void aCancellationEndsTheWait() {
    Cancellation cancellation = new Cancellation();
    RateLimit limit = new RateLimit(1, cancellation);
    assertThatThrownBy(
            () -> {
              limit.take(1 << 30);
              new Thread(cancellation::cancel).start();
              limit.take(1);
            })
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("cancelled"));
  }
}
