package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.failover.RestoredServer;
import com.thorbis.backup.dr.failover.ServerAccess;
import com.thorbis.backup.dr.run.Action;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.Objective;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Stream;

/** Steps that need the repository, which is opened when their turn comes. */
final class DrRepositoryActions {
  private static final String SOURCE = "source";
  private static final String SERVER = "server";
  private static final String LATEST = "latest";
  private static final String BEFORE_DAMAGE = "before-damage";

  private DrRepositoryActions() {}

  static void addTo(
      Actions.Builder actions, Thorbis thorbis, Map<String, DrServers.Server> servers) {
    actions
        .add(
            Action.of(
                "restore",
                Set.of(SOURCE, "target-dir", "target", "moment", "moment-from", "start", SERVER),
                task -> new Restore(thorbis, task, server(task, servers))))
        .add(
            Action.of(
                "adopt",
                Set.of(SOURCE, SERVER),
                task -> new Adopt(thorbis, task, server(task, servers))))
        .add(Action.of("hold-backups", Set.of(SOURCE), task -> new Hold(thorbis, task)));
  }

  /** What a step found; of one source where it brought several back. */
  static Optional<String> fact(Map<String, String> facts, String name, String source) {
    return Optional.ofNullable(facts.get(name + "/" + source))
        .or(() -> Optional.ofNullable(facts.get(name)));
  }

  private static Optional<DrServers.Server> server(
      Task task, Map<String, DrServers.Server> servers) {
    Optional<String> name = Optional.ofNullable(task.inputs().get(SERVER));
    if (name.isPresent() && !servers.containsKey(name.get())) {
      throw new IllegalArgumentException(
          "there is no server " + name.get() + " below dr.servers; known: " + servers.keySet());
    }
    return name.map(servers::get);
  }

  private static String source(Thorbis thorbis, Task task) {
    String source = task.require(SOURCE);
    if (!thorbis.config().sources().containsKey(source)) {
      throw new IllegalArgumentException(source + " is no source of " + thorbis.config().file());
    }
    return source;
  }

  /** Does work that ends soon when whoever waits for it is interrupted. */
  static <T> T stoppable(
      BiFunction<ThorbisBackup, RunControl, T> work,
      Function<Function<ThorbisBackup, T>, T> opening)
      throws IOException, InterruptedException {
    Cancellation cancellation = new Cancellation();
    FutureTask<T> task =
        new FutureTask<>(
            () ->
                opening.apply(
                    opened -> work.apply(opened, new RunControl(cancellation, Progress.NONE))));
    Thread thread = new Thread(task, "thorbis-step");
    thread.start();
    try {
      return task.get();
    } catch (InterruptedException e) {
      cancellation.cancel();
      throw e;
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      if (cause instanceof RuntimeException failure) {
        throw failure;
      }
      if (cause instanceof Error failure) {
        throw failure;
      }
      throw new IOException(cause);
    }
  }

  /**
   * Brings a source back into a folder. A file beside the folder tells whose it is and whether it
   * is whole: what anybody else put there is never written over.
   */
  private static final class Restore implements Step {
    private static final String KEY = "run";
    private static final String STATE = "state";
    private static final String BEGUN = "begun";
    private static final String WHOLE = "whole";

    private final Thorbis thorbis;
    private final Task task;
    private final String source;
    private final Path folder;
    private final Path above;
    private final Path mark;
    private final boolean start;
    private final Optional<DrServers.Server> server;
    private final Optional<RestoredServer> restored;

    Restore(Thorbis thorbis, Task task, Optional<DrServers.Server> server) {
      this.thorbis = thorbis;
      this.task = task;
      this.source = source(thorbis, task);
      this.server = server;
      this.restored = server.map(each -> RestoredServer.of(each.access()));
      Optional<Path> own =
          server.flatMap(DrServers.Server::files).map(ServerAccess.Cluster::dataDirectory);
      Path given =
          own.isPresent() && !task.inputs().containsKey("target-dir")
              ? own.get()
              : Path.of(task.require("target-dir"));
      Path above = given.getParent();
      if (!given.isAbsolute() || above == null) {
        throw new IllegalArgumentException("target-dir: " + given + " is not an absolute path");
      }
      this.folder = given.normalize();
      if (own.isPresent() && !own.get().normalize().equals(folder)) {
        throw new IllegalArgumentException(
            "target-dir: " + folder + " is not where the files of " + server.get() + " lie");
      }
      this.above = above;
      this.mark = given.resolveSibling("." + given.getFileName() + ".thorbis-run");
      String starts = task.inputs().getOrDefault("start", Boolean.toString(server.isPresent()));
      if (!Set.of("true", "false").contains(starts)) {
        throw new IllegalArgumentException("start: \"" + starts + "\" is not true or false");
      }
      this.start = starts.equals("true");
      if (server.isPresent() && !start) {
        throw new IllegalArgumentException("start: what names a server starts it");
      }
      String target = target();
      if (!target.equals(LATEST) && !target.equals(BEFORE_DAMAGE)) {
        moment(target);
      }
      Optional.ofNullable(task.inputs().get("moment")).ifPresent(Restore::moment);
    }

