package com.thorbis.backup.postgres.table;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.dump.DatabaseSession;
import com.thorbis.backup.postgres.dump.DatabaseSession.Sum;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Collectors;

/** Compares the rows of a database with those it had. Both are read at once. */
final class Comparison {
  private static final int MOST_NAMED = 5;

  private final Map<Table, Sum> then;
  private final Map<Table, Sum> now;
  private final Map<Table, Long> rows;

  private Comparison(Map<Table, Sum> then, Map<Table, Sum> now, Map<Table, Long> rows) {
    this.then = then;
    this.now = now;
    this.rows = rows;
  }

  /** Opens a session. */
  @FunctionalInterface
  interface Sessions {
    Connection open() throws SQLException;
  }

  /**
   * Reads both.
   *
   * @throws SQLException where the database that is there now could not be read
   */
  static Comparison of(Past past, Sessions live, Cancellation cancellation)
      throws SQLException, IOException {
    FutureTask<Map<Table, Sum>> then =
        new FutureTask<>(() -> sums(past::connect, cancellation, new HashMap<>()));
    Thread reader = new Thread(then, "thorbis-restore-compare");
    reader.setDaemon(true);
    reader.start();
    try {
      Map<Table, Long> rows = new HashMap<>();
      Map<Table, Sum> now = sums(live, cancellation, rows);
      return new Comparison(then.get(), now, rows);
    } catch (ExecutionException e) {
      cancellation.check();
      if (e.getCause() instanceof SQLException sql) {
        throw Past.failed(sql);
      }
      throw new IOException("The tables cannot be compared", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while the tables were compared");
    }
  }

  /**
   * What each table has, a partitioned one with its partitions: rows that a partition by the hash
   * of an enum had may belong to another one now.
   *
   * @param rows gets how many each table has itself
   */
  private static Map<Table, Sum> sums(
      Sessions sessions, Cancellation cancellation, Map<Table, Long> rows) throws SQLException {
    Map<Table, Sum> sums = new LinkedHashMap<>();
    try (DatabaseSession session = DatabaseSession.of(sessions.open(), cancellation)) {
      List<DatabaseSession.Relation> relations = session.relations();
      Map<Long, DatabaseSession.Relation> byId =
          relations.stream().collect(Collectors.toMap(DatabaseSession.Relation::oid, one -> one));
      for (DatabaseSession.Relation one : relations) {
        if (one.hasRows()) {
          cancellation.check();
          Sum sum = session.sumOfGiven(one.table());
          sum.rows().ifPresent(count -> rows.put(one.table(), count));
          sums.merge(root(one, byId).table(), sum, Sum::plus);
        }
      }
    }
    return sums;
  }

  private static DatabaseSession.Relation root(
      DatabaseSession.Relation one, Map<Long, DatabaseSession.Relation> byId) {
    DatabaseSession.Relation root = one;
    while (root.partitionOf().isPresent() && byId.containsKey(root.partitionOf().getAsLong())) {
      root = byId.get(root.partitionOf().getAsLong());
    }
    return root;
  }

  /** How many rows a table has itself; none where nobody may count. */
  long rows(Relation relation) {
    return rows.getOrDefault(new Table(relation.schema(), relation.name()), 0L);
  }

  /**
   * Refuses what differs.
   *
   * @return the tables of which it cannot be told, in words
   */
  List<String> requireSame() {
    Set<Table> all = new LinkedHashSet<>(then.keySet());
    all.addAll(now.keySet());
    List<String> different = new ArrayList<>();
    List<String> counted = new ArrayList<>();
    List<String> unknown = new ArrayList<>();
    for (Table table : all) {
      Sum before = then.get(table);
      Sum after = now.get(table);
      if (before == null || after == null) {
        different.add(table.toString());
      } else if (before.rows().isEmpty() || after.rows().isEmpty()) {
        unknown.add(table.toString());
      } else if (!before.rows().equals(after.rows())) {
        different.add(table.toString());
      } else if (before.digest().isEmpty() || after.digest().isEmpty()) {
        counted.add(table.toString());
      } else if (!before.digest().equals(after.digest())) {
        different.add(table.toString());
      }
    }
    if (!different.isEmpty()) {
      throw BackupException.of(
              "restore.rows-differ",
              FailureKind.PERMANENT,
              "Tables came with other rows than they had: " + named(different))
          .remedy("Nothing was changed. Restore it into a file, and report this.")
          .build();
    }
    List<String> said = new ArrayList<>();
    if (!counted.isEmpty()) {
      said.add("As many rows as then, and their content could not be compared: " + named(counted));
    }
    if (!unknown.isEmpty()) {
      said.add(
          "Their rows could not be compared, as the role that loaded them may not read them all: "
              + named(unknown));
    }
    return said;
  }

  private static String named(List<String> tables) {
    return tables.stream().limit(MOST_NAMED).collect(Collectors.joining(", "))
        + (tables.size() > MOST_NAMED ? " and " + (tables.size() - MOST_NAMED) + " more" : "");
  }
}
