package com.thorbis.backup.dr.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.run.Action;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Result.Outcome;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HaManagerTest {
  private static final URI NOBODY = URI.create("http://127.0.0.1:1");
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final FakeServer primary = new FakeServer("db1", false);
  private final FakeServer standby = new FakeServer("db2", true);
  private FakePatroni patroni;
  @TempDir Path folder;

  @BeforeEach
  void start() throws IOException {
    patroni = new FakePatroni();
  }

  @AfterEach
  void stop() {
    patroni.close();
  }

  private PatroniManager manager() {
    return PatroniManager.builder().member(NOBODY).member(patroni.address()).build();
  }

  private Step step(String kind, HaManager manager, String... inputs) {
    Map<String, String> with = new HashMap<>(Map.of("source", "database"));
    for (int i = 0; i < inputs.length; i += 2) {
      with.put(inputs[i], inputs[i + 1]);
    }
    Failover failover =
        Failover.builder("database", primary.access(), standby.access())
            .manager(manager)
            .system(7_000)
            .build();
    return FailoverActions.of(List.of(failover), Map.of()).stream()
        .filter(action -> action.kind().equals(kind))
        .map((Action action) -> action.open(task(kind, with)))
        .findFirst()
        .orElseThrow();
  }

  private static Task task(String kind, Map<String, String> with) {
    return Task.builder(kind, kind).inputs(with).needs(List.of("fence")).build();
  }

  private static FakeContext context(String kind) {
    return new FakeContext(task(kind, Map.of("source", "database")));
  }

  private FakeContext fenced(HaManager manager) throws Exception {
    FakeContext context = context("promote");
    Result fence = step("fence", manager).check(context("fence"));
    assertThat(fence.facts()).containsEntry(FailoverFacts.PROOF, FailoverFacts.MANAGER);
    context.facts.put("fence", fence.facts());
    return context;
  }

  @Test
  void theClusterIsReadFromTheFirstMemberThatAnswers() throws Exception {
    patroni.lag = "\"unknown\"";
    HaManager.Status status = manager().status();
    assertThat(status.leader()).contains("db1");
    assertThat(status.paused()).isFalse();
    assertThat(status.members())
        .containsExactly(
            new HaManager.Member("db1", Optional.empty()),
            new HaManager.Member("db2", Optional.empty()));
    patroni.leader = null;
    patroni.lag = "4096";
    patroni.paused = true;
    assertThat(manager().status().leader()).isEmpty();
    assertThat(manager().status().paused()).isTrue();
    assertThat(manager().status().members().get(1).lag()).contains(4096L);
  }

  @Test
  void changesAreAskedForAndLookedAt() throws Exception {
    manager().switchover("db1", "db2");
    assertThat(patroni.leader).isEqualTo("db2");
    manager().failover("db1");
    assertThat(patroni.requests)
        .containsExactly(
            "POST /switchover {\"candidate\":\"db2\",\"leader\":\"db1\"}",
            "GET /cluster",
            "POST /failover {\"candidate\":\"db1\"}",
            "GET /cluster");
  }

  @ParameterizedTest
  @CsvSource({
    "400,REFUSED",
    "401,REFUSED",
    "412,REFUSED",
    "500,OUTCOME_UNKNOWN",
    "503,OUTCOME_UNKNOWN",
    "202,OUTCOME_UNKNOWN"
  })
  void whatItRefusesIsNotDoneAndTheRestIsUnknown(int status, FailureKind kind) {
    patroni.answers = status;
    HaException failure = catchThrowableOfType(HaException.class, () -> manager().failover("db2"));
    assertThat(failure.kind()).isEqualTo(kind);
    assertThat(failure.getMessage()).contains(Integer.toString(status));
    assertThat(patroni.leader).isEqualTo("db1");
  }

  @Test
  void anAnswerThatIsLostOrNamesAnotherIsUnknown() {
    patroni.dropsAnswer = true;
    assertThat(catchThrowableOfType(HaException.class, () -> manager().failover("db2")).kind())
        .isEqualTo(FailureKind.OUTCOME_UNKNOWN);
    patroni.dropsAnswer = false;
    patroni.chooses = "db1";
    assertThat(catchThrowableOfType(HaException.class, () -> manager().failover("db2")).kind())
        .isEqualTo(FailureKind.OUTCOME_UNKNOWN);
  }

  @Test
  void nobodyThereIsUnavailableAndNothingWasAsked() {
    PatroniManager alone = PatroniManager.builder().member(NOBODY).build();
    assertThat(catchThrowableOfType(HaException.class, alone::status).kind())
        .isEqualTo(FailureKind.TRANSIENT);
    assertThat(catchThrowableOfType(HaException.class, () -> alone.failover("db2")).kind())
        .isEqualTo(FailureKind.TRANSIENT);
  }

  @Test
  void aPasswordIsSentWithChangesAndNeverInTheClear() throws Exception {
    patroni.password = "s3cret";
    assertThat(catchThrowableOfType(HaException.class, () -> manager().failover("db2")).kind())
        .isEqualTo(FailureKind.REFUSED);
    PatroniManager known =
        PatroniManager.builder()
            .member(patroni.address())
            .login("admin", () -> SecretValue.ofText("s3cret"))
            .build();
    known.failover("db2");
    assertThat(patroni.leader).isEqualTo("db2");
    assertThatThrownBy(
            () ->
                PatroniManager.builder()
                    .member(URI.create("http://db1.example:8008"))
                    .login("admin", () -> SecretValue.ofText("s3cret"))
                    .build())
        .hasMessageContaining("use https");
    assertThatThrownBy(
            () -> PatroniManager.builder().member(URI.create("http://a:b@db1:8008")).build())
        .hasMessageContaining("without a password")
        .hasMessageNotContaining("a:b");
  }

  /** The leader is there: a switchover. It is gone: a failover. Never pg_promote. */
  @ParameterizedTest
  @CsvSource({"true,POST /switchover", "false,POST /failover"})
  void whereAManagerIsInChargeAllGoesThroughIt(boolean leads, String request) throws Exception {
    PatroniManager manager = manager();
    patroni.leader = leads ? "db1" : null;
    FakeContext context = fenced(manager);
    Step step = step("promote", manager);
    assertThat(step.check(context).outcome()).isEqualTo(Outcome.NOT_DONE);
    assertThat(step.execute(context).outcome()).isEqualTo(Outcome.DONE);
    assertThat(patroni.requests).anyMatch(each -> each.startsWith(request));
    assertThat(step.verify(context).outcome()).isEqualTo(Outcome.UNKNOWN);
    standby.standby = false;
    standby.timeline = 2;
    Result result = step.check(context);
    assertThat(result.outcome()).isEqualTo(Outcome.DONE);
    assertThat(result.facts()).containsEntry(FailoverFacts.TIMELINE, "2");
    assertThat(standby.promotions).isZero();
  }

  @Test
  void aPausedManagerFencesNobodyAndPromotesNobody() throws Exception {
    PatroniManager manager = manager();
    FakeContext context = fenced(manager);
    patroni.paused = true;
    assertThat(step("fence", manager).check(context("fence")).outcome())
        .isEqualTo(Outcome.NOT_DONE);
    assertThat(step("promote", manager).execute(context).outcome()).isEqualTo(Outcome.NOT_DONE);
    assertThat(patroni.requests).noneMatch(each -> each.startsWith("POST"));
  }

  @Test
  void noOtherFenceCountsAndNoUnknownServer() throws Exception {
    PatroniManager manager = manager();
    FakeContext context = fenced(manager);
    context.facts.put("fence", Map.of(FailoverFacts.SERVER, "db1", FailoverFacts.PROOF, "stopped"));
    assertThat(step("promote", manager).execute(context).outcome()).isEqualTo(Outcome.FAILED);
    assertThat(step("fence", manager).compensates()).isFalse();
    assertThat(patroni.requests).noneMatch(each -> each.startsWith("POST"));
  }

  @ParameterizedTest
  @CsvSource({"4096,4KiB,true", "4097,4KiB,false", "'\"unknown\"',4KiB,false", "9999,any,true"})
  void theLossThatIsAcceptedHoldsThroughAManagerToo(String lag, String most, boolean asked)
      throws Exception {
    PatroniManager manager = manager();
    FakeContext context = fenced(manager);
    patroni.leader = null;
    patroni.lag = lag;
    assertThat(step("promote", manager, "max-loss", most).execute(context).outcome())
        .isEqualTo(asked ? Outcome.DONE : Outcome.FAILED);
    assertThat(patroni.leader).isEqualTo(asked ? "db2" : null);
  }

  private List<String> script(String name, String text) throws IOException {
    Path file = folder.resolve(name);
    Files.writeString(file, text);
    return List.of("/bin/sh", file.toString());
  }

  @Test
  void aCommandIsAManagerToo() throws Exception {
    Path state = folder.resolve("leader");
    Files.writeString(state, "db1");
    CommandManager manager =
        new CommandManager(
            script("status", "echo leader $(cat " + state + ")\necho member db3\necho paused\n"),
            script("switchover", "test \"$1\" = \"$(cat " + state + ")\" && echo $2 > " + state),
            script("failover", "echo $1 > " + state),
            PATIENCE);
    HaManager.Status status = manager.status();
    assertThat(status.leader()).contains("db1");
    assertThat(status.paused()).isTrue();
    assertThat(status.members()).extracting(HaManager.Member::name).containsExactly("db1", "db3");
    manager.switchover("db1", "db2");
    assertThat(manager.status().leader()).contains("db2");
    assertThat(
            catchThrowableOfType(HaException.class, () -> manager.switchover("db1", "db3")).kind())
        .isEqualTo(FailureKind.REFUSED);
    manager.failover("db3");
    assertThat(manager.status().leader()).contains("db3");
  }

  @Test
  void aCommandThatIsNotUnderstoodOrEndsOtherwiseTellsNothing() throws Exception {
    List<String> fails = script("fails", "exit 3\n");
    CommandManager manager =
        new CommandManager(script("odd", "echo db1 leads\n"), fails, fails, PATIENCE);
    assertThat(catchThrowableOfType(HaException.class, manager::status).kind())
        .isEqualTo(FailureKind.TRANSIENT);
    assertThat(catchThrowableOfType(HaException.class, () -> manager.failover("db2")).kind())
        .isEqualTo(FailureKind.OUTCOME_UNKNOWN);
  }
}