    private String target() {
      return task.inputs().getOrDefault("target", LATEST);
    }

    private static Instant moment(String text) {
      try {
        return Instant.parse(text);
      } catch (DateTimeParseException e) {
        throw new IllegalArgumentException(
            "\"" + text + "\" is no moment such as 2026-01-02T03:04:05Z", e);
      }
    }

    /** Where to; empty as long as nobody has said when the damage began. */
    private Optional<RecoveryTarget> target(StepContext context) {
      if (target().equals(LATEST)) {
        return Optional.of(new RecoveryTarget.Latest());
      }
      if (!target().equals(BEFORE_DAMAGE)) {
        return Optional.of(new RecoveryTarget.AtTime(moment(target()), true));
      }
      String from = task.inputs().getOrDefault("moment-from", "");
      return Optional.ofNullable(task.inputs().get("moment"))
          .or(() -> Optional.ofNullable(context.facts(from).get("said")))
          .map(text -> new RecoveryTarget.AtTime(moment(text), false));
    }

    private Optional<Properties> mark() throws IOException {
      Properties lines = new Properties();
      try (var in = Files.newBufferedReader(mark)) {
        lines.load(in);
        return Optional.of(lines);
      } catch (NoSuchFileException e) {
        return Optional.empty();
      }
    }

    private boolean empty() throws IOException {
      try (Stream<Path> entries = Files.list(folder)) {
        return entries.findAny().isEmpty();
      } catch (NoSuchFileException e) {
        return true;
      }
    }

    @Override
    public Result check(StepContext context) throws IOException {
      Optional<Properties> found = mark();
      if (found.isEmpty()) {
        return empty()
            ? Result.notDone(folder + " is empty")
            : Result.failed(folder + " holds what no step of this run put there");
      }
      Properties lines = found.get();
      if (!context.key().equals(lines.getProperty(KEY))) {
        return Result.failed(folder + " was filled by " + lines.getProperty(KEY));
      }
      if (lines.getProperty(STATE, "").equals(WHOLE)) {
        Map<String, String> facts = new LinkedHashMap<>();
        lines.stringPropertyNames().stream()
            .filter(name -> !name.equals(KEY) && !name.equals(STATE))
            .forEach(name -> facts.put(name, lines.getProperty(name)));
        if (restored.isPresent()) {
          Result runs = restored.get().check();
          if (runs.outcome() != Result.Outcome.DONE) {
            return runs;
          }
        }
        return Result.done(
                source
                    + " is in "
                    + folder
                    + ", from backup "
                    + facts.get("backup")
                    + Optional.ofNullable(facts.get(Objective.REACHED_TIME))
                        .map(at -> ", as of " + at)
                        .orElse("")
                    + Optional.ofNullable(facts.get("port"))
                        .map(port -> ", its server on port " + port)
                        .or(() -> server.map(each -> ", its server is " + each))
                        .orElse(""))
            .with(facts);
      }
      return Files.exists(folder.resolve("postmaster.pid"))
          ? Result.unknown("a restore into " + folder + " was begun, and a server may run there")
          : Result.notDone("was begun, and is not whole");
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      Optional<Properties> found = mark();
      if (found.isEmpty() || !WHOLE.equals(found.get().getProperty(STATE))) {
        Optional<Result> failed = restore(context);
        if (failed.isPresent()) {
          return failed.get();
        }
      }
      if (restored.isPresent()) {
        restored.get().start(task.timeout());
      }
      return Result.done(source + " is restored in " + folder);
    }

