package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.backup.DatabaseNames;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Which databases are laid with their content. The others get files of the same length that hold
 * nothing: replay finds the files it expects, and every page it touches comes with its first change
 * as a full image, as the server writes them while a backup is taken. So the cluster starts, and
 * the others can be dropped and not be used.
 */
final class Selection {
  /** Without them a cluster is of little use; they hold next to nothing. */
  private static final Set<String> ALWAYS = Set.of("template0", "template1", "postgres");

  /** Object ids below are the server's own. */
  private static final long FIRST_OF_USERS = 16384;

  private static final String VERSION = "PG_VERSION";
  private static final int MOST_NAMED = 20;

  private final boolean all;
  private final Set<Long> kept;
  private final List<String> without;

  private Selection(boolean all, Set<Long> kept, List<String> without) {
    this.all = all;
    this.kept = kept;
    this.without = without;
  }

  /** Finds the databases in a backup; all of them if none is wanted in particular. */
  static Selection of(Set<String> wanted, BackupReader reader) throws IOException {
    if (wanted.isEmpty()) {
      return new Selection(true, Set.of(), List.of());
    }
    Optional<Map<Long, String>> names =
        reader.read(Area.META, DatabaseNames.FILE).map(DatabaseNames::parse);
    Set<Long> folders = folders(reader);
    Set<Long> kept = new LinkedHashSet<>();
    for (String each : wanted) {
      kept.add(find(each, names, folders));
    }
    for (long oid : folders) {
      if (names.map(n -> ALWAYS.contains(n.getOrDefault(oid, ""))).orElse(oid < FIRST_OF_USERS)) {
        kept.add(oid);
      }
    }
    List<String> without = new ArrayList<>();
    for (long oid : folders) {
      if (!kept.contains(oid)) {
        without.add(names.map(n -> n.get(oid)).orElse(Long.toString(oid)));
      }
    }
    return new Selection(false, kept, without);
  }

  private static long find(String wanted, Optional<Map<Long, String>> names, Set<Long> folders) {
    for (Map.Entry<Long, String> each : names.orElse(Map.of()).entrySet()) {
      if (each.getValue().equals(wanted)) {
        return each.getKey();
      }
    }
    Optional<Long> oid = Tablespaces.oid(wanted).filter(folders::contains);
    if (oid.isPresent()) {
      return oid.get();
    }
    throw BackupException.of(
            "restore.unknown-database",
            FailureKind.CONFIGURATION,
            names.isPresent()
                ? "The backup has no database \"" + wanted + "\""
                : "The backup does not know databases by name, as SQL was not available when it was"
                    + " taken: \""
                    + wanted
                    + "\"")
        .remedy(
            names
                .map(n -> "It has: " + shortened(List.copyOf(n.values())) + ".")
                .orElse(
                    "Give their object ids: "
                        + shortened(folders.stream().map(String::valueOf).toList())
                        + "."))
        .build();
  }

  private static Set<Long> folders(BackupReader reader) throws IOException {
    Set<Long> folders = new LinkedHashSet<>();
    reader.entries(
        entry -> {
          if (entry.area() == Area.DATA) {
            database(List.of(entry.path().split("/", -1))).ifPresent(folders::add);
          }
        });
    return folders;
  }

  private static Optional<Long> database(List<String> names) {
    if (names.size() > 2 && names.get(0).equals("base")) {
      return Tablespaces.oid(names.get(1));
    }
    if (names.size() > 4 && names.get(0).equals("pg_tblspc")) {
      return Tablespaces.oid(names.get(3));
    }
    return Optional.empty();
  }

  /** Whether a file gets its length and no content. */
  boolean empties(List<String> names) {
    return !all
        && database(names).filter(oid -> !kept.contains(oid)).isPresent()
        && !names.get(names.size() - 1).equals(VERSION);
  }

  /** Whether any file is emptied. */
  boolean partial() {
    return !without.isEmpty();
  }

  /** What a person is told. */
  Optional<String> note() {
    return without.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "Not restored, and to be dropped when recovery is over, as they are broken: "
                + shortened(without));
  }

  private static String shortened(List<String> names) {
    return String.join(", ", names.subList(0, Math.min(MOST_NAMED, names.size())))
        + (names.size() > MOST_NAMED ? " and " + (names.size() - MOST_NAMED) + " more" : "");
  }
}
