package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "hold",
    description = "Keep a backup whatever retention says.",
    subcommands = {HoldCommand.Add.class, HoldCommand.Remove.class})
final class HoldCommand extends Group {
  @Command(name = "add", description = "Place a hold; again with the same reason: change its end.")
  static final class Add extends Job {
    @Parameters(paramLabel = "BACKUP", description = "The backup's id.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String backup;

    @Option(names = "--reason", required = true, paramLabel = "TEXT", description = "Why.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String reason;

    @Option(
        names = "--until",
        paramLabel = "T",
        description = "When it ends by itself; else when it is removed.")
    @Nullable String until;

    @Override
    public Integer call() {
      BackupId id = Words.backupId(backup);
      Optional<Instant> end = Optional.ofNullable(until).map(text -> Times.parse("--until", text));
      BackupState state = thorbis().writing(opened -> opened.hold(id, reason, end));
      thorbis()
          .print(
              Facts.state(state),
              out ->
                  out.println(
                      id + " is held" + end.map(at -> " until " + at).orElse("") + ": " + reason));
      return Exit.DONE;
    }
  }

  @Command(name = "remove", description = "Remove the hold of a reason.")
  static final class Remove extends Job {
    @Parameters(paramLabel = "BACKUP", description = "The backup's id.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String backup;

    @Option(names = "--reason", required = true, paramLabel = "TEXT", description = "Which.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String reason;

    @Override
    public Integer call() {
      BackupId id = Words.backupId(backup);
      BackupState state = thorbis().writing(opened -> opened.release(id, reason));
      thorbis()
          .print(Facts.state(state), out -> out.println(id + " is no longer held for: " + reason));
      return Exit.DONE;
    }
  }
}
