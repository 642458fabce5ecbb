package com.thorbis.backup.storage.internal.retention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class LockRuleTest {
  private static final Duration WEEK = Duration.ofDays(7);

  @Test
  void aPolicySaysHowLongItKeepsAnything() {
    assertThat(RetentionPolicy.builder().build().horizon()).isEmpty();
    assertThat(RetentionPolicy.builder().daily(30).build().horizon()).hasValue(Duration.ofDays(30));
    assertThat(RetentionPolicy.builder().daily(30).weekly(12).build().horizon())
        .hasValue(Duration.ofDays(84));
    assertThat(RetentionPolicy.builder().hourly(24).pitr(WEEK).build().horizon()).hasValue(WEEK);
  }

  @Test
  void aLockAndAPolicyThatCannotBothBeKeptAreRefused() throws IOException {
    RetentionPolicy month = RetentionPolicy.builder().daily(30).build();
    LockRule.require(locked(30), month, WEEK);
    LockRule.require(locked(37), month, WEEK);
    LockRule.require(locked(7), month, WEEK);
    LockRule.require(locked(400), RetentionPolicy.builder().build(), WEEK);
    LockRule.require(List.of(Copy.of(MemoryObjectStore.create())), month, WEEK);
    assertRefused(locked(38), month, "locks for 38 days what the policy keeps for 37 at most");
    assertRefused(locked(6), month, "locks for 6 days, and what is given up goes after 7");
  }

  @Test
  void aCopyIsMeasuredByItsOwnRetention() throws IOException {
    Copy own =
        Copy.builder(MemoryObjectStore.create())
            .lock(Duration.ofDays(60))
            .retention(RetentionPolicy.builder().monthly(6).build())
            .build();
    LockRule.require(List.of(own), RetentionPolicy.builder().daily(30).build(), WEEK);
  }

  private static List<Copy> locked(int days) {
    return List.of(Copy.builder(MemoryObjectStore.create()).lock(Duration.ofDays(days)).build());
  }

  private static void assertRefused(List<Copy> copies, RetentionPolicy policy, String message) {
    assertThatThrownBy(() -> LockRule.require(copies, policy, WEEK))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("configuration.lock");
              assertThat(e.getMessage()).contains(message);
              assertThat(e.remedy()).isNotBlank();
            });
  }
}
