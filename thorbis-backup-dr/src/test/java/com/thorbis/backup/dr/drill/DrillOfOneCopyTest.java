package com.thorbis.backup.dr.drill;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.spi.engine.TrialEngine;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryFactory;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What stands in the way of the other copies is not told of the one that is tried. */
class DrillOfOneCopyTest {
  private static final String OURS = "0".repeat(32);
  private static final DrillSettings SENTINEL =
      DrillSettings.builder()
          .sentinel(new DrillSettings.SentinelTable("shop", "public", "sentinel"))
          .build();

  @TempDir Path state;

  private String alone = OURS;
  private boolean othersAnswer = true;
  private int answersOfOthers = Integer.MAX_VALUE;
  private boolean copyAnswers = true;
  private boolean lags;
  private int refreshes;

  @Test
  void othersThatCannotBeAskedDoNotFailIt() throws IOException {
    othersAnswer = false;
    DrillReport report = run(SENTINEL);
    assertThat(code(report)).isEqualTo("trial.begun");
    assertThat(report.checks()).extracting(DrillCheck::name).containsExactly("copy");
    DrillCheck copy = report.checks().get(0);
    assertThat(copy.outcome()).isEqualTo(Outcome.NOT_PERFORMED);
    assertThat(copy.required()).isFalse();
    assertThat(copy.detail()).startsWith("what all copies have could not be told: ");
  }

  @Test
  void othersThatAreLostBetweenTwoLooksDoNotFailIt() throws IOException {
    answersOfOthers = 1;
    DrillReport report = run(DrillSettings.builder().build());
    assertThat(code(report)).isEqualTo("trial.begun");
    assertThat(report.checks().get(0).outcome()).isEqualTo(Outcome.NOT_PERFORMED);
  }

  @Test
  void theCopyThatCannotBeAskedFailsIt() throws IOException {
    copyAnswers = false;
    DrillReport report = run(SENTINEL);
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(code(report)).isEqualTo("drill.copy-unreachable");
  }

  @Test
  void anotherRepositoryIsToldAlsoWhereTheOthersAreGone() throws IOException {
    alone = "1".repeat(32);
    othersAnswer = false;
    assertThat(code(run(SENTINEL))).isEqualTo("trial.begun"); // nobody knows
    othersAnswer = true;
    assertThat(code(run(SENTINEL))).isEqualTo("repository.other");
    alone = OURS;
    assertThat(code(run(SENTINEL))).isEqualTo("trial.begun");
    alone = "1".repeat(32);
    othersAnswer = false;
    assertThat(code(run(SENTINEL))).isEqualTo("repository.other");
  }

  @Test
  void aCopyThatLagsIsNotAskedWithoutPause() throws IOException {
    lags = true;
    DrillReport report = run(DrillSettings.builder().build(), Duration.ofMillis(600));
    assertThat(report.checks().get(0).outcome()).isEqualTo(Outcome.FAILED);
    assertThat(refreshes).isEqualTo(1);
  }

  private static String code(DrillReport report) {
    return report.problem().orElseThrow().code();
  }

  private DrillReport run(DrillSettings settings) throws IOException {
    return run(settings, Duration.ofMillis(1));
  }

  private DrillReport run(DrillSettings settings, Duration shipping) throws IOException {
    try (ThorbisBackup opened =
        ThorbisBackup.builder()
            .stateDirectory(state)
            .copy(Copy.builder(MemoryObjectStore.create()).name("one").build())
            .copy(Copy.builder(MemoryObjectStore.create()).name("two").build())
            .repositories(repositories())
            .source("orders", engine())
            .build()) {
      return Drill.builder(opened, "orders", state)
          .settings(settings)
          .copy("two")
          .shipping(shipping)
          .build()
          .run(RunControl.unattended());
    }
  }

  private RepositoryFactory repositories() {
    return fake(
        RepositoryFactory.class,
        Map.of(
            "open",
            arguments -> {
              boolean only = ((RepositorySetup) arguments[0]).copies().size() == 1;
              return fake(
                  Repository.class,
                  Map.of(
                      "id",
                      none -> only ? alone : OURS,
                      "refresh",
                      none -> {
                        refreshes += only ? 1 : 0;
                        return require(only ? copyAnswers : answersOfOthers-- > 1);
                      },
                      "toString",
                      none -> only ? "the copy" : "all"));
            }));
  }

  private TrialEngine engine() {
    return fake(
        TrialEngine.class,
        Map.of(
            "status",
            arguments -> {
              boolean all = arguments[0].toString().equals("all");
              require(all ? othersAnswer : copyAnswers);
              return status(all && lags);
            },
            "connectSource",
            arguments -> connection(),
            "begin",
            arguments -> {
              throw BackupException.of("trial.begun", FailureKind.REFUSED, "").build();
            }));
  }

  private static SourceStatus status(boolean backup) {
    return new SourceStatus(
        "orders",
        List.of(),
        List.of(),
        backup ? Optional.of(TestBackup.of(1, "2026-01-01T00:00:00Z", "0/2000")) : Optional.empty(),
        List.of(),
        Optional.empty(),
        false);
  }

  private static Connection connection() {
    Instant now = Instant.parse("2026-01-01T00:00:00Z");
    return fake(
        Connection.class,
        Map.of(
            "createStatement",
            none ->
                fake(
                    Statement.class,
                    Map.of(
                        "execute",
                        sql -> true,
                        "executeQuery",
                        sql -> {
                          int[] rows = {1};
                          return fake(
                              ResultSet.class,
                              Map.of(
                                  "next",
                                  row -> rows[0]-- > 0,
                                  "getString",
                                  column -> column[0].equals(4) ? "00000001" : "0/100",
                                  "getLong",
                                  column -> 7L,
                                  "getTimestamp",
                                  column -> Timestamp.from(now),
                                  "getObject",
                                  column -> OffsetDateTime.ofInstant(now, ZoneOffset.UTC)));
                        }))));
  }

  /** Answers what it is told to, and nothing else. */
  private static <T> T fake(Class<T> type, Map<String, Answer> answers) {
    return type.cast(
        Proxy.newProxyInstance(
            DrillOfOneCopyTest.class.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> {
              Answer answer = answers.get(method.getName());
              if (answer != null) {
                return answer.to(arguments == null ? new Object[0] : arguments);
              }
              if (method.getReturnType() == void.class) {
                return null;
              }
              throw new UnsupportedOperationException(method.toString());
            }));
  }

  /** What a call gives. */
  @FunctionalInterface
  private interface Answer {
    Object to(Object[] arguments) throws IOException;
  }

  private static Object require(boolean answers) throws StorageException {
    if (!answers) {
      throw new StorageException.Unavailable("read", "the store", null);
    }
    return true;
  }
}
