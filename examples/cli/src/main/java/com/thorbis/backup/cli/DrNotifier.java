package com.thorbis.backup.cli;

import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Monitor;
import com.thorbis.backup.dr.monitor.RecoveryFact;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.dr.notify.Notice;
import com.thorbis.backup.dr.run.Notifier;
import com.thorbis.backup.dr.run.RunReport;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Tells people what a step of a run tells, through every notifier that is configured. */
final class DrNotifier implements Notifier {
  private final Thorbis thorbis;

  DrNotifier(Thorbis thorbis) {
    this.thorbis = thorbis;
  }

  /** Tells of a run that did not end well; that nobody could be told changes nothing. */
  static void ended(Thorbis thorbis, RunReport report) {
    RecoveryFact fact = DrWatch.fact(report, false, thorbis.clock().instant());
    for (Alarm alarm : Monitor.alarms(List.of(fact), thorbis.clock().instant())) {
      try {
        raise(thorbis, alarm);
      } catch (IOException | RuntimeException e) {
        thorbis.warning("how run " + report.run() + " ended was told to nobody: " + e.getMessage());
      }
    }
  }

  @Override
  public void tell(String to, String text, String key) throws IOException {
    if (thorbis.config().watching().notifiers().isEmpty()) {
      throw new IOException(to + " cannot be told from here: notify.notifiers names nobody");
    }
    Instant now = thorbis.clock().instant();
    Alarm alarm =
        new Alarm(
            AlarmKind.RECOVERY,
            Severity.CRITICAL,
            "recovery",
            key,
            Optional.of(now),
            to + " to know",
            text,
            "See thorbis dr status " + key.substring(0, Math.max(0, key.indexOf('/'))) + ".");
    raise(thorbis, alarm);
  }

  /**
   * Tells everybody at once, whatever the ladder says.
   *
   * @throws IOException if nobody was told, although somebody is to be
   */
  static void raise(Thorbis thorbis, Alarm alarm) throws IOException {
    Config config = thorbis.config();
    Instant now = thorbis.clock().instant();
    List<Notice> notices = List.of(new Notice(Notice.Event.RAISED, alarm, now, now));
    List<String> failures = new ArrayList<>();
    for (String name : config.watching().notifiers().keySet()) {
      try (com.thorbis.backup.dr.notify.Notifier notifier =
          config.watching().notifier(name, config.stateDirectory(), thorbis.clock())) {
        notifier.tell(notices);
      } catch (IOException e) {
        failures.add(name + ": " + e.getMessage());
      }
    }
    if (!failures.isEmpty() && failures.size() == config.watching().notifiers().size()) {
      throw new IOException("Nobody was told: " + String.join("; ", failures));
    }
  }
}
