package com.thorbis.backup.api;

import com.thorbis.backup.spi.Names;
import com.thorbis.backup.spi.Settings;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Which backups of a source stay. Each frequency has a rule: so many periods that hold a backup,
 * all periods within a window, or both. {@code 0} switches a rule off, and a policy without any
 * rule keeps everything.
 */
public final class RetentionPolicy {
  /**
   * So many deletions are let through whatever share of all backups they are: half of six backups
   * is nothing out of the ordinary, and a small repository could otherwise never let go of any.
   */
  public static final int MOST_DELETED_FLOOR = 5;

  private static final Duration LONGEST = Duration.ofDays(36_525);
  private static final int MOST = 1_000_000;

  private final Map<Frequency, Rule> rules;
  private final ZoneId zone;
  private final Overlap overlap;
  private final Representative representative;
  private final Duration pitr;
  private final int minimum;
  private final int mostDeletedPercent;
  private final @Nullable Duration freshWithin;

  private RetentionPolicy(Builder builder) {
    this.rules = new EnumMap<>(builder.rules);
    this.zone = builder.zone;
    this.overlap = builder.overlap;
    this.representative = builder.representative;
    this.pitr = builder.pitr;
    this.minimum = builder.minimum;
    this.mostDeletedPercent = builder.mostDeletedPercent;
    this.freshWithin = builder.freshWithin;
  }

  /** Starts a policy without rules. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * For what the business cannot lose: 30 days, 12 weeks, 12 months, 7 years; any moment of the
   * last 7 days; never fewer than 2 verified backups.
   */
  public static RetentionPolicy critical() {
    return builder()
        .daily(30)
        .weekly(12)
        .monthly(12)
        .yearly(7)
        .pitr(Duration.ofDays(7))
        .minimum(2)
        .build();
  }

  /** 7 days, 4 weeks, 6 months, 3 years. */
  public static RetentionPolicy standard() {
    return builder().daily(7).weekly(4).monthly(6).yearly(3).build();
  }

  /** 90 days. */
  public static RetentionPolicy logs() {
    return builder().daily(90).build();
  }

  /** The policy that comes with the product under this name, if there is one. */
  public static Optional<RetentionPolicy> preset(String name) {
    return switch (name) {
      case "critical" -> Optional.of(critical());
      case "standard" -> Optional.of(standard());
      case "logs" -> Optional.of(logs());
      default -> Optional.empty();
    };
  }

  /**
   * Reads a policy as it is written in a configuration: {@code daily: 30} (so many days that hold a
   * backup), {@code daily: 30d} (all within a window of {@code h}, {@code d}, {@code w}, {@code mo}
   * or {@code y}), {@code daily: 30 + 60d} (both); {@code zone}, {@code overlap}, {@code
   * representative}, {@code pitr}, {@code minimum}, {@code most-deleted-percent}, {@code
   * fresh-within}.
   *
   * @param prefix what messages put before a key, such as {@code retention.critical}
   * @throws BackupException of kind CONFIGURATION, which names the key; of an unknown one the
   *     nearest that there is
   */
  public static RetentionPolicy parse(String prefix, Map<String, ?> values) {
    Settings settings = Settings.of(prefix, values);
    for (Map.Entry<String, ?> entry : values.entrySet()) {
      // "daily:" with the number forgotten is not the same as no such rule.
      if (entry.getValue() == null) {
        throw invalid(
            settings.describe(entry.getKey()) + " has no value", "Write a value, or remove it.");
      }
    }
    Builder builder = builder();
    for (Frequency frequency : Frequency.values()) {
      String key = frequency.label();
      settings
          .find(key)
          .ifPresent(text -> builder.rule(frequency, Rule.parse(settings.describe(key), text)));
    }
    settings.find("zone").ifPresent(text -> builder.zone(zone(settings.describe("zone"), text)));
    settings
        .find("overlap")
        .ifPresent(
            text ->
                builder.overlap(
                    labelled(
                        settings.describe("overlap"), text, Overlap.values(), Overlap::label)));
    settings
        .find("representative")
        .ifPresent(
            text ->
                builder.representative(
                    labelled(
                        settings.describe("representative"),
                        text,
                        Representative.values(),
                        Representative::label)));
    duration(settings, "pitr").ifPresent(builder::pitr);
    builder.minimum(settings.integer("minimum", builder.minimum, 1, MOST));
    builder.mostDeletedPercent(
        settings.integer("most-deleted-percent", builder.mostDeletedPercent, 0, 100));
    duration(settings, "fresh-within").ifPresent(builder::freshWithin);
    settings.requireAllRead();
    return builder.build();
  }

