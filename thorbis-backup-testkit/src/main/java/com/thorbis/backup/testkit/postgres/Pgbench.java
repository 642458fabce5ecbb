package com.thorbis.backup.testkit.postgres;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The load generator of an installed PostgreSQL, against any server over TCP. */
public final class Pgbench {
  private static final Pattern TRANSACTIONS =
      Pattern.compile("number of transactions actually processed: ([0-9]+)");

  private final PostgresBinaries binaries;
  private final PostgresServer server;
  private final String database;
  private final @Nullable String password;

  private Pgbench(PostgresServer server, String database, @Nullable String password) {
    this.binaries = PostgresBinaries.with("pgbench");
    this.server = server;
    this.database = database;
    this.password = password;
  }

  /** Load on a database, as the superuser. */
  public static Pgbench on(PostgresServer server, String database) {
    return new Pgbench(server, database, server.password());
  }

  /** Makes and fills the tables: about 15 MB and 100 000 accounts a unit of scale. */
  public void init(int scale) throws IOException {
    run(List.of("-i", "-q", "-s", Integer.toString(scale)));
  }

  /** Runs for a time; returns how many transactions there were. */
  public long run(Duration time, int clients) throws IOException {
    return transactions("-T", Long.toString(Math.max(1, time.toSeconds())), clients);
  }

  /** Runs so many transactions for each client; returns how many there were. */
  public long run(int transactionsEach, int clients) throws IOException {
    return transactions("-t", Integer.toString(transactionsEach), clients);
  }

  private long transactions(String option, String value, int clients) throws IOException {
    String said = run(List.of("-n", "-c", Integer.toString(clients), "-j", "1", option, value));
    Matcher count = TRANSACTIONS.matcher(said);
    if (!count.find()) {
      throw new IOException("pgbench did not say what it did:\n" + said);
    }
    return Long.parseLong(count.group(1));
  }

  private String run(List<String> options) throws IOException {
    List<String> words = new ArrayList<>();
    words.add(binaries.tool("pgbench").toString());
    words.addAll(List.of("-h", "127.0.0.1", "-p", Integer.toString(server.port())));
    words.addAll(List.of("-U", server.superuser()));
    words.addAll(options);
    words.add(database);
    Command command = Command.of(words);
    return (password == null ? command : command.environment("PGPASSWORD", password)).run();
  }
}
