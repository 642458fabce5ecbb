package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.StateFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The last commit this machine has seen, kept outside the repository: a store that was set back
 * shows by it. May be lost; then nothing is compared.
 */
final class RememberedHead {
  private static final Logger LOG = LoggerFactory.getLogger(RememberedHead.class);

  private final Path file;

  /**
   * A commit.
   *
   * @param sequence its number
   * @param sha256 of its bytes as stored
   */
  record Head(long sequence, String sha256) {}

  RememberedHead(Path stateDirectory, ObjectId repository) {
    this(stateDirectory, repository + ".json");
  }

  private RememberedHead(Path stateDirectory, String name) {
    this.file = stateDirectory.resolve("heads").resolve(name);
  }

  /**
   * The last checkpoint that this machine has itself found right, in the same form.
   *
   * @param label of how commits were judged: judged otherwise, it may be wrong
   */
  static RememberedHead ofCheckpoint(Path stateDirectory, ObjectId repository, String label) {
    return new RememberedHead(stateDirectory, repository + ".checkpoint" + label + ".json");
  }

  Path file() {
    return file;
  }

  Optional<Head> read() throws IOException {
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
    try {
      Json.Node node = Json.read(bytes, file.toString());
      return Optional.of(new Head(node.number("sequence"), node.text("sha256")));
    } catch (RepositoryException e) {
      LOG.warn("The remembered head cannot be read and is forgotten: {}", e.getMessage());
      return Optional.empty();
    }
  }

  /** Remembers a commit, unless a later one is remembered. */
  void write(Head head) throws IOException {
    Optional<Head> known = read();
    if (known.isEmpty() || known.get().sequence() < head.sequence()) {
      replace(head);
    }
  }

  /** Remembers a commit, whatever is remembered. */
  void replace(Head head) throws IOException {
    Map<String, Object> document = Json.object();
    document.put("sequence", head.sequence());
    document.put("sha256", head.sha256());
    StateFile.replace(file, Json.write(document));
  }
}
