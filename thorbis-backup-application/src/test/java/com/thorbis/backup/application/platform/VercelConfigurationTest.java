package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.application.app.ApplyMode;
import com.thorbis.backup.application.app.ConfigurationPlace.Reading;
import com.thorbis.backup.application.app.Document;
import com.thorbis.backup.application.app.Gap;
import com.thorbis.backup.application.app.SecretPlace;
import com.thorbis.backup.application.app.Step;
import com.thorbis.backup.spi.secret.SecretException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A project becomes a document without values, and what is missing of it is made again. */
class VercelConfigurationTest {
  private static final String MARKER = "planted-3Kd8";
  private FakeVercelProject vercel;
  private VercelConfiguration place;

  @BeforeEach
  void open() throws IOException {
    vercel = new FakeVercelProject();
    vercel.project.put(
        "link",
        "{\"type\":\"github\",\"org\":\"acme\",\"repo\":\"shop\",\"productionBranch\":\"main\","
            + "\"deployHooks\":[{\"url\":\"https://hook/"
            + MARKER
            + "\"}]}");
    vercel.project.put("protectionBypass", "{\"" + MARKER + "\":{\"scope\":\"automation\"}}");
    vercel.project.put("passwordProtection", "{\"password\":\"" + MARKER + "\"}");
    vercel.project.put("env", "[{\"key\":\"A\",\"value\":\"" + MARKER + "\"}]");
    for (String key : List.of("C", "A", "B")) {
      vercel.variables.add(
          variable(key, key.equals("B") ? "sensitive" : "encrypted", "[\"production\"]"));
    }
    vercel.environments.add(
        "{\"id\":\"env_1\",\"slug\":\"staging\",\"description\":\"for tests\"}");
    vercel.domains.add("{\"name\":\"shop.vercel.app\",\"apexName\":\"vercel.app\"}");
    vercel.domains.add("{\"name\":\"www.acme.example\",\"apexName\":\"acme.example\"}");
    vercel.domains.add(
        "{\"name\":\"acme.example\",\"apexName\":\"acme.example\",\"redirect\":\"www.acme.example\","
            + "\"redirectStatusCode\":308,\"verification\":[{\"value\":\""
            + MARKER
            + "\"}]}");
    vercel.records.add(record("rec_1", "", "A", "192.0.2.1", 60));
    vercel.records.add(record("rec_2", "mail", "MX", "mx.example", 60));
    vercel.records.add(record("rec_3", "", "TXT", "one", 60));
    vercel.records.add(record("rec_4", "", "TXT", "two", 60));
    place =
        VercelConfiguration.of(
            vercel.connect().build(),
            "shop",
            Optional.empty(),
            Optional.of(new SecretPlace("tokens", "web")));
  }

  private static String variable(String key, String type, String target) {
    return "{\"id\":\"id-"
        + key
        + "\",\"key\":\""
        + key
        + "\",\"type\":\""
        + type
        + "\",\"value\":\""
        + MARKER
        + "\",\"target\":"
        + target
        + "}";
  }

  private static String record(String id, String name, String type, String value, int ttl) {
    return "{\"id\":\""
        + id
        + "\",\"name\":\""
        + name
        + "\",\"type\":\""
        + type
        + "\",\"value\":\""
        + value
        + "\",\"ttl\":"
        + ttl
        + ",\"updatedAt\":5}";
  }

  @AfterEach
  void close() {
    place.close();
    vercel.close();
  }

