package com.thorbis.backup.postgres.dump;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.postgres.dump.DatabaseSession.Sum;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class ScriptLoadTest {
  private static final String START = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n";
  private static final String END = "\n--\n-- dump complete\n--\n\n\\unrestrict abc\n\n";

  @Test
  void theCommitOfAScriptIsHeldBackAndNothingElse() throws IOException {
    for (int length : new int[] {0, 1, 1000, 65_000, 65_536, 200_000}) {
      String script =
          START + "BEGIN;\nCOPY a FROM stdin;\nCOMMIT;\n" + "x".repeat(length) + "\n\\.\n";
      ByteArrayOutputStream passed = new ByteArrayOutputStream();
      assertThat(ScriptLoad.passOpen(in(script + "\nCOMMIT;\n" + END), passed))
          .hasValue("\\unrestrict abc\n");
      assertThat(passed.toString(StandardCharsets.UTF_8)).isEqualTo(script + "\n");
    }
  }

  @Test
  void aScriptThatBreaksOffIsNoWholeOne() throws IOException {
    for (String script :
        new String[] {
          "",
          START + "BEGIN;\nSELECT 1;\n",
          START + "BEGIN;\n\nCOMMIT;\n\n-- dump complete\n",
          START + "BEGIN;\nCOPY a FROM stdin;\n\nCOMMIT;\nrow\n" + END
        }) {
      assertThat(ScriptLoad.passOpen(in(script), new ByteArrayOutputStream())).isEmpty();
    }
  }

  @Test
  void aScriptThatRestrictsNothingIsRefusedBeforeAnythingIsPassedOn() {
    String script = "--\n-- dump\n--\n\nBEGIN;\nSELECT 1;\n\nCOMMIT;\n\n-- dump complete\n";
    ByteArrayOutputStream passed = new ByteArrayOutputStream();
    assertThatThrownBy(() -> ScriptLoad.passOpen(in(script), passed))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("tools.too-old"));
    assertThat(passed.size()).isZero();
  }

  @Test
  void aMessageThatIsNoWholeRowOrEndsTheRowsIsNone() {
    for (String row : new String[] {"\n", "a\tb\n", "\\\\.\n", "\\.\tb\n", "\\N\n"}) {
      assertThat(DatabaseSession.isRow(row.getBytes(StandardCharsets.UTF_8))).as(row).isTrue();
    }
    for (String row :
        new String[] {"", "a", "\\.\n", "\\.\r\n", "a\n\\.\n", "a\n\\.\n\\! id\n", "a\rb\n"}) {
      assertThat(DatabaseSession.isRow(row.getBytes(StandardCharsets.UTF_8))).as(row).isFalse();
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
