package com.thorbis.backup.cli;

import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "writers",
    description = {
      "Show and change who may write to the repository. As long as nobody is named, whoever has its",
      "keys may; from the first one on, what nobody of them has signed counts for nothing."
    },
    subcommands = {
      WritersCommand.ListWriters.class,
      WritersCommand.Add.class,
      WritersCommand.Replace.class,
      WritersCommand.Remove.class,
      WritersCommand.Clear.class
    })
final class WritersCommand extends Group {
  private static final String KEY = "What keys signing-key prints on that host.";

  /** Prints who may write now. */
  private abstract static class Change extends Job {
    final Integer change(WritersRequest request) {
      print(thorbis().writing(opened -> opened.changeWriters(request)));
      return Exit.DONE;
    }

    final void print(WritersReport report) {
      thorbis().print(json(report), out -> people(report, out));
    }

    private static Map<String, @Nullable Object> json(WritersReport report) {
      return Json.object(
          "items",
          report.writers().stream()
              .map(
                  writer ->
                      Json.object(
                          "name", writer.name(),
                          "key", writer.key(),
                          "administrator", writer.administrator()))
              .toList(),
          "own",
          report.own(),
          "pinned",
          report.pinned(),
          "foreignCommits",
          report.passedOver().stream()
              .map(one -> Json.object("sequence", one.sequence(), "reason", one.reason()))
              .toList());
    }

    private static void people(WritersReport report, PrintStream out) {
      if (report.writers().isEmpty()) {
        out.println("Nobody is named: whoever has the keys of the repository may write");
      } else {
        List<List<String>> rows = new ArrayList<>();
        rows.add(List.of("WRITER", "KEY", ""));
        for (WritersReport.Writer writer : report.writers()) {
          rows.add(
              List.of(
                  writer.name(),
                  writer.key(),
                  (writer.administrator() ? "administrator" : "")
                      + (report.own().filter(writer.key()::equals).isPresent()
                          ? " (this host)"
                          : "")));
        }
        Text.table(rows).forEach(out::println);
      }
      if (!report.pinned().isEmpty()) {
        out.println(
            "repository.administrators: it began with " + String.join(" or ", report.pinned()));
      }
      report
          .passedOver()
          .forEach(
              one ->
                  out.println(
                      "counts for nothing: commit " + one.sequence() + ": " + one.reason()));
    }
  }

  @Command(name = "list", description = "Who may write, and what others tried who may not.")
  static final class ListWriters extends Change {
    @Override
    public Integer call() {
      print(thorbis().reading(ThorbisBackup::writers));
      return Exit.DONE;
    }
  }

  @Command(
      name = "add",
      description = {
        "Name another writer. The first is this host itself, as an administrator; from then on hosts",
        "that are not named read and do not write."
      })
  static final class Add extends Change {
    @Parameters(paramLabel = "NAME", description = "What people call it.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String name;

    @Parameters(paramLabel = "KEY", description = KEY)
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String key;

    @Option(
        names = "--administrator",
        description = "It may also change who writes, who opens, and where the repository lies.")
    boolean administrator;

    @Override
    public Integer call() {
      return change(new WritersRequest.Add(name, key, administrator));
    }
  }

  @Command(
      name = "replace",
      description = "Give a writer another key; the one before counts no more.")
  static final class Replace extends Change {
    @Parameters(paramLabel = "NAME", description = "A writer's.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String name;

    @Parameters(paramLabel = "KEY", description = KEY)
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String key;

    @Override
    public Integer call() {
      return change(new WritersRequest.Replace(name, key));
    }
  }

  @Command(
      name = "remove",
      description =
          "Let a writer write no more. What it has committed stays, and it can still read.")
  static final class Remove extends Change {
    @Parameters(paramLabel = "NAME", description = "A writer's.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String name;

    @Override
    public Integer call() {
      return change(new WritersRequest.Remove(name));
    }
  }

  @Command(name = "clear", description = "Name nobody any more: whoever has the keys may write.")
  static final class Clear extends Change {
    @Option(names = "--yes", description = "Do it without asking.")
    boolean yes;

    @Override
    public Integer call() {
      if (!yes) {
        thorbis().host().confirm("keys.not-confirmed", "keys writers list");
      }
      return change(new WritersRequest.NameNobody());
    }
  }
}
