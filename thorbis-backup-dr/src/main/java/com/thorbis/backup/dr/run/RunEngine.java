package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.Sha256;
import com.thorbis.backup.dr.internal.StateFile;
import com.thorbis.backup.dr.run.RunReport.Waiting;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Carries out recovery procedures so that nothing but two places to write to is needed, and one of
 * them may be down: a local folder, and a store in another failure domain. The process may end at
 * any moment; another one, on another machine, goes on at the exact step. Safe for several threads.
 */
public final class RunEngine implements AutoCloseable {
  private static final Pattern RUN = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}");

  private final Path folder;
  private final JournalStore store;
  private final Actions actions;
  private final String owner;
  private final Clock clock;
  private final List<RunObserver> observers;
  private final Duration lease;
  private final Duration patience;
  private final @Nullable BooleanSupplier stays;
  private final JournalFile.Opener files;
  private final Pause pause;

  /** Lets time pass. */
  @FunctionalInterface
  interface Pause {
    /** As much. */
    void rest(Duration span) throws InterruptedException;
  }

  private RunEngine(Builder builder) {
    this.folder = builder.folder;
    this.store = new JournalStore(builder.store, builder.storePatience);
    this.actions = builder.actions;
    this.owner = builder.owner;
    this.clock = builder.clock;
    this.observers = List.copyOf(builder.observers);
    this.lease = builder.lease;
    this.patience = builder.patience;
    this.stays = builder.stays;
    this.files = builder.files;
    this.pause = builder.pause;
  }

  /**
   * Starts to collect one.
   *
   * @param folder for the local half of journals; made private to this account
   * @param store for the other half, in another failure domain; stays the caller's
   * @param actions what can be carried out
   * @param owner who it works as, for people: a process and its machine
   */
  public static Builder builder(Path folder, ObjectStore store, Actions actions, String owner) {
    return new Builder(folder, store, actions, owner);
  }

  /**
   * Starts a run, unless the incident has one, and carries it out as far as it goes: to its end, or
   * to where it waits for what may take long. An incident that has a run is told about, and nothing
   * is done.
   *
   * @param incident names the run: one incident starts one run, however often it is reported
   * @param requester who asks for it; does not count as its only approver
   * @throws BackupException code {@code run.plan-invalid}, {@code run.action-unknown} or {@code
   *     run.action-invalid} if it could not be carried out to its end; then nothing was started
   */
  public RunReport start(RunPlan plan, String incident, String requester) {
    requireRun(incident);
    plan.validate(actions);
    Optional<RunReport> there = find(incident);
    if (there.isPresent()) {
      return there.get();
    }
    try (Session session = session(incident)) {
      if (session.state.exists()) {
        return session.report();
      }
      try {
        session.plan(plan, requester);
      } catch (BackupException e) {
        if (e.code().equals("run.fenced")) {
          return find(incident).orElseThrow(() -> e); // another was faster
        }
        throw e;
      }
      return session.carryOn("started by " + requester, false);
    } catch (BackupException e) {
      if (e.code().equals("run.busy")) {
        return find(incident).orElseThrow(() -> e); // another process here was faster
      }
      throw e;
    }
  }

  /**
   * Goes on with a run.
   *
   * @throws BackupException code {@code run.busy} if somebody works on it
   */
  public RunReport resume(String run) {
    return resume(run, "resumed", false);
  }

  /**
   * Takes a run from whoever works on it: that one is stopped at its next record.
   *
   * @param by who decided that
   */
  public RunReport takeOver(String run, String by) {
    return resume(run, "taken over by " + by, true);
  }

  private RunReport resume(String run, String why, boolean force) {
    requireRun(run);
    if (find(run).isEmpty()) {
      throw notFound(run);
    }
    try (Session session = session(run)) {
      return session.carryOn(why, force);
    }
  }

  private Session session(String run) {
    Path own = folder.resolve(run);
    JournalFile file;
    try {
      StateFile.createFolder(folder);
      file = files.open(own);
    } catch (IOException e) {
      file = JournalFile.absent(e);
    }
    try {
      return new Session(
          this,
          run,
          Journal.open(run, file, store, clock),
          new Inbox(own, store, run),
          new RunLease(store, run, owner, place(), lease));
    } catch (RuntimeException | Error e) {
      try {
        file.close();
      } catch (IOException closing) {
        e.addSuppressed(closing);
      }
      throw e;
    }
  }

  /** What tells this folder from every other. */
  private String place() {
    Path file = folder.resolve("place");
    try {
      if (!Files.exists(file)) {
        Files.writeString(file, UUID.randomUUID().toString(), StandardOpenOption.CREATE_NEW);
      }
      return Sha256.hex(Files.readString(file) + folder.toRealPath());
    } catch (IOException e) {
      return UUID.randomUUID().toString();
    }
  }

  /** What a run would do: every check is made, and nothing else. */
  public DryRun dryRun(RunPlan plan) {
    plan.validate(actions);
    List<DryRun.Planned> steps = new ArrayList<>();
    try (StepCalls calls = new StepCalls()) {
      for (Task task : plan.tasks()) {
        Step step = actions.step(task);
        StepContext context = Session.unstarted(task, clock.instant());
        steps.add(
            new DryRun.Planned(
                task,
                step.intent(),
                calls.look(task, () -> step.check(context)),
                step.compensates()));
      }
    }
    return new DryRun(plan, plan.digest(), steps);
  }

  /**
   * What is known of a run, from wherever it can be read. Changes nothing.
   *
   * @throws BackupException code {@code run.not-found}
   */
  public RunReport look(String run) {
    requireRun(run);
    return find(run).orElseThrow(() -> notFound(run));
  }

  /** Who says that they work on a run now. */
  public Optional<String> worker(String run) {
    requireRun(run);
    return RunLease.holder(store, run);
  }

  private Optional<RunReport> find(String run) {
    Journal.Look look = Journal.look(run, folder.resolve(run), store);
    return look.records().isEmpty()
        ? Optional.empty()
        : Optional.of(state(run, look).report(look.proven()));
  }

  private static RunState state(String run, Journal.Look look) {
    RunState state = new RunState(run);
    look.records().forEach(state::apply);
    return state;
  }

  /** Every run that either place knows, in order of their names. */
  public List<String> runs() {
    TreeSet<String> runs = new TreeSet<>();
    try (DirectoryStream<Path> folders = Files.newDirectoryStream(folder)) {
      for (Path each : folders) {
        // Who died before the first record left an empty file.
        Path file = each.resolve(JournalFile.NAME);
        if (Files.exists(file) && Files.size(file) > 0) {
          runs.add(each.getFileName().toString());
        }
      }
    } catch (IOException e) {
      // None is here, or the folder is away: the store may know.
    }
    try {
      for (ObjectKey key : store.keys("runs/")) {
        runs.add(key.value().split("/", -1)[1]);
      }
    } catch (IOException e) {
      // What is here is known.
    }
    return List.copyOf(runs);
  }

  /**
   * Every run, in order of their names; {@link #runs} names those that are known here where the
   * store does not answer.
   *
   * @throws BackupException if the store does not answer
   */
  public List<String> everyRun() {
    try {
      store.keys("runs/");
    } catch (IOException e) {
      throw BackupException.from(e);
    }
    return runs();
  }

  /**
   * Says something to a run, in a person's name. It counts when whoever works on the run takes it
   * in, or when it is resumed.
   *
   * @param what one of the constants of {@link Message}, other than {@link Message#APPROVE}
   * @param task which step it is about; empty: none
   * @throws BackupException code {@code run.message-refused} if it cannot count
   */
  public void say(String run, String what, String by, String task, String text) {
    Journal.Look look = known(run);
    leave(look, Message.of(newId(), run, clock.instant(), what, by, task, text));
  }

  /**
   * Agrees to a step that waits for approval.
   *
   * @param signer signs in the name of {@code by}; needed where the plan has a key of theirs
   * @throws BackupException code {@code run.message-refused} if it cannot count
   */
  public void approve(String run, String task, String by, String text, Optional<Signer> signer) {
    Journal.Look look = known(run);
    RunState state = state(run, look);
    RunReport report = state.report(look.proven());
    Optional<Waiting> waiting = report.task(task).flatMap(RunReport.TaskReport::waiting);
    Instant now = clock.instant();
    long request = waiting.map(Waiting::request).orElse(0L);
    Instant expires =
        waiting
            .flatMap(Waiting::until)
            .orElse(now.plus(Duration.ofMinutes(1)))
            .truncatedTo(java.time.temporal.ChronoUnit.MILLIS);
    String signature = "";
    if (signer.isPresent()) {
      byte[] signed = Message.signedText(run, task, report.planDigest(), request, expires, by);
      try {
        signature = HexFormat.of().formatHex(signer.get().sign(signed));
      } catch (IOException e) {
        throw BackupException.from(e);
      }
    }
    leave(
        look,
        new Message(
            newId(),
            run,
            now,
            Message.APPROVE,
            by,
            task,
            text,
            request,
            Optional.of(expires),
            signature));
  }

  private Journal.Look known(String run) {
    requireRun(run);
    Journal.Look look = Journal.look(run, folder.resolve(run), store);
    if (look.records().isEmpty()) {
      throw notFound(run);
    }
    return look;
  }

  private void leave(Journal.Look look, Message message) {
    String run = message.run();
    RunState state = state(run, look);
    Inbox inbox = new Inbox(folder.resolve(run), store, run);
    state
        .refuses(message, clock.instant())
        .ifPresent(
            reason -> {
              throw BackupException.of(
                      "run.message-refused",
                      FailureKind.REFUSED,
                      "\"" + message.what() + "\" by " + message.by() + " cannot count: " + reason)
                  .remedy("Look at the run for what it waits for.")
                  .detail("run", run)
                  .build();
            });
    inbox.leave(message);
  }

  private static String newId() {
    return UUID.randomUUID().toString();
  }

  private static void requireRun(String run) {
    if (!RUN.matcher(run).matches()) {
      throw BackupException.of(
              "run.name-invalid",
              FailureKind.CONFIGURATION,
              "\"" + run + "\" does not name an incident")
          .remedy(
              "Write 1 to 100 letters, digits, \"-\", \"_\" and \".\", a letter or digit first.")
          .build();
    }
  }

  private static BackupException notFound(String run) {
    return BackupException.of("run.not-found", FailureKind.NOT_FOUND, "There is no run " + run)
        .remedy("Name one of those there are.")
        .detail("run", run)
        .build();
  }

  Actions actions() {
    return actions;
  }

  String owner() {
    return owner;
  }

  Clock clock() {
    return clock;
  }

  Pause pause() {
    return pause;
  }

  Duration patience() {
    return patience;
  }

  /** Whether it stays for whatever is waited for. */
  boolean stays() {
    return stays != null && stays.getAsBoolean();
  }

  /** Whether it was to stay, and no longer is. */
  boolean leaving() {
    return stays != null && !stays.getAsBoolean();
  }

  List<RunObserver> observers() {
    return observers;
  }

  /** Ends what it started; the store stays the caller's. */
  @Override
  public void close() {
    store.close();
  }

  /** Collects an engine. */
  public static final class Builder {
    private final Path folder;
    private final ObjectStore store;
    private final Actions actions;
    private final String owner;
    private final List<RunObserver> observers = new ArrayList<>();
    private Clock clock = Clock.systemUTC();
    private Duration lease = Duration.ofMinutes(1);
    private Duration patience = Duration.ZERO;
    private @Nullable BooleanSupplier stays;
    private Duration storePatience = Duration.ofSeconds(10);
    private JournalFile.Opener files = JournalFile::onDisk;
    private Pause pause = span -> Thread.sleep(span.toMillis());

    private Builder(Path folder, ObjectStore store, Actions actions, String owner) {
      this.folder = folder;
      this.store = store;
      this.actions = actions;
      this.owner = owner;
    }

    /** Another clock than the system's. */
    public Builder clock(Clock time) {
      this.clock = time;
      return this;
    }

    /** Somebody who is told what happens. */
    public Builder observer(RunObserver who) {
      this.observers.add(who);
      return this;
    }

    /** After how long without a sign of life a run may be resumed elsewhere. */
    public Builder lease(Duration lasts) {
      this.lease = lasts;
      return this;
    }

    /**
     * For how long {@code start} and {@code resume} stay for what ends by itself: a time, a
     * condition, a window. Unless said otherwise they return at once.
     */
    public Builder patience(Duration most) {
      this.patience = most;
      return this;
    }

    /**
     * Lets {@code start} and {@code resume} stay for all that is waited for, people too, as long as
     * this says so. When it no longer does, they begin nothing more, and return when what was begun
     * has returned.
     */
    public Builder stays(BooleanSupplier asLongAs) {
      this.stays = asLongAs;
      return this;
    }

    /** How long the store may take to answer before the run goes on without it. */
    public Builder storePatience(Duration most) {
      this.storePatience = most;
      return this;
    }

    Builder files(JournalFile.Opener opener) {
      this.files = opener;
      return this;
    }

    Builder pause(Pause how) {
      this.pause = how;
      return this;
    }

    /** The engine. */
    public RunEngine build() {
      return new RunEngine(this);
    }
  }
}
