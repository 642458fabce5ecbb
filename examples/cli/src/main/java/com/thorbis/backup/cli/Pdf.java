package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Prints pages with a browser that is installed. */
record Pdf(Path browser) {
  private static final List<String> NAMES =
      List.of("chromium", "chromium-browser", "google-chrome", "google-chrome-stable");
  private static final int MOST_SECONDS = 120;
  private static final int MOST_SAID = 2000;

  /**
   * Finds a browser.
   *
   * @throws BackupException code {@code report.no-browser} if there is none
   */
  static Pdf find(Map<String, String> environment, @Nullable Path named) {
    if (named != null) {
      if (!Files.isExecutable(named)) {
        throw none(named + " is no program that can be run");
      }
      return new Pdf(named);
    }
    for (String folder : environment.getOrDefault("PATH", "").split(File.pathSeparator, -1)) {
      for (String name : NAMES) {
        Path program = Path.of(folder).resolve(name);
        if (!folder.isEmpty() && Files.isExecutable(program)) {
          return new Pdf(program);
        }
      }
    }
    throw none("A report is printed by Chromium, and none is on the PATH");
  }

  private static BackupException none(String message) {
    return BackupException.of("report.no-browser", FailureKind.CONFIGURATION, message)
        .remedy(
            "Install chromium, name one with --browser, or write an .html and print it from any"
                + " browser.")
        .build();
  }

  /** The print of a page that needs nothing else. */
  byte[] print(String html) throws IOException {
    Path folder = Files.createTempDirectory("thorbis-report-"); // for this account alone
    try {
      Path page = Files.writeString(folder.resolve("report.html"), html);
      Path print = folder.resolve("report.pdf");
      Path said = folder.resolve("said");
      List<String> command =
          new ArrayList<>(
              List.of(
                  browser.toString(),
                  "--headless",
                  "--disable-gpu",
                  "--disable-dev-shm-usage",
                  "--disable-background-networking",
                  "--no-first-run",
                  "--no-pdf-header-footer",
                  "--user-data-dir=" + folder.resolve("profile"),
                  "--print-to-pdf=" + print));
      if (System.getProperty("user.name").equals("root")) {
        command.add("--no-sandbox"); // it does not start there otherwise; the page runs nothing
      }
      command.add(page.toUri().toString());
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(said.toFile())
              .start();
      boolean ended = process.waitFor(MOST_SECONDS, TimeUnit.SECONDS);
      if (!ended) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
      }
      if (!ended || process.exitValue() != 0 || !Files.exists(print)) {
        String text = Files.readString(said, StandardCharsets.ISO_8859_1);
        throw BackupException.of(
                "report.print-failed",
                FailureKind.PERMANENT,
                browser
                    + (ended
                        ? " ended with " + process.exitValue()
                        : " did not end within " + MOST_SECONDS + " s")
                    + " and printed nothing: "
                    + text.substring(Math.max(0, text.length() - MOST_SAID)).strip())
            .remedy("Write an .html, and print it from any browser.")
            .build();
      }
      return Files.readAllBytes(print);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("Interrupted while printing", e);
    } finally {
      delete(folder);
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }
}
