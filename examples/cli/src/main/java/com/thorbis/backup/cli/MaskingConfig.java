package com.thorbis.backup.cli;

import com.thorbis.backup.dr.simulate.Masking;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What {@code sources.NAME.masking} says. */
final class MaskingConfig {
  private MaskingConfig() {}

  static List<Masking> read(Section source, Path folder) {
    List<Masking> all = new ArrayList<>();
    for (Section each : source.sections("masking")) {
      String database = each.require("database");
      List<String> statements = new ArrayList<>(each.texts("statements"));
      Optional<String> file = each.find("file");
      if (file.isPresent() != statements.isEmpty()) {
        throw each.wrong(
            "statements",
            "masking takes statements or a file of them",
            "Write one of statements and file.");
      }
      file.ifPresent(
          name -> {
            try {
              statements.add(Files.readString(folder.resolve(name)));
            } catch (IOException e) {
              throw each.wrong(
                  "file", "\"" + name + "\" cannot be read", "Name a file of SQL in UTF-8.");
            }
          });
      String proof = each.require("proof");
      each.finish();
      try {
        all.add(new Masking(database, statements, proof));
      } catch (IllegalArgumentException e) {
        throw each.wrong("statements", String.valueOf(e.getMessage()), "Write them.");
      }
    }
    return all;
  }
}
