package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.server.ServerUser;
import com.thorbis.backup.spi.repository.BackupFacts.Tablespace;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Where each tablespace goes. One that nobody mapped goes where the source had it only if that
 * place is new or empty here: on the source's own host it is in use, and on another host a restore
 * needs no mapping.
 */
final class Tablespaces {
  /** The tablespace map of a backup that has tablespaces outside the data directory. */
  static final String MAP = "tablespace_map";

  private final Map<Long, Optional<Path>> places;
  private final Set<Path> reused;

  private Tablespaces(Map<Long, Optional<Path>> places, Set<Path> reused) {
    this.places = places;
    this.reused = reused;
  }

  /**
   * Decides, and changes nothing.
   *
   * @param wanted new places by the old path, the name or the object id
   * @param others folders that a tablespace may not overlap with
   * @param there the cluster in the target folder, whose tablespaces stay where they are
   */
  static Tablespaces decide(
      List<Tablespace> all,
      Map<String, Path> wanted,
      List<Path> others,
      Optional<ExistingCluster> there)
      throws IOException {
    Map<Long, Optional<Path>> places = new LinkedHashMap<>();
    Set<String> unused = new LinkedHashSet<>(wanted.keySet());
    List<Path> taken = new ArrayList<>(others);
    Set<Path> reused = new LinkedHashSet<>();
    for (Tablespace tablespace : all) {
      Optional<Path> now = there.map(t -> t.tablespaces().get(tablespace.oid()));
      Optional<Path> place = place(tablespace, wanted, unused, now);
      if (place.isPresent()) {
        boolean same = now.isPresent() && sameFolder(place.get(), now.get());
        Path free =
            same
                ? reused(tablespace, now.get(), there.orElseThrow())
                : free(tablespace, place.get(), mapped(tablespace, wanted).isPresent());
        if (same) {
          reused.add(free);
        }
        for (Path other : taken) {
          if (free.startsWith(other) || other.startsWith(free)) {
            throw BackupException.of(
                    "restore.tablespaces-overlap",
                    FailureKind.REFUSED,
                    "Tablespace "
                        + tablespace.name()
                        + " would lie at "
                        + free
                        + ", which overlaps with "
                        + other)
                .remedy("Give each tablespace a folder of its own: --tablespace OLD=NEW.")
                .build();
          }
        }
        taken.add(free);
        places.put(tablespace.oid(), Optional.of(free));
      } else {
        places.put(tablespace.oid(), Optional.empty());
      }
    }
    if (!unused.isEmpty()) {
      throw BackupException.of(
              "restore.unknown-tablespace",
              FailureKind.CONFIGURATION,
              "The backup has no tablespace " + String.join(", ", unused))
          .remedy(
              all.isEmpty()
                  ? "It has none at all; leave --tablespace out."
                  : "It has: "
                      + String.join(", ", all.stream().map(Tablespaces::described).toList()))
          .build();
    }
    return new Tablespaces(places, reused);
  }

  private static boolean sameFolder(Path place, Path now) throws IOException {
    return Files.isDirectory(place) && Files.isDirectory(now) && Files.isSameFile(place, now);
  }

  private static Path reused(Tablespace tablespace, Path now, ExistingCluster there)
      throws IOException {
    Path real = now.toRealPath();
    if (there.usedElsewhere(real)) {
      throw BackupException.of(
              "restore.tablespace-in-use",
              FailureKind.REFUSED,
              "Tablespace "
                  + described(tablespace)
                  + " is at "
                  + real
                  + ", which a running server of another data directory uses, too")
          .remedy("Say where the restored one goes: --tablespace " + tablespace.oid() + "=NEW.")
          .detail("oid", Long.toString(tablespace.oid()))
          .detail("location", real.toString())
          .build();
    }
    return real;
  }

  private static Optional<Path> place(
      Tablespace tablespace, Map<String, Path> wanted, Set<String> unused, Optional<Path> now) {
    List<String> names = names(tablespace);
    unused.removeAll(names);
    Optional<Path> mapped = mapped(tablespace, wanted);
    if (mapped.isPresent()) {
      return mapped;
    }
    Path location = Path.of(tablespace.location());
    if (location.isAbsolute() && now.isPresent()) {
      return now;
    }
    return location.isAbsolute() ? Optional.of(location) : Optional.empty();
  }

