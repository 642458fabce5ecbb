package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillReport.Problem;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.plan.Exercise;
import com.thorbis.backup.dr.plan.Scenario;
import com.thorbis.backup.dr.run.JournalPlace;
import com.thorbis.backup.dr.simulate.Damage;
import com.thorbis.backup.dr.simulate.Environments;
import com.thorbis.backup.dr.simulate.LocalEnvironment;
import com.thorbis.backup.dr.simulate.MaskedRecovery;
import com.thorbis.backup.dr.simulate.MaskedReport;
import com.thorbis.backup.dr.simulate.Outage;
import com.thorbis.backup.dr.simulate.RecordedExercise;
import com.thorbis.backup.dr.simulate.Recovery;
import com.thorbis.backup.dr.simulate.Simulation;
import com.thorbis.backup.dr.simulate.SimulationReport;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The commands that try plans: disasters that are made, and those that are talked through. */
final class DrTestCommands {
  private DrTestCommands() {}

  @Command(
      name = "test",
      description = "Try recovery from a disaster that is made on purpose, or talked through.",
      subcommands = {
        FullSimulation.class,
        Masked.class,
        Stop.class,
        Release.class,
        Tabletop.class,
        Walkthrough.class,
        Answer.class,
        Finding.class,
        Close.class,
        Show.class
      })
  static final class Test extends Group {}

  @Command(
      name = "full-simulation",
      description = {
        "Make a disaster on servers that are made on this host for it, while clients work there;",
        "recover from it by the steps that recover production; and say for how long clients were",
        "without it, and whether anything is lost that they were promised. Nothing of what is",
        "configured is touched. Exits 0 if it passed, 3 if it did not, 1 if it could not be tried."
      })
  static final class FullSimulation extends Job {
    @Parameters(paramLabel = "DISASTER", description = "What happens, such as database-failure.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String disaster;

    @Option(
        names = "--environment",
        paramLabel = "NAME",
        description = "Names the environment; one of a name at a time. Else ${DEFAULT-VALUE}.")
    String environment = LocalEnvironment.NAME;

    @Option(
        names = "--damage",
        paramLabel = "KIND",
        description =
            "How data-corruption is made: statement, which the log has, too, or page, on disk alone;"
                + " else ${DEFAULT-VALUE}.")
    String damage = Damage.STATEMENT.label();

    @Option(
        names = "--within",
        paramLabel = "TIME",
        description =
            "For how long clients may be without it, such as 2m; else as long as it takes.")
    @Nullable String within;

    @Option(
        names = "--lease",
        paramLabel = "TIME",
        description = "After how long all of it ends, whatever happens; else ${DEFAULT-VALUE}.")
    String lease = "30m";

    @Override
    public Integer call() {
      Scenario.Simulation chosen = Simulation.disaster(disaster);
      return thorbis().followed(control -> run(chosen, control));
    }

    private int run(Scenario.Simulation chosen, RunControl control) {
      Path folder = thorbis().config().stateDirectory().resolve("simulations");
      Path store = folder.resolve("store");
      SimulationReport report;
      try {
        Files.createDirectories(store);
        try (JournalPlace journals =
            JournalPlace.open(
                store.toUri(),
                Map.of(),
                folder,
                thorbis().clock(),
                ProviderLoader.serviceLoader(DrTestCommands.class.getClassLoader()))) {
          Simulation.Builder simulation =
              Simulation.builder(
                      LocalEnvironment.builder(environments(thorbis()), thorbis().clock())
                          .name(environment)
                          .lease(Times.span("--lease", lease))
                          .forbidden(sources(thorbis().config())),
                      chosen,
                      Recovery.of(chosen, folder.resolve("runs"), journals, thorbis().clock()))
                  .damage(damage())
                  .keeper(new TriedApplication(thorbis().clock()))
                  .clock(thorbis().clock())
                  .product(Main.version());
          String longest = within;
          if (longest != null) {
            simulation.objective(Times.span("--within", longest));
          }
          report = simulation.build().run(control);
        }
      } catch (IOException e) {
        throw BackupException.from(e);
      }
      keep(thorbis(), report.scenario(), outcome(report), report.json());
      Map<String, @Nullable Object> json = new LinkedHashMap<>(report.json());
      thorbis().print(json, out -> people(report, out));
      return report.verdict() == Verdict.PASSED
          ? Exit.DONE
          : report.verdict() == Verdict.FAILED ? Exit.DAMAGED : Exit.FAILED;
    }

    private Damage damage() {
      return Damage.of(damage)
          .orElseThrow(
              () ->
                  Failure.usage(
                      "--damage: \"" + damage + "\" is no kind of damage",
                      "Write statement or page."));
    }

    private static final String JDBC = "jdbc:postgresql:";

    private static String outcome(SimulationReport report) {
      return report.verdict() == Verdict.NONE ? EvidenceRecord.ABORTED : report.verdict().label();
    }

    /** Where a URL of JDBC leads, if it names one server. */
    private static Optional<String> address(String url) {
      if (!url.startsWith(JDBC + "//")) {
        return Optional.empty();
      }
      try {
        URI place = new URI("postgresql:" + url.substring(JDBC.length()));
        String host = place.getHost();
        return host == null
            ? Optional.empty()
            : Optional.of(
                (host.equals("localhost") ? "127.0.0.1" : host)
                    + ":"
                    + (place.getPort() < 0 ? 5432 : place.getPort()));
      } catch (URISyntaxException e) {
        return Optional.empty();
      }
    }

    /** Where the configured servers are, so that nothing else takes their place. */
    private static Set<String> sources(Config config) {
      Set<String> addresses = new TreeSet<>();
      for (Config.SourceConfig source : config.sources().values()) {
        address(String.valueOf(source.settings().get("url"))).ifPresent(addresses::add);
      }
      return addresses;
    }

    private static void people(SimulationReport report, PrintStream out) {
      report
          .outage()
          .ifPresent(
              seen -> {
                out.println(downtime(seen));
                List<List<String>> rows = new ArrayList<>();
                report
                    .stages()
                    .forEach(
                        (stage, span) ->
                            rows.add(List.of("  " + stage, Text.span(span.toMillis()))));
                Text.table(rows).forEach(out::println);
              });
      checks(report.checks(), out);
      DrillCommand.plants(report.plants(), out);
      out.println("Simulation " + report.id() + ": " + report.verdict().label());
      problem(report.problem(), out);
    }

    private static String downtime(Outage seen) {
      return "Clients were without it for "
          + (seen.firstSuccess().isPresent() ? "" : "at least ")
          + Text.span(seen.downtime().toMillis());
    }
  }

