package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Timeline;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What makes a server recover to a moment: a function of version, target, action, timeline and
 * command, and of nothing else.
 *
 * @param values settings in the order to write them
 * @param signalFile the empty file that must lie in the data directory
 */
public record RecoverySettings(Map<String, String> values, String signalFile) {
  private static final Pattern PASSWORD =
      Pattern.compile("(^|[\\s?&])(ssl)?password\\s*=|://[^/@]*:[^/@]*@", Pattern.CASE_INSENSITIVE);
  private static final Pattern SLOT = Pattern.compile("[a-z0-9_]{1,63}");
  private static final int OLDEST = 14;
  private static final int NEWEST = 18;
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss.SSSSSS'+00'", Locale.ROOT)
          .withZone(ZoneOffset.UTC);
  private static final Instant FIRST = Instant.parse("1900-01-01T00:00:00Z");
  private static final Instant LAST = Instant.parse("9999-12-31T00:00:00Z");

  /** Copies the map. */
  public RecoverySettings {
    values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
  }

  /**
   * The settings.
   *
   * @param major the server's major version
   * @param target the moment, as the plan has it
   * @param action what happens there; a server that has no target always promotes
   * @param timeline the timeline to follow
   * @param restoreCommand how the server gets WAL
   */
  public static RecoverySettings of(
      int major,
      RecoveryTarget target,
      RestoreRequest.Action action,
      Timeline timeline,
      String restoreCommand) {
    requireSupported(major);
    Map<String, String> values = new LinkedHashMap<>();
    values.put("restore_command", restoreCommand);
    values.put("recovery_target_timeline", timeline.toString());
    if (target instanceof RecoveryTarget.Latest) {
      if (action != RestoreRequest.Action.PROMOTE) {
        throw refused(
            "A server that recovers to the end of the log cannot " + action.label() + " there",
            "Give it the last record as its target.");
      }
      return new RecoverySettings(values, "recovery.signal");
    } else if (target instanceof RecoveryTarget.Immediate) {
      values.put("recovery_target", "immediate");
    } else if (target instanceof RecoveryTarget.AtTime time) {
      values.put("recovery_target_time", time(time));
      values.put("recovery_target_inclusive", onOff(time.inclusive()));
    } else if (target instanceof RecoveryTarget.AtLsn lsn) {
      values.put("recovery_target_lsn", lsn.position().toString());
      values.put("recovery_target_inclusive", onOff(lsn.inclusive()));
    } else if (target instanceof RecoveryTarget.AtTransaction transaction) {
      values.put("recovery_target_xid", Long.toString(transaction.xid()));
      values.put("recovery_target_inclusive", onOff(transaction.inclusive()));
    } else if (target instanceof RecoveryTarget.AtName name) {
      values.put("recovery_target_name", name.name());
    }
    values.put("recovery_target_action", action.label());
    if (action == RestoreRequest.Action.PAUSE) {
      // Without it a server shuts down instead of pausing.
      values.put("hot_standby", "on");
    }
    return new RecoverySettings(values, "recovery.signal");
  }

  /**
   * The settings of a server that stays in recovery and follows another.
   *
   * @param primaryConninfo how it connects; a password in it would lie in a file and on command
   *     lines, and is refused
   * @param slot the physical replication slot it uses
   * @param restoreCommand how it gets WAL that the other has no more
   */
  public static RecoverySettings standby(
      int major, String primaryConninfo, Optional<String> slot, String restoreCommand) {
    requireSupported(major);
    if (PASSWORD.matcher(primaryConninfo).find()) {
      throw refused(
          "primary_conninfo has a password, which would be shown to whoever lists processes",
          "Put it into the .pgpass of the account that the server runs as, or give passfile=.");
    }
    if (slot.filter(name -> !SLOT.matcher(name).matches()).isPresent()) {
      throw refused(
          "No replication slot is called \"" + slot.get() + "\"",
          "Use lower case letters, digits and underscores, at most 63.");
    }
    Map<String, String> values = new LinkedHashMap<>();
    // A server ends when its command fails with more than 125, and a standby must outlive that: it
    // asks the other server next, and comes back.
    values.put("restore_command", "( " + restoreCommand + " ) || exit 1");
    values.put("recovery_target_timeline", "latest");
    values.put("primary_conninfo", primaryConninfo);
    slot.ifPresent(name -> values.put("primary_slot_name", name));
    values.put("hot_standby", "on");
    return new RecoverySettings(values, "standby.signal");
  }

  /** A value in a libpq connection string (PostgreSQL 34.1.1.1). */
  public static String conninfoValue(String value) {
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }

  private static void requireSupported(int major) {
    if (major < OLDEST || major > NEWEST) {
      throw refused("PostgreSQL " + major + " is not supported", "Use 14 to 18.");
    }
  }

  /** The lines for {@code postgresql.auto.conf}, each ended by a newline. */
  public String lines() {
    StringBuilder text = new StringBuilder();
    values.forEach((name, value) -> text.append(line(name, value)));
    return text.toString();
  }

  /**
   * One line for {@code postgresql.auto.conf}.
   *
   * @throws BackupException if the value cannot be written on one line
   */
  public static String line(String name, String value) {
    for (int i = 0; i < value.length(); i++) {
      if (Character.isISOControl(value.charAt(i))) {
        throw refused(
            "The value for " + name + " has a control character", "Leave control characters out.");
      }
    }
    return name + " = '" + value.replace("\\", "\\\\").replace("'", "''") + "'\n";
  }

  /** The server counts whole microseconds, so a finer target moves to the one it means. */
  private static String time(RecoveryTarget.AtTime target) {
    Instant time = target.time();
    if (time.isBefore(FIRST) || time.isAfter(LAST)) {
      throw refused("No server has a commit at " + time, "Choose a time in this era.");
    }
    Instant whole = time.truncatedTo(ChronoUnit.MICROS);
    boolean up = !target.inclusive() && !whole.equals(time);
    return TIME.format(up ? whole.plus(1, ChronoUnit.MICROS) : whole);
  }

  private static String onOff(boolean on) {
    return on ? "on" : "off";
  }

  private static BackupException refused(String message, String remedy) {
    return BackupException.of("restore.settings-invalid", FailureKind.CONFIGURATION, message)
        .remedy(remedy)
        .build();
  }
}
