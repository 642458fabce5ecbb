package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The host and port in one file that clients read when they connect. The rest of the file stays as
 * it is. Clients that are connected stay where they are until they connect anew: fence the old
 * server.
 */
public final class ConnectionFile implements TrafficSwitch {
  private final String thing;
  private final EditedFile file;
  private final Form form;

  private ConnectionFile(String thing, Path path, Form form) {
    this.thing = thing;
    this.file = new EditedFile(thing, path);
    this.form = form;
  }

  /** {@code host} and {@code port} of a section of libpq's {@code pg_service.conf}. */
  public static ConnectionFile service(Path file, String section) {
    String thing = "Service " + section + " in " + file;
    return new ConnectionFile(thing, file, new ServiceForm(thing, section));
  }

  /**
   * A key of a properties file. Its value is a place, or a URL such as {@code
   * jdbc:postgresql://db1:5432/app?...} whose part between the slashes is the place.
   */
  public static ConnectionFile property(Path file, String key) {
    String thing = "Property " + key + " in " + file;
    return new ConnectionFile(thing, file, new PropertyForm(thing, key));
  }

  /** A file whose only line is the place. */
  public static ConnectionFile line(Path file) {
    String thing = "Connection file " + file;
    return new ConnectionFile(thing, file, new LineForm(thing));
  }

  @Override
  public String kind() {
    return "connection-file";
  }

  @Override
  public String describe() {
    return thing;
  }

  @Override
  public String current() throws SwitchException {
    return form.get(file.read()).toString();
  }

  @Override
  public boolean points(String place) throws SwitchException {
    Place wanted = Place.parse(thing, place);
    return form.get(file.read()).equals(wanted);
  }

  @Override
  public Duration set(String expected, String place) throws SwitchException {
    Place from = Place.parse(thing, expected);
    Place to = Place.parse(thing, place);
    String seen = file.read();
    Place found = form.get(seen);
    if (found.equals(to)) {
      return Duration.ZERO;
    }
    if (!found.equals(from)) {
      throw SwitchException.changed(thing, expected, found.toString());
    }
    file.replace(seen, form.put(seen, to));
    Place now = form.get(file.read());
    if (!now.equals(to)) {
      throw SwitchException.outcomeUnknown(
          thing, "was replaced, and names \"" + now + "\" now: somebody else writes it too", null);
    }
    return Duration.ZERO;
  }

  @Override
  public String toString() {
    return thing;
  }

  private interface Form {
    Place get(String text) throws SwitchException;

    String put(String text, Place place) throws SwitchException;
  }

  private record ServiceForm(String thing, String section) implements Form {
    private static final Pattern HOST = Pattern.compile("\\s*host\\s*=");
    private static final Pattern PORT = Pattern.compile("\\s*port\\s*=");
    private static final Pattern ADDRESS = Pattern.compile("\\s*hostaddr\\s*=");

    @Override
    public Place get(String text) throws SwitchException {
      Ini lines = Ini.section(thing, text, section);
      if (lines.find(ADDRESS) >= 0) {
        throw SwitchException.invalid(
            thing, "has hostaddr, which wins over host; leave only one of them");
      }
      return Place.parse(thing, new Place(value(lines, HOST), value(lines, PORT)).toString());
    }

    @Override
    public String put(String text, Place place) throws SwitchException {
      Ini lines = Ini.section(thing, text, section);
      put(lines, PORT, "port", place.port());
      put(lines, HOST, "host", place.host());
      return lines.toString();
    }

    private static String value(Ini lines, Pattern key) throws SwitchException {
      int number = lines.find(key);
      if (number < 0) {
        return "";
      }
      String line = lines.line(number);
      return line.substring(line.indexOf('=') + 1).strip();
    }

    private static void put(Ini lines, Pattern key, String name, String value)
        throws SwitchException {
      int number = lines.find(key);
      if (value.isEmpty()) {
        if (number >= 0) {
          lines.remove(number);
        }
      } else if (number >= 0) {
        lines.set(number, name + "=" + value);
      } else {
        lines.insertFirst(name + "=" + value);
      }
    }
  }

  private static final class PropertyForm implements Form {
    private static final Pattern URL =
        Pattern.compile("[A-Za-z][A-Za-z0-9+.:\\\\-]*\\\\?://([^/?#]*).*");

    private final String thing;
    private final String key;
    private final Pattern line;

    PropertyForm(String thing, String key) {
      this.thing = thing;
      this.key = key;
      this.line =
          Pattern.compile("(?m)^[ \\t]*" + Pattern.quote(key) + "[ \\t]*[=:][ \\t]*([^\\r\\n]*)");
    }

    @Override
    public Place get(String text) throws SwitchException {
      Matcher value = value(text);
      return Place.parse(thing, value.group(1).replace("\\:", ":").strip());
    }

    @Override
    public String put(String text, Place place) throws SwitchException {
      Matcher value = value(text);
      return new StringBuilder(text)
          .replace(value.start(1), value.end(1), place.toString())
          .toString();
    }

    /** The place stands in the first group. */
    private Matcher value(String text) throws SwitchException {
      Matcher found = line.matcher(text);
      if (!found.find()) {
        throw SwitchException.invalid(thing, "there is no key " + key);
      }
      int from = found.start(1);
      int to = found.end(1);
      if (found.find()) {
        throw SwitchException.invalid(thing, "the key " + key + " stands there twice");
      }
      String whole = text.substring(from, to);
      if (whole.endsWith("\\")) {
        throw SwitchException.invalid(thing, "the value goes on in the next line");
      }
      Pattern form = whole.contains("://") ? URL : Pattern.compile("(\\S*)\\s*");
      Matcher value = form.matcher(text).region(from, to);
      if (!value.matches()) {
        // The value may hold a password, so it is not shown.
        throw SwitchException.invalid(thing, "the value is neither a place nor a URL with one");
      }
      if (value.group(1).contains("@")) {
        throw SwitchException.invalid(thing, "the URL has a user before the place");
      }
      return value;
    }
  }

  private record LineForm(String thing) implements Form {
    @Override
    public Place get(String text) throws SwitchException {
      return Place.parse(thing, only(text).strip());
    }

    @Override
    public String put(String text, Place place) throws SwitchException {
      String line = only(text);
      if (place.isEmpty()) {
        throw SwitchException.invalid(thing, "an empty line is no place");
      }
      return place + line.substring(line.stripTrailing().length());
    }

    private String only(String text) throws SwitchException {
      List<String> lines = Ini.lines(text);
      if (lines.size() != 1 || lines.get(0).isBlank()) {
        throw new SwitchException(
            "traffic.invalid",
            FailureKind.CONFIGURATION,
            thing,
            "has " + lines.size() + " lines instead of one with a place",
            "Name the file that holds the place and nothing else.",
            null);
      }
      return lines.get(0);
    }
  }

  /**
   * Makes them by settings: {@code file}, with {@code section} of a {@code pg_service.conf} or
   * {@code key} of a properties file.
   */
  public static final class Factory implements TrafficSwitchFactory {
    /** For the service loader. */
    public Factory() {}

    @Override
    public String type() {
      return "connection-file";
    }

    @Override
    public TrafficSwitch open(Settings settings) {
      return BuiltIn.connectionFile(settings);
    }
  }
}
