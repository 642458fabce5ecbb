package com.thorbis.backup.cli;

import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.monitor.Expectation;
import com.thorbis.backup.dr.monitor.Monitor;
import com.thorbis.backup.dr.monitor.RunLog;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.dr.notify.Dispatcher;
import com.thorbis.backup.dr.notify.Heartbeat;
import com.thorbis.backup.dr.notify.Notifier;
import com.thorbis.backup.dr.notify.Notifiers;
import com.thorbis.backup.dr.notify.Watch;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Settings;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * What the file says of looking and telling.
 *
 * @param interval how often to look
 * @param live whether servers are asked
 * @param heartbeat the settings of it; empty: none
 * @param notifiers whom to tell, by name
 * @param steps when
 * @param repeat after how long again
 * @param expectations what is expected of each source
 */
record Watching(
    Duration interval,
    boolean live,
    Optional<Map<String, Object>> heartbeat,
    Map<String, Ring> notifiers,
    List<Step> steps,
    Duration repeat,
    List<Expectation> expectations) {
  /** One to tell somebody through. */
  record Ring(String kind, Map<String, Object> settings) {}

  /** A step of the ladder. */
  record Step(Duration after, List<String> to, Severity from) {}

  static Watching read(Section root, List<Expectation> expectations) {
    Duration interval = Duration.ofMinutes(5);
    boolean live = true;
    Optional<Map<String, Object>> heartbeat = Optional.empty();
    Optional<Section> monitor = root.section("monitor");
    if (monitor.isPresent()) {
      interval = monitor.get().duration("interval").orElse(interval);
      if (interval.compareTo(Duration.ofSeconds(10)) < 0) {
        throw monitor.get().wrong("interval", "is below 10 s", "Write a longer one, such as 5m.");
      }
      live = monitor.get().flag("live", live);
      heartbeat = monitor.get().section("heartbeat").map(Section::rest);
      monitor.get().finish();
    }
    Map<String, Ring> notifiers = new LinkedHashMap<>();
    List<Step> steps = new ArrayList<>();
    Duration repeat = Duration.ofDays(1);
    Optional<Section> notify = root.section("notify");
    if (notify.isPresent()) {
      notify.get().sections("notifiers").forEach(one -> notifier(one, notifiers));
      notify.get().sections("escalation").forEach(one -> steps.add(step(one, notifiers)));
      repeat = notify.get().duration("repeat").orElse(repeat);
      notify.get().finish();
    }
    return new Watching(
        interval, live, heartbeat, notifiers, steps, repeat, List.copyOf(expectations));
  }

  /** What is expected of a source by {@code expect}. */
  static Expectation.Builder expectation(String name, Section source) {
    Expectation.Builder expected = Expectation.builder(name);
    source
        .section("expect")
        .ifPresent(
            expect -> {
              positive(expect, "max-age").ifPresent(expected::maxAge);
              positive(expect, "drill-every").ifPresent(expected::drillEvery);
              positive(expect, "awaiting-log").ifPresent(expected::awaitingLog);
              expected.usual(expect.flag("usual", true));
              expect.finish();
            });
    return expected;
  }

  private static Optional<Duration> positive(Section section, String key) {
    Optional<Duration> duration = section.duration(key);
    if (duration.filter(Duration::isZero).isPresent()) {
      throw section.wrong(key, "is nothing", "Write a duration, such as 26h, or remove it.");
    }
    return duration;
  }

  private static void notifier(Section section, Map<String, Ring> notifiers) {
    String name = section.require("name");
    String kind = section.require("kind");
    Map<String, Object> settings = new LinkedHashMap<>();
    for (String list : List.of("command", "to")) {
      if (section.has(list)) {
        settings.put(
            list,
            section.isList(list) ? String.join("\n", section.texts(list)) : section.require(list));
      }
    }
    settings.putAll(section.rest());
    if (notifiers.putIfAbsent(name, new Ring(kind, settings)) != null) {
      throw section.wrong("name", "\"" + name + "\" is given twice", "Take another.");
    }
  }

  private static Step step(Section section, Map<String, Ring> notifiers) {
    List<String> to = section.texts("to");
    if (to.isEmpty()) {
      throw section.wrong("to", "names nobody", "Write a list of notifiers.");
    }
    for (String name : to) {
      if (!notifiers.containsKey(name)) {
        throw section.wrong(
            "to",
            "there is no notifier \"" + name + "\"",
            "Name one of " + String.join(", ", notifiers.keySet()) + ".");
      }
    }
    String from =
        section.choice(
            "from",
            Severity.WARNING.label(),
            Arrays.stream(Severity.values()).map(Severity::label).toList());
    Step step =
        new Step(
            section.duration("after").orElse(Duration.ZERO),
            to,
            Severity.ofLabel(from).orElseThrow());
    section.finish();
    return step;
  }

  /**
   * Looks at what is configured.
   *
   * @param recipients whether they are tried
   */
  Monitor.Builder monitor(Thorbis thorbis, ThorbisBackup opened, Clock clock, boolean recipients) {
    Path stateDirectory = thorbis.config().stateDirectory();
    Monitor.Builder monitor =
        Monitor.builder(opened)
            .clock(clock)
            .live(live)
            .recipients(recipients)
            .runs(new RunLog(stateDirectory))
            .drills(new DrillFacts(thorbis, opened, expectations))
            .recoveries(() -> DrWatch.recoveries(thorbis))
            .tiers(() -> DrWatch.tiers(thorbis));
    expectations.forEach(monitor::expect);
    return monitor;
  }

  /** One of those to tell somebody through. */
  Notifier notifier(String name, Path stateDirectory, Clock clock) {
    Ring one = Objects.requireNonNull(notifiers.get(name));
    return Notifiers.open(
        one.kind(),
        Settings.of("notify " + name, one.settings()),
        stateDirectory,
        clock,
        ProviderLoader.serviceLoader(Watching.class.getClassLoader()));
  }

  /** Looks, and tells whoever is configured. */
  Watch watch(Thorbis thorbis, ThorbisBackup opened, Clock clock) {
    return watch(thorbis, monitor(thorbis, opened, clock, true).build(), clock);
  }

  /** The same, also of what may start a recovery. */
  Watch watch(Thorbis thorbis, ThorbisBackup opened, DrTriggers triggers, Clock clock) {
    return watch(
        thorbis,
        monitor(thorbis, opened, clock, true).part(DrTriggers.AREA, triggers::alarms).build(),
        clock);
  }

  private Watch watch(Thorbis thorbis, Monitor monitor, Clock clock) {
    Path stateDirectory = thorbis.config().stateDirectory();
    Dispatcher.Builder dispatcher =
        Dispatcher.builder(stateDirectory).clock(clock).repeatEvery(repeat);
    notifiers
        .keySet()
        .forEach(name -> dispatcher.notifier(name, notifier(name, stateDirectory, clock)));
    steps.forEach(step -> dispatcher.step(step.after(), step.to(), step.from()));
    return new Watch(
        monitor,
        dispatcher.build(),
        heartbeat.map(values -> Heartbeat.of(Settings.of("monitor.heartbeat", values), clock)));
  }
}
