package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.eclipse.jgit.api.TransportCommand;
import org.eclipse.jgit.transport.CredentialItem;
import org.eclipse.jgit.transport.CredentialsProvider;
import org.eclipse.jgit.transport.SshTransport;
import org.eclipse.jgit.transport.URIish;

/**
 * Who asks, and whom. Each credential belongs to one service and goes to no other; what a
 * repository names by itself is asked without one, unless the settings have one for its host.
 */
final class GitAccess implements AutoCloseable {
  private final GitAddress root;
  private final Map<String, Login> logins = new LinkedHashMap<>();
  private final Optional<SshSessions> ssh;
  private final Optional<Path> folders;
  private final Duration silence;

  /**
   * For a repository.
   *
   * @param root what the settings name
   * @param ssh empty if SSH is not set up
   * @param folders below which folder its submodules may lie; empty: below none
   * @param silence how long a service may say nothing
   */
  GitAccess(GitAddress root, Optional<SshSessions> ssh, Optional<Path> folders, Duration silence) {
    this.root = root;
    this.ssh = ssh;
    this.folders = folders;
    this.silence = silence;
  }

  private record Login(String user, SecretValue token) {}

  /**
   * Adds a credential.
   *
   * @param origin whose, as {@link GitAddress#origin}
   * @param token is closed with this
   */
  void login(String origin, String user, SecretValue token) {
    logins.put(origin, new Login(user, token));
  }

  Duration silence() {
    return silence;
  }

  /** Sets up a command that asks an address. */
  void prepare(TransportCommand<?, ?> command, GitAddress address) {
    // One that is not set would be the process's own.
    command.setCredentialsProvider(new Lent());
    command.setTimeout((int) Math.max(1, silence.toSeconds()));
    if (address.kind() == GitAddress.Kind.SSH) {
      SshSessions sessions =
          ssh.orElseThrow(
              () ->
                  invalid(
                      address + " is asked over SSH, which is not set up",
                      "Set ssh-key and known-hosts."));
      if (System.getenv("GIT_SSH") != null) {
        throw invalid(
            "GIT_SSH is set, and would ask in place of what the settings say",
            "Unset it for this process.");
      }
      command.setTransportConfigCallback(
          transport -> {
            if (transport instanceof SshTransport over) {
              over.setSshSessionFactory(sessions);
            }
          });
    }
  }

  private static BackupException invalid(String problem, String remedy) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, problem)
        .remedy(remedy)
        .build();
  }

  /**
   * Refuses what a repository names and is not meant for it.
   *
   * @throws GitAddress.NotFollowedException with the way out
   */
  void requireFollowed(GitAddress parent, GitAddress address)
      throws GitAddress.NotFollowedException {
    switch (address.kind()) {
      case HTTP -> requireFollowed(address.scheme(), address.host(), address.port());
      case SSH -> {
        if (ssh.isEmpty()) {
          throw new GitAddress.NotFollowedException(
              "is asked over SSH, which is not set up", "Set ssh-key and known-hosts.");
        }
        boolean usual =
            address.user().equals("git")
                || root.kind() == GitAddress.Kind.SSH && address.user().equals(root.user());
        if (!usual) {
          throw new GitAddress.NotFollowedException(
              "names another account than git for SSH",
              "Correct it in .gitmodules, or back it up as an application of its own.");
        }
      }
      case FOLDER -> {
        if (parent.kind() != GitAddress.Kind.FOLDER || !isBelow(address)) {
          throw new GitAddress.NotFollowedException(
              "is a folder that is not below submodules-below",
              "Set submodules-below to the folder that repositories lie in, if it may be read.");
        }
      }
    }
  }

  private boolean isBelow(GitAddress address) {
    try {
      return folders.isPresent()
          && Path.of(address.text()).toRealPath().startsWith(folders.get().toRealPath());
    } catch (IOException | RuntimeException e) {
      return false;
    }
  }

  /** Refuses a service on a private network, unless ours is on one, or the settings name it. */
  void requireFollowed(String scheme, String host, int port)
      throws GitAddress.NotFollowedException {
    if (!scheme.equalsIgnoreCase("https") && !scheme.equals(root.scheme())) {
      throw new GitAddress.NotFollowedException(
          "has an address without TLS", "Correct it: only https:// is followed.");
    }
    if (host.equalsIgnoreCase(root.host())
        || logins.containsKey(GitAddress.origin(scheme, host, port))) {
      return;
    }
    try {
      boolean inside = !root.host().isEmpty() && !all(root.host(), PublicAddress::is);
      if (!all(
          host,
          address -> PublicAddress.is(address) || inside && PublicAddress.isInside(address))) {
        throw new GitAddress.NotFollowedException(
            "is on a private network",
            "Name its host below credentials, or back it up as an application of its own.");
      }
    } catch (UnknownHostException e) {
      throw new GitAddress.NotFollowedException(
          "is on a host whose address cannot be found", "Look at the network and the address.");
    }
  }

  private static boolean all(String host, Predicate<InetAddress> what) throws UnknownHostException {
    return Arrays.stream(InetAddress.getAllByName(host)).allMatch(what);
  }

  /** Whether a service is one that the settings name. */
  boolean knows(URI service) {
    String origin = GitAddress.origin(service.getScheme(), service.getHost(), service.getPort());
    return logins.containsKey(origin) || origin.equals(root.origin());
  }

  /** Gives a call the credential of where it goes, if there is one. */
  void authorize(HttpURLConnection call) {
    Login login =
        logins.get(
            GitAddress.origin(
                call.getURL().getProtocol(), call.getURL().getHost(), call.getURL().getPort()));
    if (login == null) {
      return;
    }
    byte[] name = (login.user() + ":").getBytes(StandardCharsets.UTF_8);
    String header =
        login
            .token()
            .useBytes(
                bytes -> {
                  byte[] both = Arrays.copyOf(name, name.length + bytes.length);
                  System.arraycopy(bytes, 0, both, name.length, bytes.length);
                  String encoded = Base64.getEncoder().encodeToString(both);
                  Arrays.fill(both, (byte) 0);
                  return encoded;
                });
    call.setRequestProperty("Authorization", "Basic " + header);
  }

  private final class Lent extends CredentialsProvider {
    @Override
    public boolean isInteractive() {
      return false;
    }

    @Override
    public boolean supports(CredentialItem... items) {
      for (CredentialItem item : items) {
        if (!(item instanceof CredentialItem.Username)
            && !(item instanceof CredentialItem.Password)) {
          return false;
        }
      }
      return true;
    }

    @Override
    public boolean get(URIish uri, CredentialItem... items) {
      String scheme = uri.getScheme();
      String host = uri.getHost();
      Login login =
          scheme == null || host == null
              ? null
              : logins.get(GitAddress.origin(scheme, host, uri.getPort()));
      if (login == null || !supports(items)) {
        return false;
      }
      for (CredentialItem item : items) {
        if (item instanceof CredentialItem.Username name) {
          name.setValue(login.user());
        } else if (item instanceof CredentialItem.Password password) {
          int unused =
              login
                  .token()
                  .useChars(
                      chars -> {
                        password.setValue(chars);
                        return chars.length;
                      });
        }
      }
      return true;
    }
  }

  @Override
  public void close() {
    logins.values().forEach(login -> login.token().close());
    ssh.ifPresent(SshSessions::close);
  }
}
