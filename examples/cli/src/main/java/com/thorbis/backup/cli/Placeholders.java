package com.thorbis.backup.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Fills in <code>${env:NAME}</code> and <code>${file:PATH}</code>. <code>$${</code> stands for
 * itself.
 */
final class Placeholders {
  private static final Pattern FORM = Pattern.compile("(\\$?)\\$\\{([^}]*)}");
  private static final int MAX_FILE = 64 << 10;

  private final Map<String, String> environment;
  private final Path folder;

  /**
   * @param folder what a relative path starts from
   */
  Placeholders(Map<String, String> environment, Path folder) {
    this.environment = environment;
    this.folder = folder;
  }

  /** Whether a text takes something from elsewhere. */
  static boolean anyIn(String text) {
    return FORM.matcher(text).results().anyMatch(found -> found.group(1).isEmpty());
  }

  /**
   * The text with everything filled in, in UTF-8. The caller erases it.
   *
   * @throws MissingException if something is not there; its message never holds a value
   */
  byte[] fill(String text) throws MissingException {
    try (Erasable out = new Erasable()) {
      Matcher matcher = FORM.matcher(text);
      int end = 0;
      while (matcher.find()) {
        out.writeBytes(text.substring(end, matcher.start()).getBytes(StandardCharsets.UTF_8));
        end = matcher.end();
        if (!matcher.group(1).isEmpty()) {
          out.writeBytes(matcher.group().substring(1).getBytes(StandardCharsets.UTF_8));
          continue;
        }
        byte[] value = resolve(matcher.group(), matcher.group(2));
        out.writeBytes(value);
        Arrays.fill(value, (byte) 0);
      }
      out.writeBytes(text.substring(end).getBytes(StandardCharsets.UTF_8));
      return out.toByteArray();
    }
  }

  private byte[] resolve(String whole, String reference) throws MissingException {
    int colon = reference.indexOf(':');
    String kind = colon < 0 ? reference : reference.substring(0, colon);
    String name = colon < 0 ? "" : reference.substring(colon + 1);
    return switch (kind) {
      case "env" -> {
        String value = environment.get(name);
        if (value == null) {
          throw new MissingException(
              whole + ": the environment has no " + name, "Set " + name + " and run again.");
        }
        yield value.getBytes(StandardCharsets.UTF_8);
      }
      case "file" -> read(whole, folder.resolve(name));
      case "secret" ->
          throw new MissingException(
              whole + ": there is no secret source to ask", "Use ${env:NAME} or ${file:PATH}.");
      default ->
          throw new MissingException(
              whole + " is neither ${env:NAME} nor ${file:PATH}",
              "Correct it, or write $${ for the characters themselves.");
    };
  }

  private static byte[] read(String whole, Path path) throws MissingException {
    byte[] content;
    try (InputStream in = Files.newInputStream(path)) {
      content = in.readNBytes(MAX_FILE + 1);
    } catch (NoSuchFileException e) {
      throw new MissingException(whole + ": there is no such file", "Create it: " + path);
    } catch (IOException e) {
      throw new MissingException(
          whole + ": cannot be read: " + e, "Let this account read it: " + path);
    }
    int length = content.length;
    if (length > MAX_FILE) {
      Arrays.fill(content, (byte) 0);
      throw new MissingException(
          whole + ": longer than " + MAX_FILE + " bytes", "Name a file that holds one value.");
    }
    if (length > 0 && content[length - 1] == '\n') {
      length--;
      if (length > 0 && content[length - 1] == '\r') {
        length--;
      }
    }
    byte[] value = Arrays.copyOf(content, length);
    Arrays.fill(content, (byte) 0);
    return value;
  }

  /** Something that a placeholder names is not there. */
  static final class MissingException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String remedy;

    MissingException(String message, String remedy) {
      super(message);
      this.remedy = remedy;
    }

    String remedy() {
      return remedy;
    }
  }

  private static final class Erasable extends ByteArrayOutputStream {
    @Override
    public void close() {
      Arrays.fill(buf, (byte) 0);
    }
  }
}
