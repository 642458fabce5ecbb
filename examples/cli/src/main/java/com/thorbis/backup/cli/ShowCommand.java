package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "show", description = "Show one backup.")
final class ShowCommand extends Job {
  private static final String DUMP = "postgres.dump.";
  private static final String CHANGES = "postgres.changes.";
  private static final Pattern DASH = Pattern.compile("-(.)");

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
    Optional<BackupState> state =
        opened.states(Optional.of(backup.source())).stream()
            .filter(each -> each.backup().id().equals(id))
            .findFirst();
    facts.put("state", state.map(each -> each.stage().label()));
    facts.put("verifiedAt", state.flatMap(BackupState::verifiedAt));
    facts.put(
        "holds",
        state.stream()
            .flatMap(each -> each.holds().stream())
            .map(BackupState.Hold::reason)
            .toList());
    facts.put("retention", reasons(opened, backup));
    BackupReader.Layout layout = opened.layout(id);
    facts.put("extents", layout.extents());
    facts.put("packs", layout.packs());
    facts.put("packBytes", layout.sealedBytes());
    facts.put("keys", layout.keys());
    facts.put("dump", backup.type().physical() ? null : facts(opened, id, DUMP));
    facts.put("changes", changes(opened, backup));
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
                    Text.plain(named(entry)));
              }
            });
    return Exit.DONE;
  }

  /** What of changes behind a dump is in it; nothing where none are followed. */
  static @Nullable Map<String, @Nullable Object> changes(
      ThorbisBackup opened, BackupDescriptor backup) {
    if (backup.type().physical()) {
      return null;
    }
    Map<String, @Nullable Object> facts = facts(opened, backup.id(), CHANGES);
    return facts.isEmpty() ? null : facts;
  }

  /** What a dump holds, and what was left out of it. */
  private static Map<String, @Nullable Object> facts(
      ThorbisBackup opened, BackupId id, String prefix) {
    Map<String, @Nullable Object> dump = Json.object();
    try (BackupReader reader = opened.repository().open(id)) {
      reader
          .facts()
          .attributes()
          .forEach(
              (name, value) -> {
                if (name.startsWith(prefix)) {
                  dump.put(camelCase(name.substring(prefix.length())), value);
                }
              });
    } catch (IOException e) {
      throw BackupException.from(e);
    }
    return dump;
  }

  private static String camelCase(String name) {
    return DASH.matcher(name).replaceAll(found -> found.group(1).toUpperCase(Locale.ROOT));
  }

  /** Why retention keeps it, or that it does not; nothing where no retention is configured. */
  private List<String> reasons(ThorbisBackup opened, BackupDescriptor backup) {
    Config.SourceConfig source = thorbis().config().sources().get(backup.source());
    if (source == null || source.retention().isEmpty()) {
      return List.of();
    }
    PrunePlan plan;
    try {
      plan = opened.planPrune(backup.source(), source.retention().get());
    } catch (BackupException e) {
      if (!e.code().equals("configuration.copies")) {
        throw e;
      }
      return List.of(String.valueOf(e.getMessage())); // the backup can be shown all the same
    }
    List<String> reasons = new ArrayList<>(reasons(plan.retention(), backup));
    for (PrunePlan.CopyPlan copy : plan.copies()) {
      reasons(copy.retention(), backup)
          .forEach(reason -> reasons.add("on " + copy.copy() + ": " + reason));
    }
    return reasons;
  }

  private static List<String> reasons(RetentionPlan plan, BackupDescriptor backup) {
    return plan.decisions().stream()
        .filter(decision -> decision.backup().equals(backup.id()))
        .flatMap(decision -> decision.reasons().stream())
        .toList();
  }

  private static Map<String, @Nullable Object> entry(StoredFile entry) {
    Map<String, @Nullable Object> object =
        Json.object(
            "area", entry.area().label(),
            "path", entry.path(),
            "kind", kind(entry.kind()),
            "length", entry.length(),
            "mode", String.format(Locale.ROOT, "%04o", entry.mode()),
            "modifiedAt", entry.modifiedAt());
    entry.target().ifPresent(target -> object.put("target", target));
    return object;
  }

  private static String kind(StoredFile.Kind kind) {
    return switch (kind) {
      case FILE -> "file";
      case DIRECTORY -> "directory";
      case SYMBOLIC_LINK -> "symbolic-link";
      case HARD_LINK -> "hard-link";
    };
  }

  private static String named(StoredFile entry) {
    return switch (entry.kind()) {
      case FILE -> entry.path();
      case DIRECTORY -> entry.path() + "/";
      case SYMBOLIC_LINK, HARD_LINK -> entry.path() + " -> " + entry.target().orElseThrow();
    };
  }

  private static String words(@Nullable Object value) {
    if (value instanceof Optional<?> maybe) {
      return Text.maybe(maybe);
    }
    if (value instanceof List<?> list) {
      return list.isEmpty() ? "-" : String.join("; ", list.stream().map(String::valueOf).toList());
    }
    if (value instanceof Map<?, ?> map) {
      return String.join(
          "; ", map.entrySet().stream().map(one -> one.getKey() + " " + one.getValue()).toList());
    }
    return value == null ? "-" : String.valueOf(value);
  }
}
