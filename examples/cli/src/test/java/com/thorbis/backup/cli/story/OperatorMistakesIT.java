package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a tired operator gets wrong, and what a hostile disk does: each answer names the thing and
 * the way out, nothing is lost, and no secret is ever written down. The damage comes last.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class OperatorMistakesIT {
  /** Of each kind; all of them before a release. */
  private static final int OBJECTS = Boolean.getBoolean("thorbis.release") ? Integer.MAX_VALUE : 4;

  private static final String PASSWORD = "pLanted-Password-7";
  private static final String PASSPHRASE = "correct horse battery staple";

  private Path folder;
  private PostgresServer server;
  private Story story;
  private String config;

  @BeforeAll
  void backUp(@TempDir Path shared) throws Exception {
    folder = shared;
    server =
        PostgresServer.builder(PostgresBinaries.with("pgbench"))
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .start();
    server.execute(
        "postgres",
        "CREATE DATABASE bench",
        "CREATE ROLE keeper LOGIN REPLICATION PASSWORD '" + PASSWORD + "'",
        "CREATE ROLE guest LOGIN PASSWORD '" + PASSWORD + "'");
    Path hba = server.configDirectory().resolve("pg_hba.conf");
    Files.writeString(
        hba,
        "host all keeper,guest 127.0.0.1/32 scram-sha-256\n"
            + "host replication keeper,guest 127.0.0.1/32 scram-sha-256\n"
            + Files.readString(hba));
    server.reload();
    story = new Story(folder, server, "");
    config =
        Files.readString(folder.resolve("thorbis.yaml"))
            .replace("user: postgres", "user: keeper\n    password: ${env:KEEPER_PASSWORD}");
    use(config);
    story = story.with("KEEPER_PASSWORD", PASSWORD);
    story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
    story.command.json("backup", "main");
    server.execute("bench", "CREATE TABLE late (id int)");
  }

  @AfterAll
  void stop() throws Exception {
    server.close();
  }

  @Test
  @Order(1)
  void aWrongPasswordIsSaidAndNotRepeated() throws Exception {
    Command.Result result =
        story.with("KEEPER_PASSWORD", "Wrong-" + PASSWORD).command.run("--json", "backup", "main");
    assertThat(result.exit()).isEqualTo(1);
    assertThat(result.errorCode()).isEqualTo("postgres.authentication");
    assertThat(result.out()).contains("keeper").doesNotContain(PASSWORD);
  }

  @Test
  @Order(1)
  void aMissingPrivilegeNamesTheStatementThatGivesIt() throws Exception {
    use(config.replace("user: keeper", "user: guest"));
    try {
      Command.Result result = story.command.run("--json", "backup", "main");
      assertThat(result.exit()).isEqualTo(1);
      assertThat(result.errorCode()).isEqualTo("postgres.privilege");
      assertThat(result.out()).contains("ALTER ROLE").contains("guest").contains("REPLICATION");
    } finally {
      use(config);
    }
  }

  @Test
  @Order(1)
  void w10AnotherClusterUnderTheSameNameIsRefused() throws Exception {
    try (PostgresServer other =
        PostgresServer.builder(server.binaries()).dataDirectory(folder.resolve("other")).start()) {
      other.execute("postgres", "CREATE DATABASE bench");
      use(
          config
              .replace(":" + server.port() + "/", ":" + other.port() + "/")
              .replace("user: keeper", "user: postgres"));
      Command.Result result = story.command.run("--json", "backup", "main");
      assertThat(result.exit()).isEqualTo(4);
      assertThat(result.errorCode()).isEqualTo("source.identity-mismatch");
      assertThat(result.out())
          .contains(Story.query(server, "SELECT system_identifier FROM pg_control_system()"))
          .contains(Story.query(other, "SELECT system_identifier FROM pg_control_system()"));
    } finally {
      use(config);
    }
  }

  @Test
  @Order(1)
  void w18w19ATargetOutOfReachNamesTheNearestMoment() throws Exception {
    for (String[] target :
        new String[][] {
          {"--to-time", "2001-01-01T00:00:00Z"},
          {"--to-time", "2099-01-01T00:00:00Z"},
          {"--to-lsn", "FFFF/0"},
          {"--to-name", "never made"},
          {"--to-xid", "4000000000"}
        }) {
      Path empty = folder.resolve("unreachable");
      Command.Result result =
          story.command.run(
              "--json", "restore", "main", "--target-dir", empty.toString(), target[0], target[1]);
      assertThat(result.exit()).as(result.toString()).isEqualTo(4);
      assertThat(result.errorCode()).isEqualTo("restore.unreachable");
      assertThat(result.json().at("/error/details/nearest").asText()).isNotBlank();
      assertThat(empty).doesNotExist();
    }
  }

  @Test
  @Order(1)
  void w20ATimeWithoutAnOffsetIsRefused() throws Exception {
    Command.Result result =
        story.command.run(
            "restore",
            "main",
            "--target-dir",
            folder.resolve("x").toString(),
            "--to-time",
            "2026-01-01 00:00:00");
    assertThat(result.exit()).isEqualTo(2);
    assertThat(result.err()).contains("offset");
  }

  @Test
  @Order(1)
  void aFolderWithSomethingInItIsRefusedWhateverIsGiven() throws Exception {
    Path full = Files.createDirectories(folder.resolve("full"));
    Files.writeString(full.resolve("precious"), "mine");
    Command.Result result =
        story.command.run("--json", "restore", "main", "--target-dir", full.toString(), "--yes");
    assertThat(result.exit()).as(result.toString()).isEqualTo(4);
    assertThat(full.resolve("precious")).hasContent("mine");
    try (Stream<Path> content = Files.list(full)) {
      assertThat(content).hasSize(1);
    }
  }

  @Test
  @Order(1)
  void anUnknownKeyIsNamedWithASuggestion() throws Exception {
    use(config.replace("ship-interval", "ship-intervall"));
    try {
      Command.Result result = story.command.run("list");
      assertThat(result.exit()).isEqualTo(2);
      assertThat(result.err()).contains("wal.ship-intervall").contains("wal.ship-interval?");
    } finally {
      use(config);
    }
  }

  @Test
  @Order(1)
  void aRepositoryThatIsNotThereSaysInit() throws Exception {
    Files.createDirectory(folder.resolve("nothing"));
    use(config.replace("/repo\n", "/nothing\n"));
    try {
      Command.Result result = story.command.run("--json", "list");
      assertThat(result.exit()).isEqualTo(5);
      assertThat(result.errorCode()).isEqualTo("repository.not-initialised");
      assertThat(result.json().at("/error/remedy").asText()).containsIgnoringCase("init");
    } finally {
      use(config);
    }
  }

  @Test
  @Order(1)
  void aLostPassphraseIsReplacedByTheRecoveryKey() throws Exception {
    Path secret = folder.resolve("passphrase.txt");
    Files.writeString(secret, "something else\n");
    try {
      Command.Result refused = story.command.run("--json", "list");
      assertThat(refused.exit()).isEqualTo(1);
      assertThat(refused.out()).contains("recovery").doesNotContain("something else");
      JsonNode listed =
          story.command.json(
              "--recovery-key-file", folder.resolve("recovery.key").toString(), "list");
      assertThat(listed.path("items")).isNotEmpty();
    } finally {
      Files.writeString(secret, PASSPHRASE + "\n");
    }
  }

  @Test
  @Order(1)
  void aFullDiskEndsTheBackupAndHarmsNothing() throws Exception {
    assumeTrue(
        "root".equals(System.getProperty("user.name")), "Only root can mount a small file system");
    Path small = Files.createDirectory(folder.resolve("small"));
    Story.run(
        List.of("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", small.toString()));
    try {
      use(config.replace("/repo\n", "/small/repo\n").replace("/state\n", "/small-state\n"));
      Files.createDirectory(small.resolve("repo"));
      story.command.json("init", "--recovery-key-file", folder.resolve("small.key").toString());
      Command.Result result = story.command.run("--json", "backup", "main");
      assertThat(result.exit()).as(result.toString()).isEqualTo(1);
      assertThat(result.errorCode()).isEqualTo("storage.full");
      assertThat(story.command.json("list").path("items")).isEmpty();
    } finally {
      use(config);
      Story.run(List.of("umount", small.toString()));
    }
  }

  @Test
  @Order(2)
  void noSecretIsWrittenDownAnywhere() throws Exception {
    story.command.run("--debug", "backup", "main");
    story.command.run("--debug", "restore", "main", "--target-dir", folder.resolve("r").toString());
    String recovery = Files.readString(folder.resolve("recovery.key")).strip();
    List<String> secrets = List.of(PASSWORD, PASSPHRASE, recovery, recovery.substring(20, 40));
    List<Path> known = List.of(folder.resolve("passphrase.txt"), folder.resolve("recovery.key"));
    List<Path> searched = new ArrayList<>();
    for (Path part :
        List.of(
            folder.resolve("repo"),
            folder.resolve("state"),
            folder.resolve("r"),
            folder.resolve("data.log"),
            folder.resolve("thorbis.yaml"))) {
      collect(part, searched);
    }
    searched.addAll(story.command.outputs());
    for (Path file : searched) {
      if (known.contains(file)) {
        continue;
      }
      String content = Files.readString(file, StandardCharsets.ISO_8859_1);
      for (String secret : secrets) {
        assertThat(content.contains(secret)).as("a secret in " + file).isFalse();
      }
    }
    assertThat(searched).hasSizeGreaterThan(100);
  }

  @Test
  @Order(3)
  void everyDamagedObjectIsNamedAndNoneOfItReachesAServer() throws Exception {
    long seed = Long.getLong("thorbis.seed", System.nanoTime());
    System.out.println("OperatorMistakesIT: -Dthorbis.seed=" + seed);
    Random random = new Random(seed);
    List<Path> objects = new ArrayList<>();
    List<Path> tried = new ArrayList<>();
    for (String kind : List.of("packs", "manifests", "wal")) {
      List<Path> all = new ArrayList<>();
      collect(folder.resolve("repo").resolve(kind), all);
      assertThat(all).as(kind).isNotEmpty();
      objects.addAll(all);
      Collections.shuffle(all, random);
      tried.addAll(all.subList(0, Math.min(OBJECTS, all.size())));
    }
    for (Path object : tried) {
      long position = (long) (random.nextDouble() * Files.size(object));
      int bit = 1 << random.nextInt(8);
      flip(object, position, bit);
      try {
        Command.Result result = story.command.run("--json", "verify", "--level", "data");
        String name = folder.resolve("repo").relativize(object).toString();
        assertThat(result.exit()).as(name + " at " + position + ": " + result).isEqualTo(3);
        assertThat(result.json().path("damaged").findValuesAsText("object")).contains(name);
      } finally {
        flip(object, position, bit);
      }
    }
    Path pack =
        objects.stream()
            .filter(object -> object.toString().contains("/packs/"))
            .reduce((first, last) -> last)
            .orElseThrow();
    for (Path each : objects) {
      if (each.toString().contains("/packs/")) {
        flip(each, Files.size(each) / 3, 1);
      }
    }
    Command.Result restored =
        story.command.run(
            "--json", "restore", "main", "--target-dir", folder.resolve("broken").toString());
    assertThat(restored.exit()).as(pack + ": " + restored).isEqualTo(3);
    assertThat(folder.resolve("broken/global/pg_control")).doesNotExist();
  }

  private void use(String text) throws IOException {
    Files.writeString(folder.resolve("thorbis.yaml"), text);
  }

  private static void flip(Path file, long position, int bit) throws IOException {
    try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
      bytes.seek(position);
      int value = bytes.read();
      bytes.seek(position);
      bytes.write(value ^ bit);
    }
  }

  private static void collect(Path tree, List<Path> files) throws IOException {
    try (Stream<Path> all = Files.walk(tree)) {
      all.filter(Files::isRegularFile).sorted().forEach(files::add);
    }
  }
}
