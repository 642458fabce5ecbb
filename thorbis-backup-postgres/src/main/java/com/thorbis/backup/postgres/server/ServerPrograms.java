package com.thorbis.backup.postgres.server;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Where the programs of one major version lie. */
public final class ServerPrograms {
  private static final List<String> NEEDED = List.of("postgres", "pg_ctl");
  private static final Pattern VERSION = Pattern.compile("\\(PostgreSQL\\) ([0-9]+)");

  private final Path folder;

  private ServerPrograms(Path folder) {
    this.folder = folder;
  }

  /**
   * Finds them: in the configured folder, where distributions put them, or on the path.
   *
   * @throws BackupException code {@code restore.no-programs} that says where was looked
   */
  public static ServerPrograms find(Optional<Path> configured, int major) throws IOException {
    return find(configured, major, System.getenv("PATH"));
  }

  static ServerPrograms find(Optional<Path> configured, int major, @Nullable String searchPath)
      throws IOException {
    List<Path> places = new ArrayList<>();
    if (configured.isPresent()) {
      places.add(configured.get());
    } else {
      places.add(Path.of("/usr/lib/postgresql", Integer.toString(major), "bin"));
      places.add(Path.of("/usr/pgsql-" + major, "bin"));
      if (searchPath != null) {
        for (String each : searchPath.split(File.pathSeparator)) {
          if (each.startsWith("/")) {
            places.add(Path.of(each));
          }
        }
      }
    }
    List<String> found = new ArrayList<>();
    for (Path place : places) {
      if (NEEDED.stream().allMatch(name -> Files.isExecutable(place.resolve(name)))) {
        int version = version(place.resolve("postgres"));
        if (version == major) {
          return new ServerPrograms(place);
        }
        found.add("version " + version + " in " + place);
      }
    }
    throw BackupException.of(
            "restore.no-programs",
            FailureKind.CONFIGURATION,
            "No postgres and pg_ctl of PostgreSQL "
                + major
                + " in "
                + String.join(", ", places.stream().map(Path::toString).toList())
                + (found.isEmpty() ? "" : "; there is " + String.join(", ", found)))
        .remedy("Install PostgreSQL " + major + " or set bin-directory.")
        .build();
  }

  private static int version(Path postgres) throws IOException {
    Matcher said = VERSION.matcher(Program.run(List.of(postgres.toString(), "--version")));
    if (!said.find()) {
      throw new IOException(postgres + " does not say which version it is");
    }
    return Integer.parseInt(said.group(1));
  }

  /** One of them. */
  public String program(String name) {
    return folder.resolve(name).toString();
  }
}
