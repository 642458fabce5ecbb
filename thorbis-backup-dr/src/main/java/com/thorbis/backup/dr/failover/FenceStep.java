package com.thorbis.backup.dr.failover;

import com.thorbis.backup.dr.failover.Fence.Finding;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Makes sure that a server accepts no writes, and proves it. */
record FenceStep(Task task, Failover failover, ServerAccess server, Fence.Mode mode)
    implements Step {
  private static final Duration PROBE = Duration.ofSeconds(10);

  private Fence fence() {
    return failover.fence(server);
  }

  @Override
  public Result check(StepContext context) throws IOException, InterruptedException {
    if (failover.manager().isPresent()) {
      return managed(context, failover.manager().get());
    }
    Finding found = look();
    return switch (found.state()) {
      case CLOSED -> closed(context, found);
      case OPEN ->
          context.confirmedBy().isPresent()
              ? Result.failed(
                  context.confirmedBy().get() + " says that it is fenced, and " + found.detail())
              : Result.notDone(found.detail());
      // To close it once more does no harm, so what is not proven counts as not done.
      case CANNOT_TELL ->
          context.confirmedBy().isPresent()
              ? word(context, context.confirmedBy().get(), found)
              : Result.notDone("is not proven: " + found.detail());
    };
  }

  private Finding look() throws InterruptedException {
    return within(failover.patience().plus(PROBE), () -> fence().look());
  }

  /**
   * A disk that hangs holds whoever looks at it: then nothing is proven, and a person is asked. The
   * time is less than what the whole step may take, so that it is told as that.
   */
  private Finding within(Duration span, Callable<Finding> call) throws InterruptedException {
    FutureTask<Finding> task = new FutureTask<>(call);
    Thread thread = new Thread(task, "thorbis-fence");
    thread.setDaemon(true);
    thread.start();
    long most = Math.min(span.toMillis(), this.task.timeout().toMillis() * 3 / 4);
    try {
      return task.get(most, TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      return Finding.cannotTell(server + " was looked at for " + most + " ms without an end");
    } catch (ExecutionException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      if (cause instanceof Error error) {
        throw error;
      }
      return Finding.cannotTell(String.valueOf(cause.getMessage()));
    } finally {
      task.cancel(true);
    }
  }

  /** What a person says counts, unless the server itself says something else. */
  private Result word(StepContext context, String person, Finding found) {
    try {
      if (!ServerView.of(server).standby()) {
        return Result.failed(
            person + " says that it is fenced, and " + server + " answers as a primary");
      }
    } catch (SQLException e) {
      // It does not contradict.
    }
    Map<String, String> facts = facts(context, Map.of());
    facts.put(FailoverFacts.PROOF, FailoverFacts.PERSON);
    facts.put(FailoverFacts.BY, person);
    return Result.done("fenced by " + person + "; " + found.detail()).with(facts);
  }

  private Result closed(StepContext context, Finding found) {
    Map<String, String> facts = facts(context, found.facts());
    facts.put(FailoverFacts.PROOF, fence().kind());
    return Result.done(found.detail()).with(facts);
  }

  private Map<String, String> facts(StepContext context, Map<String, String> learned) {
    Map<String, String> facts = new TreeMap<>(learned);
    facts.put(FailoverFacts.SERVER, server.name());
    facts.put(FailoverFacts.ADDRESS, server.address());
    facts.put("at", context.now().toString());
    // The timeline before: who finds a later one knows that somebody was promoted since.
    try {
      ServerView other = ServerView.of(failover.other(server));
      if (other.standby()) {
        long own = Long.parseLong(facts.getOrDefault(FailoverFacts.TIMELINE, "0"));
        facts.put(FailoverFacts.TIMELINE, Long.toString(Math.max(own, other.timeline())));
      }
    } catch (SQLException e) {
      // It is not there to be promoted either.
    }
    return facts;
  }

  private Result managed(StepContext context, HaManager manager)
      throws IOException, InterruptedException {
    HaManager.Status status = manager.status();
    if (status.paused()) {
      return Result.notDone(
          manager.describe() + " is paused, and keeps nobody from writing: resume it");
    }
    Map<String, String> facts = new TreeMap<>();
    facts.put(FailoverFacts.SERVER, server.name());
    facts.put(FailoverFacts.ADDRESS, server.address());
    facts.put(FailoverFacts.PROOF, FailoverFacts.MANAGER);
    facts.put("at", context.now().toString());
    return Result.done(
            manager.describe()
                + " is in charge, and takes the lead from "
                + status.leader().orElse("nobody")
                + " before it gives it to another")
        .with(facts);
  }

  @Override
  public Result execute(StepContext context) throws IOException, InterruptedException {
    if (failover.manager().isPresent()) {
      return managed(context, failover.manager().get());
    }
    Finding found = within(task.timeout(), () -> fence().close(mode, failover.patience()));
    return switch (found.state()) {
      case CLOSED -> closed(context, found);
      case OPEN -> Result.notDone(found.detail());
      case CANNOT_TELL ->
          Result.waiting(
              Result.Wait.MANUAL,
              context.now().plus(task.deadline()),
              "Nothing proves that "
                  + server
                  + " takes no writes: "
                  + found.detail()
                  + ". Make sure of it, also that it does not come back by itself, and say that it"
                  + " is done");
    };
  }

  @Override
  public boolean compensates() {
    return failover.manager().isEmpty() && fence().lifts();
  }

  /** Not once the other one is the primary, nor while nobody can tell. */
  @Override
  public Result compensate(StepContext context, Map<String, String> undo)
      throws IOException, InterruptedException {
    ServerAccess other = failover.other(server);
    try {
      if (!ServerView.of(other).standby()) {
        return Result.failed(
            other + " is the primary: " + server + " must not come back as another one");
      }
    } catch (SQLException e) {
      return Result.notDone(
          "nothing tells whether " + other + " is the primary by now: " + e.getMessage());
    }
    fence().lift();
    return Result.done(server + " may be started again; nobody has started it");
  }

  @Override
  public String intent() {
    return failover
        .manager()
        .map(manager -> "leave it to " + manager.describe() + " that " + server + " stops writing")
        .orElseGet(() -> fence().describe());
  }
}
