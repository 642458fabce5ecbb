package com.thorbis.backup.postgres.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TlsIT {
  private static final String PASSWORD = "changeit";

  @TempDir Path folder;

  /** Writes NAME.crt and NAME.key in PEM. */
  private void certificate(String name, String subject, String extension) throws Exception {
    Path store = folder.resolve(name + ".p12");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "key",
                "-keyalg",
                "EC",
                "-dname",
                subject,
                "-ext",
                extension,
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass",
                PASSWORD)
            .inheritIO()
            .start();
    assertThat(keytool.waitFor()).isZero();
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, PASSWORD.toCharArray());
    }
    PrivateKey key = (PrivateKey) keys.getKey("key", PASSWORD.toCharArray());
    pem(folder.resolve(name + ".crt"), "CERTIFICATE", keys.getCertificate("key").getEncoded());
    pem(folder.resolve(name + ".key"), "PRIVATE KEY", key.getEncoded());
  }

  private static void pem(Path file, String type, byte[] der) throws IOException {
    Files.createFile(
        file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Files.writeString(
        file,
        "-----BEGIN "
            + type
            + "-----\n"
            + Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII))
                .encodeToString(der)
            + "\n-----END "
            + type
            + "-----\n");
  }

  private PostgresSettings settings(PostgresServer server, String user, String parameters) {
    return Sources.settings(folder, server.jdbcUrl("postgres") + "?" + parameters, user);
  }

  private static void connect(PostgresSettings settings) throws IOException, SQLException {
    try (ReplicationConnection connection =
        ReplicationConnection.open(settings, new Cancellation())) {
      assertThat(connection.identify().systemId()).isNotZero();
    }
    SqlConnections.open(settings).close();
  }

  @Test
  void checksTheNameAndShowsOurOwnCertificate() throws Exception {
    certificate("server", "CN=elsewhere.example", "san=dns:elsewhere.example");
    certificate("client", "CN=carrier", "bc=ca:true");
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .ssl()
            .hba("hostssl replication,all carrier 127.0.0.1/32 cert")
            .start()) {
      for (String file : new String[] {"server.crt", "server.key"}) {
        Files.write(
            server.configDirectory().resolve(file), Files.readAllBytes(folder.resolve(file)));
      }
      Path authorities = server.configDirectory().resolve("authorities.crt");
      Files.copy(folder.resolve("client.crt"), authorities);
      server.execute(
          "postgres",
          "CREATE ROLE carrier LOGIN REPLICATION",
          "ALTER SYSTEM SET ssl_ca_file = 'authorities.crt'",
          "SELECT pg_reload_conf()");
      server.awaitTrue(
          "postgres",
          "SELECT current_setting('ssl_ca_file') = 'authorities.crt'",
          Duration.ofSeconds(30));
      String root = "&sslrootcert=" + folder.resolve("server.crt");

      connect(settings(server, "postgres", "sslmode=verify-ca" + root));
      PostgresSettings strict = settings(server, "postgres", "sslmode=verify-full" + root);
      assertThatThrownBy(() -> ReplicationConnection.open(strict, new Cancellation()))
          .isInstanceOfSatisfying(
              IOException.class,
              e -> assertThat(Failures.of(strict, e).code()).isEqualTo("postgres.tls"));
      assertThatThrownBy(() -> SqlConnections.open(strict)).isInstanceOf(SQLException.class);

      String own =
          "&sslcert=" + folder.resolve("client.crt") + "&sslkey=" + folder.resolve("client.key");
      connect(settings(server, "carrier", "sslmode=verify-ca" + root + own));
      PostgresSettings without = settings(server, "carrier", "sslmode=verify-ca" + root);
      assertThatThrownBy(() -> ReplicationConnection.open(without, new Cancellation()))
          .isInstanceOf(ServerException.class);
    }
  }
}
