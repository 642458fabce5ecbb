package com.thorbis.backup.postgres.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ClientToolsTest {
  private static final String MARKER = "pl:an\\ted";
  private static final Set<Tool> DUMP = EnumSet.of(Tool.PG_DUMP);

  @TempDir Path root;

  @Test
  void takesTheOldestThatIsNotOlderThanTheServer() throws IOException {
    for (int major : new int[] {14, 16, 18}) {
      program(installed(major), Tool.PG_DUMP, major + ".3", "true");
    }
    assertThat(found(14).version()).isEqualTo("14.3");
    assertThat(found(15).folder()).isEqualTo(installed(16));
    assertThat(found(17).major()).isEqualTo(18);
    assertThatThrownBy(() -> found(19))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("tools.too-old");
              assertThat(e.kind()).isEqualTo(FailureKind.CONFIGURATION);
              assertThat(e.getMessage())
                  .contains("pg_dump of PostgreSQL 19", "18.3 in " + installed(18));
              assertThat(e.remedy()).contains("client-tools-directory");
            });
  }

  @Test
  void looksAlongThePathAndPassesOverDebiansWrapper() throws IOException {
    Path onPath = root.resolve("usr-bin");
    Path wrapper = root.resolve("share").resolve("pg_wrapper");
    program(wrapper.getParent(), Tool.PG_DUMP, "15.1", "true");
    Files.move(wrapper.resolveSibling("pg_dump"), wrapper);
    Files.createDirectories(onPath);
    Files.createSymbolicLink(onPath.resolve("pg_dump"), wrapper);
    assertThatThrownBy(() -> found(15, onPath))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("tools.missing");
              assertThat(e.getMessage()).contains("No pg_dump in", onPath.toString());
              assertThat(e.remedy()).contains("postgresql-client-15");
            });
    Path other = root.resolve("opt");
    program(other, Tool.PG_DUMP, "15.2", "true");
    assertThat(found(15, onPath, other).folder()).isEqualTo(other);
  }

  @Test
  void aConfiguredFolderIsTheOnlyPlaceAndHasToHaveAllOfThem() throws IOException {
    Path configured = root.resolve("mine");
    program(configured, Tool.PG_DUMP, "15.1", "true");
    program(installed(15), Tool.PG_DUMP, "15.1", "true");
    program(installed(15), Tool.PSQL, "15.1", "true");
    assertThatThrownBy(
            () ->
                ClientTools.find(
                    Optional.of(configured),
                    EnumSet.of(Tool.PG_DUMP, Tool.PSQL),
                    15,
                    root,
                    null,
                    root.resolve("installed")))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("tools.missing");
              assertThat(e.getMessage())
                  .contains("pg_dump, psql", configured.toString())
                  .doesNotContain("installed");
            });
  }

  @Test
  void runsWithItsConnectionAloneAndThePasswordInAFileThatGoesWithIt() throws IOException {
    program(
        installed(15),
        Tool.PG_DUMP,
        "15.1",
        "printf '%s\\n' \"$@\"; env; stat -c %a \"$PGPASSFILE\"; cat \"$PGPASSFILE\"");
    PostgresSettings settings =
        settings("jdbc:postgresql://127.0.0.1:6543/x?sslmode=require", "password", MARKER);
    List<String> lines;
    try (ToolRun run =
        found(15)
            .start(
                Tool.PG_DUMP,
                ToolConnection.of(settings, "an 'odd' = \\name"),
                List.of("--format=custom"),
                new Cancellation())) {
      run.input().close();
      lines = new String(run.output().readAllBytes(), StandardCharsets.UTF_8).lines().toList();
      assertThat(run.finish()).isEmpty();
    }
    assertThat(lines)
        .startsWith("--no-password", "--format=custom")
        .contains(
            "PGHOST=127.0.0.1",
            "PGPORT=6543",
            "PGUSER=backup",
            "PGDATABASE=an 'odd' = \\name",
            "PGSSLMODE=require",
            "PGCHANNELBINDING=prefer",
            "PGGSSENCMODE=disable",
            "LC_ALL=C",
            "600",
            "*:*:*:*:pl\\:an\\\\ted")
        .noneMatch(line -> line.startsWith("PATH=") && line.equals("PATH=" + System.getenv("PATH")))
        .noneMatch(line -> line.startsWith("PGREQUIREAUTH"))
        .noneMatch(line -> line.startsWith("PGPASSWORD"));
    assertThat(ToolConnection.of(settings, "an 'odd' = \\name").databaseArgument())
        .isEqualTo("dbname='an \\'odd\\' = \\\\name'");
    assertThat(left()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "jdbc:postgresql:x?host=/run/pg, disable",
    "jdbc:postgresql://127.0.0.1/x, prefer",
    "jdbc:postgresql://db1.invalid/x, verify-full",
    "jdbc:postgresql://127.0.0.1/x?sslmode=verify-ca, verify-ca"
  })
  void trustsWhomOurOwnConnectionsTrust(String url, String mode) throws IOException {
    program(installed(16), Tool.PG_DUMP, "16.1", "env; cat ${PGSSLROOTCERT:-/dev/null}");
    try (ToolRun run = started(16, settings(url))) {
      String said = new String(run.output().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(said).contains("PGSSLMODE=" + mode + "\n", "PGREQUIREAUTH=");
      assertThat(said.contains("-----BEGIN CERTIFICATE-----")).isEqualTo(mode.startsWith("verify"));
      run.finish();
    }
    assertThat(left()).isEmpty();
  }

  @Test
  void refusesWhatItCannotTellAProgramInSecret() throws IOException {
    program(installed(15), Tool.PG_DUMP, "15.1", "true");
    assertThatThrownBy(
            () ->
                started(
                    15,
                    settings("jdbc:postgresql://127.0.0.1/x", "tls-key-password", "opens-the-key")))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("tools.tls-key-password"));
    assertThatThrownBy(
            () -> started(15, settings("jdbc:postgresql://127.0.0.1/x", "password", "ends\n")))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("tools.password");
              assertThat(e.getMessage()).doesNotContain("ends");
            });
    assertThatThrownBy(
            () ->
                started(
                    15,
                    settings(
                        "jdbc:postgresql://127.0.0.1/x?sslmode=require&sslnegotiation=direct")))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("tools.too-old"));
    assertThat(left()).isEmpty();
  }

  @Test
  void aFailureHasTheProgramsWordsBoundedAndWithoutSecrets() throws IOException {
    program(
        installed(15),
        Tool.PG_DUMP,
        "15.1",
        "echo 'first words' >&2; echo \"no: ALTER ROLE a PASSWORD 'SCRAM-x''y' "
            + MARKER.replace("\\", "\\\\\\\\")
            + " said\" >&2; i=0; while [ $i -lt 4000 ]; do echo \"line $i\" >&2; i=$((i+1)); done;"
            + " echo 'last words' >&2; exit 3");
    try (ToolRun run = started(15, settings("jdbc:postgresql://127.0.0.1/x", "password", MARKER))) {
      assertThatThrownBy(run::finish)
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("tools.failed");
                assertThat(e.getMessage())
                    .startsWith("pg_dump ended with 3: first words")
                    .contains("PASSWORD '********' ******** said")
                    .endsWith("last words")
                    .doesNotContain("SCRAM-x")
                    .doesNotContain(MARKER)
                    .hasSizeLessThan(9000);
              });
    }
    assertThat(left()).isEmpty();
  }

  @Test
  void beingCancelledEndsTheProgram() throws IOException {
    program(installed(15), Tool.PG_DUMP, "15.1", "exec cat");
    Cancellation cancellation = new Cancellation();
    try (ToolRun run =
        found(15)
            .start(
                Tool.PG_DUMP,
                ToolConnection.of(settings("jdbc:postgresql://127.0.0.1/x"), "x"),
                List.of(),
                cancellation)) {
      cancellation.cancel();
      assertThat(run.output().read()).isEqualTo(-1);
      assertThatThrownBy(run::finish)
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.CANCELLED));
    }
    assertThat(left()).isEmpty();
  }

  @Test
  void whatEndedWellIsDoneHoweverLateItWasCancelled() throws IOException {
    program(installed(15), Tool.PG_DUMP, "15.1", "trap 'exit 0' TERM; echo ready; read line");
    Cancellation cancellation = new Cancellation();
    try (ToolRun run =
        found(15)
            .start(
                Tool.PG_DUMP,
                ToolConnection.of(settings("jdbc:postgresql://127.0.0.1/x"), "x"),
                List.of(),
                cancellation)) {
      assertThat(run.output().read()).isEqualTo('r');
      cancellation.cancel();
      assertThat(run.finish()).isEmpty();
    }
  }

  @Test
  void whatAKilledProcessLeftGoesAndWhatAnotherRunHasStays() throws IOException {
    program(installed(15), Tool.PG_DUMP, "15.1", "exec cat");
    Path left = root.resolve("state").resolve("tools").resolve("1-0-0123456789abcdef.private");
    Files.createDirectories(left.getParent());
    Files.writeString(left, "*:*:*:*:secret\n");
    PostgresSettings settings = settings("jdbc:postgresql://127.0.0.1/x", "password", MARKER);
    try (ToolRun first = started(15, settings)) {
      assertThat(left).doesNotExist();
      assertThat(left()).hasSize(1);
      Path used = left().get(0);
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(used)))
          .isEqualTo("rw-------");
      try (ToolRun second = started(15, settings)) {
        assertThat(left()).hasSize(2).contains(used);
        second.input().close();
        second.finish();
      }
      assertThat(left()).containsExactly(used);
      first.input().close();
      first.finish();
    }
    assertThat(left()).isEmpty();
  }

  private ToolRun started(int major, PostgresSettings settings) throws IOException {
    return found(major)
        .start(Tool.PG_DUMP, ToolConnection.of(settings, "x"), List.of(), new Cancellation());
  }

  private ClientTools found(int major, Path... path) throws IOException {
    return ClientTools.find(
        Optional.empty(),
        DUMP,
        major,
        root.resolve("state"),
        String.join(":", List.of(path).stream().map(Path::toString).toList()),
        root.resolve("installed"));
  }

  private Path installed(int major) {
    return root.resolve("installed").resolve(Integer.toString(major)).resolve("bin");
  }

  private PostgresSettings settings(String url, String... pairs) {
    return Sources.settings(root.resolve("state"), url, "backup", pairs);
  }

  private List<Path> left() throws IOException {
    List<Path> found = new ArrayList<>();
    Path folder = root.resolve("state").resolve("tools");
    if (Files.isDirectory(folder)) {
      try (DirectoryStream<Path> each = Files.newDirectoryStream(folder)) {
        each.forEach(found::add);
      }
    }
    return found;
  }

  private static void program(Path folder, Tool tool, String version, String script)
      throws IOException {
    Files.createDirectories(folder);
    Path file = folder.resolve(tool.label());
    Files.writeString(
        file,
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '"
            + tool.label()
            + " (PostgreSQL) "
            + version
            + "'; exit; fi\n"
            + script
            + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }
}