  @Test
  void everyPageIsReadAndNoValueIsKept() throws IOException {
    Reading reading = place.read();
    String text = new String(reading.document().bytes(), StandardCharsets.UTF_8);
    assertThat(text).doesNotContain(MARKER).doesNotContain("updatedAt");
    assertThat(reading.document().object("project").object("settings").fields())
        .isEqualTo(Map.of("framework", "nextjs", "nodeVersion", "22.x"));
    assertThat(reading.document().object("deploymentSettings").fields())
        .isEqualTo(Map.of("gitForkProtection", true));
    assertThat(reading.document().object("gitLink").names())
        .containsExactly("org", "productionBranch", "repo", "type");
    assertThat(reading.document().list("variables"))
        .extracting(one -> one.require("key"))
        .containsExactly("A", "B", "C");
    assertThat(reading.document().list("variables").get(0).toString())
        .contains(
            "\"value\":{\"secret\":{\"name\":\"A:production\",\"place\":\"web\",\"source\":\"tokens\"}}");
    assertThat(reading.document().list("domains"))
        .extracting(one -> one.require("name"))
        .containsExactly("acme.example", "shop.vercel.app", "www.acme.example");
    assertThat(reading.document().list("dns")).hasSize(1);
    assertThat(reading.document().list("dns").get(0).list("records")).hasSize(4);
    assertThat(reading.unread())
        .extracting(Gap::what, Gap::code)
        .containsExactlyInAnyOrder(
            org.assertj.core.groups.Tuple.tuple("passwordProtection", "application.not-kept"),
            org.assertj.core.groups.Tuple.tuple("protectionBypass", "application.not-kept"),
            org.assertj.core.groups.Tuple.tuple("value of B:production", "application.masked"));
    assertThat(place.read().document().bytes()).isEqualTo(reading.document().bytes());
  }

  @Test
  void withoutASourceOfSecretsEachValueIsAGap() throws IOException {
    try (VercelConfiguration alone =
        VercelConfiguration.of(
            vercel.connect().build(), "shop", Optional.empty(), Optional.empty())) {
      assertThat(alone.read().unread())
          .extracting(Gap::code)
          .containsOnlyOnce("application.masked")
          .contains("application.no-secrets");
    }
  }

  @Test
  void aListThatMayNotBeReadIsAGapAndNotEmpty() throws IOException {
    vercel.domainStatus = 403;
    Reading reading = place.read();
    assertThat(reading.document().value("domains")).isEmpty();
    assertThat(reading.document().value("dns")).isEmpty();
    assertThat(reading.unread())
        .anySatisfy(
            gap -> {
              assertThat(gap.what()).isEqualTo("domains");
              assertThat(gap.code()).isEqualTo("application.forbidden");
              assertThat(gap.whole()).isTrue();
            });
    vercel.domainStatus = 200;
    vercel.recordStatus = 404;
    reading = place.read();
    assertThat(reading.document().list("dns")).isEmpty();
    assertThat(reading.unread())
        .extracting(Gap::what, Gap::code)
        .contains(
            org.assertj.core.groups.Tuple.tuple(
                "dns of acme.example", "application.no-such-place"));
  }

