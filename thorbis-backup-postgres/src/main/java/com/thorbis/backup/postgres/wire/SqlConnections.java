package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.postgres.settings.AuthenticationPolicy.Method;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.settings.ServerAddress;
import com.thorbis.backup.postgres.settings.TlsSettings;
import com.thorbis.backup.postgres.wire.driver.TlsSocketFactory;
import com.thorbis.backup.postgres.wire.driver.UnixSocketFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Properties;
import java.util.stream.Collectors;
import org.postgresql.Driver;

/** Opens connections for SQL under the same settings as those for replication. */
public final class SqlConnections {
  private static final String DATABASE = "postgres";

  private SqlConnections() {}

  /**
   * Connects to the configured database, or to {@code postgres} where none is named. The session
   * finds nothing but PostgreSQL's own functions without a schema in front.
   */
  public static Connection open(PostgresSettings settings) throws SQLException {
    return open(settings, settings.connectTimeout());
  }

  /** The same, to another database of the server. */
  public static Connection open(PostgresSettings settings, String database) throws SQLException {
    return open(settings, database, settings.connectTimeout());
  }

  /** The same, with another patience for the connection to come about. */
  public static Connection open(PostgresSettings settings, Duration patience) throws SQLException {
    return open(settings, settings.database().orElse(DATABASE), patience);
  }

  private static Connection open(PostgresSettings settings, String database, Duration patience)
      throws SQLException {
    Properties properties = properties(settings);
    properties.setProperty("connectTimeout", seconds(patience.toSeconds()));
    properties.setProperty("loginTimeout", seconds(patience.toSeconds()));
    settings
        .password()
        .ifPresent(
            secret ->
                // The driver takes nothing but a string.
                properties.setProperty("password", secret.useChars(String::new)));
    Connection connection = new Driver().connect(url(settings.address(), database), properties);
    if (connection == null) {
      throw new IllegalStateException("The driver does not know its own URL");
    }
    return connection;
  }

  private static String url(ServerAddress address, String database) {
    String host =
        address.unixSocket()
            ? "localhost"
            : address.host().contains(":") ? "[" + address.host() + "]" : address.host();
    return "jdbc:postgresql://"
        + host
        + ":"
        + address.port()
        + "/"
        + java.net.URLEncoder.encode(database, java.nio.charset.StandardCharsets.UTF_8);
  }

  static Properties properties(PostgresSettings settings) {
    Properties properties = new Properties();
    TlsSettings tls = settings.tls();
    properties.setProperty("user", settings.user());
    properties.setProperty("ApplicationName", settings.applicationName());
    properties.setProperty("socketTimeout", seconds(settings.readTimeout().toSeconds()));
    properties.setProperty("tcpKeepAlive", "true");
    properties.setProperty("gssEncMode", "disable");
    properties.setProperty("options", "-c search_path=pg_catalog,pg_temp");
    properties.setProperty("scramMaxIterations", Integer.toString(Scram.MOST_ITERATIONS));
    properties.setProperty("channelBinding", settings.authentication().channelBinding().label());
    properties.setProperty(
        "requireAuth",
        settings.authentication().accepted().stream()
            .map(Method::label)
            .sorted()
            .collect(Collectors.joining(",")));
    if (settings.address().unixSocket()) {
      properties.setProperty("sslmode", "disable");
      properties.setProperty("socketFactory", UnixSocketFactory.class.getName());
      properties.setProperty("socketFactoryArg", settings.address().socketFile().toString());
      return properties;
    }
    properties.setProperty("sslmode", tls.mode().label());
    properties.setProperty("sslNegotiation", tls.direct() ? "direct" : "postgres");
    properties.setProperty("sslfactory", TlsSocketFactory.class.getName());
    tls.rootCertificate().ifPresent(file -> properties.setProperty("sslrootcert", file.toString()));
    tls.certificate().ifPresent(file -> properties.setProperty("sslcert", file.toString()));
    tls.key().ifPresent(file -> properties.setProperty("sslkey", file.toString()));
    tls.keyPassword()
        .ifPresent(secret -> properties.setProperty("sslpassword", secret.useChars(String::new)));
    return properties;
  }

  private static String seconds(long value) {
    return Long.toString(Math.max(1, value));
  }
}
