package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.WriteCondition;
import com.thorbis.backup.testkit.SettableClock;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VaultKvSecretsTest {
  private FakeVault service;
  private VaultKvSecrets secrets;

  @BeforeEach
  void start() throws Exception {
    service = new FakeVault();
    secrets =
        VaultKvSecrets.of(
            service
                .connect()
                .clock(SettableClock.at(Instant.parse("2026-04-01T00:00:00Z")))
                .build(),
            "secret/",
            "");
  }

  @AfterEach
  void stop() {
    secrets.close();
    service.close();
  }

  private static SecretInfo path(String name) {
    return SecretInfo.of(name, Readability.VALUE).withFormat(VaultKvSecrets.FORMAT);
  }

  private String read(String name) throws Exception {
    try (Secret secret = secrets.read(secrets.find(name).orElseThrow())) {
      return secret.value().useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8));
    }
  }

  private void write(String name, String json, WriteCondition condition) throws Exception {
    try (SecretValue value = SecretValue.ofText(json)) {
      secrets.write(path(name), value, condition);
    }
  }

  @Test
  void everyFolderIsListedAndWhatWasDeletedIsNot() throws Exception {
    service.put("a", "{\"k\":\"1\"}");
    service.put("app/web/key", "{\"k\":\"2\"}");
    service.put("app/web/key", "{\"k\":\"3\"}");
    service.put("app/gone", "{\"k\":\"4\"}");
    service.delete("app/gone");
    service.put("app/name with space?", "{\"k\":\"5\"}");
    service.put("later", "{\"k\":\"6\"}");
    service.newest("later").deletion = "2027-01-01T00:00:00Z";
    assertThat(secrets.list())
        .extracting(SecretInfo::name, SecretInfo::version)
        .containsExactlyInAnyOrder(
            org.assertj.core.groups.Tuple.tuple("a", "1"),
            org.assertj.core.groups.Tuple.tuple("app/web/key", "2"),
            org.assertj.core.groups.Tuple.tuple("later", "1"),
            org.assertj.core.groups.Tuple.tuple("app/name with space?", "1"));
    assertThat(secrets.find("a").orElseThrow().updated())
        .contains(Instant.parse("2026-03-01T10:01:00.123456789Z"));
  }

  @Test
  void aPrefixIsTheRootOfItsNames() throws Exception {
    service.put("app/web", "{\"k\":\"1\"}");
    service.put("other", "{\"k\":\"2\"}");
    try (VaultKvSecrets part = VaultKvSecrets.of(service.connect().build(), "secret", "/app/")) {
      assertThat(part.list()).extracting(SecretInfo::name).containsExactly("web");
    }
  }

  @Test
  void aValueIsTheSameDocumentWhateverTheOrderOfItsNames() throws Exception {
    service.put("a", "{\"z\":[1,2.50,{\"y\":null,\"x\":true}],\"b\":\"\\u00e4\\\"\\n\",\"a\":1e5}");
    service.put(
        "b", "{\"a\":1e5, \"b\":\"ä\\\"\\u000a\", \"z\":[1, 2.50, {\"x\":true,\"y\":null}]}");
    assertThat(read("a")).isEqualTo(read("b"));
    assertThat(read("a"))
        .isEqualTo("{\"a\":1e5,\"b\":\"ä\\\"\\u000a\",\"z\":[1,2.50,{\"x\":true,\"y\":null}]}");
  }

  @Test
  void anEngineThatIsNotThereIsNotAnEmptyOne() throws Exception {
    assertThat(secrets.list()).isEmpty();
    try (VaultKvSecrets none = VaultKvSecrets.of(service.connect().build(), "nowhere", "")) {
      assertThatThrownBy(none::list)
          .isInstanceOfSatisfying(
              SecretException.class,
              e -> assertThat(e.code()).isEqualTo(SecretException.NO_SUCH_PLACE))
          .hasMessageContaining("nowhere");
    }
  }

  @Test
  void aTokenThatMayNotIsToldFromNothingThere() {
    VaultKvSecrets denied = VaultKvSecrets.of(service.connect("wrong-token").build(), "secret", "");
    assertThatThrownBy(denied::list)
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.FORBIDDEN))
        .hasMessageNotContaining("wrong-token");
    denied.close();
  }

  @Test
  void whatIsGoneSinceItWasListedIsNotFound() throws Exception {
    service.put("a", "{\"k\":\"1\"}");
    SecretInfo listed = secrets.list().get(0);
    service.delete("a");
    assertThatThrownBy(() -> secrets.read(listed))
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.NOT_FOUND));
    assertThat(secrets.find("a")).isEmpty();
  }

  @Test
  void vaultItselfRefusesToOverwriteWhatWasWrittenSince() throws Exception {
    write("a", "{\"k\":\"1\"}", new WriteCondition.IfAbsent());
    service.put("a", "{\"k\":\"theirs\"}");
    assertThatThrownBy(() -> write("a", "{\"k\":\"2\"}", new WriteCondition.IfVersion("1")))
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.CONFLICT));
    assertThatThrownBy(() -> write("a", "{\"k\":\"2\"}", new WriteCondition.IfAbsent()))
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.CONFLICT));
    assertThat(read("a")).isEqualTo("{\"k\":\"theirs\"}");
    write("a", "{\"k\":\"2\"}", new WriteCondition.IfVersion("2"));
    assertThat(read("a")).isEqualTo("{\"k\":\"2\"}");
  }

  @Test
  void aPathThatWasDeletedIsWrittenAsItsNextVersion() throws Exception {
    service.put("a", "{\"k\":\"1\"}");
    service.delete("a");
    write("a", "{\"k\":\"2\"}", new WriteCondition.IfAbsent());
    assertThat(secrets.find("a").orElseThrow().version()).isEqualTo("2");
  }

  @Test
  void aWriteWhoseAnswerBreaksOffMayHaveBeenDone() throws Exception {
    service.cut("POST");
    assertThatThrownBy(() -> write("a", "{\"k\":\"1\"}", new WriteCondition.IfAbsent()))
        .isInstanceOfSatisfying(
            SecretException.class,
            e -> assertThat(e.code()).isEqualTo(SecretException.OUTCOME_UNKNOWN));
    assertThat(read("a")).isEqualTo("{\"k\":\"1\"}");
  }

  @Test
  void itSaysWhatItCannotRead() {
    assertThat(secrets.limits())
        .extracting(Limit::what, Limit::readability)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple(
                "Versions that were destroyed", Readability.NOT_EXPORTABLE),
            org.assertj.core.groups.Tuple.tuple(
                "Dynamic secrets, and keys of the engines transit and PKI",
                Readability.NOT_EXPORTABLE));
    assertThat(secrets.conditional()).isTrue();
    assertThat(secrets.refusal(SecretInfo.of("A", Readability.VALUE))).isPresent();
  }

  private static void assertCode(
      String code, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(SecretException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @ParameterizedTest
  @ValueSource(strings = {"..", "../sys/mounts", "a/../../b", "./a", "a//b", "/a", "a/", "a/."})
  void aPathThatSomebodyMayResolveIsRefusedBeforeAnybodyIsAsked(String name) {
    assertThat(secrets.refusal(path(name))).isPresent();
    assertCode(SecretException.REFUSED, () -> secrets.find(name));
    assertCode(SecretException.REFUSED, () -> secrets.read(path(name)));
    assertCode(SecretException.REFUSED, () -> write(name, "{}", new WriteCondition.IfAbsent()));
    assertThat(service.asked).isEmpty();
    assertThatThrownBy(() -> VaultKvSecrets.of(service.connect().build(), "secret", "x/../y"))
        .isInstanceOf(BackupException.class);
    assertThatThrownBy(() -> VaultKvSecrets.of(service.connect().build(), "..", ""))
        .isInstanceOf(BackupException.class);
  }

  @Test
  void aListThatNamesSuchAPathDoesNotLeadThere() throws Exception {
    service.put("a/../b", "{\"k\":\"1\"}");
    service.put("c", "{\"k\":\"1\"}");
    Listing listing = secrets.survey();
    assertThat(listing.secrets()).extracting(SecretInfo::name).containsExactly("c");
    assertThat(listing.unseen()).containsOnlyKeys("a/../");
    assertThat(service.asked).noneMatch(call -> call.contains(".."));
  }

  @Test
  void aFolderOrPathThatIsForbiddenDoesNotLoseTheOthers() throws Exception {
    service.put("a", "{\"k\":\"1\"}");
    service.put("b", "{\"k\":\"1\"}");
    service.put("hidden/c", "{\"k\":\"1\"}");
    service.forbidden.addAll(java.util.List.of("hidden/", "b"));
    Listing listing = secrets.survey();
    assertThat(listing.secrets()).extracting(SecretInfo::name).containsExactly("a");
    assertThat(listing.unseen()).containsOnlyKeys("b", "hidden/");
    assertThat(listing.unseen().get("b").code()).isEqualTo(SecretException.FORBIDDEN);
    assertCode(SecretException.FORBIDDEN, secrets::list);
    service.forbidden.add("");
    assertCode(SecretException.FORBIDDEN, secrets::survey);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"k\":\"1\"},\"options\":{\"cas\":7}",
        "{\"k\":\"1\",\"k\":\"2\"}",
        "{\"k\":\"1\"} {}",
        "[]",
        "\"k\"",
        "{\"k\":",
        ""
      })
  void aValueBringsNothingIntoTheDocumentButItsOwnMembers(String json) {
    assertCode(SecretException.REFUSED, () -> write("a", json, new WriteCondition.IfAbsent()));
    assertThat(service.asked).noneMatch(call -> call.startsWith("POST"));
  }

  @Test
  void aValueIsWrittenInCanonicalForm() throws Exception {
    write("a", " { \"b\" : 1 , \"a\" : [ true ] } ", new WriteCondition.IfAbsent());
    assertThat(service.newest("a").data).isEqualTo("{\"a\":[true],\"b\":1}");
  }
}
