package com.thorbis.backup.cli;

import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.InitReport;
import picocli.CommandLine.Command;

@Command(
    name = "init",
    description = "Create the repository and print its recovery kit; run again: no change.")
final class InitCommand extends Job {
  @Override
  public Integer call() {
    Thorbis thorbis = thorbis();
    InitReport report = thorbis.writing(ThorbisBackup::init);
    thorbis.print(
        Json.object(
            "repositoryId", report.repositoryId(),
            "created", report.created(),
            "copies", thorbis.config().copies().stream().map(Config.Copy::uri).toList(),
            "recipients", report.recipients()),
        out ->
            out.println(
                "Repository "
                    + report.repositoryId()
                    + (report.created() ? " created" : " exists; nothing was changed")));
    return Exit.DONE;
  }
}