  @ParameterizedTest
  @CsvSource({
    "401, secrets.unauthorized",
    "403, secrets.forbidden",
    "404, secrets.no-such-place",
    "500, secrets.unavailable"
  })
  void aProjectThatCannotBeReadIsAFailure(int status, String code) throws IOException {
    vercel.strike("GET", status, Map.of(), 5);
    assertThatThrownBy(() -> place.read())
        .isInstanceOfSatisfying(SecretException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void throttlingIsWaitedFor() throws IOException {
    vercel.strike("GET", 429, Map.of("Retry-After", "7"), 2);
    assertThat(place.read().document().list("domains")).hasSize(3);
    assertThat(vercel.pauses).containsExactly(Duration.ofSeconds(7), Duration.ofSeconds(7));
  }

  @Test
  void aPageThatComesAgainEndsTheReading() throws IOException {
    vercel.endless = true;
    assertThat(place.read().unread())
        .filteredOn(gap -> gap.code().equals("application.unexpected-answer"))
        .extracting(Gap::what)
        .contains("domains", "variables", "environments");
  }

  private static Map<String, Step.Action> actions(List<Step> steps) {
    Map<String, Step.Action> actions = new java.util.LinkedHashMap<>();
    steps.forEach(step -> actions.put(step.subject(), step.action()));
    return actions;
  }

  private static void run(List<Step> steps) throws IOException {
    for (Step step : steps) {
      if (step.work().isPresent()) {
        assertThat(step.work().get().run()).isEqualTo("done");
      }
    }
  }

  @Test
  void whatIsTheSameIsLeft() throws IOException {
    List<Step> steps = place.plan(place.read().document(), ApplyMode.OVERWRITE);
    assertThat(actions(steps).values()).containsOnly(Step.Action.SAME);
    assertThat(steps).hasSizeGreaterThan(12);
    run(steps);
    assertThat(vercel.written).isEmpty();
  }

  @Test
  void aLostProjectIsMadeAgainInOrderAndVariablesWaitForTheirValues() throws IOException {
    Document stored = place.read().document();
    vercel.project.clear();
    vercel.records.clear();
    List<Step> steps = place.plan(stored, ApplyMode.CREATE_MISSING);
    List<String> subjects = new ArrayList<>(actions(steps).keySet());
    assertThat(subjects)
        .containsSubsequence(
            "project shop",
            "environment staging",
            "variable A:production",
            "domain acme.example",
            "DNS of acme.example A @ 192.0.2.1",
            "deployment setting gitForkProtection");
    assertThat(steps)
        .filteredOn(step -> step.subject().equals("variable A:production"))
        .singleElement()
        .satisfies(
            step -> {
              assertThat(step.action()).isEqualTo(Step.Action.BY_HAND);
              assertThat(step.reason())
                  .contains("secrets restore tokens --into web --secret A:production");
            });
    run(steps);
    assertThat(vercel.written.get(0))
        .isEqualTo(
            "POST /v11/projects {\"framework\":\"nextjs\",\"name\":\"shop\",\"nodeVersion\":\"22.x\"}");
    assertThat(vercel.written)
        .contains(
            "POST /v10/projects/shop/domains {\"name\":\"www.acme.example\"}",
            "PATCH /v9/projects/shop {\"gitForkProtection\":true}")
        .filteredOn(call -> call.startsWith("POST /v2/domains/acme.example/records"))
        .hasSize(4);
    assertThat(vercel.written).noneMatch(call -> call.contains("/env"));
    assertThat(String.join("", vercel.written)).doesNotContain("DELETE", "vercel.app\"", MARKER);
  }

  @Test
  void whatDiffersIsKeptUnlessItIsToBeOverwrittenAndThePreviousValueIsTold() throws IOException {
    Document stored = place.read().document();
    vercel.project.put("nodeVersion", "\"18.x\"");
    vercel.project.remove("framework");
    vercel.records.set(0, record("rec_9", "", "A", "198.51.100.7", 300));
    vercel.records.remove(3);
    vercel.domains.add("{\"name\":\"new.acme.example\",\"apexName\":\"acme.example\"}");
    List<Step> careful = place.plan(stored, ApplyMode.CREATE_MISSING);
    assertThat(actions(careful))
        .containsEntry("project setting nodeVersion", Step.Action.KEEP)
        .containsEntry("project setting framework", Step.Action.KEEP)
        .containsEntry("DNS of acme.example A @ 192.0.2.1", Step.Action.KEEP)
        .containsEntry("DNS of acme.example TXT @ two", Step.Action.CREATE)
        .containsEntry("domain new.acme.example", Step.Action.ONLY_THERE);
    run(careful);
    assertThat(vercel.written).hasSize(1);
    vercel.written.clear();
    List<Step> all = place.plan(stored, ApplyMode.OVERWRITE);
    assertThat(all)
        .filteredOn(step -> step.subject().equals("DNS of acme.example A @ 192.0.2.1"))
        .singleElement()
        .satisfies(
            step -> {
              assertThat(step.action()).isEqualTo(Step.Action.UPDATE);
              assertThat(step.previous().orElseThrow()).contains("198.51.100.7", "300");
            });
    run(all);
    assertThat(vercel.written)
        .contains(
            "PATCH /v9/projects/shop {\"nodeVersion\":\"22.x\"}",
            "PATCH /v1/domains/records/rec_9"
                + " {\"name\":\"\",\"ttl\":60,\"type\":\"A\",\"value\":\"192.0.2.1\"}");
  }

  @Test
  void recordsBesideOthersOfTheirNameAreLeftToAPerson() throws IOException {
    Document stored = place.read().document();
    vercel.records.removeIf(one -> one.contains("\"TXT\""));
    vercel.records.add(record("rec_7", "", "TXT", "newer", 60));
    vercel.records.add(record("rec_8", "", "TXT", "newest", 60));
    for (ApplyMode mode : ApplyMode.values()) {
      List<Step> steps = place.plan(stored, mode);
      assertThat(steps)
          .filteredOn(step -> step.subject().startsWith("DNS of acme.example TXT @ "))
          .filteredOn(step -> !step.action().equals(Step.Action.ONLY_THERE))
          .hasSize(2)
          .allMatch(step -> step.action() == Step.Action.BY_HAND);
    }
  }
}
