package com.thorbis.backup.dr.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.dr.failover.Fence.Mode;
import com.thorbis.backup.dr.failover.Fence.State;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CommandFenceTest {
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final ServerAccess server = new FakeServer("db1", false).access();
  @TempDir Path folder;

  private List<String> script(String text) throws IOException {
    Path file = Files.createTempFile(folder, "script", ".sh");
    Files.writeString(file, text);
    return List.of("/bin/sh", file.toString());
  }

  @Test
  void theProgramClosesItAndTheOtherOneProvesIt() throws Exception {
    Path power = folder.resolve("off");
    Fence fence =
        new CommandFence(
            server,
            script("echo \"$THORBIS_SERVER $THORBIS_HOST $THORBIS_PORT\" > " + power),
            script("test -e " + power),
            script("rm -f " + power),
            PATIENCE);
    assertThat(fence.look().state()).isEqualTo(State.OPEN);
    assertThat(fence.close(Mode.FORCE, PATIENCE).state()).isEqualTo(State.CLOSED);
    assertThat(power).hasContent("db1 db1.example 5432");
    assertThat(fence.lifts()).isTrue();
    fence.lift();
    assertThat(fence.look().state()).isEqualTo(State.OPEN);
  }

  /** What the first one says about itself is no proof. */
  @ParameterizedTest
  @CsvSource({"0,0,CLOSED", "7,0,CLOSED", "0,1,OPEN", "0,2,CANNOT_TELL", "0,126,CANNOT_TELL"})
  void theLookAloneTells(int command, int check, State state) throws Exception {
    Fence fence =
        new CommandFence(
            server, script("exit " + command), script("exit " + check), List.of(), PATIENCE);
    Fence.Finding found = fence.close(Mode.GRACEFUL, PATIENCE);
    assertThat(found.state()).isEqualTo(state);
    assertThat(found.detail()).contains("ended with " + command).contains("ended with " + check);
    assertThat(fence.lifts()).isFalse();
  }

  @Test
  void aProgramThatIsMissingTellsNothingAndAFenceWithoutALookIsNone() throws Exception {
    Fence fence =
        new CommandFence(
            server, List.of("/no/such"), List.of("/no/such"), List.of("/no/such"), PATIENCE);
    assertThat(fence.close(Mode.FORCE, PATIENCE).state()).isEqualTo(State.CANNOT_TELL);
    assertThatThrownBy(fence::lift).isInstanceOf(IOException.class);
    assertThatThrownBy(
            () -> new CommandFence(server, List.of("off"), List.of(), List.of(), PATIENCE))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aProgramThatDoesNotEndIsKilled() throws Exception {
    Fence fence =
        new CommandFence(
            server,
            script("exit 0"),
            List.of("/bin/sleep", "60"),
            List.of(),
            Duration.ofMillis(200));
    assertThat(fence.look().state()).isEqualTo(State.CANNOT_TELL);
  }
}