    /** Returns why there is nothing to restore. */
    private Optional<Result> restore(StepContext context) throws IOException, InterruptedException {
      Optional<RecoveryTarget> target = target(context);
      if (target.isEmpty()) {
        return Optional.of(
            Result.failed(
                "nobody has said when the damage began: " + task.inputs().get("moment-from")));
      }
      boolean again = mark().isPresent() && !empty();
      if (mark().isEmpty()) {
        write(Map.of(KEY, context.key(), STATE, BEGUN));
      }
      RestoreRequest.Builder request =
          RestoreRequest.builder(source, folder).target(target.get()).start(start).delta(again);
      if (start) {
        request.action(RestoreRequest.Action.PROMOTE);
      }
      RestoreReport report =
          stoppable(
              (opened, control) -> opened.restore(request.build(), control), thorbis::reading);
      Optional<Instant> whole = wholeAt(report.backup());
      Map<String, String> facts = new LinkedHashMap<>();
      facts.put(KEY, context.key());
      facts.put(STATE, WHOLE);
      facts.put("backup", report.backup().toString());
      facts.put("directory", folder.toString());
      report
          .reached()
          .ifPresent(
              reached -> {
                facts.put("reached-lsn", reached.lsn().toString());
                reached.time().ifPresent(at -> facts.put(Objective.REACHED_TIME, at.toString()));
              });
      whole.ifPresent(at -> facts.put(Objective.AS_OF, at.toString()));
      if (server.isPresent()) {
        facts.put(SERVER, server.get().name());
      } else {
        report.port().ifPresent(port -> facts.put("port", Integer.toString(port)));
      }
      write(facts);
      return Optional.empty();
    }

    /** What was written while files were read may be missing from them. */
    private Optional<Instant> wholeAt(BackupId backup) {
      try {
        return thorbis.reading(
            opened ->
                opened.states(Optional.of(source)).stream()
                    .map(BackupState::backup)
                    .filter(it -> it.id().equals(backup))
                    .map(it -> it.physical() ? it.stoppedAt() : it.startedAt())
                    .findFirst());
      } catch (BackupException e) {
        return Optional.empty(); // it is restored; how old it is stays unknown
      }
    }

    private void write(Map<String, String> lines) throws IOException {
      StringBuilder text = new StringBuilder();
      lines.forEach((name, value) -> text.append(name + "=" + value.replace("\\", "\\\\") + "\n"));
      PrivateFiles.createFolder(above);
      Path whole = mark.resolveSibling(mark.getFileName() + ".part");
      Files.deleteIfExists(whole);
      PrivateFiles.create(whole, text.toString().getBytes(StandardCharsets.UTF_8));
      Files.move(whole, mark, StandardCopyOption.ATOMIC_MOVE);
    }

    @Override
    public boolean compensates() {
      return restored.isPresent();
    }

    /** Before the fence of the old primary is lifted, so that one takes writes. */
    @Override
    public Result compensate(StepContext context, Map<String, String> undo)
        throws IOException, InterruptedException {
      restored.orElseThrow().stop(task.timeout());
      return Result.done("no server runs over " + folder + ", whose files stay");
    }

    @Override
    public String intent() {
      String target = target();
      return "restore "
          + source
          + (target.equals(LATEST)
              ? " to the latest moment"
              : target.equals(BEFORE_DAMAGE)
                  ? " to before "
                      + task.inputs().getOrDefault("moment", "the moment that somebody will say")
                  : " to " + target)
          + " into "
          + folder
          + (start ? ", and start its server" : "")
          + server.map(each -> " as " + each).orElse("");
    }
  }

  /** Whether all files of the backup that was restored lie in the folder, each with its length. */
  static final class Compared implements Step {
    private final Thorbis thorbis;
    private final Task task;
    private final String of;
    private volatile String found = "was compared";

    Compared(Thorbis thorbis, Task task) {
      this.thorbis = thorbis;
      this.task = task;
      this.of = task.require("of");
    }

    @Override
    public Result check(StepContext context) {
      return context.returned()
          ? Result.done(found)
          : Result.notDone("was not compared in this run");
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      String source = task.inputs().getOrDefault(SOURCE, "");
      Optional<String> backup = fact(context.facts(of), "backup", source);
      Optional<String> directory = fact(context.facts(of), "directory", source);
      if (backup.isEmpty() || directory.isEmpty()) {
        return Result.failed("step " + of + " does not tell what it restored");
      }
      Path folder = Path.of(directory.get());
      List<String> missing = new ArrayList<>();
      long[] files = {0};
      stoppable(
          (opened, control) ->
              Job.said(
                  () -> {
                    try (BackupReader reader =
                        opened.repository().open(new BackupId(backup.get()))) {
                      reader.entries(
                          entry -> {
                            control.cancellation().check();
                            if (entry.kind() == StoredFile.Kind.FILE
                                && entry.area() == StoredFile.Area.DATA) {
                              files[0]++;
                              Path file = folder.resolve(entry.path());
                              if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
                                  || Files.size(file) != entry.length()) {
                                missing.add(entry.path());
                              }
                            }
                          });
                    }
                    return true;
                  }),
          thorbis::reading);
      if (files[0] == 0) {
        return Result.failed("backup " + backup.get() + " holds no file");
      }
      if (!missing.isEmpty()) {
        return Result.failed(
            missing.size()
                + " of "
                + files[0]
                + " files are not there, or of another length, such as "
                + missing.get(0));
      }
      found = files[0] + " files of the backup are there, each as long as it was";
      return Result.done(found);
    }

