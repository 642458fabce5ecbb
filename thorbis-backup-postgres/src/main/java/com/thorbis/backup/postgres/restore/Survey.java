package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What a backup holds, every path checked before the first one is written. Remembers folders and
 * the few files whose absence matters, not the files.
 */
final class Survey {
  private static final Set<String> CONFIGURATION =
      Set.of(
          MinimalConfiguration.SERVER,
          MinimalConfiguration.ACCESS,
          MinimalConfiguration.IDENTITIES);

  private final List<List<String>> folders = new ArrayList<>();
  private final Set<String> configuration = new HashSet<>();
  private boolean configured;

  private Survey() {}

  static Survey of(BackupReader reader, Tablespaces tablespaces) throws IOException {
    Survey survey = new Survey();
    reader.entries(entry -> survey.visit(entry, tablespaces));
    return survey;
  }

  private void visit(StoredFile entry, Tablespaces tablespaces) {
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
      }
    } else if (names.size() == 1 && CONFIGURATION.contains(names.get(0))) {
      configuration.add(names.get(0));
    }
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
