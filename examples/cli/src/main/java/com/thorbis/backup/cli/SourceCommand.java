package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "source",
    description = "Change what a source is.",
    subcommands = SourceCommand.Adopt.class)
final class SourceCommand extends Group {
  @Command(
      name = "adopt",
      description = "Lift the fence of a restored cluster: it becomes the source from now on.")
  static final class Adopt extends Job {
    /** What an engine says that could not change the server's settings. */
    private static final String STILL_FENCED = "adopt.still-fenced";

    @Parameters(paramLabel = "SOURCE", description = "The source's name in the configuration.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String source;

    @Option(
        names = "--no-backup",
        description = "Take no backup; until the next one only the old ones can be restored.")
    boolean noBackup;

    @Override
    public Integer call() {
      return thorbis().writing(opened -> thorbis().followed(control -> adopt(opened, control)));
    }

    /** Takes the first backup of this life; there is one already when the adoption is repeated. */
    private Optional<BackupDescriptor> backup(ThorbisBackup opened, RunControl control) {
      String life = opened.source(source).current().id();
      Optional<BackupDescriptor> there =
          opened.backups(Optional.of(source)).stream()
              .filter(made -> made.incarnation().equals(life) && made.physical())
              .findFirst();
      return noBackup || there.isPresent()
          ? there
          : Optional.of(
              opened.backup(
                  BackupRequest.builder(source).label("after adoption").build(), control));
    }

    private int adopt(ThorbisBackup opened, RunControl control) {
      SourceInfo.Incarnation current;
      try {
        current = opened.adopt(source, control).current();
      } catch (BackupException e) {
        if (e.code().equals(STILL_FENCED)) {
          backup(opened, control); // adopted it is, and what follows may take long
        }
        throw e;
      }
      Optional<BackupDescriptor> backup = backup(opened, control);
      thorbis()
          .print(
              Json.object(
                  "source", source,
                  "incarnation", current.id(),
                  "forkTimeline",
                      current.fork().map(fork -> Integer.toUnsignedLong(fork.timeline().number())),
                  "forkLsn", current.fork().map(SourceInfo.Fork::position),
                  "backup", backup.map(Facts::backup)),
              out -> {
                out.println(
                    source
                        + " is protected again, as incarnation "
                        + current.id()
                        + current.fork().map(fork -> " from " + fork.position()).orElse(""));
                out.println(
                    backup
                        .map(made -> "Backup " + made.id() + " is taken")
                        .orElse("Take a backup now: thorbis backup " + source));
              });
      return Exit.DONE;
    }
  }
}
