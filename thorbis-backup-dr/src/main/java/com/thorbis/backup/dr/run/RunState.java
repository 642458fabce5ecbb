package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.run.RunReport.TaskReport;
import com.thorbis.backup.dr.run.RunReport.Waiting;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What the records of a journal amount to. There is no other state. Safe for several threads. */
final class RunState {
  static final String PLANNED = "run.planned";
  static final String STATE = "run.state";
  static final String WINDOW = "window.opened";
  static final String TAKEN = "owner.taken";
  static final String RELEASED = "owner.released";
  static final String CHECKED = "task.checked";
  static final String UNDO = "task.undo";
  static final String STARTED = "task.started";
  static final String RETURNED = "task.returned";
  static final String WAITS = "task.waiting";
  static final String ENDED = "task.ended";
  static final String UNDO_STARTED = "undo.started";
  static final String UNDO_ENDED = "undo.ended";
  static final String MESSAGE = "message";
  static final String MESSAGE_REFUSED = "message.refused";
  static final String OBSERVER = "observer.failed";

  /** What a step returned that was not carried out after all. */
  static final String WITHHELD = "withheld";

  private static final Map<String, Set<String>> KINDS =
      Map.ofEntries(
          Map.entry(PLANNED, Set.of("requester", "digest", "plan")),
          Map.entry(STATE, Set.of("state", "reason")),
          Map.entry(WINDOW, Set.of("until", "then")),
          Map.entry(TAKEN, Set.of("owner", "why")),
          Map.entry(RELEASED, Set.of()),
          Map.entry(CHECKED, Set.of("task", "outcome", "detail")),
          Map.entry(UNDO, Set.of("task", "value")),
          Map.entry(STARTED, Set.of("task", "attempt", "key", "override")),
          Map.entry(RETURNED, Set.of("task", "outcome", "detail", "facts")),
          Map.entry(WAITS, Set.of("task", "for", "until", "whom", "detail")),
          Map.entry(ENDED, Set.of("task", "outcome", "detail", "facts")),
          Map.entry(UNDO_STARTED, Set.of("task", "attempt")),
          Map.entry(UNDO_ENDED, Set.of("task", "outcome", "detail")),
          Map.entry(
              MESSAGE,
              Set.of("id", "at", "what", "by", "task", "text", "request", "expires", "signature")),
          Map.entry(MESSAGE_REFUSED, Set.of("id", "what", "by", "task", "reason")),
          Map.entry(OBSERVER, Set.of("observer", "reason")),
          Map.entry("store.away", Set.of("since")),
          Map.entry("store.back", Set.of("since")),
          Map.entry("file.away", Set.of("since")),
          Map.entry("file.back", Set.of("since")));

  /** A step, as far as the records tell. */
  static final class Node {
    final Task task;
    TaskStatus status = TaskStatus.PENDING;
    boolean executed;
    boolean open;

    /** It is not known that no attempt had an effect. */
    boolean perhaps;

    private boolean perhapsBefore;

    /** The number of the record that asked for approval last. */
    private long asked;

    boolean returned;
    boolean undoFailed;
    int attempt;
    int failures;
    int undoAttempt;
    long order;
    String detail = "";
    Map<String, String> facts = Map.of();
    @Nullable Map<String, String> undo;
    @Nullable Instant firstAt;
    @Nullable Instant startedAt;
    @Nullable Instant endedAt;
    @Nullable Waiting waiting;
    @Nullable String confirmedBy;
    String confirmedText = "";
    final Map<String, Message> approvals = new LinkedHashMap<>();

    Node(Task task) {
      this.task = task;
    }

    boolean settled() {
      return status == TaskStatus.DONE
          || status == TaskStatus.FAILED
          || status == TaskStatus.UNKNOWN
          || status == TaskStatus.UNDONE;
    }

    private void again() {
      status = TaskStatus.PENDING;
      open = false;
      returned = false;
      failures = 0;
      firstAt = null;
      endedAt = null;
      waiting = null;
      confirmedBy = null;
      approvals.clear();
    }
  }

  private final String run;
  private final Map<String, Node> nodes = new LinkedHashMap<>();
  private final Set<String> messages = new HashSet<>();
  private final List<JournalRecord> timeline = new ArrayList<>();
  private @Nullable RunPlan plan;
  private String digest = "";
  private String requester = "";
  private RunStatus status = RunStatus.PLANNED;
  private String reason = "";
  private @Nullable Instant startedAt;
  private @Nullable Instant endedAt;
  private @Nullable Instant windowUntil;
  private boolean windowCommits;
  private @Nullable String committedBy;
  private @Nullable String abortedBy;
  private @Nullable String overrideBy;
  private boolean undoes;
  private String owner = "";
  private boolean released;
  private long fence;

