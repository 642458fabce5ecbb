package com.thorbis.backup.dr.notify;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.spi.Settings;
import java.io.IOException;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A signal to somebody elsewhere that somebody looked here and found nothing critical. Whoever
 * waits for it raises an alarm when it does not come: that works when this machine is gone. Used by
 * one thread.
 */
public final class Heartbeat {
  static final String AREA = "heartbeat";

  private final PinnedHttp http;
  private final String method;
  private final boolean starts;
  private final boolean fails;
  private final Clock clock;
  private @Nullable Instant failingSince;

  private Heartbeat(PinnedHttp http, String method, boolean starts, boolean fails, Clock clock) {
    this.http = http;
    this.method = method;
    this.starts = starts;
    this.fails = fails;
    this.clock = clock;
  }

  /**
   * By settings: {@code url}; {@code method}, GET or POST; {@code start}, whether {@code url/start}
   * is called before a look; {@code fail}, whether {@code url/fail} is called after one that found
   * something critical; {@code timeout}, {@code allow-http} and {@code allow-private} as for a
   * webhook.
   */
  public static Heartbeat of(Settings settings, Clock clock) {
    String method = settings.find("method").orElse("GET");
    if (!method.equals("GET") && !method.equals("POST")) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              settings.describe("method") + ": \"" + method + "\" is neither GET nor POST")
          .remedy("Write one of them.")
          .build();
    }
    Heartbeat heartbeat =
        new Heartbeat(
            PinnedHttp.of(settings),
            method,
            settings.flag("start", false),
            settings.flag("fail", false),
            clock);
    settings.requireAllRead();
    return heartbeat;
  }

  /** Before a look; what does not work shows after it. */
  void begin() {
    if (starts) {
      try {
        send(http.below("/start"));
      } catch (IOException e) {
        // The signal after the look goes the same way, and its failure is an alarm.
      }
    }
  }

  /** After a look: the signal, or none; an alarm if it could not be given. */
  Optional<Alarm> end(List<Alarm> alarms) {
    boolean critical = alarms.stream().anyMatch(one -> one.severity() == Severity.CRITICAL);
    if (critical && !fails) {
      return Optional.empty();
    }
    try {
      send(critical ? http.below("/fail") : http);
      failingSince = null;
      return Optional.empty();
    } catch (IOException e) {
      if (failingSince == null) {
        failingSince = clock.instant();
      }
      return Optional.of(
          new Alarm(
              AlarmKind.HEARTBEAT,
              Severity.WARNING,
              AREA,
              http.host(),
              Optional.ofNullable(failingSince),
              "a signal to " + http.host() + " after each look",
              String.valueOf(e.getMessage()),
              "See whether this machine reaches it, and whether monitor.heartbeat.url is right."));
    }
  }

  private void send(PinnedHttp to) throws IOException {
    to.send(method, Map.of(), new byte[0]);
  }
}
