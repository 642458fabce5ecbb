package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.secret.SecretException;
import java.nio.CharBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The text of an {@code .env} file, read as the library dotenv of Node.js reads it: comments,
 * {@code export}, values in single quotes, double quotes (where {@code \n} and {@code \r} are line
 * ends) or backticks, over several lines too; of a name that stands twice the last counts. Nothing
 * is expanded. Closing erases it.
 */
final class EnvText implements AutoCloseable {
  private static final char NO_QUOTE = 0;

  /** Where an assignment stands: its value with quotes, and whether they were double ones. */
  private record Place(int start, int end, char quote) {}

  private final char[] chars;
  private final Map<String, Place> places = new LinkedHashMap<>();

  /** Takes the characters over. */
  EnvText(char[] chars, String file) throws SecretException {
    this.chars = chars;
    boolean read = false;
    try {
      parse(file);
      read = true;
    } finally {
      if (!read) {
        close();
      }
    }
  }

  Iterable<String> names() {
    return places.keySet();
  }

  /** The value, which the caller erases. */
  Optional<char[]> value(String name) {
    Place place = places.get(name);
    if (place == null) {
      return Optional.empty();
    }
    if (place.quote == NO_QUOTE) {
      return Optional.of(Arrays.copyOfRange(chars, place.start, place.end));
    }
    char[] inner = Arrays.copyOfRange(chars, place.start + 1, place.end - 1);
    return Optional.of(place.quote == '"' ? expanded(inner) : inner);
  }

  private static char[] expanded(char[] inner) {
    char[] out = new char[inner.length];
    int length = 0;
    for (int i = 0; i < inner.length; i++) {
      char next = i + 1 < inner.length ? inner[i + 1] : 0;
      if (inner[i] == '\\' && (next == 'n' || next == 'r')) {
        out[length++] = next == 'n' ? '\n' : '\r';
        i++;
      } else {
        out[length++] = inner[i];
      }
    }
    char[] exact = Arrays.copyOf(out, length);
    Arrays.fill(out, '\0');
    Arrays.fill(inner, '\0');
    return exact;
  }

  /**
   * The text with another value, or with one more line; all else stays. The caller erases it.
   *
   * @return empty if no way of quoting reads back as the value
   */
  Optional<char[]> with(String name, char[] value) {
    Place place = places.get(name);
    Optional<Character> quote = quote(value, place == null ? NO_QUOTE : place.quote);
    if (quote.isEmpty()) {
      return Optional.empty();
    }
    int before = place == null ? chars.length : place.start;
    int after = place == null ? chars.length : place.end;
    boolean newLine = place == null && chars.length > 0 && chars[chars.length - 1] != '\n';
    String head = place != null ? "" : (newLine ? "\n" : "") + name + "=";
    int quotes = quote.get() == NO_QUOTE ? 0 : 2;
    char[] out =
        new char
            [before
                + head.length()
                + value.length
                + quotes
                + (place == null ? 1 : 0)
                + chars.length
                - after];
    CharBuffer to = CharBuffer.wrap(out);
    to.put(chars, 0, before).put(head);
    if (quotes > 0) {
      to.put(quote.get());
    }
    to.put(value);
    if (quotes > 0) {
      to.put(quote.get());
    }
    if (place == null) {
      to.put('\n');
    }
    to.put(chars, after, chars.length - after);
    return Optional.of(out);
  }

  /** The quote that stands there if it will do, else the first that does; 0 for none. */
  private static Optional<Character> quote(char[] value, char present) {
    if (fits(value, present)) {
      return Optional.of(present);
    }
    for (char quote : new char[] {NO_QUOTE, '\'', '"'}) {
      if (fits(value, quote)) {
        return Optional.of(quote);
      }
    }
    return Optional.empty();
  }

