package com.thorbis.backup.cli;

import com.thorbis.backup.application.files.FilesEngine;
import com.thorbis.backup.dr.run.Action;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Steps that ask a server. */
final class DrServerActions {
  private static final int MOST_SHOWN = 200;

  private DrServerActions() {}

  static void addTo(
      Actions.Builder actions, Thorbis thorbis, Map<String, DrServers.Server> servers) {
    actions
        .add(
            Action.of(
                "sql-check",
                Set.of("server", "of", "database", "query", "expect"),
                task ->
                    new Asking(
                        task,
                        servers,
                        List.of(task.inputs().getOrDefault("query", "SELECT 1")),
                        Optional.ofNullable(task.inputs().get("expect")),
                        false)))
        .add(
            Action.of(
                "validate",
                Set.of("source", "server", "of", "database", "assert"),
                task ->
                    isFiles(thorbis, task)
                        ? new DrRepositoryActions.Compared(thorbis, task)
                        : new Asking(
                            task,
                            servers,
                            task.inputs()
                                .getOrDefault("assert", "")
                                .lines()
                                .filter(line -> !line.isBlank())
                                .toList(),
                            Optional.of("t"),
                            true)));
  }

  private static boolean isFiles(Thorbis thorbis, Task task) {
    Config.SourceConfig source =
        thorbis.config().sources().get(task.inputs().getOrDefault("source", ""));
    return source != null && source.type().equals(FilesEngine.TYPE);
  }

  /**
   * Asks until the answer is as expected, or the deadline is over.
   *
   * @param expect the first column of the first row; empty: any answer will do
   * @param primary whether the server must take writes
   */
  private record Asking(
      Task task,
      Map<String, DrServers.Server> servers,
      List<String> queries,
      Optional<String> expect,
      boolean primary)
      implements Step {
    Asking {
      String named = task.inputs().get("server");
      if (named != null && !servers.containsKey(named)) {
        throw new IllegalArgumentException(
            "there is no server " + named + " below dr.servers; known: " + servers.keySet());
      }
      if (named == null && task.inputs().get("of") == null) {
        throw new IllegalArgumentException(
            "server is missing, and no step before it tells which one is meant");
      }
    }

    /** What is waited for may already be so: it counts only once it was asked within this run. */
    @Override
    public Result check(StepContext context) {
      return context.waitingSince().isPresent()
          ? ask(context)
          : Result.notDone("was not asked in this run");
    }

    @Override
    public Result execute(StepContext context) {
      Result now = ask(context);
      return now.outcome() == Result.Outcome.DONE || now.outcome() == Result.Outcome.FAILED
          ? now
          : Result.waiting(
              Result.Wait.CONDITION, context.now().plus(task.deadline()), now.detail());
    }

    @Override
    public Result verify(StepContext context) {
      return ask(context);
    }

    /** The named one; else the one that the step before promoted or restored. */
    private DrServers.@Nullable Server server(StepContext context) {
      String named = task.inputs().get("server");
      if (named != null) {
        return servers.get(named);
      }
      String source = task.inputs().getOrDefault("source", "");
      Map<String, String> facts = context.facts(task.inputs().getOrDefault("of", ""));
      String promoted = facts.get("server");
      if (promoted != null) {
        return servers.get(promoted);
      }
      OptionalInt port =
          DrRepositoryActions.fact(facts, "port", source)
              .map(text -> OptionalInt.of(Integer.parseInt(text)))
              .orElse(OptionalInt.empty());
      return port.isEmpty()
          ? null
          : servers.values().stream()
              .filter(it -> it.port() == port.getAsInt())
              .filter(
                  it ->
                      it.files()
                          .filter(
                              files ->
                                  DrRepositoryActions.fact(facts, "directory", source)
                                      .filter(files.dataDirectory().toString()::equals)
                                      .isPresent())
                          .isPresent())
              .findFirst()
              .orElse(null);
    }

    private Result ask(StepContext context) {
      DrServers.Server server = server(context);
      if (server == null) {
        return Result.failed(
            "which server is meant, step "
                + task.inputs().get("of")
                + " does not tell: name it with server");
      }
      String database = task.inputs().getOrDefault("database", server.database());
      try (Connection session = server.connect(database);
          Statement statement = session.createStatement()) {
        statement.setQueryTimeout((int) Math.max(1, task.timeout().toSeconds()));
        if (primary && !"f".equals(first(statement, "SELECT pg_is_in_recovery()"))) {
          return Result.notDone(server + " is a standby, and takes no writes");
        }
        for (String query : queries) {
          String answer = first(statement, query);
          if (expect.isPresent() && !expect.get().equals(answer)) {
            return Result.notDone(server + " answers " + shown(answer) + " to: " + query);
          }
        }
      } catch (SQLException e) {
        return Result.notDone(server + ": " + e.getMessage());
      }
      return Result.done(
          server
              + (primary
                  ? " takes writes, and " + queries.size() + " assertions hold"
                  : " answers as expected"));
    }

    private static @Nullable String first(Statement statement, String query) throws SQLException {
      try (ResultSet rows = statement.executeQuery(query)) {
        return rows.next() ? rows.getString(1) : null;
      }
    }

    private static String shown(@Nullable String answer) {
      return answer == null
          ? "nothing"
          : "\"" + answer.substring(0, Math.min(answer.length(), MOST_SHOWN)) + "\"";
    }

    @Override
    public String intent() {
      String who = task.inputs().getOrDefault("server", "the server of " + task.inputs().get("of"));
      return primary
          ? "see that " + who + " takes writes, and that " + queries.size() + " assertions hold"
          : "wait up to " + task.deadline() + " until " + who + " answers " + queries.get(0);
    }
  }
}
