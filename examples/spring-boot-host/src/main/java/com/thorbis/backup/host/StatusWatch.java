package com.thorbis.backup.host;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.ThorbisBackup;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.context.SmartLifecycle;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.stereotype.Component;

/**
 * Looks at the repository now and then, from a thread of its own: a look may take as long as a
 * store takes to answer, and nobody who asks this waits for it.
 */
@Component
class StatusWatch implements SmartLifecycle {
  private static final Logger LOG = LoggerFactory.getLogger(StatusWatch.class);
  private static final int QUERY_SECONDS = 10;

  private final ThorbisBackup thorbis;
  private final BackupProperties properties;
  private final JdbcTemplate database;
  private final ScheduledExecutorService looks =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "backup-look");
            thread.setDaemon(true);
            return thread;
          });
  private @Nullable Mark mark;
  private @Nullable Instant storedAsOf;
  private volatile Look latest = new NotYet();
  private volatile boolean running;

  /** What came of the last look. */
  sealed interface Look {}

  /** There was none. */
  record NotYet() implements Look {}

  /**
   * The repository answered.
   *
   * @param status its answer
   * @param at when
   * @param unstored how old the oldest change since this service started can be that is in the
   *     database alone; empty if the database did not say what it has written. The lag that the SDK
   *     tells is from the last commit it stored, so it also grows while nothing is written
   */
  record Seen(SourceStatus status, Instant at, Optional<Duration> unstored) implements Look {
    Optional<Duration> backupAge(Instant now) {
      return status.lastBackup().map(backup -> Duration.between(backup.stoppedAt(), now));
    }

    /** The newest stretch of history without a gap. */
    Optional<SourceStatus.Window> window() {
      return status.windows().stream().reduce((older, newer) -> newer);
    }

    /** How long that is. */
    Optional<Duration> recoverable() {
      return window()
          .flatMap(window -> window.toTime().map(to -> Duration.between(window.fromTime(), to)));
    }
  }

  /** The repository gave no answer, or one that is a failure. */
  record Failed(BackupException why, Instant at, Optional<Seen> before) implements Look {}

  /** What the database had written at a time. */
  private record Mark(Instant at, Lsn written) {}

  StatusWatch(ThorbisBackup thorbis, BackupProperties properties, DataSource database) {
    this.thorbis = thorbis;
    this.properties = properties;
    this.database = new JdbcTemplate(database);
    this.database.setQueryTimeout(QUERY_SECONDS);
  }

  /** What came of the last look. Never waits. */
  Look latest() {
    return latest;
  }

  /** What was seen, unless the last look failed or is too long ago to count. */
  Optional<Seen> seen() {
    return latest() instanceof Seen seen && isFresh(seen) ? Optional.of(seen) : Optional.empty();
  }

  /** Whether a look that came after it would have ended by now, had the repository answered. */
  boolean isFresh(Seen seen) {
    return seen.at().isAfter(Instant.now().minus(properties.lookEvery().multipliedBy(4)));
  }

  private void look() {
    try {
      SourceStatus status = thorbis.status(properties.source());
      latest = new Seen(status, Instant.now(), unstored(status));
    } catch (BackupException e) {
      failed(e);
    } catch (RuntimeException e) {
      failed(
          BackupException.of("unexpected", FailureKind.PERMANENT, e.toString()).cause(e).build());
    }
  }

  private void failed(BackupException e) {
    Look last = latest;
    Failed before = last instanceof Failed failed ? failed : null;
    if (running && (before == null || !before.why().code().equals(e.code()))) {
      LOG.warn("Cannot tell what is recoverable ({}). {}", e.code(), e.remedy(), e);
    }
    latest =
        new Failed(
            e,
            Instant.now(),
            before != null
                ? before.before()
                : last instanceof Seen seen ? Optional.of(seen) : Optional.empty());
  }

  /** Once what the database had written at a mark is stored, a new mark is set. */
  private Optional<Duration> unstored(SourceStatus status) {
    Optional<Lsn> stored =
        status.windows().stream().map(SourceStatus.Window::toLsn).max(Comparator.naturalOrder());
    Mark old = mark;
    if (old != null && stored.filter(to -> to.compareTo(old.written()) >= 0).isPresent()) {
      storedAsOf = old.at();
      mark = null;
    }
    if (mark == null) {
      mark = written();
    }
    if (mark == null) {
      return Optional.empty();
    }
    Instant since = storedAsOf == null ? mark.at() : storedAsOf;
    return Optional.of(Duration.between(since, Instant.now()));
  }

  private @Nullable Mark written() {
    try {
      Instant now = Instant.now();
      String at = database.queryForObject("SELECT pg_current_wal_flush_lsn()", String.class);
      return at == null ? null : new Mark(now, Lsn.parse(at));
    } catch (DataAccessException e) {
      LOG.debug("The database does not say what it has written", e);
      return null;
    }
  }

  @Override
  public void start() {
    running = true;
    Future<?> unused =
        looks.scheduleWithFixedDelay(
            this::look, 0, properties.lookEvery().toMillis(), TimeUnit.MILLISECONDS);
  }

  /** A look that waits for a store is interrupted: it would hold the repository open. */
  @Override
  public void stop() {
    running = false;
    looks.shutdownNow();
  }

  @Override
  public boolean isRunning() {
    return running;
  }
}
