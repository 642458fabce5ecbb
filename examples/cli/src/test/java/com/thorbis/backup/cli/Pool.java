package com.thorbis.backup.cli;

import com.thorbis.backup.testkit.Daemon;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/** PgBouncer in front of the database {@code postgres} of one server, until a switch moves it. */
final class Pool implements AutoCloseable {
  private final int port;
  private final Path file;
  private final Daemon daemon;

  private Pool(int port, Path file, Daemon daemon) {
    this.port = port;
    this.file = file;
    this.daemon = daemon;
  }

  /** In a folder that is made for it. */
  static Pool start(Path folder, PostgresServer server) throws Exception {
    Files.createDirectory(folder);
    int port = PostgresServer.freePort();
    Path users =
        Files.writeString(
            folder.resolve("users"), "\"" + server.superuser() + "\" \"\"\n\"boss\" \"\"\n");
    Path file =
        Files.writeString(
            folder.resolve("pgbouncer.ini"),
            """
            [databases]
            postgres = host=127.0.0.1 port=%d
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = %d
            unix_socket_dir =
            auth_type = trust
            auth_file = %s
            admin_users = boss
            pool_mode = transaction
            server_login_retry = 1
            query_wait_timeout = 2
            ignore_startup_parameters = extra_float_digits
            """
                .formatted(server.port(), port, users));
    return new Pool(
        port,
        file,
        Daemon.start(folder.resolve("log"), port, "/usr/sbin/pgbouncer", file.toString()));
  }

  int port() {
    return port;
  }

  /** What a switch edits. */
  Path file() {
    return file;
  }

  /** How the configuration names the switch. */
  String asSwitch() {
    return "{ type: pgbouncer, file: %s, database: postgres, host: 127.0.0.1, port: %d, user: boss }"
        .formatted(file, port);
  }

  /** Where it is said that clients are sent. */
  String leadsTo() throws IOException {
    return Files.readString(file).replaceFirst("(?s).*host=(\\S+) port=(\\S+).*", "$1:$2");
  }

  /** How often it was told something, such as {@code PAUSE}. */
  long told(String command) throws IOException {
    return Pattern.compile("\\b" + command + "( '\\w+')? command issued")
        .matcher(daemon.log())
        .results()
        .count();
  }

  @Override
  public void close() throws InterruptedException {
    daemon.close();
  }
}
