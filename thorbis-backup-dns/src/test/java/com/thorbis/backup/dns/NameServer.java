package com.thorbis.backup.dns;

import com.thorbis.backup.testkit.Daemon;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;

/** A BIND on this machine, until it is closed. */
final class NameServer implements AutoCloseable {
  static final String KEY = "mover.";
  static final String SECRET = "c2VjcmV0IG9mIHRoZSBtb3Zlcg==";

  final int port;
  private final Path folder;
  private final String zone;
  private Daemon process;

  private NameServer(Path folder, int port, String zone) {
    this.folder = folder;
    this.port = port;
    this.zone = zone;
  }

  /** One that takes updates of {@code db} and {@code alias}, and tells another of changes. */
  static NameServer primary(Path folder, int notifies) throws Exception {
    Files.createDirectories(folder);
    Files.writeString(
        folder.resolve("zone"),
        """
        $TTL 300
        @ IN SOA ns1 admin 1 3600 600 86400 60
        @ IN NS ns1
        ns1 IN A 127.0.0.1
        db IN A 10.0.0.1
        db IN A 10.0.0.2
        alias IN CNAME db
        other IN A 10.0.0.1
        """);
    return new NameServer(
            folder,
            PostgresServer.freePort(),
            """
            key "mover." { algorithm hmac-sha256; secret "%s"; };
            zone "example.test" {
              type primary; file "zone"; notify explicit; also-notify { 127.0.0.1 port %d; };
              update-policy {
                grant mover. name db.example.test. A; grant mover. name alias.example.test. CNAME;
              };
            };
            """
                .formatted(SECRET, notifies))
        .start();
  }

  /** One that follows a primary. */
  static NameServer secondary(Path folder, int port, int primary) throws Exception {
    Files.createDirectories(folder);
    return new NameServer(
            folder,
            port,
            """
            zone "example.test" {
              type secondary; primaries { 127.0.0.1 port %d; };
              allow-notify { 127.0.0.1; };
            };
            """
                .formatted(primary))
        .start();
  }

  NameServer start() throws Exception {
    Path config = folder.resolve("named.conf");
    Files.writeString(
        config,
        """
        options {
          directory "%s"; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; };
          recursion no; pid-file none; session-keyfile "%s/session"; dnssec-validation no;
          notify-delay 0; allow-transfer { any; };
        };
        controls { };
        """
                .formatted(folder, port, folder)
            + zone);
    process =
        Daemon.start(
            folder.resolve("log"),
            port,
            "/usr/sbin/named",
            "-g",
            "-n",
            "1",
            "-c",
            config.toString());
    return this;
  }

  @Override
  public void close() throws InterruptedException {
    process.close();
  }
}
