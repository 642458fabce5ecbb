package com.thorbis.backup.dr.notify;

import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.Severity;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Alarms and notices for tests. */
final class Notices {
  static final Instant NOW = Instant.parse("2026-03-01T12:00:00Z");

  private Notices() {}

  static Alarm alarm(AlarmKind kind, Severity severity, String subject) {
    return new Alarm(
        kind,
        severity,
        "source " + subject,
        subject,
        Optional.of(NOW.minusSeconds(60)),
        "a \"backup\"",
        "none\r\nX: y \uD83D\uDE00 \u202E",
        "Run backup.");
  }

  static Alarm late(Severity severity) {
    return alarm(AlarmKind.LATE, severity, "orders");
  }

  static Notice notice() {
    return new Notice(Notice.Event.RAISED, late(Severity.CRITICAL), NOW.minusSeconds(1), NOW);
  }

  static Look look(Instant at, Alarm... alarms) {
    return new Look(at, List.of(alarms), List.of(), Set.of());
  }
}
