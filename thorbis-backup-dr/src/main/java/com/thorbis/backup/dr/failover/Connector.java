package com.thorbis.backup.dr.failover;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.engine.SqlEngine;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import java.util.function.Supplier;

/** Opens sessions in one server, each within moments or not at all. Used by several threads. */
@FunctionalInterface
public interface Connector {
  /** A session, which is the caller's to close. */
  Connection connect() throws SQLException;

  /**
   * Sessions under the rules of a source's engine for encryption and authentication.
   *
   * @param url such as {@code jdbc:postgresql://host/postgres}, without a password
   * @param password asked for each session, which closes it
   */
  static Connector through(
      SqlEngine engine,
      String url,
      Optional<String> user,
      Supplier<Optional<SecretValue>> password) {
    return () -> {
      Optional<SecretValue> secret = password.get();
      try {
        return engine.connect(url, user, secret);
      } finally {
        secret.ifPresent(SecretValue::close);
      }
    };
  }
}
