package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.testkit.SettableClock;
import java.net.URI;
import java.net.http.HttpClient;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Over the adapter of GitHub, which asks once for a list and four times for a write. */
class CallsTest {
  private static final Instant NOW = Instant.parse("2026-03-01T10:00:00Z");

  private FakeGitHub service;

  @BeforeEach
  void start() throws Exception {
    service = FakeGitHub.ofRepository();
    service.put("A", "x");
  }

  @AfterEach
  void stop() {
    service.close();
  }

  private GitHubActionsSecrets secrets() {
    return secrets(service.connect());
  }

  private static GitHubActionsSecrets secrets(Connection.Builder connection) {
    return GitHubActionsSecrets.ofRepository(
        connection.clock(SettableClock.at(NOW)).build(), "acme", "shop");
  }

  private static SecretException failure(org.assertj.core.api.ThrowableAssert.ThrowingCallable of) {
    return org.assertj.core.api.Assertions.catchThrowableOfType(SecretException.class, of);
  }

  @ParameterizedTest
  @CsvSource({"429", "500", "502", "503", "504"})
  void aReadIsRepeatedUntilItIsAnswered(int status) throws Exception {
    service.strike("GET", status, Map.of(), 4);
    assertThat(secrets().list()).hasSize(1);
    assertThat(service.pauses).hasSize(4);
    assertThat(service.pauses)
        .allSatisfy(
            pause -> assertThat(pause).isBetween(Duration.ofMillis(100), Duration.ofSeconds(8)));
  }

  @Test
  void aReadIsRepeatedSoOftenAndNotMore() {
    service.strike("GET", 503, Map.of(), 100);
    SecretException failure = failure(secrets()::list);
    assertThat(failure.code()).isEqualTo(SecretException.UNAVAILABLE);
    assertThat(failure.kind()).isEqualTo(FailureKind.TRANSIENT);
    assertThat(service.asked).hasSize(5);
  }

  @Test
  void thePauseThatAServiceAsksForIsKept() throws Exception {
    service.strike("GET", 429, Map.of("Retry-After", "17"), 1);
    service.strike("GET", 503, Map.of("Retry-After", "Sun, 01 Mar 2026 10:00:31 GMT"), 1);
    service.strike(
        "GET",
        403,
        Map.of(
            "x-ratelimit-remaining",
            "0",
            "x-ratelimit-reset",
            Long.toString(NOW.plusSeconds(42).getEpochSecond())),
        1);
    assertThat(secrets().list()).hasSize(1);
    assertThat(service.pauses)
        .containsExactly(Duration.ofSeconds(17), Duration.ofSeconds(31), Duration.ofSeconds(42));
  }