  @Command(
      name = "masked-recovery",
      description = {
        "Restore the newest backup of a source into the small second environment, mask its personal",
        "data there before anybody else could connect, look at it, and remove all of it. How it is",
        "masked is said in sources.NAME.masking; without that it is refused. Exits 0 if it passed, 3",
        "if it did not, 1 if it could not be tried."
      })
  static final class Masked extends Job {
    @Parameters(paramLabel = "SOURCE", description = "What is restored.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String source;

    @Option(
        names = "--environment",
        paramLabel = "NAME",
        description = "Names the environment; one of a name at a time. Else ${DEFAULT-VALUE}.")
    String environment = MaskedRecovery.NAME;

    @Option(
        names = "--lease",
        paramLabel = "TIME",
        description = "After how long all of it ends, whatever happens; else ${DEFAULT-VALUE}.")
    String lease = "30m";

    @Override
    public Integer call() {
      Config.SourceConfig config = thorbis().config().sources().get(source);
      if (config == null) {
        throw Failure.usage(
            "There is no source " + source,
            "Name one of " + String.join(", ", thorbis().config().sources().keySet()) + ".");
      }
      Duration longest = Times.span("--lease", lease);
      MaskedReport report =
          thorbis()
              .reading(
                  opened ->
                      thorbis()
                          .followed(
                              control ->
                                  MaskedRecovery.builder(
                                          opened,
                                          source,
                                          environments(thorbis()),
                                          thorbis().clock())
                                      .masking(config.masking())
                                      .name(environment)
                                      .lease(longest)
                                      .product(Main.version())
                                      .build()
                                      .run(control)));
      keep(
          thorbis(),
          environment,
          report.verdict() == Verdict.NONE ? EvidenceRecord.ABORTED : report.verdict().label(),
          report.json());
      Map<String, @Nullable Object> json = new LinkedHashMap<>(report.json());
      thorbis().print(json, out -> people(report, out));
      return report.verdict() == Verdict.PASSED
          ? Exit.DONE
          : report.verdict() == Verdict.FAILED ? Exit.DAMAGED : Exit.FAILED;
    }

    private static void people(MaskedReport report, PrintStream out) {
      checks(report.checks(), out);
      out.println("Masked recovery " + report.id() + ": " + report.verdict().label());
      problem(report.problem(), out);
    }
  }