  RunState(String run) {
    this.run = run;
  }

  /** Refuses records that a later build writes, and fields that it adds. */
  static void requireKnown(JournalRecord record, String place) {
    Set<String> known = KINDS.get(record.kind());
    if (known == null || !known.containsAll(record.data().keySet())) {
      throw BackupException.of(
              "journal.version",
              FailureKind.CONFIGURATION,
              "Record "
                  + place
                  + " says "
                  + record.kind()
                  + " "
                  + record.data().keySet()
                  + ", which this build does not know")
          .remedy("Use the build that wrote it, or a later one.")
          .build();
    }
  }

  synchronized void apply(JournalRecord record) {
    timeline.add(record);
    fence = record.fence();
    Fields data = new Fields(record.data());
    switch (record.kind()) {
      case PLANNED -> {
        RunPlan planned = RunPlan.read(data.node("plan").orElseThrow());
        digest = data.text("digest");
        if (!planned.digest().equals(digest)) {
          throw JournalRecord.damaged("1 of run " + run, "holds another plan than it names");
        }
        requester = data.text("requester");
        plan = planned;
        startedAt = record.at();
        planned.tasks().forEach(task -> nodes.put(task.id(), new Node(task)));
      }
      case STATE -> {
        status = RunStatus.of(data.text("state"));
        reason = data.text("reason");
        endedAt = status.ended() ? record.at() : null;
        undoes |= status == RunStatus.COMPENSATING;
      }
      case WINDOW -> {
        windowUntil = data.instant("until").orElseThrow();
        windowCommits = data.text("then").equals("commit");
      }
      case TAKEN -> {
        owner = data.text("owner");
        released = false;
      }
      case RELEASED -> released = true;
      case MESSAGE -> message(Message.read(run, data));
      case MESSAGE_REFUSED -> messages.add(data.text("id"));
      default -> {
        Optional<String> task = data.optional("task");
        if (task.isPresent()) {
          apply(node(task.get()), record, data);
        }
      }
    }
  }

  private void apply(Node node, JournalRecord record, Fields data) {
    if (node.firstAt == null && record.kind().startsWith("task.")) {
      node.firstAt = record.at();
    }
    data.optional("detail").filter(text -> !text.isEmpty()).ifPresent(text -> node.detail = text);
    switch (record.kind()) {
      case UNDO -> node.undo = data.map("value");
      case STARTED -> {
        node.status = TaskStatus.STARTED;
        node.executed = true;
        node.open = true;
        node.perhapsBefore = node.perhaps;
        node.perhaps = true;
        node.returned = false;
        node.attempt = (int) data.number("attempt");
        node.waiting = null;
        node.order = record.sequence();
        node.startedAt = node.startedAt == null ? record.at() : node.startedAt;
      }
      case RETURNED -> {
        String outcome = data.text("outcome");
        node.returned = outcome.equals(Result.Outcome.DONE.label());
        boolean waits = outcome.equals(Result.Outcome.WAITING.label());
        node.open = waits || outcome.equals(Result.Outcome.UNKNOWN.label());
        if (outcome.equals(WITHHELD)) {
          node.executed = node.failures > 0;
        } else if (!node.returned && !waits) {
          node.failures++;
        }
        node.perhaps = node.perhapsBefore || node.returned || node.open;
        node.facts = data.map("facts");
      }
      case WAITS -> {
        List<String> whom = data.texts("whom");
        int need =
            data.text("for").equals(Waiting.APPROVAL)
                ? node.task.approval().map(Approval::need).orElse(1)
                : 1;
        node.status = TaskStatus.WAITING;
        node.firstAt = null; // what others take does not count
        node.confirmedBy = null;
        node.approvals.clear();
        node.asked = record.sequence();
        node.waiting =
            new Waiting(
                data.text("for"),
                record.at(),
                data.instant("until"),
                whom,
                need,
                List.of(),
                record.sequence(),
                node.detail);
      }
      case ENDED -> {
        node.status =
            switch (data.text("outcome")) {
              case "done" -> TaskStatus.DONE;
              case "unknown" -> TaskStatus.UNKNOWN;
              default -> TaskStatus.FAILED;
            };
        Map<String, String> facts = data.map("facts");
        node.facts = facts.isEmpty() ? node.facts : facts;
        node.waiting = null;
        node.endedAt = record.at();
      }
      case UNDO_STARTED -> {
        node.undoAttempt = (int) data.number("attempt");
        node.waiting = null;
      }
      case UNDO_ENDED -> {
        String outcome = data.text("outcome");
        if (outcome.equals(Result.Outcome.DONE.label())) {
          node.status = TaskStatus.UNDONE;
          node.endedAt = record.at();
        }
        node.undoFailed = outcome.equals(Result.Outcome.FAILED.label());
      }
      default -> {
        // What was checked changes nothing.
      }
    }
  }