  /** The rule of a frequency; one that is off if none was given. */
  public Rule rule(Frequency frequency) {
    return rules.getOrDefault(frequency, Rule.OFF);
  }

  /** Where days, weeks, months and years begin. UTC unless set. */
  public ZoneId zone() {
    return zone;
  }

  /** Whether one backup may serve several rules. Shared unless set. */
  public Overlap overlap() {
    return overlap;
  }

  /** Which backup of a period stays. The newest unless set. */
  public Representative representative() {
    return representative;
  }

  /**
   * How far back from the newest verified backup every moment stays reachable. Empty: the log stays
   * from the oldest backup that is kept, for what nobody limited is not cut.
   */
  public Optional<Duration> pitr() {
    return pitr.isZero() ? Optional.empty() : Optional.of(pitr);
  }

  /** So many of the newest verified backups always stay; 1 or more. */
  public int minimum() {
    return minimum;
  }

  /**
   * A plan that would delete more than this share of all backups, in percent, deletes none. Up to
   * {@link #MOST_DELETED_FLOOR} deletions are always let through.
   */
  public int mostDeletedPercent() {
    return mostDeletedPercent;
  }

  /** Nothing is deleted while the newest backup is older than this. Empty: its age is no matter. */
  public Optional<Duration> freshWithin() {
    return Optional.ofNullable(freshWithin);
  }

  /** Whether no rule says what to let go of. Such a policy keeps everything. */
  public boolean isEmpty() {
    return rules.isEmpty() && pitr.isZero();
  }

  /** The same, but for the share that one plan may delete: for whoever looked at what would go. */
  public RetentionPolicy withMostDeletedPercent(int percent) {
    Builder copy = new Builder();
    copy.rules.putAll(rules);
    copy.zone = zone;
    copy.overlap = overlap;
    copy.representative = representative;
    copy.pitr = pitr;
    copy.minimum = minimum;
    copy.freshWithin = freshWithin;
    return copy.mostDeletedPercent(percent).build();
  }

  /**
   * The whole policy as text, defaults included: the same settings give the same text, however they
   * were written. The form never changes, for digests of it are stored.
   */
  public String canonical() {
    StringBuilder text = new StringBuilder("thorbis-retention 1\n");
    for (Frequency frequency : Frequency.values()) {
      text.append(frequency.label()).append(' ').append(rule(frequency)).append('\n');
    }
    text.append("zone ").append(zone.getId()).append('\n');
    text.append("overlap ").append(overlap.label()).append('\n');
    text.append("representative ").append(representative.label()).append('\n');
    text.append("pitr ").append(pitr).append('\n');
    text.append("minimum ").append(minimum).append('\n');
    text.append("most-deleted-percent ").append(mostDeletedPercent).append('\n');
    text.append("fresh-within ").append(freshWithin == null ? "-" : freshWithin).append('\n');
    return text.toString();
  }

