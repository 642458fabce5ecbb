package com.thorbis.backup.crypto.aws;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import com.thorbis.backup.spi.secret.WriteCondition;
import com.thorbis.backup.testkit.cloud.FakeAwsSecretsManager;
import com.thorbis.backup.testkit.cloud.FakeService.Fault;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;

class AwsSecretsTest {
  private static final String MARKER = "planted-4Tz8wL";

  private final FakeAwsSecretsManager service;
  private final OwnClient<SecretsManagerClient> client;
  private final AwsSecrets place;

  AwsSecretsTest() throws IOException {
    service = new FakeAwsSecretsManager();
    client = client(FakeAwsSecretsManager.ACCESS_KEY, 3);
    place = place(client).build();
  }

  private OwnClient<SecretsManagerClient> client(String accessKey, int attempts) {
    return OwnClient.open(
        "test",
        SecretsManagerClient.builder(),
        FakeAwsSecretsManager.REGION,
        Optional.of(service.endpoint()),
        Optional.of(accessKey),
        Optional.of(SecretValue.ofText("not-a-key")),
        Optional.empty(),
        Duration.ofSeconds(10),
        attempts);
  }

  private static AwsSecrets.Builder place(OwnClient<SecretsManagerClient> client) {
    return AwsSecrets.builder()
        .client(client.client())
        .account(FakeAwsSecretsManager.ACCOUNT)
        .region(FakeAwsSecretsManager.REGION);
  }

  @AfterEach
  void stop() {
    place.close();
    client.close();
    service.close();
  }

  @Test
  void listsEveryPageAndReadsByTwenties() throws IOException {
    service.page(7);
    for (int i = 0; i < 45; i++) {
      service.put("app/%02d".formatted(i), MARKER + i);
    }
    List<SecretInfo> listed = place.list();
    assertThat(listed).hasSize(45);
    assertThat(service.calls("ListSecrets")).isEqualTo(7);
    List<String> values = new ArrayList<>();
    for (SecretInfo info : listed) {
      values.add(text(info));
    }
    assertThat(values).hasSize(45).startsWith(MARKER + "0").endsWith(MARKER + "44");
    assertThat(service.calls("BatchGetSecretValue")).isEqualTo(3);
    assertThat(service.calls("GetSecretValue")).isEqualTo(1);
  }

  @Test
  void readingOneDoesNotReadItsNeighbours() throws IOException {
    service.put("a", MARKER);
    service.put("b", MARKER + "b");
    service.put("c", MARKER + "c");
    List<SecretInfo> listed = place.list();
    assertThat(text(listed.get(1))).isEqualTo(MARKER + "b");
    assertThat(service.calls("BatchGetSecretValue")).isZero();
  }

  @Test
  void whatABatchDoesNotBringIsAFailureOfThatSecretAlone() throws IOException {
    for (String name : List.of("a", "b", "c", "d")) {
      service.put(name, MARKER + name);
    }
    service.deny("GetSecretValue c");
    List<SecretInfo> listed = place.list();
    assertThat(text(listed.get(0))).isEqualTo(MARKER + "a");
    assertThat(text(listed.get(1))).isEqualTo(MARKER + "b");
    assertFails(SecretException.FORBIDDEN, () -> place.read(listed.get(2)).close());
    assertThat(text(listed.get(3))).isEqualTo(MARKER + "d");
    assertThat(service.calls("BatchGetSecretValue")).isGreaterThan(0);
  }

  @Test
  void readsOneByOneWhereBatchesAreNotAllowed() throws IOException {
    service.deny("BatchGetSecretValue");
    for (String name : List.of("a", "b", "c", "d")) {
      service.put(name, MARKER + name);
    }
    for (SecretInfo info : place.list()) {
      assertThat(text(info)).isEqualTo(MARKER + info.name());
    }
    assertThat(service.calls("BatchGetSecretValue")).isEqualTo(1);
    assertThat(service.calls("GetSecretValue")).isEqualTo(4);
  }