    @Override
    public String intent() {
      return "compare the files that " + of + " restores with the backup";
    }
  }

  /** Makes a restored cluster the one that is protected. */
  private record Adopt(Thorbis thorbis, Task task, String source, Optional<DrServers.Server> server)
      implements Step {
    Adopt(Thorbis thorbis, Task task, Optional<DrServers.Server> server) {
      this(thorbis, task, DrRepositoryActions.source(thorbis, task), server);
    }

    /** An adoption that is repeated finds the cluster adopted: it may be tried again. */
    @Override
    public Result check(StepContext context) {
      return context.returned()
          ? Result.done(source + " is protected as the one that counts")
          : Result.notDone(context.started() ? "may have been begun" : "was not begun");
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      SourceInfo.Incarnation current =
          DrRepositoryActions.<SourceInfo>stoppable(
                  (opened, control) -> opened.adopt(source, control),
                  work ->
                      server.isEmpty()
                          ? thorbis.writing(work)
                          : thorbis.writingAt(source, server.get().access().address(), work))
              .current();
      return Result.done(
              source
                  + " goes on as incarnation "
                  + current.id()
                  + server.map(each -> "; let its url lead to " + each).orElse(""))
          .with(Map.of("incarnation", current.id()));
    }

    @Override
    public String intent() {
      return "adopt the restored cluster of "
          + source
          + server.map(each -> " at " + each).orElse("");
    }
  }

  /** Keeps every backup that there is, of one source or of all. */
  private record Hold(Thorbis thorbis, Task task, Optional<String> source) implements Step {
    Hold(Thorbis thorbis, Task task) {
      this(
          thorbis,
          task,
          Optional.ofNullable(task.inputs().get(SOURCE))
              .map(named -> DrRepositoryActions.source(thorbis, task)));
    }

    private static String reason(StepContext context) {
      return "recovery " + context.key();
    }

    private List<BackupState> states(ThorbisBackup opened) {
      return opened.states(source).stream()
          .filter(it -> it.stage() == BackupState.Stage.LIVE)
          .toList();
    }

    private static boolean held(BackupState state, String reason) {
      return state.holds().stream().anyMatch(it -> it.reason().equals(reason));
    }

    private List<BackupId> those(StepContext context, boolean held) {
      return thorbis.reading(
          opened ->
              states(opened).stream()
                  .filter(it -> held(it, reason(context)) == held)
                  .map(it -> it.backup().id())
                  .toList());
    }

    @Override
    public Result check(StepContext context) {
      int open = those(context, false).size();
      int held = those(context, true).size();
      return open == 0 && held > 0
          ? Result.done(held + " backups are held")
          : Result.notDone(open == 0 ? "there is no backup" : open + " backups are not held");
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      List<BackupId> held =
          stoppable(
              (opened, control) -> {
                List<BackupId> done = new ArrayList<>();
                for (BackupState state : states(opened)) {
                  control.cancellation().check();
                  if (!held(state, reason(context))) {
                    opened.hold(state.backup().id(), reason(context), Optional.empty());
                  }
                  done.add(state.backup().id());
                }
                return done;
              },
              thorbis::writing);
      return held.isEmpty()
          ? Result.failed("there is no backup to hold")
          : Result.done(held.size() + " backups are held");
    }

    @Override
    public boolean compensates() {
      return true;
    }

    @Override
    public Result compensate(StepContext context, Map<String, String> undo)
        throws IOException, InterruptedException {
      List<BackupId> held = those(context, true);
      stoppable(
          (opened, control) -> {
            held.forEach(id -> opened.release(id, reason(context)));
            return true;
          },
          thorbis::writing);
      return Result.done(held.size() + " backups are held no more for this run");
    }

    @Override
    public String intent() {
      return "keep every backup"
          + source.map(name -> " of " + name).orElse("")
          + ", whatever retention says";
    }
  }
}
