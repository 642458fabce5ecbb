package com.thorbis.backup.postgres.check;

import com.thorbis.backup.postgres.cluster.BackupRights;
import com.thorbis.backup.postgres.cluster.SqlFiles;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Collectors;

/** The statements that give a role what it needs and nothing more. */
public final class Grants {
  private Grants() {}

  /**
   * The script for a superuser to run once, with {@code psql}, in the database that backups connect
   * to.
   *
   * @param role the role's name
   * @param major the server's major version; empty where nobody knows, for a script that asks
   */
  public static String script(String role, OptionalInt major) {
    String name = quoted(role);
    StringBuilder text = new StringBuilder();
    text.append("-- What ").append(role.replaceAll("\\p{Cntrl}", " ")).append(" needs");
    major.ifPresent(version -> text.append(" on PostgreSQL ").append(version));
    text.append(". Set its password with \\password, which no log sees.\n");
    text.append(
            "-- Run it in the database that url names, or in postgres where it names none: rights"
                + " on\n")
        .append("-- functions are a database's own.\n");
    text.append("DO $do$ BEGIN\n")
        .append("  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ")
        .append(literal(role))
        .append(") THEN\n    CREATE ROLE ")
        .append(name)
        .append(";\n  END IF;\nEND $do$;\n");
    text.append("ALTER ROLE ")
        .append(name)
        .append(" LOGIN REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;\n");
    text.append("GRANT pg_read_all_settings, pg_read_all_stats TO ").append(name).append(";\n");
    String modern = "GRANT pg_checkpoint TO " + name + ";\n" + backup(15, name);
    String before = backup(14, name);
    if (major.isEmpty()) {
      text.append("DO $do$ BEGIN\n")
          .append("  IF pg_catalog.current_setting('server_version_num')::int >= 150000 THEN\n")
          .append(modern.indent(4))
          .append("  ELSE\n")
          .append(before.indent(4))
          .append("  END IF;\nEND $do$;\n");
    } else {
      text.append(major.getAsInt() >= 15 ? modern : before);
    }
    text.append(execute("pg_switch_wal()", name));
    text.append(execute("pg_create_restore_point(text)", name));
    text.append("-- For reader: sql; with it the role reads every file of the data directory:\n");
    SqlFiles.functions().forEach(function -> text.append(execute(function, name)));
    String summaries =
        execute("pg_available_wal_summaries()", name)
            + execute("pg_wal_summary_contents(bigint, pg_lsn, pg_lsn)", name);
    if (major.isEmpty()) {
      text.append("DO $do$ BEGIN\n")
          .append("  IF pg_catalog.current_setting('server_version_num')::int >= 170000 THEN\n")
          .append(summaries.indent(4))
          .append("  END IF;\nEND $do$;\n");
    } else if (major.getAsInt() >= 17) {
      text.append(summaries);
    }
    text.append("-- Only to capture configuration files from outside the data directory; with it")
        .append(" the role\n-- reads every file that the server may read:\n")
        .append("-- GRANT pg_read_server_files TO ")
        .append(name.replaceAll("\\p{Cntrl}", " "))
        .append(";\n");
    for (String function :
        new String[] {"pg_read_binary_file(text, bigint, bigint)", "pg_stat_file(text)"}) {
      text.append("-- ").append(execute(function, name.replaceAll("\\p{Cntrl}", " ")));
    }
    return text.toString();
  }

  /**
   * The script for a role that takes dumps and nothing else.
   *
   * @param database the one that it connects to
   * @param more whether it dumps others
   */
  static String dumps(String role, String database, boolean more) {
    String name = quoted(role);
    return "-- What "
        + role.replaceAll("\\p{Cntrl}", " ")
        + " needs for dumps. Set its password with \\password, which no log sees.\n"
        + "CREATE ROLE "
        + name
        + " LOGIN;\nGRANT CONNECT ON DATABASE "
        + quoted(database)
        + " TO "
        + name
        + (more ? ";\n-- The same for each of the databases, unless everybody may connect" : "")
        + ";\nGRANT pg_read_all_data TO "
        + name
        + ";\n-- Only where tables have row security; a superuser gives it:\n-- ALTER ROLE "
        + name.replaceAll("\\p{Cntrl}", " ")
        + " BYPASSRLS;\n"
        + "-- Large objects have to be readable too: it owns them, or each is granted.\n";
  }

  /**
   * What comes besides where changes are followed.
   *
   * @param publication the statements that make the publication right
   */
  static String changes(String role, List<String> publication) {
    StringBuilder text = new StringBuilder();
    text.append("-- To follow changes; a superuser gives it:\nALTER ROLE ")
        .append(quoted(role))
        .append(" REPLICATION;\n");
    if (!publication.isEmpty()) {
      text.append(
          "-- The tables that can be followed; whoever owns them runs it, in their database:\n");
      publication.forEach(each -> text.append(each).append(";\n"));
    }
    return text.toString();
  }

  /** What comes besides where a column that an application fills says what was changed. */
  static String openTransactions(String role) {
    return "-- To see since when others' transactions are open:\nGRANT pg_read_all_stats TO "
        + quoted(role)
        + ";\n";
  }

  private static String backup(int major, String role) {
    return BackupRights.functions(major).stream()
        .map(function -> execute(function, role))
        .collect(Collectors.joining());
  }

  private static String execute(String function, String role) {
    return "GRANT EXECUTE ON FUNCTION pg_catalog." + function + " TO " + role + ";\n";
  }

  static String quoted(String identifier) {
    return '"' + identifier.replace("\"", "\"\"") + '"';
  }

  private static String literal(String text) {
    String quoted = "'" + text.replace("'", "''").replace("\\", "\\\\") + "'";
    return text.indexOf('\\') < 0 ? quoted : "E" + quoted;
  }
}
