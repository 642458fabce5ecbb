package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.cli.CommandRunner.Running;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Somebody is inside: by the plan that is shipped everything is cut off, evidence is secured by
 * people, and what was there before is served from clean systems.
 */
class DrCleanRecoveryIT {
  private static final String INCIDENT = "inside";

  @TempDir Path folder;
  private RecoverySite site;
  private CommandRunner command;

  @Test
  void whatWasThereBeforeAnIntrusionIsServedFromCleanSystems() throws Exception {
    try (RecoverySite started = new RecoverySite(folder)) {
      site = started;
      command = site.command();
      command.ok("init");
      Files.writeString(site.file("files/contract"), "signed");
      Files.writeString(site.file("etc/site.conf"), "listen 80;\n");
      command.ok("backup", "user-files");
      command.ok("app", "backup", "shop");
      Instant moment = site.wronged();
      Files.writeString(site.file("files/contract"), "forged");
      command.ok("backup", "user-files");
      Files.delete(site.running()); // what is deployed has to be started

      try (RecoverySite.Watch watch = site.watch()) {
        recover(moment);
        watch.sawOneAtATime();
      }

      assertThat(site.primary().isRunning()).isFalse();
      assertThat(site.file("db/standby.signal")).exists();
      assertThat(site.place()).isEqualTo(site.second());
      assertThat(site.frozen()).doesNotExist();
      assertThat(RecoverySite.ask(site.second(), "SELECT string_agg(x::text, ',') FROM told"))
          .isEqualTo("1,2,3");
      assertThat(site.running()).exists();
      assertThat(restored("application", "site.conf")).hasContent("listen 80;\n");
      assertThat(restored("files", "contract")).hasContent("signed");
      assertThat(Files.readString(site.file("told")))
          .contains("incident-isolation.tell", "Cut off what was entered");
      assertThat(command.ok("list", "database", "--json").out())
          .contains("recovery inside/incident-isolation.hold");
    }
  }

  private Path restored(String what, String name) throws IOException {
    try (Stream<Path> restored = Files.walk(site.file("restored").resolve(what))) {
      return restored.filter(it -> it.endsWith(name)).findFirst().orElseThrow();
    }
  }

  private void recover(Instant moment) throws InterruptedException {
    Running run =
        command.start(
            "dr",
            "run",
            "security-breach",
            "--cause",
            "intrusion-detection",
            "--incident",
            INCIDENT,
            "--as",
            "recovery-lead",
            "--yes");
    run.awaits("WAITS    incident-isolation.cut");
    assertThat(site.frozen()).exists();
    approve("incident-isolation.cut", "security-officer");
    run.awaits("WAITS    forensic-preservation.images");
    assertThat(site.primary().isRunning()).isFalse();
    done("forensic-preservation.images", "security-officer", "digests are in the safe");
    run.awaits("WAITS    clean-recovery.moment for approval");
    approve("clean-recovery.moment", "security-officer");
    approve("clean-recovery.moment", "recovery-lead");
    run.awaits("WAITS    clean-recovery.moment for manual");
    done("clean-recovery.moment", "security-officer", moment.toString());
    run.awaits("WAITS    clean-recovery.renew");
    done("clean-recovery.renew", "security-officer", "all of them");
    run.awaits("WAITS    it counts when it is committed");
    command.ok("dr", "commit", INCIDENT, "--as", "recovery-lead");
    Result end = run.end();
    assertThat(end.code()).as(end.out() + end.err()).isZero();
    assertThat(end.out())
        .contains("succeeded: committed by recovery-lead")
        .containsPattern("done +incident-isolation.hold .* backups are held")
        .containsPattern("done +incident-isolation.cut")
        .containsPattern("done +forensic-preservation.images .* done by security-officer")
        .containsPattern("done +forensic-preservation.written")
        .containsPattern("done +clean-recovery.restore .* its server is restored")
        .containsPattern("done +clean-recovery.applications")
        .containsPattern("done +clean-recovery.validate .* takes writes")
        .containsPattern("done +clean-recovery.compare .* 1 files of the backup are there")
        .containsPattern("done +clean-recovery.adopt")
        .containsPattern("done +clean-recovery.health");
  }

  private void approve(String step, String person) {
    command.ok("dr", "approve", INCIDENT, step, "--as", person);
  }

  private void done(String step, String person, String found) {
    command.ok("dr", "done", INCIDENT, step, "--as", person, "--text", found);
  }
}
