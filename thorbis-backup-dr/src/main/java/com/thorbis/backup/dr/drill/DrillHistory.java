package com.thorbis.backup.dr.drill;

import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.dr.internal.StateFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** The drills of a source that this host did, in its state directory. */
public final class DrillHistory {
  private static final int MOST = 500;
  private static final int PACES = 5;
  private static final String SUFFIX = ".json";
  private static final String REPOSITORY = "repository";

  private final Path folder;

  /** Of one source. */
  public DrillHistory(Path stateDirectory, String source) {
    this.folder =
        stateDirectory
            .toAbsolutePath()
            .resolve("drills")
            .resolve(source.replaceAll("[^A-Za-z0-9_-]", "_"));
  }

  Path folder() throws IOException {
    StateFile.createFolder(folder);
    return folder;
  }

  /**
   * All that can be read, oldest first. One that is damaged, or of another version, is left out.
   */
  public List<DrillReport> reports() throws IOException {
    List<DrillReport> reports = new ArrayList<>();
    for (Path file : files()) {
      read(Files.readAllBytes(file)).ifPresent(reports::add);
    }
    return reports;
  }

  private static Optional<DrillReport> read(byte[] bytes) {
    try {
      return Optional.of(DrillReport.parse(bytes));
    } catch (IllegalArgumentException e) {
      return Optional.empty(); // it proves nothing
    }
  }

  private List<Path> files() throws IOException {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, "drill-*" + SUFFIX)) {
      found.forEach(files::add);
    } catch (NoSuchFileException e) {
      return List.of();
    }
    files.sort(Comparator.naturalOrder());
    return files;
  }

  /** The last that passed. */
  public Optional<DrillReport> lastPassed() throws IOException {
    return reports().stream().filter(DrillReport::passed).reduce((first, second) -> second);
  }

  void add(DrillReport report) throws IOException {
    Path file = folder().resolve(report.id() + SUFFIX);
    StateFile.write(file, report.bytes());
    List<Path> files = files();
    for (Path old : files.subList(0, Math.max(0, files.size() - MOST))) {
      Files.deleteIfExists(old);
    }
  }

  /** The repository that it was last tried from, as all copies together told it. */
  Optional<String> repository() throws IOException {
    try {
      return Optional.of(Files.readString(folder.resolve(REPOSITORY)));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  void repository(String id) throws IOException {
    if (!repository().equals(Optional.of(id))) {
      StateFile.write(folder().resolve(REPOSITORY), id.getBytes(StandardCharsets.UTF_8));
    }
  }

  /**
   * Why a source should be tried again: what differs from its last passed drill.
   *
   * @param reports its drills, oldest first
   * @param backupType of its newest backup
   * @param version its server's major version
   * @param now what one would be done with
   * @param settings the digest of the drill's settings
   * @return empty if that drill still speaks for it
   */
  static List<String> needsRetest(
      List<DrillReport> reports, String backupType, long version, Basis now, String settings) {
    Optional<DrillReport> last =
        reports.stream().filter(DrillReport::passed).reduce((first, second) -> second);
    if (last.isEmpty()) {
      return List.of("no drill of it has passed yet");
    }
    List<String> reasons = new ArrayList<>();
    DrillReport passed = last.get();
    boolean tried =
        reports.stream()
            .filter(DrillReport::passed)
            .anyMatch(it -> it.choice().backupType().equals(Optional.of(backupType)));
    if (!tried) {
      reasons.add("no backup of type " + backupType + " was tried");
    }
    if (!passed.choice().version().equals(OptionalLong.of(version))) {
      reasons.add("the server is of version " + version + " now");
    }
    reasons.addAll(now.changedSince(passed.basis()));
    if (!passed.settings().equals(settings)) {
      reasons.add("what a drill looks at was changed");
    }
    return reasons;
  }

  /** What a measured query took in the middle one of the last passed drills. */
  static OptionalLong usual(List<DrillReport> reports, String check) {
    List<Long> paces =
        reports.stream()
            .filter(DrillReport::passed)
            .flatMap(report -> report.checks().stream())
            .filter(it -> it.name().equals(check) && it.outcome() != Outcome.FAILED)
            .filter(it -> it.millis() > 0)
            .map(DrillCheck::millis)
            .toList();
    List<Long> last =
        paces.subList(Math.max(0, paces.size() - PACES), paces.size()).stream().sorted().toList();
    return last.isEmpty() ? OptionalLong.empty() : OptionalLong.of(last.get(last.size() / 2));
  }
}
