package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.cli.CommandRunner.Running;
import com.thorbis.backup.dr.failover.RestoredServer;
import com.thorbis.backup.dr.run.Result.Outcome;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A wrong statement on a live primary: the plan that is shipped brings the moment before it back on
 * another server, which takes over from the first one and is protected from then on.
 */
class DrPointInTimeIT {
  private static final String PROCEDURE = "point-in-time-recovery.";

  @TempDir Path folder;
  private RecoverySite site;

  @Test
  void theMomentBeforeAWrongStatementIsServedAgain() throws Exception {
    try (RecoverySite started = new RecoverySite(folder)) {
      site = started;
      site.command().ok("init");
      Instant moment = site.wronged();

      try (RecoverySite.Watch watch = site.watch()) {
        recover(moment);
        watch.sawOneAtATime();
      }

      assertThat(site.primary().isRunning()).isFalse();
      assertThat(site.file("db/standby.signal")).exists();
      assertThat(site.place()).isEqualTo(site.second());
      assertThat(site.pool().leadsTo()).isEqualTo(site.second());
      assertThat(site.frozen()).doesNotExist();
      assertThat(
              RecoverySite.ask(
                  "127.0.0.1:" + site.pool().port(), "SELECT string_agg(x::text, ',') FROM told"))
          .isEqualTo("1,2,3");

      site.followsTheRestoredServer();
      site.command().ok("backup", "database");

      RestoredServer server = site.restored();
      assertThat(server.check().outcome()).isEqualTo(Outcome.DONE);
      server.stop(Duration.ofSeconds(30));
      assertThat(server.check().outcome()).isEqualTo(Outcome.NOT_DONE);
      server.start(Duration.ofSeconds(30));
      assertThat(server.check().outcome()).isEqualTo(Outcome.DONE);
    }
  }

  /** All but the adoption: the repository goes on to refuse the first server. */
  @Test
  @Tag("release")
  void whatWasRestoredIsTakenBackWhileNobodyHasCommitted() throws Exception {
    try (RecoverySite started = new RecoverySite(folder)) {
      site = started;
      site.command().ok("init");
      Instant moment = site.wronged();
      try (PostgresServer standby = site.follow()) {
        Running run = recovered(moment);
        site.command().ok("dr", "abort", "wrong", "--as", "recovery-lead", "--yes");
        Result end = run.end();
        assertThat(end.code()).as(end.out() + end.err()).isEqualTo(1);
        assertThat(end.out())
            .contains("compensated: aborted by recovery-lead")
            .containsPattern("undone +" + PROCEDURE + "fence")
            .containsPattern("undone +" + PROCEDURE + "restore")
            .containsPattern("undone +" + PROCEDURE + "pool");
        assertThat(standby.query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("t");
      }

      assertThat(site.restored().check().outcome()).isEqualTo(Outcome.NOT_DONE);
      assertThat(site.place()).isEqualTo(site.first());
      assertThat(site.pool().leadsTo()).isEqualTo(site.first());
      assertThat(site.frozen()).doesNotExist();
      site.primary().awaitExit();
      site.primary().start();
      assertThat(site.primary().query("postgres", "SELECT string_agg(x::text, ',') FROM told"))
          .isEqualTo("0,0,0,4");
      Result backup = site.command().run("backup", "database");
      assertThat(backup.code()).isEqualTo(Exit.REFUSED);
      assertThat(backup.err()).contains("is not the cluster that was adopted as database");
    }
  }

  private void recover(Instant moment) throws InterruptedException {
    Running run = recovered(moment);
    site.command().ok("dr", "commit", "wrong", "--as", "recovery-lead");
    Result end = run.end();
    assertThat(end.code()).as(end.out() + end.err()).isZero();
    assertThat(end.out())
        .contains("succeeded: committed by recovery-lead")
        .containsPattern("done +" + PROCEDURE + "fence")
        .containsPattern("done +" + PROCEDURE + "restore .* its server is restored")
        .containsPattern("done +" + PROCEDURE + "validate .* takes writes")
        .containsPattern("done +" + PROCEDURE + "adopt")
        .containsPattern("done +" + PROCEDURE + "pool")
        .containsPattern("done +" + PROCEDURE + "thaw");
  }

  /** Carried out, and not decided yet. */
  private Running recovered(Instant moment) throws InterruptedException {
    CommandRunner command = site.command();
    Running run =
        command.start(
            "dr",
            "run",
            "database-failure",
            "--cause",
            "database-corruption",
            "--incident",
            "wrong",
            "--before",
            moment.toString(),
            "--as",
            "recovery-lead",
            "--yes");
    run.awaits("WAITS    " + PROCEDURE + "agree");
    assertThat(site.frozen()).exists();
    command.ok("dr", "approve", "wrong", PROCEDURE + "agree", "--as", "first-dba");
    command.ok("dr", "approve", "wrong", PROCEDURE + "agree", "--as", "second-dba");
    run.awaits("WAITS    it counts when it is committed");
    return run;
  }
}