  @Test
  void aValueThatChangedSinceItWasReadAheadIsReadAgain() throws IOException {
    for (String name : List.of("a", "b", "c")) {
      service.put(name, MARKER + name);
    }
    List<SecretInfo> listed = place.list();
    assertThat(text(listed.get(0))).isEqualTo(MARKER + "a");
    assertThat(text(listed.get(1))).isEqualTo(MARKER + "b");
    String version = service.put("c", MARKER + "new");
    SecretInfo now = place.find("c").orElseThrow();
    assertThat(now.version()).isEqualTo(version);
    assertThat(text(now)).isEqualTo(MARKER + "new");
  }

  @Test
  void bytesVersionAndMetadataAreKept() throws IOException {
    byte[] bytes = {0, -1, 5, 'x'};
    String version = service.put("cert", bytes);
    service.describe("cert", "Description", "of the gate");
    service.describe("cert", "KmsKeyId", "alias/gate");
    service.tag("cert", "team", "payments");
    SecretInfo listed = place.list().get(0);
    assertThat(listed.version()).isEqualTo(version);
    assertThat(listed.attributes())
        .isEqualTo(
            Map.of(
                "description", "of the gate", "kms-key-id", "alias/gate", "tag.team", "payments"));
    try (Secret read = place.read(listed)) {
      assertThat(read.info().format()).isEqualTo(AwsSecrets.BINARY);
      assertThat(read.info().version()).isEqualTo(version);
      assertThat(read.info().updated()).contains(Instant.ofEpochSecond(1_600_000_001));
      byte[] readBytes = read.value().useBytes(byte[]::clone);
      assertThat(readBytes).isEqualTo(bytes);
      service.forget("cert");
      place.write(read.info(), read.value(), new WriteCondition.IfAbsent());
    }
    assertThat(service.fact("cert", "Description")).isEqualTo("of the gate");
    assertThat(service.fact("cert", "KmsKeyId")).isEqualTo("alias/gate");
    assertThat(service.tags("cert")).isEqualTo(Map.of("team", "payments"));
    try (Secret again = place.read(place.find("cert").orElseThrow())) {
      assertThat(again.info().format()).isEqualTo(AwsSecrets.BINARY);
      byte[] againBytes = again.value().useBytes(byte[]::clone);
      assertThat(againBytes).isEqualTo(bytes);
    }
  }

  @Test
  void oneThatIsScheduledForDeletionIsNeitherThereNorGone() throws IOException {
    service.put("kept", MARKER);
    service.put("old", MARKER);
    SecretInfo old = place.find("old").orElseThrow();
    service.delete("old", Instant.parse("2030-01-01T00:00:00Z"));
    Listing listing = place.survey();
    assertThat(listing.secrets()).extracting(SecretInfo::name).containsExactly("kept");
    assertThat(listing.unseen()).containsOnlyKeys("old");
    assertThat(listing.unseen().get("old").code()).isEqualTo(AwsSecrets.DELETED);
    assertThat(listing.unseen().get("old").remedy()).contains("RestoreSecret");
    assertFails(AwsSecrets.DELETED, () -> place.find("old"));
    assertFails(AwsSecrets.DELETED, () -> place.read(old).close());
    assertFails(AwsSecrets.DELETED, () -> write("old", new WriteCondition.IfAbsent()));
    assertFails(
        AwsSecrets.DELETED, () -> write("old", new WriteCondition.IfVersion(old.version())));
  }

  @Test
  void oneWithoutAValueIsNotReadableAndTakesAFirstOne() throws IOException {
    service.createEmpty("empty");
    SecretInfo empty = place.list().get(0);
    assertFails(SecretException.UNREADABLE, () -> place.read(empty).close());
    write("empty", new WriteCondition.IfVersion(empty.version()));
    assertThat(service.text("empty")).isEqualTo(MARKER);
  }

