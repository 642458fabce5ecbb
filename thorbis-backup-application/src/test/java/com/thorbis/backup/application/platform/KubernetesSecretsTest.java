package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.assertj.core.groups.Tuple;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KubernetesSecretsTest {
  private FakeKubernetes service;
  private KubernetesSecrets secrets;

  @BeforeEach
  void start() throws Exception {
    service = new FakeKubernetes();
    secrets = KubernetesSecrets.of(service.connect().build(), "shop");
  }

  @AfterEach
  void stop() {
    secrets.close();
    service.close();
  }

  private static SecretInfo secret(String name, String type) {
    return SecretInfo.of(name, Readability.VALUE)
        .withFormat(KubernetesSecrets.FORMAT)
        .withAttributes(Map.of("type", type));
  }

  private void write(SecretInfo info, String json, WriteCondition condition) throws Exception {
    try (SecretValue value = SecretValue.ofText(json)) {
      secrets.write(info, value, condition);
    }
  }

  private static void assertCode(
      String code, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(SecretException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void everyPageIsListedAndTokensOfServiceAccountsAreNot() throws Exception {
    service.mostPerPage = 2;
    for (int i = 0; i < 5; i++) {
      service.put("s" + i, "Opaque", Map.of("k", "dg=="));
    }
    service.put("token", "kubernetes.io/service-account-token", Map.of("token", "dg=="));
    assertThat(secrets.list())
        .extracting(SecretInfo::name, SecretInfo::version)
        .containsExactly(
            Tuple.tuple("s0", "101"),
            Tuple.tuple("s1", "102"),
            Tuple.tuple("s2", "103"),
            Tuple.tuple("s3", "104"),
            Tuple.tuple("s4", "105"));
  }

  @Test
  void aListThatExpiresIsBegunAgainAndNotCut() throws Exception {
    service.mostPerPage = 2;
    for (int i = 0; i < 5; i++) {
      service.put("s" + i, "Opaque", Map.of("k", "dg=="));
    }
    service.expireLists = 2;
    assertThat(secrets.list())
        .extracting(SecretInfo::name)
        .containsExactly("s0", "s1", "s2", "s3", "s4");
    service.expireLists = 9;
    assertCode(SecretException.UNEXPECTED, secrets::list);
  }

  @Test
  void aNamespaceThatIsNotThereOrHiddenIsNotAnEmptyOne() throws Exception {
    assertThat(secrets.list()).isEmpty();
    try (KubernetesSecrets other = KubernetesSecrets.of(service.connect().build(), "shopp")) {
      assertCode(SecretException.NO_SUCH_PLACE, other::list);
    }
    service.hiddenNamespace = true;
    assertCode(SecretException.FORBIDDEN, secrets::list);
    assertCode(SecretException.FORBIDDEN, () -> secrets.find("a"));
  }

  @Test
  void aSecretIsReadWithAllItsKeysAndItsType() throws Exception {
    service.put("tls", "kubernetes.io/tls", Map.of("tls.key", "a2V5", "tls.crt", "Y3J0"));
    try (Secret read = secrets.read(secrets.list().get(0))) {
      String value = read.value().useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8));
      assertThat(value).isEqualTo("{\"tls.crt\":\"Y3J0\",\"tls.key\":\"a2V5\"}");
      assertThat(read.info().attributes()).containsEntry("type", "kubernetes.io/tls");
    }
  }

  @Test
  void aSecretIsCreatedWithItsTypeAndOnlyIfThereIsNone() throws Exception {
    SecretInfo tls = secret("tls", "kubernetes.io/tls");
    write(tls, "{\"tls.crt\":\"Y3J0\",\"tls.key\":\"a2V5\"}", new WriteCondition.IfAbsent());
    assertThat(service.secrets.get("tls").type).isEqualTo("kubernetes.io/tls");
    assertThat(service.secrets.get("tls").data)
        .containsExactly(Map.entry("tls.crt", "Y3J0"), Map.entry("tls.key", "a2V5"));
    assertCode(
        SecretException.CONFLICT,
        () -> write(tls, "{\"tls.crt\":\"\"}", new WriteCondition.IfAbsent()));
  }

  @Test
  void whatIsReplacedHasTheKeysOfTheSetAloneAndKeepsItsLabels() throws Exception {
    service.put("db", "Opaque", Map.of("user", "dQ==", "old", "eA==")).labels = "{\"app\":\"x\"}";
    String version = secrets.find("db").orElseThrow().version();
    write(
        secret("db", "Opaque"),
        "{\"new\":\"bg==\",\"user\":\"dg==\"}",
        new WriteCondition.IfVersion(version));
    assertThat(service.secrets.get("db").data)
        .containsExactly(Map.entry("new", "bg=="), Map.entry("user", "dg=="));
    assertThat(service.secrets.get("db").labels).isEqualTo("{\"app\":\"x\"}");
    write(
        secret("db", "Opaque"),
        "{}",
        new WriteCondition.IfVersion(secrets.find("db").orElseThrow().version()));
    assertThat(service.secrets.get("db").data).isEmpty();
  }

  @Test
  void theServerItselfRefusesToOverwriteWhatWasWrittenSince() throws Exception {
    service.put("db", "Opaque", Map.of("user", "dQ=="));
    String version = secrets.find("db").orElseThrow().version();
    service.put("db", "Opaque", Map.of("user", "dGhlaXJz"));
    assertCode(
        SecretException.CONFLICT,
        () ->
            write(
                secret("db", "Opaque"),
                "{\"user\":\"bw==\"}",
                new WriteCondition.IfVersion(version)));
    assertThat(service.secrets.get("db").data).containsEntry("user", "dGhlaXJz");
  }

  @Test
  void immutableSecretsAndOtherTypesAreRefusedWithTheWayOut() throws Exception {
    service.put("db", "Opaque", Map.of("user", "dQ==")).immutable = true;
    WriteCondition now = new WriteCondition.IfVersion(secrets.find("db").orElseThrow().version());
    assertThatThrownBy(() -> write(secret("db", "Opaque"), "{\"user\":\"bw==\"}", now))
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.remedy()).contains("Delete the Secret"))
        .hasMessageContaining("immutable");
    assertThatThrownBy(() -> write(secret("db", "kubernetes.io/tls"), "{\"user\":\"bw==\"}", now))
        .hasMessageContaining("types stay");
    assertThat(secrets.refusal(secret("Not_A_Name", "Opaque"))).isPresent();
    assertThat(secrets.refusal(SecretInfo.of("a", Readability.VALUE))).isPresent();
  }

  @Test
  void itSaysWhatItCannotRead() {
    assertThat(secrets.limits())
        .extracting(Limit::what, Limit::readability)
        .containsExactly(
            Tuple.tuple("Tokens of service accounts", Readability.NOT_EXPORTABLE),
            Tuple.tuple("When each Secret was last written", Readability.NOT_EXPORTABLE));
    assertThat(secrets.conditional()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"a\":\"YQ==\"},\"type\":\"other\"",
        "{\"a\":\"YQ==\"},\"metadata\":{\"name\":\"other\"}",
        "{\"a\":1}",
        "{\"a\":{}}",
        "{\"a\":null}",
        "[]",
        "{}}"
      })
  void aValueBringsNothingIntoTheDocumentButItsOwnMembers(String json) throws Exception {
    service.put("db", "Opaque", Map.of("user", "dQ=="));
    String version = secrets.find("db").orElseThrow().version();
    assertCode(
        SecretException.REFUSED,
        () -> write(secret("a", "Opaque"), json, new WriteCondition.IfAbsent()));
    assertCode(
        SecretException.REFUSED,
        () -> write(secret("db", "Opaque"), json, new WriteCondition.IfVersion(version)));
    assertThat(service.asked).noneMatch(call -> call.startsWith("P"));
  }

  @Test
  void aValueIsWrittenInCanonicalForm() throws Exception {
    service.put("db", "Opaque", Map.of("old", "dQ=="));
    write(
        secret("db", "Opaque"),
        " { \"b\" : \"Yg==\" , \"a\" : \"YQ==\" } ",
        new WriteCondition.IfVersion(secrets.find("db").orElseThrow().version()));
    assertThat(service.secrets.get("db").data)
        .containsExactly(Map.entry("a", "YQ=="), Map.entry("b", "Yg=="));
  }

  @Test
  void aTokenOfAServiceAccountIsNotMadeByARestore() {
    SecretInfo token = secret("token", "kubernetes.io/service-account-token");
    assertThat(secrets.refusal(token)).isPresent();
    assertCode(SecretException.REFUSED, () -> write(token, "{}", new WriteCondition.IfAbsent()));
    assertThat(service.asked).isEmpty();
  }

  @Test
  void annotationsThatMayRepeatAValueAreNotTaken() throws Exception {
    byte[] body =
        "{\"metadata\":{\"annotations\":{\"last\":\"hunter2\"},\"name\":\"n\"}}"
            .getBytes(StandardCharsets.UTF_8);
    try (JsonAnswer answer = JsonAnswer.read("read it", body)) {
      assertThat(answer.fields().object("metadata").names()).containsExactly("name");
    }
  }
}
