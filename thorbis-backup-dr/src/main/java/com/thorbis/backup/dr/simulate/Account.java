package com.thorbis.backup.dr.simulate;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.UserPrincipal;
import java.util.ArrayList;
import java.util.List;

/**
 * As whom servers run that refuse to be root. An ordinary user runs them directly; root does in a
 * user namespace of its own, where files stay root's, or as {@code postgres} where that is
 * forbidden.
 */
enum Account {
  /** Whoever we are. */
  SAME,
  /** Root without a name. */
  NAMESPACE,
  /** The distribution's account. */
  POSTGRES;

  static Account choose() throws IOException {
    if (!"root".equals(System.getProperty("user.name"))) {
      return SAME;
    }
    try {
      Programs.run(NAMESPACE.words(List.of("true")));
      return NAMESPACE;
    } catch (IOException e) {
      Programs.run(POSTGRES.words(List.of("true"))); // fails where there is no such account
      return POSTGRES;
    }
  }

  /** The words of a command that runs as it. */
  List<String> words(List<String> command) {
    List<String> all =
        new ArrayList<>(
            switch (this) {
              case SAME -> List.of();
              case NAMESPACE -> List.of("unshare", "-U", "--");
              case POSTGRES ->
                  List.of("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--");
            });
    all.addAll(command);
    return all;
  }

  /** Hands over what lies below a folder of ours, with the folder. */
  void own(Path root) throws IOException {
    if (this != POSTGRES) {
      return;
    }
    UserPrincipal owner =
        root.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName("postgres");
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.setAttribute(file, "posix:owner", owner, LinkOption.NOFOLLOW_LINKS);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes)
              throws IOException {
            return visitFile(folder, attributes);
          }
        });
  }
}
