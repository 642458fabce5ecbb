package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GitHubActionsSecretsTest {
  private FakeGitHub service;
  private GitHubActionsSecrets secrets;

  @BeforeEach
  void start() throws Exception {
    service = FakeGitHub.ofRepository();
    secrets = GitHubActionsSecrets.ofRepository(service.connect().build(), "acme", "shop");
  }

  @AfterEach
  void stop() {
    secrets.close();
    service.close();
  }

  private static SecretInfo secret(String name) {
    return SecretInfo.of(name, Readability.VALUE);
  }

  private void write(String name, String text, WriteCondition condition) throws Exception {
    try (SecretValue value = SecretValue.ofText(text)) {
      secrets.write(secret(name), value, condition);
    }
  }

  @Test
  void everyPageIsListedWithNamesAndDatesAlone() throws Exception {
    for (int i = 0; i < 230; i++) {
      service.put("S" + i, "hidden");
    }
    List<SecretInfo> listed = secrets.list();
    assertThat(listed).hasSize(230);
    assertThat(listed)
        .allSatisfy(
            info -> {
              assertThat(info.readability()).isEqualTo(Readability.NAME_ONLY);
              assertThat(info.updated()).contains(service.updated.get(info.name()));
            });
    assertThat(service.asked).hasSize(3);
  }

  @Test
  void aPlaceWithoutSecretsIsEmpty() throws Exception {
    assertThat(secrets.list()).isEmpty();
  }

  @Test
  void itSaysWhatItCannotRead() throws Exception {
    assertThat(secrets.limits())
        .extracting(Limit::what, Limit::readability)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple("The value of every secret", Readability.NAME_ONLY),
            org.assertj.core.groups.Tuple.tuple(
                "Secrets of Dependabot, Codespaces and the organization",
                Readability.NOT_EXPORTABLE));
    service.put("TOKEN", "hidden");
    assertThatThrownBy(() -> secrets.read(secrets.list().get(0)))
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.UNREADABLE));
    assertThat(secrets.conditional()).isFalse();
  }

  @Test
  void aValueIsSealedToTheRepositorysKey() throws Exception {
    write("db_password", "päss \"word\" \n 1", new WriteCondition.IfAbsent());
    assertThat(service.values).containsExactly(Map.entry("DB_PASSWORD", "päss \"word\" \n 1"));
    String version = secrets.find("DB_PASSWORD").orElseThrow().version();
    write("DB_PASSWORD", "second", new WriteCondition.IfVersion(version));
    assertThat(service.values).containsExactly(Map.entry("DB_PASSWORD", "second"));
  }

  @Test
  void anEnvironmentHasItsOwnSecretsAndKey() throws Exception {
    try (FakeGitHub other = FakeGitHub.ofEnvironment();
        GitHubActionsSecrets environment =
            GitHubActionsSecrets.ofEnvironment(
                other.connect().build(), "acme", "shop", "production");
        SecretValue value = SecretValue.ofText("x")) {
      environment.write(secret("A"), value, new WriteCondition.IfAbsent());
      assertThat(other.values).containsExactly(Map.entry("A", "x"));
      assertThat(environment.instance()).startsWith("acme/shop/production at http");
    }
  }

  @Test
  void whatSomebodyElseWroteIsNotOverwritten() throws Exception {
    service.put("A", "first");
    String before = secrets.find("A").orElseThrow().version();
    service.put("A", "theirs");
    assertThatThrownBy(() -> write("A", "ours", new WriteCondition.IfVersion(before)))
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.CONFLICT));
    assertThatThrownBy(() -> write("A", "ours", new WriteCondition.IfAbsent()))
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.CONFLICT));
    assertThat(service.values).containsEntry("A", "theirs");
  }

  @Test
  void namesAndValuesThatItDoesNotTakeAreRefusedBeforeAnybodyIsAsked() {
    assertThat(secrets.refusal(secret("GITHUB_TOKEN"))).isPresent();
    assertThat(secrets.refusal(secret("1A"))).isPresent();
    assertThat(secrets.refusal(secret("a/b"))).isPresent();
    assertThat(secrets.refusal(secret("A").withFormat("vault-kv2/json"))).isPresent();
    assertThat(secrets.refusal(secret("a_1"))).isEmpty();
    assertThatThrownBy(() -> write("A", "x".repeat(48 * 1024 + 1), new WriteCondition.IfAbsent()))
        .hasMessageContaining("49153 bytes");
    assertThat(service.asked).isEmpty();
  }

  @Test
  void aRepositoryThatIsHiddenIsNotAnEmptyOne() {
    GitHubActionsSecrets hidden =
        GitHubActionsSecrets.ofRepository(service.connect().build(), "acme", "other");
    for (org.assertj.core.api.ThrowableAssert.ThrowingCallable look :
        List.<org.assertj.core.api.ThrowableAssert.ThrowingCallable>of(
            hidden::list, () -> hidden.find("A"))) {
      assertThatThrownBy(look)
          .isInstanceOfSatisfying(
              SecretException.class,
              e -> assertThat(e.code()).isEqualTo(SecretException.NO_SUCH_PLACE));
    }
    hidden.close();
  }
}
