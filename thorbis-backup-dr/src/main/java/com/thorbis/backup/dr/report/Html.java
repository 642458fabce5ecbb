package com.thorbis.backup.dr.report;

import java.nio.charset.StandardCharsets;

/** HTML that is built so that no text becomes a tag. Attributes and names are constants. */
final class Html {
  private final StringBuilder out = new StringBuilder();

  /** Markup of ours. */
  Html raw(String markup) {
    out.append(markup);
    return this;
  }

  /** Text of anybody. */
  Html text(String text) {
    out.append(escape(text));
    return this;
  }

  /** A name of anybody's, which may be written in another direction than what stands around it. */
  Html name(String text) {
    return raw("<bdi>").text(text).raw("</bdi>");
  }

  Html element(String tag, String text) {
    return raw("<" + tag + ">").text(text).raw("</" + tag.split(" ", 2)[0] + ">");
  }

  static byte[] bytes(String page) {
    return page.getBytes(StandardCharsets.UTF_8);
  }

  static String escape(String text) {
    StringBuilder safe = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              switch (c) {
                case '&' -> safe.append("&amp;");
                case '<' -> safe.append("&lt;");
                case '>' -> safe.append("&gt;");
                case '"' -> safe.append("&quot;");
                case '\'' -> safe.append("&#39;");
                default -> {
                  // Neither control characters, half ones, nor what turns the text around.
                  boolean odd =
                      c != '\n' && Character.isISOControl(c)
                          || Character.getType(c) == Character.SURROGATE
                          || Character.getType(c) == Character.FORMAT;
                  safe.appendCodePoint(odd ? 0xFFFD : c);
                }
              }
            });
    return safe.toString();
  }

  @Override
  public String toString() {
    return out.toString();
  }
}
