package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.application.secrets.SecretsEngine;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Secrets of files and of a service go into the repository, and come back with a plan. */
class SecretsCommandTest {
  private static final String MARKER = "planted-7Qm2xR";
  private static final String TOKEN = "planted-token-V9k3";
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: keystore:target/keys.p12
              password: ${env:PASSPHRASE}
              alias: main
      sources:
        tokens:
          type: secrets
          retention: short
          places:
            - { name: app, kind: env-file, path: %s }
            - name: vault
              kind: vault-kv2
              dangerously-unencrypted-address: %s
              token: ${env:VAULT_TOKEN}
              attempts: 1
        staging:
          type: secrets
          places:
            - { name: env, kind: env-file, path: %s }
        orders:
          type: postgres
          url: jdbc:postgresql://127.0.0.1:1/orders?sslmode=disable
          user: backup
      retention:
        short: { daily: 2, minimum: 1, most-deleted-percent: 100 }
      prune: { grace: 0s }
      """;

  @TempDir Path folder;
  private final List<String> said = new ArrayList<>();
  private CommandRunner runner;
  private Vault vault;
  private Path env;
  private Path stagingEnv;

  @BeforeEach
  void init() throws IOException {
    vault = new Vault();
    vault.put("db", "{\"password\":\"" + MARKER + "-vault\"}");
    Path files = Files.createDirectory(folder.resolve("files"));
    env = files.resolve("app.env");
    stagingEnv = files.resolve("staging.env");
    Files.writeString(env, "API_KEY=" + MARKER + "-one\nOTHER=" + MARKER + "-two\n");
    runner =
        new CommandRunner(folder)
            .with("PASSPHRASE", "correct horse battery staple")
            .with("VAULT_TOKEN", TOKEN);
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(folder.resolve("repo").toUri(), env, vault.address(), stagingEnv));
    run("init", 0);
  }

  @AfterEach
  void nothingTellsAValue() throws IOException {
    vault.close();
    for (String each : said) {
      assertThat(each).doesNotContain(MARKER, TOKEN);
    }
    int looked = 0;
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        if (!file.startsWith(folder.resolve("files"))) {
          looked++;
          String content = Files.readString(file, StandardCharsets.ISO_8859_1);
          for (String planted : List.of(MARKER, TOKEN)) {
            assertThat(content)
                .as("%s", file)
                .doesNotContain(planted)
                .doesNotContain(
                    Base64.getEncoder()
                        .encodeToString(planted.getBytes(StandardCharsets.UTF_8))
                        .substring(0, 12));
          }
        }
      }
    }
    assertThat(looked).isGreaterThan(5);
  }

  private Result run(String command, int code) {
    Result result = runner.run(command.split(" ", -1));
    said.add(result.out());
    said.add(result.err());
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  private JsonNode json(String command, int code) throws IOException {
    return new ObjectMapper().readTree(run(command + " --json", code).out());
  }

  @Test
  void aSetIsABackupLikeAnyOther() throws IOException {
    JsonNode made = json("secrets backup tokens --label first", 0);
    String id = made.get("id").asText();
    assertThat(made.get("status").asText()).isEqualTo("complete");
    assertThat(made.get("result").asText()).isEqualTo("complete");
    assertThat(made.get("secrets").asInt()).isEqualTo(3);
    assertThat(made.get("sequence").asInt()).isEqualTo(1);
    assertThat(made.get("gaps")).isEmpty();
    assertThat(made.get("startLsn").isNull()).isTrue();
    assertThat(made.get("places").get(1).get("kind").asText()).isEqualTo("vault-kv2");

    JsonNode listed = json("list tokens", 0).get("items").get(0);
    assertThat(listed.get("id").asText()).isEqualTo(id);
    assertThat(listed.get("type").asText()).isEqualTo("full");
    assertThat(listed.get("systemId").isNull()).isTrue();
    assertThat(listed.get("label").asText()).isEqualTo("first");
    assertThat(run("list", 0).out()).contains(id);
    assertThat(json("show " + id + " --files", 0).get("entries")).hasSize(1);
    assertThat(json("verify " + id, 0).get("damaged")).isEmpty();
    assertThat(run("status tokens", 0).out()).contains("no moment between them", id);
    assertThat(json("status tokens", 0).get("sources").get(0).get("windows")).isEmpty();
    assertThat(run("check tokens", 0).out()).contains("lists 2 secrets", "lists 1 secrets");
    run("hold add " + id + " --reason audit", 0);
    assertThat(json("backup tokens", 0).get("status").asText()).isEqualTo("complete");
    run("secrets backup tokens", 0);
    run("secrets backup tokens", 0);
    run("verify", 0);
    run("prune tokens --yes", 0);
    assertThat(run("list tokens", 0).out()).contains(id, "held");
    run("keys rotate", 0);
    run("keys rekey tokens --yes", 0);
    assertThat(run("secrets restore tokens --into app --plan", 0).out())
        .contains("the same value stands there");
  }

  @Test
  void whatNeedsAServerIsRefusedWithTheWayOut() {
    run("secrets backup tokens", 0);
    for (String command :
        List.of(
            "restore tokens --target-dir " + folder.resolve("data"),
            "restore tokens --target-dir " + folder.resolve("data") + " --latest --plan",
            "wal show tokens",
            "wal receive tokens",
            "source adopt tokens")) {
      assertThat(run(command, 4).err())
          .as(command)
          .contains("tokens has no server", "secrets restore tokens --into PLACE");
    }
    assertThat(run("backup tokens --type incremental", 4).err())
        .contains("no incremental backup of it", "Leave the type out");
    assertThat(run("dump tokens", 4).err()).contains("no dump backup of it");
    assertThat(run("check tokens --grants", 0).out()).contains("nothing to grant");
    assertThat(run("secrets backup orders", 2).err()).contains("orders", "right type");
  }

  @Test
  void whatIsMissingIsCreatedAndWhatStandsThereStays() throws IOException {
    run("secrets backup tokens", 0);
    Files.writeString(env, "API_KEY=other\n");
    assertThat(run("secrets restore tokens --into app --plan", 0).out())
        .contains("create-missing", "OTHER", "create", "API_KEY", "keep");
    assertThat(Files.readString(env)).isEqualTo("API_KEY=other\n");

    JsonNode plan = json("secrets restore tokens --into app --plan", 0);
    assertThat(plan.get("steps").get(0).get("action").asText()).isEqualTo("keep");
    assertThat(plan.get("steps").get(0).get("comparison").asText()).isEqualTo("differs");
    assertThat(plan.get("steps").get(1).get("action").asText()).isEqualTo("create");

    JsonNode done = json("secrets restore tokens --into app", 0);
    assertThat(done.get("results").get(0).get("outcome").asText()).isEqualTo("kept");
    assertThat(done.get("results").get(1).get("outcome").asText()).isEqualTo("verified");
    assertThat(Files.readString(env)).contains("API_KEY=other", "OTHER=" + MARKER + "-two");
  }

  @Test
  void aRestoredSecretIsTriedWhereItIsUsed() throws IOException {
    String config = Files.readString(folder.resolve("thorbis.yaml"));
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        config.replaceFirst(
            "(?m)^  staging:\n",
            """
                probes:
                  - { name: OTHER, command: [/usr/bin/grep, -q, two] }
                  - { name: API_KEY, command: /bin/false }
              staging:
            """
                .indent(0)));
    run("secrets backup tokens", 0);
    Files.delete(env);
    JsonNode results = json("secrets restore tokens --into app", 1).get("results");
    assertThat(results.get(0).get("code").asText()).isEqualTo("secrets.does-not-work");
    assertThat(results.get(1).get("outcome").asText()).isEqualTo("works");
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        config.replaceFirst(
            "(?m)^  staging:\n", "    probes:\n      - { name: OTHER }\n  staging:\n"));
    assertThat(run("list", 2).err()).contains("url or with a command");
  }

  @Test
  void overwritingIsAskedForTwice() throws IOException {
    String id = json("secrets backup tokens", 0).get("id").asText();
    vault.put("db", "{\"password\":\"newer\"}");
    assertThat(run("secrets restore tokens --into vault --mode overwrite", 4).err())
        .contains("replace", "nothing was changed", "--yes");
    assertThat(vault.newest("db")).contains("newer");
    JsonNode older = json("secrets restore tokens --into vault --mode overwrite-older", 0);
    assertThat(older.get("results").get(0).get("outcome").asText()).isEqualTo("kept");
    run("secrets restore " + id + " --into vault --mode overwrite --yes", 0);
    assertThat(vault.newest("db")).contains(MARKER + "-vault");
    assertThat(run("secrets restore tokens --into vault --mode sideways", 2).err())
        .contains("create-missing, overwrite-older, overwrite");
  }

  @Test
  void secretsGoToAnotherPlaceOnlyIfItIsSaidFromWhich() throws IOException {
    run("secrets backup tokens", 0);
    assertThat(run("secrets restore tokens --into staging/env", 2).err())
        .contains("place of another source", "from which");
    run("secrets restore tokens --into staging/env --from app --secret OTHER", 0);
    assertThat(Files.readString(stagingEnv))
        .contains("OTHER=" + MARKER + "-two")
        .doesNotContain("API_KEY");
    assertThat(run("secrets restore tokens --into nowhere", 5).err())
        .contains("no place \"nowhere\"", "app, vault");
    assertThat(run("secrets restore staging --into env", 5).err()).contains("no backup of staging");
    assertThat(run("secrets restore tokens", 2).err()).contains("--into");
  }

  @Test
  void gapsAreNamedAndStopNothing() throws IOException {
    vault.closed = true;
    JsonNode made = json("secrets backup tokens", 0);
    assertThat(made.get("status").asText()).isEqualTo("completed-with-warning");
    assertThat(made.get("result").asText()).isEqualTo("completed-with-gaps");
    assertThat(made.get("secrets").asInt()).isEqualTo(2);
    assertThat(made.get("gaps").get(0).get("code").asText()).isEqualTo("secrets.forbidden");
    assertThat(made.get("warnings")).hasSize(1);
    assertThat(made.get("warnings").get(0).asText())
        .isEqualTo("1 place of kind vault-kv2: secrets.forbidden");
    assertThat(run("secrets backup tokens", 0).out())
        .contains("completed-with-gaps", "gap: vault-kv2");
    assertThat(run("check tokens", 1).out()).contains("secrets.place.vault");

    Files.delete(env);
    assertThat(run("secrets backup tokens", 1).err()).contains("none of its places");
    assertThat(json("list tokens", 0).get("items")).hasSize(2);
    run("secrets restore tokens --into app", 0);
    assertThat(Files.readString(env)).contains(MARKER + "-one");
  }

  @Test
  void aSetThatLacksAPlaceDisplacesNoWholeOne() throws IOException {
    String first = json("secrets backup tokens", 0).get("id").asText();
    String whole = json("secrets backup tokens", 0).get("id").asText();
    assertThat(run("check tokens", 0).out()).doesNotContain("lacks at least one place");
    vault.closed = true;
    assertThat(json("secrets backup tokens", 0).get("partial").asBoolean()).isTrue();
    run("secrets backup tokens", 0);
    assertThat(run("check tokens", 1).out()).contains("lacks at least one place");
    run("verify", 0);
    run("prune tokens --yes", 0);
    assertThat(run("list tokens", 0).out()).contains(whole).doesNotContain(first);
    vault.closed = false;
    assertThat(run("secrets restore tokens --into vault --plan", 5).err())
        .contains("could not be read when", "Take backup " + whole);
    run("secrets restore " + whole + " --into vault --plan", 0);
  }

  @Test
  void oneSetThatFailsDoesNotStopTheOthers() throws IOException {
    JsonNode all = json("secrets backup", 1); // staging has no file yet
    assertThat(all.get("items").get(0).get("result").asText()).isEqualTo("complete");
    assertThat(all.get("items").get(1).get("source").asText()).isEqualTo("staging");
    assertThat(all.get("items").get(1).get("error").get("code").asText())
        .isEqualTo("secrets.nothing-read");
    Files.writeString(stagingEnv, "A=b\n");
    assertThat(json("secrets backup", 0).get("items")).hasSize(2);
  }

  @Test
  void afterABreachEverySecretIsListedAndNoneRestored() throws IOException {
    run("secrets backup tokens", 0);
    Files.delete(env);
    assertThat(run("secrets restore tokens --breach", 0).out())
        .contains("Nothing is restored", "API_KEY", "OTHER", "db", "vault-kv2");
    assertThat(env).doesNotExist();
    assertThat(json("secrets restore tokens --breach", 0).get("rotate")).hasSize(3);
    assertThat(json("secrets restore tokens --breach", 0).get("notRead")).isEmpty();
    assertThat(run("secrets restore tokens --breach --into app", 2).err()).contains("--into");
    for (String option :
        List.of("--secret db", "--from app", "--mode create-missing", "--plan", "--yes")) {
      assertThat(run("secrets restore tokens --breach " + option, 2).err())
          .as(option)
          .contains("--breach lists every secret");
    }
    Files.writeString(env, "API_KEY=other\n");
    vault.closed = true;
    run("secrets backup tokens", 0);
    assertThat(run("secrets restore tokens --breach", 0).out())
        .contains("not in this set, look there yourself: vault-kv2", "(secrets.forbidden)");
    JsonNode notRead = json("secrets restore tokens --breach", 0).get("notRead");
    assertThat(notRead).hasSize(1);
    assertThat(notRead.get(0).get("code").asText()).isEqualTo("secrets.forbidden");
  }

  @Test
  void anOlderSetInThePlaceOfTheNewestIsNamed() throws IOException {
    BackupId first = new BackupId(json("secrets backup tokens", 0).get("id").asText());
    Files.writeString(env, "API_KEY=" + MARKER + "-new\n");
    BackupId second = new BackupId(json("secrets backup tokens", 0).get("id").asText());
    try (ThorbisBackup opened = open()) {
      exchange(opened.repository(), first, second);
    }
    JsonNode refused = json("secrets restore tokens --into app --mode overwrite --yes", 4);
    assertThat(refused.get("error").get("code").asText()).isEqualTo("secrets.set-stale");
    assertThat(refused.get("error").get("message").asText())
        .contains("\"tokens\" number 1", "is not the newest: number 2");
    assertThat(Files.readString(env)).isEqualTo("API_KEY=" + MARKER + "-new\n");
    run("secrets restore " + first + " --into app --plan", 0);
    run("secrets restore " + second + " --into app --plan", 0);
    assertThat(run("secrets backup tokens", 0).out()).contains("complete");
    run("secrets restore tokens --into app --plan", 0);
  }

  /** A backup that says it holds the set of one, and holds that of another. */
  private static void exchange(Repository repository, BackupId older, BackupId newer)
      throws IOException {
    BackupFacts facts;
    try (BackupReader reader = repository.open(newer)) {
      facts = reader.facts();
    }
    byte[] set;
    try (BackupReader reader = repository.open(older)) {
      set = reader.read(StoredFile.Area.DATA, "secrets.set").orElseThrow();
    }
    Instant now = Instant.now();
    try (BackupWriter writer =
        repository.begin(new BackupStart("tokens", BackupType.FULL, Optional.empty(), now))) {
      StoredFile file =
          new StoredFile(
              StoredFile.Area.DATA, "secrets.set", StoredFile.Kind.FILE, set.length, 0600, now);
      try (BackupWriter.FileWriter out = writer.file(file, PieceCheck.NONE)) {
        out.write(set, 0, set.length);
        out.finish();
      }
      writer.commit(facts, BackupStatus.COMPLETE);
    }
  }

  @Test
  void onlyWritersMakeSetsAndASetStaysWhenItsWriterGoes() throws IOException {
    String admin = run("keys signing-key admin.key", 0).out().strip();
    String host = run("keys signing-key host.key", 0).out().strip();
    signing("admin.yaml", "admin.key");
    signing("host.yaml", "host.key");
    run("-c admin.yaml keys writers add admin " + admin + " --administrator", 0);
    run("-c admin.yaml keys writers add host " + host, 0);
    String id = json("-c host.yaml secrets backup tokens", 0).get("id").asText();
    assertThat(run("secrets backup tokens", 4).err()).contains("signs nothing");

    run("-c admin.yaml keys writers remove host", 0);
    assertThat(run("-c host.yaml secrets backup tokens", 4).err()).contains("keys writers add");
    Files.delete(env);
    assertThat(json("-c admin.yaml secrets restore tokens --into app", 0).get("backup").asText())
        .isEqualTo(id);
    assertThat(Files.readString(env)).contains(MARKER + "-one");
  }

  private void signing(String file, String key) throws IOException {
    Files.writeString(
        folder.resolve(file),
        Files.readString(folder.resolve("thorbis.yaml"))
            .replace("  encryption:", "  signing-key: " + key + "\n  encryption:"));
  }

  @Test
  void aRecoveryKeyAloneBringsThemBack() throws IOException {
    Path file = folder.resolve("thorbis.yaml");
    String two =
        Files.readString(file)
            .replace("alias: main", "alias: main\n      - uri: \"recovery:\"")
            .replace("/repo", "/other");
    Files.writeString(file, two);
    run("init --recovery-key-file recovery.key", 0);
    run("secrets backup tokens", 0);
    Files.delete(env);
    runner = new CommandRunner(folder); // neither passphrase nor token
    run("--recovery-key-file recovery.key secrets restore tokens --into app", 0);
    assertThat(Files.readString(env)).contains(MARKER + "-one", MARKER + "-two");
  }

  @Test
  void aHostThatOpensNothingStoresSetsThatAnotherAdopts() throws IOException {
    String admin = run("keys signing-key admin.key", 0).out().strip();
    String host = run("keys signing-key host.key", 0).out().strip();
    signing("thorbis.yaml", "admin.key");
    Path file = folder.resolve("thorbis.yaml");
    String open = Files.readString(file).replace("/repo", "/other");
    String unnamed = open.replace("alias: main", "alias: main\n      - uri: \"recovery:\"");
    Files.writeString(file, unnamed);
    run("init --recovery-key-file recovery.key", 0);
    Files.writeString(
        file,
        unnamed.replace(
            "\"recovery:\"", "\"recovery:\"\n        key-file: " + folder.resolve("recovery.key")));
    run("keys writers add admin " + admin + " --administrator", 0);
    run("keys writers add host " + host, 0);
    run("keys sealed-writer host host.sealed --source tokens", 0);
    Files.writeString(
        folder.resolve("sealed.yaml"),
        open.replace("state-directory: state", "state-directory: sealed-state")
            .replace("signing-key: admin.key", "signing-key: host.key")
            .replaceFirst(
                "(?s)  encryption:.*?sources:",
                "  access: sealed\n  sealed-writer: host.sealed\n  administrators: ["
                    + admin
                    + "]\nsources:"));
    String id = json("-c sealed.yaml secrets backup tokens", 0).get("id").asText();
    json("-c sealed.yaml secrets backup tokens", 0);
    assertThat(run("-c sealed.yaml secrets set tokens X --place app", 2).err())
        .contains("sealed writer");
    assertThat(run("-c sealed.yaml secrets restore tokens --into app", 4).err())
        .contains("sealed writer");
    assertThat(run("offers adopt", 0).out()).contains("Adopted backup " + id);
    Files.delete(env);
    run("secrets restore tokens --into app", 0);
    assertThat(Files.readString(env)).contains(MARKER + "-one");
    assertThat(json("list tokens", 0).get("items")).hasSize(2);
    run("verify", 0);
  }

  @Test
  void aSetThatCountsNoMoreIsNotFollowed() throws IOException {
    assertThat(json("secrets backup tokens", 0).get("sequence").asInt()).isEqualTo(1);
    assertThat(json("secrets backup tokens", 0).get("sequence").asInt()).isEqualTo(2);
    String third = json("secrets backup tokens", 0).get("id").asText();
    run("prune --backup " + third + " --yes", 0);
    assertThat(json("secrets backup tokens", 0).get("sequence").asInt()).isEqualTo(3);
  }

  @Test
  void aPlaceIsWrittenAsItsKindWantsIt() throws IOException {
    Path file = folder.resolve("thorbis.yaml");
    String whole = Files.readString(file);
    Files.writeString(
        file, whole.replace("kind: env-file, path: " + env, "kind: env-file, pth: x"));
    assertThat(run("secrets backup tokens", 2).err()).contains("sources.tokens.places.app.path");
    Files.writeString(file, whole.replace("attempts: 1", "atempts: 1"));
    assertThat(run("secrets backup tokens", 2).err())
        .contains("Unknown setting sources.tokens.places.vault.atempts", "attempts?");
    Files.writeString(file, whole.replace("kind: vault-kv2", "kind: vault"));
    assertThat(run("secrets backup tokens", 2).err())
        .contains("kind of place \"vault\"", "vault-kv2");
    Files.writeString(file, whole.replace("name: vault", "name: app"));
    assertThat(run("list", 2).err()).contains("given twice");
    Files.writeString(file, whole);
    // A host that has lost the token still lists, verifies and brings back what it can.
    runner.with("VAULT_TOKEN", "");
    run("list", 0);
  }

  @Test
  void anEngineOfAnotherKindIsNotGivenAway() throws IOException {
    try (ThorbisBackup opened = open()) {
      assertThat(opened.engine("tokens", SecretsEngine.class).places())
          .containsExactly("app", "vault");
      assertThat(opened.engine("orders", SourceEngine.class)).isNotNull();
      assertThatThrownBy(() -> opened.engine("orders", SecretsEngine.class))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("source.other-type"));
    }
  }

  private ThorbisBackup open() {
    return Recipients.all(Config.load(folder.resolve("thorbis.yaml"), runner.host(), false))
        .build();
  }

  /** A key-value engine of version 2 at {@code secret/} that knows one token. */
  private static final class Vault implements AutoCloseable {
    private final HttpServer server;
    private final Map<String, List<String>> paths = new TreeMap<>();
    volatile boolean closed;

    Vault() throws IOException {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      server.createContext("/", this::serve);
      server.start();
    }

    String address() {
      return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    synchronized void put(String path, String json) {
      paths.computeIfAbsent(path, key -> new ArrayList<>()).add(json);
    }

    synchronized String newest(String path) {
      List<String> versions = paths.get(path);
      return versions.get(versions.size() - 1);
    }

    private synchronized void serve(HttpExchange exchange) throws IOException {
      try (exchange) {
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        boolean known = TOKEN.equals(exchange.getRequestHeaders().getFirst("X-Vault-Token"));
        String answer =
            closed || !known ? null : answer(exchange.getRequestURI().getPath(), exchange, body);
        byte[] bytes =
            (answer == null ? "{\"errors\":[\"permission denied\"]}" : answer)
                .getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(
            answer == null ? 403 : answer.equals("{\"errors\":[]}") ? 404 : 200, bytes.length);
        exchange.getResponseBody().write(bytes);
      }
    }

    private String answer(String path, HttpExchange exchange, String body) {
      String name = path.substring(path.lastIndexOf('/') + 1);
      List<String> versions = paths.get(name);
      if (name.isEmpty()) {
        return "{\"data\":{\"keys\":[\"" + String.join("\",\"", paths.keySet()) + "\"]}}";
      }
      if (exchange.getRequestMethod().equals("POST")) {
        put(name, body.substring(body.indexOf("\"data\":") + 7, body.length() - 1));
        return "{\"data\":{\"version\":" + paths.get(name).size() + "}}";
      }
      if (versions == null) {
        return "{\"errors\":[]}";
      }
      int newest = versions.size();
      return path.contains("/metadata/")
          ? "{\"data\":{\"current_version\":"
              + newest
              + ",\"versions\":{\""
              + newest
              + "\":"
              + about(newest)
              + "}}}"
          : "{\"data\":{\"data\":"
              + newest(name)
              + ",\"metadata\":"
              + about(newest).replace("}", "")
              + ",\"version\":"
              + newest
              + "}}}";
    }

    private static String about(int version) {
      return "{\"created_time\":\"2026-03-01T10:0"
          + version
          + ":00Z\",\"deletion_time\":\"\",\"destroyed\":false}";
    }

    @Override
    public void close() {
      server.stop(0);
    }
  }
}
