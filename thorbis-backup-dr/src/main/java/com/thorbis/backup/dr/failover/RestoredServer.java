package com.thorbis.backup.dr.failover;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.thorbis.backup.dr.internal.Program;
import com.thorbis.backup.dr.run.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A server over restored files on this host, at the address where clients are to find it. A restore
 * proves one at a port of its own, which only this host reaches; this is where it goes on.
 */
public final class RestoredServer {
  private static final Duration CONTROL = Duration.ofSeconds(30);
  private static final int PORT_LINE = 3;
  private static final int SOCKET_LINE = 4;

  /** Where the server of a restore has its socket. */
  private static final String RECOVERY_SOCKETS = "/tmp/thorbis-";

  private final ServerAccess server;
  private final Path data;
  private final Path binaries;

  private RestoredServer(ServerAccess server, ServerAccess.Cluster cluster) {
    this.server = server;
    this.data = cluster.dataDirectory();
    this.binaries = cluster.binDirectory();
  }

  /**
   * One for a server.
   *
   * @throws IllegalArgumentException if its files are not on this host
   */
  public static RestoredServer of(ServerAccess server) {
    return new RestoredServer(
        server,
        server
            .cluster()
            .orElseThrow(
                () -> new IllegalArgumentException(server + " has no files on this host")));
  }

  /** Whether it takes writes at its address, from its folder. Changes nothing. */
  public Result check() throws IOException {
    if (!Files.isDirectory(data) || LocalFence.processes(data).isEmpty()) {
      return Result.notDone("no server runs over " + data);
    }
    String port = lock(PORT_LINE);
    if (!port.equals(Integer.toString(server.port()))) {
      return Result.notDone("the server over " + data + " is not at " + server);
    }
    try (Connection session = server.connector().connect();
        Statement statement = session.createStatement();
        ResultSet row =
            statement.executeQuery("SELECT pg_is_in_recovery(), pg_backend_pid()::bigint")) {
      row.next();
      // Another one may answer at one of several addresses that a name stands for.
      if (!LocalFence.processes(data).contains(row.getLong(2))) {
        return Result.failed("what answers at " + server + " works in another folder than " + data);
      }
      return row.getBoolean(1)
          ? Result.failed(server + " is in recovery, and takes no writes")
          : Result.done(server + " takes writes, over " + data);
    } catch (SQLException e) {
      return Result.unknown("a server runs over " + data + ", and " + server + ": " + e);
    }
  }

  /**
   * Starts it at its address, which its settings say from then on; what runs over its folder ends
   * before. Returns when it lets sessions in.
   *
   * @throws IOException if it does not start, or would use another folder or address
   */
  public void start(Duration patience) throws IOException, InterruptedException {
    stop(patience);
    Map<String, String> wanted =
        Map.of("listen_addresses", server.host(), "port", Integer.toString(server.port()));
    for (Map.Entry<String, String> each : wanted.entrySet()) {
      if (!effective(each.getKey()).equals(each.getValue())) {
        Files.writeString(
            data.resolve("postgresql.auto.conf"),
            each.getKey() + " = '" + each.getValue() + "'\n",
            StandardOpenOption.APPEND);
        prove(each.getKey(), each.getValue());
      }
    }
    prove("data_directory", data.toString());
    Path log = data.resolveSibling(data.getFileName() + ".log");
    LocalFence.create(log, "", data.resolve("PG_VERSION"));
    control(patience, "start", "-l", log.toString());
  }

  /** Ends what runs over its folder, if anything does. */
  public void stop(Duration patience) throws IOException, InterruptedException {
    if (!Files.isDirectory(data) || LocalFence.processes(data).isEmpty()) {
      return;
    }
    String sockets = lock(SOCKET_LINE);
    control(patience, "stop", "-m", "fast");
    if (sockets.startsWith(RECOVERY_SOCKETS)) {
      remove(Path.of(sockets));
    }
  }

  private void prove(String setting, String wanted) throws IOException, InterruptedException {
    String found = effective(setting);
    if (!found.equals(wanted)) {
      throw new IOException(
          server
              + " is not started: its settings say "
              + setting
              + " = \""
              + found
              + "\" and not \""
              + wanted
              + "\"");
    }
  }

  private String effective(String setting) throws IOException, InterruptedException {
    String said =
        run(
            CONTROL,
            List.of(binaries.resolve("postgres").toString(), "-D", data.toString(), "-C", setting));
    String text = said.endsWith("\n") ? said.substring(0, said.length() - 1) : said;
    return text.substring(text.lastIndexOf('\n') + 1); // warnings come before
  }

  private void control(Duration patience, String verb, String... more)
      throws IOException, InterruptedException {
    List<String> words =
        Stream.concat(
                Stream.of(
                    binaries.resolve("pg_ctl").toString(),
                    verb,
                    "-D",
                    data.toString(),
                    "-w",
                    "-t",
                    Long.toString(Math.max(1, patience.toSeconds()))),
                Stream.of(more))
            .toList();
    run(patience.plus(CONTROL), words);
  }

  private String run(Duration patience, List<String> words)
      throws IOException, InterruptedException {
    Program.Ended ended = Program.run(LocalFence.asOwner(data, words), Map.of(), patience);
    if (ended.code() != 0) {
      throw new IOException(
          words.get(0) + " of " + server + " ended with " + ended.code() + ": " + ended.said());
    }
    return ended.output();
  }

  /** A line of the lock file; empty: there is none. */
  private String lock(int line) throws IOException {
    try {
      List<String> lines = Files.readAllLines(data.resolve("postmaster.pid"), UTF_8);
      return lines.size() > line ? lines.get(line).strip() : "";
    } catch (NoSuchFileException e) {
      return "";
    }
  }

  private static void remove(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    } catch (NoSuchFileException e) {
      return;
    }
    Files.delete(folder);
  }
}
