package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.io.IOException;
import java.net.ConnectException;
import java.net.UnknownHostException;
import java.sql.SQLException;
import java.util.Locale;
import javax.net.ssl.SSLException;

/** Says what a server's refusal, or its silence, means for whoever has to do something about it. */
public final class Failures {
  private Failures() {}

  /**
   * What a failed conversation means; a failure that is not the server's or the network's is passed
   * on as it is.
   */
  public static BackupException of(PostgresSettings settings, IOException failure) {
    String server = settings.address().toString();
    if (failure instanceof ServerException refused) {
      ServerMessage answer = refused.answer();
      return answered(settings, answer.sqlState(), answer.toString(), answer.hint(), failure);
    }
    if (failure instanceof ProtocolException) {
      return BackupException.of(
              "postgres.protocol", FailureKind.PERMANENT, server + ": " + failure.getMessage())
          .remedy("Check that this is a PostgreSQL server and no pooler in front of one.")
          .cause(failure)
          .build();
    }
    if (failure instanceof Transport.TlsMissing || failure instanceof SSLException) {
      return BackupException.of(
              "postgres.tls",
              FailureKind.PERMANENT,
              server + ": no trusted TLS connection: " + failure.getMessage())
          .remedy(
              "Let the server present a certificate for this host name and name its authority with"
                  + " sslrootcert in the URL; or ask for less with tls: require, verify-ca.")
          .cause(failure)
          .build();
    }
    String problem =
        failure instanceof UnknownHostException
            ? "no such host"
            : failure instanceof ConnectException
                ? "nobody answers: " + failure.getMessage()
                : String.valueOf(failure.getMessage());
    return BackupException.of(
            "postgres.unreachable", FailureKind.TRANSIENT, server + ": " + problem)
        .remedy("Check that the server runs, and host, port and firewall.")
        .cause(failure)
        .build();
  }

  /** What a failed statement means. */
  public static BackupException of(PostgresSettings settings, SQLException failure) {
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    Throwable cause = failure.getCause();
    if (state.startsWith("08") && cause instanceof IOException network) {
      return of(settings, network);
    }
    return answered(settings, state, String.valueOf(failure.getMessage()), "", failure);
  }

  private static BackupException answered(
      PostgresSettings settings, String state, String message, String hint, Exception cause) {
    String server = settings.address().toString();
    String role = settings.user().replace("\"", "\"\"");
    BackupException.Builder builder;
    String lower = message.toLowerCase(Locale.ROOT);
    if (state.equals("28P01")) {
      builder =
          BackupException.of(
                  "postgres.authentication",
                  FailureKind.PERMANENT,
                  server + " does not accept the password of role \"" + settings.user() + "\"")
              .remedy("Correct password: of the source, or ALTER ROLE \"" + role + "\" PASSWORD.");
    } else if (state.equals("28000") && (lower.contains("pg_hba") || lower.contains("no entry"))) {
      builder =
          BackupException.of(
                  "postgres.authentication",
                  FailureKind.PERMANENT,
                  server + " has no rule that lets us in: " + message)
              .remedy(
                  "Add to pg_hba.conf, and reload: hostssl replication "
                      + settings.user()
                      + " <our address>/32 scram-sha-256 (and the same for the database, for"
                      + " SQL).");
    } else if (state.equals("08004")) {
      // The driver's word for a login that cannot go on, such as one without a password.
      builder =
          BackupException.of(
                  "postgres.authentication", FailureKind.PERMANENT, server + ": " + message)
              .remedy("Set password: of the source to the one of role \"" + role + "\".");
    } else if (state.equals("28000")) {
      builder =
          BackupException.of(
                  "postgres.authentication",
                  FailureKind.PERMANENT,
                  server + " does not let role \"" + settings.user() + "\" in: " + message)
              .remedy("Check user: of the source and that the role may log in.");
    } else if (state.equals("42501")) {
      builder =
          BackupException.of(
                  "postgres.privilege",
                  FailureKind.PERMANENT,
                  "Role \""
                      + settings.user()
                      + "\" lacks a privilege on "
                      + server
                      + ": "
                      + message)
              .remedy(
                  lower.contains("replication") || lower.contains("wal sender")
                      ? "ALTER ROLE \"" + role + "\" REPLICATION;"
                      : "Run the statements that check --grants prints.");
    } else if (state.equals("55006") || lower.contains("is active for pid")) {
      builder =
          BackupException.of(
                  "wal.slot-active",
                  FailureKind.REFUSED,
                  server + ": " + message + ": another receiver uses it")
              .remedy("Stop the other receiver, or give this one its own wal.slot.");
    } else if (state.equals("53300")) {
      builder =
          BackupException.of(
                  "postgres.too-many-connections", FailureKind.TRANSIENT, server + ": " + message)
              .remedy("Raise max_wal_senders or max_connections, or end idle connections.");
    } else if (state.startsWith("57P") || state.startsWith("08")) {
      builder =
          BackupException.of("postgres.unreachable", FailureKind.TRANSIENT, server + ": " + message)
              .remedy("Wait until the server has started, or start it.");
    } else {
      builder =
          BackupException.of("postgres.failed", FailureKind.PERMANENT, server + ": " + message)
              .remedy(hint);
    }
    return builder.detail("sqlState", state).cause(cause).build();
  }
}
