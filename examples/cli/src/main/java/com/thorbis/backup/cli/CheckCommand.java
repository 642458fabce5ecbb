package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.ThorbisBackup;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "check",
    description = "Look at every precondition, privilege and setting; changes nothing.")
final class CheckCommand extends Job {
  private static final Duration MOST_SKEW = Duration.ofMinutes(5);

  @Parameters(arity = "0..1", paramLabel = "SOURCE", description = "One source; else all.")
  @Nullable String source;

  @Option(
      names = "--grants",
      description = "Print the statements that give the role what it needs, and nothing more.")
  boolean grants;

  @Override
  public Integer call() {
    return grants ? grants() : thorbis().reading(this::check);
  }

  private int grants() {
    Map<String, String> scripts = new LinkedHashMap<>();
    thorbis()
        .reading(
            backup -> {
              chosen(backup).forEach(name -> scripts.put(name, backup.grants(name)));
              return true;
            });
    thorbis()
        .print(
            Json.object(
                "items",
                scripts.entrySet().stream()
                    .map(each -> Json.object("source", each.getKey(), "grants", each.getValue()))
                    .toList()),
            out -> scripts.values().forEach(script -> out.println(script.stripTrailing())));
    return Exit.DONE;
  }

  private int check(ThorbisBackup backup) {
    List<Found> found = new ArrayList<>();
    for (Config.Note note : thorbis().config().notes()) {
      found.add(
          new Found(
              null, new CheckItem(note.subject(), Outcome.WARN, note.message(), note.remedy())));
    }
    boolean open = repository(backup, found);
    if (open) {
      add("repository.copy", backup::checkCopies, found);
      add("repository.store", backup::probeCopies, found);
      add("repository.key", backup::checkKeys, found);
    }
    for (String name : chosen(backup)) {
      if (open) {
        source(backup, name, found);
      }
    }
    thorbis()
        .print(
            Json.object("items", found.stream().map(Found::json).toList()),
            out -> people(found, out));
    boolean failed = found.stream().anyMatch(each -> each.item().outcome() == Outcome.FAIL);
    return failed ? Exit.FAILED : Exit.DONE;
  }

  private static boolean repository(ThorbisBackup backup, List<Found> found) {
    try {
      String id = backup.repository().id();
      found.add(
          new Found(null, new CheckItem("repository.open", Outcome.OK, "opens, id " + id, "")));
      found.add(new Found(null, clock(backup)));
      return true;
    } catch (IOException | BackupException e) {
      Failure failure = Failure.of(e);
      found.add(
          new Found(
              null,
              new CheckItem("repository.open", Outcome.FAIL, failure.message(), failure.remedy())));
      return false;
    }
  }

  private static CheckItem clock(ThorbisBackup backup) {
    Duration skew;
    try {
      skew = backup.repository().clockSkew();
    } catch (IOException e) {
      return new CheckItem(
          "repository.clock",
          Outcome.WARN,
          "the store cannot be asked the time: " + Failure.of(e).message(),
          "Whoever takes backups and prunes must be able to write there.");
    }
    boolean apart = skew.abs().compareTo(MOST_SKEW) > 0;
    return new CheckItem(
        "repository.clock",
        apart ? Outcome.WARN : Outcome.OK,
        apart
            ? "this machine's clock and the store's are "
                + Text.span(skew.abs().toMillis())
                + " apart: prune refuses to run"
            : "agrees with the store's",
        apart ? "Set the clocks right: at most 5 minutes apart." : "");
  }

  private static void add(String subject, Supplier<List<CheckItem>> looked, List<Found> found) {
    try {
      looked.get().forEach(item -> found.add(new Found(null, item)));
    } catch (BackupException e) {
      found.add(
          new Found(
              null,
              new CheckItem(subject, Outcome.FAIL, String.valueOf(e.getMessage()), e.remedy())));
    }
  }

  private static void source(ThorbisBackup backup, String name, List<Found> found) {
    try {
      backup.check(name).forEach(item -> found.add(new Found(name, item)));
    } catch (BackupException e) {
      found.add(
          new Found(
              name,
              new CheckItem(
                  "source.check", Outcome.FAIL, String.valueOf(e.getMessage()), e.remedy())));
    }
  }

  private List<String> chosen(ThorbisBackup backup) {
    return source == null ? backup.sources() : List.of(source);
  }

  private static void people(List<Found> found, PrintStream out) {
    List<List<String>> rows = new ArrayList<>();
    for (Found each : found) {
      rows.add(
          List.of(
              each.item().outcome().label(),
              each.source() == null ? "-" : each.source(),
              each.item().subject(),
              each.item().message()));
      if (!each.item().remedy().isEmpty() && each.item().outcome() != Outcome.OK) {
        rows.add(List.of("", "", "", "-> " + each.item().remedy()));
      }
    }
    Text.table(rows).forEach(out::println);
  }

  private record Found(@Nullable String source, CheckItem item) {
    Map<String, @Nullable Object> json() {
      return Json.object(
          "source", source,
          "subject", item.subject(),
          "outcome", item.outcome().label(),
          "message", item.message(),
          "remedy", item.remedy().isEmpty() ? null : item.remedy());
    }
  }
}
