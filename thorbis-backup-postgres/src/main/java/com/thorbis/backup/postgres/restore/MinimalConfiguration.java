package com.thorbis.backup.postgres.restore;

import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/** Configuration for a data directory that has none, because the source keeps it elsewhere. */
final class MinimalConfiguration {
  static final String SERVER = "postgresql.conf";
  static final String ACCESS = "pg_hba.conf";
  static final String IDENTITIES = "pg_ident.conf";

  private static final String HEAD =
      "# Written by Thorbis Backup: the source keeps its configuration outside the data directory.\n";

  private MinimalConfiguration() {}

  static String server(Map<String, Integer> limits) {
    StringBuilder text = new StringBuilder(HEAD);
    text.append("listen_addresses = 'localhost'\n");
    // The place that packages build in belongs to one account; this one is open to all.
    text.append("unix_socket_directories = '/tmp'\n");
    text.append("# At least what the source had, or it could not be recovered.\n");
    limits.forEach((name, value) -> text.append(name).append(" = ").append(value).append('\n'));
    return text.toString();
  }

  static String access() {
    return HEAD
        + "local all all peer map=owner\n"
        + "host all all 127.0.0.1/32 scram-sha-256\n"
        + "host all all ::1/128 scram-sha-256\n"
        + "local replication all peer map=owner\n"
        + "host replication all 127.0.0.1/32 scram-sha-256\n"
        + "host replication all ::1/128 scram-sha-256\n";
  }

  /** Lets the account that owns the files be the roles that administrators use. */
  static String identities(String account, String role) {
    Set<String> roles = new LinkedHashSet<>();
    roles.add(account);
    roles.add("postgres");
    roles.add(role);
    StringBuilder text = new StringBuilder(HEAD);
    for (String each : roles) {
      text.append("owner ").append(word(account)).append(' ').append(word(each)).append('\n');
    }
    return text.toString();
  }

  private static String word(String name) {
    return name.matches("[A-Za-z0-9_.-]+") ? name : "\"" + name.replace("\"", "\"\"") + "\"";
  }
}
