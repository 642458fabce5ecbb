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
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.assertj.core.groups.Tuple;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class VercelSecretsTest {
  private FakeVercel service;
  private VercelSecrets secrets;

  @BeforeEach
  void start() throws Exception {
    service = new FakeVercel();
    secrets = VercelSecrets.of(service.connect().build(), "shop", Optional.empty());
  }

  @AfterEach
  void stop() {
    secrets.close();
    service.close();
  }

  private SecretInfo listed(String name) throws Exception {
    return secrets.list().stream()
        .filter(info -> info.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  private String value(String name) throws Exception {
    try (Secret secret = secrets.read(listed(name))) {
      return secret.value().useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8));
    }
  }

  private void write(SecretInfo info, String text, WriteCondition condition) throws Exception {
    try (SecretValue value = SecretValue.ofText(text)) {
      secrets.write(info, value, condition);
    }
  }

  private static void assertCode(
      String code, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(SecretException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void everyPageIsListedAndOneKeyMayStandForSeveralTargets() throws Exception {
    service.mostPerPage = 2;
    service.put("DB", "encrypted", "p", "[\"production\"]");
    service.put("DB", "encrypted", "d", "[\"preview\",\"development\"]");
    service.put("DB", "encrypted", "b", "[\"preview\"]").branch = "\"feature/x\"";
    service.put("KEY", "sensitive", "hidden", "[\"production\"]");
    service.put("VERCEL_URL", "system", "", "[\"production\"]");
    assertThat(secrets.list())
        .extracting(SecretInfo::name, SecretInfo::readability)
        .containsExactly(
            Tuple.tuple("DB:production", Readability.VALUE),
            Tuple.tuple("DB:development,preview", Readability.VALUE),
            Tuple.tuple("DB:preview:feature/x", Readability.VALUE),
            Tuple.tuple("KEY:production", Readability.NAME_ONLY));
    assertThat(listed("DB:production").updated())
        .contains(Instant.ofEpochMilli(1_770_000_000_001L));
    assertThat(service.asked.get(1)).contains("until=2");
  }

  @Test
  void aValueIsReadOneByOneAsTheListHoldsCiphertext() throws Exception {
    service.put("DB", "encrypted", "päss\n\"1\"", "[\"production\"]");
    assertThat(value("DB:production")).isEqualTo("päss\n\"1\"");
  }

  @Test
  void aSensitiveValueIsNeverRead() throws Exception {
    service.put("KEY", "sensitive", "hidden", "[\"production\"]");
    assertCode(SecretException.UNREADABLE, () -> secrets.read(listed("KEY:production")));
  }

  @Test
  void aListThatIsNotWholeIsAFailure() throws Exception {
    service.hasMore = true;
    assertCode(SecretException.UNEXPECTED, secrets::list);
  }

  @Test
  void whatIsGoneSinceItWasListedIsNotFoundAndAHiddenProjectIsNot() throws Exception {
    service.put("DB", "encrypted", "x", "[\"production\"]");
    SecretInfo listed = listed("DB:production");
    service.variables.clear();
    assertCode(SecretException.NOT_FOUND, () -> secrets.read(listed));
    try (VercelSecrets other =
        VercelSecrets.of(service.connect().build(), "other", Optional.empty())) {
      assertCode(SecretException.NO_SUCH_PLACE, other::list);
    }
  }

  @Test
  void theTeamIsNamedInEveryCall() throws Exception {
    service.team = "team_1";
    assertCode(SecretException.FORBIDDEN, secrets::list);
    try (VercelSecrets ours =
        VercelSecrets.of(service.connect().build(), "shop", Optional.of("team_1"))) {
      assertThat(ours.instance()).startsWith("shop of team_1 at http");
      assertThat(ours.list()).isEmpty();
    }
  }

  @Test
  void aVariableIsWrittenForItsTargetsAndBranch() throws Exception {
    service.put("DB", "encrypted", "b", "[\"preview\"]").branch = "\"feature/x\"";
    SecretInfo info = listed("DB:preview:feature/x");
    service.variables.clear();
    write(info, "back \"again\"", new WriteCondition.IfAbsent());
    assertThat(value("DB:preview:feature/x")).isEqualTo("back \"again\"");
    assertThat(service.variables.get(0).type).isEqualTo("\"encrypted\"");
    SecretInfo now = listed("DB:preview:feature/x");
    write(now, "third", new WriteCondition.IfVersion(now.version()));
    assertThat(value("DB:preview:feature/x")).isEqualTo("third");
    assertThat(service.variables).hasSize(1);
  }

  @Test
  void whatComesFromElsewhereIsForWhatIsDeployedAndNobodyReadsItThere() throws Exception {
    SecretInfo plain = SecretInfo.of("API_KEY", Readability.VALUE);
    assertThat(secrets.nameOf(plain)).isEqualTo("API_KEY:preview,production");
    write(plain, "x", new WriteCondition.IfAbsent());
    FakeVercel.Variable written = service.variables.get(0);
    assertThat(written.type).isEqualTo("\"sensitive\"");
    assertThat(written.target).isEqualTo("[\"preview\",\"production\"]");
    SecretInfo told =
        plain.withAttributes(
            java.util.Map.of("key", "OTHER", "type", "encrypted", "target", "development"));
    write(told, "y", new WriteCondition.IfAbsent());
    assertThat(value("OTHER:development")).isEqualTo("y");
  }

  @Test
  void whatSomebodyElseWroteIsNotOverwritten() throws Exception {
    service.put("DB", "encrypted", "1", "[\"production\"]");
    SecretInfo before = listed("DB:production");
    service.variables.get(0).updated += 5;
    for (WriteCondition condition :
        List.of(new WriteCondition.IfVersion(before.version()), new WriteCondition.IfAbsent())) {
      assertCode(SecretException.CONFLICT, () -> write(before, "2", condition));
    }
    assertThat(value("DB:production")).isEqualTo("1");
  }

  @Test
  void aConflictThatVercelFindsIsOneInEitherForm() throws Exception {
    service.put("DB", "system", "1", "[\"production\"]");
    SecretInfo info =
        SecretInfo.of("DB:production", Readability.VALUE)
            .withAttributes(
                java.util.Map.of("key", "DB", "type", "encrypted", "target", "production"));
    for (boolean list : new boolean[] {false, true}) {
      service.failedList = list;
      assertCode(SecretException.CONFLICT, () -> write(info, "2", new WriteCondition.IfAbsent()));
    }
  }

  @Test
  void itSaysWhatItCannotRead() {
    assertThat(secrets.limits())
        .extracting(Limit::what, Limit::readability)
        .containsExactly(
            Tuple.tuple("The value of variables of the type sensitive", Readability.NAME_ONLY),
            Tuple.tuple("Variables of custom environments", Readability.NOT_EXPORTABLE),
            Tuple.tuple(
                "Variables that a team shares among projects, and those of integrations",
                Readability.NOT_EXPORTABLE));
    assertThat(secrets.conditional()).isFalse();
    assertThat(secrets.refusal(SecretInfo.of("a-b", Readability.VALUE))).isPresent();
    assertThat(
            secrets.refusal(
                SecretInfo.of("A", Readability.VALUE).withFormat(VaultKvSecrets.FORMAT)))
        .isPresent();
  }

  @Test
  void ciphertextIsNotTakenForAValue() throws Exception {
    service.put("DB", "encrypted", "ciphertext", "[\"production\"]");
    service.put("OPEN", "plain", "x", "[\"production\"]");
    service.decrypts = false;
    assertCode(SecretException.UNREADABLE, () -> value("DB:production"));
    assertThat(value("OPEN:production")).isEqualTo("x");
  }

  @Test
  void aVariableOfCustomEnvironmentsIsANamedGapAndNeverWrittenToNone() throws Exception {
    service.put("DB", "encrypted", "x", "[]").custom = "[\"env_1\"]";
    service.put("DB", "encrypted", "y", "[\"production\"]").custom = "[\"env_2\"]";
    service.put("NOWHERE", "encrypted", "z", "[]");
    assertThat(secrets.list())
        .extracting(SecretInfo::name, SecretInfo::readability)
        .containsExactly(
            Tuple.tuple("DB:+env_1", Readability.NOT_EXPORTABLE),
            Tuple.tuple("DB:production+env_2", Readability.NOT_EXPORTABLE),
            Tuple.tuple("NOWHERE:", Readability.NOT_EXPORTABLE));
    for (SecretInfo info : secrets.list()) {
      assertThat(secrets.refusal(info)).isPresent();
      assertCode(SecretException.REFUSED, () -> write(info, "v", new WriteCondition.IfAbsent()));
    }
    assertThat(service.asked).noneMatch(call -> call.startsWith("POST"));
  }
}
