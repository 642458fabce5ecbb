package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.StoredFile;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "show", description = "Show one backup.")
final class ShowCommand extends Job {
  @Parameters(paramLabel = "BACKUP", description = "Its id, as list prints it.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String id;

  @Option(names = "--files", description = "With every file and folder in it.")
  boolean files;

  @Override
  public Integer call() {
    BackupId backup = Words.backupId(id);
    return thorbis().reading(opened -> show(opened, backup));
  }

  private int show(ThorbisBackup opened, BackupId id) {
    BackupDescriptor backup = opened.show(id);
    List<StoredFile> entries = new ArrayList<>();
    if (files) {
      opened.entries(id, entries::add);
    }
    Map<String, @Nullable Object> facts = Facts.backup(backup);
    facts.put("entries", files ? entries.stream().map(ShowCommand::entry).toList() : null);
    thorbis()
        .print(
            facts,
            out -> {
              List<List<String>> rows = new ArrayList<>();
              facts.forEach(
                  (name, value) -> {
                    if (!name.equals("entries")) {
                      rows.add(List.of(name, words(value)));
                    }
                  });
              Text.table(rows).forEach(out::println);
              for (StoredFile entry : entries) {
                out.printf(
                    Locale.ROOT,
                    "%-6s %04o %12d  %s%n",
                    entry.area().label(),
                    entry.mode(),
                    entry.length(),
                    entry.path() + (entry.kind() == StoredFile.Kind.DIRECTORY ? "/" : ""));
              }
            });
    return Exit.DONE;
  }

  private static Map<String, @Nullable Object> entry(StoredFile entry) {
    return Json.object(
        "area", entry.area().label(),
        "path", entry.path(),
        "kind", entry.kind() == StoredFile.Kind.DIRECTORY ? "directory" : "file",
        "length", entry.length(),
        "mode", String.format(Locale.ROOT, "%04o", entry.mode()),
        "modifiedAt", entry.modifiedAt());
  }

  private static String words(@Nullable Object value) {
    if (value instanceof Optional<?> maybe) {
      return Text.maybe(maybe);
    }
    if (value instanceof List<?> list) {
      return list.isEmpty() ? "-" : String.join("; ", list.stream().map(String::valueOf).toList());
    }
    return String.valueOf(value);
  }
}
