package com.thorbis.backup.postgres.dump;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.postgres.dump.DatabaseSession.Sum;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class ScriptLoadTest {
  private static final String END = "\n--\n-- dump complete\n--\n\n\\unrestrict abc\n\n";

  @Test
  void theCommitOfAScriptIsHeldBackAndNothingElse() throws IOException {
    for (int length : new int[] {0, 1, 1000, 65_000, 65_536, 200_000}) {
      String script = "BEGIN;\nCOPY a FROM stdin;\nCOMMIT;\n" + "x".repeat(length) + "\n\\.\n";
      ByteArrayOutputStream passed = new ByteArrayOutputStream();
      assertThat(ScriptLoad.pass(in(script + "\nCOMMIT;\n" + END), passed, true)).isTrue();
      assertThat(passed.toString(StandardCharsets.UTF_8)).isEqualTo(script + "\n" + END);
    }
  }

  @Test
  void aScriptThatBreaksOffIsNoWholeOne() throws IOException {
    for (String script :
        new String[] {"", "BEGIN;\nSELECT 1;\n", "BEGIN;\nCOPY a FROM stdin;\n\nCOMMIT;\nrow\n"}) {
      assertThat(ScriptLoad.pass(in(script), new ByteArrayOutputStream(), true)).isFalse();
    }
  }

  @Test
  void whatSeveralSessionsReadOfATableAddsUp() {
    Sum one = sum(3, "ffffffffffffffff0000000000000001");
    Sum other = sum(4, "00000000000000020000000000000003");
    assertThat(Sum.NONE.plus(one)).isEqualTo(one);
    assertThat(one.plus(other)).isEqualTo(sum(7, "00000000000000010000000000000004"));
    Sum unknown = new Sum(OptionalLong.empty(), Optional.empty(), Optional.of("why"));
    assertThat(one.plus(unknown)).isEqualTo(unknown);
  }

  private static Sum sum(long rows, String digest) {
    return new Sum(OptionalLong.of(rows), Optional.of(digest), Optional.empty());
  }

  private static ByteArrayInputStream in(String text) {
    return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
  }
}
