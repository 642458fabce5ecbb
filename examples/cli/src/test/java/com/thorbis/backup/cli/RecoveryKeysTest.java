package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.crypto.RecoveryPublicKey;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RecoveryKeysTest {
  private static final Pattern SHOWN = Pattern.compile("THORBIS-RECOVERY[-0-9A-Z]+");

  @TempDir Path folder;
  private final ByteArrayOutputStream shown = new ByteArrayOutputStream();

  @Test
  void aKeyIsShownOnceAndTypedBack() throws IOException {
    RecoveryPublicKey key = keys(true, text -> text.toLowerCase(Locale.ROOT)).onTerminal();

    assertThat(key.fingerprint()).hasSize(32);
    assertThat(SHOWN.matcher(shown.toString(StandardCharsets.UTF_8)).results()).hasSize(1);
  }

  @Test
  void whoMistypesIsAskedAgain() throws IOException {
    RecoveryPublicKey key =
        keys(true, text -> "", text -> text.replaceAll("[0-9A-Z]$", "?"), text -> text)
            .onTerminal();

    assertThat(key.fingerprint()).hasSize(32);
    assertThat(shown.toString(StandardCharsets.UTF_8)).contains("no such character");
  }

  @Test
  void aKeyThatNobodyTypesBackIsThrownAway() {
    assertThatThrownBy(() -> keys(true, text -> "a", text -> "b", text -> "c").onTerminal())
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("nothing was created");
    assertThatThrownBy(() -> keys(true).onTerminal()).isInstanceOf(BackupException.class);
  }

  @Test
  void aKeyIsNotShownWhereNobodyLooks() {
    assertThatThrownBy(() -> keys(false, text -> text).onTerminal())
        .hasMessageContaining("there is no terminal");
    assertThat(shown.size()).isZero();
  }

  @Test
  void aFileIsWrittenForItsOwnerAndNeverOverwritten() throws IOException {
    Path file = folder.resolve("key");

    RecoveryPublicKey key = keys(false).toFile(file);

    assertThat(Files.readString(file)).matches(SHOWN.pattern() + "\n");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    assertThat(keys(false).toFile(file)).isEqualTo(key);
    try (var files = Files.list(folder)) {
      assertThat(files).containsExactly(file);
    }

    Files.writeString(file, "something of somebody's");
    assertThatThrownBy(() -> keys(false).toFile(file))
        .hasMessageContaining("exists and is left alone")
        .hasMessageNotContaining("somebody");
    assertThat(file).hasContent("something of somebody's");
  }

  private RecoveryKeys keys(boolean terminal, Answer... answers) {
    shown.reset();
    PrintStream err = new PrintStream(shown, true, StandardCharsets.UTF_8);
    return new RecoveryKeys(
        new Host(
            Map.of(),
            folder,
            folder.toString(),
            new Typist(Arrays.asList(answers).iterator()),
            err,
            err,
            terminal,
            false,
            Optional.empty()));
  }

  /** What somebody types who was shown a key. */
  @FunctionalInterface
  private interface Answer {
    String to(String shown);
  }

  /** Reads what is shown when asked for a line, and types something made of it. */
  @SuppressWarnings("InputStreamSlowMultibyteRead") // it is read by the character
  private final class Typist extends InputStream {
    private final Iterator<Answer> answers;
    private Iterator<Integer> line = List.<Integer>of().iterator();

    Typist(Iterator<Answer> answers) {
      this.answers = answers;
    }

    @Override
    public int read() {
      if (!line.hasNext()) {
        if (!answers.hasNext()) {
          return -1;
        }
        Matcher key = SHOWN.matcher(shown.toString(StandardCharsets.UTF_8));
        assertThat(key.find()).isTrue();
        line = (answers.next().to(key.group()) + "\n").chars().iterator();
      }
      return line.next();
    }
  }
}
