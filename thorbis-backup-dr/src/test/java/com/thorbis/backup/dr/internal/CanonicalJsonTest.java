package com.thorbis.backup.dr.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CanonicalJsonTest {
  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** RFC 8785, 3.2.2.2 and 3.2.3: escapes, and members by their UTF-16 units. */
  @Test
  void writesTheOneForm() {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("\u20ac", "Euro Sign");
    object.put("\r", "\u000f\n\t\b\f\"\\/\u007f");
    object.put("1", List.of(1, -9007199254740991L, true, Map.of()));
    object.put("\ud83d\ude00", "\ud83d\ude00");
    object.put("\ufb33", List.of());
    String form =
        "{\"\\r\":\"\\u000f\\n\\t\\b\\f\\\"\\\\/\u007f\",\"1\":[1,-9007199254740991,true,{}],"
            + "\"\u20ac\":\"Euro Sign\",\"\ud83d\ude00\":\"\ud83d\ude00\",\"\ufb33\":[]}";
    assertThat(new String(CanonicalJson.encode(object), StandardCharsets.UTF_8)).isEqualTo(form);
    assertThat(CanonicalJson.encode(CanonicalJson.parse(bytes(form)))).isEqualTo(bytes(form));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "1",
        "[]",
        "{",
        "{}x",
        "{} ",
        " {}",
        "{}{}",
        "{\"a\":1,\"a\":1}",
        "{\"b\":1,\"a\":1}",
        "{\"a\":null}",
        "{\"a\":1.0}",
        "{\"a\":1e3}",
        "{\"a\":-0}",
        "{\"a\":01}",
        "{\"a\":tru}",
        "{\"a\":9007199254740992}",
        "{\"a\":99999999999999999999}",
        "{\"a\":\"\\u0041\"}",
        "{\"a\":\"\\u000F\"}",
        "{\"a\":\"\\/\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":[1,]}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{'a':1}"
      })
  void readsNothingElse(String text) {
    assertThatThrownBy(() -> CanonicalJson.parse(bytes(text)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void readsNoOtherEncodingAndNothingWithoutEnd() {
    assertThatThrownBy(() -> CanonicalJson.parse("{}".getBytes(StandardCharsets.UTF_16BE)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(
            () -> CanonicalJson.parse(new byte[] {'{', '"', (byte) 0xff, '"', ':', '1', '}'}))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> CanonicalJson.parse(bytes("{\"a\":" + "[".repeat(100_000))))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void whatHasNoOneFormIsNotWritten() {
    Map<String, Object> none = new LinkedHashMap<>();
    none.put("a", null);
    for (Map<String, ?> object :
        List.of(
            none,
            Map.of("a", 1.5),
            Map.of("a", 1L << 53),
            Map.of("a", "\ud800"),
            Map.of("a", 'c'))) {
      assertThatThrownBy(() -> CanonicalJson.encode(object))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }
}
