package com.thorbis.backup.application.app;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.DeflaterOutputStream;
import org.eclipse.jgit.api.Git;
import org.eclipse.jgit.lib.FileMode;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.lib.Ref;
import org.eclipse.jgit.revwalk.RevCommit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole repository is received, checked and bundled, in a form that Git itself reads. */
class GitSourceTest {
  private static final String TOKEN = "planted-token-Jk28";
  private static final Path GIT = Path.of("/usr/bin/git");

  @TempDir Path folder;
  private Path work;
  private Path state;
  private final Map<String, String> refs = new TreeMap<>();

  @BeforeEach
  void repository() throws Exception {
    work = folder.resolve("work");
    state = folder.resolve("state");
    try (Git git = Git.init().setDirectory(work.toFile()).setInitialBranch("main").call()) {
      git.getRepository().getConfig().setBoolean("commit", null, "gpgsign", false);
      Files.writeString(work.resolve("README"), "one\n");
      Files.writeString(work.resolve(".env"), "A=1\n");
      Files.writeString(work.resolve("run.sh"), "#!/bin/sh\n");
      work.resolve("run.sh").toFile().setExecutable(true);
      Files.createDirectories(work.resolve("web/node_modules/x"));
      Files.writeString(work.resolve("web/node_modules/x/index.js"), "x\n");
      Files.writeString(work.resolve("web/page.js"), "page\n");
      Files.writeString(
          work.resolve("photo.bin"),
          "version https://git-lfs.github.com/spec/v1\noid sha256:"
              + "ab".repeat(32)
              + "\nsize 12345\n");
      git.add().addFilepattern(".").call();
      RevCommit first = commit(git, "first");
      git.tag().setName("v1").setMessage("release").setAnnotated(true).setSigned(false).call();
      git.tag().setName("light").setAnnotated(false).setSigned(false).call();
      git.checkout().setCreateBranch(true).setName("feature/a").call();
      Files.writeString(work.resolve("README"), "feature\n");
      git.add().addFilepattern("README").call();
      commit(git, "on a branch");
      git.checkout().setName("main").call();
      git.notesAdd().setObjectId(first).setMessage("a note").call();
      for (Ref ref : git.getRepository().getRefDatabase().getRefsByPrefix("refs/")) {
        refs.put(ref.getName(), ref.getObjectId().name());
      }
    }
    assertThat(refs)
        .containsOnlyKeys(
            "refs/heads/main",
            "refs/heads/feature/a",
            "refs/notes/commits",
            "refs/tags/light",
            "refs/tags/v1");
  }

  private static RevCommit commit(Git git, String words) throws Exception {
    return git.commit()
        .setMessage(words)
        .setAuthor("A", "a@example.invalid")
        .setCommitter("A", "a@example.invalid")
        .setSign(false)
        .call();
  }

  private GitSource.Builder source() {
    return GitSource.builder(work.toString(), state);
  }

  /** No component asks the repository while it reads a source. */
  private static Repository nobody() {
    return (Repository)
        Proxy.newProxyInstance(
            GitSourceTest.class.getClassLoader(),
            new Class<?>[] {Repository.class},
            (proxy, method, arguments) -> {
              throw new IllegalStateException(method.getName());
            });
  }

  private Component.Prepared prepare(GitSource source) throws IOException {
    return source.prepare(nobody(), RunControl.unattended());
  }

  private Path bundle() throws IOException {
    try (Stream<Path> all = Files.walk(state)) {
      return all.filter(file -> file.endsWith("repository.bundle")).findFirst().orElseThrow();
    }
  }

  private void assertNothingLeft() throws IOException {
    if (Files.exists(state)) {
      try (Stream<Path> left = Files.list(state)) {
        assertThat(left).isEmpty();
      }
    }
  }

