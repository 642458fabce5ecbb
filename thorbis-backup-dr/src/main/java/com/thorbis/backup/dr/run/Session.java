package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.run.Result.Outcome;
import com.thorbis.backup.dr.run.Result.Wait;
import com.thorbis.backup.dr.run.RunReport.Waiting;
import com.thorbis.backup.dr.run.RunState.Node;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** One process that works on one run. What it decides by is the journal alone. */
final class Session implements AutoCloseable {
  private static final Duration TURN = Duration.ofSeconds(1);
  private static final Duration MOST_BACKOFF = Duration.ofMinutes(1);

  final RunState state;

  private final RunEngine engine;
  private final String run;
  private final Journal journal;
  private final Inbox inbox;
  private final RunLease lease;
  private final Watchers watchers;
  private final StepCalls calls = new StepCalls();
  private final Map<String, Step> steps = new ConcurrentHashMap<>();
  private final Set<String> unreadable = new HashSet<>();
  private final LinkedBlockingQueue<String> ended = new LinkedBlockingQueue<>();
  private final Set<String> working = new HashSet<>();
  private final AtomicReference<@Nullable Throwable> trouble = new AtomicReference<>();
  private Duration rested = Duration.ZERO;
  private volatile boolean stopping;

  Session(RunEngine engine, String run, Journal journal, Inbox inbox, RunLease lease) {
    this.engine = engine;
    this.run = run;
    this.journal = journal;
    this.inbox = inbox;
    this.lease = lease;
    this.state = new RunState(run);
    journal.readBy(state::apply);
    this.watchers = new Watchers(engine.observers());
    int known = journal.records().size();
    journal.readBy(
        record -> {
          if (record.sequence() > known) {
            state.apply(record);
            watchers.tell(record);
          }
        });
  }

  RunReport report() {
    return state.report(journal.proven());
  }

  /** Writes down what is to be done: from here on the run exists. */
  void plan(RunPlan plan, String requester) {
    journal.takeOver();
    journal.append(
        requester,
        RunState.PLANNED,
        Json.object("requester", requester, "digest", plan.digest(), "plan", plan.document()));
  }

