package com.thorbis.backup.application.app;

import static com.thorbis.backup.application.app.Repositories.commit;
import static com.thorbis.backup.application.app.Repositories.modules;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.thorbis.backup.application.app.Repositories.Backup;
import com.thorbis.backup.application.app.Repositories.Service;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.lib.Repository;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Repositories within repositories come along, ask nobody they should not, and come back. */
class SubmodulesTest {
  private static final String TOKEN = "planted-token-Rw63";
  private static final Path GIT = Path.of("/usr/bin/git");
  private static final Map<String, ObjectId> NO_LINKS = Map.of();

  @TempDir Path folder;
  private Path ours;
  private Path theirs;
  private Path state;
  private Service home;
  private Service elsewhere;

  @BeforeEach
  void start() throws IOException {
    ours = Files.createDirectory(folder.resolve("ours"));
    theirs = Files.createDirectory(folder.resolve("theirs"));
    state = folder.resolve("state");
    home = new Service(ours, Optional.of(TOKEN));
    elsewhere = new Service(theirs, Optional.empty());
  }

  @AfterEach
  void stop() throws IOException {
    home.close();
    elsewhere.close();
    if (Files.exists(state)) {
      try (Stream<Path> left = Files.list(state)) {
        assertThat(left).isEmpty();
      }
    }
  }

  private GitSource.Builder shop() {
    try (SecretValue value = SecretValue.ofText(TOKEN)) {
      return GitSource.builder(home.address("shop.git"), state).token("me", value);
    }
  }

  private static Component.Prepared prepare(GitSource source) throws IOException {
    return source.prepare(Repositories.nobody(), RunControl.unattended());
  }

