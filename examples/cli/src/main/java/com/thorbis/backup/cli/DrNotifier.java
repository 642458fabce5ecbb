package com.thorbis.backup.cli;

import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.dr.notify.Notice;
import com.thorbis.backup.dr.run.Notifier;
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

  @Override
  public void tell(String to, String text, String key) throws IOException {
    Config config = thorbis.config();
    if (config.watching().notifiers().isEmpty()) {
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
    if (failures.size() == config.watching().notifiers().size()) {
      throw new IOException("Nobody was told: " + String.join("; ", failures));
    }
  }
}
