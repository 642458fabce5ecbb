package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.application.secrets.RestoreMode;
import com.thorbis.backup.application.secrets.SecretsBackupReport;
import com.thorbis.backup.application.secrets.SecretsEngine;
import com.thorbis.backup.application.secrets.SecretsRestore;
import com.thorbis.backup.application.secrets.SecretsRestoreReport;
import com.thorbis.backup.application.secrets.SecretsSet;
import com.thorbis.backup.application.secrets.StoredSecret;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What goes to a place that never gives it back is kept, whatever happens in between. */
class SecretsEscrowTest {
  private static final String MARKER = "planted-5Kp9dN";
  private static final RunControl ALONE = RunControl.unattended();
  private static final String PENDING = "secrets.escrow-pending";
  private static final String CHANGED = "secrets.changed-outside-escrow";
  private static final String GONE = "secrets.escrow-place-gone";

  @TempDir Path folder;
  private final WriteOnly place = new WriteOnly("store");
  private final WriteOnly other = new WriteOnly("other");
  private boolean withoutOther;
  private String source = "production";
  private String configuration = "thorbis.yaml";
  private CommandRunner runner;

  @BeforeEach
  void init() throws IOException {
    runner = new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        """
        state-directory: state
        repository:
          copies:
            - uri: %s
          encryption:
            accept-single-key-risk: true
            recipients:
              - uri: keystore:target/keys.p12
                password: ${env:PASSPHRASE}
                alias: main
        sources:
          files:
            type: secrets
            places:
              - { name: app, kind: env-file, path: %s }
        """
            .formatted(folder.resolve("repo").toUri(), folder.resolve("app.env")));
    assertThat(runner.run("init").code()).isZero();
  }

  @AfterEach
  void nothingTellsAValue() throws IOException {
    int looked = 0;
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        looked++;
        assertThat(Files.readString(file, StandardCharsets.ISO_8859_1))
            .as("%s", file)
            .doesNotContain(
                MARKER,
                Base64.getEncoder()
                    .encodeToString(MARKER.getBytes(StandardCharsets.UTF_8))
                    .substring(0, 12));
      }
    }
    assertThat(looked).isGreaterThan(2);
  }

  @Test
  void aValueThatIsSetIsInThatBackupAndInLaterOnes() throws IOException {
    assertThat(set("KEY", "1").gaps()).isEmpty();
    assertThat(place.value("KEY")).isEqualTo(MARKER + "1");
    place.put("OTHER", "unknown");
    SecretsBackupReport report = backUp();
    assertThat(report.gaps()).extracting(SecretsBackupReport.Gap::name).containsExactly("OTHER");
    assertThat(report.secretsCount()).isEqualTo(1);
    backUp();
    assertThat(stored("KEY")).allMatch(StoredSecret::escrowed).hasSize(1);
    place.values.clear();
    assertThat(restore().results().get(0).outcome())
        .isEqualTo(SecretsRestoreReport.Outcome.UNTESTED);
    assertThat(place.value("KEY")).isEqualTo(MARKER + "1");
  }

  @Test
  void aSecondValueTakesThePlaceOfTheFirst() throws IOException {
    set("KEY", "1");
    set("TWO", "x");
    set("KEY", "2");
    backUp();
    place.values.clear();
    restore();
    assertThat(place.value("KEY")).isEqualTo(MARKER + "2");
    assertThat(place.value("TWO")).isEqualTo(MARKER + "x");
  }

  @Test
  void whatSomebodyElseWroteIsNotPassedOff() throws IOException {
    set("KEY", "1");
    place.put("KEY", "theirs");
    for (int i = 0; i < 2; i++) {
      SecretsBackupReport report = backUp();
      assertThat(report.secretsCount()).isZero();
      assertThat(report.gaps()).hasSize(1);
      assertThat(report.gaps().get(0).name()).isEqualTo("KEY");
    }
    assertThat(stored("KEY")).noneMatch(StoredSecret::sealed);
  }

  @Test
  void thatSomebodyElseWroteIsNamedAsWhatItIs() throws IOException {
    set("KEY", "1");
    place.put("KEY", "theirs");
    assertThat(backUp().gaps()).extracting(SecretsBackupReport.Gap::code).containsExactly(CHANGED);
  }

  @Test
  void aDigestThatIsTheSameOutweighsADate() throws IOException {
    place.digests = true;
    set("KEY", "1");
    place.put("KEY", MARKER + "1");
    assertThat(backUp().gaps()).isEmpty();
    place.put("KEY", "theirs");
    assertThat(backUp().gaps()).extracting(SecretsBackupReport.Gap::code).containsExactly(CHANGED);
  }

  @Test
  void aPlaceThatCannotBeLookedAtLosesNoValue() throws IOException {
    set("KEY", "1");
    place.down = true;
    other.put("ANY", "thing");
    backUp();
    assertThat(stored("KEY")).allMatch(StoredSecret::escrowed).hasSize(1);
    place.down = false;
    assertThat(backUp().gaps()).extracting(SecretsBackupReport.Gap::name).containsExactly("ANY");
  }

  @Test
  void whatIsPositivelyGoneIsGone() throws IOException {
    set("KEY", "1");
    place.values.clear();
    backUp();
    assertThat(stored("KEY")).isEmpty();
  }

  @Test
  void whatThePlaceRefusesIsInNoLaterSetAndTheOldValueIs() throws IOException {
    set("KEY", "1");
    place.refuses = true;
    assertThatThrownBy(() -> set("KEY", "2"))
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.FORBIDDEN));
    place.refuses = false;
    assertThat(stored("KEY")).hasSize(1).allMatch(secret -> secret.failure().isEmpty());
    assertThat(backUp().gaps()).isEmpty();
    place.values.clear();
    restore();
    assertThat(place.value("KEY")).isEqualTo(MARKER + "1");
  }

  enum Moment {
    BEFORE,
    AFTER
  }

  /** The process dies before, or after, the first call to the place takes effect; and so on. */
  @ParameterizedTest
  @EnumSource
  void everyCrashLeavesAValueThatIsKeptOrNoneThatWasWritten(Moment moment) throws IOException {
    set("KEY", "old");
    boolean died = true;
    int deaths = 0;
    for (int call = 1; died; call++) {
      String fresh = "new" + call;
      place.dieAt(call, moment);
      try {
        set("KEY", fresh);
        died = false;
      } catch (Death e) {
        deaths++;
      }
      place.dieAt(0, moment);
      String standing = place.value("KEY");
      assertThat(values("KEY")).as("call %s", call).contains(standing);
      SecretsBackupReport report = backUp();
      assertThat(values("KEY")).as("call %s, and a backup", call).contains(standing);
      if (report.gaps().stream().anyMatch(gap -> gap.code().equals(PENDING))) {
        assertThat(stored("KEY")).anyMatch(secret -> secret.failure().equals(Optional.of(PENDING)));
        resume();
        assertThat(place.value("KEY")).isEqualTo(MARKER + fresh);
      }
      assertThat(backUp().gaps()).as("call %s, finished", call).isEmpty();
      assertThat(values("KEY")).containsExactly(place.value("KEY"));
    }
    assertThat(deaths).isGreaterThan(4);
    assertThat(place.written).isGreaterThan(3);
  }

  @Test
  void anAnswerThatIsLostIsSettledByTheDigestOrStaysPending() throws IOException {
    place.digests = true;
    place.loseAnswers = true;
    assertThat(set("KEY", "1").gaps()).isEmpty();
    place.digests = false;
    assertThatThrownBy(() -> set("KEY", "2"))
        .isInstanceOfSatisfying(
            SecretException.class,
            e -> assertThat(e.code()).isEqualTo(SecretException.OUTCOME_UNKNOWN));
    place.loseAnswers = false;
    assertThat(backUp().gaps())
        .extracting(SecretsBackupReport.Gap::code)
        .containsExactlyInAnyOrder(CHANGED, PENDING);
    assertRefused(
        "secrets.written-since",
        () -> onEngine((e, r) -> e.resume("store", "KEY", false, r, ALONE)));
    resume();
    assertThat(backUp().gaps()).isEmpty();
    assertRefused("secrets.nothing-pending", this::resume);
  }

  enum Fault {
    NONE,
    /** The list fails, while another place is read. */
    DOWN,
    /** A part of the list cannot be looked at. */
    PARTIAL,
    /** The list does not have what was written yet. */
    ABSENT,
    /** The list has another version. */
    OTHER,
    /** One secret can no longer be looked at alone. */
    NO_FIND,
    /** A value that the place gives back cannot be read. */
    NO_READ
  }

  @ParameterizedTest
  @EnumSource(names = {"DOWN", "PARTIAL", "ABSENT", "OTHER"})
  void whatTheLastBackupDidNotSeeIsKeptAndIsNoSuccess(Fault fault) throws IOException {
    set("KEY", "old");
    other.put("ANY", "thing");
    place.afterWrite = fault;
    assertThatThrownBy(() -> set("KEY", "new"))
        .isInstanceOfSatisfying(
            SecretException.class,
            e -> {
              assertThat(e.code()).isEqualTo(PENDING);
              assertThat(e.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN);
              assertThat(e).hasMessageContaining("not seen there yet");
              assertThat(e.remedy()).contains("secrets set production KEY --place store --resume");
            });
    assertThat(place.value("KEY")).isEqualTo(MARKER + "new");
    assertThat(values("KEY")).containsExactly(MARKER + "new");
    assertThat(stored("KEY")).anyMatch(secret -> secret.failure().equals(Optional.of(PENDING)));
    backUp();
    assertThat(values("KEY")).containsExactly(MARKER + "new");
    place.mend();
    resume();
    assertThat(backUp().gaps()).extracting(SecretsBackupReport.Gap::name).containsExactly("ANY");
    assertThat(values("KEY")).containsExactly(MARKER + "new");
  }

  @Test
  void whatCannotBeReadBackIsKeptUntilItCan() throws IOException {
    place.readability = Readability.VALUE;
    place.afterWrite = Fault.NO_READ;
    assertFails(PENDING, () -> set("KEY", "1"));
    assertThat(values("KEY")).containsExactly(MARKER + "1");
    backUp();
    assertThat(values("KEY")).containsExactly(MARKER + "1");
    place.mend();
    resume();
    assertThat(place.written).isEqualTo(1);
    assertThat(backUp().gaps()).isEmpty();
    assertThat(stored("KEY")).hasSize(1).noneMatch(StoredSecret::escrowed);
  }

  @Test
  void whatWasPendingAndIsGivenBackNowIsTakenFromItsPlace() throws IOException {
    place.readability = Readability.VALUE;
    place.dieAt(3, Moment.AFTER);
    assertThatThrownBy(() -> set("KEY", "1")).isInstanceOf(Death.class);
    place.dieAt(0, Moment.AFTER);
    assertThat(place.value("KEY")).isEqualTo(MARKER + "1");
    assertThat(backUp().gaps()).extracting(SecretsBackupReport.Gap::code).containsExactly(PENDING);
    place.put("KEY", "theirs");
    assertRefused("secrets.written-since", this::resume);
    place.put("KEY", MARKER + "1");
    resume();
    assertThat(place.written).isEqualTo(1);
    assertThat(stored("KEY")).hasSize(1).noneMatch(StoredSecret::escrowed);
    assertThat(backUp().gaps()).isEmpty();
  }

  @Test
  void aPendingValueCanBeGivenUp() throws IOException {
    set("KEY", "1");
    place.loseAnswers = true;
    assertFails(SecretException.OUTCOME_UNKNOWN, () -> set("KEY", "2"));
    assertThat(values("KEY")).contains(MARKER + "2");
    SecretsBackupReport report =
        onEngine((engine, repository) -> engine.giveUp("store", "KEY", repository, ALONE)).report();
    assertThat(report.gaps()).extracting(SecretsBackupReport.Gap::code).containsExactly(CHANGED);
    assertThat(values("KEY")).isEmpty();
    assertThat(place.value("KEY")).isEqualTo(MARKER + "2");
    assertRefused(
        "secrets.nothing-pending",
        () -> onEngine((engine, repository) -> engine.giveUp("store", "KEY", repository, ALONE)));
  }

  @Test
  void aRefusalTakesBackItsOwnValueAlone() throws IOException {
    set("KEY", "1");
    place.refuses = true;
    place.beforeWrite =
        () -> {
          try (SecretValue value = SecretValue.ofText(MARKER + "theirs")) {
            onEngine((engine, r) -> engine.set("other", "THEIRS", value, r, ALONE));
          }
        };
    assertFails(SecretException.FORBIDDEN, () -> set("KEY", "2"));
    assertThat(values("THEIRS")).containsExactly(MARKER + "theirs");
    assertThat(values("KEY")).containsExactly(MARKER + "1");
    assertThat(backUp().gaps()).isEmpty();
  }

  @Test
  void aRefusalBringsBackWhatWasPendingBefore() throws IOException {
    place.loseAnswers = true;
    assertFails(SecretException.OUTCOME_UNKNOWN, () -> set("KEY", "1"));
    place.refuses = true;
    assertFails(SecretException.FORBIDDEN, () -> set("KEY", "2"));
    assertThat(values("KEY")).containsExactly(MARKER + "1");
    assertThat(stored("KEY")).anyMatch(secret -> secret.failure().equals(Optional.of(PENDING)));
  }

  @Test
  void whatFailsAfterTheWriteDoesNotReadAsIfNothingWasWritten() throws IOException {
    place.afterWrite = Fault.NO_FIND;
    assertUnfinished(SecretException.UNAVAILABLE, () -> set("KEY", "1"));
    place.mend();
    resume();
    place.wrote = false;
    place.onceListed = this::backUp;
    assertUnfinished("secrets.other-backup", () -> set("KEY", "2"));
    assertThat(place.value("KEY")).isEqualTo(MARKER + "2");
    assertThat(values("KEY")).containsExactly(MARKER + "2");
    resume();
    assertThat(backUp().gaps()).isEmpty();
  }

  @Test
  void aPlaceThatIsLeftOutKeepsItsValues() throws IOException {
    try (SecretValue value = SecretValue.ofText(MARKER + "1")) {
      onEngine((engine, r) -> engine.set("other", "FAR", value, r, ALONE));
    }
    withoutOther = true;
    for (int i = 0; i < 2; i++) {
      SecretsBackupReport report = backUp();
      assertThat(report.gaps()).extracting(SecretsBackupReport.Gap::code).containsExactly(GONE);
      assertThat(report.gaps().get(0).name()).isEqualTo("FAR");
      assertThat(report.gaps().get(0).remedy())
          .contains("secrets set production FAR --place \"write-only other\" --give-up");
      assertThat(values("FAR")).containsExactly(MARKER + "1");
    }
    withoutOther = false;
    assertThat(backUp().gaps()).isEmpty();
    assertThat(values("FAR")).containsExactly(MARKER + "1");
    withoutOther = true;
    backUp();
    onEngine((engine, r) -> engine.giveUp("write-only other", "FAR", r, ALONE));
    assertThat(backUp().gaps()).isEmpty();
    assertThat(stored("FAR")).isEmpty();
  }

  @Test
  void theCommandGivesUpOnlyWhatSomebodyConfirms() throws IOException {
    Files.writeString(folder.resolve("app.env"), "A=b\n");
    source = "files";
    configuration = "host.yaml";
    Files.writeString(
        folder.resolve(configuration),
        Files.readString(folder.resolve("thorbis.yaml")).replace("  files:", "  more:"));
    set("KEY", "1");
    String[] give = {
      "secrets", "set", "files", "KEY", "--place", "write-only store", "--give-up", "--yes"
    };
    assertThat(runner.run("secrets", "backup", "files").out()).contains(GONE);
    assertThat(runner.run(Arrays.copyOf(give, give.length - 1)).code()).isEqualTo(4);
    assertThat(values("KEY")).containsExactly(MARKER + "1");
    CommandRunner.Result done = runner.run(give);
    assertThat(done.code()).as(done.err()).isZero();
    assertThat(done.out()).contains("KEY of write-only store is given up");
    assertThat(runner.run("secrets", "backup", "files").out()).doesNotContain(GONE);
    assertThat(runner.run(give).code()).isEqualTo(5);
    give[7] = "--resume";
    assertThat(runner.run(give).code()).isEqualTo(2);
  }

  @Test
  void aPlaceThatGivesItsValuesBackNeedsNoEscrow() throws IOException {
    place.readability = Readability.VALUE;
    place.put("KEY", "there");
    assertThatThrownBy(() -> set("KEY", "1"))
        .isInstanceOf(SecretException.class)
        .hasMessageContaining("gives its value back");
    assertThat(place.written).isZero();
  }

  @Test
  void theCommandTakesAValueFromAFileOrFromStandardInputOnly() throws IOException {
    Path value = Files.writeString(folder.resolve("value"), "hidden-from-all\n");
    Files.writeString(folder.resolve("app.env"), "A=b\n");
    CommandRunner.Result done =
        runner.run("secrets", "set", "files", "NEW", "--place", "app", "--value-file", "value");
    assertThat(done.code()).as(done.err()).isZero();
    assertThat(Files.readString(folder.resolve("app.env"))).contains("NEW=", "hidden-from-all");
    assertThat(done.out() + done.err()).contains("NEW of app is set").doesNotContain("hidden");
    Files.delete(value);
    assertThat(
            runner
                .typing("from-standard-input\n")
                .run("secrets", "set", "files", "MORE", "--place", "app")
                .code())
        .isZero();
    assertThat(Files.readString(folder.resolve("app.env"))).contains("from-standard-input");
    assertThat(runner.typing("").run("secrets", "set", "files", "X", "--place", "app").code())
        .isEqualTo(2);
    assertThat(
            runner.run("secrets", "set", "files", "X", "--place", "app", "--resume", "--yes").err())
        .contains("Nothing is pending");
    assertThat(runner.run("secrets", "set", "files", "X", "--place", "app", "--yes").code())
        .isEqualTo(2);
  }

  @FunctionalInterface
  private interface Use<T> {
    T on(SecretsEngine engine, Repository repository) throws IOException;
  }

  private <T> T onEngine(Use<T> use) throws IOException {
    SecretsEngine.Builder builder = SecretsEngine.builder(source).place("store", place);
    if (!withoutOther) {
      builder.place("other", other);
    }
    SecretsEngine engine = builder.build();
    try (ThorbisBackup opened =
        Recipients.all(Config.load(folder.resolve(configuration), runner.host(), false))
            .source(source, engine)
            .build()) {
      return use.on(engine, opened.repository());
    }
  }

  private SecretsBackupReport set(String name, String text) throws IOException {
    try (SecretValue value = SecretValue.ofText(MARKER + text)) {
      return onEngine((engine, repository) -> engine.set("store", name, value, repository, ALONE))
          .report();
    }
  }

  private void resume() throws IOException {
    onEngine((engine, repository) -> engine.resume("store", "KEY", true, repository, ALONE));
  }

  private SecretsBackupReport backUp() throws IOException {
    return onEngine((engine, repository) -> engine.backUp(Optional.empty(), repository, ALONE))
        .report();
  }

  private <T> T onNewest(Look<T> use) throws IOException {
    return onEngine(
        (engine, repository) -> {
          try (SecretsSet set =
              engine.open(engine.newest(repository).orElseThrow().id(), repository)) {
            return use.on(set);
          }
        });
  }

  @FunctionalInterface
  private interface Look<T> {
    T on(SecretsSet set) throws IOException;
  }

  private List<StoredSecret> stored(String name) throws IOException {
    return onNewest(
        set -> set.secrets().stream().filter(secret -> secret.info().name().equals(name)).toList());
  }

  private List<String> values(String name) throws IOException {
    return onNewest(
        set -> {
          List<String> values = new ArrayList<>();
          for (StoredSecret secret : set.secrets()) {
            if (secret.sealed() && secret.info().name().equals(name)) {
              try (Secret value = set.open(secret)) {
                values.add(text(value.value()));
              }
            }
          }
          return values;
        });
  }

  private SecretsRestoreReport restore() throws IOException {
    return onNewest(
        set -> {
          SecretsRestore restore =
              SecretsRestore.builder(set, place).mode(RestoreMode.CREATE_MISSING).build();
          return restore.run(restore.plan());
        });
  }

  private static void assertRefused(String code, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(BackupException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  private static void assertFails(String code, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(SecretException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  private static void assertUnfinished(String cause, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            SecretException.class,
            e -> {
              assertThat(e.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN);
              assertThat(e).hasMessageContaining("may stand there");
              assertThat(e.remedy()).contains("--resume");
              assertThat(e.getCause())
                  .isInstanceOfSatisfying(
                      ClassifiedFailure.class, why -> assertThat(why.code()).isEqualTo(cause));
            });
  }

  private static String text(SecretValue value) {
    return value.useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8));
  }

  @FunctionalInterface
  private interface Act {
    void run() throws IOException;
  }

  private static final class Death extends Error {
    private static final long serialVersionUID = 1L;
  }

  /** A place that takes values and gives none. */
  private static final class WriteOnly implements SecretTarget {
    private record Held(String value, int version) {}

    private final Map<String, Held> values = new TreeMap<>();
    private final String instance;
    private int versions;
    private int calls;
    private int last;
    private Moment moment = Moment.BEFORE;
    private int written;
    private boolean digests;
    private boolean down;
    private boolean refuses;
    private boolean loseAnswers;
    private Readability readability = Readability.NAME_ONLY;
    private Fault fault = Fault.NONE;
    private Fault afterWrite = Fault.NONE;
    private Act beforeWrite = () -> {};
    private Act onceListed = () -> {};
    private boolean wrote;

    WriteOnly(String instance) {
      this.instance = instance;
    }

    void put(String name, String value) {
      values.put(name, new Held(value, ++versions));
    }

    String value(String name) {
      return values.get(name).value();
    }

    void mend() {
      fault = Fault.NONE;
      afterWrite = Fault.NONE;
    }

    void dieAt(int call, Moment when) {
      calls = 0;
      last = call;
      moment = when;
    }

    private void call(Moment now) {
      if (now == Moment.BEFORE) {
        calls++;
      }
      if (calls == last && now == moment) {
        throw new Death();
      }
    }

    private SecretInfo info(String name) {
      Held held = values.get(name);
      return SecretInfo.of(name, readability)
          .withVersion("v" + held.version())
          .withUpdated(Optional.of(Instant.ofEpochSecond(held.version())))
          .withDigest(
              digests
                  ? Optional.of(Integer.toHexString(held.value().hashCode()))
                  : Optional.empty());
    }

    @Override
    public String type() {
      return "write-only";
    }

    @Override
    public String instance() {
      return instance;
    }

    @Override
    public List<Limit> limits() {
      return List.of();
    }

    @Override
    public String rotation() {
      return "Issue it anew.";
    }

    @Override
    public List<SecretInfo> list() throws IOException {
      return survey().requireWhole();
    }

    @Override
    public Listing survey() throws IOException {
      call(Moment.BEFORE);
      if (wrote) {
        Act act = onceListed;
        onceListed = () -> {};
        act.run();
      }
      if (down || fault == Fault.DOWN) {
        throw failure(SecretException.UNAVAILABLE, FailureKind.TRANSIENT);
      }
      List<SecretInfo> all = values.keySet().stream().map(this::info).toList();
      call(Moment.AFTER);
      return switch (fault) {
        case PARTIAL ->
            new Listing(
                List.of(),
                new TreeMap<>(
                    Map.of("part/", failure(SecretException.FORBIDDEN, FailureKind.PERMANENT))));
        case ABSENT -> Listing.whole(List.of());
        case OTHER -> Listing.whole(all.stream().map(info -> info.withVersion("v0")).toList());
        default -> Listing.whole(all);
      };
    }

    @Override
    public Optional<SecretInfo> find(String name) throws IOException {
      call(Moment.BEFORE);
      if (down || fault == Fault.NO_FIND) {
        throw failure(SecretException.UNAVAILABLE, FailureKind.TRANSIENT);
      }
      Optional<SecretInfo> found =
          values.containsKey(name) ? Optional.of(info(name)) : Optional.empty();
      call(Moment.AFTER);
      return found;
    }

    @Override
    public Secret read(SecretInfo listed) throws IOException {
      if (!readability.hasValue() || fault == Fault.NO_READ) {
        throw failure(SecretException.UNREADABLE, FailureKind.PERMANENT);
      }
      return new Secret(info(listed.name()), SecretValue.ofText(value(listed.name())));
    }

    @Override
    public boolean conditional() {
      return true;
    }

    @Override
    public Optional<String> refusal(SecretInfo secret) {
      return Optional.empty();
    }

    @Override
    public Optional<Boolean> matches(SecretInfo current, SecretValue value) {
      return digests ? Optional.of(value(current.name()).equals(text(value))) : Optional.empty();
    }

    @Override
    public void write(SecretInfo secret, SecretValue value, WriteCondition condition)
        throws IOException {
      call(Moment.BEFORE);
      Act act = beforeWrite;
      beforeWrite = () -> {};
      act.run();
      if (refuses) {
        throw failure(SecretException.FORBIDDEN, FailureKind.PERMANENT);
      }
      Held held = values.get(secret.name());
      boolean holds =
          condition instanceof WriteCondition.IfVersion expected
              ? held != null && expected.version().equals("v" + held.version())
              : held == null;
      if (!holds) {
        throw failure(SecretException.CONFLICT, FailureKind.REFUSED);
      }
      written++;
      wrote = true;
      fault = afterWrite;
      put(secret.name(), text(value));
      call(Moment.AFTER);
      if (loseAnswers) {
        throw failure(SecretException.OUTCOME_UNKNOWN, FailureKind.OUTCOME_UNKNOWN);
      }
    }

    private SecretException failure(String code, FailureKind kind) {
      return new SecretException(code, kind, instance + " fails", instance, "Mend it.", null);
    }

    @Override
    public void close() {}
  }
}
