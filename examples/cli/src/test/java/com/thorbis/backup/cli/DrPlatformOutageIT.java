package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.cli.CommandRunner.Running;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.testkit.Daemon;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The host of an application is gone: by the plan that is shipped its last good release is deployed
 * on another one, and HAProxy leads clients there.
 */
class DrPlatformOutageIT {
  private static final String CONFIG =
      """
      state-directory: DIR/state
      repository:
        copies:
          - uri: DIR_URI/copy
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: passphrase:main
              passphrase: correct horse battery staple
      sources:
        production:
          type: secrets
          places:
            - { name: app, kind: env-file, path: DIR/app.env }
        shop:
          type: nextjs
          source: none
          configuration:
            web-server: { kind: files, paths: DIR/etc }
          artifacts: none
          deployment: none
          files: none
      dr:
        plan: plan.yaml
        journal: { store: { uri: DIR_URI/journal } }
        keys: { recovery-lead: recovery.key }
        detectors:
          platform:
            - { kind: http, id: outside, from: probe, url: "http://127.0.0.1:FRONT/health", up: 200, down: 503 }
            - { kind: command, id: balancer, from: balancer, command: [/bin/false] }
        switches:
          balancer: { type: haproxy, socket: SOCKETS/admin, backend: portal }
      """;

  @TempDir Path folder;
  private Path sockets;
  private int front;
  private int first;
  private Portal second;
  private Daemon haproxy;
  private CommandRunner command;

  @BeforeEach
  void start() throws Exception {
    Files.createDirectory(folder.resolve("journal"));
    first = PostgresServer.freePort(); // where nobody answers any more
    second = Portal.start(this::serves);
    front = PostgresServer.freePort();
    sockets = Files.createTempDirectory(Path.of("/tmp"), "ha"); // the name must stay short
    Path config =
        Files.writeString(
            folder.resolve("haproxy.cfg"),
            """
            global
              stats socket %s/admin mode 600 level admin
            defaults
              mode http
              timeout connect 2s
              timeout client 20s
              timeout server 20s
            frontend in
              bind 127.0.0.1:%d
              default_backend portal
            backend portal
              server first 127.0.0.1:%d
              server second %s disabled
            """
                .formatted(sockets, front, first, second.address()));
    haproxy =
        Daemon.start(
            folder.resolve("log"), front, "/usr/sbin/haproxy", "-db", "-f", config.toString());
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG
            .replace("DIR_URI", folder.toUri().toString().replaceFirst("/$", ""))
            .replace("DIR", folder.toString())
            .replace("SOCKETS", sockets.toString())
            .replace("FRONT", Integer.toString(front)));
    String plan =
        PlanReader.example()
            .replace("https://portal.example.com", "http://127.0.0.1:" + front)
            .replace("https://second.example.com", "http://" + second.address())
            .replace("10.0.0.1:443", "127.0.0.1:" + first)
            .replace("10.0.1.1:443", second.address())
            .replace("/srv/recovery/", folder.resolve("recovered") + "/");
    Files.writeString(
        folder.resolve("plan.yaml"),
        ShippedPlan.startedBy(folder.resolve("running"), ShippedPlan.signed(plan, folder)));
  }

  /** What the other host answers: what was deployed there and started, else nothing. */
  private Optional<String> serves() throws IOException {
    if (!Files.exists(folder.resolve("running"))) {
      return Optional.empty();
    }
    try (Stream<Path> deployed = Files.walk(folder.resolve("recovered/application"))) {
      return Optional.of(
          Files.readString(
              deployed.filter(it -> it.endsWith("release")).findFirst().orElseThrow()));
    }
  }

  @AfterEach
  void stop() throws Exception {
    haproxy.close();
    second.close();
    Files.deleteIfExists(sockets.resolve("admin"));
    Files.delete(sockets);
  }

  @Test
  void theLastGoodReleaseIsServedFromAnotherHost() throws Exception {
    Running run = recovered();
    assertThat(portal().body()).isEqualTo("42");
    command.ok("dr", "commit", "outage", "--as", "recovery-lead");
    Result end = run.end();
    assertThat(end.code()).as(end.out() + end.err()).isZero();
    assertThat(end.out())
        .contains("succeeded: committed by recovery-lead")
        .containsPattern("done +emergency-deployment.secrets")
        .containsPattern("done +emergency-deployment.deploy")
        .containsPattern("done +emergency-deployment.answers .* answers 200")
        .containsPattern("done +traffic-rerouting.balancer .* first=\\S+ maint, second=\\S+ ready")
        .containsPattern("done +traffic-rerouting.answers .* answers 200")
        .doesNotContain("planted-8Xw");
    assertThat(folder.resolve("app.env")).hasContent("API_KEY=planted-8Xw");
    assertThat(portal().body()).isEqualTo("42");
  }

  @Test
  @Tag("release")
  void whoeverTakesItBackLeadsClientsToTheFirstHostAgain() throws Exception {
    Running run = recovered();
    command.ok("dr", "abort", "outage", "--as", "recovery-lead", "--yes");
    Result end = run.end();
    assertThat(end.code()).as(end.out() + end.err()).isEqualTo(1);
    assertThat(end.out())
        .contains("compensated: aborted by recovery-lead")
        .containsPattern("undone +emergency-deployment.start")
        .containsPattern("undone +traffic-rerouting.balancer");
    assertThat(folder.resolve("running")).doesNotExist();
    assertThat(portal().statusCode()).isEqualTo(503);
  }

  /** Carried out, and not decided yet. */
  private Running recovered() throws Exception {
    Path release =
        Files.writeString(Files.createDirectory(folder.resolve("etc")).resolve("release"), "42");
    Path env = Files.writeString(folder.resolve("app.env"), "API_KEY=planted-8Xw\n");
    command = new CommandRunner(folder);
    command.ok("init");
    command.ok("backup", "production");
    command.ok("app", "backup", "shop");
    Files.delete(release);
    Files.delete(env);
    assertThat(portal().statusCode()).isEqualTo(503);

    Running run =
        command.start(
            "dr",
            "run",
            "application-server-outage",
            "--cause",
            "platform-outage",
            "--incident",
            "outage",
            "--as",
            "first-engineer",
            "--yes");
    run.awaits("WAITS    emergency-deployment.deploy for approval");
    command.ok("dr", "approve", "outage", "emergency-deployment.deploy", "--as", "recovery-lead");
    run.awaits("WAITS    it counts when it is committed");
    return run;
  }

  private HttpResponse<String> portal() throws IOException, InterruptedException {
    return HttpClient.newHttpClient()
        .send(
            HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + front + "/health")).build(),
            HttpResponse.BodyHandlers.ofString());
  }
}
