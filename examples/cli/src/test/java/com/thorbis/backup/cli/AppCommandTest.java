package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.cli.CommandRunner.Result;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.eclipse.jgit.api.Git;
import org.eclipse.jgit.lib.Ref;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An application goes into the repository component by component, and parts of it come back. */
class AppCommandTest {
  private static final String MARKER = "planted-5Yt7wB";
  private static final String TOKEN = "planted-token-Nq41";
  private static final String LARGE =
      "d0607f7ad2628b2af9158dfba06ce87166e66b15bf68f8f358f9aa27ccb7c321"; // SHA-256 of "film"
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
          places:
            - { name: app, kind: env-file, path: FILES/app.env }
        shop:
          type: nextjs
          source: { repository: FILES/work, tree: true }
          configuration:
            env: { kind: env-file, path: FILES/app.env, secrets: tokens/app }
            web-server: { kind: files, paths: FILES/etc }
          artifacts: { folder: FILES/work, include: "dist/**", lock-files: package-lock.json }
          deployment:
            kind: vercel
            project: shop
            address: %s
            token: ${env:VERCEL_TOKEN}
            attempts: 1
          files: tokens
      """;

  @TempDir Path folder;
  private final List<String> said = new ArrayList<>();
  private final Map<String, String> refs = new TreeMap<>();
  private CommandRunner runner;
  private HttpServer vercel;
  private volatile int status = 200;
  private Path files;
  private Path work;

  @BeforeEach
  void init() throws Exception {
    vercel = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    vercel.createContext(
        "/v9/projects/shop",
        exchange -> {
          try (exchange) {
            byte[] body =
                ("{\"id\":\"prj_1\",\"env\":[{\"value\":\""
                        + MARKER
                        + "\"}],\"targets\":{\"production\":{\"id\":\"dpl_1\",\"url\":\"shop-1.example\","
                        + "\"readyState\":\"READY\",\"alias\":[\"shop.example\"],\"meta\":"
                        + "{\"githubCommitSha\":\"c0ffee\",\"other\":\""
                        + MARKER
                        + "\"}}}}")
                    .getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
          }
        });
    vercel.createContext(
        "/v3/deployments/dpl_1/events",
        exchange -> {
          try (exchange) {
            byte[] body =
                ("[{\"type\":\"stdout\",\"created\":1700000000000,\"text\":\"" + MARKER + "\"}]")
                    .getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
          }
        });
    vercel.start();
    files = Files.createDirectory(folder.resolve("files"));
    Files.writeString(files.resolve("app.env"), "API_KEY=" + MARKER + "\nOTHER=" + MARKER + "2\n");
    Files.createDirectories(files.resolve("etc/conf.d"));
    Files.writeString(files.resolve("etc/conf.d/site.conf"), "listen 80;\n");
    work = files.resolve("work");
    try (Git git = Git.init().setDirectory(work.toFile()).setInitialBranch("main").call()) {
      Files.writeString(work.resolve("page.js"), "page\n");
      Files.writeString(work.resolve(".gitignore"), "dist\n");
      Files.writeString(work.resolve(".env"), "LOCAL=1\n");
      Files.writeString(work.resolve("package-lock.json"), "{}\n");
      Files.writeString(
          work.resolve("film.bin"),
          "version https://git-lfs.github.com/spec/v1\noid sha256:" + LARGE + "\nsize 4\n");
      Path large =
          work.resolve(".git/lfs/objects/" + LARGE.substring(0, 2) + "/" + LARGE.substring(2, 4));
      Files.createDirectories(large);
      Files.writeString(large.resolve(LARGE), "film");
      commit(git, "first");
      git.tag().setName("v1").setMessage("release").setSigned(false).call();
      git.branchCreate().setName("feature").call();
    }
    Files.createDirectories(work.resolve("dist/assets"));
    Files.writeString(work.resolve("dist/index.html"), "built\n");
    Files.writeString(work.resolve("dist/assets/copy.html"), "built\n");
    readRefs();
    runner =
        new CommandRunner(folder)
            .with("PASSPHRASE", "correct horse battery staple")
            .with("VERCEL_TOKEN", TOKEN);
    config(
        CONFIG
            .formatted(
                folder.resolve("repo").toUri(), "http://127.0.0.1:" + vercel.getAddress().getPort())
            .replace("FILES", files.toString()));
    run("init", 0);
  }

  private void config(String text) throws IOException {
    Files.writeString(folder.resolve("thorbis.yaml"), text);
  }

  private String config() throws IOException {
    return Files.readString(folder.resolve("thorbis.yaml"));
  }

  private void readRefs() throws IOException {
    refs.clear();
    try (Git git = Git.open(work.toFile())) {
      for (Ref ref : git.getRepository().getRefDatabase().getRefsByPrefix("refs/")) {
        refs.put(ref.getName(), ref.getObjectId().name());
      }
    }
  }

  private static void commit(Git git, String words) throws Exception {
    git.add().addFilepattern(".").call();
    git.commit()
        .setMessage(words)
        .setAuthor("A", "a@example.invalid")
        .setCommitter("A", "a@example.invalid")
        .setSign(false)
        .call();
  }

  @AfterEach
  void nothingTellsAValue() throws IOException {
    vercel.stop(0);
    for (String each : said) {
      assertThat(each).doesNotContain(MARKER, TOKEN);
    }
    int looked = 0;
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        if (!file.startsWith(files)) {
          looked++;
          assertThat(Files.readString(file, StandardCharsets.ISO_8859_1))
              .as("%s", file)
              .doesNotContain(MARKER, TOKEN);
        }
      }
    }
    assertThat(looked).isGreaterThan(3);
    try (Stream<Path> left = Files.walk(folder.resolve("state"))) {
      assertThat(left.map(Path::toString)).noneMatch(path -> path.contains("application-"));
    }
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

  private static JsonNode component(JsonNode backup, String name) {
    for (JsonNode one : backup.get("components")) {
      if (one.get("name").asText().equals(name)) {
        return one;
      }
    }
    throw new AssertionError("No component " + name);
  }

  @Test
  void everyComponentIsInOneBackupLikeAnyOther() throws Exception {
    JsonNode made = json("app backup shop --label first", 0);
    String id = made.get("id").asText();
    assertThat(made.get("status").asText()).as("%s", made).isEqualTo("complete");
    assertThat(made.get("partial").asBoolean()).isFalse();
    for (String name : List.of("source", "configuration", "artifacts", "deployment", "files")) {
      assertThat(component(made, name).get("outcome").asText()).as(name).isEqualTo("completed");
    }
    assertThat(component(made, "source").get("counts").get("refs").asInt()).isEqualTo(3);
    assertThat(component(made, "artifacts").get("counts").get("files").asInt()).isEqualTo(2);
    assertThat(component(made, "artifacts").get("counts").get("contents").asInt()).isEqualTo(1);
    assertThat(json("list tokens", 0).get("items")).hasSize(1);

    assertThat(run("show " + id + " --files", 0).out())
        .contains("application.json", "source/repository.bundle", "source/tree/page.js")
        .doesNotContain("source/tree/.env");
    assertThat(json("verify " + id, 0).get("damaged")).isEmpty();
    run("hold add " + id + " --reason audit", 0);
    assertThat(run("check shop", 0).out()).contains("4 refs", "dpl_1 is live");
    assertThat(run("status shop", 0).out()).contains(id);
    assertThat(run("restore shop --target-dir " + folder.resolve("x"), 4).err())
        .contains("app restore shop");

    JsonNode again = json("app backup shop", 0);
    assertThat(component(again, "source").get("unchangedSince").asText()).isEqualTo(id);
    assertThat(component(again, "artifacts").get("unchangedSince").asText()).isEqualTo(id);
    try (Git git = Git.open(work.toFile())) {
      git.branchCreate().setName("another").call();
    }
    JsonNode third = json("app backup shop", 0);
    assertThat(component(third, "source").get("unchangedSince").isNull()).isTrue();
    assertThat(component(third, "artifacts").get("unchangedSince").isNull()).isFalse();
    assertThat(run("app backup", 0).out()).contains("completed", "as in");
  }

  @Test
  void aCloneFilesAndArtifactsComeBackAndNothingIsOverwritten() throws Exception {
    run("app backup shop", 0);
    Path into = folder.resolve("files/back");
    assertThat(run("app restore shop --into " + into + " --plan", 0).out())
        .contains(
            "repository.git", "bare clone with 3 refs, 1 LFS objects", "restore backup", "dpl_1");
    assertThat(into).doesNotExist();
    JsonNode done = json("app restore shop --into " + into, 0);
    assertThat(done.get("results").toString())
        .contains("3 refs are as in the backup", "push --mirror NEW-ADDRESS");
    Map<String, String> found = new TreeMap<>();
    try (Git git = Git.open(into.resolve("source/repository.git").toFile())) {
      for (Ref ref : git.getRepository().getRefDatabase().getRefsByPrefix("refs/")) {
        found.put(ref.getName(), ref.getObjectId().name());
      }
      assertThat(git.getRepository().getFullBranch()).isEqualTo("refs/heads/main");
    }
    assertThat(found).isEqualTo(refs);
    assertThat(into.resolve("source/repository.bundle")).doesNotExist();
    assertThat(
            into.resolve(
                "source/repository.git/lfs/objects/"
                    + LARGE.substring(0, 2)
                    + "/"
                    + LARGE.substring(2, 4)
                    + "/"
                    + LARGE))
        .hasContent("film");
    assertThat(into.resolve("source/tree/page.js")).hasContent("page\n");
    assertThat(into.resolve("source/tree/.env")).doesNotExist();
    assertThat(into.resolve("artifacts/dist/assets/copy.html")).hasContent("built\n");
    assertThat(into.resolve("configuration/web-server" + files + "/etc/conf.d/site.conf"))
        .hasContent("listen 80;\n");
    assertThat(into.resolve("deployment/build-log.txt"))
        .hasContent("2023-11-14T22:13:20Z stdout " + MARKER + "\n");
    assertThat(into.resolve("configuration/env.json")).content().contains("API_KEY", "tokens");

    assertThat(run("app restore shop --into " + into, 4).err()).contains("not an empty folder");
    Files.writeString(files.resolve("app.env"), "OTHER=x\n");
    JsonNode plan = json("app restore shop --component configuration --plan", 0);
    assertThat(plan.get("steps").toString())
        .contains("secrets restore tokens --into app --secret API_KEY")
        .contains("configuration: env: OTHER");
    run("app restore shop --component configuration", 0);
    assertThat(files.resolve("app.env")).hasContent("OTHER=x\n");
  }

  @Test
  void oneThatFailsStopsNoOtherAndTheBackupIsPartial() throws Exception {
    run("app backup shop", 0);
    status = 403;
    Files.move(work.resolve("dist"), files.resolve("dist-away"));
    JsonNode made = json("app backup shop", 0);
    assertThat(made.get("status").asText()).isEqualTo("completed-with-warning");
    assertThat(made.get("partial").asBoolean()).isTrue();
    assertThat(component(made, "source").get("outcome").asText()).isEqualTo("completed");
    assertThat(component(made, "deployment").get("outcome").asText()).isEqualTo("failed");
    assertThat(component(made, "deployment").get("gaps").get(0).get("code").asText())
        .isEqualTo("application.forbidden");
    assertThat(component(made, "artifacts").get("gaps").get(0).get("code").asText())
        .isEqualTo("application.no-artifacts");
    assertThat(made.get("warnings").toString()).contains("deployment is not in this backup");
    assertThat(
            json("app restore shop --component deployment --plan", 1)
                .get("steps")
                .get(0)
                .get("reason")
                .asText())
        .contains("is not in this backup");
    assertThat(run("app restore shop --component deployment", 1).out())
        .contains("is not in this backup");
    assertThat(run("check shop", 1).out()).contains("the token may not do this");
  }

  @Test
  void eachTypeAsksForWhatItConsistsOf() throws Exception {
    String whole = config();
    String site =
        whole
            .replaceFirst("type: nextjs", "type: static")
            .replaceFirst("(?s) {4}configuration:.*?( {4}artifacts)", "$1")
            .replaceFirst("(?s) {4}deployment:.*?( {4}files)", "$1");
    config(site);
    JsonNode made = json("app backup shop", 0);
    assertThat(made.get("status").asText()).as("%s", made).isEqualTo("complete");
    for (String name : List.of("source", "artifacts", "files")) {
      assertThat(component(made, name).get("outcome").asText()).as(name).isEqualTo("completed");
    }
    config(site.replaceFirst(" +artifacts:.*\n", ""));
    assertThat(run("app backup shop", 2).err()).contains("does not say what its artifacts is");

    config(site.replaceFirst(" {2}shop:", "  service:").replaceFirst("type: static", "type: api"));
    assertThat(run("app backup service", 2).err())
        .contains("does not say what its configuration is");
    config(
        whole
            .replaceFirst(" {2}shop:", "  service:")
            .replaceFirst("type: nextjs", "type: api")
            .replaceFirst("(?s) {4}deployment:.*?( {4}files)", "$1"));
    assertThat(json("app backup service", 0).get("status").asText()).isEqualTo("complete");
  }

  @Test
  void aRecoveryPointHasTheCommitTheConfigurationAndTheSecretsByOneId() throws Exception {
    config(config() + "  all:\n    type: recovery-point\n    members: shop, tokens\n");
    run("app backup shop", 0); // the files of the application are a source that has a backup then
    JsonNode point = json("recovery-point create all", 0);
    String id = point.get("id").asText();
    JsonNode shop = point.get("members").get(0);
    assertThat(shop.get("whole").asBoolean()).as("%s", point).isTrue();
    assertThat(shop.get("facts").get("application.commit").asText())
        .isEqualTo(refs.get("refs/heads/main"));

    try (Git git = Git.open(work.toFile())) {
      Files.writeString(work.resolve("page.js"), "another\n");
      commit(git, "second");
    }
    Files.writeString(files.resolve("etc/conf.d/site.conf"), "listen 81;\n");
    Files.writeString(files.resolve("app.env"), "API_KEY=another\n");
    run("app backup shop", 0);
    run("backup tokens", 0);

    Path into = folder.resolve("files/then");
    List<String> byHand = new ArrayList<>();
    json("recovery-point restore " + id + " --plan --target-dir " + folder.resolve("t"), 0)
        .get("members")
        .forEach(member -> byHand.add(member.get("command").asText()));
    assertThat(byHand).hasSize(2);
    run(byHand.get(0).replace("DIR", into.toString()), 0);
    try (Git git = Git.open(into.resolve("source/repository.git").toFile())) {
      assertThat(git.getRepository().resolve("HEAD").name())
          .isEqualTo(shop.get("facts").get("application.commit").asText());
    }
    assertThat(into.resolve("source/tree/page.js")).hasContent("page\n");
    assertThat(into.resolve("configuration/web-server" + files + "/etc/conf.d/site.conf"))
        .hasContent("listen 80;\n");
    Files.delete(files.resolve("app.env"));
    run(byHand.get(1).replace("PLACE", "app"), 0);
    assertThat(files.resolve("app.env")).content().contains("API_KEY=" + MARKER + "\n");
  }

  @Test
  void submodulesComeBackWhereTheyBelong() throws Exception {
    Path lib = files.resolve("lib");
    try (Git git = Git.init().setDirectory(lib.toFile()).setInitialBranch("main").call()) {
      Files.writeString(lib.resolve("code.js"), "code\n");
      commit(git, "code");
    }
    try (Git git = Git.open(work.toFile())) {
      git.submoduleAdd().setPath("lib").setURI("../lib").call().close();
      commit(git, "with a submodule");
    }
    String whole = config();
    assertThat(component(json("app backup shop", 0), "source").get("gaps").get(0).toString())
        .contains("application.submodule-address", "submodules-below");
    config(
        whole.replace(
            "tree: true }",
            "tree: true, submodules-below: "
                + files
                + ", known-hosts: /nowhere, ssh-key: '${env:VERCEL_TOKEN}', credentials: {"
                + " \"git.example:8443\": { user: me, token: '${env:VERCEL_TOKEN}' } } }"));
    JsonNode made = component(json("app backup shop", 0), "source");
    assertThat(made.get("outcome").asText()).isEqualTo("completed");
    assertThat(made.get("counts").get("submoduleRepositories").asInt()).isEqualTo(1);
    Path into = folder.resolve("files/back");
    assertThat(run("app restore shop --component source --into " + into, 0).out())
        .contains("1 submodules are checked out");
    assertThat(into.resolve("source/checkout/lib/code.js")).hasContent("code\n");
    try (Git git = Git.open(into.resolve("source/checkout/lib").toFile())) {
      assertThat(git.getRepository().getConfig().getString("remote", "origin", "url"))
          .isEqualTo(lib.toString());
    }
    config(config().replace("user: me,", "usr: me,"));
    assertThat(component(json("app backup shop", 0), "source").get("gaps").get(0).toString())
        .contains("credentials.git.example:8443.usr");
  }

  @Test
  void oneThatCannotBeOpenedStopsNoOtherFromBeingRestored() throws Exception {
    run("app backup shop", 0);
    config(config().replace("repository: " + work, "repository: ftp://example.org/shop"));
    Path into = folder.resolve("files/back");
    assertThat(run("app restore shop --into " + into, 1).out())
        .contains("source", "cannot be restored now", "ssh-key and known-hosts");
    assertThat(into.resolve("artifacts/dist/assets/copy.html")).hasContent("built\n");
  }

  @Test
  void ifAllFailThereIsNoBackup() throws Exception {
    status = 500;
    config(
        config()
            .replaceFirst("source: \\{[^}]*}", "source: { repository: /nowhere/at/all }")
            .replaceFirst("configuration:\n.*\n.*\n", "configuration: none\n")
            .replaceFirst("artifacts: \\{[^}]*}", "artifacts: none")
            .replaceFirst("files: tokens", "files: none"));
    JsonNode error = json("app backup shop", 1).get("error");
    assertThat(error.get("code").asText()).isEqualTo("application.nothing-read");
    assertThat(error.get("details").get("source").asText()).isEqualTo("application.no-such-place");
    assertThat(json("list shop", 0).get("items")).isEmpty();
  }

  @Test
  void forgettingAComponentIsAnErrorAndSayingNoneIsNot() throws Exception {
    String whole = config();
    config(whole.replaceFirst("files: tokens", ""));
    assertThat(run("app backup shop", 2).err())
        .contains("does not say what its files is", "files: none");
    config(whole.replaceFirst("files: tokens", "files: none"));
    assertThat(component(json("app backup shop", 0), "files").get("outcome").asText())
        .isEqualTo("skipped");
    config(whole.replaceFirst("type: nextjs", "type: nextj"));
    assertThat(run("app backup shop", 2).err()).contains("nextj");
    config(whole.replaceFirst("include:", "inclde:"));
    JsonNode made = json("app backup shop", 0);
    assertThat(component(made, "artifacts").get("gaps").get(0).get("code").asText())
        .isEqualTo("configuration.invalid");
    config(whole.replaceFirst("kind: files", "kind: file"));
    assertThat(run("app backup shop", 2).err()).contains("Did you mean files?");
    config(whole);
    assertThat(run("app backup shopp", 5).err()).contains("\"shopp\"");
    assertThat(run("app restore shop --component sauce", 2).err())
        .contains("no component \"sauce\"");
    assertThat(run("app restore shop --mode all", 2).err()).contains("create-missing");
  }
}
