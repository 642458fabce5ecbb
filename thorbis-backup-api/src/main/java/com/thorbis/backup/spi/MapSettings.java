package com.thorbis.backup.spi;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Settings over a map. */
final class MapSettings implements Settings {
  private static final Pattern SIZE = Pattern.compile("([0-9]{1,15})\\s*(B|KiB|MiB|GiB|TiB)?");
  private static final Pattern SPAN = Pattern.compile("([0-9]{1,9})\\s*(ms|s|m|h|d)");

  private final String prefix;
  private final Map<String, Object> values;
  private final Set<String> read = ConcurrentHashMap.newKeySet();

  private MapSettings(String prefix, Map<String, Object> values) {
    this.prefix = prefix;
    this.values = values;
  }

  static MapSettings of(String prefix, Map<String, ?> values) {
    return new MapSettings(prefix, new LinkedHashMap<>(values));
  }

  @Override
  public String require(String key) {
    return find(key)
        .orElseThrow(
            () ->
                configuration(
                    describe(key) + " is missing",
                    Names.nearest(key, new TreeSet<>(values.keySet()))
                            .map(near -> "Did you mean it by " + describe(near) + "? ")
                            .orElse("")
                        + "Set "
                        + describe(key)
                        + "."));
  }

  @Override
  public Optional<String> find(String key) {
    Object value = value(key);
    if (value instanceof SecretValue) {
      throw configuration(describe(key) + " is not a secret", "Write the value itself.");
    }
    return Optional.ofNullable(value).map(Object::toString);
  }

  @Override
  public Optional<SecretValue> findSecret(String key) {
    Object value = value(key);
    if (value == null) {
      return Optional.empty();
    }
    return Optional.of(
        value instanceof SecretValue secret ? secret : SecretValue.ofText(value.toString()));
  }

  @Override
  public int integer(String key, int fallback, int least, int most) {
    Optional<String> text = find(key);
    if (text.isEmpty()) {
      return fallback;
    }
    try {
      int number = Integer.parseInt(text.get());
      if (number >= least && number <= most) {
        return number;
      }
    } catch (NumberFormatException e) {
      // Reported below like a number out of range.
    }
    throw wrong(key, text.get(), "a whole number from " + least + " to " + most);
  }

  @Override
  public boolean flag(String key, boolean fallback) {
    Optional<String> text = find(key);
    if (text.isEmpty()) {
      return fallback;
    }
    return switch (text.get()) {
      case "true" -> true;
      case "false" -> false;
      default -> throw wrong(key, text.get(), "true or false");
    };
  }

  @Override
  public long bytes(String key, long fallback) {
    Optional<String> text = find(key);
    if (text.isEmpty()) {
      return fallback;
    }
    Matcher form = SIZE.matcher(text.get());
    if (!form.matches()) {
      throw wrong(key, text.get(), "a size such as 512KiB or 16MiB");
    }
    int shift =
        switch (form.group(2) == null ? "B" : form.group(2)) {
          case "KiB" -> 10;
          case "MiB" -> 20;
          case "GiB" -> 30;
          case "TiB" -> 40;
          default -> 0;
        };
    long number = Long.parseLong(form.group(1));
    if (number > Long.MAX_VALUE >> shift) {
      throw wrong(key, text.get(), "a size below 8 EiB");
    }
    return number << shift;
  }

  @Override
  public Duration duration(String key, Duration fallback) {
    Optional<String> text = find(key);
    if (text.isEmpty()) {
      return fallback;
    }
    Matcher form = SPAN.matcher(text.get());
    if (form.matches()) {
      long number = Long.parseLong(form.group(1));
      return switch (form.group(2)) {
        case "ms" -> Duration.ofMillis(number);
        case "s" -> Duration.ofSeconds(number);
        case "m" -> Duration.ofMinutes(number);
        case "h" -> Duration.ofHours(number);
        default -> Duration.ofDays(number);
      };
    }
    try {
      return Duration.parse(text.get().toUpperCase(Locale.ROOT));
    } catch (DateTimeParseException e) {
      throw wrong(key, text.get(), "a duration such as 10s, 15m or 7d");
    }
  }

  @Override
  public List<String> keys() {
    return List.copyOf(values.keySet());
  }

  @Override
  public String describe(String key) {
    return prefix.isEmpty() ? key : prefix + "." + key;
  }

  @Override
  public void requireAllRead() {
    for (String key : values.keySet()) {
      if (!read.contains(key)) {
        throw configuration(
            "Unknown setting " + describe(key),
            Names.nearest(key, new TreeSet<>(read))
                .map(near -> "Did you mean " + describe(near) + "?")
                .orElse("Remove it."));
      }
    }
  }

  private @Nullable Object value(String key) {
    read.add(key);
    return values.get(key);
  }

  private BackupException wrong(String key, String value, String expected) {
    return configuration(
        describe(key) + ": \"" + value + "\" is not " + expected, "Write " + expected + ".");
  }

  private BackupException configuration(String message, String remedy) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, message)
        .remedy(remedy)
        .build();
  }
}
