package com.thorbis.backup.postgres.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreRequest.Action;
import com.thorbis.backup.api.Timeline;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RecoverySettingsTest {
  private static final Timeline TEN = new Timeline(10);
  private static final Instant TIME = Instant.parse("2026-03-29T01:30:00.1234567Z");

  private static Map<String, RecoveryTarget> targets() {
    Map<String, RecoveryTarget> targets = new LinkedHashMap<>();
    targets.put("latest", new RecoveryTarget.Latest());
    targets.put("immediate", new RecoveryTarget.Immediate());
    targets.put("time", new RecoveryTarget.AtTime(TIME, true));
    targets.put("time exclusive", new RecoveryTarget.AtTime(TIME, false));
    targets.put("lsn", new RecoveryTarget.AtLsn(Lsn.parse("16/3002D50"), true));
    targets.put("lsn exclusive", new RecoveryTarget.AtLsn(Lsn.parse("16/3002D50"), false));
    targets.put("xid", new RecoveryTarget.AtTransaction(4_294_967_295L, true));
    targets.put("xid exclusive", new RecoveryTarget.AtTransaction(3, false));
    targets.put("name", new RecoveryTarget.AtName("it's a \\ name %p"));
    return targets;
  }

  @Test
  void w30SettingsOfEveryVersionTargetAndActionAreTheRecordedOnes() throws IOException {
    StringBuilder all = new StringBuilder();
    for (int major = 14; major <= 18; major++) {
      for (Map.Entry<String, RecoveryTarget> target : targets().entrySet()) {
        for (Action action : Action.values()) {
          if (target.getValue() instanceof RecoveryTarget.Latest && action != Action.PROMOTE) {
            continue;
          }
          RecoverySettings settings =
              RecoverySettings.of(major, target.getValue(), action, TEN, "get '%f' \"%p\"");
          all.append("# ").append(major).append(' ').append(target.getKey()).append(' ');
          all.append(action.label()).append(": ").append(settings.signalFile()).append('\n');
          all.append(settings.lines());
        }
      }
    }
    try (InputStream golden =
        RecoverySettingsTest.class.getResourceAsStream("recovery-settings.txt")) {
      assertThat(all.toString())
          .isEqualTo(new String(golden.readAllBytes(), StandardCharsets.UTF_8));
    }
  }

  @Test
  void latestCannotPause() {
    for (Action action : List.of(Action.PAUSE, Action.SHUTDOWN)) {
      assertThatThrownBy(
              () -> RecoverySettings.of(15, new RecoveryTarget.Latest(), action, TEN, "get"))
          .isInstanceOf(BackupException.class)
          .hasMessageContaining("cannot " + action.label());
    }
  }

  @Test
  void otherVersionsAndTimesOutsideThisEraAreRefused() {
    RecoveryTarget target = new RecoveryTarget.Immediate();
    for (int major : new int[] {13, 19}) {
      assertThatThrownBy(() -> RecoverySettings.of(major, target, Action.PAUSE, TEN, "get"))
          .isInstanceOf(BackupException.class);
    }
    for (Instant time : List.of(Instant.MIN, Instant.MAX)) {
      RecoveryTarget far = new RecoveryTarget.AtTime(time, true);
      assertThatThrownBy(() -> RecoverySettings.of(15, far, Action.PAUSE, TEN, "get"))
          .isInstanceOf(BackupException.class);
    }
  }

  @Property
  void anyValueComesBackAsItWasOrIsRefused(@ForAll String value) {
    boolean control = value.chars().anyMatch(Character::isISOControl);
    try {
      String line = RecoverySettings.line("restore_command", value);
      assertThat(control).isFalse();
      assertThat(read(line)).isEqualTo(value);
    } catch (BackupException e) {
      assertThat(control).isTrue();
    }
  }

  /** Reads a quoted value as the server's configuration scanner does. */
  private static String read(String line) {
    assertThat(line).startsWith("restore_command = '").endsWith("'\n");
    String quoted = line.substring("restore_command = '".length(), line.length() - 2);
    List<Character> text = new ArrayList<>();
    for (int i = 0; i < quoted.length(); i++) {
      char c = quoted.charAt(i);
      if (c == '\\') {
        i++;
        c = quoted.charAt(i);
        assertThat(c).isEqualTo('\\');
      } else if (c == '\'') {
        i++;
        assertThat(quoted.charAt(i)).isEqualTo('\'');
      }
      text.add(c);
    }
    StringBuilder value = new StringBuilder();
    text.forEach(value::append);
    return value.toString();
  }

  @Test
  void w30AStandbyHasNoTargetAndOutlivesACommandThatFails() {
    RecoverySettings standby =
        RecoverySettings.standby(15, "host='db 1' user=me", Optional.of("one"), "sh fetch %f");
    assertThat(standby.signalFile()).isEqualTo("standby.signal");
    assertThat(standby.lines())
        .isEqualTo(
            "restore_command = '( sh fetch %f ) || exit 1'\n"
                + "recovery_target_timeline = 'latest'\n"
                + "primary_conninfo = 'host=''db 1'' user=me'\n"
                + "primary_slot_name = 'one'\n"
                + "hot_standby = 'on'\n");
    assertThat(RecoverySettings.conninfoValue("it's \\")).isEqualTo("'it\\'s \\\\'");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "host=db password=secret",
        "PASSWORD = 'x' host=db",
        "sslpassword=x",
        "postgresql://me:secret@db/",
        "postgresql://db/?user=me&password=secret"
      })
  void aPasswordNeverComesIntoTheConfiguration(String conninfo) {
    assertThatThrownBy(() -> RecoverySettings.standby(15, conninfo, Optional.empty(), "x"))
        .isInstanceOf(BackupException.class)
        .hasMessageNotContaining("secret");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "Mine", "a b", "x'y"})
  void aSlotThatNoServerHasIsRefused(String slot) {
    assertThatThrownBy(() -> RecoverySettings.standby(15, "host=db", Optional.of(slot), "x"))
        .isInstanceOf(BackupException.class);
  }

  /** PostgreSQL takes more than 125 for the order to end. */
  @ParameterizedTest
  @CsvSource({"0, 0", "1, 1", "126, 1"})
  void aCommandOfAStandbyEndsAsPostgresMayHearIt(int code, int heard) throws Exception {
    String command = "trap 'exit " + code + "' EXIT; for t in 1; do exit; done";
    RecoverySettings standby = RecoverySettings.standby(15, "host=db", Optional.empty(), command);
    Process shell = new ProcessBuilder("sh", "-c", standby.values().get("restore_command")).start();
    assertThat(shell.waitFor()).isEqualTo(heard);
  }
}
