package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The catalogue as of one commit, so that opening need not read all before it.
 *
 * @param sequence that commit
 * @param head SHA-256 of that commit as stored, which ties this to the chain
 * @param steps add up to the catalogue
 */
record Checkpoint(long sequence, String head, List<Catalog.Step> steps) {
  private static final String FORMAT = "thorbis-checkpoint";
  private static final int VERSION = 1;

  byte[] encode() {
    Map<String, Object> document = Json.object();
    document.put("format", FORMAT);
    document.put("version", VERSION);
    document.put("sequence", sequence);
    document.put("head", head);
    List<Map<String, Object>> written = new ArrayList<>();
    for (Catalog.Step step : steps) {
      Map<String, Object> entry = Json.object();
      entry.put("sequence", step.sequence());
      entry.put("operations", step.operations().stream().map(Operation::document).toList());
      written.add(entry);
    }
    document.put("steps", written);
    return Json.write(document);
  }

  static Checkpoint read(byte[] bytes, String object, List<String> copies)
      throws RepositoryException {
    Json.Node node = Json.read(bytes, object);
    if (!node.text("format").equals(FORMAT)) {
      throw node.wrong("format", "not " + FORMAT);
    }
    if (node.number("version") != VERSION) {
      throw new RepositoryException(
          "repository.unsupported",
          FailureKind.PERMANENT,
          object + ": checkpoint version " + node.number("version") + " is not known here",
          Map.of("object", object),
          "Use a release that knows it.",
          null);
    }
    List<Catalog.Step> steps = new ArrayList<>();
    for (Json.Node step : node.nodes("steps")) {
      List<Operation> operations = new ArrayList<>();
      for (Json.Node operation : step.nodes("operations")) {
        operations.add(Operation.read(operation, copies));
      }
      steps.add(new Catalog.Step(step.number("sequence", 1, Long.MAX_VALUE), operations));
    }
    return new Checkpoint(node.number("sequence", 1, Long.MAX_VALUE), node.text("head"), steps);
  }
}
