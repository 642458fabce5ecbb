package com.thorbis.backup.application.secrets;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.secrets.SecretsBackupReport.Gap;
import com.thorbis.backup.application.secrets.Sets.Made;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.SecretException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Map;
import org.assertj.core.groups.Tuple;
import org.junit.jupiter.api.Test;

class SecretsBackupTest {
  @Test
  void aRunThatReadEveryValueIsComplete() throws IOException {
    Made made =
        Sets.make(
            new MemorySecrets("web").put("A", "1").put("B", "2"),
            new MemorySecrets("empty"),
            new MemorySecrets("jobs").put("A", "3"));
    assertThat(made.report().status()).isEqualTo(SecretsStatus.COMPLETE);
    assertThat(made.report().status().label()).isEqualTo("complete");
    assertThat(made.report().secretsCount()).isEqualTo(3);
    assertThat(made.report().gaps()).isEmpty();
    assertThat(made.report().sources())
        .extracting(
            SecretsBackupReport.SourceOutcome::instance,
            SecretsBackupReport.SourceOutcome::sealed,
            SecretsBackupReport.SourceOutcome::listed)
        .containsExactly(
            Tuple.tuple("web", 2, Map.of(Readability.VALUE, 2)),
            Tuple.tuple("empty", 0, Map.of()),
            Tuple.tuple("jobs", 1, Map.of(Readability.VALUE, 1)));
  }

  @Test
  void oneFailingSourceDoesNotStopTheOthersAndIsNamed() throws IOException {
    MemorySecrets down = new MemorySecrets("down").put("X", "1");
    down.down = true;
    Made made = Sets.make(down, new MemorySecrets("web").put("A", "1"));
    assertThat(made.report().status()).isEqualTo(SecretsStatus.COMPLETED_WITH_GAPS);
    assertThat(made.report().status().label()).isEqualTo("completed-with-gaps");
    assertThat(made.report().gaps())
        .containsExactly(
            new Gap("memory down", "", SecretException.UNAVAILABLE, "down fails", "Mend it."));
    try (SecretsSet set = made.open()) {
      assertThat(set.secrets()).hasSize(1);
      assertThat(set.sourcesNotRead())
          .containsExactly(Map.entry("memory down", SecretException.UNAVAILABLE));
    }
  }

  @Test
  void oneFailingSecretDoesNotStopTheOthersAndIsNamed() throws IOException {
    MemorySecrets web = new MemorySecrets("web").put("A", "1").put("B", "2").put("C", "3");
    web.failing.add("B");
    Made made = Sets.make(web);
    assertThat(made.report().gaps())
        .containsExactly(
            new Gap("memory web", "B", SecretException.FORBIDDEN, "B fails", "Mend it."));
    assertThat(made.report().secretsCount()).isEqualTo(2);
    try (SecretsSet set = made.open()) {
      assertThat(set.verify()).isEmpty();
      assertThat(set.secrets())
          .extracting(secret -> secret.info().name(), StoredSecret::sealed, StoredSecret::failure)
          .containsExactly(
              Tuple.tuple("A", true, java.util.Optional.empty()),
              Tuple.tuple("B", false, java.util.Optional.of(SecretException.FORBIDDEN)),
              Tuple.tuple("C", true, java.util.Optional.empty()));
    }
  }

  @Test
  void secretsWithoutValuesAreGapsEachWithWhatToDo() throws IOException {
    MemorySecrets names = new MemorySecrets("names");
    names.readability = Readability.NAME_ONLY;
    names.put("TOKEN", "never seen");
    Made made = Sets.make(names, new MemorySecrets("web").put("A", "1"));
    assertThat(made.report().status()).isEqualTo(SecretsStatus.COMPLETED_WITH_GAPS);
    assertThat(made.report().gaps())
        .extracting(Gap::source, Gap::name, Gap::code, Gap::remedy)
        .containsExactly(
            Tuple.tuple("memory names", "TOKEN", "secrets.name-only", "Ask the issuer of names."));
    try (SecretsSet set = made.open()) {
      assertThat(set.limits()).containsKeys("memory names", "memory web");
    }
  }