  /** Takes the run and carries it out as far as it goes. */
  RunReport carryOn(String why, boolean force) {
    if (state.status().ended() && inbox.take(state::seen, new ArrayList<>()).isEmpty()) {
      return report();
    }
    for (Node node : state.all()) {
      steps.put(node.task.id(), engine.actions().step(node.task));
    }
    lease.take(force);
    if (!state.owner().isEmpty()) {
      journal.takeOver();
    }
    note(RunState.TAKEN, "owner", engine.owner(), "why", why);
    ExecutorService workers =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, "thorbis-run");
              thread.setDaemon(true);
              return thread;
            });
    try {
      turn(workers);
    } finally {
      workers.shutdown();
    }
    watchers.drain(this::watcherFailed);
    note(RunState.RELEASED);
    lease.end();
    return report();
  }

  /** Until the run has ended, or waits for what this process does not stay for. */
  private void turn(ExecutorService workers) {
    while (true) {
      lease.beat();
      takeMessages();
      watchers.failures(this::watcherFailed);
      if (state.status() == RunStatus.FAILED && state.abortedBy().isPresent() && !state.undoes()) {
        to(RunStatus.RUNNING, "aborted by " + state.abortedBy().get());
      }
      if (state.status().ended()) {
        return;
      }
      Optional<Node> broken = broken();
      boolean leaving = engine.leaving();
      stopping = leaving || state.abortedBy().isPresent() || broken.isPresent() || state.undoes();
      if (!stopping && !begin(workers)) {
        continue;
      }
      if (!working.isEmpty()) {
        await();
        continue;
      }
      if (leaving) {
        return;
      }
      if (stopping ? end(broken) : finish()) {
        return;
      }
      if (!stopping && moves()) {
        continue;
      }
      if (!rest()) {
        return;
      }
    }
  }

  private Optional<Node> broken() {
    return state.all().stream()
        .filter(node -> node.task.critical())
        .filter(node -> node.status == TaskStatus.FAILED || node.status == TaskStatus.UNKNOWN)
        .findFirst();
  }

  /** Begins every step whose turn it is. False if one ended instead, which may end the run. */
  private boolean begin(ExecutorService workers) {
    for (Node node : state.all()) {
      if (working.contains(node.task.id()) || !ready(node)) {
        continue;
      }
      Optional<String> undone =
          node.task.requires().stream()
              .filter(need -> state.at(need).status != TaskStatus.DONE)
              .findFirst();
      if (undone.isPresent()) {
        end(
            node,
            Outcome.FAILED,
            Result.failed("was not begun, as " + undone.get() + " is not done"));
        return false;
      }
      boolean looksOnly = node.waiting != null && node.waiting.what().equals(Wait.CONDITION);
      if (!looksOnly) {
        to(RunStatus.RUNNING, "");
      }
      String id = node.task.id();
      working.add(id);
      workers.execute(
          () -> {
            try {
              carryOut(node);
            } catch (RuntimeException | Error e) {
              trouble.compareAndSet(null, e);
            } finally {
              ended.add(id);
            }
          });
    }
    return true;
  }

  private boolean ready(Node node) {
    if (node.settled() || !node.task.needs().stream().map(state::at).allMatch(Node::settled)) {
      return false;
    }
    Waiting waiting = node.waiting;
    if (waiting == null) {
      return true;
    }
    Instant now = now();
    boolean over = waiting.until().filter(until -> !now.isBefore(until)).isPresent();
    return switch (waiting.what()) {
      case Waiting.APPROVAL -> over || state.approved(node, now);
      case Waiting.OWNERSHIP -> state.overrideBy().isPresent() || journal.prove();
      case Waiting.DECISION -> node.confirmedBy != null;
      case Wait.MANUAL -> over || node.confirmedBy != null;
      case Wait.CONDITION -> true;
      default -> over;
    };
  }

  /** Whether something is ready that was not a moment ago. */
  private boolean moves() {
    return state.all().stream()
        .anyMatch(
            node ->
                ready(node)
                    && (node.waiting == null || !node.waiting.what().equals(Wait.CONDITION)));
  }

  private void await() {
    try {
      String id = ended.poll(TURN.toMillis(), TimeUnit.MILLISECONDS);
      if (id != null) {
        working.remove(id);
      }
      if (trouble.get() != null) {
        while (!working.isEmpty()) {
          working.remove(ended.take()); // each ends at its next record
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      trouble.compareAndSet(
          null,
          new IllegalStateException("The thread that carries out run " + run + " was interrupted"));
    }
    Throwable thrown = trouble.get();
    if (thrown instanceof Error error) {
      throw error;
    }
    if (thrown instanceof RuntimeException failure) {
      throw failure;
    }
  }

  /** Whether this process has no more reason to stay. */
  private boolean rest() {
    if (engine.stays()) {
      pause(TURN);
      return true;
    }
    boolean endsByItself =
        state.windowUntil().isPresent()
            || state.all().stream()
                .map(node -> node.waiting)
                .anyMatch(
                    waiting ->
                        waiting != null
                            && (waiting.what().equals(Wait.TIME)
                                || waiting.what().equals(Wait.CONDITION)));
    if (!endsByItself || rested.compareTo(engine.patience()) >= 0) {
      return false;
    }
    pause(TURN);
    rested = rested.plus(TURN);
    return true;
  }

  /** Where every step has ended: says what came of it. Where not: that the run waits. */
  private boolean finish() {
    List<Node> all = state.all();
    if (!all.stream().allMatch(Node::settled)) {
      if (!moves()) {
        to(RunStatus.WAITING, waitsFor());
      }
      return false;
    }
    if (all.stream().noneMatch(node -> node.executed && node.status == TaskStatus.DONE)) {
      to(RunStatus.FAILED, "nothing was carried out, so nothing was recovered");
      return true;
    }
    Optional<RunPlan.Window> window = state.plan().window();
    if (window.isEmpty()) {
      to(RunStatus.SUCCEEDED, "");
      return true;
    }
    if (state.windowUntil().isEmpty()) {
      note(
          RunState.WINDOW,
          "until",
          now().plus(window.get().lasts()),
          "then",
          window.get().commits() ? "commit" : "rollback");
    }
    Instant until = state.windowUntil().orElseThrow();
    if (state.committedBy().isPresent()) {
      to(RunStatus.SUCCEEDED, "committed by " + state.committedBy().get());
      return true;
    }
    if (now().isBefore(until)) {
      to(RunStatus.WAITING, "for commit or abort until " + until);
      return false;
    }
    if (state.windowCommits()) {
      to(RunStatus.SUCCEEDED, "nobody aborted it until " + until);
      return true;
    }
    String late = "nobody committed it until " + until;
    Optional<String> forward = onlyForward();
    if (forward.isPresent()) {
      to(RunStatus.FAILED, late + "; " + forward.get());
      return true;
    }
    to(RunStatus.COMPENSATING, late);
    return undoAll();
  }

  private String waitsFor() {
    List<String> waits = new ArrayList<>();
    for (Node node : state.all()) {
      Waiting waiting = node.waiting;
      if (waiting != null) {
        waits.add(node.task.id() + " (" + waiting.what() + ")");
      }
    }
    return "for " + String.join(", ", waits);
  }

  /** Ends a run that cannot go on, or shall not. */
  private boolean end(Optional<Node> broken) {
    if (state.undoes()) {
      return undoAll();
    }
    String reason =
        state
            .abortedBy()
            .map(name -> "aborted by " + name)
            .orElseGet(
                () ->
                    broken
                        .map(node -> "critical step " + node.task.id() + ": " + node.detail)
                        .orElse(""));
    boolean undo = undoesAll() || broken.filter(node -> node.task.undoOnFailure()).isPresent();
    Optional<String> forward = onlyForward();
    if (undo && forward.isPresent()) {
      reason += (reason.isEmpty() ? "" : "; ") + forward.get();
    }
    if (!undo || forward.isPresent() || toUndo().isEmpty()) {
      to(state.abortedBy().isPresent() ? RunStatus.ABORTED : RunStatus.FAILED, reason);
      return true;
    }
    to(RunStatus.COMPENSATING, reason);
    return undoAll();
  }

  /** Why nothing may be undone; empty: it may. */
  private Optional<String> onlyForward() {
    return state.all().stream()
        .filter(node -> node.perhaps && step(node).isPointOfNoReturn())
        .findFirst()
        .map(
            node ->
                "nothing is undone, as "
                    + node.task.id()
                    + " may have taken effect: repair what failed and retry it, or carry out the"
                    + " way back as a run of its own");
  }

  private boolean undoesAll() {
    return state.abortedBy().isPresent() || state.plan().undoOnFailure();
  }

  /** Of the whole run, unless it failed with a step that undoes its procedure alone. */
  private List<Node> toUndo() {
    Optional<String> only =
        undoesAll()
            ? Optional.empty()
            : broken().filter(node -> node.task.undoOnFailure()).map(node -> node.task.procedure());
    return state.all().stream()
        .filter(node -> only.isEmpty() || only.get().equals(node.task.procedure()))
        .filter(node -> node.executed && node.status != TaskStatus.UNDONE && node.undo != null)
        .filter(node -> step(node).compensates())
        .sorted(Comparator.comparingLong((Node node) -> node.order).reversed())
        .toList();
  }

  /** Undoes in reverse what can be undone; stops where that fails, as the rest may rely on it. */
  private boolean undoAll() {
    String reason = state.reason();
    to(RunStatus.COMPENSATING, reason);
    for (Node node : toUndo()) {
      if (node.task.destructive() && !journal.prove() && state.overrideBy().isEmpty()) {
        to(
            RunStatus.WAITING,
            "to undo "
                + node.task.id()
                + ": the store that tells who owns the run is away; override lets it go on");
        return true;
      }
      Outcome undone = undo(node);
      if (undone == Outcome.NOT_DONE) {
        to(
            RunStatus.WAITING,
            "to undo "
                + node.task.id()
                + ": the store that tells who owns the run is away; override lets it go on");
        return true;
      }
      if (undone != Outcome.DONE) {
        to(RunStatus.FAILED, "step " + node.task.id() + " could not be undone: " + node.detail);
        return true;
      }
    }
    to(RunStatus.COMPENSATED, reason);
    return true;
  }

  /** Not done: nothing was begun, as nobody can tell who owns the run. */
  private Outcome undo(Node node) {
    Map<String, String> value = node.undo == null ? Map.of() : node.undo;
    while (true) {
      int attempt = node.undoAttempt + 1;
      note(RunState.UNDO_STARTED, "task", node.task.id(), "attempt", (long) attempt);
      if (node.task.destructive() && state.overrideBy().isEmpty() && !journal.proven()) {
        note(
            RunState.UNDO_ENDED,
            "task",
            node.task.id(),
            "outcome",
            Outcome.NOT_DONE.label(),
            "detail",
            "was withheld");
        return Outcome.NOT_DONE;
      }
      Result result =
          calls.act(node.task, () -> step(node).compensate(context(node), value), lease::beat);
      boolean done = result.outcome() == Outcome.DONE;
      boolean last = attempt >= node.task.attempts() || result.outcome() == Outcome.FAILED;
      note(
          RunState.UNDO_ENDED,
          "task",
          node.task.id(),
          "outcome",
          done || !last ? result.outcome().label() : Outcome.FAILED.label(),
          "detail",
          result.detail());
      if (done || last) {
        return done ? Outcome.DONE : Outcome.FAILED;
      }
      pause(backoff(node.task, attempt));
    }
  }

  /** Carries out one step as far as it goes. */
  private void carryOut(Node node) {
    Task task = node.task;
    Waiting waiting = node.waiting;
    if (waiting != null && waits(node, waiting)) {
      return;
    }
    int unclear = 0;
    while (!stopping) {
      if (node.returned) {
        prove(node);
        return;
      }
      Result found = calls.look(task, () -> step(node).check(context(node)));
      if (found.outcome() == Outcome.DONE) {
        end(node, Outcome.DONE, found);
        return;
      }
      if (found.outcome() == Outcome.FAILED) {
        end(node, Outcome.FAILED, found);
        return;
      }
      if (found.outcome() != Outcome.NOT_DONE) {
        note(
            RunState.CHECKED,
            "task",
            task.id(),
            "outcome",
            found.outcome().label(),
            "detail",
            found.detail());
        if (++unclear >= task.attempts() || late(node)) {
          unknown(node, found);
          return;
        }
        pause(backoff(task, unclear));
        continue;
      }
      if (node.failures >= task.attempts() || late(node) && node.failures > 0) {
        end(node, Outcome.FAILED, Result.failed(node.detail));
        return;
      }
      if (!attempt(node)) {
        return;
      }
    }
  }

  /** Looks whether what it waits for is there. False if it is to be carried out now. */
  private boolean waits(Node node, Waiting waiting) {
    switch (waiting.what()) {
      case Waiting.APPROVAL -> {
        if (state.approved(node, now())) {
          return false;
        }
        end(
            node,
            Outcome.FAILED,
            Result.failed(
                "was not approved until "
                    + waiting.until().orElseThrow()
                    + ": "
                    + waiting.agreed().size()
                    + " of "
                    + waiting.need()
                    + " agreed"));
        return true;
      }
      case Waiting.OWNERSHIP -> {
        return false;
      }
      case Waiting.DECISION -> {
        // The step may see by now what it could not, and may have facts of its own to add.
        Result found = calls.look(node.task, () -> step(node).check(context(node)));
        boolean sees = found.outcome() == Outcome.DONE || found.outcome() == Outcome.FAILED;
        end(
            node,
            sees ? found.outcome() : Outcome.DONE,
            sees ? found : Result.done("found done by " + node.confirmedBy));
        return true;
      }
      default -> {
        Result found = calls.look(node.task, () -> step(node).check(context(node)));
        boolean over = waiting.until().filter(until -> !now().isBefore(until)).isPresent();
        if (found.outcome() == Outcome.DONE || found.outcome() == Outcome.FAILED) {
          end(node, found.outcome(), found);
        } else if (over) {
          end(
              node,
              Outcome.FAILED,
              Result.failed(
                  "did not happen until " + waiting.until().get() + ": " + found.detail()));
        }
        return true;
      }
    }
  }

  /** Makes one attempt. False if the step has ended or waits. */
  private boolean attempt(Node node) {
    Task task = node.task;
    if (!state.approved(node, now())) {
      Approval approval = task.approval().orElseThrow();
      wait(
          node,
          Waiting.APPROVAL,
          Optional.of(now().plus(approval.within())),
          approval.people().keySet().stream().sorted().toList(),
          approval.need() + " must agree to: " + step(node).intent());
      return false;
    }
    Optional<String> override = state.overrideBy();
    if (task.destructive() && override.isEmpty() && !journal.prove()) {
      askOwnership(node);
      return false;
    }
    if (step(node).compensates() && node.undo == null) {
      Map<String, String> value;
      Map<String, String> taken = new LinkedHashMap<>();
      Result read =
          calls.look(
              task,
              () -> {
                taken.putAll(step(node).undo(context(node)));
                return Result.done("");
              });
      value = Map.copyOf(taken);
      if (read.outcome() != Outcome.DONE) {
        if (task.critical()) {
          end(
              node,
              Outcome.FAILED,
              Result.failed(
                  "how it is now could not be read, so it could not be undone: " + read.detail()));
        } else {
          end(node, Outcome.FAILED, Result.failed(read.detail()));
        }
        return false;
      }
      note(RunState.UNDO, "task", task.id(), "value", value);
    }
    Map<String, Object> started =
        Json.object(
            "task", task.id(), "attempt", (long) (node.attempt + 1), "key", run + "/" + task.id());
    if (task.destructive()) {
      override.ifPresent(by -> started.put("override", by));
    }
    journal.append(engine.owner(), RunState.STARTED, started);
    if (task.destructive() && override.isEmpty() && !journal.proven()) {
      returned(node, RunState.WITHHELD, Result.notDone("was not carried out"));
      askOwnership(node);
      return false;
    }
    Result result = calls.act(task, () -> step(node).execute(context(node)));
    returned(node, result.outcome().label(), result);
    switch (result.outcome()) {
      case DONE, UNKNOWN -> {
        return true;
      }
      case FAILED -> {
        end(node, Outcome.FAILED, result);
        return false;
      }
      case WAITING -> {
        Wait asked = result.awaited().orElseThrow();
        wait(node, asked.what(), Optional.of(asked.until()), task.people(), result.detail());
        return false;
      }
      default -> {
        if (node.failures < task.attempts()) {
          pause(backoff(task, node.failures));
        }
        return true;
      }
    }
  }

  /** What a step says that it has done counts when it is seen. */
  private void prove(Node node) {
    for (int looks = 1; !stopping; looks++) {
      Result seen = calls.look(node.task, () -> step(node).verify(context(node)));
      if (seen.outcome() == Outcome.DONE) {
        end(node, Outcome.DONE, seen);
        return;
      }
      if (late(node) || looks >= node.task.attempts()) {
        if (seen.outcome() == Outcome.UNKNOWN) {
          unknown(node, seen);
        } else {
          end(
              node,
              Outcome.FAILED,
              Result.failed("was carried out, and its effect is not there: " + seen.detail()));
        }
        return;
      }
      pause(backoff(node.task, looks));
    }
  }

  private void unknown(Node node, Result found) {
    if (node.task.critical()) {
      wait(node, Waiting.DECISION, Optional.empty(), node.task.people(), found.detail());
    } else {
      end(node, Outcome.UNKNOWN, found);
    }
  }

  private void askOwnership(Node node) {
    wait(
        node,
        Waiting.OWNERSHIP,
        Optional.empty(),
        List.of(),
        "the store that tells who owns the run is away; it goes on when that is back, or when"
            + " somebody takes it upon themselves");
  }

  private void returned(Node node, String outcome, Result result) {
    note(
        RunState.RETURNED,
        "task",
        node.task.id(),
        "outcome",
        outcome,
        "detail",
        result.detail(),
        "facts",
        result.facts());
  }

  private void end(Node node, Outcome outcome, Result result) {
    note(
        RunState.ENDED,
        "task",
        node.task.id(),
        "outcome",
        outcome.label(),
        "detail",
        result.detail(),
        "facts",
        result.facts());
  }

  private void wait(
      Node node, String what, Optional<Instant> until, List<String> whom, String detail) {
    Map<String, Object> data = Json.object("task", node.task.id(), "for", what);
    until.ifPresent(time -> data.put("until", Instant.ofEpochMilli(time.toEpochMilli())));
    data.put("whom", whom);
    data.put("detail", detail);
    journal.append(engine.owner(), RunState.WAITS, data);
  }

  private boolean late(Node node) {
    Instant since = node.firstAt;
    return since != null && !now().isBefore(since.plus(node.task.deadline()));
  }

  private static Duration backoff(Task task, int failures) {
    Duration span = task.backoff().multipliedBy(1L << Math.min(Math.max(failures - 1, 0), 20));
    return span.compareTo(MOST_BACKOFF) > 0 ? MOST_BACKOFF : span;
  }

  private void takeMessages() {
    List<String> broken = new ArrayList<>();
    for (Message message : inbox.take(id -> state.seen(id) || unreadable.contains(id), broken)) {
      Optional<String> refused = state.refuses(message, now());
      if (refused.isPresent()) {
        journal.append(
            message.by(),
            RunState.MESSAGE_REFUSED,
            Json.object(
                "id", message.id(),
                "what", message.what(),
                "by", message.by(),
                "task", message.task(),
                "reason", refused.get()));
      } else {
        journal.append(message.by(), RunState.MESSAGE, message.data());
      }
    }
    for (String id : broken) {
      unreadable.add(id);
      note(
          RunState.MESSAGE_REFUSED,
          "id",
          id,
          "what",
          "",
          "by",
          "",
          "task",
          "",
          "reason",
          "it cannot be read");
    }
  }

  private void watcherFailed(String observer, String reason) {
    note(RunState.OBSERVER, "observer", observer, "reason", reason);
  }

  private void to(RunStatus status, String reason) {
    if (state.status() != status || status == RunStatus.WAITING && !state.reason().equals(reason)) {
      note(RunState.STATE, "state", status.label(), "reason", reason);
    }
  }

  private void note(String kind, Object... data) {
    journal.append(engine.owner(), kind, Json.object(data));
  }

  private void pause(Duration span) {
    try {
      engine.pause().rest(span);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("Interrupted while run " + run + " rested", e);
    }
  }

  private Instant now() {
    return engine.clock().instant();
  }

  private Step step(Node node) {
    Step step = steps.get(node.task.id());
    if (step == null) {
      throw new IllegalStateException("Step " + node.task.id() + " was not opened");
    }
    return step;
  }

  private StepContext context(Node node) {
    return new Context(
        run,
        node.task,
        now(),
        journal.fence(),
        node.attempt,
        node.open,
        node.returned,
        Optional.ofNullable(node.waiting).map(Waiting::since),
        Optional.ofNullable(node.waiting).flatMap(Waiting::until),
        Optional.ofNullable(node.confirmedBy),
        Optional.of(node.confirmedText).filter(text -> !text.isEmpty()),
        state.facts());
  }

  /** What a step is told that is only looked at. */
  static StepContext unstarted(Task task, Instant now) {
    return new Context(
        "dry-run",
        task,
        now,
        0,
        0,
        false,
        false,
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Map.of());
  }

  private record Context(
      String run,
      Task task,
      Instant now,
      long fence,
      int attempt,
      boolean started,
      boolean returned,
      Optional<Instant> waitingSince,
      Optional<Instant> waitingUntil,
      Optional<String> confirmedBy,
      Optional<String> said,
      Map<String, Map<String, String>> found)
      implements StepContext {
    @Override
    public String key() {
      return run + "/" + task.id();
    }

    @Override
    public Map<String, String> facts(String step) {
      return found.getOrDefault(step, Map.of());
    }
  }

  @Override
  public void close() {
    calls.close();
    watchers.close();
    try {
      journal.close();
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }
}
