package com.thorbis.backup.dr.failover;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A server as far as the questions of this package go. */
final class FakeServer {
  final String name;
  boolean reachable = true;
  boolean standby;
  long system = 7_000;
  long timeline = 1;
  String position = "0/3000000";
  boolean follows = true;

  /** Since when its receiver has heard nothing; null: it has none. */
  @Nullable Long silence;

  boolean readOnly;
  boolean commitsHang;
  boolean mayPromote = true;
  boolean dropsAnswer;
  boolean slow;
  int promotions;
  int writes;

  FakeServer(String name, boolean standby) {
    this.name = name;
    this.standby = standby;
  }

  ServerAccess access() {
    return ServerAccess.builder(name, name + ".example", 5432, this::connect).build();
  }

  private Connection connect() throws SQLException {
    ask();
    return proxy(
        Connection.class,
        (self, method, arguments) ->
            switch (method.getName()) {
              case "createStatement" -> statement();
              case "close", "setNetworkTimeout" -> null;
              default -> throw new UnsupportedOperationException(method.getName());
            });
  }

  private void ask() throws SQLException {
    if (!reachable) {
      throw new SQLException("Connection refused", "08001");
    }
  }

  private Statement statement() {
    SQLWarning[] warning = new SQLWarning[1];
    return proxy(
        Statement.class,
        (self, method, arguments) ->
            switch (method.getName()) {
              case "executeQuery" -> {
                ask();
                yield answer((String) arguments[0], warning);
              }
              case "getWarnings" -> warning[0];
              case "close", "setQueryTimeout" -> null;
              default -> throw new UnsupportedOperationException(method.getName());
            });
  }

  private ResultSet answer(String sql, SQLWarning[] warning) throws SQLException {
    if (sql.contains("pg_is_in_recovery")) {
      return row(
          standby,
          system,
          timeline,
          position,
          follows,
          silence == null ? null : 1,
          silence == null ? null : "streaming",
          silence,
          null);
    }
    if (sql.contains("pg_promote")) {
      if (!mayPromote) {
        throw new SQLException("permission denied for function pg_promote", "42501");
      }
      promotions++;
      if (slow) {
        return row(false);
      }
      standby = false;
      timeline++;
      if (dropsAnswer) {
        throw new SQLException("An I/O error occurred", "08006");
      }
      return row(true);
    }
    if (sql.startsWith("SHOW transaction_read_only")) {
      return row(readOnly ? "on" : "off");
    }
    if (sql.contains("pg_logical_emit_message")) {
      writes++;
      if (commitsHang) {
        warning[0] = new SQLWarning("canceling wait for synchronous replication");
      }
      return row("0/1");
    }
    throw new SQLException("Nobody expected: " + sql);
  }

  private static ResultSet row(@Nullable Object... values) {
    List<@Nullable Object> columns = java.util.Arrays.asList(values);
    int[] rows = {0};
    boolean[] none = {false};
    return proxy(
        ResultSet.class,
        (self, method, arguments) -> {
          if (method.getName().equals("next")) {
            return rows[0]++ == 0;
          }
          if (method.getName().equals("wasNull")) {
            return none[0];
          }
          if (method.getName().equals("close")) {
            return null;
          }
          Object value = columns.get((Integer) arguments[0] - 1);
          none[0] = value == null;
          return switch (method.getName()) {
            case "getString" -> value == null ? null : value.toString();
            case "getBoolean" -> Boolean.TRUE.equals(value);
            case "getLong" -> value instanceof Number number ? number.longValue() : 0L;
            default -> throw new UnsupportedOperationException(method.getName());
          };
        });
  }

  private static <T> T proxy(Class<T> type, InvocationHandler does) {
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, does));
  }
}
