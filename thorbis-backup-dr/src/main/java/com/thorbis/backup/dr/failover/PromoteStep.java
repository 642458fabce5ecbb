package com.thorbis.backup.dr.failover;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.dr.failover.Fence.Finding;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;

/**
 * Makes a standby the primary, after the other one is fenced.
 *
 * @param maxLoss how many bytes of log may be lost; empty: any number, also one that nobody knows
 */
record PromoteStep(Task task, Failover failover, ServerAccess server, OptionalLong maxLoss)
    implements Step {
  private static final int WRITE_SECONDS = 10;

  /** A primary that lives was heard of within that time whenever it has anything to say. */
  private static final Duration FRESH = Duration.ofSeconds(1);

  private static final String NO_RIGHT = "42501";

  private ServerAccess old() {
    return failover.other(server);
  }

  /** What the step that fenced the other server found; nothing if none has proven it. */
  private Map<String, String> fenced(StepContext context) {
    String named = task.inputs().get("fence");
    List<String> steps =
        named == null ? task.needs() : List.of(named, task.procedure() + "." + named);
    for (String step : steps) {
      Map<String, String> facts = context.facts(step);
      if (facts.containsKey(FailoverFacts.PROOF)
          && old().name().equals(facts.get(FailoverFacts.SERVER))) {
        return facts;
      }
    }
    return Map.of();
  }

  @Override
  public Result check(StepContext context) throws IOException, InterruptedException {
    if (failover.manager().isPresent()) {
      return managed(context, failover.manager().get());
    }
    ServerView view;
    try {
      view = ServerView.of(server);
    } catch (SQLException e) {
      return Result.unknown(server + " cannot be asked: " + e.getMessage());
    }
    if (view.standby()) {
      return Result.notDone(server + " is a standby on timeline " + view.timeline());
    }
    return promoted(context, view);
  }

  /** Whether a primary is the one that was to be promoted. */
  private Result promoted(StepContext context, ServerView view)
      throws IOException, InterruptedException {
    Map<String, String> fenced = fenced(context);
    Optional<String> other = otherSystem(fenced, view);
    if (other.isPresent()) {
      return Result.failed(other.get());
    }
    String before = fenced.get(FailoverFacts.TIMELINE);
    if (before == null && context.attempt() == 0) {
      return Result.failed(
          server
              + " is a primary already, and nothing tells since when: find out who promoted it, or"
              + " whether the roles of the two are given the wrong way round");
    }
    if (before != null && view.timeline() <= Long.parseLong(before)) {
      return Result.failed(
          server + " is a primary on timeline " + before + " as before, and was never a standby");
    }
    Finding fence = fenceNow(fenced);
    if (fence.state() == Fence.State.OPEN) {
      return Result.failed(
          "both are primaries, or can become so: "
              + server
              + " was promoted, and of "
              + old()
              + " it is known that "
              + fence.detail()
              + ". Stop "
              + old()
              + " at once");
    }
    return written(context, view, fenced);
  }

  private Optional<String> otherSystem(Map<String, String> fenced, ServerView view) {
    OptionalLong given = failover.system();
    String told =
        given.isPresent()
            ? Long.toUnsignedString(given.getAsLong())
            : fenced.getOrDefault(FailoverFacts.SYSTEM, "");
    if (told.isEmpty()) {
      return Optional.of(
          "nothing tells of which cluster "
              + server
              + " has to be, as "
              + old()
              + " could not be asked: give the identifier of the cluster in the settings");
    }
    String own = Long.toUnsignedString(view.system());
    return told.equals(own)
        ? Optional.empty()
        : Optional.of(server + " is of cluster " + own + ", and not of " + told);
  }

  /** A standby that is gone meanwhile was fenced by a person's word, which stands. */
  private Finding fenceNow(Map<String, String> fenced) throws InterruptedException {
    Fence fence = failover.fence(old());
    Finding found;
    try {
      found = fence.look();
    } catch (IOException e) {
      found = Finding.cannotTell(String.valueOf(e.getMessage()));
    }
    if (found.state() != Fence.State.CANNOT_TELL
        || !FailoverFacts.PERSON.equals(fenced.get(FailoverFacts.PROOF))) {
      return found;
    }
    try {
      if (!ServerView.of(old()).standby()) {
        return Finding.open(old() + " answers as a primary");
      }
    } catch (SQLException e) {
      // It does not contradict whoever said that it is fenced.
    }
    return Finding.closed("said by " + fenced.get(FailoverFacts.BY), Map.of());
  }

  @Override
  public Result execute(StepContext context) throws IOException, InterruptedException {
    Map<String, String> fenced = fenced(context);
    if (fenced.isEmpty()) {
      return Result.failed(
          "no step that this one needs has proven that "
              + old()
              + " takes no writes: let a step with action fence come before it");
    }
    if (failover.manager().isPresent()) {
      return throughManager(fenced, failover.manager().get());
    }
    ServerView view;
    try {
      view = ServerView.of(server);
    } catch (SQLException e) {
      return Result.notDone(server + " cannot be asked: " + e.getMessage());
    }
    if (!view.standby()) {
      return promoted(context, view);
    }
    Optional<Result> refused = refuses(fenced, view);
    if (refused.isPresent()) {
      return refused.get();
    }
    try (Connection session = ServerView.open(server);
        Statement statement = session.createStatement()) {
      long seconds = Math.max(1, failover.patience().toSeconds());
      session.setNetworkTimeout(Runnable::run, (int) (seconds + WRITE_SECONDS) * 1000);
      try (ResultSet row =
          statement.executeQuery("SELECT pg_catalog.pg_promote(true, " + seconds + ")")) {
        if (!row.next() || !row.getBoolean(1)) {
          return Result.unknown(
              server + " was not promoted within " + seconds + " s, and may be yet");
        }
      }
    } catch (SQLException e) {
      return NO_RIGHT.equals(e.getSQLState())
          ? Result.failed(server + ": " + e.getMessage())
          : Result.unknown(server + " was told, and did not answer: " + e.getMessage());
    }
    Result now = check(context);
    Map<String, String> facts = new TreeMap<>(now.facts());
    facts.putAll(lost(fenced, view));
    return now.outcome() == Result.Outcome.DONE
        ? now.with(facts)
        : Result.unknown(server + " was promoted; " + now.detail()).with(facts);
  }

  /** Keeps the facts of {@link #execute}, which alone knows what was lost. */
  @Override
  public Result verify(StepContext context) throws IOException, InterruptedException {
    return check(context).with(Map.of());
  }

  /** Everything that has to be true at this moment; what is not may be so the next time. */
  private Optional<Result> refuses(Map<String, String> fenced, ServerView view)
      throws InterruptedException {
    Optional<String> other = otherSystem(fenced, view);
    if (other.isPresent()) {
      return Optional.of(Result.failed(other.get()));
    }
    Optional<ServerAccess.Cluster> files = server.cluster();
    if (files.isPresent()
        && Files.exists(
            files.get().dataDirectory().resolve(LocalFence.MARKER), LinkOption.NOFOLLOW_LINKS)) {
      return Optional.of(
          Result.failed(
              server
                  + " was fenced itself, and what it holds may have been left behind: make it a"
                  + " standby anew, or remove "
                  + files.get().dataDirectory().resolve(LocalFence.MARKER)));
    }
    Finding fence = fenceNow(fenced);
    if (fence.state() != Fence.State.CLOSED) {
      return Optional.of(
          Result.notDone(
              "it is not proven any more that " + old() + " takes no writes: " + fence.detail()));
    }
    Sighting heard = Signals.hears(server, view, FRESH);
    if (heard.reading() == Sighting.Reading.UP) {
      return Optional.of(Result.notDone(heard.detail() + ": " + old() + " still works"));
    }
    return lossRefuses(fenced, view);
  }

  /** It may get more yet, from an archive; so it is asked again. */
  private Optional<Result> lossRefuses(Map<String, String> fenced, ServerView view) {
    if (maxLoss.isEmpty()) {
      return Optional.empty();
    }
    OptionalLong loss = loss(fenced, view);
    if (loss.isEmpty()) {
      return Optional.of(
          Result.notDone(
              "nothing tells how far the log of "
                  + old()
                  + " went; "
                  + server
                  + " has it up to "
                  + view.position()
                  + ". Say with max-loss: any that this is accepted"));
    }
    return loss.getAsLong() <= maxLoss.getAsLong()
        ? Optional.empty()
        : Optional.of(
            Result.notDone(
                server
                    + " has the log up to "
                    + view.position()
                    + ", which is "
                    + loss.getAsLong()
                    + " bytes less than there was; "
                    + maxLoss.getAsLong()
                    + " may be lost"));
  }

  /** How much of the log is known to have been and is not there. */
  private OptionalLong loss(Map<String, String> fenced, ServerView view) {
    List<Lsn> ends = new ArrayList<>();
    Optional.ofNullable(fenced.get(FailoverFacts.LSN)).map(Lsn::parse).ifPresent(ends::add);
    failover.known().ifPresent(ends::add);
    return ends.stream().mapToLong(end -> Math.max(0, end.value() - view.position().value())).max();
  }

  private Map<String, String> lost(Map<String, String> fenced, ServerView view) {
    OptionalLong loss = loss(fenced, view);
    Map<String, String> facts = new TreeMap<>();
    facts.put(FailoverFacts.LOSS, loss.isPresent() ? Long.toString(loss.getAsLong()) : "unknown");
    facts.put("received", view.position().toString());
    return facts;
  }

  /** Proves that a new primary takes writes, by one that leaves nothing but a record of the log. */
  private Result written(StepContext context, ServerView view, Map<String, String> fenced) {
    try (Connection session = ServerView.open(server);
        Statement statement = session.createStatement()) {
      statement.setQueryTimeout(WRITE_SECONDS);
      try (ResultSet row = statement.executeQuery("SHOW transaction_read_only")) {
        if (row.next() && row.getString(1).equals("on")) {
          return Result.notDone(
              server
                  + " was promoted, and default_transaction_read_only keeps clients from writing");
        }
      }
      String message = context.key().replace("'", "");
      statement
          .executeQuery(
              "SELECT pg_catalog.pg_logical_emit_message(true, 'thorbis.promoted', '"
                  + message
                  + "')")
          .close();
      SQLWarning warning = statement.getWarnings();
      if (warning != null) {
        return Result.notDone(
            server + " was promoted, and its commits do not end: " + warning.getMessage());
      }
    } catch (SQLException e) {
      return Result.unknown(
          server + " was promoted, and a write did not succeed: " + e.getMessage());
    }
    Map<String, String> facts = new TreeMap<>();
    facts.put(FailoverFacts.SERVER, server.name());
    facts.put(FailoverFacts.ADDRESS, server.address());
    facts.put(FailoverFacts.SYSTEM, Long.toUnsignedString(view.system()));
    facts.put(FailoverFacts.TIMELINE, Long.toString(view.timeline()));
    facts.put(FailoverFacts.LSN, view.position().toString());
    return Result.done(
            server
                + " is the primary on timeline "
                + view.timeline()
                + ", and takes writes; before: "
                + fenced.getOrDefault(FailoverFacts.TIMELINE, "not known"))
        .with(facts);
  }

  private Result managed(StepContext context, HaManager manager)
      throws IOException, InterruptedException {
    HaManager.Status status = manager.status();
    if (!status.leader().equals(Optional.of(server.name()))) {
      return Result.notDone(
          manager.describe() + " has " + status.leader().orElse("nobody") + " as the primary");
    }
    try {
      ServerView view = ServerView.of(server);
      return view.standby()
          ? Result.unknown(
              manager.describe() + " has " + server + " as the primary, which is a standby yet")
          : written(context, view, fenced(context));
    } catch (SQLException e) {
      return Result.unknown(server + " cannot be asked: " + e.getMessage());
    }
  }

  private Result throughManager(Map<String, String> fenced, HaManager manager)
      throws IOException, InterruptedException {
    if (!FailoverFacts.MANAGER.equals(fenced.get(FailoverFacts.PROOF))) {
      return Result.failed(
          manager.describe() + " is in charge, and another fence was proven: nothing beside it");
    }
    HaManager.Status status = manager.status();
    if (status.paused()) {
      return Result.notDone(manager.describe() + " is paused: resume it");
    }
    if (status.members().stream().noneMatch(member -> member.name().equals(server.name()))) {
      return Result.failed(manager.describe() + " knows no " + server.name());
    }
    if (status.leader().isPresent()) {
      manager.switchover(status.leader().get(), server.name());
    } else if (maxLoss.isPresent()) {
      OptionalLong lag =
          status.members().stream()
              .filter(member -> member.name().equals(server.name()))
              .flatMap(member -> member.lag().stream())
              .mapToLong(Long::longValue)
              .findFirst();
      if (lag.isEmpty() || lag.getAsLong() > maxLoss.getAsLong()) {
        return Result.failed(
            manager.describe()
                + " says of "
                + server
                + " that it is "
                + (lag.isEmpty() ? "an unknown number of" : Long.toString(lag.getAsLong()))
                + " bytes behind; "
                + maxLoss.getAsLong()
                + " may be lost");
      }
      manager.failover(server.name());
    } else {
      manager.failover(server.name());
    }
    return Result.done(manager.describe() + " made " + server + " the primary");
  }

  /** PostgreSQL goes on with a promotion that nobody waits for any more. */
  @Override
  public boolean isPointOfNoReturn() {
    return true;
  }

  @Override
  public String intent() {
    return failover
            .manager()
            .map(manager -> "let " + manager.describe() + " make " + server + " the primary")
            .orElse("promote " + server)
        + ", losing "
        + (maxLoss.isPresent()
            ? "at most " + maxLoss.getAsLong() + " bytes of log"
            : "whatever it has not got");
  }
}
