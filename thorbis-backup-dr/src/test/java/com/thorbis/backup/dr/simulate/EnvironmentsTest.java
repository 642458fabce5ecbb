package com.thorbis.backup.dr.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EnvironmentsTest {
  private static final Instant START = Instant.parse("2027-01-26T10:00:00Z");

  @TempDir Path directory;

  private final SettableClock clock = SettableClock.at(START);
  private Path state;
  private Path place;
  private Environments environments;

  @BeforeEach
  void make() throws IOException {
    directory = directory.toRealPath();
    state = directory.resolve("state");
    place = directory.resolve("thorbis-dr-1");
    environments = new Environments(state, clock);
    environments.release(); // nothing is there yet, which is no failure
  }

  private EnvironmentLease lease() {
    return new EnvironmentLease(
        "dr-test-primary",
        "1",
        "process 1 of nobody",
        START,
        START.plus(Duration.ofMinutes(30)),
        place,
        List.of());
  }

  /** As a process leaves it that was killed in the middle. */
  private void leave(EnvironmentLease lease) throws IOException {
    environments.take("other").close(); // makes the folder
    lease.save(environments.lease(lease.name()));
    Files.createDirectories(place.resolve("primary"));
    Files.writeString(place.resolve(Environments.MARKER), lease.id());
    Files.writeString(place.resolve("primary/PG_VERSION"), "15\n");
  }

  @Test
  void theNextOneRemovesWhatAKilledOneLeft() throws IOException {
    leave(lease());
    List<Environments.Removed> removed = environments.sweep();
    assertThat(removed)
        .containsExactly(
            new Environments.Removed(
                "dr-test-primary", place, "process 1 of nobody", 0, List.of()));
    assertThat(place).doesNotExist();
    assertThat(environments.lease("dr-test-primary")).doesNotExist();
    assertThat(environments.sweep()).isEmpty();
  }

  @Test
  void oneThatIsUsedStaysUntilItsLeaseEnds() throws IOException {
    leave(lease());
    try (Environments.Held held = environments.take("dr-test-primary")) {
      assertThat(held.file()).exists();
      assertThat(environments.sweep()).isEmpty();
      clock.advance(Duration.ofMinutes(29));
      assertThat(environments.sweep()).isEmpty();
      assertThat(place).exists();
      clock.advance(Duration.ofMinutes(2));
      assertThat(environments.sweep()).hasSize(1);
      assertThat(place).doesNotExist();
    }
  }

  @Test
  void oneNameIsUsedOnce() throws IOException {
    leave(lease());
    try (Environments.Held held = environments.take("dr-test-primary")) {
      assertThat(held.file()).exists();
      assertThatThrownBy(() -> environments.take("dr-test-primary"))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("environment.busy"))
          .hasMessageContaining("process 1 of nobody");
    }
    environments.take("dr-test-primary").close();
  }

  @Test
  void whatIsNotMarkedStays() throws IOException {
    leave(lease());
    Files.writeString(place.resolve(Environments.MARKER), "2");
    assertThatThrownBy(environments::sweep)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("environment.not-marked"));
    assertThat(place.resolve("primary/PG_VERSION")).exists();

    Files.delete(place.resolve(Environments.MARKER));
    assertThatThrownBy(environments::sweep).isInstanceOf(BackupException.class);
    assertThat(place.resolve("primary/PG_VERSION")).exists();
  }

  @Test
  void oneThatWasWrittenDownOnlyIsForgotten() throws IOException {
    environments.take("other").close();
    lease().save(environments.lease("dr-test-primary"));
    assertThat(environments.sweep()).hasSize(1);
    assertThat(environments.lease("dr-test-primary")).doesNotExist();

    lease().save(environments.lease("dr-test-primary"));
    Files.createDirectory(place); // killed before it was marked
    assertThat(environments.sweep()).hasSize(1);
    assertThat(place).doesNotExist();
  }

  @Test
  void faultsAreTold() throws IOException {
    EnvironmentLease.Fault fault =
        new EnvironmentLease.Fault(
            "database-failure", START, START.plusSeconds(60), Map.of("server", "primary"), false);
    leave(lease().with(fault));
    assertThat(environments.sweep().get(0).faults()).containsExactly("database-failure");

    leave(
        lease()
            .with(fault)
            .with(
                new EnvironmentLease.Fault(
                    fault.disaster(), fault.at(), fault.until(), fault.undo(), true)));
    assertThat(environments.sweep().get(0).faults()).isEmpty();
  }

  @Test
  void oneStopEndsAllAndLetsNoneBegin() throws IOException {
    leave(lease());
    environments.stop("ada");
    assertThat(place).doesNotExist();
    assertThat(environments.stopped()).contains("ada");
    assertThatThrownBy(environments::requireNotStopped)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("environment.stopped"))
        .hasMessageContaining("ada");
    environments.release();
    environments.requireNotStopped();
  }

  @Test
  void theLeaseIsReadAsItWasWritten() throws IOException {
    EnvironmentLease lease =
        lease()
            .with(
                new EnvironmentLease.Fault(
                    "database-failure",
                    START,
                    START.plusSeconds(60),
                    Map.of("server", "primary"),
                    false));
    assertThat(EnvironmentLease.parse(lease.bytes())).isEqualTo(lease);
    EnvironmentLease fixed =
        new EnvironmentLease(
            lease.name(),
            lease.id(),
            lease.owner(),
            lease.since(),
            lease.until(),
            Path.of("/var/tmp/thorbis-dr-1"),
            lease.faults());
    assertThat(new String(fixed.bytes(), StandardCharsets.UTF_8))
        .isEqualTo(
            "{\"faults\":[{\"at\":\"2027-01-26T10:00:00Z\",\"disaster\":\"database-failure\","
                + "\"undo\":{\"server\":\"primary\"},\"undone\":false,"
                + "\"until\":\"2027-01-26T10:01:00Z\"}],"
                + "\"folder\":\"/var/tmp/thorbis-dr-1\",\"format\":\"thorbis-environment/1\","
                + "\"id\":\"1\",\"name\":\"dr-test-primary\",\"owner\":\"process 1 of nobody\","
                + "\"since\":\"2027-01-26T10:00:00Z\",\"until\":\"2027-01-26T10:30:00Z\"}");
  }

  @Test
  void aLeaseOfAnotherFormIsNamedAndNothingRemoved() throws IOException {
    leave(lease());
    String written =
        Files.readString(environments.lease("dr-test-primary"), StandardCharsets.UTF_8);
    Files.writeString(
        environments.lease("dr-test-primary"),
        written.replace("{\"faults\":[],", "{\"extra\":true,\"faults\":[],"));
    assertThatThrownBy(environments::sweep)
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.code()).isEqualTo("environment.lease-unreadable"));
    assertThat(place).exists();
  }

  @Test
  void aNameIsAName() {
    assertThatThrownBy(() -> environments.take("../x"))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("environment.name-invalid"));
  }
}
