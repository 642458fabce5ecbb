package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
    name = "undelete",
    description = {
      "Bring a backup back that prune gave up, as long as its bytes are there.",
      "list --deleted shows which can."
    })
final class UndeleteCommand extends Job {
  @Parameters(paramLabel = "BACKUP", description = "The backup's id.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String backup;

  @Override
  public Integer call() {
    BackupId id = Words.backupId(backup);
    BackupState state = thorbis().writing(opened -> opened.undelete(id));
    thorbis()
        .print(
            Facts.state(state),
            out -> {
              out.println(id + " is back");
              out.println("The next prune gives it up again, unless it is held: thorbis hold add");
            });
    return Exit.DONE;
  }
}
