package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "dump", description = "Dump a source's database: backup --type dump in short.")
final class DumpCommand extends Job {
  @Parameters(paramLabel = "SOURCE", description = "The source's name in the configuration.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String source;

  @Option(
      names = "--exclude-table",
      paramLabel = "PATTERN",
      description = BackupCommand.EXCLUDE_TABLE)
  List<String> excluded = new ArrayList<>();

  @Option(names = "--label", paramLabel = "TEXT", description = "Words that find it again.")
  @Nullable String label;

  @Override
  public Integer call() {
    BackupRequest.Builder request = BackupRequest.builder(source).type(BackupType.DUMP);
    excluded.forEach(request::excludeTable);
    if (label != null) {
      request.label(label);
    }
    return BackupCommand.take(thorbis(), request.build());
  }
}