  /** Names the policy: the SHA-256 of {@link #canonical} in 64 lower-case hexadecimal digits. */
  public String digest() {
    try {
      return HexFormat.of()
          .formatHex(
              MessageDigest.getInstance("SHA-256")
                  .digest(canonical().getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java runtime has SHA-256", e);
    }
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof RetentionPolicy policy && canonical().equals(policy.canonical());
  }

  @Override
  public int hashCode() {
    return canonical().hashCode();
  }

  @Override
  public String toString() {
    return canonical().strip().replace("\n", ", ");
  }

  private static ZoneId zone(String name, String text) {
    try {
      return ZoneId.of(text);
    } catch (DateTimeException e) {
      throw invalid(
          name + ": \"" + text + "\" is not a time zone",
          Names.nearest(text, ZoneId.getAvailableZoneIds().stream().sorted().toList())
              .map(near -> "Did you mean " + near + "?")
              .orElse("Write a zone such as UTC or Europe/Berlin."));
    }
  }

  private static Optional<Duration> duration(Settings settings, String key) {
    if (settings.find(key).isEmpty()) {
      return Optional.empty();
    }
    Duration duration = settings.duration(key, Duration.ZERO);
    if (duration.isNegative() || duration.compareTo(LONGEST) > 0) {
      throw invalid(
          settings.describe(key) + ": " + duration + " is not between 0 and 100 years",
          "Write a duration such as 7d.");
    }
    return Optional.of(duration);
  }

  private static <T> T labelled(String name, String text, T[] values, Function<T, String> label) {
    List<String> known = Arrays.stream(values).map(label).toList();
    return Arrays.stream(values)
        .filter(value -> label.apply(value).equals(text))
        .findFirst()
        .orElseThrow(
            () ->
                invalid(
                    name + ": \"" + text + "\" is not " + String.join(" or ", known),
                    Names.nearest(text, known)
                        .map(near -> "Did you mean " + near + "?")
                        .orElse("Write " + String.join(" or ", known) + ".")));
  }

  private static BackupException invalid(String message, String remedy) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, message)
        .remedy(remedy)
        .build();
  }

  /**
   * How old the oldest backup gets that it keeps, if one is taken in every period; empty if it
   * keeps everything. What a minimum or a hold keeps longer does not count.
   */
  public Optional<Duration> horizon() {
    if (isEmpty()) {
      return Optional.empty();
    }
    Duration longest = pitr().orElse(Duration.ZERO);
    for (Frequency frequency : Frequency.values()) {
      Rule rule = rule(frequency);
      List<Duration> reaches = new ArrayList<>();
      reaches.add(frequency.unit.getDuration().multipliedBy(rule.count()));
      rule.window()
          .ifPresent(part -> reaches.add(part.unit().getDuration().multipliedBy(part.amount())));
      for (Duration reach : reaches) {
        longest = reach.compareTo(longest) > 0 ? reach : longest;
      }
    }
    return Optional.of(longest);
  }

  /** How often a backup is to be had of the past. From fine to coarse. */
  public enum Frequency {
    /** Hours of the zone. The hour that a change of clocks repeats counts twice. */
    HOURLY("hourly", ChronoUnit.HOURS),
    /** Days of the zone. */
    DAILY("daily", ChronoUnit.DAYS),
    /** ISO weeks: from Monday; the week of 1 January may belong to the year before. */
    WEEKLY("weekly", ChronoUnit.WEEKS),
    /** Months of the calendar. */
    MONTHLY("monthly", ChronoUnit.MONTHS),
    /** Years of the calendar. */
    YEARLY("yearly", ChronoUnit.YEARS);

    private final String label;
    private final ChronoUnit unit;

    Frequency(String label, ChronoUnit unit) {
      this.label = label;
      this.unit = unit;
    }

    /** The name in configurations, reasons and digests; never changes. */
    public String label() {
      return label;
    }
  }

  /** Whether one backup may serve several rules. */
  public enum Overlap {
    /**
     * Each rule looks for itself, and a backup may serve several: the last 30 days, the last 12
     * weeks, the last 12 months all end today. That is how {@code daily: 30, weekly: 12} reads.
     */
    SHARED("shared"),
    /**
     * What a finer rule keeps does not use up the count of a coarser one, which so reaches further
     * back. Windows mean the same in both.
     */
    ADDITIONAL("additional");

