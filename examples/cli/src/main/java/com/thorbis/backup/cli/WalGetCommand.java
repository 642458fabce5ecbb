package com.thorbis.backup.cli;

import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
    name = "get",
    description = {
      "Deliver one segment or history file, as restore_command does.",
      "Exit: 0 delivered, 1 positively absent, 126 anything else."
    })
final class WalGetCommand extends Job {
  @Parameters(index = "0", paramLabel = "SOURCE", description = "The source's name.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String source;

  @Parameters(index = "1", paramLabel = "NAME", description = "The file's name, %%f.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String name;

  @Parameters(index = "2", paramLabel = "DEST", description = "Where to put it, %%p.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  Path destination;

  @Override
  public Integer call() {
    Path to = thorbis().host().folder().resolve(destination);
    boolean delivered = thorbis().reading(opened -> opened.getWal(source, name, to));
    thorbis()
        .print(
            Json.object(
                "source", source,
                "name", name,
                "delivered", delivered,
                "destination", delivered ? to : null),
            out -> {
              // What a restore_command looks for beside the exit code: a runtime that cannot start
              // ends with 1 as well, and does not say this.
              if (!delivered) {
                out.println("absent " + name);
              }
            });
    return delivered ? Exit.DONE : Exit.WAL_ABSENT;
  }
}
