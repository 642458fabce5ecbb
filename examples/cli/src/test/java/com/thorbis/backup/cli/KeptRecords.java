package com.thorbis.backup.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The evidence that a repository holds, as a report hands it out. */
final class KeptRecords {
  private KeptRecords() {}

  /** Those of one kind, in order; whether all that a report wants is there is of no interest. */
  static List<JsonNode> of(String kind, CommandRunner command, Path bundle) throws IOException {
    Files.deleteIfExists(bundle);
    command.run("report", "create", "--output", bundle.toString());
    List<JsonNode> found = new ArrayList<>();
    try (FileSystem zip = FileSystems.newFileSystem(bundle)) {
      for (String line : Files.readAllLines(zip.getPath("records.jsonl"))) {
        JsonNode one = new ObjectMapper().readTree(line);
        if (one.path("kind").asText().equals(kind)) {
          found.add(one);
        }
      }
    }
    return found;
  }
}
