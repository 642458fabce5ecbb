package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.Failures;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/** Whether a role may call what a backup over SQL needs. */
public final class BackupRights {
  private static final int FIRST_WITH_NEW_NAMES = 15;

  private BackupRights() {}

  /** The functions that begin and end one, with the types of what they take. */
  public static List<String> functions(int majorVersion) {
    return majorVersion >= FIRST_WITH_NEW_NAMES
        ? List.of("pg_backup_start(text, boolean)", "pg_backup_stop(boolean)")
        : List.of("pg_start_backup(text, boolean, boolean)", "pg_stop_backup(boolean, boolean)");
  }

  /** Those of some functions that the session's role may not call. */
  public static List<String> missing(Connection sql, List<String> functions) throws SQLException {
    List<String> missing = new ArrayList<>();
    try (PreparedStatement statement =
        sql.prepareStatement("SELECT pg_catalog.has_function_privilege(?, 'EXECUTE')")) {
      for (String function : functions) {
        statement.setString(1, "pg_catalog." + function);
        try (ResultSet row = statement.executeQuery()) {
          row.next();
          if (!row.getBoolean(1)) {
            missing.add(function);
          }
        }
      }
    }
    return missing;
  }

  /** The statements that grant them. */
  public static String grants(List<String> functions, String role) {
    StringBuilder text = new StringBuilder();
    for (String function : functions) {
      text.append("GRANT EXECUTE ON FUNCTION pg_catalog.")
          .append(function)
          .append(" TO \"")
          .append(role.replace("\"", "\"\""))
          .append("\"; ");
    }
    return text.toString().strip();
  }

  /**
   * Refuses a role that may not.
   *
   * @throws BackupException code {@code postgres.privilege}
   */
  public static void require(PostgresSettings settings, Connection sql, List<String> functions) {
    try {
      List<String> missing = missing(sql, functions);
      if (!missing.isEmpty()) {
        throw BackupException.of(
                "postgres.privilege",
                FailureKind.PERMANENT,
                "Role \""
                    + settings.user()
                    + "\" may not call "
                    + String.join(", ", missing)
                    + " in the database it connects to on "
                    + settings.address())
            .remedy(grants(missing, settings.user()))
            .build();
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }
}
