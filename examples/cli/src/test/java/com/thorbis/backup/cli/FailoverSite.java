package com.thorbis.backup.cli;

import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What the failover of the plan that is shipped is about: a primary that commits to its standby, an
 * application that answers, the pool that clients go through and the file that tells others where
 * they connect, and hosts that have the plan.
 */
final class FailoverSite implements AutoCloseable {
  private static final PostgresBinaries BINARIES = PostgresBinaries.with("pg_controldata");
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: DIR_URI/away
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: passphrase:main
              passphrase: correct horse battery staple
      notify:
        notifiers:
          - { name: pager, kind: exec, command: [/bin/sh, -c, "cat >> DIR/told"] }
        escalation:
          - { to: [pager] }
      dr:
        plan: plan.yaml
        journal: { store: { JOURNAL } }
        keys: { first-dba: DIR/first.key, second-dba: DIR/second.key }
        servers:
          db1: { host: 127.0.0.1, port: PRIMARY, user: USER, data-directory: DIR/primary, bin-directory: BIN }
          db2: { host: 127.0.0.1, port: STANDBY, user: USER, data-directory: DIR/standby, bin-directory: BIN }
          pool: { host: 127.0.0.1, port: POOLER, user: USER }
        failover:
          database:
            primary: db1
            standby: db2
            detect:
              - { kind: port, from: here, patience: 1s }
              - { kind: standby, patience: 1s }
              - { kind: process, from: host }
        switches:
          connections: { type: connection-file, file: DIR/place }
          pool: POOL
      """;

  private final Path folder;
  private final Portal portal;
  private final PostgresServer primary;
  private final PostgresServer standby;
  private final Pool pool;
  private final String plan;

  private FailoverSite(Path folder, Path clusters) throws Exception {
    this.folder = folder;
    for (String each : List.of("primary", "standby")) {
      copy(clusters.resolve(each), folder.resolve(each));
    }
    portal = Portal.start(() -> Files.exists(frozen()) ? Optional.empty() : Optional.of(""));
    Files.createFile(folder.resolve("standby/standby.signal"));
    primary =
        quick(folder.resolve("primary")).setting("synchronous_standby_names", "*").adopt().start();
    standby =
        quick(folder.resolve("standby"))
            .setting("primary_conninfo", "host=127.0.0.1 user=postgres port=" + primary.port())
            .adopt()
            .start();
    primary.awaitTrue(
        "postgres",
        "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'",
        Duration.ofSeconds(30));
    pool = Pool.start(folder.resolve("pool"), primary);
    Files.createDirectory(folder.resolve("journal"));
    Files.writeString(place(), "127.0.0.1:" + primary.port());
    plan = plan();
  }

  /** The data directories of both, stopped, with an empty table {@code told}. */
  static Path clusters(Path folder) throws Exception {
    Files.createDirectory(folder);
    Path data = folder.resolve("primary");
    try (PostgresServer made =
        PostgresServer.builder(BINARIES)
            .dataDirectory(data)
            .walSegmentMebibytes(1)
            .setting("fsync", "off")
            .start()) {
      made.execute("postgres", "CREATE TABLE told (id bigint PRIMARY KEY)");
      made.stop();
    }
    copy(data, folder.resolve("standby"));
    return folder;
  }

  /** In an empty folder. */
  static FailoverSite start(Path folder, Path clusters) throws Exception {
    return new FailoverSite(folder, clusters);
  }

  PostgresServer primary() {
    return primary;
  }

  PostgresServer standby() {
    return standby;
  }

  /** What clients go through. */
  Pool pool() {
    return pool;
  }

  /** The file that other clients read. */
  Path place() {
    return folder.resolve("place");
  }

  /** There while nobody may write. */
  Path frozen() {
    return folder.resolve("frozen");
  }

  /** Builds the old primary anew as a standby of the new one, and waits until it is level. */
  PostgresServer rejoin() throws Exception {
    remove(primary.dataDirectory());
    standby.run(
        "pg_basebackup",
        "--dbname=host=127.0.0.1 user=postgres port=" + standby.port(),
        "--pgdata=" + primary.dataDirectory(),
        "--checkpoint=fast",
        "--no-sync",
        "--write-recovery-conf");
    PostgresServer again =
        quick(primary.dataDirectory())
            .port(primary.port())
            .setting("primary_conninfo", "host=127.0.0.1 user=postgres port=" + standby.port())
            .adopt()
            .start();
    standby.awaitTrue(
        "postgres",
        "SELECT bool_and(replay_lsn = pg_current_wal_lsn()) FROM pg_stat_replication",
        Duration.ofSeconds(30));
    return again;
  }

  /** What the pager was told. */
  Path told() {
    return folder.resolve("told");
  }

  /** The folder of the store of journals. */
  Path journal() {
    return folder.resolve("journal");
  }

  /** A host with a state directory of its own. */
  Path host(String name) throws IOException {
    return host(name, "uri: " + uri(journal()));
  }

  /**
   * The same.
   *
   * @param store where it keeps journals, as its configuration says it
   */
  Path host(String name, String store) throws IOException {
    Path host = Files.createDirectory(folder.resolve(name));
    Path config =
        Files.createFile(
            host.resolve("thorbis.yaml"),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Files.writeString(
        config,
        CONFIG
            .replace("DIR_URI", uri(folder))
            .replace("DIR", folder.toString())
            .replace("JOURNAL", store)
            .replace("POOLER", Integer.toString(pool.port()))
            .replace("POOL", pool.asSwitch())
            .replace("BIN", BINARIES.binDirectory().toString())
            .replace("PRIMARY", Integer.toString(primary.port()))
            .replace("STANDBY", Integer.toString(standby.port()))
            .replace("USER", primary.superuser()));
    Files.writeString(host.resolve("plan.yaml"), plan);
    return host;
  }

  static String uri(Path folder) {
    return folder.toUri().toString().replaceFirst("/$", "");
  }

  private String plan() throws IOException {
    return ShippedPlan.frozenBy(frozen(), ShippedPlan.of(portal, folder))
        .replace("db1.example.com:5432", "127.0.0.1:" + primary.port())
        .replace("db2.example.com:5432", "127.0.0.1:" + standby.port());
  }

  private static PostgresServer.Builder quick(Path data) {
    return PostgresServer.builder(BINARIES)
        .dataDirectory(data)
        .setting("fsync", "off")
        .setting("wal_receiver_timeout", "1s")
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

  private static void remove(Path tree) throws IOException {
    try (Stream<Path> all = Files.walk(tree)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  @Override
  public void close() throws Exception {
    portal.close();
    try (pool) {
      standby.close();
    } finally {
      primary.close();
    }
  }
}
