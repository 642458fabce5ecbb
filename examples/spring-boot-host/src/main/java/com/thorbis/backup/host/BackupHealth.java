package com.thorbis.backup.host;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.SourceStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.springframework.boot.actuate.health.Health;
import org.springframework.boot.actuate.health.HealthIndicator;
import org.springframework.stereotype.Component;

/**
 * Whether the database could be brought back. DOWN is an answer: there is no backup, or it is too
 * old, or the log does not come. UNKNOWN is none: the repository could not be asked, and what was
 * seen before is told with its time.
 */
@Component("backupHealthIndicator")
class BackupHealth implements HealthIndicator {
  /** Failures that are answers of a repository that was reached. */
  private static final Set<FailureKind> ANSWERS =
      Set.of(FailureKind.NOT_FOUND, FailureKind.DAMAGED);

  private final StatusWatch watch;
  private final BackupProperties properties;

  BackupHealth(StatusWatch watch, BackupProperties properties) {
    this.watch = watch;
    this.properties = properties;
  }

  @Override
  public Health health() {
    StatusWatch.Look look = watch.latest();
    if (look instanceof StatusWatch.Failed failed) {
      BackupException why = failed.why();
      Health.Builder health =
          (ANSWERS.contains(why.kind()) ? Health.down() : Health.unknown())
              .withDetail("code", why.code())
              .withDetail("problem", String.valueOf(why.getMessage()))
              .withDetail("remedy", why.remedy())
              .withDetail("lookedAt", failed.at());
      failed.before().ifPresent(before -> tell(health, before));
      return health.build();
    }
    if (look instanceof StatusWatch.Seen seen) {
      Health.Builder health = Health.up();
      if (!watch.isFresh(seen)) {
        health.unknown().withDetail("problem", "The repository has not answered for a while");
      } else {
        List<String> problems = problems(seen);
        if (!problems.isEmpty()) {
          health.down().withDetail("problem", String.join("; ", problems));
        }
      }
      tell(health, seen);
      return health.build();
    }
    return Health.unknown().withDetail("problem", "The repository has not answered yet").build();
  }

  private List<String> problems(StatusWatch.Seen seen) {
    List<String> problems = new ArrayList<>();
    if (seen.status().fenced()) {
      problems.add("the database was restored, and is not protected until it is adopted");
    }
    Optional<Duration> age = seen.backupAge(Instant.now());
    if (age.isEmpty()) {
      problems.add("there is no backup");
    } else if (age.get().compareTo(properties.oldestBackup()) > 0) {
      problems.add("the last backup is older than " + properties.oldestBackup());
    }
    Optional<Duration> unstored = seen.unstored();
    if (unstored.isPresent() && unstored.get().compareTo(properties.mostUnstored()) > 0) {
      problems.add("changes have not been stored for more than " + properties.mostUnstored());
    }
    return problems;
  }

  private static void tell(Health.Builder health, StatusWatch.Seen seen) {
    SourceStatus status = seen.status();
    health.withDetail("seenAt", seen.at());
    status
        .lastBackup()
        .ifPresent(
            backup ->
                health
                    .withDetail("lastBackup", backup.id().toString())
                    .withDetail("lastBackupAt", backup.stoppedAt()));
    seen.window()
        .ifPresent(
            window -> {
              health.withDetail("recoverableFrom", window.fromTime());
              window.toTime().ifPresent(to -> health.withDetail("recoverableTo", to));
            });
    health.withDetail("gaps", status.gaps().size());
    seen.unstored().ifPresent(time -> health.withDetail("unstored", time));
  }
}
