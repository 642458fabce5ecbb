package com.thorbis.backup.cli;

import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.CopiesReport.CopyState;
import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.SyncReport;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "copies",
    description = "Show what each copy of the repository holds, and keep the copies alike.",
    subcommands = {CopiesCommand.Sync.class, CopiesCommand.Heal.class, CopiesCommand.Promote.class})
final class CopiesCommand extends Job {
  @Override
  public Integer call() {
    CopiesReport report =
        thorbis().reading(opened -> thorbis().followed(control -> opened.copies(control)));
    thorbis().print(Facts.copies(report), out -> people(report, out));
    return Exit.DONE;
  }

  private static void people(CopiesReport report, PrintStream out) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(
        List.of(
            "COPY",
            "STATE",
            "OBJECTS",
            "BYTES",
            "LAST COMMIT",
            "READ BACK SINCE",
            "MEDIUM",
            "DOMAIN"));
    for (CopyState copy : report.copies()) {
      rows.add(
          List.of(
              copy.name(),
              state(copy),
              copy.contents().map(held -> Long.toString(held.objects())).orElse("-"),
              copy.contents().map(held -> Text.bytes(held.bytes())).orElse("-"),
              copy.contents().map(held -> Long.toString(held.lastCommit())).orElse("-"),
              copy.oldestVerified()
                  .map(Text::time)
                  .orElse(copy.neverVerified() == 0 ? "-" : "never: " + copy.neverVerified()),
              Text.maybe(copy.medium()),
              Text.maybe(copy.domain()) + (copy.offsite() ? ", offsite" : "")));
    }
    Text.table(rows).forEach(out::println);
    report.copies().stream()
        .filter(copy -> !copy.reachable())
        .forEach(copy -> out.println(copy.name() + ": " + Text.maybe(copy.problem())));
    report.copies().stream()
        .filter(copy -> copy.letGo() > 0)
        .forEach(
            copy ->
                out.println(
                    copy.name()
                        + " let go of "
                        + copy.letGo()
                        + " backups by a retention of its own; others keep them"));
    out.println("Write policy: " + report.writePolicy());
    out.println();
    List<List<String>> verdicts = new ArrayList<>();
    verdicts.add(List.of("3-2-1-1-0", "", ""));
    report
        .criteria()
        .forEach(
            criterion ->
                verdicts.add(
                    List.of(criterion.name(), criterion.verdict().label(), criterion.reason())));
    Text.table(verdicts).forEach(out::println);
  }

  private static String state(CopyState copy) {
    String state =
        copy.contents()
            .map(
                held ->
                    held.complete()
                        ? "complete"
                        : held.behindObjects() > 0
                            ? "behind by "
                                + held.behindObjects()
                                + " objects, "
                                + Text.bytes(held.behindBytes())
                            : held.differing() + " objects differ")
            .orElse("unreachable");
    return copy.primary() ? state + ", primary" : state;
  }

  @Command(
      name = "sync",
      description = "Give every copy what it lacks of what the others hold; can be repeated.")
  static final class Sync extends Job {
    @Override
    public Integer call() {
      SyncReport report =
          thorbis().reading(opened -> thorbis().followed(control -> opened.syncCopies(control)));
      thorbis()
          .print(
              Facts.sync(report),
              out -> {
                for (SyncReport.CopySync copy : report.copies()) {
                  out.println(
                      copy.name()
                          + ": "
                          + copy.objects()
                          + " objects, "
                          + Text.bytes(copy.bytes())
                          + " brought"
                          + (copy.problems().isEmpty() ? "; complete" : "; not complete"));
                  copy.problems().forEach(problem -> out.println("  " + problem));
                }
              });
      return report.complete() ? Exit.DONE : Exit.FAILED;
    }
  }

  @Command(
      name = "heal",
      description = "Verify every byte of every copy, and repair what another copy has whole.")
  static final class Heal extends Job {
    @Override
    public Integer call() {
      HealReport report =
          thorbis().reading(opened -> thorbis().followed(control -> opened.healCopies(control)));
      thorbis()
          .print(
              Facts.heal(report),
              out -> {
                for (HealReport.Repair repair : report.repairs()) {
                  out.println(
                      (repair.healed() ? "healed: " : "damaged: ")
                          + repair.object()
                          + " on "
                          + repair.copy()
                          + ": "
                          + repair.kind()
                          + repair.from().map(from -> ", taken from " + from).orElse("")
                          + (repair.problem().isEmpty() ? "" : "; " + repair.problem()));
                }
                report.problems().forEach(problem -> out.println("not looked at: " + problem));
                out.println(
                    report.checked()
                        + " objects checked in "
                        + Text.span(report.durationMillis())
                        + ", "
                        + report.repairs().stream().filter(HealReport.Repair::healed).count()
                        + " of "
                        + report.repairs().size()
                        + " damaged ones healed");
              });
      if (report.whole()) {
        return Exit.DONE;
      }
      return report.repairs().stream().allMatch(HealReport.Repair::healed)
          ? Exit.FAILED
          : Exit.DAMAGED;
    }
  }

  @Command(
      name = "promote",
      description =
          "Make the first configured copy the one through which the repository is written.")
  static final class Promote extends Job {
    @Option(
        names = "--yes",
        description = "Do so although the copy that decided so far is gone for good.")
    boolean yes;

    @Override
    public Integer call() {
      String name = thorbis().config().copies().get(0).uri().toString();
      thorbis()
          .writing(
              opened -> {
                opened.promoteCopy(yes);
                return true;
              });
      thorbis()
          .print(
              Json.object("primary", name),
              out -> out.println("The repository is written through " + name + " from now on"));
      return Exit.DONE;
    }
  }
}
