package com.thorbis.backup.postgres.restore;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Finds, and if asked to removes, what lies in a cluster's folders and does not belong to the
 * backup. Follows no link and leaves no folder that it was given: what a link leads to stays. Of a
 * tablespace's folder, which clusters of several versions can share, it looks only at what the
 * backup has there too.
 */
final class Sweep {
  private static final int MOST_EXAMPLES = 5;

  private final Survey survey;
  private final boolean remove;
  private final List<Path> examples = new ArrayList<>();
  private long found;
  private long foreign;

  private Sweep(Survey survey, boolean remove) {
    this.survey = survey;
    this.remove = remove;
  }

  /** Looks only. */
  static Sweep look(Survey survey, ExistingCluster there, Tablespaces tablespaces)
      throws IOException {
    Sweep sweep = new Sweep(survey, false);
    sweep.run(there.root(), sweep.places(there, tablespaces));
    return sweep;
  }

  /** Removes. Whoever calls makes the folders durable. */
  static Sweep clean(Survey survey, ExistingCluster there, Tablespaces tablespaces)
      throws IOException {
    Sweep sweep = new Sweep(survey, true);
    sweep.run(there.root(), sweep.places(there, tablespaces));
    return sweep;
  }

  /** How many files, folders and links, those inside of others counted too. */
  long found() {
    return found;
  }

  /** What a person is told; empty if nothing is found. */
  List<String> notes() {
    List<String> notes = new ArrayList<>();
    if (found > 0) {
      notes.add(
          found
              + " files and folders that the backup does not have are removed, such as "
              + String.join(", ", examples.stream().map(Path::toString).toList()));
    }
    if (foreign > 0) {
      notes.add(
          foreign
              + " files and folders in the tablespaces' places are not this cluster's and stay");
    }
    return notes;
  }

  private Map<Long, Path> places(ExistingCluster there, Tablespaces tablespaces) {
    Map<Long, Path> places = tablespaces.outside();
    places.values().retainAll(there.tablespaces().values());
    return places;
  }

  private void run(Path root, Map<Long, Path> outside) throws IOException {
    folder(Optional.empty(), root, "");
    for (Map.Entry<Long, Path> place : outside.entrySet()) {
      if (Files.isDirectory(place.getValue(), LinkOption.NOFOLLOW_LINKS)) {
        folder(Optional.of(place.getKey()), place.getValue(), "");
      }
    }
  }

  private void folder(Optional<Long> tablespace, Path folder, String prefix) throws IOException {
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
      for (Path entry : entries) {
        String path = prefix + entry.getFileName();
        if (Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS)) {
          if (survey.hasFolder(tablespace, path)) {
            folder(tablespace, entry, path + "/");
          } else {
            surplus(tablespace, prefix, entry);
          }
        } else if (Files.isSymbolicLink(entry)
            ? !(tablespace.isEmpty() && survey.hasLink(path))
            : !(Files.isRegularFile(entry, LinkOption.NOFOLLOW_LINKS)
                && survey.hasFile(tablespace, path))) {
          surplus(tablespace, prefix, entry);
        }
      }
    }
  }

  private void surplus(Optional<Long> tablespace, String prefix, Path entry) throws IOException {
    if (tablespace.isPresent() && prefix.isEmpty()) {
      foreign++;
      return;
    }
    if (examples.size() < MOST_EXAMPLES) {
      examples.add(entry);
    }
    discard(entry);
  }

  private void discard(Path entry) throws IOException {
    if (Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS)) {
      try (DirectoryStream<Path> entries = Files.newDirectoryStream(entry)) {
        for (Path inner : entries) {
          discard(inner);
        }
      }
    }
    if (remove) {
      Files.delete(entry);
    }
    found++;
  }
}