  private String git(Path in, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of(GIT.toString(), "-C", in.toString()));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(out).isZero();
    return out;
  }

  private List<ApplicationRestore.Result> restore(GitSource source, StoredComponent stored)
      throws IOException {
    RestoreWish wish =
        new RestoreWish(Optional.of(folder.resolve("back")), ApplyMode.CREATE_MISSING);
    List<ApplicationRestore.Result> results = new ArrayList<>();
    for (Step step : source.plan(stored, wish)) {
      boolean done = step.work().isPresent();
      String said = done ? step.work().get().run() : step.reason();
      results.add(
          new ApplicationRestore.Result(
              step,
              done ? ApplicationRestore.Done.DONE : ApplicationRestore.Done.BY_HAND,
              "",
              said,
              ""));
    }
    return results;
  }

  @Test
  void nestedOnesComeAlongAndAreCheckedOutAsGitDoes() throws Exception {
    ObjectId inner =
        commit(theirs.resolve("inner.git"), "refs/heads/main", Map.of("deep", "deep\n"), NO_LINKS);
    ObjectId lib =
        commit(
            ours.resolve("lib.git"),
            "refs/heads/main",
            Map.of(
                ".gitmodules",
                modules("in", "third/inner", elsewhere.address("inner.git")),
                "code",
                "new\n"),
            Map.of("third/inner", inner));
    commit(ours.resolve("lib.git"), "refs/heads/later", Map.of("code", "later\n"), NO_LINKS);
    ObjectId old = commit(ours.resolve("lib.git"), "", Map.of("code", "old\n"), NO_LINKS);
    String list = modules("the lib", "parts/lib", "../lib.git");
    commit(
        ours.resolve("shop.git"),
        "refs/heads/main",
        Map.of(".gitmodules", list, "page", "page\n"),
        Map.of("parts/lib", lib));
    commit(
        ours.resolve("shop.git"),
        "refs/tags/v1",
        Map.of(".gitmodules", list, "page", "first\n"),
        Map.of("parts/lib", old));

    Backup backup = new Backup();
    StoredComponent stored;
    List<ApplicationRestore.Result> results;
    try (GitSource source = shop().build()) {
      try (Component.Prepared prepared = prepare(source)) {
        assertThat(prepared.gaps()).isEmpty();
        assertThat(prepared.counts())
            .containsEntry("submodules", 1L)
            .containsEntry("submoduleRepositories", 2L);
        stored = backup.store(prepared);
      }
      results = restore(source, stored);
    }
    String basic =
        "Basic "
            + Base64.getEncoder().encodeToString(("me:" + TOKEN).getBytes(StandardCharsets.UTF_8));
    assertThat(home.asked).anyMatch(one -> one.startsWith("lib.git/") && one.endsWith(basic));
    assertThat(elsewhere.asked).isNotEmpty().allMatch(one -> one.endsWith(" nobody"));

    Path checkout = folder.resolve("back/source/checkout");
    assertThat(checkout.resolve("page")).hasContent("page\n");
    assertThat(checkout.resolve("parts/lib/code")).hasContent("new\n");
    assertThat(checkout.resolve("parts/lib/third/inner/deep")).hasContent("deep\n");
    assertThat(checkout.resolve(".git/modules/the lib/modules/in/HEAD"))
        .hasContent(inner.name() + "\n");
    assertThat(results)
        .extracting(ApplicationRestore.Result::message)
        .anyMatch(one -> one.startsWith("2 submodules are checked out"));
    try (Stream<Path> bare = Files.list(folder.resolve("back/source/submodules"))) {
      Map<String, String> found = new TreeMap<>();
      for (Path each : bare.toList()) {
        try (Repository one = Repositories.open(each)) {
          found.putAll(GitMirror.refs(one));
        }
      }
      assertThat(found)
          .containsKeys("refs/heads/main", "refs/heads/later")
          .containsEntry(GitMirror.KEPT + old.name(), old.name());
    }

    assumeTrue(Files.isExecutable(GIT), "there is no git");
    assertThat(git(checkout, "submodule", "status", "--recursive").lines())
        .satisfiesExactly(
            one -> assertThat(one).startsWith(" " + lib.name() + " parts/lib"),
            one -> assertThat(one).startsWith(" " + inner.name() + " parts/lib/third/inner"));
    assertThat(git(checkout, "status", "--porcelain", "--untracked-files=all")).isEmpty();
    assertThat(git(checkout, "remote", "get-url", "origin").strip())
        .isEqualTo(home.address("shop.git"));
    assertThat(git(checkout.resolve("parts/lib"), "remote", "get-url", "origin").strip())
        .isEqualTo(home.address("lib.git"));
    assertThat(git(checkout.resolve("parts/lib"), "branch", "-r")).contains("origin/later");
    assertThat(git(checkout.resolve("parts/lib/third/inner"), "config", "core.worktree").strip())
        .startsWith("..");
    assertThat(git(checkout, "config", "submodule.the lib.url").strip())
        .isEqualTo(home.address("lib.git"));
    git(checkout, "fsck", "--strict");
    // What was laid may be moved.
    Path moved = Files.move(checkout, folder.resolve("moved"));
    assertThat(git(moved, "submodule", "status", "--recursive").lines())
        .allMatch(one -> one.startsWith(" "));
  }

  @Test
  void aCommitThatIsNotToBeHadIsAGapByItsId() throws Exception {
    ObjectId gone = ObjectId.fromString("34".repeat(20));
    ObjectId there =
        commit(ours.resolve("lib.git"), "refs/heads/main", Map.of("code", "a\n"), NO_LINKS);
    commit(
        ours.resolve("shop.git"),
        "refs/heads/main",
        Map.of(".gitmodules", modules("a", "a", "../lib.git", "b", "b", "../lib.git")),
        Map.of("a", gone, "b", there));
    try (GitSource source = shop().build();
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.gaps())
          .singleElement()
          .satisfies(
              gap -> {
                assertThat(gap.what()).isEqualTo("a");
                assertThat(gap.code()).isEqualTo("application.submodule-commit");
                assertThat(gap.message()).contains(gone.name(), "lib.git");
              });
      StoredComponent stored = new Backup().store(prepared);
      Document about = stored.document("refs.json");
      assertThat(about.list("submodules"))
          .satisfiesExactly(
              one -> assertThat(one.text("repository")).isEmpty(),
              one -> assertThat(one.text("repository")).isPresent());
      assertThat(restore(source, stored))
          .anyMatch(
              one ->
                  one.done() == ApplicationRestore.Done.BY_HAND
                      && one.message().contains(gone.name()));
      assertThat(folder.resolve("back/source/checkout/b/code")).hasContent("a\n");
      assertThat(folder.resolve("back/source/checkout/a")).isEmptyDirectory();
    }
  }

  @Test
  void oneThatIsNotThereStopsNothingElse() throws Exception {
    ObjectId there =
        commit(ours.resolve("lib.git"), "refs/heads/main", Map.of("code", "a\n"), NO_LINKS);
    commit(
        ours.resolve("shop.git"),
        "refs/heads/main",
        Map.of(".gitmodules", modules("a", "a", "../nowhere.git", "b", "b", "../lib.git")),
        Map.of("a", there, "b", there));
    try (GitSource source = shop().build();
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.gaps())
          .extracting(Gap::what, Gap::code)
          .containsExactly(org.assertj.core.groups.Tuple.tuple("a", "application.no-such-place"));
      assertThat(prepared.counts()).containsEntry("submoduleRepositories", 1L);
    }
  }

  @Test
  void addressesThatLeadElsewhereAreNotFollowed() throws Exception {
    Path secret = folder.resolve("secret.git");
    commit(secret, "refs/heads/main", Map.of("secret", "s\n"), NO_LINKS);
    List<String> urls =
        List.of(
            "file://" + secret,
            secret.toString(),
            "../../../../../.." + secret,
            "../../evil.example/x.git",
            "../../../evil.example/x.git",
            "ext::sh -c touch% " + folder.resolve("ran"),
            "--upload-pack=touch " + folder.resolve("ran"),
            "-x",
            "git://host.example/a",
            "http://host.example/a",
            "ftp://host.example/a",
            "ssh://git@host.example/a",
            "git@host.example:a",
            "ssh://git@-oProxyCommand=touch/a",
            "https://[::1]/a",
            "https://169.254.169.254/latest",
            "https://host.example/a b",
            "amazon-s3://bucket/a",
            "relative/path");
    StringBuilder list = new StringBuilder();
    Map<String, ObjectId> links = new TreeMap<>();
    for (int i = 0; i < urls.size(); i++) {
      list.append(modules("m" + i, "m" + i, urls.get(i)));
      links.put("m" + i, ObjectId.fromString("12".repeat(20)));
    }
    commit(
        ours.resolve("shop.git"),
        "refs/heads/main",
        Map.of(".gitmodules", list.toString(), "page", "page\n"),
        links);
    try (GitSource source = shop().submodulesBelow(folder).build();
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.counts())
          .containsEntry("refs", 1L)
          .containsEntry("submodules", (long) urls.size())
          .containsEntry("submoduleRepositories", 0L);
      assertThat(prepared.gaps())
          .extracting(Gap::what)
          .containsExactlyInAnyOrderElementsOf(links.keySet());
      assertThat(prepared.gaps())
          .extracting(Gap::code)
          .containsOnly("application.submodule-address");
    }
    assertThat(home.asked).allMatch(one -> one.startsWith("shop.git/"));
    assertThat(elsewhere.asked).isEmpty();
    assertThat(folder.resolve("ran")).doesNotExist();
  }

  @Test
  void namesAndPlacesThatLeadAwayAreNotLaid() throws Exception {
    ObjectId lib =
        commit(ours.resolve("lib.git"), "refs/heads/main", Map.of("code", "c\n"), NO_LINKS);
    commit(
        ours.resolve("shop.git"),
        "refs/heads/main",
        Map.of(
            ".gitmodules",
            modules(
                "../../hooks",
                "a",
                "../lib.git",
                "x",
                "b",
                "../lib.git",
                "x/hooks",
                "c",
                "../lib.git",
                "d",
                "d/inner",
                "../lib.git"),
            "page",
            "page\n"),
        Map.of("a", lib, "b", lib, "c", lib, "d/inner", lib));
    try (GitSource source = shop().build();
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.gaps()).isEmpty();
      assertThat(restore(source, new Backup().store(prepared)))
          .extracting(ApplicationRestore.Result::message)
          .anyMatch(
              one -> one.startsWith("2 submodules are checked out") && one.endsWith(": a, c"));
    }
    Path checkout = folder.resolve("back/source/checkout");
    assertThat(checkout.resolve("b/code")).hasContent("c\n");
    assertThat(checkout.resolve("d/inner/code")).hasContent("c\n");
    assertThat(checkout.resolve("a")).isEmptyDirectory();
    assertThat(checkout.resolve("c")).isEmptyDirectory();
    assertThat(checkout.resolveSibling("hooks")).doesNotExist();
    assertThat(checkout.resolve("hooks")).doesNotExist();
  }

  @Test
  void theyAreNotFollowedWithoutEnd() throws Exception {
    ObjectId last = null;
    for (int each = 11; each >= 0; each--) {
      String name = each == 0 ? "shop.git" : "r" + each + ".git";
      last =
          commit(
              ours.resolve(name),
              "refs/heads/main",
              last == null
                  ? Map.of("end", "e\n")
                  : Map.of(".gitmodules", modules("n", "n", "../r" + (each + 1) + ".git")),
              last == null ? NO_LINKS : Map.of("n", last));
    }
    try (GitSource source = shop().build();
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.gaps())
          .extracting(Gap::code)
          .containsExactly("application.submodule-limit");
      assertThat(prepared.counts()).containsEntry("submoduleRepositories", 8L);
    }
  }

  @Test
  void theyAreOnlyNamedWhereThatIsWanted() throws Exception {
    ObjectId lib =
        commit(ours.resolve("lib.git"), "refs/heads/main", Map.of("code", "c\n"), NO_LINKS);
    commit(
        ours.resolve("shop.git"),
        "refs/heads/main",
        Map.of(".gitmodules", modules("lib", "lib", "../lib.git")),
        Map.of("lib", lib));
    try (GitSource source = shop().submodules(false).build();
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.gaps()).extracting(Gap::code).containsExactly("application.submodule");
      assertThat(prepared.counts()).containsEntry("submodules", 1L);
    }
    assertThat(home.asked).noneMatch(one -> one.startsWith("lib.git"));
  }

  @Test
  void largeObjectsOfSubmodulesComeAlong() throws Exception {
    Path git = Files.createDirectories(folder.resolve("git"));
    Reference film = Reference.of("film".getBytes(StandardCharsets.UTF_8));
    String pointer =
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + film.sha256() + "\nsize 4\n";
    ObjectId lib =
        commit(git.resolve("lib.git"), "refs/heads/main", Map.of("film", pointer), NO_LINKS);
    String place =
        "lfs/objects/" + film.sha256().substring(0, 2) + "/" + film.sha256().substring(2, 4) + "/";
    Files.createDirectories(git.resolve("lib.git").resolve(place));
    Files.writeString(git.resolve("lib.git").resolve(place + film.sha256()), "film");
    commit(
        git.resolve("shop.git"),
        "refs/heads/main",
        Map.of(".gitmodules", modules("lib", "lib", "../lib.git")),
        Map.of("lib", lib));
    try (GitSource source =
            GitSource.builder(git.resolve("shop.git").toString(), state)
                .submodulesBelow(git)
                .build();
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.gaps()).isEmpty();
      assertThat(prepared.counts()).containsEntry("lfsObjects", 1L);
      assertThat(restore(source, new Backup().store(prepared))).isNotEmpty();
    }
    assertThat(folder.resolve("back/source/checkout/.git/modules/lib/" + place + film.sha256()))
        .hasContent("film");
  }
}
