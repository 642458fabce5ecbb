package com.thorbis.backup.postgres.tools;

import com.thorbis.backup.postgres.settings.AuthenticationPolicy;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.settings.ServerAddress;
import com.thorbis.backup.postgres.settings.TlsSettings;
import com.thorbis.backup.spi.SecretValue;
import java.time.Duration;
import java.util.Optional;

/**
 * Where a client program connects to.
 *
 * @param address where the server listens
 * @param user the role
 * @param password the role's password, lent; empty where none is needed
 * @param database the database
 * @param tls how the connection is protected
 * @param authentication which proofs of identity are given
 * @param applicationName what the server calls the session
 * @param connectTimeout how long to wait for a connection, in whole seconds
 */
public record ToolConnection(
    ServerAddress address,
    String user,
    Optional<SecretValue> password,
    String database,
    TlsSettings tls,
    AuthenticationPolicy authentication,
    String applicationName,
    Duration connectTimeout) {
  /** To a source's server, with its settings. */
  public static ToolConnection of(PostgresSettings settings, String database) {
    return new ToolConnection(
        settings.address(),
        settings.user(),
        settings.password(),
        database,
        settings.tls(),
        settings.authentication(),
        settings.applicationName(),
        settings.connectTimeout());
  }

  /**
   * The database as the programs want to be told of it on their command line: a name with an equals
   * sign in it would be taken for something else.
   */
  public String databaseArgument() {
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }
}
