package com.thorbis.backup.cli;

import com.thorbis.backup.dr.drill.Assertion;
import com.thorbis.backup.dr.drill.DrillSettings;
import com.thorbis.backup.dr.drill.DrillSettings.SentinelTable;
import com.thorbis.backup.dr.drill.Expectation;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What {@code sources.NAME.drill} says. */
final class DrillConfig {
  private static final int USUALLY_PERCENT = 300;

  private DrillConfig() {}

  /**
   * Reads it.
   *
   * @param copies the names of those there are
   */
  static DrillSettings read(Section section, Path folder, List<String> copies) {
    DrillSettings.Builder settings = DrillSettings.builder();
    section.section("sentinel").ifPresent(it -> settings.sentinel(sentinel(it)));
    section.duration("deadline").ifPresent(settings::deadline);
    section.duration("read-budget").ifPresent(settings::readBudget);
    section.duration("statement-timeout").ifPresent(settings::statementTimeout);
    section.duration("max-loss").ifPresent(settings::mostLoss);
    section
        .find("work-directory")
        .ifPresent(it -> settings.workDirectory(folder.resolve(it).normalize()));
    section.find("copy").ifPresent(it -> settings.copy(copy(section, it, copies)));
    section.texts("advisory").forEach(settings::advisory);
    section
        .section("server")
        .ifPresent(
            server -> {
              for (String name : server.keys()) {
                settings.server(name, server.require(name));
              }
            });
    for (Section each : section.sections("assertions")) {
      named(each, () -> settings.assertion(assertion(each)));
    }
    for (Section each : section.sections("paces")) {
      named(each, () -> settings.pace(pace(each)));
    }
    section.finish();
    try {
      return settings.build();
    } catch (IllegalArgumentException e) {
      throw section.wrong("advisory", String.valueOf(e.getMessage()), "Correct the name.");
    }
  }

  private static String copy(Section section, String named, List<String> copies) {
    if (!named.equals(DrillSettings.EACH_COPY) && !copies.contains(named)) {
      throw section.wrong(
          "copy",
          "\"" + named + "\" is the uri of no copy",
          "Write " + DrillSettings.EACH_COPY + " or one of " + String.join(", ", copies) + ".");
    }
    return named;
  }

  private static SentinelTable sentinel(Section section) {
    String[] parts = section.require("table").split("\\.", -1);
    if (parts.length != 2 || parts[0].isEmpty() || parts[1].isEmpty()) {
      throw section.wrong(
          "table", "\"" + section.require("table") + "\" is not SCHEMA.TABLE", "Write both.");
    }
    String database = section.require("database");
    section.finish();
    return new SentinelTable(database, parts[0], parts[1]);
  }

  private static Assertion assertion(Section section) {
    String name = section.require("name");
    List<Expectation> expected = new ArrayList<>();
    section.find("equals").map(Expectation.EqualTo::new).ifPresent(expected::add);
    number(section, "at-least").map(Expectation.AtLeast::new).ifPresent(expected::add);
    number(section, "at-most").map(Expectation.AtMost::new).ifPresent(expected::add);
    section.duration("newer-than").map(Expectation.NewerThan::new).ifPresent(expected::add);
    if (expected.size() != 1) {
      throw section.wrong(
          "name",
          "\"" + name + "\" must say one thing of its value, not " + expected.size(),
          "Set one of equals, at-least, at-most and newer-than.");
    }
    Assertion assertion =
        new Assertion(
            name,
            section.require("database"),
            section.require("query"),
            expected.get(0),
            section.find("break-with"));
    section.finish();
    return assertion;
  }

  private static Assertion.Pace pace(Section section) {
    Assertion.Pace pace =
        new Assertion.Pace(
            section.require("name"),
            section.require("database"),
            section.require("query"),
            section.integer("at-most-percent", USUALLY_PERCENT, 1, 100_000));
    section.finish();
    return pace;
  }

  private static void named(Section section, Runnable adds) {
    try {
      adds.run();
    } catch (IllegalArgumentException e) {
      throw section.wrong("name", String.valueOf(e.getMessage()), "Choose another name.");
    }
  }

  private static Optional<BigDecimal> number(Section section, String key) {
    return section
        .find(key)
        .map(
            text -> {
              try {
                return new BigDecimal(text);
              } catch (NumberFormatException e) {
                throw section.wrong(key, "\"" + text + "\" is no number", "Write one.");
              }
            });
  }
}
