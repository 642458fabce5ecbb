package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.Erasure;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.DrillHistory;
import com.thorbis.backup.dr.drill.DrillReport;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.TierFact;
import com.thorbis.backup.dr.notify.AlarmBook;
import com.thorbis.backup.spi.Settings;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "status", description = "Show what can be recovered now, by what is stored.")
final class StatusCommand extends Job {
  private static final String MAX_DELAY = "wal.max-delay";

  @Parameters(arity = "0..1", paramLabel = "SOURCE", description = "One source; else all.")
  @Nullable String source;

  @Option(
      names = "--alarms",
      description = "Try recipients too, and end with 1 if an alarm is critical.")
  boolean alarmed;

  @Override
  public Integer call() {
    return thorbis().reading(this::status);
  }

  private int status(ThorbisBackup opened) {
    List<String> names = source == null ? opened.sources() : List.of(source);
    List<SourceStatus> all = names.stream().map(opened::status).toList();
    List<Erasure> erasures = opened.erasures();
    List<CheckItem> copies = opened.checkCopies();
    List<CheckItem> keys = new ArrayList<>(opened.checkKeyAge());
    opened.checkWriters().stream()
        .filter(item -> item.outcome() == CheckItem.Outcome.FAIL)
        .forEach(keys::add);
    Look look = AlarmsCommand.looked(thorbis(), opened, alarmed);
    List<Alarm> alarms = look.alarms();
    List<TierFact> tiers = tiers();
    AlarmBook book = AlarmsCommand.book(thorbis());
    thorbis()
        .print(
            Json.object(
                "sources",
                all.stream()
                    .map(each -> Facts.status(each, rpoTarget(each.name()), proven(each.name())))
                    .toList(),
                "copies",
                copies.stream().map(Facts::copy).toList(),
                "keys",
                keys.stream().map(Facts::copy).toList(),
                "erasures",
                erasures.stream().map(EraseCommand::json).toList(),
                "tiers",
                tiers.stream().map(tier -> DrTiers.json(tier, look)).toList(),
                "alarms",
                AlarmsCommand.json(alarms, book)),
            out -> {
              all.forEach(
                  each -> {
                    people(each, out);
                    out.println(
                        "  last restore that was proven on this host: "
                            + proven(each.name())
                                .map(it -> it.id() + " at " + Text.time(it.startedAt()))
                                .orElse("none"));
                  });
              erasures.stream().map(Words::erasure).forEach(out::println);
              items("copies", copies, out);
              if (!keys.isEmpty()) {
                items("keys", keys, out);
              }
              DrTiers.people(tiers, look, out);
              out.println(alarms.isEmpty() ? "no alarms" : "alarms");
              AlarmsCommand.people(alarms, book, out);
            });
    return alarmed ? AlarmsCommand.exit(alarms) : Exit.DONE;
  }

  /** Why there is no answer is an alarm. */
  private List<TierFact> tiers() {
    try {
      return DrWatch.tiers(thorbis());
    } catch (BackupException | UncheckedIOException e) {
      return List.of();
    }
  }

  private static void items(String title, List<CheckItem> items, PrintStream out) {
    out.println(title);
    for (CheckItem item : items) {
      out.println(
          "  "
              + item.outcome().label()
              + ": "
              + item.message()
              + (item.remedy().isEmpty() ? "" : ". " + item.remedy()));
    }
  }

  private Optional<Duration> rpoTarget(String name) {
    Config.SourceConfig configured = thorbis().config().sources().get(name);
    if (configured == null) {
      return Optional.empty();
    }
    Settings settings = Settings.of("sources." + name, configured.settings());
    return settings.find(MAX_DELAY).map(text -> settings.duration(MAX_DELAY, Duration.ZERO));
  }

  private Optional<DrillReport> proven(String name) {
    return said(new DrillHistory(thorbis().config().stateDirectory(), name)::lastPassed);
  }

  private static void people(SourceStatus status, PrintStream out) {
    out.println(status.name() + (status.fenced() ? ": FENCED: NOT PROTECTED" : ""));
    boolean server = status.lastBackup().flatMap(BackupDescriptor::server).isPresent();
    if (status.lastBackup().isPresent() && !server) {
      out.println("  its backups can be brought back, and no moment between them");
    } else if (status.windows().isEmpty()) {
      out.println(
          status.lastBackup().filter(backup -> !backup.physical()).isEmpty()
              ? "  nothing can be recovered yet"
              : status.awaitingWal().isEmpty()
                  ? "  no moment can be recovered: there are dumps to load, and nothing else"
                  : "  no moment can be recovered yet; there are dumps to load");
    }
    for (SourceStatus.Window window : status.windows()) {
      out.println(
          "  recoverable from "
              + Text.timeFrom(window.fromTime())
              + " to "
              + window.toTime().map(Text::time).orElse("an unknown time")
              + " ("
              + window.fromLsn()
              + " to "
              + window.toLsn()
              + ", timeline "
              + window.timeline()
              + ")");
    }
    status
        .gaps()
        .forEach(
            gap ->
                out.println(
                    "  WAL missing from "
                        + gap.range().start()
                        + " to "
                        + gap.range().end()
                        + " on timeline "
                        + gap.range().timeline()
                        + (gap.reason().isEmpty() ? "" : ": " + Text.why(gap))));
    out.println(
        "  last backup: "
            + status
                .lastBackup()
                .map(backup -> backup.id() + " at " + Text.time(backup.stoppedAt()))
                .orElse("none"));
    if (!status.awaitingWal().isEmpty()) {
      out.println("  awaiting WAL, not restorable: " + status.awaitingWal());
    }
    out.println(
        (status.windows().isEmpty()
                ? "  what is stored is behind by: "
                : "  newest stored WAL is behind by: ")
            + status.lag().map(lag -> Text.span(lag.toMillis())).orElse("unknown"));
  }
}
