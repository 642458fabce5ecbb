package com.thorbis.backup.host;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.RunControl;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.DisposableBean;
import org.springframework.context.SmartLifecycle;
import org.springframework.scheduling.annotation.Scheduled;
import org.springframework.stereotype.Component;

/** Captures the log all the time, and takes backups when it is asked to. */
@Component
class BackupService implements SmartLifecycle, DisposableBean {
  private static final Logger LOG = LoggerFactory.getLogger(BackupService.class);
  private static final long RETRY_SECONDS = 10;

  private final ThorbisBackup thorbis;
  private final BackupProperties properties;
  private final BackupMetrics metrics;
  private final Cancellation endOfBackups = new Cancellation();
  private final Cancellation endOfCapture = new Cancellation();
  private final ExecutorService backups =
      Executors.newSingleThreadExecutor(task -> new Thread(task, "backup"));
  private final ScheduledExecutorService capture =
      Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "backup-log"));
  private CompletableFuture<BackupDescriptor> latest =
      CompletableFuture.failedFuture(new IllegalStateException("None since the service started"));
  private volatile boolean running;

  BackupService(ThorbisBackup thorbis, BackupProperties properties, BackupMetrics metrics) {
    this.thorbis = thorbis;
    this.properties = properties;
    this.metrics = metrics;
  }

  @Override
  public void start() {
    if (properties.createRepository()) {
      thorbis.init();
    }
    running = true;
    // It connects again by itself; what it gives up on may be mended later. Of several instances of
    // this service one has the slot, and the others try until it is theirs.
    Future<?> unused =
        capture.scheduleWithFixedDelay(this::receive, 0, RETRY_SECONDS, TimeUnit.SECONDS);
  }

  private void receive() {
    try {
      thorbis.receiveWal(
          new ReceiveRequest(properties.source(), false),
          new RunControl(endOfCapture, metrics.events("log")));
    } catch (BackupException e) {
      LOG.warn("The log is not captured ({}). {}", e.code(), e.remedy(), e);
    } catch (RuntimeException e) {
      LOG.error("The log is not captured", e);
    }
  }

  @Scheduled(cron = "${backup.schedule:-}")
  void scheduled() {
    CompletableFuture<BackupDescriptor> unused = backup(BackupType.INCREMENTAL);
  }

  /** Takes a backup, or joins the one that is being taken. */
  synchronized CompletableFuture<BackupDescriptor> backup(BackupType type) {
    if (latest.isDone()) {
      latest =
          CompletableFuture.supplyAsync(() -> take(type), backups)
              .whenComplete((made, failure) -> tell(failure));
    }
    return latest;
  }

  /** The backup that was asked for last. */
  synchronized CompletableFuture<BackupDescriptor> latest() {
    return latest;
  }

  private BackupDescriptor take(BackupType type) {
    endOfBackups.check();
    return metrics.timed(
        () ->
            thorbis.backup(
                BackupRequest.builder(properties.source()).type(type).build(),
                new RunControl(endOfBackups, metrics.events("backup"))));
  }

  private static void tell(@Nullable Throwable failure) {
    if (failure != null && failure.getCause() instanceof BackupException e) {
      LOG.warn("No backup was taken ({}). {}", e.code(), e.remedy(), e);
    } else if (failure != null) {
      LOG.error("No backup was taken", failure);
    }
  }

  /** The web server ends before, so that nobody asks for another backup; all else ends after. */
  @Override
  public int getPhase() {
    return 0;
  }

  @Override
  public boolean isRunning() {
    return running;
  }

  /** Spring waits for {@code done} as long as {@code timeout-per-shutdown-phase} says. */
  @Override
  public void stop(Runnable done) {
    new Thread(
            () -> {
              stop();
              done.run();
            },
            "backup-stop")
        .start();
  }

  /** The backup first, which may need log that is still to be stored. */
  @Override
  public void stop() {
    endOfBackups.cancel();
    await(backups);
    endOfCapture.cancel();
    await(capture);
    running = false;
  }

  private static void await(ExecutorService job) {
    job.shutdown();
    try {
      while (!job.awaitTermination(1, TimeUnit.MINUTES)) {
        LOG.warn("A store or the database holds up the end of this service");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** What did not end in time is cut short: nothing that is stored or acknowledged needs it. */
  @Override
  public void destroy() {
    endOfBackups.cancel();
    endOfCapture.cancel();
    backups.shutdownNow();
    capture.shutdownNow();
  }
}
