package com.thorbis.backup.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.Severity;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class MonitorMetricsTest {
  private static final Instant NOW = Instant.parse("2026-03-01T12:00:00Z");

  private final AtomicReference<Optional<Look>> last = new AtomicReference<>(Optional.empty());
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  private double value(String name, String... tags) {
    return registry.get(name).tags(tags).gauge().value();
  }

  @Test
  void figuresAreOfTheLastLookAndNoneIsInvented() {
    new MonitorMetrics(last::get, List.of("orders", "shop"), Clock.fixed(NOW, ZoneOffset.UTC))
        .bindTo(registry);
    assertThat(value("thorbis.look.age")).isNaN();
    assertThat(value("thorbis.alarms", "severity", "critical")).isNaN();
    assertThat(value("thorbis.backup.age", "source", "orders")).isNaN();

    Alarm behind =
        new Alarm(
            AlarmKind.COPY_BEHIND,
            Severity.WARNING,
            "copies",
            "two",
            Optional.empty(),
            "all",
            "less",
            "sync");
    Look.SourceFigures orders =
        new Look.SourceFigures(
            "orders",
            Optional.of(Duration.ofHours(1)),
            Optional.of(Duration.ofSeconds(5)),
            Optional.of(1000L),
            Optional.of(Duration.ofSeconds(90)));
    Instant before = NOW.minusSeconds(60);
    last.set(
        Optional.of(new Look(before, List.of(behind), List.of(orders), Set.of("source shop"))));
    assertThat(value("thorbis.look.age")).isEqualTo(60);
    assertThat(value("thorbis.alarms", "severity", "critical")).isZero();
    assertThat(value("thorbis.alarms", "severity", "warning")).isEqualTo(1);
    assertThat(value("thorbis.copies.behind")).isEqualTo(1);
    assertThat(value("thorbis.unseen")).isEqualTo(1);
    assertThat(value("thorbis.backup.age", "source", "orders")).isEqualTo(3660);
    assertThat(value("thorbis.backup.size", "source", "orders")).isEqualTo(1000);
    assertThat(value("thorbis.backup.duration", "source", "orders")).isEqualTo(90);
    assertThat(value("thorbis.wal.lag", "source", "orders")).isEqualTo(65);
    assertThat(value("thorbis.backup.age", "source", "shop")).isNaN();

    last.set(Optional.of(new Look(NOW, List.of(), List.of(), Set.of("copies"))));
    assertThat(value("thorbis.copies.behind")).isNaN();
  }
}
