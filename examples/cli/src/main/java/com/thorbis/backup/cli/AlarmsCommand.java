package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.dr.notify.Acknowledgement;
import com.thorbis.backup.dr.notify.AlarmBook;
import com.thorbis.backup.dr.notify.Standing;
import com.thorbis.backup.dr.notify.Watch;
import java.io.PrintStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "alarms",
    description = "Show what is not as expected, tell people, and note who sees to it.",
    subcommands = {
      AlarmsCommand.Listed.class,
      AlarmsCommand.Acknowledge.class,
      AlarmsCommand.Tell.class
    })
final class AlarmsCommand extends Group {
  @Command(
      name = "list",
      description = "Look now, and show every alarm. Ends with 1 if one of them is critical.")
  static final class Listed extends Job {
    @Override
    public Integer call() {
      AlarmBook book = book(thorbis());
      List<Alarm> alarms = thorbis().reading(opened -> look(thorbis(), opened, true));
      print(thorbis(), alarms, book);
      return exit(alarms);
    }
  }

  @Command(
      name = "ack",
      description = {
        "Note that somebody sees to an alarm: nobody else is told of it, until it gets worse, comes"
            + " back, or that moment comes."
      })
  static final class Acknowledge extends Job {
    @Parameters(paramLabel = "ID", description = "As alarms list shows it.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String id;

    @Option(names = "--by", required = true, paramLabel = "NAME", description = "Who.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String by;

    @Option(
        names = "--until",
        paramLabel = "T",
        description = "When it has to be over; else as long as it lasts.")
    @Nullable String until;

    @Override
    public Integer call() {
      Optional<Instant> end = Optional.ofNullable(until).map(text -> Times.parse("--until", text));
      AlarmBook book = book(thorbis());
      Optional<Alarm> told =
          book.standing().stream()
              .map(Standing::alarm)
              .filter(alarm -> alarm.id().equals(id))
              .findFirst();
      // What nobody was told of yet shows by looking.
      Alarm alarm =
          told.or(
                  () ->
                      thorbis().reading(opened -> look(thorbis(), opened, true)).stream()
                          .filter(one -> one.id().equals(id))
                          .findFirst())
              .orElseThrow(
                  () ->
                      BackupException.of(
                              "alarms.not-found", FailureKind.NOT_FOUND, "There is no alarm " + id)
                          .remedy("See those there are with alarms list.")
                          .build());
      Acknowledgement ack = book.acknowledge(alarm, by, end);
      thorbis()
          .print(
              Json.object("id", ack.id(), "by", ack.by(), "at", ack.at(), "until", ack.until()),
              out ->
                  out.println(
                      Text.plain(
                          ack.by()
                              + " sees to "
                              + alarm.kind().code()
                              + " of "
                              + alarm.subject()
                              + ack.until().map(at -> " until " + Text.time(at)).orElse(""))));
      return Exit.DONE;
    }
  }

  @Command(
      name = "notify",
      description = {
        "Look now, give the heartbeat, and tell whoever is configured what has changed since the"
            + " last time; for a timer, where run does not do it. Ends with 1 if an alarm is critical."
      })
  static final class Tell extends Job {
    @Override
    public Integer call() {
      AlarmBook book = book(thorbis());
      List<Alarm> alarms =
          thorbis()
              .reading(
                  opened -> {
                    Config config = thorbis().config();
                    try (Watch watch =
                        config.watching().watch(thorbis(), opened, thorbis().clock())) {
                      return watch.round();
                    }
                  });
      print(thorbis(), alarms, book);
      return exit(alarms);
    }
  }

  /**
   * What a look finds now.
   *
   * @param recipients whether they are tried
   */
  static List<Alarm> look(Thorbis thorbis, ThorbisBackup opened, boolean recipients) {
    return looked(thorbis, opened, recipients).alarms();
  }

  /** The same with figures. */
  static Look looked(Thorbis thorbis, ThorbisBackup opened, boolean recipients) {
    return thorbis
        .config()
        .watching()
        .monitor(thorbis, opened, thorbis.clock(), recipients)
        .build()
        .look();
  }

  static AlarmBook book(Thorbis thorbis) {
    return new AlarmBook(thorbis.config().stateDirectory(), thorbis.clock());
  }

  static int exit(List<Alarm> alarms) {
    return alarms.stream().anyMatch(alarm -> alarm.severity() == Severity.CRITICAL)
        ? Exit.FAILED
        : Exit.DONE;
  }

  private static void print(Thorbis thorbis, List<Alarm> alarms, AlarmBook book) {
    thorbis.print(
        Json.object("items", json(alarms, book)),
        out -> {
          if (alarms.isEmpty()) {
            out.println("Nothing is wrong.");
          }
          people(alarms, book, out);
        });
  }

  static List<Map<String, @Nullable Object>> json(List<Alarm> alarms, AlarmBook book) {
    Map<String, Standing> standing = standing(book);
    List<Map<String, @Nullable Object>> items = new ArrayList<>();
    for (Alarm alarm : alarms) {
      Optional<Standing> told = Optional.ofNullable(standing.get(alarm.id()));
      Optional<Acknowledgement> ack = acknowledged(alarm, told, book);
      items.add(
          Json.object(
              "id", alarm.id(),
              "code", alarm.kind().code(),
              "severity", alarm.severity().label(),
              "subject", alarm.subject(),
              "since", alarm.since(),
              "expected", alarm.expected(),
              "found", alarm.found(),
              "remedy", alarm.remedy(),
              "raisedAt", told.map(Standing::raisedAt),
              "told", told.map(Standing::told).orElse(List.of()),
              "acknowledged",
                  ack.map(
                      one -> Json.object("by", one.by(), "at", one.at(), "until", one.until()))));
    }
    return items;
  }

  static void people(List<Alarm> alarms, AlarmBook book, PrintStream out) {
    Map<String, Standing> standing = standing(book);
    for (Alarm alarm : alarms) {
      Optional<Acknowledgement> ack =
          acknowledged(alarm, Optional.ofNullable(standing.get(alarm.id())), book);
      out.println(
          Text.plain(
              alarm.severity().label()
                  + " "
                  + alarm.id()
                  + " "
                  + alarm.kind().code()
                  + " "
                  + alarm.subject()
                  + alarm.since().map(since -> " since " + Text.time(since)).orElse("")
                  + ack.map(one -> " (" + one.by() + " sees to it)").orElse("")));
      out.println(Text.plain("  expected " + alarm.expected() + "; " + alarm.found()));
      out.println(Text.plain("  -> " + alarm.remedy()));
    }
  }

  private static Optional<Acknowledgement> acknowledged(
      Alarm alarm, Optional<Standing> told, AlarmBook book) {
    return told.isPresent()
        ? told.get().acknowledged().filter(ack -> ack.severity().compareTo(alarm.severity()) >= 0)
        : book.acknowledged(alarm);
  }

  private static Map<String, Standing> standing(AlarmBook book) {
    Map<String, Standing> standing = new LinkedHashMap<>();
    book.standing().forEach(one -> standing.put(one.alarm().id(), one));
    return standing;
  }
}