  /** Whether readers of variables, and a shell that takes the file in, read it as it is. */
  private static boolean fits(char[] value, char quote) {
    if (quote == '`') {
      return false; // a shell runs what stands in it
    }
    for (char one : value) {
      // A carriage return is taken for a line end by some readers.
      if (quote == NO_QUOTE
          ? !isPlain(one)
          : one == quote || one == '\r' || quote == '"' && "\\$`".indexOf(one) >= 0) {
        return false;
      }
    }
    // A backslash before the closing quote would keep it open.
    return value.length == 0 || value[value.length - 1] != '\\';
  }

  private static boolean isPlain(char one) {
    return one >= 'a' && one <= 'z'
        || one >= 'A' && one <= 'Z'
        || one >= '0' && one <= '9'
        || "_-./:@%+,=".indexOf(one) >= 0;
  }

  private void parse(String file) throws SecretException {
    int at = chars.length > 0 && chars[0] == '\uFEFF' ? 1 : 0;
    int line = 1;
    while (at < chars.length) {
      int next = assignment(at, line, file);
      for (int i = at; i < next; i++) {
        if (chars[i] == '\n') {
          line++;
        }
      }
      at = next;
    }
  }

  /** Reads what begins at a line; returns where the next line begins. */
  private int assignment(int from, int line, String file) throws SecretException {
    int at = blanks(from);
    if (at == chars.length || chars[at] == '\n' || chars[at] == '\r' || chars[at] == '#') {
      return afterLine(at);
    }
    int word = name(at);
    if (word - at == 6
        && new String(chars, at, 6).equals("export")
        && word < chars.length
        && isBlank(chars[word])) {
      at = blanks(word);
      word = name(at);
    }
    String name = new String(chars, at, word - at);
    int equals = blanks(word);
    if (name.isEmpty() || equals == chars.length || chars[equals] != '=') {
      throw malformed(file, line, "is no comment and no NAME=VALUE");
    }
    int start = blanks(equals + 1);
    char quote = start < chars.length ? chars[start] : '\n';
    if (quote == '\'' || quote == '"' || quote == '`') {
      int end = closing(start, quote);
      if (end < 0) {
        throw malformed(file, line, "opens a quote that is never closed");
      }
      int rest = blanks(end + 1);
      if (rest < chars.length && chars[rest] != '\n' && chars[rest] != '\r' && chars[rest] != '#') {
        throw malformed(file, line, "goes on after the closing quote");
      }
      places.put(name, new Place(start, end + 1, quote));
      return afterLine(rest);
    }
    int end = start;
    while (end < chars.length && chars[end] != '\n' && chars[end] != '\r' && chars[end] != '#') {
      end++;
    }
    int next = afterLine(end);
    while (end > start && isBlank(chars[end - 1])) {
      end--;
    }
    places.put(name, new Place(start, end, NO_QUOTE));
    return next;
  }

  private int closing(int start, char quote) {
    for (int i = start + 1; i < chars.length; i++) {
      if (chars[i] == quote && chars[i - 1] != '\\') {
        return i;
      }
    }
    return -1;
  }

  private int name(int from) {
    int at = from;
    while (at < chars.length
        && (Character.isLetterOrDigit(chars[at]) || "_.-".indexOf(chars[at]) >= 0)) {
      at++;
    }
    return at;
  }

  private int blanks(int from) {
    int at = from;
    while (at < chars.length && isBlank(chars[at])) {
      at++;
    }
    return at;
  }

  private static boolean isBlank(char one) {
    return one == ' ' || one == '\t';
  }

  private int afterLine(int from) {
    int at = from;
    while (at < chars.length && chars[at] != '\n') {
      at++;
    }
    return Math.min(chars.length, at + 1);
  }

  private static SecretException malformed(String file, int line, String problem) {
    return new SecretException(
        SecretException.UNEXPECTED,
        FailureKind.PERMANENT,
        file + ": line " + line + " " + problem,
        file,
        "Correct the line; nothing of the file was taken.",
        null);
  }

  @Override
  public void close() {
    Arrays.fill(chars, '\0');
  }
}
