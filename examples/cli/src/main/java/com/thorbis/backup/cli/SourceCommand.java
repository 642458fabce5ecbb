package com.thorbis.backup.cli;

import com.thorbis.backup.spi.repository.SourceInfo;
import picocli.CommandLine.Command;
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
    @Parameters(paramLabel = "SOURCE", description = "The source's name in the configuration.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String source;

    @Override
    public Integer call() {
      SourceInfo adopted =
          thorbis().writing(opened -> thorbis().followed(control -> opened.adopt(source, control)));
      SourceInfo.Incarnation current = adopted.current();
      thorbis()
          .print(
              Json.object(
                  "source", adopted.name(),
                  "incarnation", current.id(),
                  "forkTimeline",
                      current.fork().map(fork -> Integer.toUnsignedLong(fork.timeline().number())),
                  "forkLsn", current.fork().map(SourceInfo.Fork::position)),
              out -> {
                out.println(
                    source
                        + " is protected again, as incarnation "
                        + current.id()
                        + current.fork().map(fork -> " from " + fork.position()).orElse(""));
                out.println("Take a backup now: thorbis backup " + source);
              });
      return Exit.DONE;
    }
  }
}
