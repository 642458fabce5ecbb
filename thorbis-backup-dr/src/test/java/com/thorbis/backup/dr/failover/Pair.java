package com.thorbis.backup.dr.failover;

import com.thorbis.backup.testkit.CuttableLink;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;

/** A primary and a standby that streams from it, and the ways between them and us. */
final class Pair implements AutoCloseable {
  static final PostgresBinaries BINARIES = PostgresBinaries.with("pg_controldata");

  final PostgresServer primary;
  final PostgresServer standby;
  final CuttableLink usPrimary;
  final CuttableLink usStandby;
  final CuttableLink primaryStandby;

  private Pair(PostgresServer primary, PostgresServer standby, CuttableLink primaryStandby)
      throws IOException {
    this.primary = primary;
    this.standby = standby;
    this.usPrimary = new CuttableLink(primary.port());
    this.usStandby = new CuttableLink(standby.port());
    this.primaryStandby = primaryStandby;
  }

  /** A stopped cluster with a table, which pairs are copies of. */
  static Path template(Path folder) throws IOException, SQLException {
    Path data = folder.resolve("template");
    try (PostgresServer server = PostgresServer.builder(BINARIES).dataDirectory(data).start()) {
      server.execute("postgres", "CREATE TABLE told (client int, at timestamptz DEFAULT now())");
      server.stop();
    }
    return data;
  }

  static Pair start(Path template, Path folder) throws IOException, SQLException {
    PostgresServer primary = server(template, folder.resolve("primary")).adopt().start();
    CuttableLink between = new CuttableLink(primary.port());
    Path copy = folder.resolve("standby");
    PostgresServer.Builder builder =
        server(template, copy)
            .setting("primary_conninfo", "host=127.0.0.1 user=postgres port=" + between.port());
    Files.createFile(copy.resolve("standby.signal"));
    Pair pair = new Pair(primary, builder.adopt().start(), between);
    pair.awaitStreaming();
    return pair;
  }

  private static PostgresServer.Builder server(Path template, Path data) throws IOException {
    copy(template, data);
    return PostgresServer.builder(BINARIES)
        .dataDirectory(data)
        .setting("fsync", "off")
        .setting("wal_receiver_timeout", "1s")
        .setting("wal_sender_timeout", "1s")
        .setting("wal_retrieve_retry_interval", "100ms");
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> tree = Files.walk(from)) {
      for (Path each : tree.toList()) {
        Files.copy(
            each,
            to.resolve(from.relativize(each).toString()),
            LinkOption.NOFOLLOW_LINKS,
            StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
  }

  void awaitStreaming() throws IOException, SQLException {
    standby.awaitTrue(
        "postgres",
        "SELECT count(*) = 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'",
        Duration.ofSeconds(30));
  }

  /** Until the standby has noticed that it hears nothing. */
  void awaitSilence() throws IOException, SQLException {
    standby.awaitTrue(
        "postgres", "SELECT count(*) = 0 FROM pg_stat_wal_receiver", Duration.ofSeconds(30));
  }

  /** As somebody does who finds it stopped. */
  static void startAgain(PostgresServer server) throws IOException {
    server.kill9(); // is gone, and the kit learns of it
    server.start();
  }

  ServerAccess primaryAccess() {
    return access("db1", primary, usPrimary);
  }

  ServerAccess standbyAccess() {
    return access("db2", standby, usStandby);
  }

  /** What is not cut answers, however slow this machine is. */
  static Duration patience(CuttableLink link) {
    return Duration.ofSeconds(link.isCut() ? 1 : 20);
  }

  /** Past a link that is not cut: behind one a port that nobody listens on does not refuse. */
  private static ServerAccess access(String name, PostgresServer server, CuttableLink link) {
    int port = link.isCut() ? link.port() : server.port();
    Properties properties = new Properties();
    properties.setProperty("user", server.superuser());
    for (String each : List.of("connectTimeout", "loginTimeout", "socketTimeout")) {
      properties.setProperty(each, Long.toString(patience(link).toSeconds()));
    }
    String url = "jdbc:postgresql://127.0.0.1:" + port + "/postgres";
    return ServerAccess.builder(
            name, "127.0.0.1", port, () -> DriverManager.getConnection(url, properties))
        .cluster(server.dataDirectory(), BINARIES.binDirectory())
        .build();
  }

  List<CuttableLink> links() {
    return List.of(usPrimary, usStandby, primaryStandby);
  }

  @Override
  public void close() throws IOException {
    for (CuttableLink link : links()) {
      link.close();
    }
    standby.close();
    primary.close();
  }
}
