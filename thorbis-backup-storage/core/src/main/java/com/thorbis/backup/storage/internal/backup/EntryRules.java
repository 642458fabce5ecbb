package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.FileNode;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.StoredFile;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** What an entry of a backup must be like, so that it comes back as it was given. */
final class EntryRules {
  /** How long a path, or the target of a link, may be. */
  static final int MOST_PATH_BYTES = 16 << 10;

  /** How long the name of an owner or a group may be. */
  static final int MOST_NAME_BYTES = 1 << 10;

  /** The highest number of an owner or a group. */
  static final long MOST_OWNER = 0xFFFF_FFFFL;

  private EntryRules() {}

  /** Refuses what cannot be stored, or would come back as something else. */
  static void require(StoredFile file) throws RepositoryException {
    if (!text(file.path(), 1, MOST_PATH_BYTES)
        || (file.mode() & ~07777) != 0
        || file.target().filter(target -> !text(target, 1, MOST_PATH_BYTES)).isPresent()
        || file.node().filter(node -> !storable(node)).isPresent()) {
      throw refused(file);
    }
  }

  /** The same of one that must be of a kind. */
  static void require(StoredFile file, StoredFile.Kind kind) throws RepositoryException {
    if (file.kind() != kind) {
      throw refused(file);
    }
    require(file);
  }

  private static boolean storable(FileNode node) {
    return node.uid() >= 0
        && node.uid() <= MOST_OWNER
        && node.gid() >= 0
        && node.gid() <= MOST_OWNER
        && text(node.owner(), 0, MOST_NAME_BYTES)
        && text(node.group(), 0, MOST_NAME_BYTES);
  }

  /** Half of a pair of surrogates has no bytes, and would come back as a question mark. */
  private static boolean text(String text, int least, int most) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return bytes.length >= least
        && bytes.length <= most
        && new String(bytes, StandardCharsets.UTF_8).equals(text);
  }

  /** Of a hard link to what is no file of the backup: the content of that name would be lost. */
  static RepositoryException leadsNowhere(StoredFile link) {
    return new RepositoryException(
        "repository.entry-refused",
        FailureKind.REFUSED,
        "A hard link needs a file that was finished before it, and there is none: \""
            + shortened(link.path())
            + "\" leads to \""
            + shortened(link.target().orElseThrow())
            + "\"",
        Map.of(),
        "Store the file first, or the content under this name.",
        null);
  }

  private static String shortened(String path) {
    return path.length() > 200 ? path.substring(0, 200) : path;
  }

  static RepositoryException refused(StoredFile file) {
    return new RepositoryException(
        "repository.entry-refused",
        FailureKind.REFUSED,
        "Not an entry that can be stored: "
            + file.kind()
            + " \""
            + shortened(file.path())
            + "\", mode "
            + Integer.toOctalString(file.mode()),
        Map.of(),
        "",
        null);
  }
}