    private final String label;

    Overlap(String label) {
      this.label = label;
    }

    /** The name in configurations and digests; never changes. */
    public String label() {
      return label;
    }
  }

  /** Which backup of a period stays. */
  public enum Representative {
    /** The last one. */
    NEWEST("newest"),
    /**
     * The first one: the choice never changes again, and whoever can only add backups cannot
     * displace one.
     */
    OLDEST("oldest");

    private final String label;

    Representative(String label) {
      this.label = label;
    }

    /** The name in configurations and digests; never changes. */
    public String label() {
      return label;
    }
  }

  /**
   * What a frequency keeps: the union of both parts.
   *
   * @param count so many periods that hold a backup, the newest first; 0 for none. Where a backup
   *     was missed it reaches further back, so it never keeps less than a window of as many periods
   * @param window all periods that this stretch reaches into
   */
  public record Rule(int count, Optional<Window> window) {
    /** Keeps nothing. */
    public static final Rule OFF = new Rule(0, Optional.empty());

    private static final Pattern PART = Pattern.compile("([0-9]{1,7})\\s*(h|d|w|mo|y)?");

    /** Checks the count. */
    public Rule {
      if (count < 0 || count > MOST) {
        throw new IllegalArgumentException(
            "Not a count of periods: " + count + " (0 to " + MOST + ")");
      }
    }

    /** Whether it keeps nothing. */
    public boolean isOff() {
      return count == 0 && window.isEmpty();
    }

    private static Rule parse(String name, String text) {
      String[] parts = text.strip().split("\\s*\\+\\s*", -1);
      int count = -1;
      int windows = 0;
      Optional<Window> window = Optional.empty();
      for (String part : parts) {
        Matcher form = PART.matcher(part);
        if (!form.matches()) {
          throw wrong(name, text);
        }
        int number = Integer.parseInt(form.group(1));
        if (form.group(2) == null) {
          if (count >= 0 || number > MOST) {
            throw wrong(name, text);
          }
          count = number;
        } else {
          if (++windows > 1 || number > Window.MOST) {
            throw wrong(name, text);
          }
          window =
              number == 0
                  ? Optional.empty()
                  : Optional.of(new Window(number, Window.unit(form.group(2))));
        }
      }
      return new Rule(Math.max(count, 0), window);
    }

    private static BackupException wrong(String name, String text) {
      return invalid(
          name + ": \"" + text + "\" is neither a number of periods nor a window",
          "Write 30 for as many periods that hold a backup, 30d for a window (units h, d, w, mo,"
              + " y; at most "
              + Window.MOST
              + "), or 30 + 60d for both.");
    }

    /** The form that parses, such as {@code 30 + 60d}. */
    @Override
    public String toString() {
      return window
          .map(part -> count == 0 ? part.toString() : count + " + " + part)
          .orElse(Integer.toString(count));
    }
  }

  /**
   * A stretch of the calendar that ends with the newest backup, not with the present: when backups
   * stop, nothing grows too old.
   *
   * @param amount how many, 1 to 9999
   * @param unit hours, days, weeks, months or years
   */
  public record Window(int amount, ChronoUnit unit) {
    static final int MOST = 9999;

    /** Checks amount and unit. */
    public Window {
      if (amount < 1 || amount > MOST) {
        throw new IllegalArgumentException("Not a window: " + amount + " (1 to " + MOST + ")");
      }
      symbol(unit);
    }

    /** Where the stretch begins that ends at {@code end}; by the calendar, not by seconds. */
    public Instant before(Instant end, ZoneId zone) {
      return end.atZone(zone).minus(amount, unit).toInstant();
    }

    private static ChronoUnit unit(String symbol) {
      return switch (symbol) {
        case "h" -> ChronoUnit.HOURS;
        case "d" -> ChronoUnit.DAYS;
        case "w" -> ChronoUnit.WEEKS;
        case "mo" -> ChronoUnit.MONTHS;
        default -> ChronoUnit.YEARS;
      };
    }