  private void message(Message message) {
    messages.add(message.id());
    switch (message.what()) {
      case Message.APPROVE -> {
        Node node = node(message.task());
        node.approvals.put(message.by(), message);
        Waiting asked = node.waiting;
        if (asked != null) {
          Set<String> agreed = new LinkedHashSet<>(asked.agreed());
          agreed.add(message.by());
          node.waiting =
              new Waiting(
                  asked.what(),
                  asked.since(),
                  asked.until(),
                  asked.whom(),
                  asked.need(),
                  List.copyOf(agreed),
                  asked.request(),
                  asked.detail());
        }
      }
      case Message.DONE -> {
        Node node = node(message.task());
        node.confirmedBy = message.by();
        node.confirmedText = message.text();
        if (!message.text().isEmpty()) {
          node.detail = message.text();
        }
      }
      case Message.RETRY -> {
        Node node = node(message.task());
        if (undoes) {
          node.undoFailed = false;
          node.undoAttempt = 0;
          status = RunStatus.COMPENSATING;
        } else {
          node.again();
          status = RunStatus.RUNNING;
        }
        reason = "tried again by " + message.by();
        endedAt = null;
      }
      case Message.ABORT -> abortedBy = message.by();
      case Message.COMMIT -> committedBy = message.by();
      case Message.OVERRIDE -> overrideBy = message.by();
      default -> {
        // A note stands in the timeline, and that is all of it.
      }
    }
  }

  /** The approvals among records that could be taken when they were, by the plan and its keys. */
  static List<JournalRecord> approvals(String run, List<JournalRecord> records) {
    RunState state = new RunState(run);
    List<JournalRecord> counted = new ArrayList<>();
    for (JournalRecord record : records) {
      if (record.kind().equals(MESSAGE)) {
        Message message = Message.read(run, new Fields(record.data()));
        if (message.what().equals(Message.APPROVE)
            && state.refuses(message, record.at()).isEmpty()) {
          counted.add(record);
        }
      }
      state.apply(record);
    }
    return counted;
  }

  private Node node(String task) {
    Node node = nodes.get(task);
    if (node == null) {
      throw JournalRecord.damaged("of run " + run, "speaks of step " + task + ", which is none");
    }
    return node;
  }

  /** Why a message cannot be taken; empty: it can. */
  synchronized Optional<String> refuses(Message message, Instant now) {
    if (message.by().isBlank()) {
      return Optional.of("it does not say who says it");
    }
    Node node = message.task().isEmpty() ? null : nodes.get(message.task());
    if (!message.task().isEmpty() && node == null) {
      return Optional.of("the run has no step " + message.task());
    }
    boolean needsStep =
        List.of(Message.APPROVE, Message.DONE, Message.RETRY).contains(message.what());
    if (needsStep && node == null) {
      return Optional.of("it names no step");
    }
    return switch (message.what()) {
      case Message.NOTE -> Optional.empty();
      case Message.APPROVE -> refusesApproval(message, node, now);
      case Message.DONE -> refusesDone(message, node);
      case Message.RETRY -> {
        Node tried = Objects.requireNonNull(node);
        boolean can =
            undoes
                ? tried.undoFailed
                : tried.status == TaskStatus.FAILED
                    || tried.status == TaskStatus.UNKNOWN
                    || tried.waiting != null && tried.waiting.what().equals(Waiting.DECISION);
        yield can && status != RunStatus.SUCCEEDED
            ? Optional.empty()
            : Optional.of("there is nothing to try again of it");
      }
      case Message.ABORT ->
          status.ended() && status != RunStatus.FAILED
              ? Optional.of("the run has ended: " + status.label())
              : Optional.empty();
      case Message.COMMIT ->
          windowUntil == null || status.ended()
              ? Optional.of("no window is open")
              : Optional.empty();
      case Message.OVERRIDE ->
          status.ended() ? Optional.of("the run has ended: " + status.label()) : Optional.empty();
      default -> Optional.of("nobody knows what " + message.what() + " means");
    };
  }