  private static void checks(List<DrillCheck> checks, PrintStream out) {
    for (DrillCheck check : checks) {
      out.println(
          "  " + check.outcome().label() + ": " + check.name() + ": " + Text.plain(check.detail()));
    }
  }

  private static void problem(Optional<Problem> problem, PrintStream out) {
    problem.ifPresent(
        it -> {
          out.println(it.code() + ": " + Text.plain(it.message()));
          if (!it.remedy().isEmpty()) {
            out.println("  " + it.remedy());
          }
        });
  }

  private static Environments environments(Thorbis thorbis) {
    return new Environments(thorbis.config().stateDirectory(), thorbis.clock());
  }

  @Command(
      name = "stop",
      description = {
        "End every simulation of this host, remove what is left of them, and let none begin until",
        "dr test release."
      })
  static final class Stop extends Job {
    @Option(
        names = "--as",
        paramLabel = "PERSON",
        description = "Who wants it; else dr.person, else the account's name.")
    @Nullable String person;

    @Override
    public Integer call() {
      String by =
          Optional.ofNullable(person)
              .or(() -> thorbis().config().dr().person())
              .orElseGet(() -> String.valueOf(System.getProperty("user.name")));
      try {
        environments(thorbis()).stop(by);
      } catch (IOException e) {
        throw BackupException.from(e);
      }
      thorbis()
          .print(Json.object("stoppedBy", by), out -> out.println("All simulations are stopped"));
      return Exit.DONE;
    }
  }

  @Command(name = "release", description = "Let simulations begin again after dr test stop.")
  static final class Release extends Job {
    @Override
    public Integer call() {
      try {
        environments(thorbis()).release();
      } catch (IOException e) {
        throw BackupException.from(e);
      }
      thorbis()
          .print(Json.object("released", true), out -> out.println("Simulations may begin again"));
      return Exit.DONE;
    }
  }

  /** Begins to talk a scenario through. */
  abstract static class Begun extends Job {
    @Parameters(paramLabel = "SCENARIO", description = "The disaster, as the plan names it.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String scenario;

    @Option(
        names = "--as",
        paramLabel = "PERSON",
        description = "Who leads it; else dr.person, else the account's name.")
    @Nullable String person;

    int begin(Exercise.Kind kind) {
      return changed(
          thorbis(),
          RecordedExercise.start(
              DrRuns.plan(thorbis()),
              scenario,
              kind,
              DrRuns.person(thorbis(), Optional.ofNullable(person)),
              thorbis().clock().instant()));
    }
  }

  @Command(
      name = "tabletop",
      description = {
        "Begin to talk a disaster through: what happens and when, and who is asked what. It"
            + " changes",
        "nothing. Go on with dr test answer, finding and close."
      })
  static final class Tabletop extends Begun {
    @Override
    public Integer call() {
      return begin(Exercise.Kind.TABLETOP);
    }
  }

  @Command(
      name = "walkthrough",
      description = {
        "Begin to go through every step of what the plan says about a disaster, without carrying"
            + " it",
        "out. Go on with dr test answer, finding and close."
      })
  static final class Walkthrough extends Begun {
    @Override
    public Integer call() {
      return begin(Exercise.Kind.WALKTHROUGH);
    }
  }

  /** Something about an exercise that was begun on this host. */
  abstract static class Exercising extends Job {
    @Parameters(index = "0", paramLabel = "EXERCISE", description = "Its id.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String exercise;

    int change(UnaryOperator<RecordedExercise> how) {
      try {
        return changed(
            thorbis(),
            how.apply(RecordedExercise.open(thorbis().config().stateDirectory(), exercise)));
      } catch (IOException e) {
        throw BackupException.from(e);
      }
    }
  }

  /** What somebody says in an exercise. */
  abstract static class Saying extends Exercising {
    @Option(
        names = "--as",
        paramLabel = "PERSON",
        description = "Who says it; else dr.person, else the account's name.")
    @Nullable String person;

    String person() {
      return DrRuns.person(thorbis(), Optional.ofNullable(person));
    }
  }

  @Command(name = "answer", description = "Say what somebody answers in an exercise.")
  static final class Answer extends Saying {
    @Parameters(index = "1", paramLabel = "NUMBER", description = "What it is the answer to.")
    long number;

