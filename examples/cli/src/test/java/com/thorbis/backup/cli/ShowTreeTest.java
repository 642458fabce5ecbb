package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What show tells of a tree with links. */
class ShowTreeTest {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: passphrase:main
              passphrase: ${env:PASSPHRASE}
      """;

  @TempDir Path folder;

  private static StoredFile entry(String path, Kind kind, String target) {
    return new StoredFile(
        Area.DATA,
        path,
        kind,
        0,
        0755,
        Instant.EPOCH,
        Optional.ofNullable(target),
        Optional.empty());
  }

  @Test
  void linksAreShownWithWhereTheyLead() throws IOException {
    CommandRunner runner = new CommandRunner(folder).with("PASSPHRASE", "correct horse battery");
    Files.writeString(
        folder.resolve("thorbis.yaml"), CONFIG.formatted(folder.resolve("repo").toUri()));
    assertThat(runner.run("init").code()).isZero();
    Config config = Config.load(folder.resolve("thorbis.yaml"), runner.host(), false);
    Instant now = Instant.now();
    String id;
    try (ThorbisBackup opened = Recipients.all(config).build()) {
      opened.repository().register("documents", "files");
      try (BackupWriter writer =
          opened
              .repository()
              .begin(new BackupStart("documents", BackupType.FULL, Optional.empty(), now))) {
        writer.directory(entry("a", Kind.DIRECTORY, null));
        writer.link(entry("a/soft", Kind.SYMBOLIC_LINK, "../b c"));
        try (BackupWriter.FileWriter file =
            writer.file(entry("a/file", Kind.FILE, null), PieceCheck.NONE)) {
          file.finish();
        }
        writer.link(entry("hard", Kind.HARD_LINK, "a/file"));
        id =
            writer
                .commit(
                    BackupFacts.withoutServer(now, now, Map.of(), List.of()), BackupStatus.COMPLETE)
                .id()
                .value();
      }
    }
    Result shown = runner.run("show", id, "--files");
    assertThat(shown.code()).as(shown.err()).isZero();
    assertThat(shown.out()).contains("  a/\n", "  a/soft -> ../b c\n", "  hard -> a/file\n");
    JsonNode entries =
        new ObjectMapper()
            .readTree(runner.run("show", id, "--files", "--json").out())
            .path("entries");
    assertThat(entries).hasSize(4);
    assertThat(entries.get(0).path("kind").asText()).isEqualTo("directory");
    assertThat(entries.get(0).has("target")).isFalse();
    assertThat(entries.get(1).path("kind").asText()).isEqualTo("symbolic-link");
    assertThat(entries.get(1).path("target").asText()).isEqualTo("../b c");
    assertThat(entries.get(3).path("kind").asText()).isEqualTo("hard-link");
    assertThat(entries.get(3).path("target").asText()).isEqualTo("a/file");
  }
}
