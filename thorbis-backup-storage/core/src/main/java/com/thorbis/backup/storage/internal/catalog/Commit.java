package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.Json;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * One link of the chain.
 *
 * @param sequence 1 for the first
 * @param previous SHA-256 of the one before as stored; empty for the first
 * @param time when it was made, by the writer's clock
 * @param writer the writing process
 * @param run this commit's own id, by which its writer knows it again
 * @param operations what it does
 */
public record Commit(
    long sequence,
    String previous,
    Instant time,
    String writer,
    String run,
    List<Operation> operations) {
  private static final String FORMAT = "thorbis-commit";
  private static final int VERSION = 1;

  byte[] encode() {
    Map<String, Object> document = Json.object();
    document.put("format", FORMAT);
    document.put("version", VERSION);
    document.put("sequence", sequence);
    document.put("previous", previous);
    document.put("time", time);
    document.put("writer", writer);
    document.put("run", run);
    document.put("operations", operations.stream().map(Operation::document).toList());
    return Json.write(document);
  }

  static Commit read(byte[] bytes, String object, List<String> copies) throws RepositoryException {
    Json.Node node = Json.read(bytes, object);
    if (!node.text("format").equals(FORMAT)) {
      throw node.wrong("format", "not " + FORMAT);
    }
    if (node.number("version") != VERSION) {
      throw new RepositoryException(
          "repository.unsupported",
          FailureKind.PERMANENT,
          object + ": commit version " + node.number("version") + " is not known to this release",
          Map.of("object", object),
          "Use a release that knows it.",
          null);
    }
    List<Operation> operations = new ArrayList<>();
    for (Json.Node operation : node.nodes("operations")) {
      operations.add(Operation.read(operation, copies));
    }
    return new Commit(
        node.number("sequence"),
        node.text("previous"),
        node.instant("time"),
        node.text("writer"),
        node.text("run"),
        operations);
  }
}
