package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a backup holds, every path checked before the first one is written. Remembers folders and
 * the few files whose absence matters; the others only where they are compared with what is there.
 */
final class Survey {
  private static final Set<String> CONFIGURATION =
      Set.of(
          MinimalConfiguration.SERVER,
          MinimalConfiguration.ACCESS,
          MinimalConfiguration.IDENTITIES);

  private final List<List<String>> folders = new ArrayList<>();
  private final Set<String> configuration = new HashSet<>();
  private final Tablespaces tablespaces;
  private final Selection selection;
  private final @Nullable PathSet paths;
  private boolean configured;
  private long files;
  private long bytes;

  private Survey(Tablespaces tablespaces, Selection selection, boolean remember) {
    this.tablespaces = tablespaces;
    this.selection = selection;
    this.paths = remember ? new PathSet() : null;
  }

  /**
   * Looks through a backup.
   *
   * @param remember whether {@link #hasFile} and {@link #hasFolder} will be asked
   */
  static Survey of(
      BackupReader reader, Tablespaces tablespaces, Selection selection, boolean remember)
      throws IOException {
    Survey survey = new Survey(tablespaces, selection, remember);
    reader.entries(survey::visit);
    return survey;
  }

  private void visit(StoredFile entry) {
    if (entry.kind() != Kind.FILE && entry.kind() != Kind.DIRECTORY) {
      throw EntryPath.hostile(entry.path(), "is neither a file nor a folder");
    }
    if (entry.area() == Area.META) {
      return;
    }
    List<String> names = EntryPath.names(entry.path());
    if (entry.length() < 0) {
      throw EntryPath.hostile(entry.path(), "has a negative length");
    }
    if (entry.area() == Area.CONFIG) {
      configured |= entry.kind() == Kind.FILE;
      return;
    }
    if (names.get(0).equals("pg_tblspc") && names.size() > 1) {
      if (!tablespaces.has(names.get(1))) {
        throw EntryPath.hostile(entry.path(), "lies in a tablespace that the backup does not have");
      }
      if (names.size() == 2 && entry.kind() == Kind.FILE) {
        throw EntryPath.hostile(entry.path(), "is a file where a tablespace lies");
      }
    }
    if (Restorer.reserved(names.get(0)) && (names.size() > 1 || entry.kind() == Kind.DIRECTORY)) {
      throw EntryPath.hostile(entry.path(), "is a folder where a server has a file");
    }
    if (names.size() > 1 && names.get(0).equals("pg_wal") && names.get(1).equals("thorbis")) {
      throw EntryPath.hostile(entry.path(), "has the name of a folder of ours");
    }
    if (entry.kind() == Kind.DIRECTORY) {
      if (!names.get(0).equals("pg_replslot")) {
        folders.add(names);
        expectFolder(names);
      }
      return;
    }
    if (Restorer.laidDown(names)) {
      files++;
      bytes += selection.empties(names) ? 0 : entry.length();
      expectFile(names);
    }
    if (names.size() == 1 && CONFIGURATION.contains(names.get(0))) {
      configuration.add(names.get(0));
    }
  }

  /** Says that a file belongs there that does not come from the backup. */
  void expectFile(List<String> names) {
    PathSet known = paths;
    if (known == null) {
      return;
    }
    expectFolder(names.subList(0, names.size() - 1));
    if (known.contains(key("d", names)) || !known.add(key("f", names))) {
      throw EntryPath.hostile(String.join("/", names), "comes twice");
    }
  }

  /** Says that a folder belongs there. */
  void expectFolder(List<String> names) {
    PathSet known = paths;
    if (known == null || names.isEmpty() || !known.add(key("d", names))) {
      return;
    }
    if (known.contains(key("f", names))) {
      throw EntryPath.hostile(String.join("/", names), "is both a file and a folder");
    }
    expectFolder(names.subList(0, names.size() - 1));
  }

  private String key(String kind, List<String> names) {
    if (names.size() > 1 && names.get(0).equals("pg_tblspc")) {
      Optional<Long> oid = Tablespaces.oid(names.get(1)).filter(tablespaces.outside()::containsKey);
      if (oid.isPresent()) {
        return key(kind, oid, String.join("/", names.subList(2, names.size())));
      }
    }
    return key(kind, Optional.empty(), String.join("/", names));
  }

  private static String key(String kind, Optional<Long> tablespace, String path) {
    return kind + tablespace.map(String::valueOf).orElse("") + ":" + path;
  }

  /** Whether a file belongs at a path below the data directory, or below a tablespace outside. */
  boolean hasFile(Optional<Long> tablespace, String path) {
    return remembers(key("f", tablespace, path));
  }

  /** The same of a folder. */
  boolean hasFolder(Optional<Long> tablespace, String path) {
    return remembers(key("d", tablespace, path));
  }

  /** Whether a link to a tablespace belongs at a path below the data directory. */
  boolean hasLink(String path) {
    return path.startsWith("pg_tblspc/")
        && Tablespaces.oid(path.substring(path.indexOf('/') + 1))
            .filter(tablespaces.outside()::containsKey)
            .isPresent();
  }

  private boolean remembers(String key) {
    return Objects.requireNonNull(paths, "not remembered").contains(key);
  }

  /** How many files come from the backup. */
  long files() {
    return files;
  }

  /** How many bytes of content they have. */
  long bytes() {
    return bytes;
  }

  /** Every folder of the data directory. */
  List<List<String>> folders() {
    return folders;
  }

  /** Whether the backup's data directory has this file of configuration. */
  boolean has(String name) {
    return configuration.contains(name);
  }

  /** Whether the backup has configuration from outside the data directory. */
  boolean configured() {
    return configured;
  }
}