  private Optional<String> refusesDone(Message message, @Nullable Node node) {
    Waiting waiting = node == null ? null : node.waiting;
    if (waiting == null
        || !waiting.what().equals(Result.Wait.MANUAL) && !waiting.what().equals(Waiting.DECISION)) {
      return Optional.of("the step does not wait for a person to do it");
    }
    return waiting.whom().isEmpty() || waiting.whom().contains(message.by())
        ? Optional.empty()
        : Optional.of(message.by() + " is none of " + String.join(", ", waiting.whom()));
  }

  private Optional<String> refusesApproval(Message message, @Nullable Node node, Instant now) {
    Waiting waiting = node == null ? null : node.waiting;
    if (node == null || waiting == null || !waiting.what().equals(Waiting.APPROVAL)) {
      return Optional.of("the step does not wait for approval");
    }
    Approval approval = node.task.approval().orElseThrow();
    if (!approval.people().containsKey(message.by())) {
      return Optional.of(message.by() + " is none of " + String.join(", ", waiting.whom()));
    }
    return refusesAnswer(message, approval, waiting.request(), now);
  }

  /** Also of what stands in the journal: whoever can write to the store can write it there. */
  private Optional<String> refusesAnswer(
      Message message, Approval approval, long request, Instant now) {
    String key = approval.people().get(message.by());
    if (key == null) {
      return Optional.of(message.by() + " is not asked");
    }
    if (message.request() != request) {
      return Optional.of("it answers another request than " + request);
    }
    Optional<Instant> expires = message.expires();
    if (expires.isEmpty() || !now.isBefore(expires.get())) {
      return Optional.of("it has expired");
    }
    if (!key.isEmpty() && !message.signedWith(key, digest)) {
      return Optional.of("its signature is not that of " + message.by());
    }
    return Optional.empty();
  }

  synchronized String requester() {
    return requester;
  }

  /** Whether enough of the right people agree now. */
  synchronized boolean approved(Node node, Instant now) {
    Optional<Approval> approval = node.task.approval();
    if (approval.isEmpty()) {
      return true;
    }
    List<String> agree =
        node.approvals.values().stream()
            .filter(one -> refusesAnswer(one, approval.get(), node.asked, now).isEmpty())
            .map(Message::by)
            .toList();
    return agree.size() >= approval.get().need()
        && agree.stream().anyMatch(name -> !name.equals(requester));
  }

  synchronized boolean seen(String message) {
    return messages.contains(message);
  }

  RunPlan plan() {
    RunPlan planned = plan;
    if (planned == null) {
      throw JournalRecord.damaged("1 of run " + run, "is no plan");
    }
    return planned;
  }

  synchronized boolean exists() {
    return plan != null;
  }

  synchronized Node at(String task) {
    return node(task);
  }

  synchronized List<Node> all() {
    return List.copyOf(nodes.values());
  }

  /** What steps that are done have found. */
  synchronized Map<String, Map<String, String>> facts() {
    Map<String, Map<String, String>> facts = new LinkedHashMap<>();
    nodes.forEach(
        (id, node) -> {
          if (node.status == TaskStatus.DONE) {
            facts.put(id, node.facts);
          }
        });
    return facts;
  }

  synchronized RunStatus status() {
    return status;
  }

  synchronized String reason() {
    return reason;
  }

  synchronized Optional<Instant> windowUntil() {
    return Optional.ofNullable(windowUntil);
  }

  synchronized boolean windowCommits() {
    return windowCommits;
  }

  synchronized Optional<String> committedBy() {
    return Optional.ofNullable(committedBy);
  }

  synchronized Optional<String> abortedBy() {
    return Optional.ofNullable(abortedBy);
  }

  synchronized Optional<String> overrideBy() {
    return Optional.ofNullable(overrideBy);
  }

  /** Whether what was done is to be undone, now or before it failed at that. */
  synchronized boolean undoes() {
    return undoes;
  }

  synchronized String owner() {
    return owner;
  }

  synchronized boolean released() {
    return released;
  }

  synchronized RunReport report(boolean proven) {
    return new RunReport(
        run,
        plan(),
        digest,
        requester,
        status,
        reason,
        startedAt == null ? Instant.EPOCH : startedAt,
        Optional.ofNullable(endedAt),
        status.ended() ? Optional.empty() : Optional.ofNullable(windowUntil),
        owner,
        fence,
        proven,
        nodes.values().stream().map(RunState::report).toList(),
        timeline);
  }

  private static TaskReport report(Node node) {
    return new TaskReport(
        node.task,
        node.status,
        node.executed,
        node.attempt,
        Optional.ofNullable(node.startedAt),
        Optional.ofNullable(node.endedAt),
        node.detail,
        node.facts,
        Optional.ofNullable(node.waiting));
  }
}
