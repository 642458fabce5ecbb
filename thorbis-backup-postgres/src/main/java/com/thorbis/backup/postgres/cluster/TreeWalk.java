package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Entry;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Kind;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Tablespace;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Goes through a data directory while its server runs, one folder at a time, and hands over what a
 * backup holds but {@code global/pg_control}, which is to be read last. Keeps no list of files.
 */
public final class TreeWalk {
  private static final String TABLESPACES = "pg_tblspc";

  private final ClusterFiles files;
  private final Exclusions exclusions;
  private final Target target;
  private final String versionFolder;
  private final List<Tablespace> tablespaces;
  private final Set<String> elsewhere = new HashSet<>();

  /** Takes what is found. */
  public interface Target {
    /** A folder; what it holds comes later. */
    void directory(String path, Entry entry) throws IOException;

    /** A file, whose name may have gone away by now. */
    void file(String path, Entry entry) throws IOException;

    /** Something that no backup holds and that is not the server's. */
    void skipped(String path, String reason) throws IOException;
  }

  /**
   * Goes through one data directory.
   *
   * @param versionFolder what the server calls its folder in a tablespace, such as {@code
   *     PG_15_202209061}; whatever else lies there is of another server
   * @param dataDirectory where the server has its data directory, as the locations of tablespaces
   *     are written; one that lies inside is not taken twice
   */
  public TreeWalk(
      ClusterFiles files,
      Exclusions exclusions,
      String versionFolder,
      List<Tablespace> tablespaces,
      String dataDirectory,
      Target target) {
    this.files = files;
    this.exclusions = exclusions;
    this.versionFolder = versionFolder;
    this.tablespaces = List.copyOf(tablespaces);
    this.target = target;
    String inside = dataDirectory.replaceFirst("/+$", "") + "/";
    for (Tablespace tablespace : tablespaces) {
      if (inside.length() > 1 && tablespace.location().startsWith(inside)) {
        elsewhere.add(tablespace.location().substring(inside.length()).replaceFirst("/+$", ""));
      }
    }
  }

  /**
   * Goes through it.
   *
   * @throws BackupException code {@code postgres.files-gone} if a folder without which there is no
   *     cluster is not there
   */
  public void run() throws IOException {
    if (!folder("")) {
      throw gone("the data directory");
    }
    for (Tablespace tablespace : tablespaces) {
      String path = TABLESPACES + "/" + tablespace.oid();
      boolean[] found = new boolean[1];
      boolean there =
          files.list(
              path,
              entry -> {
                if (entry.name().equals(versionFolder) && entry.kind() == Kind.DIRECTORY) {
                  found[0] = true;
                  target.directory(path + "/" + entry.name(), entry);
                }
              });
      boolean complete = there && found[0] && folder(path + "/" + versionFolder);
      if (!complete && files.tablespaces().contains(tablespace)) {
        throw gone("tablespace " + tablespace.oid() + " at " + tablespace.location());
      }
    }
  }

  /**
   * Looks once more, when the files have been read: a file system that went away takes its files
   * with it, and that is not their end.
   *
   * @throws BackupException code {@code postgres.files-gone}
   */
  public void stillThere() throws IOException {
    for (Tablespace tablespace : tablespaces) {
      String path = TABLESPACES + "/" + tablespace.oid() + "/" + versionFolder;
      if (!files.names(path, name -> {}) && files.tablespaces().contains(tablespace)) {
        throw gone("tablespace " + tablespace.oid() + " at " + tablespace.location());
      }
    }
  }

  /** Goes through a folder and all below; false if it is not there. */
  private boolean folder(String first) throws IOException {
    Deque<String> waiting = new ArrayDeque<>();
    waiting.add(first);
    boolean there = true;
    while (!waiting.isEmpty()) {
      String folder = waiting.removeLast();
      List<String> below = new ArrayList<>();
      boolean listed = one(folder, below);
      there &= listed || !folder.equals(first);
      below.forEach(waiting::addLast);
    }
    return there;
  }

  private boolean one(String folder, List<String> below) throws IOException {
    Set<String> unlogged = new HashSet<>();
    if (Exclusions.holdsRelations(folder)) {
      files.names(
          folder,
          name -> {
            String number = Exclusions.initFork(name);
            if (!number.isEmpty()) {
              unlogged.add(number);
            }
          });
    }
    return files.list(folder, entry -> entry(folder, entry, unlogged, below));
  }

  private void entry(String folder, Entry entry, Set<String> unlogged, List<String> below)
      throws IOException {
    String path = folder.isEmpty() ? entry.name() : folder + "/" + entry.name();
    switch (exclusions.of(folder, entry, unlogged)) {
      case LEFT_OUT -> {
        // The server leaves it out, too.
      }
      case EMPTIED -> {
        target.directory(path, asFolder(entry));
        if (path.equals("pg_wal")) {
          for (String one : exclusions.logFolders()) {
            target.directory(one, asFolder(entry));
          }
        }
      }
      case TAKEN -> {
        if (folder.equals(TABLESPACES)) {
          tablespace(path, entry);
          return;
        }
        switch (entry.kind()) {
          case FILE -> target.file(path, entry);
          case DIRECTORY -> {
            target.directory(path, entry);
            if (!elsewhere.contains(path)) {
              below.add(path);
            }
          }
          case LINK -> target.skipped(path, "is a link, which a server follows in pg_tblspc alone");
          case OTHER -> target.skipped(path, "is neither a file nor a folder with a legible name");
        }
      }
    }
  }

  /** What a tablespace holds is gone through by itself; one made meanwhile comes with the log. */
  private void tablespace(String path, Entry entry) throws IOException {
    String name = entry.name();
    if (tablespaces.stream().anyMatch(each -> Long.toString(each.oid()).equals(name))) {
      target.directory(path, asFolder(entry));
    } else if (!name.matches("[0-9]+")) {
      target.skipped(path, "is no tablespace");
    }
  }

  /** A link to a folder has no mode of its own. */
  private static Entry asFolder(Entry entry) {
    return entry.kind() == Kind.DIRECTORY
        ? entry
        : new Entry(entry.name(), Kind.DIRECTORY, 0, 0700, entry.modifiedAt());
  }

  private static BackupException gone(String what) {
    return BackupException.of(
            "postgres.files-gone",
            FailureKind.TRANSIENT,
            "In the middle of the backup " + what + " is not there any more")
        .remedy("See whether its file system is still mounted; then run the backup again.")
        .build();
  }
}
