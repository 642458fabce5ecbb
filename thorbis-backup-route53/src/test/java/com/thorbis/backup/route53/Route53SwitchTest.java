package com.thorbis.backup.route53;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.traffic.SwitchException;
import com.thorbis.backup.dr.traffic.TrafficSwitch;
import com.thorbis.backup.dr.traffic.TrafficSwitches;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.testkit.cloud.FakeRoute53;
import com.thorbis.backup.testkit.cloud.FakeService.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class Route53SwitchTest {
  private static final String NAME = "db.example.test.";
  private static final String OLD = "10.0.0.1, 10.0.0.2";
  private static final String NEW = "10.0.0.9";
  private static final String CHANGE = "ChangeResourceRecordSets";

  private FakeRoute53 service;
  private OwnClient own;

  @BeforeEach
  void start() throws IOException {
    service = new FakeRoute53();
    service.put(NAME, "A", 60, "10.0.0.2", "10.0.0.1");
    service.put("dc.example.test.", "A", 60, "10.0.0.1");
    own = OwnClient.open(Settings.of("", access()));
  }

  @AfterEach
  void stop() {
    own.close();
    service.close();
  }

  @Test
  void clientsAreMovedWhenAllServersHaveItAndBroughtBack() throws Exception {
    service.spreads(3);
    Route53Switch traffic = open();
    String before = traffic.current();
    assertThat(before).isEqualTo(OLD);
    assertThat(traffic.set(before, NEW)).isEqualTo(Duration.ofSeconds(60));
    assertThat(service.calls("GetChange")).isEqualTo(4);
    assertThat(service.values(NAME, "A")).containsExactly(NEW);
    assertThat(traffic.points(NEW)).isTrue();
    traffic.set(NEW, before);
    assertThat(traffic.current()).isEqualTo(before);
  }

  @Test
  void aliasesAreMovedToo() throws Exception {
    service.put("alias.example.test.", "CNAME", 30, "db1.example.test");
    Route53Switch alias = builder().name("Alias.Example.test").type("CNAME").build();
    alias.set("db1.example.test.", "db2.example.test");
    assertThat(alias.current()).isEqualTo("db2.example.test.");
  }

  @Test
  void theSameCallAgainWaitsUntilWhatBrokeOffHasSpread() throws Exception {
    service.spreads(1000);
    Route53Switch hasty = builder().spread(Duration.ofMillis(50)).build();
    assertCode(() -> hasty.set(OLD, NEW), "traffic.outcome-unknown");
    assertThat(service.values(NAME, "A")).containsExactly(NEW);
    service.spreads(2);
    open().set(OLD, NEW);
    assertThat(service.values(NAME, "A")).containsExactly(NEW);
    assertThat(service.calls(CHANGE)).isEqualTo(2);
  }

  @Test
  void whatSomebodyElseHasMovedStays() throws Exception {
    Route53Switch traffic = open();
    assertCode(() -> traffic.set("10.0.0.1", NEW), "traffic.changed");
    assertThat(service.calls(CHANGE)).isZero();
    service.beforeChange(() -> service.put(NAME, "A", 60, "10.0.0.7"));
    assertCode(() -> traffic.set(OLD, NEW), "traffic.changed");
    assertThat(service.values(NAME, "A")).containsExactly("10.0.0.7");
  }

  @Test
  void anAnswerThatIsLostIsAskedForAgain() throws Exception {
    Route53Switch traffic = open();
    service.strike(Fault.THROTTLED, 1);
    traffic.set(OLD, NEW);
    assertThat(traffic.current()).isEqualTo(NEW);
    service.loseNextAnswer();
    traffic.set(NEW, OLD);
    assertThat(traffic.current()).isEqualTo(OLD);
  }

  @Test
  void aServiceThatDoesNotAnswerIsNoAnswer() {
    Route53Switch traffic = open();
    service.strike(Fault.UNAVAILABLE, 2);
    assertCode(traffic::current, "traffic.unavailable");
    service.close();
    assertCode(() -> traffic.points(NEW), "traffic.unavailable");
  }

  @Test
  void whatMayNotBeDoneIsRefusedAndWhatIsNotThereIsNamed() throws Exception {
    service.deny(true);
    Route53Switch traffic = open();
    assertCode(() -> traffic.set(OLD, NEW), "traffic.refused");
    assertThat(traffic.current()).isEqualTo(OLD);
    service.putWeighted("weighted.example.test.", "A", 60, "10.0.0.1");
    Route53Switch weighted = builder().name("weighted.example.test").build();
    assertThatThrownBy(weighted::current).hasMessageContaining("only simple records");
    Route53Switch nobody = builder().name("nobody.example.test").build();
    assertThatThrownBy(nobody::current).hasMessageContaining("no such record");
    Route53Switch elsewhere = builder().zone("Z1").build();
    assertThatThrownBy(elsewhere::current).hasMessageContaining("No hosted zone found");
  }

  @Test
  void itIsOpenedBySettings() throws Exception {
    Map<String, Object> settings = access();
    settings.put("zone-id", FakeRoute53.ZONE);
    settings.put("name", "db.example.test");
    try (TrafficSwitch traffic = open(settings)) {
      assertThat(traffic.current()).isEqualTo(OLD);
    }
    settings.put("type", "TXT");
    assertThatThrownBy(() -> open(settings))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("switches.name.type");
  }

  private Map<String, Object> access() {
    Map<String, Object> settings = new HashMap<>();
    settings.put("endpoint", service.endpoint().toString());
    settings.put("access-key-id", FakeRoute53.ACCESS_KEY);
    settings.put("secret-access-key", SecretValue.ofText("anything"));
    settings.put("attempts", "2");
    return settings;
  }

  private static TrafficSwitch open(Map<String, Object> settings) {
    return TrafficSwitches.open(
        "route53",
        Settings.of("switches.name", settings),
        ProviderLoader.serviceLoader(Route53SwitchTest.class.getClassLoader()));
  }

  private Route53Switch open() {
    return builder().build();
  }

  private Route53Switch.Builder builder() {
    return Route53Switch.builder()
        .client(own.client())
        .zone(FakeRoute53.ZONE)
        .name("db.example.test")
        .spread(Duration.ofSeconds(10))
        .interval(Duration.ofMillis(1));
  }

  private static void assertCode(ThrowingCallable call, String code) {
    assertThat(catchThrowableOfType(SwitchException.class, call).code()).isEqualTo(code);
  }
}
