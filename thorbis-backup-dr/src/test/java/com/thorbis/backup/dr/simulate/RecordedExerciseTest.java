package com.thorbis.backup.dr.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.plan.Exercise;
import com.thorbis.backup.dr.plan.PlanFacts;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.dr.plan.RecoveryPlan;
import com.thorbis.backup.dr.plan.Validation;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RecordedExerciseTest {
  private static final Instant START = Instant.parse("2027-01-12T10:00:00Z");
  private static final LocalDate DUE = LocalDate.parse("2027-02-01");

  @TempDir Path state;

  private static RecoveryPlan plan() {
    return Validation.of(PlanReader.read(PlanReader.example(), "example"), PlanFacts.none(START))
        .require();
  }

  private static RecordedExercise begun(Exercise.Kind kind) {
    return RecordedExercise.start(plan(), "database-failure", kind, "ada", START);
  }

  @Test
  void aTabletopAsksWhoThePlanNames() {
    RecordedExercise exercise = begun(Exercise.Kind.TABLETOP);
    RecoveryPlan plan = plan();
    assertThat(exercise.planDigest()).isEqualTo(plan.digest());
    assertThat(exercise.injects()).hasSizeGreaterThan(5);
    assertThat(exercise.injects())
        .allSatisfy(it -> assertThat(plan.people(it.asked())).as(it.asked()).isNotEmpty());
    assertThat(exercise.injects())
        .extracting(RecordedExercise.Inject::after)
        .isSorted()
        .contains(Duration.ZERO);
    assertThat(exercise.held()).isFalse();
  }

  @Test
  void aWalkthroughAsksForEveryStep() {
    RecoveryPlan plan = plan();
    long steps =
        plan.scenario("database-failure").branches().stream()
            .flatMap(it -> it.procedures().stream())
            .distinct()
            .mapToLong(it -> plan.procedure(it).steps().size())
            .sum();
    assertThat(begun(Exercise.Kind.WALKTHROUGH).injects()).hasSize((int) steps);
  }

  @ParameterizedTest
  @EnumSource(names = {"TABLETOP", "WALKTHROUGH"})
  void isGoneOnWithAsItWasKept(Exercise.Kind kind) throws IOException {
    RecordedExercise exercise =
        begun(kind)
            .answer(1, "bo", "we look at the standby", START.plusSeconds(90))
            .finding("bo", "nobody has the key", "ada", DUE, START.plusSeconds(120));
    exercise.save(state);
    assertThat(RecordedExercise.open(state, exercise.id())).isEqualTo(exercise);
    RecordedExercise closed = exercise.close("ada", START.plusSeconds(3600));
    closed.save(state);
    assertThat(RecordedExercise.open(state, exercise.id())).isEqualTo(closed);
    assertThat(closed.participants()).containsExactly("ada", "bo");
  }

  @Test
  void isHeldOnlyWithAnAnswerToEverything() {
    RecordedExercise exercise = begun(Exercise.Kind.WALKTHROUGH);
    RecordedExercise last = exercise;
    for (RecordedExercise.Inject each : exercise.injects()) {
      assertThat(last.close("ada", START).held()).isFalse();
      last = last.answer(each.number(), "bo", "shown", START);
    }
    assertThat(last.held()).isFalse();
    assertThat(last.unanswered()).isEmpty();
    assertThat(last.finding("bo", "slow", "ada", DUE, START).close("ada", START).held()).isTrue();
  }

  @Test
  void takesNothingMoreOnceItIsClosed() {
    RecordedExercise closed = begun(Exercise.Kind.TABLETOP).close("ada", START);
    for (Runnable each :
        List.<Runnable>of(
            () -> closed.answer(1, "bo", "late", START),
            () -> closed.finding("bo", "late", "ada", DUE, START),
            () -> closed.close("bo", START))) {
      assertThatThrownBy(each::run)
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("exercise.refused"))
          .hasMessageContaining("closed by ada");
    }
  }

  @Test
  void refusesWhatSaysNothing() {
    RecordedExercise exercise = begun(Exercise.Kind.TABLETOP);
    for (Runnable each :
        List.<Runnable>of(
            () -> exercise.answer(1, " ", "x", START),
            () -> exercise.answer(1, "bo", "", START),
            () -> exercise.answer(999, "bo", "x", START),
            () -> exercise.finding("bo", "x", "", DUE, START))) {
      assertThatThrownBy(each::run)
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("exercise.refused"));
    }
  }

  @Test
  void whatIsKeptHasOneForm() {
    RecordedExercise exercise =
        new RecordedExercise(
            "exercise-20270112T100000Z-00000001",
            Exercise.Kind.TABLETOP,
            "region-lost",
            "acme",
            3,
            "d",
            START,
            "ada",
            List.of(new RecordedExercise.Inject(1, Duration.ofMinutes(5), "lead", "What now?")),
            List.of(new RecordedExercise.Answer(1, START.plusSeconds(60), "bo", "We wait.")),
            List.of(
                new RecordedExercise.Finding(
                    1, START.plusSeconds(90), "bo", "No list", "ada", DUE)),
            Optional.of(START.plusSeconds(3600)),
            "ada");
    String text =
        "{\"answers\":[{\"at\":\"2027-01-12T10:01:00Z\",\"by\":\"bo\",\"inject\":1,"
            + "\"text\":\"We wait.\"}],\"closedAt\":\"2027-01-12T11:00:00Z\",\"closedBy\":\"ada\","
            + "\"exercise\":\"tabletop\",\"findings\":[{\"at\":\"2027-01-12T10:01:30Z\","
            + "\"by\":\"bo\",\"due\":\"2027-02-01\",\"number\":1,\"owner\":\"ada\","
            + "\"text\":\"No list\"}],\"format\":\"thorbis-exercise/1\","
            + "\"id\":\"exercise-20270112T100000Z-00000001\",\"injects\":[{\"afterMillis\":300000,"
            + "\"asked\":\"lead\",\"number\":1,\"text\":\"What now?\"}],\"leader\":\"ada\","
            + "\"participants\":[\"ada\",\"bo\"],\"plan\":\"acme\",\"planDigest\":\"d\","
            + "\"planVersion\":3,\"scenario\":\"region-lost\","
            + "\"startedAt\":\"2027-01-12T10:00:00Z\",\"unanswered\":[]}";
    assertThat(new String(CanonicalJson.encode(exercise.json()), StandardCharsets.UTF_8))
        .isEqualTo(text);
    assertThat(RecordedExercise.parse(text.getBytes(StandardCharsets.UTF_8))).isEqualTo(exercise);
    assertThatThrownBy(
            () ->
                RecordedExercise.parse(
                    text.replace("{\"answers\"", "{\"a\":1,\"answers\"")
                        .getBytes(StandardCharsets.UTF_8)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void whatIsNotThereIsSaid() throws IOException {
    assertThatThrownBy(() -> RecordedExercise.open(state, "../../etc/passwd"))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("exercise.not-found"));
    RecordedExercise exercise = begun(Exercise.Kind.TABLETOP);
    exercise.save(state);
    Files.writeString(state.resolve("exercises").resolve(exercise.id() + ".json"), "{}");
    assertThatThrownBy(() -> RecordedExercise.open(state, exercise.id()))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("exercise.unreadable"));
  }
}
