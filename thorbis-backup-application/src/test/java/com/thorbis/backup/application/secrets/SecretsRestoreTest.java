package com.thorbis.backup.application.secrets;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.secrets.SecretsPlan.Action;
import com.thorbis.backup.application.secrets.SecretsPlan.Comparison;
import com.thorbis.backup.application.secrets.SecretsRestoreReport.Outcome;
import com.thorbis.backup.application.secrets.SecretsRestoreReport.Result;
import com.thorbis.backup.application.secrets.Sets.Made;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.SecretException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.assertj.core.groups.Tuple;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SecretsRestoreTest {
  private static final Instant JANUARY = Instant.parse("2026-01-01T00:00:00Z");
  private static final Instant FEBRUARY = Instant.parse("2026-02-01T00:00:00Z");
  private static final Instant MARCH = Instant.parse("2026-03-01T00:00:00Z");

  private SecretsSet set;
  private MemorySecrets target;

  @BeforeEach
  void make() throws IOException {
    MemorySecrets source = new MemorySecrets("web");
    source.failing.add("UNREAD");
    set =
        Sets.make(
                source
                    .put("GONE", "1", Optional.of(FEBRUARY))
                    .put("SAME", "2", Optional.of(FEBRUARY))
                    .put("OLDER", "3", Optional.of(FEBRUARY))
                    .put("NEWER", "4", Optional.of(FEBRUARY))
                    .put("UNDATED", "5", Optional.of(FEBRUARY))
                    .put("UNREAD", "6", Optional.of(FEBRUARY))
                    .put("BAD", "7", Optional.of(FEBRUARY)))
            .open();
    target =
        new MemorySecrets("web")
            .put("SAME", "2", Optional.of(JANUARY))
            .put("OLDER", "old", Optional.of(JANUARY))
            .put("NEWER", "rotated", Optional.of(MARCH))
            .put("UNDATED", "other", Optional.empty())
            .put("OTHERS", "stays", Optional.of(MARCH));
  }

  @AfterEach
  void close() {
    set.close();
  }

  private SecretsRestore.Builder restore() {
    return SecretsRestore.builder(set, target).clock(Sets.CLOCK);
  }

  private static Map<String, Action> actions(SecretsPlan plan) {
    Map<String, Action> actions = new java.util.TreeMap<>();
    plan.steps().forEach(step -> actions.put(step.name(), step.action()));
    return actions;
  }

  private static Result result(SecretsRestoreReport report, String name) {
    return report.results().stream()
        .filter(result -> result.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void aPlanComparesAndWritesNothing() throws IOException {
    SecretsPlan plan = restore().build().plan();
    assertThat(plan.steps())
        .extracting(SecretsPlan.Step::name, SecretsPlan.Step::action, SecretsPlan.Step::comparison)
        .containsExactlyInAnyOrder(
            Tuple.tuple("GONE", Action.CREATE, Comparison.ABSENT),
            Tuple.tuple("SAME", Action.KEEP, Comparison.SAME),
            Tuple.tuple("OLDER", Action.KEEP, Comparison.DIFFERS),
            Tuple.tuple("NEWER", Action.KEEP, Comparison.DIFFERS),
            Tuple.tuple("UNDATED", Action.KEEP, Comparison.DIFFERS),
            Tuple.tuple("UNREAD", Action.CANNOT, Comparison.UNKNOWN),
            Tuple.tuple("BAD", Action.CANNOT, Comparison.ABSENT));
    assertThat(target.written).isEmpty();
    assertThat(plan.conditional()).isTrue();
    assertThat(plan.target()).isEqualTo("memory web");
  }

  @Test
  void onlyWhatIsMissingIsCreatedUnlessMoreIsAskedFor() throws IOException {
    SecretsRestore restore = restore().build();
    SecretsRestoreReport report = restore.run(restore.plan());
    assertThat(target.written).containsExactly("GONE");
    assertThat(target.values).containsEntry("GONE", "1").containsEntry("OLDER", "old");
    assertThat(result(report, "GONE").outcome()).isEqualTo(Outcome.VERIFIED);
    assertThat(report.count(Outcome.KEPT)).isEqualTo(4);
    assertThat(report.count(Outcome.FAILED)).isEqualTo(2);
    assertThat(report.whole()).isFalse();
    assertThat(result(report, "UNREAD").message()).contains(SecretException.FORBIDDEN);
    assertThat(result(report, "UNREAD").remedy()).isEqualTo("Ask the issuer of web.");
  }

  @Test
  void whatIsOlderIsOverwrittenAndWhatWasRotatedSinceIsNot() throws IOException {
    SecretsRestore restore = restore().mode(RestoreMode.OVERWRITE_OLDER).build();
    SecretsPlan plan = restore.plan();
    assertThat(actions(plan))
        .containsEntry("OLDER", Action.REPLACE)
        .containsEntry("NEWER", Action.KEEP)
        .containsEntry("UNDATED", Action.KEEP)
        .containsEntry("SAME", Action.KEEP);
    assertThat(restore.run(plan).count(Outcome.VERIFIED)).isEqualTo(2);
    assertThat(target.values)
        .containsEntry("OLDER", "3")
        .containsEntry("NEWER", "rotated")
        .containsEntry("UNDATED", "other")
        .containsEntry("OTHERS", "stays");
  }

  @Test
  void overwritingReplacesWhatDiffersAndLeavesWhatIsTheSame() throws IOException {
    SecretsRestore restore = restore().mode(RestoreMode.OVERWRITE).build();
    restore.run(restore.plan());
    assertThat(target.written).containsExactlyInAnyOrder("GONE", "OLDER", "NEWER", "UNDATED");
    assertThat(target.values).containsEntry("NEWER", "4").containsEntry("OTHERS", "stays");
  }

  @Test
  void whatWasWrittenSinceThePlanIsLeftAndNamed() throws IOException {
    SecretsRestore restore = restore().mode(RestoreMode.OVERWRITE).build();
    SecretsPlan plan = restore.plan();
    target.put("OLDER", "somebody's").put("GONE", "somebody's");
    SecretsRestoreReport report = restore.run(plan);
    for (String name : new String[] {"OLDER", "GONE"}) {
      assertThat(result(report, name).outcome()).isEqualTo(Outcome.FAILED);
      assertThat(result(report, name).code()).isEqualTo(SecretException.CONFLICT);
      assertThat(target.values).containsEntry(name, "somebody's");
    }
    assertThat(target.values).containsEntry("NEWER", "4");
  }

  @Test
  void oneFailingWriteDoesNotStopTheOthers() throws IOException {
    target.failing.add("write GONE");
    SecretsRestore restore = restore().mode(RestoreMode.OVERWRITE).build();
    SecretsRestoreReport report = restore.run(restore.plan());
    assertThat(result(report, "GONE").code()).isEqualTo(SecretException.FORBIDDEN);
    assertThat(report.count(Outcome.VERIFIED)).isEqualTo(3);
  }

  @Test
  void aWriteOfUnknownOutcomeIsLookedAt() throws IOException {
    target.loseAnswers = true;
    SecretsRestore restore = restore().secret("GONE").build();
    assertThat(result(restore.run(restore.plan()), "GONE").outcome()).isEqualTo(Outcome.VERIFIED);

    target.infos.remove("GONE");
    target.dropWrites = true;
    Result lost = result(restore.run(restore.plan()), "GONE");
    assertThat(lost.outcome()).isEqualTo(Outcome.FAILED);
    assertThat(lost.code()).isEqualTo(SecretException.OUTCOME_UNKNOWN);
  }

  @Test
  void aWriteThatIsNotThereAfterwardsIsAFailure() throws IOException {
    target.overwrittenBy = Optional.of("another");
    SecretsRestore restore = restore().secret("GONE").build();
    Result result = result(restore.run(restore.plan()), "GONE");
    assertThat(result.outcome()).isEqualTo(Outcome.FAILED);
    assertThat(result.code()).isEqualTo("secrets.not-as-written");

    target.infos.remove("GONE");
    target.dropWrites = true;
    result = result(restore.run(restore.plan()), "GONE");
    assertThat(result.code()).isEqualTo("secrets.not-as-written");
    assertThat(result.message()).contains("does not list it");
  }

  @Test
  void aPlaceThatGivesNoValueLeavesTheResultUntested() throws IOException {
    MemorySecrets names = new MemorySecrets("names");
    names.readability = Readability.NAME_ONLY;
    target = names.put("OLDER", "x");
    SecretsRestore restore =
        restore()
            .from("memory web")
            .secret("GONE")
            .secret("OLDER")
            .mode(RestoreMode.OVERWRITE)
            .build();
    SecretsPlan plan = restore.plan();
    assertThat(plan.steps())
        .extracting(SecretsPlan.Step::name, SecretsPlan.Step::comparison)
        .containsExactlyInAnyOrder(
            Tuple.tuple("GONE", Comparison.ABSENT), Tuple.tuple("OLDER", Comparison.UNKNOWN));
    SecretsRestoreReport report = restore.run(plan);
    assertThat(report.count(Outcome.UNTESTED)).isEqualTo(2);
    assertThat(result(report, "GONE").message()).contains("does not let one read it back");
  }

  @Test
  void aPlaceThatGivesDigestsIsComparedByThem() throws IOException {
    MemorySecrets digests = new MemorySecrets("digests");
    digests.readability = Readability.DIGEST;
    digests.digests = true;
    target = digests.put("OLDER", "x").put("SAME", "2");
    SecretsRestore restore = restore().from("memory web").mode(RestoreMode.OVERWRITE).build();
    SecretsPlan plan = restore.plan();
    assertThat(actions(plan))
        .containsEntry("OLDER", Action.REPLACE)
        .containsEntry("SAME", Action.KEEP);
    assertThat(result(restore.run(plan), "OLDER").outcome()).isEqualTo(Outcome.VERIFIED);
  }

  @Test
  void aSecretWithoutAValueThatNobodyWroteSinceIsKept() throws IOException {
    MemorySecrets names = new MemorySecrets("names");
    names.readability = Readability.NAME_ONLY;
    names.put("SAME", "x").put("CHANGED", "x").put("GONE", "x");
    MemorySecrets digests = new MemorySecrets("digests");
    digests.readability = Readability.DIGEST;
    digests.put("SAME", "x");
    digests.infos.put("SAME", digests.infos.get("SAME").withDigest(Optional.of("d1")));
    try (SecretsSet hidden = Sets.make(names, digests).open()) {
      names.put("CHANGED", "y");
      names.infos.remove("GONE");
      assertThat(actions(SecretsRestore.builder(hidden, names).build().plan()))
          .containsExactly(
              Map.entry("CHANGED", Action.CANNOT),
              Map.entry("GONE", Action.CANNOT),
              Map.entry("SAME", Action.KEEP));
      digests.put("SAME", "x");
      digests.infos.put("SAME", digests.infos.get("SAME").withDigest(Optional.of("d1")));
      assertThat(actions(SecretsRestore.builder(hidden, digests).build().plan()))
          .containsExactly(Map.entry("SAME", Action.KEEP));
      digests.infos.put("SAME", digests.infos.get("SAME").withDigest(Optional.of("d2")));
      assertThat(actions(SecretsRestore.builder(hidden, digests).build().plan()))
          .containsExactly(Map.entry("SAME", Action.CANNOT));
    }
  }

  @Test
  void afterABreachNothingIsRestoredAndEverySecretIsOnTheRotationList() throws IOException {
    SecretsPlan before = restore().build().plan();
    SecretsRestore restore = restore().breach(new Breach(MARCH, "laptop stolen")).build();
    for (org.assertj.core.api.ThrowableAssert.ThrowingCallable call :
        java.util.List.<org.assertj.core.api.ThrowableAssert.ThrowingCallable>of(
            restore::plan, () -> restore.run(before))) {
      assertThatThrownBy(call)
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("secrets.breach-declared");
                assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
              })
          .hasMessageContaining("laptop stolen");
    }
    assertThat(target.written).isEmpty();
    assertThat(SecretsRestore.rotationList(set))
        .extracting(item -> item.secret().name(), RotationItem::source, RotationItem::how)
        .hasSize(7)
        .contains(
            Tuple.tuple("UNREAD", "memory web", "Ask the issuer of web."),
            Tuple.tuple("GONE", "memory web", "Ask the issuer of web."));
  }

  @Test
  void whichSourceIsMeantIsNeverGuessed() throws IOException {
    Made made =
        Sets.make(new MemorySecrets("one").put("A", "1"), new MemorySecrets("two").put("A", "2"));
    try (SecretsSet two = made.open()) {
      MemorySecrets three = new MemorySecrets("three");
      assertThatThrownBy(() -> SecretsRestore.builder(two, three).build().plan())
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("secrets.which-source");
                assertThat(e.remedy()).contains("memory one").contains("memory two");
              });
      SecretsRestore named = SecretsRestore.builder(two, three).from("memory two").build();
      named.run(named.plan());
      assertThat(three.values).containsExactly(Map.entry("A", "2"));
      MemorySecrets one = new MemorySecrets("one");
      SecretsRestore own = SecretsRestore.builder(two, one).build();
      own.run(own.plan());
      assertThat(one.values).containsExactly(Map.entry("A", "1"));
      assertThatThrownBy(() -> SecretsRestore.builder(two, one).from("memory four").build().plan())
          .hasMessageContaining("memory four");
      assertThatThrownBy(() -> SecretsRestore.builder(two, one).secret("Z").build().plan())
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.NOT_FOUND))
          .hasMessageContaining("Z");
    }
  }

  @Test
  void aTargetThatCannotBeLookedAtIsNotTakenForEmpty() {
    target.down = true;
    assertThatThrownBy(() -> restore().build().plan())
        .isInstanceOfSatisfying(
            SecretException.class,
            e -> assertThat(e.code()).isEqualTo(SecretException.UNAVAILABLE));
  }

  @Test
  void aCancelledRunSaysWhatWasNotWritten() throws IOException {
    Cancellation cancellation = new Cancellation();
    SecretsRestore restore = restore().cancellation(cancellation).build();
    SecretsPlan plan = restore.plan();
    cancellation.cancel();
    assertThat(result(restore.run(plan), "GONE").code()).isEqualTo("cancelled");
    assertThat(target.written).isEmpty();
  }

  @Test
  void theOnlySourceOfASetIsNotTakenForThatOfAnotherPlace() throws IOException {
    MemorySecrets other = new MemorySecrets("other");
    assertThatThrownBy(() -> SecretsRestore.builder(set, other).build().plan())
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("secrets.which-source"))
        .hasMessageContaining("memory other");
    SecretsPlan plan = SecretsRestore.builder(set, other).from("memory web").build().plan();
    assertThat(actions(plan)).containsEntry("GONE", Action.CREATE);
  }

  @Test
  void aPlaceThatWasEmptyIsNotTakenForOneThatIsNotThere() throws IOException {
    MemorySecrets empty = new MemorySecrets("empty");
    Made made = Sets.make(empty, new MemorySecrets("web").put("A", "1"));
    try (SecretsSet without = made.open()) {
      assertThatThrownBy(() -> SecretsRestore.builder(without, empty).build().plan())
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("secrets.source-empty"))
          .hasMessageContaining("memory empty was empty when");
    }
  }

  @Test
  void aPlaceThatWasNotReadIsNotTakenForOneThatIsNotThere() throws IOException {
    MemorySecrets down = new MemorySecrets("down").put("X", "1");
    down.down = true;
    Made partly = Sets.make(down, new MemorySecrets("web").put("A", "1"));
    down.down = false;
    try (SecretsSet without = partly.open()) {
      assertThatThrownBy(() -> SecretsRestore.builder(without, down).build().plan())
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("secrets.source-not-read");
                assertThat(e.remedy()).contains("earlier set");
              })
          .hasMessageContaining("memory down could not be read");
    }
  }

  @Test
  void aPlanOfAnotherModeIsNotCarriedOut() throws IOException {
    SecretsPlan overwriting = restore().mode(RestoreMode.OVERWRITE).build().plan();
    assertThatThrownBy(() -> restore().build().run(overwriting))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(target.written).isEmpty();
  }

  @Test
  void ofTwoSecretsThatGetOneNameTheSecondIsNotWrittenOverTheFirst() throws IOException {
    try (SecretsSet two =
        Sets.make(new MemorySecrets("web").put("Key", "1").put("kEY", "2")).open()) {
      target.capitals = true;
      SecretsRestore restore = SecretsRestore.builder(two, target).build();
      SecretsPlan plan = restore.plan();
      assertThat(plan.steps())
          .extracting(SecretsPlan.Step::name, SecretsPlan.Step::action)
          .containsExactly(Tuple.tuple("KEY", Action.CREATE), Tuple.tuple("KEY", Action.CANNOT));
      assertThat(plan.steps().get(1).reason()).contains("\"Key\"");
      restore.run(plan);
      assertThat(target.values).containsEntry("KEY", "1");
    }
  }

  @Test
  void whatStandsThereWithoutAVersionIsNotOverwritten() throws IOException {
    target.infos.put("OLDER", target.infos.get("OLDER").withVersion(""));
    SecretsRestore restore = restore().secret("OLDER").mode(RestoreMode.OVERWRITE).build();
    SecretsPlan plan = restore.plan();
    assertThat(actions(plan)).containsExactly(Map.entry("OLDER", Action.CANNOT));
    assertThat(plan.steps().get(0).reason()).contains("no version");
    restore.run(plan);
    assertThat(target.values).containsEntry("OLDER", "old");
  }

  @Test
  void aPartThatCannotBeLookedAtIsNotTakenForEmptyAndDoesNotStopTheOthers() throws IOException {
    target.unseen.add("hidden/");
    target.failing.add("find GONE");
    SecretsPlan plan = restore().mode(RestoreMode.OVERWRITE).build().plan();
    assertThat(actions(plan))
        .containsEntry("GONE", Action.CANNOT)
        .containsEntry("OLDER", Action.REPLACE);
    target.failing.remove("find GONE");
    assertThat(actions(restore().build().plan())).containsEntry("GONE", Action.CREATE);
  }

  @Test
  void whatStandsThereIsTriedWhereItIsUsed() throws IOException {
    List<String> tried = new ArrayList<>();
    SecretsRestore restore =
        restore()
            .mode(RestoreMode.OVERWRITE)
            .probe("GONE", value -> accept(value, tried))
            .probe("SAME", value -> accept(value, tried))
            .probe("OLDER", value -> Optional.of("it was revoked"))
            .probe(
                "NEWER",
                value -> {
                  throw new IOException("nobody answers");
                })
            .probe(
                "UNDATED",
                value -> {
                  throw new IllegalStateException("not for logs");
                })
            .build();
    SecretsRestoreReport report = restore.run(restore.plan());
    assertThat(tried).containsExactlyInAnyOrder("1", "2");
    assertThat(result(report, "GONE").outcome()).isEqualTo(Outcome.WORKS);
    assertThat(result(report, "SAME").outcome()).isEqualTo(Outcome.KEPT);
    assertThat(result(report, "SAME").message()).endsWith("and it works");
    assertThat(result(report, "OLDER").outcome()).isEqualTo(Outcome.FAILED);
    assertThat(result(report, "OLDER").code()).isEqualTo("secrets.does-not-work");
    assertThat(result(report, "OLDER").message()).startsWith("written").contains("revoked");
    assertThat(target.values).containsEntry("OLDER", "3");
    assertThat(result(report, "NEWER").outcome()).isEqualTo(Outcome.VERIFIED);
    assertThat(result(report, "NEWER").message()).contains("nobody answers");
    assertThat(result(report, "UNDATED").outcome()).isEqualTo(Outcome.VERIFIED);
    assertThat(result(report, "UNDATED").message()).doesNotContain("not for logs");
  }

  private static Optional<String> accept(SecretValue value, List<String> tried) {
    tried.add(value.useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8)));
    return Optional.empty();
  }

  @Test
  void whatWasKeptAsItIsAnotherValueIsNotTried() throws IOException {
    List<String> tried = new ArrayList<>();
    SecretsRestore restore = restore().probe("OLDER", value -> accept(value, tried)).build();
    assertThat(result(restore.run(restore.plan()), "OLDER").outcome()).isEqualTo(Outcome.KEPT);
    assertThat(tried).isEmpty();
  }
}