  @Test
  void notThereAndCouldNotLookAreTwoAnswers() throws IOException {
    assertThat(place.list()).isEmpty();
    assertThat(place.find("nothing")).isEmpty();
    service.put("a", MARKER);
    SecretInfo a = place.list().get(0);
    service.forget("a");
    assertFails(SecretException.NOT_FOUND, () -> place.read(a).close());
    service.put("a", MARKER);
    service.deny("GetSecretValue");
    assertFails(SecretException.FORBIDDEN, () -> place.read(a).close());
    service.deny("DescribeSecret");
    assertFails(SecretException.FORBIDDEN, () -> place.find("a"));
    assertFails(SecretException.FORBIDDEN, () -> place.find("nothing"));
    service.deny("ListSecrets");
    assertFails(SecretException.FORBIDDEN, place::survey);
  }

  @Test
  void aStrangerIsToldSo() {
    OwnClient<SecretsManagerClient> stranger = client("AKIDSTRANGER", 1);
    try (AwsSecrets other = place(stranger).build()) {
      assertFails(SecretException.UNAUTHORIZED, other::survey);
    } finally {
      stranger.close();
    }
  }

  @Test
  void secretsOfAnotherAccountAreRefused() {
    service.put("a", MARKER);
    try (AwsSecrets other = place(client).account("999900001111").build()) {
      assertFails(SecretException.NO_SUCH_PLACE, other::survey);
      assertFails(SecretException.NO_SUCH_PLACE, () -> other.find("a"));
    }
  }

  @Test
  void whatWasMadeInAnotherAccountIsNamedAndIsTheLastOne() {
    try (AwsSecrets other = place(client).account("999900001111").build();
        SecretValue value = SecretValue.ofText(MARKER)) {
      for (String name : List.of("a", "b", "c")) {
        assertThatThrownBy(() -> other.write(info(name), value, new WriteCondition.IfAbsent()))
            .isInstanceOfSatisfying(
                SecretException.class,
                e -> {
                  assertThat(e.code()).isEqualTo(SecretException.NO_SUCH_PLACE);
                  assertThat(e)
                      .hasMessageContaining(
                          "a was made in account " + FakeAwsSecretsManager.ACCOUNT);
                  assertThat(e.remedy())
                      .contains("Delete a in account " + FakeAwsSecretsManager.ACCOUNT);
                });
      }
    }
    assertThat(service.calls("CreateSecret")).isEqualTo(1);
    assertThat(service.text("b")).isNull();
  }

  @Test
  void aListThatLagsIsNoProofThatASecretIsGone() throws IOException {
    service.put("a", MARKER);
    service.lag();
    write("b", new WriteCondition.IfAbsent());
    assertThat(place.list()).extracting(SecretInfo::name).containsExactly("a");
    assertThat(place.find("b")).isPresent();
    assertFails(SecretException.CONFLICT, () -> write("b", new WriteCondition.IfAbsent()));
    service.catchUp();
    assertThat(place.list()).extracting(SecretInfo::name).containsExactly("a", "b");
  }

  @ParameterizedTest
  @ValueSource(strings = {"THROTTLED", "UNAVAILABLE", "CUT"})
  void readsAreRepeatedAndThenSayThatNobodyLooked(String fault) throws IOException {
    service.put("a", MARKER);
    service.strike(Fault.valueOf(fault), 2);
    SecretInfo a = place.list().get(0);
    assertThat(service.calls("ListSecrets")).isEqualTo(3);
    service.strike(Fault.valueOf(fault), 3);
    assertFails(SecretException.UNAVAILABLE, () -> place.read(a).close());
    service.strike(Fault.valueOf(fault), 3);
    assertFails(SecretException.UNAVAILABLE, () -> place.find("a"));
    service.strike(Fault.valueOf(fault), 3);
    assertFails(SecretException.UNAVAILABLE, place::survey);
  }

  @Test
  void aWriteThatIsRepeatedIsDoneOnce() throws IOException {
    service.strike(Fault.CUT, 1);
    write("a", new WriteCondition.IfAbsent());
    assertThat(service.calls("CreateSecret")).isEqualTo(2);
    assertThat(service.text("a")).isEqualTo(MARKER);
  }

