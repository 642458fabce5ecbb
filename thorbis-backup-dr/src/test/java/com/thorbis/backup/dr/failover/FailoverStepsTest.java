package com.thorbis.backup.dr.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Result.Outcome;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.Task;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FailoverStepsTest {
  private static final String ALICE = "alice";

  private final FakeServer primary = new FakeServer("db1", false);
  private final FakeServer standby = new FakeServer("db2", true);
  private final FakeFence fence = new FakeFence();
  private Optional<Lsn> known = Optional.empty();

  private Failover.Builder failover() {
    return Failover.builder("database", primary.access(), standby.access())
        .fence(fence)
        .known(() -> known);
  }

  private static Step open(Task task, Failover failover) {
    return FailoverActions.of(List.of(failover), Map.of()).stream()
        .filter(action -> action.kind().equals(task.action()))
        .findFirst()
        .orElseThrow()
        .open(task);
  }

  private static Task task(String action, String... inputs) {
    Map<String, String> with = new HashMap<>(Map.of("source", "database"));
    for (int i = 0; i < inputs.length; i += 2) {
      with.put(inputs[i], inputs[i + 1]);
    }
    return Task.builder(action, action).inputs(with).needs(List.of("fence")).build();
  }

  private Step fenceStep() {
    return open(task("fence"), failover().build());
  }

  private Step promoteStep(String... inputs) {
    return open(task("promote", inputs), failover().build());
  }

  private static FakeContext context(String action) {
    return new FakeContext(task(action));
  }

  /** As after a fence that has proven itself. */
  private FakeContext fenced() throws Exception {
    fence.state = Fence.State.CLOSED;
    FakeContext context = context("promote");
    context.facts.put("fence", fenceStep().check(context("fence")).facts());
    return context;
  }

  @Test
  void aFenceIsClosedOnceAndHandsOnWhatItKnows() throws Exception {
    FakeContext context = context("fence");
    Step step = fenceStep();
    assertThat(step.check(context).outcome()).isEqualTo(Outcome.NOT_DONE);
    Result result = step.execute(context);
    assertThat(result.outcome()).isEqualTo(Outcome.DONE);
    assertThat(result.facts())
        .containsEntry(FailoverFacts.SERVER, "db1")
        .containsEntry(FailoverFacts.PROOF, "fake")
        .containsEntry(FailoverFacts.SYSTEM, "7000")
        .containsEntry(FailoverFacts.LSN, "0/3000000")
        .containsEntry(FailoverFacts.TIMELINE, "1");
    assertThat(step.verify(context).outcome()).isEqualTo(Outcome.DONE);
    assertThat(fence.closed).isEqualTo(1);
  }

  @Test
  void theTimelineBeforeIsTheLaterOfTheTwo() throws Exception {
    standby.timeline = 4;
    assertThat(fenced().facts("fence")).containsEntry(FailoverFacts.TIMELINE, "4");
  }

  @Test
  void aServerThatGoesOnIsNotFenced() throws Exception {
    fence.afterwards = Fence.State.OPEN;
    Result result = fenceStep().execute(context("fence"));
    assertThat(result.outcome()).isEqualTo(Outcome.NOT_DONE);
    assertThat(result.facts()).doesNotContainKey(FailoverFacts.PROOF);
  }

  @ParameterizedTest
  @CsvSource({"true", "false"})
  void whatCannotBeProvenWaitsForAPerson(boolean broken) throws Exception {
    fence.broken = broken;
    fence.afterwards = Fence.State.CANNOT_TELL;
    FakeContext context = context("fence");
    Step step = fenceStep();
    Result waits = step.execute(context);
    assertThat(waits.outcome()).isEqualTo(Outcome.WAITING);
    assertThat(waits.awaited().orElseThrow().what()).isEqualTo(Result.Wait.MANUAL);
    assertThat(waits.facts()).doesNotContainKey(FailoverFacts.PROOF);
    assertThat(step.check(context).outcome()).isEqualTo(Outcome.NOT_DONE);
    context.confirmedBy = ALICE;
    Result contradicted = step.check(context);
    assertThat(contradicted.outcome()).isEqualTo(Outcome.FAILED);
    assertThat(contradicted.detail()).contains(ALICE).contains("answers as a primary");
    primary.reachable = false;
    Result said = step.check(context);
    assertThat(said.outcome()).isEqualTo(Outcome.DONE);
    assertThat(said.facts())
        .containsEntry(FailoverFacts.PROOF, FailoverFacts.PERSON)
        .containsEntry(FailoverFacts.BY, ALICE);
  }

  /** A disk that hangs must not keep a person's word from being heard. */
  @Test
  void aLookThatHangsLeavesItToAPerson() throws Exception {
    fence.hangs = true;
    Task task =
        Task.builder("fence", "fence")
            .inputs(Map.of("source", "database"))
            .timeout(Duration.ofMillis(400))
            .build();
    Step step = open(task, failover().build());
    FakeContext context = new FakeContext(task);
    Result waits = step.execute(context);
    assertThat(waits.outcome()).isEqualTo(Outcome.WAITING);
    assertThat(waits.detail()).contains("without an end");
    primary.reachable = false;
    context.confirmedBy = ALICE;
    Result told = step.check(context);
    assertThat(told.outcome()).isEqualTo(Outcome.DONE);
    assertThat(told.facts()).containsEntry(FailoverFacts.PROOF, FailoverFacts.PERSON);
  }

  @Test
  void nobodysWordCountsAgainstWhatIsSeen() throws Exception {
    FakeContext context = context("fence");
    context.confirmedBy = ALICE;
    assertThat(fenceStep().check(context).outcome()).isEqualTo(Outcome.FAILED);
  }

  @Test
  void withoutAnyWayToItAPersonFences() throws Exception {
    Step step =
        open(
            task("fence"),
            Failover.builder("database", primary.access(), standby.access()).build());
    assertThat(step.execute(context("fence")).outcome()).isEqualTo(Outcome.WAITING);
    assertThat(step.compensates()).isFalse();
  }

  @Test
  void aFenceIsLiftedOnlyWhileTheOtherOneIsAStandby() throws Exception {
    Step step = fenceStep();
    assertThat(step.compensates()).isTrue();
    standby.reachable = false;
    assertThat(step.compensate(context("fence"), Map.of()).outcome()).isEqualTo(Outcome.NOT_DONE);
    standby.reachable = true;
    standby.standby = false;
    assertThat(step.compensate(context("fence"), Map.of()).outcome()).isEqualTo(Outcome.FAILED);
    assertThat(fence.lifted).isZero();
    standby.standby = true;
    assertThat(step.compensate(context("fence"), Map.of()).outcome()).isEqualTo(Outcome.DONE);
    assertThat(fence.lifted).isEqualTo(1);
  }

  @Test
  void aStandbyIsPromotedOnceAndTakesAWrite() throws Exception {
    FakeContext context = fenced();
    Step step = promoteStep();
    assertThat(step.check(context).outcome()).isEqualTo(Outcome.NOT_DONE);
    context.attempt = 1;
    Result result = step.execute(context);
    assertThat(result.outcome()).isEqualTo(Outcome.DONE);
    assertThat(result.facts())
        .containsEntry(FailoverFacts.SERVER, "db2")
        .containsEntry(FailoverFacts.ADDRESS, "db2.example:5432")
        .containsEntry(FailoverFacts.TIMELINE, "2")
        .containsEntry(FailoverFacts.LOSS, "0");
    assertThat(step.verify(context).outcome()).isEqualTo(Outcome.DONE);
    assertThat(standby.promotions).isEqualTo(1);
    assertThat(standby.writes).isPositive();
  }

  @Test
  void nothingIsPromotedWithoutAProof() throws Exception {
    fence.state = Fence.State.CLOSED;
    FakeContext unproven = context("promote");
    assertThat(promoteStep().execute(unproven).outcome()).isEqualTo(Outcome.FAILED);
    unproven.facts.put("fence", Map.of(FailoverFacts.SERVER, "db1"));
    assertThat(promoteStep().execute(unproven).outcome()).isEqualTo(Outcome.FAILED);
    unproven.facts.put(
        "fence", Map.of(FailoverFacts.SERVER, "db9", FailoverFacts.PROOF, "stopped"));
    assertThat(promoteStep().execute(unproven).outcome()).isEqualTo(Outcome.FAILED);
    FakeContext proven = fenced();
    proven.facts.put("elsewhere", proven.facts("fence"));
    assertThat(promoteStep("fence", "nowhere").execute(proven).outcome()).isEqualTo(Outcome.FAILED);
    assertThat(standby.promotions).isZero();
    assertThat(promoteStep("fence", "elsewhere").execute(proven).outcome()).isEqualTo(Outcome.DONE);
    proven.facts.put("failover.cut", proven.facts("fence"));
    Task named =
        Task.builder("again", "promote")
            .procedure("failover")
            .inputs(Map.of("source", "database", "fence", "cut"))
            .build();
    standby.standby = true;
    assertThat(open(named, failover().build()).execute(proven).outcome()).isEqualTo(Outcome.DONE);
  }

  @ParameterizedTest
  @CsvSource({"OPEN", "CANNOT_TELL"})
  void aProofThatDoesNotHoldAnyMoreIsNone(Fence.State now) throws Exception {
    FakeContext context = fenced();
    fence.state = now;
    assertThat(promoteStep().execute(context).outcome()).isEqualTo(Outcome.NOT_DONE);
    assertThat(standby.promotions).isZero();
  }

  @Test
  void aPersonsWordHoldsUntilTheServerAnswers() throws Exception {
    FakeContext context = fenced();
    fence.state = Fence.State.CANNOT_TELL;
    context.facts.put(
        "fence",
        Map.of(
            FailoverFacts.SERVER, "db1",
            FailoverFacts.PROOF, FailoverFacts.PERSON,
            FailoverFacts.BY, ALICE,
            FailoverFacts.SYSTEM, "7000",
            FailoverFacts.TIMELINE, "1"));
    Step step = promoteStep("max-loss", "any");
    assertThat(step.execute(context).outcome()).isEqualTo(Outcome.NOT_DONE);
    assertThat(standby.promotions).isZero();
    primary.reachable = false;
    assertThat(step.execute(context).outcome()).isEqualTo(Outcome.DONE);
  }

  @Test
  void aStandbyThatStillHearsFromThePrimaryIsNotPromoted() throws Exception {
    FakeContext context = fenced();
    standby.silence = 200L;
    assertThat(promoteStep().execute(context).outcome()).isEqualTo(Outcome.NOT_DONE);
    assertThat(standby.promotions).isZero();
  }

  @Test
  void anotherClusterIsNotPromotedNorOneOfWhichNothingIsKnown() throws Exception {
    FakeContext context = fenced();
    standby.system = 8_000;
    assertThat(promoteStep().execute(context).detail()).contains("8000").contains("7000");
    fence.facts.remove(FailoverFacts.SYSTEM);
    standby.system = 7_000;
    Result unknown = promoteStep().execute(fenced());
    assertThat(unknown.outcome()).isEqualTo(Outcome.FAILED);
    assertThat(unknown.detail()).contains("give the identifier of the cluster");
    assertThat(standby.promotions).isZero();
    Step told = open(task("promote"), failover().system(7_000).build());
    assertThat(told.execute(fenced()).outcome()).isEqualTo(Outcome.DONE);
  }

  /** The old one got to 0/3000000, or it is known that more was committed. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "0/3000000|0/3000000||0B|true",
        "0/2FFFFF0|0/3000000||0B|false",
        "0/2FFFFF0|0/3000000||16B|true",
        "0/2FFFFF0|0/3000000||15B|false",
        "0/2FFFFF0|0/3000000||any|true",
        "0/3000000|0/3000000|0/3000400|1KiB|true",
        "0/3000000|0/3000000|0/3000401|1KiB|false",
        "0/3000000||0/3000000|0B|true",
        "0/3000000|||16GiB|false",
        "0/3000000|||any|true"
      })
  void nothingIsLostBeyondWhatIsAccepted(
      String has, String stopped, String stored, String most, boolean promoted) throws Exception {
    standby.position = has;
    fence.facts.remove(FailoverFacts.LSN);
    if (stopped != null) {
      fence.facts.put(FailoverFacts.LSN, stopped);
    }
    known = Optional.ofNullable(stored).map(Lsn::parse);
    Result result = promoteStep("max-loss", most).execute(fenced());
    assertThat(result.outcome()).isEqualTo(promoted ? Outcome.DONE : Outcome.NOT_DONE);
    assertThat(standby.promotions).isEqualTo(promoted ? 1 : 0);
    if (promoted && stopped == null && stored == null) {
      assertThat(result.facts()).containsEntry(FailoverFacts.LOSS, "unknown");
    }
  }

  @Test
  void anAnswerThatIsLostIsLookedForAndNotRepeated() throws Exception {
    FakeContext context = fenced();
    Step step = promoteStep();
    standby.dropsAnswer = true;
    assertThat(step.execute(context).outcome()).isEqualTo(Outcome.UNKNOWN);
    context.attempt = 1;
    Result found = step.check(context);
    assertThat(found.outcome()).isEqualTo(Outcome.DONE);
    assertThat(found.facts()).containsEntry(FailoverFacts.TIMELINE, "2");
    assertThat(step.execute(context).outcome()).isEqualTo(Outcome.DONE);
    assertThat(standby.promotions).isEqualTo(1);
  }

  @Test
  void aServerThatDoesNotAnswerIsUnknownAndOneThatIsSlowToo() throws Exception {
    FakeContext context = fenced();
    standby.slow = true;
    assertThat(promoteStep().execute(context).outcome()).isEqualTo(Outcome.UNKNOWN);
    standby.reachable = false;
    assertThat(promoteStep().check(context).outcome()).isEqualTo(Outcome.UNKNOWN);
    assertThat(promoteStep().execute(context).outcome()).isEqualTo(Outcome.NOT_DONE);
  }

  @Test
  void whoMayNotPromoteIsToldSo() throws Exception {
    FakeContext context = fenced();
    standby.mayPromote = false;
    Result result = promoteStep().execute(context);
    assertThat(result.outcome()).isEqualTo(Outcome.FAILED);
    assertThat(result.detail()).contains("permission denied");
  }

  @Test
  void aPrimaryThatWasNoStandbyIsNotTakenForAPromotedOne() throws Exception {
    FakeContext context = fenced();
    standby.standby = false;
    Result same = promoteStep().check(context);
    assertThat(same.outcome()).isEqualTo(Outcome.FAILED);
    assertThat(same.detail()).contains("was never a standby");
    context.facts.put(
        "fence",
        Map.of(
            FailoverFacts.SERVER, "db1",
            FailoverFacts.PROOF, "fake",
            FailoverFacts.SYSTEM, "7000"));
    assertThat(promoteStep().check(context).outcome()).isEqualTo(Outcome.FAILED);
    context.attempt = 1;
    assertThat(promoteStep().check(context).outcome()).isEqualTo(Outcome.DONE);
  }

  @Test
  void twoPrimariesAreCalledSo() throws Exception {
    FakeContext context = fenced();
    standby.standby = false;
    standby.timeline = 2;
    fence.state = Fence.State.OPEN;
    Result result = promoteStep().check(context);
    assertThat(result.outcome()).isEqualTo(Outcome.FAILED);
    assertThat(result.detail()).contains("both are primaries");
  }

  @ParameterizedTest
  @CsvSource({"true,false,default_transaction_read_only", "false,true,synchronous replication"})
  void aNewPrimaryThatClientsCannotWriteToIsNotDone(boolean readOnly, boolean hangs, String reason)
      throws Exception {
    standby.readOnly = readOnly;
    standby.commitsHang = hangs;
    FakeContext context = fenced();
    Step step = promoteStep();
    assertThat(step.execute(context).outcome()).isEqualTo(Outcome.UNKNOWN);
    context.attempt = 1;
    Result seen = step.verify(context);
    assertThat(seen.outcome()).isEqualTo(Outcome.NOT_DONE);
    assertThat(seen.detail()).contains(reason);
    standby.readOnly = false;
    standby.commitsHang = false;
    assertThat(step.verify(context).outcome()).isEqualTo(Outcome.DONE);
    assertThat(standby.promotions).isEqualTo(1);
  }

  @Test
  void theWayBackFencesTheStandbyAndPromotesThePrimary() throws Exception {
    FakeFence back = new FakeFence();
    primary.standby = true;
    standby.standby = false;
    Failover failover = failover().standbyFence(back).build();
    FakeContext context = context("fence");
    Result closed = open(task("fence", "server", "standby"), failover).execute(context);
    assertThat(closed.facts()).containsEntry(FailoverFacts.SERVER, "db2");
    assertThat(back.closed).isEqualTo(1);
    context.facts.put("fence", closed.facts());
    Result result = open(task("promote", "server", "db1"), failover).execute(context);
    assertThat(result.outcome()).isEqualTo(Outcome.DONE);
    assertThat(result.facts()).containsEntry(FailoverFacts.SERVER, "db1");
    assertThat(fence.closed).isZero();
  }

  @Test
  void whatAPlanSaysWrongIsSaidWhenItIsOpened() {
    Failover failover = failover().build();
    assertThatThrownBy(() -> open(task("fence", "server", "db7"), failover))
        .hasMessageContaining("db1 (primary)");
    assertThatThrownBy(() -> open(task("fence", "mode", "polite"), failover))
        .hasMessageContaining("neither graceful nor force");
    assertThatThrownBy(() -> open(task("promote", "max-loss", "1 MB"), failover))
        .hasMessageContaining("is no size");
    assertThatThrownBy(() -> open(task("promote", "lag", "1"), failover))
        .hasMessageContaining("promote takes no lag");
    assertThatThrownBy(() -> open(task("detect"), failover)).hasMessageContaining("no detector");
    assertThatThrownBy(() -> open(task("detect", "detector", "x"), failover))
        .hasMessageContaining("and not both");
    assertThatThrownBy(() -> open(Task.builder("fence", "fence").build(), failover))
        .hasMessageContaining("source is missing");
    assertThatThrownBy(
            () -> Failover.builder("database", primary.access(), primary.access()).build())
        .hasMessageContaining("are the same");
  }
}
