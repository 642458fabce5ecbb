package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EnvFileSecretsTest {
  @TempDir Path folder;
  private Path file;
  private EnvFileSecrets secrets;

  @BeforeEach
  void open() {
    file = folder.resolve(".env");
    secrets = EnvFileSecrets.of(file);
  }

  private Map<String, String> read(String text) throws Exception {
    Files.writeString(file, text);
    Map<String, String> values = new LinkedHashMap<>();
    for (SecretInfo info : secrets.list()) {
      values.put(info.name(), value(info));
    }
    return values;
  }

  private String value(SecretInfo info) throws Exception {
    try (Secret secret = secrets.read(info)) {
      return secret.value().useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8));
    }
  }

  private void write(String name, String text) throws Exception {
    WriteCondition condition =
        Files.exists(file) && secrets.find(name).isPresent()
            ? new WriteCondition.IfVersion(secrets.find(name).orElseThrow().version())
            : new WriteCondition.IfAbsent();
    write(name, text, condition);
  }

  private void write(String name, String text, WriteCondition condition) throws Exception {
    try (SecretValue value = SecretValue.ofText(text)) {
      secrets.write(SecretInfo.of(name, Readability.VALUE), value, condition);
    }
  }

  @Test
  void valuesAreReadAsApplicationsReadThem() throws Exception {
    assertThat(
            read(
                """
                # comment
                PLAIN=abc
                EMPTY=
                  SPACED = a b c   # not part of it
                export EXPORTED=1
                export=itself
                SINGLE='a "b" #c \\n'
                DOUBLE="line\\nbreak 'x' \\t" # comment
                BACK=`a'b"c`
                MULTI="first
                second"
                URL=postgres://u:p@h/d?x=1&y=2
                TWICE=old
                TWICE=new
                LAST=end"""))
        .containsExactly(
            Map.entry("PLAIN", "abc"),
            Map.entry("EMPTY", ""),
            Map.entry("SPACED", "a b c"),
            Map.entry("EXPORTED", "1"),
            Map.entry("export", "itself"),
            Map.entry("SINGLE", "a \"b\" #c \\n"),
            Map.entry("DOUBLE", "line\nbreak 'x' \\t"),
            Map.entry("BACK", "a'b\"c"),
            Map.entry("MULTI", "first\nsecond"),
            Map.entry("URL", "postgres://u:p@h/d?x=1&y=2"),
            Map.entry("TWICE", "new"),
            Map.entry("LAST", "end"));
  }

  @Test
  void windowsLineEndsAndAByteOrderMarkAreNoPartOfIt() throws Exception {
    assertThat(read("\uFEFFA=1\r\nB='2'\r\n"))
        .containsExactly(Map.entry("A", "1"), Map.entry("B", "2"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"A=1\nhunter2\n", "A=1\nB='hunter2\n", "A=1\nB='x' hunter2\n", "A=1\n=hunter2"})
  void aLineThatIsNoneIsNamedAndNotQuoted(String text) throws Exception {
    Files.writeString(file, text);
    assertThatThrownBy(secrets::list)
        .isInstanceOf(SecretException.class)
        .hasMessageContaining("line 2")
        .hasMessageNotContaining("hunter2");
  }

  @Test
  void aWriteLeavesCommentsOrderAndQuotingOfAllElse() throws Exception {
    String text = "# head\nA=1 # one\n\nB=\"two\"\nexport C='three' # c\nB=\"later\"\nD=`x`";
    Files.writeString(file, text);
    write("A", "one");
    write("B", "2");
    write("C", "it's");
    write("E", "new one");
    assertThat(Files.readString(file))
        .isEqualTo(
            "# head\nA=one # one\n\nB=\"two\"\nexport C=\"it's\" # c\nB=\"2\"\nD=`x`\nE='new one'\n");
  }

  @Test
  void whateverIsWrittenReadsBack() throws Exception {
    long seed = new Random().nextLong();
    Random random = new Random(seed);
    String alphabet = "ab1 _-=#$'\"`\\\n\tä€!";
    int refused = 0;
    for (int i = 0; i < 150; i++) {
      StringBuilder text = new StringBuilder();
      for (int length = random.nextInt(8); length > 0; length--) {
        text.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      String name = "N" + random.nextInt(5);
      try {
        write(name, text.toString());
        assertThat(value(secrets.find(name).orElseThrow()))
            .describedAs("seed %d", seed)
            .isEqualTo(text.toString());
      } catch (SecretException e) {
        assertThat(e.code()).isEqualTo(SecretException.REFUSED);
        refused++;
      }
    }
    assertThat(refused).describedAs("seed %d", seed).isBetween(1, 45);
  }

  @Test
  void aNewFileIsForItsOwnerAloneAndAnOldOneKeepsItsPermissions() throws Exception {
    write("A", "1");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    write("A", "2");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-r-----");
    try (var files = Files.list(folder)) {
      assertThat(files).containsExactly(file);
    }
  }

  @Test
  void aFileOfAnotherStaysTheirs() throws Exception {
    Files.writeString(file, "A=1\n");
    UserPrincipal owner =
        file.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName("nobody");
    try {
      Files.setOwner(file, owner);
    } catch (IOException e) {
      // Only root may give files away; everybody else's stay their own.
      owner = Files.getOwner(file);
    }
    write("A", "2");
    assertThat(Files.getOwner(file)).isEqualTo(owner);
    assertThat(Files.readString(file)).isEqualTo("A=2\n");
  }

  @Test
  void whatSomebodyElseWroteIsNotOverwritten() throws Exception {
    Files.writeString(file, "A=1\n");
    String version = secrets.find("A").orElseThrow().version();
    Files.writeString(file, "A=2\n");
    for (WriteCondition condition :
        List.of(new WriteCondition.IfVersion(version), new WriteCondition.IfAbsent())) {
      assertThatThrownBy(() -> write("A", "3", condition))
          .isInstanceOfSatisfying(
              SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.CONFLICT));
    }
    assertThat(Files.readString(file)).isEqualTo("A=2\n");
  }

  @Test
  void aVersionTellsNothingOfAValueToAnotherProcess() throws Exception {
    Files.writeString(file, "A=1\n");
    assertThat(secrets.find("A").orElseThrow().version())
        .isEqualTo(secrets.find("A").orElseThrow().version())
        .isNotEqualTo(EnvFileSecrets.of(file).find("A").orElseThrow().version());
  }

  @Test
  void aFileThatIsNotThereIsNotAnEmptyOne() throws Exception {
    assertThatThrownBy(secrets::list)
        .isInstanceOfSatisfying(
            SecretException.class,
            e -> assertThat(e.code()).isEqualTo(SecretException.NO_SUCH_PLACE));
    Files.writeString(file, "");
    assertThat(secrets.list()).isEmpty();
  }

  @Test
  void itSaysWhatItCannotRead() {
    assertThat(secrets.limits())
        .extracting(Limit::what, Limit::readability)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple(
                "When each variable was written", Readability.NOT_EXPORTABLE));
    assertThat(secrets.conditional()).isFalse();
    assertThat(secrets.refusal(SecretInfo.of("a.b", Readability.VALUE))).isPresent();
    assertThat(
            secrets.refusal(
                SecretInfo.of("A", Readability.VALUE).withFormat(VaultKvSecrets.FORMAT)))
        .isPresent();
  }

  private static void assertCode(
      String code, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(SecretException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void whatCannotBeLookedAtIsNotTakenForMissing() throws Exception {
    Path elsewhere = folder.resolve("elsewhere");
    Path plain = Files.writeString(folder.resolve("plain"), "x");
    Map<Path, Path> links =
        Map.of(
            folder.resolve("loop"), folder.resolve("loop"), folder.resolve("dangling"), elsewhere);
    for (Map.Entry<Path, Path> link : links.entrySet()) {
      Files.createSymbolicLink(link.getKey(), link.getValue());
      secrets = EnvFileSecrets.of(link.getKey());
      assertCode(SecretException.UNAVAILABLE, secrets::list);
      assertCode(SecretException.UNAVAILABLE, () -> write("A", "1", new WriteCondition.IfAbsent()));
      assertThat(Files.readSymbolicLink(link.getKey())).isEqualTo(link.getValue());
    }
    assertThat(elsewhere).doesNotExist();
    secrets = EnvFileSecrets.of(plain.resolve(".env"));
    assertCode(SecretException.UNAVAILABLE, secrets::list);
    assertCode(SecretException.UNAVAILABLE, () -> write("A", "1", new WriteCondition.IfAbsent()));
    assertThat(plain).hasContent("x");
  }

  @Test
  void aLinkToAFileStaysALink() throws Exception {
    Path real = Files.writeString(folder.resolve("real"), "A=1\n");
    Files.createSymbolicLink(file, real);
    write("A", "2");
    assertThat(Files.readSymbolicLink(file)).isEqualTo(real);
    assertThat(real).hasContent("A=2\n");
  }

  @Test
  void whatSomebodyElseWritesMeanwhileIsNotReplaced() throws Exception {
    Disk meanwhile =
        new Disk() {
          @Override
          void force(FileChannel written) throws IOException {
            super.force(written);
            Files.writeString(file, "A=theirs\n");
          }
        };
    secrets = EnvFileSecrets.on(file, meanwhile);
    assertCode(SecretException.CONFLICT, () -> write("A", "1", new WriteCondition.IfAbsent()));
    assertThat(file).hasContent("A=theirs\n");
    Files.writeString(file, "A=1\nB=2\n");
    assertCode(SecretException.CONFLICT, () -> write("A", "3"));
    assertThat(file).hasContent("A=theirs\n");
    try (var files = Files.list(folder)) {
      assertThat(files).containsExactly(file);
    }
  }

  @Test
  void aNameThatMayNotLastIsOfUnknownOutcomeUntilItsFolderIsForced() throws Exception {
    AtomicBoolean broken = new AtomicBoolean(true);
    Disk disk =
        new Disk() {
          @Override
          void forceFolder(Path forced) throws IOException {
            if (broken.get()) {
              throw new IOException("Input/output error");
            }
            super.forceFolder(forced);
          }
        };
    secrets = EnvFileSecrets.on(file, disk);
    assertCode(
        SecretException.OUTCOME_UNKNOWN, () -> write("A", "1", new WriteCondition.IfAbsent()));
    assertThat(file).hasContent("A=1\n");
    assertCode(SecretException.OUTCOME_UNKNOWN, () -> secrets.find("A"));
    broken.set(false);
    assertThat(secrets.find("A")).isPresent();
  }

  @ParameterizedTest
  @ValueSource(strings = {"$(id)", "`id`", "a\"$HOME", "$x`y\""})
  void whatAShellWouldRunIsPutInSingleQuotes(String text) throws Exception {
    Files.writeString(file, "A=\"old\"\nB=`old`\n");
    write("A", text);
    write("B", text);
    write("C", text);
    assertThat(file).hasContent("A='" + text + "'\nB='" + text + "'\nC='" + text + "'\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"it's $(id)", "it's `id`", "'\""})
  void whatNoQuoteHoldsWithoutAShellRunningItIsRefused(String text) throws Exception {
    Files.writeString(file, "A=\"old\"\nB=`old`\n");
    for (String name : List.of("A", "B", "C")) {
      assertCode(SecretException.REFUSED, () -> write(name, text));
    }
    assertThat(file).hasContent("A=\"old\"\nB=`old`\n");
  }

  @Test
  void theTimeOfTheFileIsNotTakenForThatOfAVariable() throws Exception {
    Files.writeString(file, "A=1\n");
    assertThat(secrets.find("A").orElseThrow().updated()).isEmpty();
    try (Secret read = secrets.read(secrets.find("A").orElseThrow())) {
      assertThat(read.info().updated()).isEmpty();
    }
  }
}
