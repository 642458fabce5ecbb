package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.cli.CommandRunner.Running;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The plan that is shipped, carried out by the command after the primary was killed. */
class DrFailoverIT {
  @TempDir Path folder;
  private Path host;

  @Test
  void theStandbyTakesOverWhenTwoPeopleHaveAgreed() throws Exception {
    Path clusters = FailoverSite.clusters(folder.resolve("clusters"));
    try (FailoverSite site =
        FailoverSite.start(Files.createDirectory(folder.resolve("site")), clusters)) {
      host = site.host("host");
      site.primary().execute("postgres", "INSERT INTO told VALUES (1)");
      site.standby().awaitTrue("postgres", "SELECT count(*) = 1 FROM told", Duration.ofSeconds(20));
      site.primary().kill9();

      Running run =
          new CommandRunner(host)
              .start(
                  "dr",
                  "run",
                  "database-failure",
                  "--cause",
                  "database-connection-failure",
                  "--incident",
                  "inc-1",
                  "--as",
                  "recovery-lead",
                  "--yes");
      run.awaits("WAITS    database-failover.agree");
      say("approve", "inc-1", "database-failover.agree", "--as", "first-dba");
      say("approve", "inc-1", "database-failover.agree", "--as", "second-dba");
      run.awaits("WAITS    it counts when it is committed");
      assertThat(site.standby().query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("f");
      assertThat(Files.readString(site.place()).strip())
          .isEqualTo("127.0.0.1:" + site.standby().port());
      assertThat(site.pool().leadsTo()).isEqualTo("127.0.0.1:" + site.standby().port());
      assertThat(site.pool().told("PAUSE")).isEqualTo(1);
      assertThat(site.pool().told("RESUME")).isEqualTo(1);
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
  }

  private void say(String... words) {
    Result said =
        new CommandRunner(host)
            .run(Stream.concat(Stream.of("dr"), Stream.of(words)).toArray(String[]::new));
    assertThat(said.code()).as(said.out() + said.err()).isZero();
  }
}
