package com.thorbis.backup.application.app;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.SecretValue;
import java.net.InetAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where a repository is, what it may name, and who is asked there. */
class GitAddressTest {
  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "https://host.example/a/shop.git, ../lib.git, https://host.example/a/lib.git",
    "https://host.example/a/shop.git/, ../lib.git/, https://host.example/a/lib.git",
    "https://host.example/a/shop.git, ../../b/lib, https://host.example/b/lib",
    "https://host.example/a/shop.git, ./lib, https://host.example/a/shop.git/lib",
    "https://host.example:8443/shop, ../lib, https://host.example:8443/lib",
    "https://host.example/shop, https://u:p@other.example/lib, https://other.example/lib",
    "ssh://git@host.example:2222/a/shop.git, ../lib.git, ssh://git@host.example:2222/a/lib.git",
    "git@host.example:a/shop.git, ../lib.git, git@host.example:a/lib.git",
    "git@host.example:shop.git, ../lib.git, git@host.example:lib.git",
    "git@host.example:a/shop.git, ../../b/lib.git, git@host.example:b/lib.git",
    "/srv/git/shop.git, ../lib.git, /srv/git/lib.git"
  })
  void relativeOnesAreResolvedAsGitDoes(String parent, String written, String meant)
      throws Exception {
    assertThat(GitAddress.parse(parent).resolve(written).text()).isEqualTo(meant);
  }

  @ParameterizedTest
  @CsvSource({
    "https://host.example/shop.git, ../../other.example/lib",
    "https://host.example/shop.git, ../../../other.example/lib",
    "git@host.example:shop.git, ../../other.example:lib",
    "ssh://git@host.example/shop.git, ../../git@other.example/lib"
  })
  void relativeOnesDoNotLeaveTheirHost(String parent, String written) {
    assertThatThrownBy(() -> GitAddress.parse(parent).resolve(written))
        .isInstanceOf(GitAddress.NotFollowedException.class);
  }

  private GitAccess access(String root) {
    return new GitAccess(
        GitAddress.parse(root), Optional.empty(), Optional.empty(), Duration.ofSeconds(1));
  }

  private static void follow(GitAccess access, String parent, String address) throws Exception {
    GitAddress from = GitAddress.parse(parent);
    access.requireFollowed(from, from.resolve(address));
  }

  @Test
  void aPublicRepositoryLeadsToNoPrivateNetwork() throws Exception {
    String root = "https://192.0.3.1/shop.git";
    try (GitAccess access = access(root)) {
      for (String inside :
          List.of(
              "10.1.2.3", "127.0.0.1", "169.254.169.254", "[::1]", "[fd00::1]", "192.168.1.1")) {
        assertThatThrownBy(() -> follow(access, root, "https://" + inside + "/lib"))
            .as(inside)
            .isInstanceOf(GitAddress.NotFollowedException.class)
            .hasMessageContaining("private network");
      }
      assertThatCode(() -> follow(access, root, "https://192.0.3.2/lib"))
          .doesNotThrowAnyException();
      assertThatCode(() -> follow(access, root, "../lib")).doesNotThrowAnyException();
      access.login("https://10.1.2.3:443", "me", SecretValue.ofText("x"));
      assertThatCode(() -> follow(access, root, "https://10.1.2.3/lib")).doesNotThrowAnyException();
      assertThatThrownBy(() -> follow(access, root, "https://10.1.2.3:8443/lib"))
          .isInstanceOf(GitAddress.NotFollowedException.class);
    }
    String inner = "https://10.0.0.1/shop.git";
    try (GitAccess access = access(inner)) {
      assertThatCode(() -> follow(access, inner, "https://10.0.0.2/lib"))
          .doesNotThrowAnyException();
      for (String never : List.of("127.0.0.1", "169.254.169.254", "[::1]")) {
        assertThatThrownBy(() -> follow(access, inner, "https://" + never + "/lib"))
            .isInstanceOf(GitAddress.NotFollowedException.class);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "8.8.8.8, true",
    "100.63.255.255, true",
    "100.64.0.1, false",
    "172.15.0.1, true",
    "172.31.0.1, false",
    "192.0.0.8, false",
    "198.18.0.1, false",
    "198.51.100.7, false",
    "203.0.113.9, false",
    "224.0.0.1, false",
    "255.255.255.255, false",
    "0.0.0.0, false",
    "168.63.129.16, false",
    "2606:4700::1, true",
    "fe80::1, false",
    "::, false",
    "64:ff9b::808:808, true",
    "64:ff9b::a00:1, false",
    "2002:a00:1::, false",
    "2001:db8::1, false",
    "2001::1, false",
    "ff02::1, false",
    "::ffff:10.0.0.1, false"
  })
  void addressesOfThePublicInternetAreTold(String address, boolean isPublic) throws Exception {
    assertThat(PublicAddress.is(InetAddress.getByName(address))).isEqualTo(isPublic);
  }

  @Test
  void foldersAreFollowedBelowOneThatIsNamedAlone() throws Exception {
    Path git = Files.createDirectories(folder.resolve("git/shop.git")).getParent();
    Files.createDirectories(git.resolve("lib.git"));
    Path secret = Files.createDirectories(folder.resolve("secret.git"));
    Files.createSymbolicLink(git.resolve("link.git"), secret);
    String shop = git.resolve("shop.git").toString();
    GitAddress root = GitAddress.parse(shop);
    try (GitAccess none = access(shop);
        GitAccess below =
            new GitAccess(root, Optional.empty(), Optional.of(git), Duration.ofSeconds(1))) {
      assertThatCode(() -> follow(below, shop, "../lib.git")).doesNotThrowAnyException();
      assertThatCode(() -> follow(below, shop, git + "/lib.git")).doesNotThrowAnyException();
      assertThatThrownBy(() -> follow(none, shop, "../lib.git"))
          .isInstanceOf(GitAddress.NotFollowedException.class);
      for (String outside :
          List.of("../../secret.git", secret.toString(), "../link.git", "../nowhere.git")) {
        assertThatThrownBy(() -> follow(below, shop, outside))
            .as(outside)
            .isInstanceOf(GitAddress.NotFollowedException.class);
      }
      GitAddress lib = root.resolve("../lib.git");
      assertThatThrownBy(() -> below.requireFollowed(GitAddress.parse("https://192.0.3.1/x"), lib))
          .isInstanceOf(GitAddress.NotFollowedException.class);
    }
  }

  @Test
  void overSshNoOtherAccountIsUsed() throws Exception {
    String root = "deploy@host.example:shop.git";
    SshSessions sessions =
        new SshSessions(SecretValue.ofText("x"), Optional.empty(), "", Duration.ofSeconds(1));
    try (GitAccess access =
        new GitAccess(
            GitAddress.parse(root),
            Optional.of(sessions),
            Optional.empty(),
            Duration.ofSeconds(1))) {
      assertThatCode(() -> follow(access, root, "deploy@host.example:lib"))
          .doesNotThrowAnyException();
      assertThatCode(() -> follow(access, root, "ssh://git@host.example/lib"))
          .doesNotThrowAnyException();
      assertThatThrownBy(() -> follow(access, root, "ssh://root@host.example/lib"))
          .isInstanceOf(GitAddress.NotFollowedException.class)
          .hasMessageContaining("account");
    }
    try (GitAccess access = access("https://192.0.3.1/shop.git")) {
      assertThatThrownBy(() -> follow(access, "https://192.0.3.1/shop.git", "git@host.example:lib"))
          .isInstanceOf(GitAddress.NotFollowedException.class)
          .hasMessageContaining("not set up");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "https://host.example/a/shop, https://host.example/a/shop.git/info/lfs",
    "https://host.example/a/shop.git, https://host.example/a/shop.git/info/lfs",
    "git@host.example:a/shop.git, https://host.example/a/shop.git/info/lfs",
    "git@host.example:/a/shop, https://host.example/a/shop.git/info/lfs",
    "ssh://git@host.example:2222/a/shop.git, https://host.example/a/shop.git/info/lfs"
  })
  void largeObjectsAreWhereTheConventionPutsThem(String address, String server) {
    assertThat(GitAddress.parse(address).large()).contains(URI.create(server));
  }
}
