package com.thorbis.backup.postgres.restore;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The file that says, while a restore has not ended, whose files these are. It is durable before
 * the first of them changes and goes when the last one is durable, so that a folder without a
 * control file can be told from one that is somebody else's.
 *
 * @param systemId the cluster's identifier, as PostgreSQL prints it
 * @param tablespaces where tablespaces outside the data directory are laid, by object id
 */
record Unfinished(String systemId, Map<Long, Path> tablespaces) {
  static final String NAME = "thorbis.unfinished";

  private static final int MOST_BYTES = 1 << 20;
  private static final String SYSTEM = "system-id ";
  private static final String TABLESPACE = "tablespace ";

  /** Copies the map. */
  Unfinished {
    tablespaces = Map.copyOf(tablespaces);
  }

  /** Reads it; empty where there is none, or one that says nothing. */
  static Optional<Unfinished> find(Path root) throws IOException {
    Path file = root.resolve(NAME);
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) || Files.size(file) > MOST_BYTES) {
      return Optional.empty();
    }
    Map<Long, Path> tablespaces = new LinkedHashMap<>();
    String systemId = "";
    for (String line : Files.readString(file, StandardCharsets.UTF_8).lines().toList()) {
      if (line.startsWith(SYSTEM)) {
        systemId = line.substring(SYSTEM.length());
      } else if (line.startsWith(TABLESPACE)) {
        String[] words = line.substring(TABLESPACE.length()).split(" ", 2);
        Optional<Long> oid = Tablespaces.oid(words[0]);
        if (words.length == 2 && oid.isPresent()) {
          tablespaces.put(oid.get(), Path.of(words[1]));
        }
      }
    }
    return systemId.isEmpty()
        ? Optional.empty()
        : Optional.of(new Unfinished(systemId, tablespaces));
  }

  /** Writes it, durably. */
  void write(TargetTree tree) throws IOException {
    StringBuilder text =
        new StringBuilder(
            "# Thorbis Backup has not finished restoring here: go on with restore --delta.\n");
    text.append(SYSTEM).append(systemId).append('\n');
    tablespaces.forEach(
        (oid, path) -> text.append(TABLESPACE).append(oid).append(' ').append(path).append('\n'));
    tree.write(List.of(NAME), text.toString().getBytes(StandardCharsets.UTF_8));
    TargetTree.force(tree.root());
  }

  /** Removes it; what it says was true until now, so that nothing depends on when that lasts. */
  static void remove(TargetTree tree) throws IOException {
    Files.deleteIfExists(tree.path(List.of(NAME)));
  }

  /** The places of all tablespaces that lie outside. */
  static Unfinished of(String systemId, Tablespaces tablespaces) {
    return new Unfinished(systemId, tablespaces.outside());
  }
}
