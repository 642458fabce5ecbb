package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.Erasure;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "list", description = "List the backups, oldest first.")
final class ListCommand extends Job {
  @Parameters(arity = "0..1", paramLabel = "SOURCE", description = "Of one source; else all.")
  @Nullable String source;

  @Option(
      names = "--deleted",
      description = "Also those that prune gave up and undelete can bring back.")
  boolean deleted;

  private List<Erasure> erased = List.of();

  @Override
  public Integer call() {
    Optional<String> wanted = Optional.ofNullable(source);
    List<BackupState> backups =
        thorbis()
            .reading(
                opened -> {
                  opened.backups(wanted); // says so if there is no such source
                  erased = opened.erasures();
                  return opened.states(wanted).stream()
                      .filter(each -> deleted || each.stage() == BackupState.Stage.LIVE)
                      .toList();
                });
    thorbis()
        .print(
            Json.object("items", backups.stream().map(Facts::state).toList()),
            out -> {
              erased.stream()
                  .filter(each -> source == null || each.source().equals(source))
                  .map(Words::erasure)
                  .forEach(out::println);
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
                      "STATE",
                      "LABEL"));
              for (BackupState state : backups) {
                BackupDescriptor each = state.backup();
                rows.add(
                    List.of(
                        each.id().value(),
                        each.source(),
                        each.type().label(),
                        each.status().label(),
                        Text.time(each.startedAt()),
                        each.server().isPresent() ? each.stopLsn().toString() : "-",
                        Text.bytes(each.bytesRead()),
                        Text.bytes(each.bytesStored()),
                        state.stage().label() + (state.holds().isEmpty() ? "" : ", held"),
                        each.label().orElse("")));
              }
              Text.table(rows).forEach(out::println);
            });
    return Exit.DONE;
  }
}
