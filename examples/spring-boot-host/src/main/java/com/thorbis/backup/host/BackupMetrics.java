package com.thorbis.backup.host;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Progress;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.stereotype.Component;

/** What the SDK tells, as figures. What is not known now is no number, rather than an old one. */
@Component
class BackupMetrics {
  private static final Logger LOG = LoggerFactory.getLogger(BackupMetrics.class);

  private final MeterRegistry registry;
  private final Counter stored;
  private final Map<String, AtomicLong> progress = new ConcurrentHashMap<>();

  BackupMetrics(MeterRegistry registry, StatusWatch watch) {
    this.registry = registry;
    this.stored = Counter.builder("backup.stored").baseUnit("bytes").register(registry);
    gauge(watch, "backup.age", seen -> seen.backupAge(Instant.now()).map(BackupMetrics::seconds));
    gauge(watch, "backup.unstored", seen -> seen.unstored().map(BackupMetrics::seconds));
    gauge(watch, "backup.window", seen -> seen.recoverable().map(BackupMetrics::seconds));
    gauge(watch, "backup.gaps", seen -> Optional.of((double) seen.status().gaps().size()));
  }

  private void gauge(
      StatusWatch watch, String name, Function<StatusWatch.Seen, Optional<Double>> figure) {
    Gauge.builder(name, watch, from -> from.seen().flatMap(figure).orElse(Double.NaN))
        .register(registry);
  }

  private static double seconds(Duration time) {
    return (double) time.toMillis() / 1000;
  }

  /** Times a backup, and counts how it ended. */
  BackupDescriptor timed(Supplier<BackupDescriptor> backup) {
    Timer.Sample run = Timer.start(registry);
    String outcome = "failed";
    try {
      BackupDescriptor made = backup.get();
      outcome = made.status().label();
      stored.increment((double) made.bytesStored());
      return made;
    } catch (BackupException e) {
      outcome = e.code();
      throw e;
    } finally {
      run.stop(registry.timer("backup.runs", "outcome", outcome));
    }
  }

  /** What a running job tells of itself. */
  Progress events(String job) {
    Counter warnings = registry.counter("backup.warnings", "job", job);
    AtomicLong done = progress.computeIfAbsent(job, this::progress);
    return new Progress() {
      @Override
      public void begin(String stage, long expectedBytes) {
        done.set(0);
      }

      @Override
      public void advance(long bytes, long expectedBytes) {
        done.set(bytes);
      }

      @Override
      public void warning(String message) {
        warnings.increment();
        LOG.warn("{}: {}", job, message);
      }
    };
  }

  private AtomicLong progress(String job) {
    AtomicLong done = new AtomicLong();
    Gauge.builder("backup.progress", done, AtomicLong::doubleValue)
        .tag("job", job)
        .baseUnit("bytes")
        .register(registry);
    return done;
  }
}
