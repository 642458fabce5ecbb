package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "list", description = "List the backups, oldest first.")
final class ListCommand extends Job {
  @Parameters(arity = "0..1", paramLabel = "SOURCE", description = "Of one source; else all.")
  @Nullable String source;

  @Override
  public Integer call() {
    List<BackupDescriptor> backups =
        thorbis().reading(backup -> backup.backups(Optional.ofNullable(source)));
    thorbis()
        .print(
            Json.object("items", backups.stream().map(Facts::backup).toList()),
            out -> {
              if (backups.isEmpty()) {
                out.println("No backups" + (source == null ? "" : " of " + source));
                return;
              }
              List<List<String>> rows = new ArrayList<>();
              rows.add(
                  List.of(
                      "ID",
                      "SOURCE",
                      "TYPE",
                      "STATUS",
                      "STARTED",
                      "STOP LSN",
                      "SIZE",
                      "STORED",
                      "LABEL"));
              for (BackupDescriptor each : backups) {
                rows.add(
                    List.of(
                        each.id().value(),
                        each.source(),
                        each.type().label(),
                        each.status().label(),
                        Text.time(each.startedAt()),
                        each.stopLsn().toString(),
                        Text.bytes(each.bytesRead()),
                        Text.bytes(each.bytesStored()),
                        each.label().orElse("")));
              }
              Text.table(rows).forEach(out::println);
            });
    return Exit.DONE;
  }
}