  @Test
  void aWriteOfUnknownOutcomeSaysSoAndOneThatDidNothingDoesNot() {
    service.strike(Fault.CUT, 3);
    assertFails(SecretException.OUTCOME_UNKNOWN, () -> write("a", new WriteCondition.IfAbsent()));
    assertThat(service.text("a")).isEqualTo(MARKER);
    service.strike(Fault.THROTTLED, 3);
    assertFails(SecretException.UNAVAILABLE, () -> write("b", new WriteCondition.IfAbsent()));
    assertThat(service.text("b")).isNull();
    service.deny("CreateSecret");
    assertFails(SecretException.FORBIDDEN, () -> write("b", new WriteCondition.IfAbsent()));
  }

  @Test
  void whatStandsThereIsNotMadeAnew() {
    service.put("a", "theirs");
    assertFails(SecretException.CONFLICT, () -> write("a", new WriteCondition.IfAbsent()));
    assertThat(service.text("a")).isEqualTo("theirs");
  }

  @Test
  void aNewVersionBecomesCurrentAndLeavesNoLabelOfOurs() throws IOException {
    String before = service.put("a", "before");
    write("a", new WriteCondition.IfVersion(before));
    assertThat(service.text("a")).isEqualTo(MARKER);
    assertThat(service.labels("a")).containsExactlyInAnyOrder("AWSCURRENT", "AWSPREVIOUS");
    assertFails(SecretException.CONFLICT, () -> write("a", new WriteCondition.IfVersion(before)));
  }

  @Test
  void writesThatDoNotEndLeaveOneLabelInAll() throws IOException {
    String before = service.put("a", "before");
    service.deny("UpdateSecretVersionStage");
    for (int i = 0; i < 3; i++) {
      assertFails(
          SecretException.FORBIDDEN, () -> write("a", new WriteCondition.IfVersion(before)));
    }
    assertThat(service.text("a")).isEqualTo("before");
    assertThat(service.labels("a")).containsExactlyInAnyOrder("AWSCURRENT", "thorbis-pending");
  }

  @Test
  void theServiceItselfRefusesWhatSomebodyWroteInBetween() {
    assertThat(place.conditional()).isTrue();
    String before = service.put("a", "before");
    service.beforeMove(() -> service.put("a", "theirs"));
    assertFails(SecretException.CONFLICT, () -> write("a", new WriteCondition.IfVersion(before)));
    assertThat(service.text("a")).isEqualTo("theirs");
    assertThat(service.labels("a")).containsExactlyInAnyOrder("AWSCURRENT", "AWSPREVIOUS");
  }

  @Test
  void refusesWhatTheServiceWouldNotTake() {
    assertThat(place.refusal(info("with space"))).isPresent();
    assertThat(place.refusal(info("a").withFormat("vault-kv2/json"))).isPresent();
    assertThat(place.refusal(info("a").withAttributes(Map.of("owner", "rds")))).isPresent();
    SecretInfo sealed =
        info("a")
            .withAttributes(
                Map.of("kms-key-id", "arn:aws:kms:us-east-1:111122223333:key/0000-1111"));
    assertThat(place.refusal(sealed)).isPresent();
    try (AwsSecrets named = place(client).kmsKeyId("alias/here").build()) {
      assertThat(named.refusal(sealed)).isEmpty();
    }
    try (AwsSecrets part = place(client).prefix("app/").build()) {
      assertThat(part.refusal(info("other"))).isPresent();
      assertThat(part.refusal(info("app/one"))).isEmpty();
    }
    for (byte[] bytes : List.of(new byte[0], new byte[65_537], new byte[] {(byte) 0xff})) {
      assertFails(
          SecretException.REFUSED,
          () -> place.write(info("a"), SecretValue.copyOf(bytes), new WriteCondition.IfAbsent()));
    }
    assertThat(service.calls("CreateSecret")).isZero();
  }

  @Test
  void aPartOfTheAccountIsAPlaceOfItsOwn() throws IOException {
    service.put("app/one", MARKER);
    service.put("other", MARKER);
    try (AwsSecrets part = place(client).prefix("app/").build()) {
      assertThat(part.list()).extracting(SecretInfo::name).containsExactly("app/one");
      assertThat(part.instance()).isNotEqualTo(place.instance());
    }
  }

