package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Whether locks and a policy can both be kept. */
public final class LockRule {
  private LockRule() {}

  /**
   * Refuses a lock that outlasts everything which the policy keeps, as nothing could ever go when
   * the policy says so; and one that ends before a deletion takes effect, as it protects from none.
   *
   * @param copies with what each locks, and its own retention
   * @param grace how long what is given up stays whole
   */
  public static void require(List<Copy> copies, RetentionPolicy policy, Duration grace)
      throws IOException {
    for (Copy copy : copies) {
      if (copy.lock().isPresent()) {
        require(copy, copy.lock().get(), copy.retention().orElse(policy), grace);
      }
    }
  }

  private static void require(Copy copy, Duration lock, RetentionPolicy policy, Duration grace)
      throws RepositoryException {
    Optional<Duration> kept = policy.horizon().map(longest -> longest.plus(grace));
    if (kept.isPresent() && lock.compareTo(kept.get()) > 0) {
      throw refused(
          copy,
          "locks for "
              + days(lock)
              + " days what the policy keeps for "
              + days(kept.get())
              + " at most, its grace included",
          "Shorten lock, or keep more.");
    }
    if (lock.compareTo(grace) < 0) {
      throw refused(
          copy,
          "locks for " + days(lock) + " days, and what is given up goes after " + days(grace),
          "Make lock longer than the grace, or the grace shorter.");
    }
  }

  private static RepositoryException refused(Copy copy, String problem, String remedy) {
    return new RepositoryException(
        "configuration.lock",
        FailureKind.CONFIGURATION,
        copy.name() + " " + problem + ": nothing is deleted",
        Map.of("copy", copy.name()),
        remedy,
        null);
  }

  private static long days(Duration span) {
    return span.toDays();
  }
}