  private String git(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of(GIT.toString()));
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).directory(folder.toFile()).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(out).isZero();
    return out;
  }

  private static String code(Throwable failure) {
    StringWriter trace = new StringWriter();
    failure.printStackTrace(new PrintWriter(trace));
    assertThat(trace.toString()).doesNotContain(TOKEN);
    return failure instanceof BackupException known ? known.code() : failure.toString();
  }

  @Test
  void gitVerifiesAndClonesTheBundleWithEveryRef() throws Exception {
    assumeTrue(Files.isExecutable(GIT), "there is no git");
    try (GitSource source = source().build();
        Component.Prepared prepared = prepare(source)) {
      Path bundle = bundle();
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(bundle.getParent())))
          .isEqualTo("rwx------");
      assertThat(git("-C", work.toString(), "bundle", "verify", bundle.toString()))
          .contains("complete history");
      git("clone", "-q", "--mirror", bundle.toString(), folder.resolve("mirror").toString());
      Map<String, String> found = new TreeMap<>();
      for (String line :
          git("-C", folder.resolve("mirror").toString(), "for-each-ref").split("\n")) {
        String[] parts = line.split("[ \t]");
        found.put(parts[2], parts[0]);
      }
      assertThat(found).isEqualTo(refs);
      git("clone", "-q", bundle.toString(), folder.resolve("tree").toString());
      assertThat(folder.resolve("tree/README")).hasContent("one\n");
      git("-C", folder.resolve("mirror").toString(), "fsck", "--strict");
      assertThat(prepared.counts()).containsEntry("refs", 5L).containsEntry("lfsObjects", 1L);
      assertThat(prepared.gaps())
          .extracting(Gap::what, Gap::code)
          .containsExactly(
              org.assertj.core.groups.Tuple.tuple("photo.bin", "application.lfs-object"));
    }
    assertNothingLeft();
  }

  @Test
  void aTreeLeavesOutWhatIsBuiltOrPrivate() {
    Globs excluded = Globs.anywhere(GitSource.EXCLUDED);
    assertThat(
            List.of(
                "web/node_modules/x/index.js",
                ".git/config",
                "web/.next/cache/a",
                "dist/index.html",
                "logs/server.log",
                ".env",
                "web/.env.production"))
        .allMatch(excluded::match);
    assertThat(List.of("web/page.js", "README", ".gitignore", "environment", "logs/readme"))
        .noneMatch(excluded::match);
  }

  @Test
  void aBranchThatIsNotThereIsAGapAndTheHistoryIsStored() throws Exception {
    try (GitSource source = source().branch("trunk").build();
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.gaps())
          .extracting(Gap::code)
          .containsExactly("application.no-branch", "application.lfs-object");
      assertThat(prepared.counts()).containsEntry("refs", 5L);
    }
  }

  @Test
  void submodulesAreNamedWithTheirCommitAndWithoutCredentials() throws Exception {
    try (Git git = Git.open(work.toFile())) {
      Files.writeString(
          work.resolve(".gitmodules"),
          "[submodule \"lib\"]\n\tpath = lib\n\turl = https://u:" + TOKEN + "@host.example/lib\n");
      git.add().addFilepattern(".gitmodules").call();
      var cache = git.getRepository().lockDirCache();
      var builder = cache.builder();
      for (int i = 0; i < cache.getEntryCount(); i++) {
        builder.add(cache.getEntry(i));
      }
      var entry = new org.eclipse.jgit.dircache.DirCacheEntry("lib");
      entry.setFileMode(FileMode.GITLINK);
      entry.setObjectId(ObjectId.fromString("12".repeat(20)));
      builder.add(entry);
      builder.commit();
      commit(git, "a submodule");
    }
    try (GitSource source = source().build();
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.gaps()).extracting(Gap::what).contains("lib");
      assertThat(prepared.counts()).containsEntry("submodules", 1L);
      assertThat(prepared.gaps().toString()).doesNotContain(TOKEN);
    }
  }

  @Test
  void aDamagedObjectIsFoundAndNothingIsPrepared() throws Exception {
    Path object;
    try (Git git = Git.open(work.toFile());
        Stream<Path> all = Files.walk(work.resolve(".git/objects"))) {
      String id = git.getRepository().resolve("feature/a:README").name();
      object =
          all.filter(file -> file.toString().endsWith(id.substring(0, 2) + "/" + id.substring(2)))
              .findFirst()
              .orElseThrow();
    }
    object.toFile().setWritable(true);
    try (OutputStream out = new DeflaterOutputStream(Files.newOutputStream(object))) {
      out.write("blob 8\0tampered".getBytes(StandardCharsets.US_ASCII));
    }
    try (GitSource source = source().build()) {
      assertThatThrownBy(() -> prepare(source))
          .satisfies(
              e ->
                  assertThat(code(e))
                      .isIn("application.source-damaged", "application.unavailable"));
      Files.delete(object);
      assertThatThrownBy(() -> prepare(source))
          .satisfies(e -> assertThat(code(e)).isEqualTo("application.unavailable"));
    }
    assertNothingLeft();
  }

  @Test
  void whatIsEmptyOrNotThereIsAFailure() throws Exception {
    Path empty = folder.resolve("empty");
    Git.init().setDirectory(empty.toFile()).call().close();
    try (GitSource source = GitSource.builder(empty.toString(), state).build()) {
      assertThatThrownBy(() -> prepare(source))
          .satisfies(e -> assertThat(code(e)).isEqualTo("application.source-empty"));
    }
    try (GitSource source =
        GitSource.builder(folder.resolve("nowhere").toString(), state).build()) {
      assertThatThrownBy(() -> prepare(source))
          .satisfies(e -> assertThat(code(e)).isEqualTo("application.no-such-place"));
    }
    assertNothingLeft();
  }

  @Test
  void aRunThatIsCancelledSaysSo() throws Exception {
    Cancellation cancellation = new Cancellation();
    cancellation.cancel();
    try (GitSource source = source().build()) {
      assertThatThrownBy(
              () -> source.prepare(nobody(), new RunControl(cancellation, Progress.NONE)))
          .isInstanceOf(BackupException.class);
    }
    assertNothingLeft();
  }

  @Test
  void onlyAddressesThatKeepTheTokenAreTaken() {
    for (String address :
        List.of(
            "http://host.example/a",
            "https://user:pass@host.example/a",
            "host.example:a",
            "ssh://host.example/a",
            "ssh://-oProxyCommand=x@host.example/a",
            "ssh://git@-oProxyCommand=x/a",
            "git@host.example:-a",
            "relative/path",
            "file:///a",
            "ext::sh -c true")) {
      assertThatThrownBy(() -> GitSource.builder(address, state))
          .as(address)
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("configuration.invalid");
                assertThat(e.getMessage()).doesNotContain("user:pass");
              });
    }
  }

  /** Hands the repository out as files, to whoever has the token. */
  private HttpServer serve(List<String> asked, String redirect) throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    String wanted =
        "Basic "
            + Base64.getEncoder().encodeToString(("me:" + TOKEN).getBytes(StandardCharsets.UTF_8));
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            String given = exchange.getRequestHeaders().getFirst("Authorization");
            asked.add(exchange.getRequestURI().getPath() + " " + (given != null));
            if (!redirect.isEmpty()) {
              exchange.getResponseHeaders().set("Location", redirect);
              exchange.sendResponseHeaders(302, -1);
              return;
            }
            if (!wanted.equals(given)) {
              exchange.getResponseHeaders().set("WWW-Authenticate", "Basic realm=\"git\"");
              exchange.sendResponseHeaders(401, -1);
              return;
            }
            Path file =
                work.resolve(".git")
                    .resolve(exchange.getRequestURI().getPath().replaceFirst("^/shop\\.git/", ""));
            if (!Files.isRegularFile(file)) {
              exchange.sendResponseHeaders(404, -1);
              return;
            }
            byte[] bytes = Files.readAllBytes(file);
            exchange.sendResponseHeaders(200, bytes.length == 0 ? -1 : bytes.length);
            exchange.getResponseBody().write(bytes);
          }
        });
    server.start();
    return server;
  }

  private GitSource over(HttpServer server, String token) {
    try (SecretValue value = SecretValue.ofText(token)) {
      return GitSource.builder(
              "http://127.0.0.1:" + server.getAddress().getPort() + "/shop.git", state)
          .token("me", value)
          .build();
    }
  }

  @Test
  void theTokenOpensARepositoryOverHttp() throws Exception {
    assumeTrue(Files.isExecutable(GIT), "there is no git");
    git("-C", work.toString(), "update-server-info");
    List<String> asked = new ArrayList<>();
    HttpServer server = serve(asked, "");
    try (GitSource source = over(server, TOKEN)) {
      try (Component.Prepared prepared = prepare(source)) {
        assertThat(prepared.counts()).containsEntry("refs", 5L);
      }
      assertThat(source.check()).contains("refs").doesNotContain(TOKEN);
      try (GitSource wrong = over(server, "other")) {
        assertThatThrownBy(() -> prepare(wrong))
            .satisfies(e -> assertThat(code(e)).isEqualTo("application.unauthorized"));
      }
    } finally {
      server.stop(0);
    }
    assertThat(asked).anyMatch(call -> call.endsWith(" true"));
    assertNothingLeft();
  }

  @Test
  void theTokenFollowsNoRedirect() throws Exception {
    List<String> there = new ArrayList<>();
    HttpServer other = serve(there, "");
    HttpServer server =
        serve(
            new ArrayList<>(),
            "http://127.0.0.1:" + other.getAddress().getPort() + "/shop.git/info/refs");
    try (GitSource source = over(server, TOKEN)) {
      assertThatThrownBy(() -> prepare(source))
          .satisfies(e -> assertThat(code(e)).startsWith("application."));
      assertThat(there).isEmpty();
    } finally {
      server.stop(0);
      other.stop(0);
    }
  }
}
