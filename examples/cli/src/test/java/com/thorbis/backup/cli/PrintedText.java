package com.thorbis.backup.cli;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.InflaterInputStream;

/** What can be read on the pages of a PDF that Chromium made, without blanks between its boxes. */
final class PrintedText {
  private static final Pattern OBJECT = Pattern.compile("(?s)(\\d+) 0 obj\n(.*?)endobj");
  private static final Pattern LENGTH = Pattern.compile("/Length (\\d+)");
  private static final Pattern FONT = Pattern.compile("/(F\\d+) (\\d+) 0 R");
  private static final Pattern SHOWN = Pattern.compile("/(F\\d+) [\\d.]+ Tf|<([0-9A-F]+)> ?");
  private static final Pattern BLOCK =
      Pattern.compile("(?s)beginbf(char|range)(.*?)endbf(?:char|range)");
  private static final Pattern CODES =
      Pattern.compile("<([0-9A-F]+)> <([0-9A-F]+)>(?: <([0-9A-F]+)>)?");

  private final Map<Integer, String> objects = new HashMap<>();

  private PrintedText(String print) {
    Matcher object = OBJECT.matcher(print);
    while (object.find()) {
      objects.put(Integer.parseInt(object.group(1)), object.group(2));
    }
  }

  /**
   * The text of each page, in order.
   *
   * @param print its bytes, one a character
   */
  static List<String> pages(String print) throws IOException {
    PrintedText text = new PrintedText(print);
    List<String> pages = new ArrayList<>();
    for (int id : text.objects.keySet().stream().sorted().toList()) {
      String object = text.object(id);
      if (Pattern.compile("/Type /Page\\b(?!s)").matcher(object).find()) {
        pages.add(Normalizer.normalize(text.page(object), Normalizer.Form.NFKC));
      }
    }
    return pages;
  }

  private String object(int id) {
    return objects.getOrDefault(id, "");
  }

  private String page(String page) throws IOException {
    Map<String, Map<Integer, String>> fonts = new HashMap<>();
    Matcher font = FONT.matcher(page);
    while (font.find()) {
      fonts.put(font.group(1), letters(object(Integer.parseInt(font.group(2)))));
    }
    StringBuilder text = new StringBuilder();
    Map<Integer, String> letters = Map.of();
    Matcher shown = SHOWN.matcher(stream(reference(page, "Contents")));
    while (shown.find()) {
      if (shown.group(1) != null) {
        letters = fonts.getOrDefault(shown.group(1), Map.of());
        continue;
      }
      String codes = shown.group(2);
      for (int at = 0; at + 4 <= codes.length(); at += 4) {
        text.append(letters.getOrDefault(Integer.parseInt(codes.substring(at, at + 4), 16), "?"));
      }
    }
    return text.toString();
  }

  /** Which letters the codes of a font stand for. */
  private Map<Integer, String> letters(String font) throws IOException {
    Map<Integer, String> letters = new HashMap<>();
    Matcher block = BLOCK.matcher(stream(reference(font, "ToUnicode")));
    while (block.find()) {
      boolean range = block.group(1).equals("range");
      Matcher codes = CODES.matcher(block.group(2));
      while (codes.find()) {
        int from = Integer.parseInt(codes.group(1), 16);
        if (range) {
          int first = Integer.parseInt(codes.group(3), 16);
          for (int code = from; code <= Integer.parseInt(codes.group(2), 16); code++) {
            letters.put(code, Character.toString(first + code - from));
          }
        } else {
          byte[] letter = HexFormat.of().parseHex(codes.group(2));
          letters.put(from, new String(letter, StandardCharsets.UTF_16BE));
        }
      }
    }
    return letters;
  }

  private String reference(String from, String name) {
    Matcher found = Pattern.compile("/" + name + " (\\d+) 0 R").matcher(from);
    return found.find() ? object(Integer.parseInt(found.group(1))) : "";
  }

  private static String stream(String object) throws IOException {
    Matcher length = LENGTH.matcher(object);
    if (!length.find()) {
      return "";
    }
    int begin = object.indexOf("stream\n") + "stream\n".length();
    byte[] bytes =
        object
            .substring(begin, begin + Integer.parseInt(length.group(1)))
            .getBytes(StandardCharsets.ISO_8859_1);
    byte[] plain =
        object.substring(0, begin).contains("/FlateDecode")
            ? new InflaterInputStream(new ByteArrayInputStream(bytes)).readAllBytes()
            : bytes;
    return new String(plain, StandardCharsets.ISO_8859_1);
  }
}
