package com.thorbis.backup.micrometer;

import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.Look.SourceFigures;
import com.thorbis.backup.dr.monitor.Monitor;
import com.thorbis.backup.dr.monitor.Severity;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.time.Clock;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

/**
 * Gauges of a monitor's last look. What was not seen is no number, rather than an old one; how old
 * the look is stands beside them, and ages go on between looks. The only tags are {@code source},
 * of the sources that are configured, and {@code severity}.
 *
 * <ul>
 *   <li>{@code thorbis.look.age} (seconds): how long ago the last look was
 *   <li>{@code thorbis.alarms} (by {@code severity}): how many alarms it found
 *   <li>{@code thorbis.copies.behind}: how many copies lack something or give no answer
 *   <li>{@code thorbis.unseen}: how many areas could not be looked at
 *   <li>{@code thorbis.backup.age} (seconds, by {@code source}): how old the last good backup is
 *   <li>{@code thorbis.backup.size} (bytes, by {@code source}): how large it is
 *   <li>{@code thorbis.backup.duration} (seconds, by {@code source}): how long it took
 *   <li>{@code thorbis.wal.lag} (seconds, by {@code source}): how old the oldest change may be that
 *       is not stored
 * </ul>
 */
public final class MonitorMetrics implements MeterBinder {
  private static final String SECONDS = "seconds";
  private static final Set<AlarmKind> COPIES =
      EnumSet.of(AlarmKind.COPY_BEHIND, AlarmKind.COPY_UNREACHABLE, AlarmKind.COPY_WRONG);

  private final Supplier<Optional<Look>> last;
  private final List<String> sources;
  private final Clock clock;

  /**
   * Of a monitor.
   *
   * @param sources the names of the sources that it looks at
   */
  public MonitorMetrics(Monitor monitor, List<String> sources) {
    this(monitor::lastLook, sources, Clock.systemUTC());
  }

  MonitorMetrics(Supplier<Optional<Look>> last, List<String> sources, Clock clock) {
    this.last = last;
    this.sources = List.copyOf(sources);
    this.clock = clock;
  }

  @Override
  public void bindTo(MeterRegistry registry) {
    gauge(registry, "thorbis.look.age", SECONDS, "How long ago the last look was", this::age);
    gauge(
        registry,
        "thorbis.copies.behind",
        "copies",
        "Copies that lack something or give no answer",
        look ->
            look.unseen().contains("copies")
                ? Double.NaN
                : count(look, alarm -> COPIES.contains(alarm.kind())));
    gauge(
        registry,
        "thorbis.unseen",
        "areas",
        "What could not be looked at",
        look -> look.unseen().size());
    for (Severity severity : Severity.values()) {
      Gauge.builder(
              "thorbis.alarms",
              this,
              self -> self.of(look -> count(look, alarm -> alarm.severity() == severity)))
          .tag("severity", severity.label())
          .description("Alarms of the last look")
          .register(registry);
    }
    for (String source : sources) {
      gauge(
          registry,
          source,
          "thorbis.backup.age",
          SECONDS,
          "How old the last good backup is",
          (look, figures) -> figures.backupAge().map(age -> seconds(age) + age(look)));
      gauge(
          registry,
          source,
          "thorbis.backup.size",
          "bytes",
          "How large the last good backup is",
          (look, figures) -> figures.bytes().map(Long::doubleValue));
      gauge(
          registry,
          source,
          "thorbis.backup.duration",
          SECONDS,
          "How long the last good backup took",
          (look, figures) -> figures.duration().map(MonitorMetrics::seconds));
      gauge(
          registry,
          source,
          "thorbis.wal.lag",
          SECONDS,
          "How old the oldest change may be that is not stored",
          (look, figures) -> figures.lag().map(lag -> seconds(lag) + age(look)));
    }
  }

  /** A figure of a source. */
  @FunctionalInterface
  private interface Figure {
    Optional<Double> of(Look look, SourceFigures figures);
  }

  private void gauge(
      MeterRegistry registry,
      String source,
      String name,
      String unit,
      String description,
      Figure figure) {
    Gauge.builder(
            name,
            this,
            self ->
                self.of(
                    look ->
                        look.sources().stream()
                            .filter(one -> one.name().equals(source))
                            .flatMap(one -> figure.of(look, one).stream())
                            .findFirst()
                            .orElse(Double.NaN)))
        .tag("source", source)
        .baseUnit(unit)
        .description(description)
        .register(registry);
  }

  private void gauge(
      MeterRegistry registry,
      String name,
      String unit,
      String description,
      ToDoubleFunction<Look> figure) {
    Gauge.builder(name, this, self -> self.of(figure))
        .baseUnit(unit)
        .description(description)
        .register(registry);
  }

  private double of(ToDoubleFunction<Look> figure) {
    return last.get().map(figure::applyAsDouble).orElse(Double.NaN);
  }

  private static double count(Look look, Predicate<Alarm> which) {
    return look.alarms().stream().filter(which).count();
  }

  private double age(Look look) {
    return seconds(Duration.between(look.at(), clock.instant()));
  }

  private static double seconds(Duration span) {
    return span.toMillis() / 1000.0;
  }
}
