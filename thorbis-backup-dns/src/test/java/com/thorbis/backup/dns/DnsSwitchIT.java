package com.thorbis.backup.dns;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.Message;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.dr.traffic.SwitchException;
import com.thorbis.backup.dr.traffic.TrafficActions;
import com.thorbis.backup.dr.traffic.TrafficSwitch;
import com.thorbis.backup.dr.traffic.TrafficSwitches;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DnsSwitchIT {
  private static final String OLD = "10.0.0.1, 10.0.0.2";
  private static final String NEW = "10.0.0.9";
  private static final SecretValue SECRET = SecretValue.ofText(NameServer.SECRET + "\n");

  @TempDir Path folder;
  private NameServer primary;
  private NameServer secondary;

  @BeforeEach
  void start() throws Exception {
    int port = PostgresServer.freePort();
    primary = NameServer.primary(folder.resolve("one"), port);
    secondary = NameServer.secondary(folder.resolve("two"), port, primary.port);
    TrafficSwitch traffic = open();
    while (true) {
      try {
        assertThat(traffic.current()).isEqualTo(OLD);
        return;
      } catch (SwitchException e) {
        Thread.sleep(20); // the zone is not there yet
      }
    }
  }

  @AfterEach
  void stop() throws Exception {
    primary.close();
    secondary.close();
  }

  @Test
  void clientsAreMovedOnAllServersAndBroughtBack() throws Exception {
    DnsSwitch traffic = open();
    String before = traffic.current();
    assertThat(traffic.set(before, NEW)).isEqualTo(Duration.ofMinutes(5));
    assertThat(traffic.points(NEW)).isTrue();
    assertThat(traffic.current()).isEqualTo(NEW);
    assertThat(traffic.set(before, NEW)).isEqualTo(Duration.ofMinutes(5)); // repeated
    traffic.set(NEW, before);
    assertThat(traffic.current()).isEqualTo(before);
    assertThat(traffic.points("10.0.0.2,10.0.0.1")).isTrue();
  }

  @Test
  void aRunMovesTheNameAndTakesItBackWhenItIsStopped() throws Exception {
    Actions.Builder actions = Actions.builder().builtIn((to, text, key) -> {});
    TrafficActions.of(Map.of("names", open())).forEach(actions::add);
    RunPlan plan =
        RunPlan.of(
            "data-center-outage",
            "",
            List.of(
                Task.builder("dns", "switch-dns")
                    .inputs(Map.of("switch", "names", "from", OLD, "to", NEW, "ttl", "60s"))
                    .build(),
                Task.builder("look", "manual").needs(List.of("dns")).build()));
    try (RunEngine engine =
        RunEngine.builder(
                folder.resolve("runs"),
                MemoryObjectStore.create(Clock.systemUTC(), 1000),
                actions.build(),
                "host")
            .build()) {
      RunReport moved = engine.start(plan, "lost", "lead");
      assertThat(moved.status()).isEqualTo(RunStatus.WAITING);
      assertThat(open().current()).isEqualTo(NEW);
      assertThat(moved.timeline())
          .anyMatch(
              it -> it.data().toString().contains("for 300 s yet, and the plan counts with 60 s"));

      engine.say("lost", Message.ABORT, "lead", "", "");
      assertThat(engine.resume("lost").status()).isEqualTo(RunStatus.COMPENSATED);
      assertThat(open().current()).isEqualTo(OLD);
    }
  }

  @Test
  void anAliasIsMovedToo() throws Exception {
    DnsSwitch alias = builder().name("alias.example.test").type("CNAME").build();
    assertThat(alias.current()).isEqualTo("db.example.test.");
    alias.set("db.example.test", "db.elsewhere.test");
    assertThat(alias.current()).isEqualTo("db.elsewhere.test.");
  }

  @Test
  void whatSomebodyElseHasMovedStays() throws Exception {
    DnsSwitch traffic = open();
    assertCode(() -> traffic.set("10.0.0.1", NEW), "traffic.changed"); // one of two is not all
    assertThat(traffic.current()).isEqualTo(OLD);
    traffic.set(OLD, "10.0.0.7");
    assertCode(() -> traffic.set(OLD, NEW), "traffic.changed");
    assertThat(traffic.current()).isEqualTo("10.0.0.7");
  }

  @Test
  void aWrongKeyAndAKeyThatMayNotAreRefusedAndNeverShown() throws Exception {
    try (SecretValue wrong = SecretValue.ofText("d3Jvbmcgc2VjcmV0")) {
      DnsSwitch stranger = builder().key(NameServer.KEY, "hmac-sha256", wrong).build();
      SwitchException refused =
          catchThrowableOfType(SwitchException.class, () -> stranger.set(OLD, NEW));
      assertThat(refused.code()).isEqualTo("traffic.refused");
      assertThat(refused).hasMessageContaining("BADSIG").hasMessageContaining("mover.");
      assertThat(refused).hasMessageNotContaining("d3Jvbmcgc2VjcmV0");
      DnsSwitch unknown = builder().key("nobody.", "hmac-sha256", wrong).build();
      SwitchException bad =
          catchThrowableOfType(SwitchException.class, () -> unknown.set(OLD, NEW));
      assertThat(bad).hasMessageContaining("BADKEY");
    }
    DnsSwitch other = builder().name("other.example.test").build();
    assertCode(() -> other.set("10.0.0.1", NEW), "traffic.refused");
    assertThat(other.current()).isEqualTo("10.0.0.1");
    assertThat(open().current()).isEqualTo(OLD);
  }

  @Test
  void aServerThatDoesNotFollowLeavesTheOutcomeOpenAndTheSameCallFinishes() throws Exception {
    DnsSwitch traffic = builder().spread(Duration.ofMillis(300)).build();
    secondary.close();
    assertCode(() -> traffic.set(OLD, NEW), "traffic.outcome-unknown");
    assertCode(() -> traffic.points(NEW), "traffic.unavailable");
    secondary.start();
    DnsSwitch patient = open();
    assertThat(patient.set(OLD, NEW)).isEqualTo(Duration.ofMinutes(5));
    assertThat(patient.points(NEW)).isTrue();
  }

  @Test
  void aPrimaryThatIsAwayIsNoAnswer() throws Exception {
    DnsSwitch traffic = open();
    primary.close();
    assertCode(traffic::current, "traffic.unavailable");
    assertCode(() -> traffic.set(OLD, NEW), "traffic.unavailable");
  }

  @Test
  void whatIsNotThereIsNamed() throws Exception {
    DnsSwitch nobody = builder().name("nobody.example.test").build();
    assertThatThrownBy(nobody::current).hasMessageContaining("has no such record");
    DnsSwitch foreign = builder().name("a.elsewhere.test").zone("elsewhere.test").build();
    assertCode(foreign::current, "traffic.refused"); // it does not serve that zone
    assertThatThrownBy(() -> open().points("db1")).hasMessageContaining("is no value");
    assertThatThrownBy(() -> builder().name("db.elsewhere.test").build())
        .hasMessageContaining("not in the zone");
  }

  @Test
  void itIsOpenedBySettings() throws Exception {
    Map<String, Object> settings = new HashMap<>();
    settings.put("name", "db.example.test");
    settings.put("zone", "example.test");
    settings.put("primary", "127.0.0.1:" + primary.port);
    settings.put("others", "127.0.0.1:" + secondary.port);
    settings.put("key-name", NameServer.KEY);
    settings.put("key-secret", SECRET);
    TrafficSwitch traffic = open(settings);
    traffic.set(OLD, NEW);
    assertThat(open().points(NEW)).isTrue();
    settings.put("primary", "127.0.0.1:99999");
    assertThatThrownBy(() -> open(settings))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("switches.name.primary");
    settings.remove("key-secret");
    settings.put("primary", "127.0.0.1");
    assertThatThrownBy(() -> open(settings)).hasMessageContaining("key-secret is missing");
  }

  private static TrafficSwitch open(Map<String, Object> settings) {
    return TrafficSwitches.open(
        "dns",
        Settings.of("switches.name", settings),
        ProviderLoader.serviceLoader(DnsSwitchIT.class.getClassLoader()));
  }

  private DnsSwitch open() {
    return builder().build();
  }

  private DnsSwitch.Builder builder() {
    return DnsSwitch.builder()
        .name("db.example.test")
        .zone("example.test")
        .primary("127.0.0.1", primary.port)
        .other("127.0.0.1", secondary.port)
        .key(NameServer.KEY, "hmac-sha256", SECRET)
        .timeout(Duration.ofSeconds(2))
        .spread(Duration.ofSeconds(20));
  }

  private static void assertCode(ThrowingCallable call, String code) {
    assertThat(catchThrowableOfType(SwitchException.class, call).code()).isEqualTo(code);
  }
}
