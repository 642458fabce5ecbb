package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Endpoints;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a repository is: a service over HTTPS, one over SSH, or a folder. Holds no credential.
 *
 * @param kind how it is reached
 * @param text as Git takes it
 * @param user before the host, for SSH; else empty
 * @param host in small letters; empty for a folder
 * @param port of the host; 0 for a folder
 * @param scheme {@code https}, {@code http}, {@code ssh}, or empty for a folder
 */
record GitAddress(Kind kind, String text, String user, String host, int port, String scheme) {
  private static final int MOST = 2048;
  private static final Pattern RELATIVE = Pattern.compile("\\.\\.?/.*");
  private static final String HOST = "([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)";
  private static final String USER = "([A-Za-z0-9_][A-Za-z0-9_.-]*)";

  /** What a shell at the other end is given stands in quotes; no dash may begin it all the same. */
  private static final Pattern SSH =
      Pattern.compile(
          "(?i:ssh)://" + USER + "@" + HOST + "(?::([0-9]{1,5}))?/[^\\s\\p{Cntrl}'!\\\\?#]+");

  private static final Pattern SCP =
      Pattern.compile(USER + "@" + HOST + ":(?![-/]*-)[^\\s\\p{Cntrl}'!\\\\?#]+");

  enum Kind {
    HTTP,
    SSH,
    FOLDER
  }

  /**
   * Of a setting.
   *
   * @throws BackupException of kind CONFIGURATION if it is another
   */
  static GitAddress parse(String text) {
    if (text.startsWith("/")) {
      return folder(text);
    }
    if (text.matches("(?i)https?://.*")) {
      return http(Endpoints.parse("repository", text));
    }
    return ssh(text)
        .orElseThrow(
            () ->
                BackupException.of(
                        "configuration.invalid",
                        FailureKind.CONFIGURATION,
                        "repository of a source: it is neither https://HOST/PATH, an address for"
                            + " SSH, nor an absolute path")
                    .remedy(
                        "Write https://HOST/PATH with a token, ssh://USER@HOST/PATH or"
                            + " USER@HOST:PATH with ssh-key and known-hosts, or an absolute path.")
                    .build());
  }

  private static GitAddress folder(String text) {
    return new GitAddress(Kind.FOLDER, text, "", "", 0, "");
  }

  private static GitAddress http(URI uri) {
    String scheme = uri.getScheme().toLowerCase(Locale.ROOT);
    return new GitAddress(
        Kind.HTTP,
        uri.toString(),
        "",
        uri.getHost().toLowerCase(Locale.ROOT),
        port(scheme, uri.getPort()),
        scheme);
  }

  private static Optional<GitAddress> ssh(String text) {
    Matcher url = SSH.matcher(text);
    if (url.matches()) {
      int port = url.group(3) == null ? 22 : Integer.parseInt(url.group(3));
      return port < 1 || port > 65535
          ? Optional.empty()
          : Optional.of(ssh(text, url.group(1), url.group(2), port));
    }
    Matcher scp = SCP.matcher(text);
    return scp.matches()
        ? Optional.of(ssh(text, scp.group(1), scp.group(2), 22))
        : Optional.empty();
  }

  private static GitAddress ssh(String text, String user, String host, int port) {
    return new GitAddress(Kind.SSH, text, user, host.toLowerCase(Locale.ROOT), port, "ssh");
  }

  private static int port(String scheme, int given) {
    return given >= 0 ? given : scheme.equals("https") ? 443 : 80;
  }

  /** What a credential belongs to: {@code https://HOST:PORT}. */
  static String origin(String scheme, String host, int port) {
    String known = scheme.toLowerCase(Locale.ROOT);
    return known + "://" + host.toLowerCase(Locale.ROOT) + ":" + port(known, port);
  }

  String origin() {
    return origin(scheme, host, port);
  }

  /** Whether it is on the same service, under the same scheme, host and port. */
  boolean isBeside(GitAddress other) {
    return kind != Kind.FOLDER && kind == other.kind && origin().equals(other.origin());
  }

  /** An address that a repository names is not followed. */
  static final class NotFollowedException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String remedy;

    NotFollowedException(String message, String remedy) {
      super(message);
      this.remedy = remedy;
    }

    String remedy() {
      return remedy;
    }
  }

  /**
   * What a repository at this address means by a text in its {@code .gitmodules}. Whoever writes
   * there decides what it says: nothing but services and folders comes of it.
   */
  GitAddress resolve(String written) throws NotFollowedException {
    if (written.length() > MOST
        || written.isBlank()
        || written.startsWith("-")
        || written.chars().anyMatch(one -> one <= ' ' || one == 0x7F)) {
      throw unusual();
    }
    if (RELATIVE.matcher(written).matches()) {
      GitAddress meant = absolute(relative(written));
      if (meant.kind != kind || kind != Kind.FOLDER && !meant.isBeside(this)) {
        throw new NotFollowedException(
            "has an address that leads out of its host", "Correct it in .gitmodules.");
      }
      return meant;
    }
    return absolute(written);
  }

  private static GitAddress absolute(String text) throws NotFollowedException {
    if (text.startsWith("/")) {
      return folder(text);
    }
    if (text.matches("(?i)https?://.*")) {
      try {
        // What stands before the host may be somebody's credential, and is not ours.
        return http(
            Endpoints.parse("submodule", text.replaceFirst("^([a-zA-Z]+://)[^/@]*@", "$1")));
      } catch (BackupException e) {
        throw unusual();
      }
    }
    return ssh(text).orElseThrow(GitAddress::unusual);
  }

  private static NotFollowedException unusual() {
    return new NotFollowedException(
        "has an address that is not followed",
        "Only https:// and SSH, addresses relative to the repository's, and folders beside a folder"
            + " are: correct it in .gitmodules.");
  }

  /** As Git does: components are cut off, and the last may end at the colon of {@code host:}. */
  private String relative(String written) throws NotFollowedException {
    String base = text.replaceFirst("/+$", "");
    String rest = written;
    String separator = "/";
    while (true) {
      if (rest.startsWith("../")) {
        rest = rest.substring(3);
        int cut = base.lastIndexOf('/');
        if (cut < 0) {
          cut = base.lastIndexOf(':');
          separator = ":";
        }
        if (cut < 0) {
          throw unusual();
        }
        base = base.substring(0, cut);
      } else if (rest.startsWith("./")) {
        rest = rest.substring(2);
      } else {
        return (base + separator + rest).replaceFirst("/+$", "");
      }
    }
  }

  /** Where Git LFS is by convention. */
  Optional<URI> large() {
    if (kind == Kind.FOLDER) {
      return Optional.empty();
    }
    String base = text;
    if (kind == Kind.SSH) {
      String path =
          text.contains("://")
              ? text.substring(text.indexOf('/', text.indexOf("://") + 3) + 1)
              : text.substring(text.indexOf(':') + 1).replaceFirst("^/+", "");
      base = "https://" + host + "/" + path;
    }
    base = base.replaceFirst("/+$", "");
    try {
      return Optional.of(new URI((base.endsWith(".git") ? base : base + ".git") + "/info/lfs"));
    } catch (URISyntaxException e) {
      return Optional.empty();
    }
  }

  @Override
  public String toString() {
    return text;
  }
}
