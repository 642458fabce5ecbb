package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.assertj.core.groups.Tuple;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SupabaseSecretsTest {
  private FakeSupabase service;
  private SupabaseSecrets secrets;

  @BeforeEach
  void start() throws Exception {
    service = new FakeSupabase();
    secrets = SupabaseSecrets.of(service.connect().build(), "abc");
  }

  @AfterEach
  void stop() {
    secrets.close();
    service.close();
  }

  private String value(String name) throws Exception {
    try (Secret secret = secrets.read(secrets.find(name).orElseThrow())) {
      return secret.value().useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8));
    }
  }

  private void write(String name, String text, WriteCondition condition) throws Exception {
    try (SecretValue value = SecretValue.ofText(text)) {
      secrets.write(SecretInfo.of(name, Readability.VALUE), value, condition);
    }
  }

  private static void assertCode(
      String code, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(SecretException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void secretsHaveDigestsAloneAndKeysHaveValues() throws Exception {
    service.put("STRIPE", "sk_live_1");
    assertThat(secrets.list())
        .extracting(SecretInfo::name, SecretInfo::readability)
        .containsExactly(
            Tuple.tuple("secret/STRIPE", Readability.DIGEST),
            Tuple.tuple("api-key/anon", Readability.VALUE_WITH_PERMISSION),
            Tuple.tuple("api-key/secret:default", Readability.VALUE_WITH_PERMISSION),
            Tuple.tuple("vault-root-key", Readability.VALUE_WITH_PERMISSION));
    assertThat(value("api-key/anon")).isEqualTo("eyJanon");
    assertThat(value("api-key/secret:default")).isEqualTo("sb_secret_abcdef");
    assertCode(SecretException.UNREADABLE, () -> value("secret/STRIPE"));
  }

  @Test
  void aMaskedKeyIsNotTakenForAValue() {
    service.mayReveal = false;
    assertCode(SecretException.UNREADABLE, () -> value("api-key/secret:default"));
  }

  @Test
  void theDigestTellsWhetherAKnownValueStandsThere() throws Exception {
    service.put("STRIPE", "sk_live_1");
    SecretInfo current = secrets.find("secret/STRIPE").orElseThrow();
    try (SecretValue same = SecretValue.ofText("sk_live_1");
        SecretValue other = SecretValue.ofText("sk_live_2")) {
      assertThat(secrets.matches(current, same)).contains(true);
      assertThat(secrets.matches(current, other)).contains(false);
      assertThat(secrets.matches(secrets.find("vault-root-key").orElseThrow(), same)).isEmpty();
    }
  }

  @Test
  void theRootKeyOfVaultIsReadAndSet() throws Exception {
    assertThat(value("vault-root-key")).isEqualTo("00".repeat(32));
    assertCode(
        SecretException.CONFLICT,
        () -> write("vault-root-key", "ff".repeat(32), new WriteCondition.IfAbsent()));
    String version = secrets.find("vault-root-key").orElseThrow().version();
    service.rootKey = "11".repeat(32);
    assertCode(
        SecretException.CONFLICT,
        () -> write("vault-root-key", "ff".repeat(32), new WriteCondition.IfVersion(version)));
    assertThat(service.rootKey).isEqualTo("11".repeat(32));
    write(
        "vault-root-key",
        "ff".repeat(32),
        new WriteCondition.IfVersion(secrets.find("vault-root-key").orElseThrow().version()));
    assertThat(service.asked.subList(service.asked.size() - 2, service.asked.size()))
        .containsExactly("GET /v1/projects/abc/pgsodium", "PUT /v1/projects/abc/pgsodium");
    assertThat(service.rootKey).isEqualTo("ff".repeat(32));
    service.mayReadRootKey = false;
    assertCode(SecretException.FORBIDDEN, () -> value("vault-root-key"));
  }

  @Test
  void aSecretIsWrittenAndWhatSomebodyElseWroteIsNotOverwritten() throws Exception {
    write("STRIPE", "1", new WriteCondition.IfAbsent());
    assertThat(service.secrets).containsEntry("STRIPE", "1");
    String version = secrets.find("secret/STRIPE").orElseThrow().version();
    service.put("STRIPE", "theirs");
    for (WriteCondition condition :
        List.of(new WriteCondition.IfVersion(version), new WriteCondition.IfAbsent())) {
      assertCode(SecretException.CONFLICT, () -> write("secret/STRIPE", "2", condition));
    }
    assertThat(service.secrets).containsEntry("STRIPE", "theirs");
  }

  @Test
  void whatSupabaseMakesItselfIsRefusedBeforeAnybodyIsAsked() {
    assertThat(secrets.refusal(SecretInfo.of("api-key/anon", Readability.VALUE))).isPresent();
    assertThat(secrets.refusal(SecretInfo.of("SUPABASE_URL", Readability.VALUE))).isPresent();
    assertThat(secrets.refusal(SecretInfo.of("a b", Readability.VALUE))).isPresent();
    assertThat(secrets.refusal(SecretInfo.of("STRIPE", Readability.VALUE))).isEmpty();
    assertThat(service.asked).isEmpty();
  }

  @Test
  void aProjectThatIsNotThereIsNotAnEmptyOne() throws Exception {
    try (SupabaseSecrets other = SupabaseSecrets.of(service.connect().build(), "xyz")) {
      assertCode(SecretException.NO_SUCH_PLACE, other::list);
    }
  }

  @Test
  void itSaysWhatItCannotRead() {
    assertThat(secrets.limits())
        .extracting(Limit::what, Limit::readability)
        .containsExactly(
            Tuple.tuple("The value of secrets of edge functions", Readability.DIGEST),
            Tuple.tuple("The private part of keys that sign sessions", Readability.NOT_EXPORTABLE),
            Tuple.tuple(
                "Secrets of providers in the configuration of sign-in",
                Readability.NOT_EXPORTABLE));
    assertThat(secrets.conditional()).isFalse();
  }

  @Test
  void noConditionHoldsWithoutAVersion() {
    assertThatThrownBy(() -> new WriteCondition.IfVersion(""))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void whatHasNoDateHasAVersionAllTheSame() throws Exception {
    service.dates = false;
    service.put("STRIPE", "1");
    String version = secrets.find("secret/STRIPE").orElseThrow().version();
    assertThat(version).isNotEmpty();
    assertThat(secrets.find("secret/STRIPE").orElseThrow().version()).isEqualTo(version);
    service.put("STRIPE", "theirs");
    assertCode(
        SecretException.CONFLICT,
        () -> write("secret/STRIPE", "2", new WriteCondition.IfVersion(version)));
  }

  @Test
  void aPartThatIsForbiddenDoesNotLoseTheOthers() throws Exception {
    service.put("STRIPE", "1");
    service.strike("GET", 403, java.util.Map.of(), 1);
    Listing listing = secrets.survey();
    assertThat(listing.unseen()).containsOnlyKeys("secret/");
    assertThat(listing.secrets())
        .extracting(SecretInfo::name)
        .containsExactly("api-key/anon", "api-key/secret:default", "vault-root-key");
    service.mayReadRootKey = false;
    assertThat(secrets.survey().unseen()).containsOnlyKeys("vault-root-key");
    service.strike("GET", 403, java.util.Map.of(), 1);
    assertCode(SecretException.FORBIDDEN, secrets::list);
    service.strike("GET", 403, java.util.Map.of(), 3);
    assertCode(SecretException.FORBIDDEN, secrets::survey);
  }

  @Test
  void whatIsNoDigestIsNoneAndADigestIsNotPrinted() throws Exception {
    service.put("STRIPE", "1");
    SecretInfo info = secrets.find("secret/STRIPE").orElseThrow();
    assertThat(info.digest()).isPresent();
    assertThat(info.toString()).doesNotContain(info.digest().orElseThrow());
    service.digest = Optional.of("sk_live_in_plain");
    assertThat(secrets.find("secret/STRIPE").orElseThrow().digest()).isEmpty();
  }
}
