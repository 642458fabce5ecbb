package com.thorbis.backup.postgres.settings;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Names;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A parsed {@code jdbc:postgresql:} URL. Only parameters that cannot name code, files to write or
 * session options are let through.
 *
 * @param address where the server listens
 * @param database the database for SQL, if named
 * @param parameters the accepted parameters under their libpq names
 */
record ConnectionUrl(
    ServerAddress address, Optional<String> database, Map<String, String> parameters) {
  private static final String PREFIX = "jdbc:postgresql:";
  private static final int DEFAULT_PORT = 5432;

  /** Every accepted spelling, and the libpq name it stands for. */
  private static final Map<String, String> ACCEPTED = new TreeMap<>();

  static {
    for (String name :
        new String[] {
          "host",
          "port",
          "user",
          "sslmode",
          "sslrootcert",
          "sslcert",
          "sslkey",
          "sslnegotiation",
          "channel_binding",
          "require_auth",
          "connect_timeout",
          "application_name"
        }) {
      ACCEPTED.put(name, name);
    }
    ACCEPTED.put("sslNegotiation", "sslnegotiation");
    ACCEPTED.put("channelBinding", "channel_binding");
    ACCEPTED.put("requireAuth", "require_auth");
    ACCEPTED.put("connectTimeout", "connect_timeout");
    ACCEPTED.put("loginTimeout", "connect_timeout");
    ACCEPTED.put("ApplicationName", "application_name");
    ACCEPTED.put("ssl", "ssl");
  }

  /**
   * Parses a URL.
   *
   * @param setting how messages name where it comes from
   */
  static ConnectionUrl parse(String setting, String url) {
    if (!url.startsWith(PREFIX)) {
      throw wrong(
          setting, "is not a jdbc:postgresql: URL", "Write jdbc:postgresql://host/database.");
    }
    String rest = url.substring(PREFIX.length());
    int question = rest.indexOf('?');
    Map<String, String> parameters =
        question < 0 ? Map.of() : parameters(setting, rest.substring(question + 1));
    String place = question < 0 ? rest : rest.substring(0, question);

    String host = "localhost";
    int port = DEFAULT_PORT;
    String database = place;
    if (place.startsWith("//")) {
      int slash = place.indexOf('/', 2);
      String authority = slash < 0 ? place.substring(2) : place.substring(2, slash);
      database = slash < 0 ? "" : place.substring(slash + 1);
      if (authority.contains(",")) {
        throw wrong(
            setting,
            "names several hosts",
            "Name the one server to protect; a backup cannot change servers half-way.");
      }
      if (authority.contains("@")) {
        throw wrong(setting, "has an \"@\"", "Write the account under user: and password:.");
      }
      int colon = authority.lastIndexOf(':');
      if (colon > authority.lastIndexOf(']')) {
        port = port(setting, authority.substring(colon + 1));
        authority = authority.substring(0, colon);
      }
      if (!authority.isEmpty()) {
        host = decode(setting, authority);
      }
    }
    if (parameters.containsKey("host")) {
      host = parameters.get("host");
    }
    if (parameters.containsKey("port")) {
      port = port(setting, parameters.get("port"));
    }
    if (host.startsWith("[") && host.endsWith("]")) {
      host = host.substring(1, host.length() - 1);
    }
    if (host.isBlank() || host.indexOf('\0') >= 0) {
      throw wrong(setting, "has no usable host", "Write jdbc:postgresql://host/database.");
    }
    String name = decode(setting, database);
    if (name.indexOf('\0') >= 0) {
      throw wrong(setting, "has no usable database name", "Correct the name.");
    }
    return new ConnectionUrl(
        new ServerAddress(host, port),
        name.isEmpty() ? Optional.empty() : Optional.of(name),
        parameters);
  }

  private static Map<String, String> parameters(String setting, String query) {
    Map<String, String> found = new LinkedHashMap<>();
    for (String pair : query.split("&")) {
      if (pair.isEmpty()) {
        continue;
      }
      int equals = pair.indexOf('=');
      String name = decode(setting, equals < 0 ? pair : pair.substring(0, equals));
      String value = equals < 0 ? "" : decode(setting, pair.substring(equals + 1));
      if (name.equals("password") || name.equals("sslpassword")) {
        throw wrong(
            setting,
            "holds a secret (" + name + ")",
            name.equals("password")
                ? "Write it under password:, such as ${env:NAME}."
                : "Write it under tls-key-password:, such as ${env:NAME}.");
      }
      String known = ACCEPTED.get(name);
      if (known == null) {
        throw wrong(
            setting,
            "has a parameter that is not accepted: \"" + name + "\"",
            Names.nearest(name, ACCEPTED.keySet())
                .map(near -> "Did you mean " + near + "?")
                .orElse("Remove it; accepted are " + String.join(", ", ACCEPTED.keySet()) + "."));
      }
      if (value.indexOf('\0') >= 0 || found.putIfAbsent(known, value) != null) {
        throw wrong(setting, "has \"" + name + "\" twice or garbled", "Write it once.");
      }
    }
    return found;
  }

  private static int port(String setting, String text) {
    try {
      int port = Integer.parseInt(text);
      if (port > 0 && port < 65536) {
        return port;
      }
    } catch (NumberFormatException e) {
      // Reported below like a number out of range.
    }
    throw wrong(setting, "has no usable port: \"" + text + "\"", "Write a number from 1 to 65535.");
  }

  private static String decode(String setting, String text) {
    try {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw wrong(setting, "has a wrong percent sign", "Write a percent sign as %25.");
    }
  }

  private static BackupException wrong(String setting, String problem, String remedy) {
    return BackupException.of(
            "configuration.invalid", FailureKind.CONFIGURATION, setting + ": the URL " + problem)
        .remedy(remedy)
        .build();
  }
}