    private static String symbol(ChronoUnit unit) {
      return switch (unit) {
        case HOURS -> "h";
        case DAYS -> "d";
        case WEEKS -> "w";
        case MONTHS -> "mo";
        case YEARS -> "y";
        default ->
            throw new IllegalArgumentException(
                "Not a unit of windows: " + unit.toString().toLowerCase(Locale.ROOT));
      };
    }

    /** The form that parses, such as {@code 60d}. */
    @Override
    public String toString() {
      return amount + symbol(unit);
    }
  }

  /** Collects a policy. */
  public static final class Builder {
    private final Map<Frequency, Rule> rules = new EnumMap<>(Frequency.class);
    private ZoneId zone = ZoneId.of("UTC");
    private Overlap overlap = Overlap.SHARED;
    private Representative representative = Representative.NEWEST;
    private Duration pitr = Duration.ZERO;
    private int minimum = 1;
    private int mostDeletedPercent = 50;
    private @Nullable Duration freshWithin;

    private Builder() {}

    /** Keeps so many hours that hold a backup. */
    public Builder hourly(int count) {
      return rule(Frequency.HOURLY, new Rule(count, Optional.empty()));
    }

    /** Keeps so many days that hold a backup. */
    public Builder daily(int count) {
      return rule(Frequency.DAILY, new Rule(count, Optional.empty()));
    }

    /** Keeps so many weeks that hold a backup. */
    public Builder weekly(int count) {
      return rule(Frequency.WEEKLY, new Rule(count, Optional.empty()));
    }

    /** Keeps so many months that hold a backup. */
    public Builder monthly(int count) {
      return rule(Frequency.MONTHLY, new Rule(count, Optional.empty()));
    }

    /** Keeps so many years that hold a backup. */
    public Builder yearly(int count) {
      return rule(Frequency.YEARLY, new Rule(count, Optional.empty()));
    }

    /** Sets the whole rule of a frequency. */
    public Builder rule(Frequency frequency, Rule rule) {
      if (rule.isOff()) {
        rules.remove(frequency);
      } else {
        rules.put(frequency, rule);
      }
      return this;
    }

    /** Where days, weeks, months and years begin. */
    public Builder zone(ZoneId zone) {
      this.zone = zone;
      return this;
    }

    /** Whether one backup may serve several rules. */
    public Builder overlap(Overlap overlap) {
      this.overlap = overlap;
      return this;
    }

    /** Which backup of a period stays. */
    public Builder representative(Representative representative) {
      this.representative = representative;
      return this;
    }

    /** How far back every moment stays reachable; zero leaves the log uncut. */
    public Builder pitr(Duration window) {
      this.pitr = bounded("pitr", window);
      return this;
    }

    /** How many of the newest verified backups always stay; 1 or more. */
    public Builder minimum(int backups) {
      if (backups < 1 || backups > MOST) {
        throw new IllegalArgumentException("minimum: " + backups + " is below 1 or over " + MOST);
      }
      this.minimum = backups;
      return this;
    }

    /** The largest share of all backups, in percent, that one plan may delete. */
    public Builder mostDeletedPercent(int percent) {
      if (percent < 0 || percent > 100) {
        throw new IllegalArgumentException("most-deleted-percent: " + percent + " (0 to 100)");
      }
      this.mostDeletedPercent = percent;
      return this;
    }

    /** Deletes nothing while the newest backup is older than this; zero asks for no age. */
    public Builder freshWithin(Duration age) {
      this.freshWithin = bounded("fresh-within", age).isZero() ? null : age;
      return this;
    }

    /** The policy. */
    public RetentionPolicy build() {
      return new RetentionPolicy(this);
    }

    private static Duration bounded(String name, Duration value) {
      if (value.isNegative() || value.compareTo(LONGEST) > 0) {
        throw new IllegalArgumentException(name + ": " + value + " (0 to 100 years)");
      }
      return value;
    }
  }
}