  private static Optional<Path> mapped(Tablespace tablespace, Map<String, Path> wanted) {
    List<Path> found =
        names(tablespace).stream()
            .filter(wanted::containsKey)
            .map(wanted::get)
            .map(path -> path.toAbsolutePath().normalize())
            .distinct()
            .toList();
    if (found.size() > 1) {
      throw BackupException.of(
              "restore.tablespace-mapped-twice",
              FailureKind.CONFIGURATION,
              "Tablespace " + described(tablespace) + " is given more than one new place")
          .remedy("Name it once.")
          .build();
    }
    return found.stream().findFirst();
  }

  private static List<String> names(Tablespace tablespace) {
    return List.of(Long.toString(tablespace.oid()), tablespace.name(), tablespace.location());
  }

  private static String described(Tablespace tablespace) {
    return tablespace.name() + " (" + tablespace.oid() + ", " + tablespace.location() + ")";
  }

  private static Path free(Tablespace tablespace, Path place, boolean mapped) throws IOException {
    if (place.toString().chars().anyMatch(Character::isISOControl)) {
      throw BackupException.of(
              "restore.tablespace-path",
              FailureKind.CONFIGURATION,
              "The new place of tablespace " + tablespace.name() + " has a control character")
          .remedy("Name another folder.")
          .build();
    }
    String what = "The place of tablespace " + tablespace.name();
    if (mapped) {
      return TargetTree.checkFree(what, place);
    }
    try {
      return TargetTree.checkFree(what, place);
    } catch (BackupException e) {
      throw BackupException.of(
              "restore.tablespace-in-use",
              FailureKind.REFUSED,
              "Tablespace "
                  + tablespace.name()
                  + " was at "
                  + tablespace.location()
                  + ", and something is there now")
          .remedy(
              "The source may still use it. Say where the restored one goes: --tablespace "
                  + tablespace.oid()
                  + "=NEW.")
          .detail("oid", Long.toString(tablespace.oid()))
          .detail("location", tablespace.location())
          .cause(e)
          .build();
    }
  }

  /** The tablespaces that lie outside the data directory, and where. */
  Map<Long, Path> outside() {
    Map<Long, Path> outside = new LinkedHashMap<>();
    places.forEach((oid, place) -> place.ifPresent(path -> outside.put(oid, path)));
    return outside;
  }

  /** Whether the backup has this tablespace, by its folder's name below {@code pg_tblspc}. */
  boolean has(String folder) {
    return oid(folder).map(places::containsKey).orElse(false);
  }

  static Optional<Long> oid(String folder) {
    if (!folder.matches("[1-9][0-9]{0,9}")) {
      return Optional.empty();
    }
    return Optional.of(Long.parseLong(folder));
  }

  /** The content of {@code tablespace_map}; empty if there is nothing to map. */
  Optional<byte[]> map() {
    Map<Long, Path> outside = outside();
    if (outside.isEmpty()) {
      return Optional.empty();
    }
    StringBuilder text = new StringBuilder();
    outside.forEach(
        (oid, path) ->
            text.append(oid)
                .append(' ')
                .append(path.toString().replaceAll("[\\\\\n\r]", "\\\\$0"))
                .append('\n'));
    return Optional.of(text.toString().getBytes(StandardCharsets.UTF_8));
  }

  /** The trees outside, opened for writing. */
  Map<Long, TargetTree> open(ServerUser owner) throws IOException {
    Map<Long, TargetTree> trees = new HashMap<>();
    for (Map.Entry<Long, Path> place : outside().entrySet()) {
      trees.put(
          place.getKey(),
          reused.contains(place.getValue())
              ? TargetTree.reuse(place.getValue(), owner)
              : TargetTree.open(
                  "The place of tablespace " + place.getKey(), place.getValue(), owner));
    }
    return trees;
  }
}
