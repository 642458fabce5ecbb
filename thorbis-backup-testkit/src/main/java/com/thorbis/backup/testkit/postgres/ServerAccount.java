package com.thorbis.backup.testkit.postgres;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.UserPrincipal;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * As whom a server runs, since it refuses to be root. An ordinary user runs it directly. Root runs
 * it in a user namespace of its own, where files stay root's and tests can reach them, or, where
 * that is forbidden, as {@code postgres}.
 */
enum ServerAccount {
  SAME,
  NAMESPACE,
  POSTGRES;

  static ServerAccount choose() {
    if (!"root".equals(System.getProperty("user.name"))) {
      return SAME;
    }
    try {
      Command.of(NAMESPACE.wrap("true")).run();
      return NAMESPACE;
    } catch (IOException e) {
      return POSTGRES;
    }
  }

  List<String> wrap(String... words) {
    return wrap(List.of(words));
  }

  List<String> wrap(List<String> words) {
    List<String> wrapped = new ArrayList<>(prefix());
    wrapped.addAll(words);
    return wrapped;
  }

  private List<String> prefix() {
    return switch (this) {
      case SAME -> List.of();
      case NAMESPACE -> List.of("unshare", "-U", "--");
      case POSTGRES ->
          List.of("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--");
    };
  }

  /** Makes a folder or file the server's, and lets the server pass through what lies above it. */
  void own(Path path) throws IOException {
    if (this != POSTGRES) {
      return;
    }
    UserPrincipal owner =
        path.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName("postgres");
    try (Stream<Path> tree = Files.walk(path)) {
      for (Path each : tree.toList()) {
        Files.setAttribute(each, "posix:owner", owner, LinkOption.NOFOLLOW_LINKS);
      }
    }
    Path temporary = Path.of(System.getProperty("java.io.tmpdir")).toRealPath();
    for (Path above = path.toRealPath().getParent();
        above != null && above.startsWith(temporary) && !above.equals(temporary);
        above = above.getParent()) {
      Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(above);
      if (permissions.add(PosixFilePermission.OTHERS_EXECUTE)) {
        Files.setPosixFilePermissions(above, permissions);
      }
    }
  }
}