    @Parameters(index = "2", paramLabel = "TEXT", description = "What is answered.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String text;

    @Override
    public Integer call() {
      return change(it -> it.answer(number, person(), text, thorbis().clock().instant()));
    }
  }

  @Command(name = "finding", description = "Say what an exercise has found wanting.")
  static final class Finding extends Saying {
    @Parameters(index = "1", paramLabel = "TEXT", description = "What is wanting.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String text;

    @Option(
        names = "--owner",
        paramLabel = "PERSON",
        required = true,
        description = "Who sees to it.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String owner;

    @Option(
        names = "--due",
        paramLabel = "DATE",
        required = true,
        description = "Until when, such as 2027-02-01.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String due;

    @Override
    public Integer call() {
      LocalDate day;
      try {
        day = LocalDate.parse(due);
      } catch (DateTimeException e) {
        throw Failure.usage("--due: \"" + due + "\" is no date", "Write it as 2027-02-01.");
      }
      return change(it -> it.finding(person(), text, owner, day, thorbis().clock().instant()));
    }
  }

  @Command(
      name = "close",
      description = {
        "End an exercise and keep it as evidence. Exits 0 if everything was answered, else 3."
      })
  static final class Close extends Saying {
    @Override
    public Integer call() {
      int shown = change(it -> it.close(person(), thorbis().clock().instant()));
      RecordedExercise closed;
      try {
        closed = RecordedExercise.open(thorbis().config().stateDirectory(), exercise);
      } catch (IOException e) {
        throw BackupException.from(e);
      }
      keep(
          thorbis(),
          closed.scenario(),
          closed.held() ? EvidenceRecord.PASSED : EvidenceRecord.FAILED,
          closed.json());
      return closed.held() ? shown : Exit.DAMAGED;
    }
  }

  @Command(name = "show", description = "Show an exercise that was begun on this host.")
  static final class Show extends Exercising {
    @Override
    public Integer call() {
      try {
        return print(
            thorbis(), RecordedExercise.open(thorbis().config().stateDirectory(), exercise));
      } catch (IOException e) {
        throw BackupException.from(e);
      }
    }
  }

  private static int changed(Thorbis thorbis, RecordedExercise exercise) {
    try {
      exercise.save(thorbis.config().stateDirectory());
    } catch (IOException e) {
      throw BackupException.from(e);
    }
    return print(thorbis, exercise);
  }

  private static int print(Thorbis thorbis, RecordedExercise exercise) {
    List<String> retest =
        HostEvidence.planDigest(thorbis).map(exercise::needsRetest).orElse(List.of());
    Map<String, @Nullable Object> json = new LinkedHashMap<>(exercise.json());
    json.put("needsRetest", retest);
    thorbis.print(
        json,
        out -> {
          people(exercise, out);
          retest.forEach(reason -> out.println("needs a test: " + reason));
        });
    return Exit.DONE;
  }

  private static void people(RecordedExercise exercise, PrintStream out) {
    out.println(
        exercise.id()
            + ": "
            + exercise.kind().label()
            + " of "
            + exercise.scenario()
            + ", led by "
            + Text.plain(exercise.leader()));
    for (RecordedExercise.Inject inject : exercise.injects()) {
      out.println(
          "  "
              + inject.number()
              + ". after "
              + Text.span(inject.after().toMillis())
              + ", for "
              + Text.plain(inject.asked())
              + ": "
              + Text.plain(inject.text()));
      exercise.answers().stream()
          .filter(it -> it.inject() == inject.number())
          .forEach(it -> out.println("     " + Text.plain(it.by()) + ": " + Text.plain(it.text())));
    }
    for (RecordedExercise.Finding finding : exercise.findings()) {
      out.println(
          "  found by "
              + Text.plain(finding.by())
              + ": "
              + Text.plain(finding.text())
              + " ("
              + Text.plain(finding.owner())
              + ", until "
              + finding.due()
              + ")");
    }
    out.println(
        exercise.closedAt().isPresent()
            ? "Closed by " + Text.plain(exercise.closedBy())
            : exercise.unanswered().size() + " to be answered");
  }

  /** Keeps what an exercise has shown as evidence. */
  private static void keep(
      Thorbis thorbis, String scenario, String outcome, Map<String, Object> document) {
    HostEvidence.append(thorbis, EvidenceRecord.EXERCISE, scenario, outcome, document);
  }
}