  @Test
  void saysWhatItDoesNotGiveBack() {
    assertThat(place.limits())
        .extracting(Limit::what)
        .containsExactly(
            "Versions before the current one",
            "Secrets that are scheduled for deletion",
            "Policies, schedules of rotation and replicas in other regions");
    assertThat(place.limits())
        .extracting(Limit::readability)
        .containsOnly(Readability.NOT_EXPORTABLE);
    assertThat(place.limits()).extracting(Limit::instead).doesNotContain("");
    assertThat(place.rotation()).isNotEmpty();
  }

  @Test
  void wrongSettingsAreNamed() {
    assertThatThrownBy(() -> AwsSecrets.builder().account("12"))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("account");
    assertThatThrownBy(() -> AwsSecrets.builder().region("EU central"))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("region");
  }

  @Test
  void itIsOpenedByNameAndReadsAllItsSettings() throws IOException {
    service.put("app/one", MARKER);
    Settings settings =
        Settings.of(
            "place aws",
            Map.of(
                "account",
                FakeAwsSecretsManager.ACCOUNT,
                "region",
                FakeAwsSecretsManager.REGION,
                "prefix",
                "app/",
                "kms-key-id",
                "alias/here",
                "endpoint",
                service.endpoint().toString(),
                "access-key-id",
                FakeAwsSecretsManager.ACCESS_KEY,
                "secret-access-key",
                SecretValue.ofText("not-a-key"),
                "attempts",
                "2"));
    try (SecretTarget opened = new AwsSecretsFactory().open(new Context(settings))) {
      settings.requireAllRead();
      assertThat(opened.type()).isEqualTo(new AwsSecretsFactory().type());
      assertThat(opened.list()).extracting(SecretInfo::name).containsExactly("app/one");
      try (SecretValue value = SecretValue.ofText(MARKER)) {
        opened.write(info("app/two"), value, new WriteCondition.IfAbsent());
      }
      assertThat(service.fact("app/two", "KmsKeyId")).isEqualTo("alias/here");
    }
    Settings without = Settings.of("place aws", Map.of("region", FakeAwsSecretsManager.REGION));
    assertThatThrownBy(() -> new AwsSecretsFactory().open(new Context(without)))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("account");
  }

  @Test
  void itIsFoundWhereItsVendorIsNotThere() throws Exception {
    URL[] ownJars = {
      AwsSecretsFactory.class.getProtectionDomain().getCodeSource().getLocation(),
      SecretTargetFactory.class.getProtectionDomain().getCodeSource().getLocation()
    };
    try (URLClassLoader alone = new URLClassLoader(ownJars, ClassLoader.getPlatformClassLoader())) {
      Class<?> type = alone.loadClass(SecretTargetFactory.class.getName());
      Object found = ServiceLoader.load(type, alone).iterator().next();
      assertThat(type.getMethod("type").invoke(found)).isEqualTo(AwsSecrets.TYPE);
    }
  }

  private record Context(Settings settings) implements ProviderContext {
    @Override
    public Clock clock() {
      return Clock.systemUTC();
    }

    @Override
    public Path stateDirectory() {
      return Path.of(".");
    }
  }

  private static SecretInfo info(String name) {
    return SecretInfo.of(name, Readability.VALUE_WITH_PERMISSION);
  }

  private void write(String name, WriteCondition condition) throws IOException {
    try (SecretValue value = SecretValue.ofText(MARKER)) {
      place.write(info(name), value, condition);
    }
  }

  private String text(SecretInfo listed) throws IOException {
    try (Secret secret = place.read(listed)) {
      assertThat(secret.toString()).doesNotContain(MARKER);
      return secret.value().useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8));
    }
  }

  /** The service repeats in its words what it was sent: nothing of that may come through. */
  private static void assertFails(String code, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            SecretException.class,
            e -> {
              assertThat(e.code()).isEqualTo(code);
              assertThat(e.kind()).isNotEqualTo(FailureKind.CANCELLED);
              StringWriter all = new StringWriter();
              e.printStackTrace(new PrintWriter(all));
              assertThat(all + e.remedy() + e.details()).doesNotContain(MARKER);
            });
  }
}
