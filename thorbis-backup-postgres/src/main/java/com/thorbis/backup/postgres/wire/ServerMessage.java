package com.thorbis.backup.postgres.wire;

import java.io.Serializable;

/**
 * An error or a notice (PostgreSQL 55.8). Texts are short and without control characters, whatever
 * was sent.
 *
 * @param severity such as {@code ERROR}, not translated
 * @param sqlState the error code
 * @param message the text
 * @param detail more of it; may be empty
 * @param hint what to do; may be empty
 * @param routine the function of the server that said it, in no language; may be empty
 */
public record ServerMessage(
    String severity, String sqlState, String message, String detail, String hint, String routine)
    implements Serializable {
  private static final int LONGEST = 1000;
  private static final int MOST_FIELDS = 64;

  static ServerMessage read(MessageReader in) throws ProtocolException {
    String severity = "";
    String untranslated = "";
    String state = "";
    String message = "";
    String detail = "";
    String hint = "";
    String routine = "";
    int fields = 0;
    for (int field = in.readByte(); field != 0; field = in.readByte()) {
      if (++fields > MOST_FIELDS) {
        throw new ProtocolException("an error with too many fields");
      }
      String text = clean(in.readText());
      switch (field) {
        case 'S' -> severity = text;
        case 'V' -> untranslated = text;
        case 'C' -> state = text;
        case 'M' -> message = text;
        case 'D' -> detail = text;
        case 'H' -> hint = text;
        case 'R' -> routine = text;
        default -> {
          // Further fields help nobody here.
        }
      }
    }
    return new ServerMessage(
        untranslated.isEmpty() ? severity : untranslated, state, message, detail, hint, routine);
  }

  /** Whether the server closes the connection after it. */
  boolean ends() {
    return severity.equals("FATAL") || severity.equals("PANIC");
  }

  private static String clean(String text) {
    StringBuilder out = new StringBuilder(Math.min(text.length(), LONGEST));
    for (int i = 0; i < text.length() && out.length() < LONGEST; i++) {
      char c = text.charAt(i);
      out.append(Character.isISOControl(c) ? ' ' : c);
    }
    return out.toString();
  }

  @Override
  public String toString() {
    return message
        + (detail.isEmpty() ? "" : " (" + detail + ")")
        + (sqlState.isEmpty() ? "" : " [" + sqlState + "]");
  }
}
