package com.thorbis.backup.dr.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PgBouncerSwitchTest {
  private static final String OLD = "db1:5432";
  private static final String NEW = "db2:5433";
  private static final String FILE =
      """
      [databases]
      apples = host=db9 port=9
      ; app = host=no
      app = user=app host=db1 port=5432 password='host=x ''y' pool_mode=transaction
      [pgbouncer]
      app = host=not port=this
      """;

  @TempDir Path folder;
  private Path ini;
  private FakeConsole console;

  @BeforeEach
  void configure() throws IOException {
    ini = folder.resolve("pgbouncer.ini");
    begin();
  }

  @Test
  void theEntryIsChangedAndBroughtBackAndNothingElse() throws IOException {
    PgBouncerSwitch traffic = open();
    assertThat(traffic.current()).isEqualTo(OLD);
    assertThat(traffic.set(OLD, NEW)).isZero();
    assertThat(Files.readString(ini))
        .isEqualTo(FILE.replace("host=db1 port=5432", "host=db2 port=5433"));
    assertThat(traffic.points(NEW)).isTrue();
    int before = console.asked.size();
    traffic.set(OLD, NEW);
    assertThat(console.asked.subList(before, console.asked.size())).containsOnly("SHOW DATABASES");
    traffic.set(NEW, OLD);
    assertThat(Files.readString(ini)).isEqualTo(FILE);
    assertThat(traffic.current()).isEqualTo(OLD);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whoeverDiesBetweenTwoCommandsIsFinishedOrTakenBack(boolean after) throws IOException {
    int most = commandsOfOneChange();
    for (boolean back : new boolean[] {false, true}) {
      for (int last = 1; last <= most; last++) {
        begin();
        int dies = last;
        console.trouble =
            (number, done) -> {
              if (number == dies && done == after) {
                throw new Died();
              }
            };
        assertThatThrownBy(() -> open().set(OLD, NEW)).isInstanceOf(Died.class);
        console.trouble = (number, done) -> {};
        if (back) {
          open().set(NEW, OLD);
        } else {
          open().set(OLD, NEW);
        }
        assertServes(back ? OLD : NEW);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void oneLostAnswerLeavesTheOldPlaceOrTheNewAndNothingPaused(boolean after) throws IOException {
    int most = commandsOfOneChange();
    for (int lost = 1; lost <= most; lost++) {
      begin();
      int number = lost;
      console.trouble =
          (command, done) -> {
            if (command == number && done == after) {
              throw new IOException("connection reset");
            }
          };
      SwitchException failure =
          catchThrowableOfType(SwitchException.class, () -> open().set(OLD, NEW));
      if (failure.kind() == FailureKind.OUTCOME_UNKNOWN) {
        assertThat(failure).hasMessageContaining("RESUME");
        open().set(OLD, NEW);
        assertServes(NEW);
      } else {
        assertServes(OLD);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aConsoleThatGoesAwayNeverLeavesItPausedInSilence(boolean after) throws IOException {
    int most = commandsOfOneChange();
    for (int first = 1; first <= most; first++) {
      begin();
      int number = first;
      console.trouble =
          (command, done) -> {
            if (command > number || (command == number && done == after)) {
              throw new IOException("nobody answers");
            }
          };
      SwitchException failure =
          catchThrowableOfType(SwitchException.class, () -> open().set(OLD, NEW));
      if (console.paused || !Files.readString(ini).equals(FILE)) {
        assertThat(failure.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN);
        assertThat(failure).hasMessageContaining("clients wait until RESUME \"app\"");
      }
      console.trouble = (command, done) -> {};
      open().set(OLD, NEW);
      assertServes(NEW);
    }
  }

  @Test
  void transactionsThatDoNotEndKeepTheirPlace() throws IOException {
    console.busy = true;
    assertCode(() -> open().set(OLD, NEW), "traffic.busy");
    assertServes(OLD);
    assertThat(console.asked).contains("RESUME \"app\"").doesNotContain("RELOAD", "KILL \"app\"");
  }

  @Test
  void transactionsThatDoNotEndAreDroppedWhereThatIsWanted() throws IOException {
    console.busy = true;
    new PgBouncerSwitch(builder().kill(true), console).set(OLD, NEW);
    assertServes(NEW);
    assertThat(console.asked).contains("KILL \"app\"");
  }

  @Test
  void aFileThatPgBouncerDoesNotTakeIsBroughtBack() throws IOException {
    console.stubborn = true;
    assertCode(() -> open().set(OLD, NEW), "traffic.refused");
    assertServes(OLD);
  }

  @Test
  void anInterruptIsKeptAndNothingStaysPaused() throws IOException {
    console.trouble =
        (number, done) -> {
          if (Thread.currentThread().isInterrupted()) {
            throw new java.io.InterruptedIOException("was interrupted");
          }
          if (console.asked.get(number - 1).startsWith("PAUSE")) {
            Thread.currentThread().interrupt();
          }
        };
    assertCode(() -> open().set(OLD, NEW), "traffic.unavailable");
    assertThat(Thread.interrupted()).isTrue();
    assertServes(OLD);
  }

  @Test
  void whatSomebodyElseHasMovedStays() throws IOException {
    Files.writeString(ini, FILE.replace("host=db1", "host=db7"));
    assertCode(() -> open().set(OLD, NEW), "traffic.changed");
    assertCode(() -> open().current(), "traffic.in-between");
    Files.writeString(ini, FILE);
    console.host = "db7"; // the file was brought back, and nobody has told PgBouncer
    assertCode(() -> open().set(OLD, NEW), "traffic.changed");
    assertThat(console.asked).containsOnly("SHOW DATABASES");
  }

  @Test
  void aDisabledDatabaseServesNobody() throws IOException {
    console.disabled = true;
    assertThat(open().points(OLD)).isFalse();
    assertCode(() -> open().set(OLD, NEW), "traffic.unsafe");
  }

  @Test
  void whatIsNotThereIsNamed() throws IOException {
    Files.writeString(ini, "[databases]\n* = host=db1\n");
    assertThatThrownBy(() -> open().current()).hasMessageContaining("no entry of its own");
    Files.writeString(ini, "[databases]\nother = host=db1\n");
    PgBouncerSwitch other = new PgBouncerSwitch(builder().database("other"), console);
    assertThatThrownBy(other::current).hasMessageContaining("does not know this database");
    assertThatThrownBy(() -> builder().database("a\"; KILL \"b"))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private void begin() throws IOException {
    Files.writeString(ini, FILE);
    console = new FakeConsole(ini);
  }

  private int commandsOfOneChange() throws IOException {
    open().set(OLD, NEW);
    int most = console.asked.size();
    assertThat(most).isGreaterThan(4);
    begin();
    return most;
  }

  private void assertServes(String place) throws IOException {
    assertThat(open().points(place)).isTrue();
    assertThat(console.paused).isFalse();
  }

  private static void assertCode(
      org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String code) {
    assertThat(catchThrowableOfType(SwitchException.class, call).code()).isEqualTo(code);
  }

  private PgBouncerSwitch.Builder builder() {
    return PgBouncerSwitch.builder()
        .file(ini)
        .database("app")
        .console(folder, 6432)
        .pause(Duration.ofSeconds(1));
  }

  private PgBouncerSwitch open() {
    return new PgBouncerSwitch(builder(), console);
  }

  /** The process is gone: nothing of it runs any more. */
  private static final class Died extends Error {
    private static final long serialVersionUID = 1L;
  }
}
