package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.InitReport;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** What every command shares: the options in front, the configuration, and how results leave. */
@Command(
    name = "thorbis",
    description = "Backs up PostgreSQL, files and secrets, captures the log, and brings them back.",
    mixinStandardHelpOptions = true,
    versionProvider = Thorbis.Version.class,
    subcommands = {
      InitCommand.class,
      CheckCommand.class,
      BackupCommand.class,
      DumpCommand.class,
      ListCommand.class,
      ShowCommand.class,
      StatusCommand.class,
      AlarmsCommand.class,
      RestoreCommand.class,
      RestoreTableCommand.class,
      LoadCommand.class,
      VerifyCommand.class,
      DrillCommand.class,
      PruneCommand.class,
      HoldCommand.class,
      UndeleteCommand.class,
      CopiesCommand.class,
      KeysCommand.class,
      OffersCommand.class,
      WalCommand.class,
      SourceCommand.class,
      AppCommand.class,
      SecretsCommand.class,
      RecoveryPointCommand.class,
      DrCommand.class,
      ReportCommand.class,
      RunCommand.class,
      DecodeCommand.class
    },
    footer = {
      "",
      "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 damage found,",
      "4 refused by a guard or policy, 5 not found."
    })
final class Thorbis implements Runnable {
  @Option(
      names = {"-c", "--config"},
      paramLabel = "FILE",
      scope = ScopeType.INHERIT,
      description = "The configuration; else $THORBIS_CONFIG, else ./thorbis.yaml.")
  @Nullable Path configFile;

  @Option(
      names = "--json",
      scope = ScopeType.INHERIT,
      description = "Print one JSON object on stdout, also for failures.")
  boolean json;

  @Option(
      names = "--quiet",
      scope = ScopeType.INHERIT,
      description = "Print results, warnings and failures only.")
  boolean quiet;

  @Option(
      names = "--progress",
      paramLabel = "auto|never",
      scope = ScopeType.INHERIT,
      description = "auto: a bar on a terminal, otherwise a line every 10 s.")
  String progress = "auto";

  @Option(
      names = "--debug",
      scope = ScopeType.INHERIT,
      description = "Log in detail and show where a failure comes from.")
  boolean debug;

  @Option(
      names = "--recovery-key-file",
      paramLabel = "FILE",
      scope = ScopeType.INHERIT,
      description = {
        "Open the repository with the recovery key in FILE alone, for reading, where the other",
        "recipients are lost. With init: write the new recovery key to FILE."
      })
  @Nullable Path recoveryKeyFile;

  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it
  CommandSpec spec;

  private final Run run;
  private @Nullable Config config;

  Thorbis(Run run) {
    this.run = run;
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "A command is missing");
  }

  Host host() {
    return run.host();
  }

  /** What schedules go by. */
  Clock clock() {
    return run.clock();
  }

  /** Whether somebody asked to stop. */
  boolean stopped() {
    return run.stopped();
  }

  /** The configuration; says at once what is urgent about it. */
  Config config() {
    Config loaded = config;
    if (loaded == null) {
      loaded = Config.load(configPath(), host(), recoveryKeyFile != null);
      config = loaded;
      for (Config.Note note : loaded.notes()) {
        if (note.urgent()) {
          host().err().println("warning: " + note.message() + ". " + note.remedy());
        }
      }
    }
    return loaded;
  }

  /** Whether this host opens the repository for writing. */
  boolean mayWrite() {
    return recoveryKeyFile == null && config().sealed().isEmpty();
  }

  /** Opens everything that is configured, for work that may write to the repository. */
  <T> T writing(Function<ThorbisBackup, T> work) {
    return writing(config(), work);
  }

  /** The same, where the server of a source is at an address that its url does not say yet. */
  <T> T writingAt(String source, String address, Function<ThorbisBackup, T> work) {
    return writing(config().at(source, address), work);
  }

  private <T> T writing(Config config, Function<ThorbisBackup, T> work) {
    if (recoveryKeyFile != null) {
      throw Failure.usage(
          "--recovery-key-file opens the repository for reading only",
          "Bring the other recipients back, or start a new repository.");
    }
    return with(Recipients.all(config), work);
  }

  /** Creates the repository, or finds that there is one. */
  InitReport initialised() {
    return with(Recipients.all(config()), ThorbisBackup::init);
  }

  /** Opens everything that is configured, for work that writes nothing to the repository. */
  <T> T reading(Function<ThorbisBackup, T> work) {
    if (recoveryKeyFile == null && config().sealed().isPresent()) {
      throw BackupException.of(
              "repository.sealed",
              FailureKind.REFUSED,
              "This host is a sealed writer of the repository: it opens nothing, and cannot tell"
                  + " what is stored")
          .remedy("Run it on a host that opens the repository.")
          .build();
    }
    return looking(work);
  }

  /** The same, for work that a host which opens nothing does as far as it goes. */
  <T> T looking(Function<ThorbisBackup, T> work) {
    Path keyFile = recoveryKeyFile;
    return with(
        keyFile == null
            ? Recipients.known(config())
            : Recipients.recoveryKey(config(), host().folder().resolve(keyFile)),
        work);
  }

  private <T> T with(ThorbisBackup.Builder builder, Function<ThorbisBackup, T> work) {
    Logging.start(host().err(), debug);
    try (ThorbisBackup backup = builder.clock(run.clock()).build()) {
      return work.apply(backup);
    }
  }

  /** Does long work that shows how far it is and stops when told to. */
  <T> T followed(Function<RunControl, T> work) {
    Logging.start(host().err(), debug); // not all of it opens what is configured
    try (ProgressDisplay display = display()) {
      return work.apply(run.control(display));
    }
  }

  /** Prints a result: the object for scripts, or lines for people. */
  void print(Map<String, @Nullable Object> result, Consumer<PrintStream> forPeople) {
    if (json) {
      host().out().println(Json.text(result));
    } else {
      forPeople.accept(host().out());
    }
    host().out().flush();
  }

  /** Says what does not stop anything. */
  void warning(String message) {
    host().err().println("warning: " + Text.plain(message));
  }

  private ProgressDisplay display() {
    ProgressDisplay.Mode mode =
        switch (progress) {
          case "auto" ->
              quiet
                  ? ProgressDisplay.Mode.NONE
                  : host().draws() ? ProgressDisplay.Mode.BAR : ProgressDisplay.Mode.LINES;
          case "never" -> ProgressDisplay.Mode.NONE;
          default ->
              throw Failure.usage(
                  "--progress: \"" + progress + "\" is neither auto nor never", "Write one.");
        };
    return new ProgressDisplay(host().err(), mode, !quiet);
  }

  private Path configPath() {
    Path chosen = configFile;
    if (chosen == null) {
      String named = host().environment().get("THORBIS_CONFIG");
      chosen = Path.of(named == null || named.isEmpty() ? "thorbis.yaml" : named);
    }
    return host().folder().resolve(chosen).normalize();
  }

  /** The version of this build. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"thorbis " + Main.version()};
    }
  }
}
