package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code bin/thorbis} itself, which the first run builds. */
class LauncherIT {
  private static Path launcher;

  @TempDir Path folder;

  @BeforeAll
  static void build() throws Exception {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.isRegularFile(root.resolve("bin/thorbis"))) {
      root = root.getParent();
    }
    launcher = root.resolve("bin/thorbis");
    Answer answer = start(root, Map.of(), launcher, "--version");
    assertThat(answer.code()).as(answer.err()).isZero();
  }

  @Test
  void startsFromAnywhereThroughALink() throws Exception {
    Path link = Files.createSymbolicLink(folder.resolve("linked thorbis"), launcher);

    Answer answer = start(folder, Map.of(), link, "--version");

    assertThat(answer.code()).isZero();
    assertThat(answer.out()).matches("thorbis [0-9.]+\\S*\n");
    assertThat(answer.err()).isEmpty();
  }

  @Test
  void tellsTheCommandHowItWasStarted() throws Exception {
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        """
        repository:
          copies:
            - uri: file:///nowhere/at/all
          encryption:
            recipients:
              - uri: passphrase:x
                passphrase: ${env:PASSPHRASE}
        sources:
          orders:
            type: postgres
            url: jdbc:postgresql://127.0.0.1:1/orders
            user: backup
        state-directory: state
        """);

    Answer answer =
        start(
            folder,
            Map.of("PASSPHRASE", "correct horse battery staple"),
            launcher,
            "wal",
            "hook",
            "orders",
            "--restore");

    assertThat(answer.code()).as(answer.err()).isZero();
    assertThat(answer.out())
        .contains(launcher + "'' -c ''" + folder.resolve("thorbis.yaml") + "'' wal get");
  }

  @Test
  void refusesToBuildInWhatItDoesNotKnow() throws Exception {
    Answer answer = start(folder, Map.of("THORBIS_WITH", "aws-kms,aws-kmz"), launcher, "--version");

    assertThat(answer.code()).isEqualTo(1);
    assertThat(answer.err()).contains("aws-kmz").contains("azure-keyvault");
  }

  @Test
  void severalStartAtOnce() throws Exception {
    List<Process> all = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      all.add(new ProcessBuilder(launcher.toString(), "--version").start());
    }
    for (Process each : all) {
      assertThat(each.waitFor(2, TimeUnit.MINUTES)).isTrue();
      assertThat(each.exitValue()).isZero();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "wal get orders x y,0,0",
    "wal get orders x y,81,1",
    "wal get orders x y,1,126",
    "wal get orders x y,2,126",
    "wal get orders x y,126,126",
    "wal get orders x y,143,126",
    "-c file wal get orders x y,81,1",
    "-c wal wal get orders x y,81,1",
    "--config=file --json wal --quiet get orders x y,1,126",
    "--recovery-key-file wal wal get orders x y,2,126",
    "wal show get,81,81",
    "wal push orders get,1,1",
    "list wal get,5,5",
    "backup orders,1,1",
  })
  void onlyProvenAbsenceEndsTheLog(String line, int exit, int expected) throws Exception {
    assertThat(start(folder, fakeJava(exit), launcher, line.split(" ")).code()).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(strings = {"wal get orders x y", "-c missing.yaml wal get orders x y", "wal get"})
  void aRuntimeThatCannotStartIsNotTheEndOfTheLog(String line) throws Exception {
    for (Map<String, String> broken :
        List.of(
            Map.of("JAVA_HOME", folder.toString()),
            Map.of("THORBIS_JAVA_OPTS", "-Xmx1"),
            Map.<String, String>of())) {
      Answer answer = start(folder, broken, launcher, line.split(" "));

      assertThat(answer.code()).isEqualTo(126);
      assertThat(answer.err()).isNotEmpty();
    }
  }

  @Test
  void refusesAnOldRuntime() throws Exception {
    Map<String, String> java = fakeJava(0);
    Files.writeString(folder.resolve("jdk/release"), "JAVA_VERSION=\"11.0.2\"\n");

    Answer answer = start(folder, java, launcher, "list");

    assertThat(answer.code()).isEqualTo(1);
    assertThat(answer.err()).contains("is version 11.0.2").contains("from 17 on");
  }

  private Map<String, String> fakeJava(int exit) throws IOException {
    Path home = folder.resolve("jdk");
    Path java = home.resolve("bin/java");
    Files.createDirectories(java.getParent());
    Files.writeString(home.resolve("release"), "JAVA_VERSION=\"17.0.1\"\n");
    Files.writeString(java, "#!/bin/sh\nexit " + exit + "\n");
    Files.setPosixFilePermissions(java, PosixFilePermissions.fromString("rwx------"));
    return Map.of("JAVA_HOME", home.toString());
  }

  private static Answer start(
      Path in, Map<String, String> environment, Path command, String... args) throws Exception {
    List<String> words = new ArrayList<>();
    words.add(command.toString());
    words.addAll(List.of(args));
    Path out = Files.createTempFile("launcher", ".out");
    Path err = Files.createTempFile("launcher", ".err");
    try {
      ProcessBuilder builder =
          new ProcessBuilder(words)
              .directory(in.toFile())
              .redirectOutput(out.toFile())
              .redirectError(err.toFile());
      builder.environment().remove("THORBIS_CONFIG");
      builder.environment().putAll(environment);
      Process process = builder.start();
      process.getOutputStream().close();
      assertThat(process.waitFor(10, TimeUnit.MINUTES)).isTrue();
      return new Answer(
          process.exitValue(),
          Files.readString(out, StandardCharsets.UTF_8),
          Files.readString(err, StandardCharsets.UTF_8));
    } finally {
      Files.delete(out);
      Files.delete(err);
    }
  }

  private record Answer(int code, String out, String err) {}
}
