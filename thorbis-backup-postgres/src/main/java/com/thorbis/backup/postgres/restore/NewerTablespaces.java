package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupFacts.Tablespace;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tablespaces that the source made after a backup. Replay makes them again where the source has
 * them, and takes a folder that is in use for its own ({@code create_tablespace_directories}): on
 * the host of a source that runs, it would write into the files of that one.
 */
final class NewerTablespaces {
  private static final Logger LOG = LoggerFactory.getLogger(NewerTablespaces.class);
  private static final Duration PATIENCE = Duration.ofSeconds(2);
  private static final long FIRST_OF_USERS = 16384;

  /** How far the time of a file and that of a commit may be apart. */
  private static final Duration CLOCK = Duration.ofSeconds(1);

  private NewerTablespaces() {}

  /**
   * Refuses what would write into the files of a source that runs on this host. One that does not
   * answer is taken for gone: that it is, is why most restores are made.
   */
  static void refuse(PostgresSettings settings, RecoveryTarget target, BackupFacts facts) {
    Set<Long> known = facts.tablespaces().stream().map(Tablespace::oid).collect(Collectors.toSet());
    Map<Long, Path> newer = new LinkedHashMap<>();
    Optional<Path> dataDirectory = settings.dataDirectory();
    try (Connection session = SqlConnections.open(settings, PATIENCE);
        Statement statement = session.createStatement()) {
      try (ResultSet rows =
          statement.executeQuery(
              "SELECT oid, pg_tablespace_location(oid) FROM pg_tablespace WHERE oid >= "
                  + FIRST_OF_USERS)) {
        while (rows.next()) {
          Path location = Path.of(rows.getString(2));
          if (!known.contains(rows.getLong(1)) && location.isAbsolute() && isUsed(location)) {
            newer.put(rows.getLong(1), location);
          }
        }
      }
      if (!newer.isEmpty() && dataDirectory.isEmpty()) {
        try (ResultSet rows = statement.executeQuery("SHOW data_directory")) {
          rows.next();
          dataDirectory = Optional.of(Path.of(rows.getString(1)));
        }
      }
    } catch (SQLException e) {
      // It need not answer. Where a role may not ask where the data lie, nobody knows when.
      LOG.debug("source={} does not say which tablespaces it has", settings.source(), e);
    }
    for (Map.Entry<Long, Path> each : newer.entrySet()) {
      Optional<Instant> made = dataDirectory.flatMap(place -> made(place, each.getKey()));
      if (!madeAfter(target, made)) {
        throw refusal(each.getKey(), each.getValue());
      }
    }
  }

  /** Whether a cluster has files there, as far as can be seen: a folder to itself tells nothing. */
  private static boolean isUsed(Path location) {
    if (!Files.isDirectory(location)) {
      return false;
    }
    try (DirectoryStream<Path> versions = Files.newDirectoryStream(location, "PG_*")) {
      return versions.iterator().hasNext();
    } catch (IOException | DirectoryIteratorException e) {
      LOG.debug("{} cannot be looked into", location, e);
      return true;
    }
  }

  private static BackupException refusal(long oid, Path location) {
    return BackupException.of(
            "restore.newer-tablespace",
            FailureKind.REFUSED,
            "The source runs, and made a tablespace at "
                + location
                + " after the backup: replaying that here would write into its files")
        .remedy(
            "Restore on another host, or from a backup that was taken after it; name a time before"
                + " it was made, with data-directory set and readable; or, to replace the source,"
                + " stop it first.")
        .detail("oid", Long.toString(oid))
        .detail("location", location.toString())
        .build();
  }

  /** A server makes the link once and never changes it. */
  private static Optional<Instant> made(Path dataDirectory, long oid) {
    try {
      return Optional.of(
          Files.getLastModifiedTime(
                  dataDirectory.resolve("pg_tblspc").resolve(Long.toString(oid)),
                  LinkOption.NOFOLLOW_LINKS)
              .toInstant());
    } catch (IOException e) {
      return Optional.empty(); // another host's, or not for us to see
    }
  }

  /** Whether replay to a target ends before something was made. */
  static boolean madeAfter(RecoveryTarget target, Optional<Instant> made) {
    return target instanceof RecoveryTarget.AtTime at
        && made.isPresent()
        && made.get().isAfter(at.time().plus(CLOCK));
  }
}
