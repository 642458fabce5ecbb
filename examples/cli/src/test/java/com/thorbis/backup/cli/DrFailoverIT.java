package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.cli.CommandRunner.Running;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The plan that is shipped, carried out by the command after the primary was killed, and back again
 * when it was built anew.
 */
class DrFailoverIT {
  @TempDir Path folder;
  private FailoverSite site;
  private Path host;

  @Test
  void theStandbyTakesOverWhenTwoPeopleHaveAgreedAndGivesBack() throws Exception {
    Path clusters = FailoverSite.clusters(folder.resolve("clusters"));
    try (FailoverSite started =
        FailoverSite.start(Files.createDirectory(folder.resolve("site")), clusters)) {
      site = started;
      host = site.host("host");
      write(1);
      site.standby().awaitTrue("postgres", "SELECT count(*) = 1 FROM told", Duration.ofSeconds(20));
      site.primary().kill9();
      failOver();
      write(2);

      try (PostgresServer again = site.rejoin()) {
        failBack();
        write(3);
        assertThat(again.query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("f");
        assertThat(again.query("postgres", "SELECT sum(id) FROM told")).isEqualTo("6");
        assertThat(site.standby().isRunning()).isFalse();
        assertThat(site.standby().dataDirectory().resolve("standby.signal")).exists();
        assertThat(site.frozen()).doesNotExist();
      }
    }
  }

  private void failOver() throws Exception {
    Running run = run("inc-1");
    run.awaits("WAITS    database-failover.agree");
    say("approve", "inc-1", "database-failover.agree", "--as", "first-dba");
    say("approve", "inc-1", "database-failover.agree", "--as", "second-dba");
    run.awaits("WAITS    it counts when it is committed");
    assertThat(site.standby().query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("f");
    clientsAreLedTo(site.standby(), 1);
    say("commit", "inc-1", "--as", "recovery-lead");
    Result end = run.end();
    assertThat(end.code()).as(end.out() + end.err()).isZero();
    assertThat(end.out())
        .contains("succeeded: committed by recovery-lead")
        .containsPattern("done +database-failover.fence")
        .containsPattern("done +database-failover.validate .* takes writes")
        .containsPattern("done +database-failover.pool")
        .containsPattern("done +database-failover.connectivity");
  }

  private void failBack() throws Exception {
    Running run = run("inc-2", "--failback");
    run.awaits("WAITS    database-failback.rejoin for approval");
    say("approve", "inc-2", "database-failback.rejoin", "--as", "first-dba");
    say("approve", "inc-2", "database-failback.rejoin", "--as", "second-dba");
    run.awaits("WAITS    database-failback.rejoin for manual");
    say("done", "inc-2", "database-failback.rejoin", "--as", "second-dba");
    Result end = run.end();
    assertThat(end.code()).as(end.out() + end.err()).isZero();
    assertThat(end.out())
        .containsPattern("done +database-failback.freeze")
        .containsPattern("done +database-failback.fence .* shut down with all its log written")
        .containsPattern("done +database-failback.thaw")
        .containsPattern("done +database-failback.health")
        .contains("succeeded");
    clientsAreLedTo(site.primary(), 2);
  }

  private void clientsAreLedTo(PostgresServer server, int moves) throws IOException {
    String address = "127.0.0.1:" + server.port();
    assertThat(Files.readString(site.place()).strip()).isEqualTo(address);
    assertThat(site.pool().leadsTo()).isEqualTo(address);
    assertThat(site.pool().told("PAUSE")).isEqualTo(moves);
    assertThat(site.pool().told("RESUME")).isEqualTo(moves);
  }

  /** Through the pool, which stays where it is. */
  private void write(int id) throws SQLException {
    try (Connection session =
            DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + site.pool().port() + "/postgres", "postgres", "");
        Statement statement = session.createStatement()) {
      statement.execute("INSERT INTO told VALUES (" + id + ")");
    }
  }

  private Running run(String incident, String... more) {
    List<String> words = new ArrayList<>(List.of("dr", "run", "database-failure"));
    words.addAll(List.of("--cause", "database-connection-failure", "--incident", incident));
    words.addAll(List.of("--as", "recovery-lead", "--yes"));
    words.addAll(List.of(more));
    return new CommandRunner(host).start(words.toArray(String[]::new));
  }

  private void say(String... words) {
    new CommandRunner(host)
        .ok(Stream.concat(Stream.of("dr"), Stream.of(words)).toArray(String[]::new));
  }
}
