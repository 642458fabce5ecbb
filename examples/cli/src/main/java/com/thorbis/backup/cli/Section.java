package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.cli.Yaml.Fields;
import com.thorbis.backup.cli.Yaml.Items;
import com.thorbis.backup.cli.Yaml.Text;
import com.thorbis.backup.cli.Yaml.Value;
import com.thorbis.backup.spi.Names;
import com.thorbis.backup.spi.SecretValue;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * One map of the file, read key by key. What nobody asked for is a mistake: {@link #finish} says
 * where it stands and what may have been meant.
 */
final class Section {
  private static final Pattern SPAN = Pattern.compile("([0-9]{1,9})(ms|s|m|h|d)");
  private static final Set<String> SECRET_WORDS =
      Set.of("password", "passphrase", "secret", "token", "pin", "seed");

  private final Source source;
  private final String path;
  private final Fields fields;
  private final Set<String> known = new TreeSet<>();

  private Section(Source source, String path, Fields fields) {
    this.source = source;
    this.path = path;
    this.fields = fields;
  }

  /**
   * Where values come from.
   *
   * @param file how messages name the file
   * @param placeholders what fills them in
   * @param lenient whether a provider does without a value that a placeholder cannot find
   * @param clearSecrets told the keys of secrets that stand in the file itself
   */
  record Source(
      String file, Placeholders placeholders, boolean lenient, Consumer<String> clearSecrets) {}

  static Section root(Source source, Fields fields) {
    return new Section(source, "", fields);
  }

  /** The keys that are given. */
  Set<String> keys() {
    return fields.fields().keySet();
  }

  /** Where it stands. */
  String path() {
    return path;
  }

  /** How messages name a key. */
  String describe(String key) {
    return path.isEmpty() ? key : path + "." + key;
  }

  boolean has(String key) {
    known.add(key);
    return fields.fields().containsKey(key);
  }

  String require(String key) {
    return find(key).orElseThrow(() -> missing(key));
  }

  Optional<String> find(String key) {
    Value value = value(key);
    return value == null ? Optional.empty() : Optional.of(fill(describe(key), value));
  }

  boolean flag(String key, boolean fallback) {
    Optional<String> text = find(key);
    if (text.isEmpty()) {
      return fallback;
    }
    return switch (text.get()) {
      case "true" -> true;
      case "false" -> false;
      default -> throw wrong(key, "\"" + text.get() + "\" is not true or false", "Write one.");
    };
  }

  int integer(String key, int fallback, int least, int most) {
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
    throw wrong(
        key,
        "\"" + text.get() + "\" is not a whole number from " + least + " to " + most,
        "Write one.");
  }

  Optional<Duration> duration(String key) {
    Optional<String> text = find(key);
    if (text.isEmpty()) {
      return Optional.empty();
    }
    Matcher form = SPAN.matcher(text.get());
    if (!form.matches()) {
      throw wrong(key, "\"" + text.get() + "\" is not a duration", "Write one, such as 4h or 7d.");
    }
    long number = Long.parseLong(form.group(1));
    return Optional.of(
        switch (form.group(2)) {
          case "ms" -> Duration.ofMillis(number);
          case "s" -> Duration.ofSeconds(number);
          case "m" -> Duration.ofMinutes(number);
          case "h" -> Duration.ofHours(number);
          default -> Duration.ofDays(number);
        });
  }

  String choice(String key, String fallback, List<String> choices) {
    String text = find(key).orElse(fallback);
    if (!choices.contains(text)) {
      throw wrong(
          key,
          "\"" + text + "\" is none of " + String.join(", ", choices),
          Names.nearest(text, choices)
              .map(near -> "Did you mean " + near + "?")
              .orElse("Take one."));
    }
    return text;
  }

  URI uri(String key) {
    String text = require(key);
    try {
      URI uri = new URI(text);
      if (uri.getScheme() != null) {
        return uri;
      }
    } catch (URISyntaxException e) {
      throw wrong(key, "\"" + text + "\" is not a URI: " + e.getReason(), "Correct it.");
    }
    throw wrong(
        key,
        "\"" + text + "\" has no scheme in front",
        "Write one, such as file:///var/lib/thorbis/repo.");
  }

  /** A map within this one; empty if absent. */
  Optional<Section> section(String key) {
    Value value = value(key);
    return value == null ? Optional.empty() : Optional.of(section(describe(key), value));
  }

  /** Every map of a list of maps; empty if absent. */
  List<Section> sections(String key) {
    List<Section> sections = new ArrayList<>();
    for (Value item : items(key)) {
      sections.add(section(describe(key) + "[" + sections.size() + "]", item));
    }
    return sections;
  }

  /** Whether a list stands there, and not one value. */
  boolean isList(String key) {
    return value(key) instanceof Items;
  }

  /** Whether a map stands there, and not one value. */
  boolean isMap(String key) {
    return value(key) instanceof Fields;
  }

  /** Every value of a list of values; empty if absent. */
  List<String> texts(String key) {
    List<String> texts = new ArrayList<>();
    for (Value item : items(key)) {
      texts.add(fill(describe(key) + "[" + texts.size() + "]", item));
    }
    return texts;
  }

  private List<Value> items(String key) {
    Value value = value(key);
    if (value == null) {
      return List.of();
    }
    if (!(value instanceof Items items)) {
      throw wrong(key, value, "is not a list", "Start each entry with \"- \" on its own line.");
    }
    return items.items();
  }

  /**
   * All that has not been asked for yet, under dotted keys, for a provider that knows its own.
   * Values of keys that are secrets by their name become {@link SecretValue}s.
   */
  Map<String, Object> rest() {
    Map<String, Object> flat = new LinkedHashMap<>();
    fields
        .fields()
        .forEach(
            (key, value) -> {
              if (known.add(key)) {
                flatten(key, value, flat);
              }
            });
    return flat;
  }

  /** Refuses keys that nobody asked for. */
  void finish() {
    for (Map.Entry<String, Value> field : fields.fields().entrySet()) {
      if (!known.contains(field.getKey())) {
        throw wrong(
            field.getKey(),
            field.getValue(),
            "is unknown",
            Names.nearest(field.getKey(), known)
                .map(near -> "Did you mean " + describe(near) + "?")
                .orElse("Remove it. Known here: " + String.join(", ", known) + "."));
      }
    }
  }

  BackupException wrong(String key, String problem, String remedy) {
    Value value = fields.fields().get(key);
    return Yaml.wrong(
        source.file(),
        value == null ? fields.line() : value.line(),
        describe(key) + ": " + problem,
        remedy);
  }

  private void flatten(String key, Value value, Map<String, Object> flat) {
    if (value instanceof Fields nested) {
      nested.fields().forEach((name, inner) -> flatten(key + "." + name, inner, flat));
      return;
    }
    if (source.lenient() && isMissing(value)) {
      return;
    }
    Object filled = secret(key) ? secret(describe(key), value) : fill(describe(key), value);
    if (flat.put(key, filled) != null) {
      throw wrong(key, value, "is given twice", "Keep one of them.");
    }
  }

  private boolean isMissing(Value value) {
    if (value instanceof Text text) {
      try {
        Arrays.fill(source.placeholders().fill(text.text()), (byte) 0);
      } catch (Placeholders.MissingException e) {
        return true;
      }
    }
    return false;
  }

  private static boolean secret(String key) {
    String last = key.substring(key.lastIndexOf('.') + 1);
    return SECRET_WORDS.contains(last.substring(last.lastIndexOf('-') + 1))
        || last.endsWith("access-key")
        || last.endsWith("ssh-key")
        || last.endsWith("account-key");
  }

  private Section section(String name, Value value) {
    if (value instanceof Fields nested) {
      return new Section(source, name, nested);
    }
    throw Yaml.wrong(
        source.file(),
        value.line(),
        name + ": is not a map",
        "Write keys below it, or inside braces.");
  }

  private @Nullable Value value(String key) {
    known.add(key);
    return fields.fields().get(key);
  }

  private SecretValue secret(String name, Value value) {
    String template = text(name, value);
    if (!Placeholders.anyIn(template)) {
      source.clearSecrets().accept(name);
    }
    byte[] filled = bytes(name, value.line(), template);
    try {
      return SecretValue.copyOf(filled);
    } finally {
      Arrays.fill(filled, (byte) 0);
    }
  }

  private String fill(String name, Value value) {
    String template = text(name, value);
    if (template.indexOf('$') < 0) {
      return template;
    }
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes(name, value.line(), template)))
          .toString();
    } catch (CharacterCodingException e) {
      throw Yaml.wrong(
          source.file(), value.line(), name + ": what it names is not text", "Name another file.");
    }
  }

  private byte[] bytes(String name, int line, String template) {
    try {
      return source.placeholders().fill(template);
    } catch (Placeholders.MissingException e) {
      throw Yaml.wrong(source.file(), line, name + ": " + e.getMessage(), e.remedy());
    }
  }

  private String text(String name, Value value) {
    if (!(value instanceof Text text)) {
      throw Yaml.wrong(
          source.file(),
          value.line(),
          name + ": is a " + (value instanceof Items ? "list" : "map") + " and not one value",
          "Write one value.");
    }
    if (text.text().isEmpty()) {
      throw Yaml.wrong(
          source.file(), value.line(), name + ": has no value", "Write one, or remove the key.");
    }
    return text.text();
  }

  private BackupException missing(String key) {
    return Yaml.wrong(
        source.file(), fields.line(), describe(key) + " is missing", "Set " + describe(key) + ".");
  }

  private BackupException wrong(String key, Value value, String problem, String remedy) {
    return Yaml.wrong(source.file(), value.line(), describe(key) + ": " + problem, remedy);
  }
}
