package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.OffersReport;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "offers",
    description = "Show and adopt what sealed writers, who open nothing, have stored.",
    subcommands = {OffersCommand.ListOffers.class, OffersCommand.Adopt.class})
final class OffersCommand extends Group {
  /** Prints what is left. */
  private abstract static class Look extends Job {
    final Integer print(OffersReport report) {
      thorbis().print(json(report), out -> people(report, out));
      return report.sound() ? Exit.DONE : Exit.DAMAGED;
    }

    private static Map<String, @Nullable Object> json(OffersReport report) {
      return Json.object(
          "items",
          report.offers().stream()
              .map(
                  offer ->
                      Json.object(
                          "session", offer.session(),
                          "writer", offer.writer(),
                          "state", label(offer.state()),
                          "backups", offer.backups(),
                          "problems", offer.problems()))
              .toList(),
          "adopted",
          report.backups(),
          "walSegments",
          report.walSegments(),
          "objectsRemoved",
          report.objectsRemoved());
    }

    private static String label(OffersReport.State state) {
      return state.name().toLowerCase(Locale.ROOT);
    }

    private static void people(OffersReport report, PrintStream out) {
      if (!report.offers().isEmpty()) {
        List<List<String>> rows = new ArrayList<>();
        rows.add(List.of("SESSION", "WRITER", "STATE", "BACKUPS"));
        for (OffersReport.Offer offer : report.offers()) {
          rows.add(
              List.of(
                  offer.session(),
                  Text.maybe(offer.writer()),
                  label(offer.state()),
                  offer.backups().isEmpty()
                      ? "-"
                      : String.join(
                          ", ", offer.backups().stream().map(BackupId::toString).toList())));
        }
        Text.table(rows).forEach(out::println);
        report.offers().forEach(offer -> offer.problems().forEach(out::println));
      }
      report.backups().forEach(id -> out.println("Adopted backup " + id));
      if (report.walSegments() > 0) {
        out.println("Adopted " + report.walSegments() + " WAL segments, or parts of one");
      }
      if (report.offers().isEmpty() && report.backups().isEmpty() && report.walSegments() == 0) {
        out.println("Nothing is offered");
      }
    }
  }

  @Command(name = "list", description = "What is offered; changes nothing.")
  static final class ListOffers extends Look {
    @Override
    public Integer call() {
      return print(
          thorbis().reading(opened -> thorbis().followed(control -> opened.offers(control))));
    }
  }

  @Command(
      name = "adopt",
      description = {
        "Make the backups and the log that sealed writers have stored the repository's own: opened,",
        "checked and written anew, under its own keys. Needs a recipient with its private half, and the",
        "signing key of a writer. Run it often, from a timer; until then they are no backups."
      })
  static final class Adopt extends Look {
    @Option(
        names = "--forget",
        paramLabel = "SESSION",
        description =
            "Give up what was not adopted of a session that is damaged, refused or missing.")
    List<String> forgotten = new ArrayList<>();

    @Override
    public Integer call() {
      return print(
          thorbis()
              .writing(
                  opened -> thorbis().followed(control -> opened.adoptOffers(forgotten, control))));
    }
  }
}