  @Test
  void aRunThatCouldLookNowhereFailsAndWritesNothing() {
    MemorySecrets down = new MemorySecrets("down");
    down.down = true;
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SecretsBackup backup =
        SecretsBackup.builder("production")
            .repository(Sets.REPOSITORY)
            .recipient(Sets.RECIPIENT)
            .source(down)
            .build();
    assertThatThrownBy(() -> backup.run(out))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("secrets.nothing-read");
              assertThat(e.details()).containsEntry("memory down", SecretException.UNAVAILABLE);
            });
    assertThat(out.size()).isZero();
  }

  @Test
  void aPlaceThatListsANameTwiceIsNotTaken() throws IOException {
    MemorySecrets twice = new MemorySecrets("twice").put("A", "1");
    twice.infos.put("A again", twice.infos.get("A"));
    Made made = Sets.make(twice, new MemorySecrets("web").put("A", "1"));
    assertThat(made.report().gaps())
        .extracting(Gap::source, Gap::code)
        .containsExactly(Tuple.tuple("memory twice", "secrets.unexpected-answer"));
  }

  @Test
  void aSetThatWouldNotFitInMemoryIsRefusedWithTheWayOut() {
    MemorySecrets many = new MemorySecrets("many");
    many.readability = Readability.NAME_ONLY;
    for (int i = 0; i <= SetFormat.MOST_ENTRIES; i++) {
      many.put("S" + i, "");
    }
    assertThatThrownBy(() -> Sets.make(many))
        .isInstanceOfSatisfying(
            SetException.class,
            e -> {
              assertThat(e.code()).isEqualTo(SetException.TOO_LARGE);
              assertThat(e.remedy()).contains("several sets");
            })
        .hasMessageContaining("20001 secrets");
  }

  @Test
  void nothingToReadAndOnePlaceTwiceAreMistakes() {
    SecretsBackup.Builder builder = SecretsBackup.builder("s").repository(Sets.REPOSITORY);
    assertThatThrownBy(builder::build)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.CONFIGURATION));
    builder.source(new MemorySecrets("web")).source(new MemorySecrets("web"));
    assertThatThrownBy(builder::build).hasMessageContaining("memory web twice");
  }

  @Test
  void aRunThatIsCancelledWritesNothing() {
    Cancellation cancellation = new Cancellation();
    cancellation.cancel();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SecretsBackup backup =
        SecretsBackup.builder("s")
            .repository(Sets.REPOSITORY)
            .recipient(Sets.RECIPIENT)
            .source(new MemorySecrets("web").put("A", "1"))
            .cancellation(cancellation)
            .build();
    assertThatThrownBy(() -> backup.run(out))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.CANCELLED));
    assertThat(out.size()).isZero();
  }

  @Test
  void aPartThatCannotBeListedIsANamedGapAndTheOthersAreThere() throws IOException {
    MemorySecrets web = new MemorySecrets("web").put("A", "1");
    web.unseen.add("hidden/");
    Made made = Sets.make(web);
    assertThat(made.report().status()).isEqualTo(SecretsStatus.COMPLETED_WITH_GAPS);
    assertThat(made.report().gaps())
        .extracting(Gap::source, Gap::name, Gap::code)
        .containsExactly(Tuple.tuple("memory web", "hidden/", SecretException.FORBIDDEN));
    assertThat(made.report().secretsCount()).isEqualTo(1);
    try (SecretsSet set = made.open()) {
      assertThat(set.secrets())
          .extracting(secret -> secret.info().name(), StoredSecret::sealed, StoredSecret::failure)
          .containsExactly(
              Tuple.tuple("A", true, java.util.Optional.empty()),
              Tuple.tuple("hidden/", false, java.util.Optional.of(SecretException.FORBIDDEN)));
      assertThat(set.verify()).isEmpty();
    }
  }

  @Test
  void withoutRecipientsOrWithTooManyNothingIsBegun() {
    SecretsBackup.Builder builder =
        SecretsBackup.builder("production")
            .repository(Sets.REPOSITORY)
            .source(new MemorySecrets("web"));
    assertThatThrownBy(builder::build).isInstanceOf(BackupException.class);
    for (int i = 0; i < 17; i++) {
      builder.recipient(Sets.RECIPIENT);
    }
    assertThatThrownBy(builder::build)
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("17 recipients");
  }
}
