package com.thorbis.backup.postgres.server;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.UserPrincipal;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The account that a data directory belongs to and its server runs as. Only root can choose one;
 * everybody else restores for themselves.
 */
public final class ServerUser {
  private static final String ROOT = "root";
  private static final String USUAL = "postgres";

  private final String name;
  private final @Nullable UserPrincipal user;
  private final @Nullable GroupPrincipal group;

  private ServerUser(String name, @Nullable UserPrincipal user, @Nullable GroupPrincipal group) {
    this.name = name;
    this.user = user;
    this.group = group;
  }

  /**
   * The account for a new data directory: the configured one; else, for root, the owner of the
   * folder it will lie in, or {@code postgres} if that is root and such an account exists.
   */
  public static ServerUser choose(Optional<String> configured, Path dataDirectory)
      throws IOException {
    if (!asRoot()) {
      String self = System.getProperty("user.name");
      if (configured.isPresent() && !configured.get().equals(self)) {
        throw BackupException.of(
                "restore.other-account",
                FailureKind.CONFIGURATION,
                "server-user is "
                    + configured.get()
                    + ", but only root can restore for another account than "
                    + self)
            .remedy("Run this as " + configured.get() + ", or as root.")
            .build();
      }
      return new ServerUser(self, null, null);
    }
    if (configured.isPresent()) {
      return named(configured.get())
          .orElseThrow(
              () ->
                  BackupException.of(
                          "restore.no-account",
                          FailureKind.CONFIGURATION,
                          "server-user: there is no account " + configured.get())
                      .remedy("Create it, or name another.")
                      .build());
    }
    Path existing = dataDirectory.toAbsolutePath().normalize();
    while (existing.getParent() != null
        && (existing.equals(dataDirectory.toAbsolutePath().normalize())
            || !Files.isDirectory(existing))) {
      existing = existing.getParent();
    }
    String owner = Files.getOwner(existing).getName();
    if (!owner.equals(ROOT)) {
      Optional<ServerUser> found = named(owner);
      if (found.isPresent()) {
        return found.get();
      }
    }
    return named(USUAL).orElseGet(() -> new ServerUser(ROOT, null, null));
  }

  /** The account that an existing data directory belongs to. */
  public static ServerUser owning(Path dataDirectory) throws IOException {
    String owner = Files.getOwner(dataDirectory).getName();
    if (!asRoot() || owner.equals(ROOT)) {
      return new ServerUser(System.getProperty("user.name"), null, null);
    }
    return named(owner)
        .orElseThrow(() -> new IOException("Nobody known owns " + dataDirectory + ": " + owner));
  }

  private static Optional<ServerUser> named(String name) throws IOException {
    if (name.equals(ROOT)) {
      return Optional.of(new ServerUser(ROOT, null, null));
    }
    UserPrincipalLookupService accounts =
        Path.of("/").getFileSystem().getUserPrincipalLookupService();
    UserPrincipal user;
    try {
      user = accounts.lookupPrincipalByName(name);
    } catch (UserPrincipalNotFoundException e) {
      return Optional.empty();
    }
    GroupPrincipal group = null;
    try {
      group = accounts.lookupPrincipalByGroupName(name);
    } catch (UserPrincipalNotFoundException e) {
      // The files keep our group, which 0600 gives nothing.
    }
    return Optional.of(new ServerUser(name, user, group));
  }

  /** Its name. */
  public String name() {
    return name;
  }

  /** Hands a file, folder or link to it; follows no link. */
  public void give(Path path) throws IOException {
    if (user == null) {
      return;
    }
    give(Files.getFileAttributeView(path, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS));
  }

  /** Hands over what a view looks at: one of an open file or folder cannot be led elsewhere. */
  public void give(PosixFileAttributeView view) throws IOException {
    if (user == null) {
      return;
    }
    view.setOwner(user);
    if (group != null) {
      view.setGroup(group);
    }
  }

  /** Makes an existing folder ours, so that nobody else changes it meanwhile. */
  public void take(Path folder) throws IOException {
    if (asRoot()) {
      UserPrincipal self =
          folder.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName(ROOT);
      Files.setOwner(folder, self);
    }
  }

  /**
   * The words before a command that make it run as this account, without a shell. A server refuses
   * to be root: files of root's are served in a user namespace of their own.
   */
  public List<String> command(List<String> words) {
    List<String> all = new ArrayList<>();
    if (user != null) {
      all.addAll(
          List.of(
              "setpriv",
              "--reuid=" + name,
              "--regid=" + (group == null ? name : group.getName()),
              "--init-groups",
              "--"));
    } else if (asRoot()) {
      all.addAll(List.of("unshare", "-U", "--"));
    }
    all.addAll(words);
    return all;
  }

  private static boolean asRoot() {
    return ROOT.equals(System.getProperty("user.name"));
  }

  @Override
  public String toString() {
    return name;
  }
}
