package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.dr.internal.StateFile;
import com.thorbis.backup.spi.engine.TrialEngine;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Rows that this host wrote to the live source, remembered with where in the log each was
 * committed: so that a restored server can be asked for the newest it must have, and for those it
 * must not have. Used by one thread.
 */
final class Sentinels {
  private static final int MOST = 1000;
  private static final String AGE = "interval '400 days'";
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Path file;
  private final DrillSettings.SentinelTable table;

  Sentinels(Path folder, DrillSettings.SentinelTable table) {
    this.file = folder.resolve("sentinels");
    this.table = table;
  }

  /**
   * One that was written.
   *
   * @param at by the source's clock
   * @param before where its commit does not lie before
   * @param after where its commit does not lie behind
   */
  record Written(String id, Instant at, Lsn before, Lsn after) {
    private String line() {
      return id + " " + at + " " + before + " " + after + "\n";
    }

    private static Written parse(String line) {
      String[] words = line.split(" ");
      if (words.length != 4) {
        throw new IllegalArgumentException(line);
      }
      return new Written(
          words[0], Instant.parse(words[1]), Lsn.parse(words[2]), Lsn.parse(words[3]));
    }
  }

  /** Writes one to the live source, and remembers it. */
  Written write(TrialEngine engine) throws IOException {
    byte[] random = new byte[8];
    RANDOM.nextBytes(random);
    String id = HexFormat.of().formatHex(random);
    Written written;
    try (Sql live =
        new Sql(engine.connectSource(Optional.of(table.database())), new Cancellation())) {
      String before = live.text("SELECT pg_current_wal_insert_lsn()");
      Instant at =
          live.rows(
                  row -> row.getObject(1, OffsetDateTime.class).toInstant(),
                  "INSERT INTO "
                      + table.sql()
                      + " (id, written_at) VALUES ('"
                      + id
                      + "', clock_timestamp()) RETURNING written_at")
              .get(0);
      String after = live.text("SELECT pg_current_wal_insert_lsn()");
      live.execute("DELETE FROM " + table.sql() + " WHERE written_at < now() - " + AGE);
      written = new Written(id, at, Lsn.parse(before), Lsn.parse(after));
    } catch (SQLException e) {
      throw BackupException.of(
              "drill.sentinel-not-written",
              FailureKind.PERMANENT,
              "No sentinel could be written to " + table.sql() + ": " + e.getMessage())
          .remedy("Run what check --grants prints as the owner of the database.")
          .cause(e)
          .build();
    }
    List<Written> all = new ArrayList<>(known());
    all.add(written);
    save(all.subList(Math.max(0, all.size() - MOST), all.size()));
    return written;
  }

  private void save(List<Written> all) throws IOException {
    StringBuilder text = new StringBuilder();
    all.forEach(one -> text.append(one.line()));
    StateFile.write(file, text.toString().getBytes(StandardCharsets.UTF_8));
  }

  /** What this host wrote, oldest first. */
  List<Written> known() throws IOException {
    try {
      return Files.readAllLines(file, StandardCharsets.UTF_8).stream().map(Written::parse).toList();
    } catch (NoSuchFileException e) {
      return List.of();
    } catch (IllegalArgumentException | java.time.DateTimeException e) {
      throw new IOException(file + " is damaged; remove it, and write a sentinel anew", e);
    }
  }

  /** The newest that whoever reached a position must have. */
  static Optional<Written> due(List<Written> known, Lsn reached) {
    return known.stream()
        .filter(one -> one.after().compareTo(reached) <= 0)
        .max(Comparator.comparing(Written::after));
  }

  /** Looks for what must be there, and for what must not. */
  Checks.Finding judge(Sql restored, List<Written> known, Lsn reached) throws SQLException {
    if (known.isEmpty()) {
      return Checks.Finding.notPerformed(
          "this host has written no sentinel yet (drill --write-sentinel)");
    }
    Optional<Written> due = due(known, reached);
    boolean made =
        !restored
            .texts(
                "SELECT oid FROM pg_class WHERE oid = to_regclass("
                    + Sql.literal(table.sql())
                    + ")")
            .isEmpty();
    Set<String> found =
        made
            ? new LinkedHashSet<>(restored.texts("SELECT id FROM " + table.sql()))
            : Set.<String>of();
    if (due.isPresent() && !found.contains(due.get().id())) {
      return Checks.Finding.failed(
          "the newest sentinel before the target, of " + due.get().at() + ", is missing");
    }
    Optional<Written> later =
        known.stream()
            .filter(one -> one.before().compareTo(reached) >= 0 && found.contains(one.id()))
            .findFirst();
    if (later.isPresent()) {
      return Checks.Finding.failed(
          "a sentinel that was written after the target, at " + later.get().at() + ", is there");
    }
    return Checks.Finding.passed(
        due.map(one -> "the newest one before the target, of " + one.at() + ", is there")
                .orElse("this host knows of none before the target")
            + ", and none after");
  }

  DrillSettings.SentinelTable table() {
    return table;
  }
}