  @Test
  void whoAsksForALongPauseIsLeftAlone() {
    service.strike("GET", 429, Map.of("Retry-After", "3600"), 1);
    SecretException failure = failure(secrets()::list);
    assertThat(failure.code()).isEqualTo(SecretException.UNAVAILABLE);
    assertThat(failure).hasMessageContaining("3600 s");
    assertThat(service.asked).hasSize(1);
    assertThat(service.pauses).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "401, secrets.unauthorized",
    "403, secrets.forbidden",
    "404, secrets.no-such-place",
    "400, secrets.unexpected-answer",
    "501, secrets.unexpected-answer"
  })
  void refusalsAreToldApartAndNotRepeated(int status, String code) {
    service.strike("GET", status, Map.of(), 1);
    SecretException failure = failure(secrets()::list);
    assertThat(failure.code()).isEqualTo(code);
    assertThat(failure.kind()).isEqualTo(FailureKind.PERMANENT);
    assertThat(failure.remedy()).isNotEmpty();
    assertThat(service.asked).hasSize(1);
  }

  @Test
  void aWrongTokenIsNotAccepted() {
    assertThat(failure(secrets(service.connect("other-token"))::list).code())
        .isEqualTo(SecretException.UNAUTHORIZED);
  }

  @Test
  void theTokenFollowsNoRedirect() throws Exception {
    try (FakeGitHub other = FakeGitHub.ofRepository()) {
      service.strike(
          "GET", 301, Map.of("Location", other.endpoint() + "/repos/acme/shop/actions/secrets"), 1);
      SecretException failure = failure(secrets()::list);
      assertThat(failure.code()).isEqualTo(SecretException.UNEXPECTED);
      assertThat(failure.remedy()).contains("another address");
      assertThat(other.asked).isEmpty();
    }
  }

  @Test
  void aClientThatFollowsRedirectsIsRefused() {
    HttpClient follows =
        HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build();
    assertThatThrownBy(() -> service.connect().client(follows))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("redirects");
  }

  @Test
  void aWriteIsRepeatedOnlyIfItWasNotDone() throws Exception {
    service.strike("PUT", 429, Map.of("Retry-After", "1"), 2);
    write();
    assertThat(service.values).containsEntry("B", "y");
    assertThat(service.pauses).hasSize(2);
    service.values.remove("B");
    service.strike("PUT", 500, Map.of(), 1);
    SecretException failure = failure(this::write);
    assertThat(failure.code()).isEqualTo(SecretException.OUTCOME_UNKNOWN);
    assertThat(failure.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN);
    assertThat(service.asked.stream().filter(call -> call.startsWith("PUT"))).hasSize(4);
  }

  private void write() throws Exception {
    try (SecretValue value = SecretValue.ofText("y")) {
      secrets()
          .write(
              com.thorbis.backup.spi.secret.SecretInfo.of(
                  "B", com.thorbis.backup.spi.secret.Readability.VALUE),
              value,
              new com.thorbis.backup.spi.secret.WriteCondition.IfAbsent());
    }
  }

  @Test
  void anAnswerThatBreaksOffIsAskedForAgain() throws Exception {
    service.cut("GET");
    assertThat(secrets().list()).hasSize(1);
    assertThat(service.asked).hasSize(2);
  }

  @Test
  void nobodyThereIsUnavailable() {
    GitHubActionsSecrets secrets = secrets();
    service.close();
    SecretException failure = failure(secrets::list);
    assertThat(failure.code()).isEqualTo(SecretException.UNAVAILABLE);
    assertThat(failure).hasMessageContaining("could not connect");
  }

  @Test
  void plainHttpToAnotherHostIsRefusedUnlessItIsAskedForByName() {
    try (SecretValue token = SecretValue.ofText("t")) {
      assertThatThrownBy(() -> Connection.as(token).endpoint(URI.create("http://vault.example")))
          .isInstanceOf(BackupException.class)
          .hasMessageContaining("without TLS");
      assertThat(
              Connection.as(token)
                  .dangerouslyUnencryptedEndpoint(URI.create("http://vault.example"))
                  .build()
                  .endpoint("https://other"))
          .isEqualTo(URI.create("http://vault.example"));
    }
  }

  @Test
  void aTokenWithALineEndIsRefusedWithoutBeingQuoted() {
    try (SecretValue token = SecretValue.ofText("abc\n")) {
      assertThatThrownBy(() -> Connection.as(token))
          .isInstanceOf(BackupException.class)
          .hasMessageContaining("line end")
          .hasMessageNotContaining("abc");
    }
  }

  @Test
  void anAnswerThatIsNoJsonIsNotQuoted() {
    service.strike("GET", 200, Map.of(), 1);
    SecretException failure = failure(secrets()::list);
    assertThat(failure.code()).isEqualTo(SecretException.UNEXPECTED);
    assertThat(
            failure(
                () ->
                    JsonAnswer.read(
                        "read it",
                        "{\"v\": hunter2}".getBytes(java.nio.charset.StandardCharsets.UTF_8),
                        "v")))
        .hasMessageNotContaining("hunter2")
        .hasNoCause();
  }

  @Test
  void oneConnectionServesSeveralPlacesUntilEachIsClosed() throws Exception {
    Connection connection = service.connect().build();
    GitHubActionsSecrets first = GitHubActionsSecrets.ofRepository(connection, "acme", "shop");
    GitHubActionsSecrets second = GitHubActionsSecrets.ofRepository(connection, "acme", "shop");
    first.close();
    connection.close();
    assertThat(second.list()).hasSize(1);
    assertThatThrownBy(first::list).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> GitHubActionsSecrets.ofRepository(connection, "acme", "shop"))
        .isInstanceOf(IllegalStateException.class);
    second.close();
  }

  @Test
  void aWriteThatIsAnsweredByABusyServiceMayHaveBeenDone() {
    service.strike("PUT", 503, Map.of("Retry-After", "1"), 1);
    SecretException failure = failure(this::write);
    assertThat(failure.code()).isEqualTo(SecretException.OUTCOME_UNKNOWN);
    assertThat(failure.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN);
    assertThat(service.asked.stream().filter(call -> call.startsWith("PUT"))).hasSize(1);
    assertThat(service.pauses).isEmpty();
  }
}
