package com.thorbis.backup.cli;

import com.thorbis.backup.api.Cancellation;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Runs what most commands run, so that the archive of classes written at its end holds them. What
 * it prints and whether it fails does not matter.
 */
final class Training {
  private Training() {}

  static void run() throws IOException {
    Path folder = Files.createTempDirectory("thorbis-training");
    try {
      Files.writeString(
          folder.resolve("thorbis.yaml"),
          """
          state-directory: state
          repository:
            copies:
              - uri: %s
            encryption:
              recipients:
                - uri: passphrase:training
                  passphrase: ${env:PASSPHRASE}
              accept-single-key-risk: true
          sources:
            training:
              type: postgres
              url: jdbc:postgresql://127.0.0.1:1/postgres?sslmode=disable
              user: nobody
              password: ${env:PASSPHRASE}
          """
              .formatted(folder.resolve("repository").toUri()),
          StandardCharsets.UTF_8);
      PrintStream nowhere =
          new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
      Host host =
          new Host(
              Map.of("PASSPHRASE", "not a secret"),
              folder,
              folder.toString(),
              InputStream.nullInputStream(),
              nowhere,
              nowhere,
              false,
              false,
              Optional.empty());
      for (String command :
          List.of(
              "--version",
              "--help",
              "init",
              "list",
              "list --json",
              "status",
              "check",
              "verify --json",
              "backup training",
              "wal show training",
              "wal get training 000000010000000000000001 restored",
              "restore training --target-dir restored --to-time 2026-01-02T03:04:05Z --plan")) {
        new Run(host, new Cancellation()).execute(command.split(" "));
      }
    } finally {
      try (Stream<Path> all = Files.walk(folder)) {
        for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(each);
        }
      }
    }
  }
}
