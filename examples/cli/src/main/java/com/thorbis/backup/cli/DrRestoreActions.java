package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.application.app.ApplicationEngine;
import com.thorbis.backup.application.app.ApplicationRestore;
import com.thorbis.backup.application.app.ApplyMode;
import com.thorbis.backup.application.app.RestoreWish;
import com.thorbis.backup.application.secrets.RestoreMode;
import com.thorbis.backup.application.secrets.SecretsEngine;
import com.thorbis.backup.application.secrets.SecretsPlan;
import com.thorbis.backup.application.secrets.SecretsRestore;
import com.thorbis.backup.application.secrets.SecretsRestoreReport;
import com.thorbis.backup.application.secrets.SecretsSet;
import com.thorbis.backup.dr.plan.ActionNames;
import com.thorbis.backup.dr.point.PointReport;
import com.thorbis.backup.dr.point.RecoveryPointEngine;
import com.thorbis.backup.dr.run.Action;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.Objective;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Steps that bring back what is no single source: applications, secrets and recovery points. */
final class DrRestoreActions {
  private static final String SOURCE = "source";
  private static final String BACKUP = "backup";
  private static final String MODE = "mode";

  private DrRestoreActions() {}

  static void addTo(Actions.Builder actions, Thorbis thorbis) {
    actions
        .add(
            Action.of(
                ActionNames.APP_RESTORE,
                Set.of(SOURCE, BACKUP, "components", "into", MODE),
                task -> new Application(thorbis, task)))
        .add(
            Action.of(
                ActionNames.SECRETS_RESTORE,
                Set.of("set", BACKUP, "into", "secrets", MODE),
                task -> new Secrets(thorbis, task)))
        .add(
            Action.of(
                ActionNames.RECOVERY_POINT_RESTORE,
                Set.of("point", BACKUP, "target-dir", "start"),
                task -> new Point(thorbis, task)));
  }

  /** The one that is named, or the only one of its kind. */
  private static String source(
      Thorbis thorbis, Task task, String input, Predicate<String> ofThisKind) {
    Map<String, Config.SourceConfig> all = thorbis.config().sources();
    String named = task.inputs().get(input);
    List<String> some =
        all.entrySet().stream()
            .filter(it -> ofThisKind.test(it.getValue().type()))
            .map(Map.Entry::getKey)
            .toList();
    if (named == null && some.size() == 1) {
      return some.get(0);
    }
    if (named == null || !some.contains(named)) {
      throw new IllegalArgumentException(
          (named == null ? input + " is missing" : input + ": " + named + " is none of them")
              + "; there are "
              + some);
    }
    return named;
  }

  private static List<String> lines(Task task, String input) {
    return task.inputs().getOrDefault(input, "").lines().filter(it -> !it.isBlank()).toList();
  }

  private static Optional<BackupId> backup(Task task) {
    return Optional.ofNullable(task.inputs().get(BACKUP)).map(BackupId::new);
  }

  private static Path folder(Task task, String input) {
    Path given = Path.of(task.require(input));
    if (!given.isAbsolute()) {
      throw new IllegalArgumentException(input + ": " + given + " is not an absolute path");
    }
    return given.normalize();
  }

  private static boolean empty(Path folder) throws IOException {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.findAny().isEmpty();
    } catch (NoSuchFileException e) {
      return true;
    }
  }

  /** What is known of a folder that is filled once. */
  private static Result filled(StepContext context, Path folder, String done) throws IOException {
    if (context.returned()) {
      return Result.done(done);
    }
    if (empty(folder)) {
      return Result.notDone(folder + " is empty");
    }
    return context.started()
        ? Result.unknown(folder + " was begun to be filled, and nobody knows how far")
        : Result.failed(folder + " holds what no step of this run put there");
  }

  private static BackupException none(String source) {
    return BackupException.of(
            "backup.not-found",
            FailureKind.NOT_FOUND,
            "There is no backup of " + source + " that can be restored")
        .remedy("Look with list " + source + ".")
        .build();
  }

  /** Brings an application back into a folder, or to where it is in use. */
  private static final class Application implements Step {
    private final Thorbis thorbis;
    private final Task task;
    private final String name;
    private final Optional<Path> into;
    private final ApplyMode mode;

    Application(Thorbis thorbis, Task task) {
      this.thorbis = thorbis;
      this.task = task;
      this.name = source(thorbis, task, SOURCE, AppCommand::isApplication);
      this.into =
          task.inputs().containsKey("into") ? Optional.of(folder(task, "into")) : Optional.empty();
      String said = task.inputs().getOrDefault(MODE, ApplyMode.CREATE_MISSING.label());
      this.mode =
          ApplyMode.ofLabel(said)
              .orElseThrow(() -> new IllegalArgumentException("mode: there is no " + said));
    }

    private <T> T with(ThorbisBackup opened, Work<ApplicationRestore, T> work) {
      return Job.said(
          () -> {
            Repository repository = opened.repository();
            ApplicationEngine engine = opened.engine(name, ApplicationEngine.class);
            Optional<BackupId> id =
                backup(task).or(() -> engine.newest(repository).map(BackupDescriptor::id));
            try (ApplicationRestore restore =
                engine.restore(
                    id.orElseThrow(() -> none(name)),
                    new LinkedHashSet<>(lines(task, "components")),
                    new RestoreWish(into, mode),
                    repository)) {
              return work.with(restore, id.get());
            }
          });
    }

    /**
     * Where it is in use the plan tells: there is nothing left to be done. What is left to people
     * is done when one of them says so.
     */
    @Override
    public Result check(StepContext context) throws IOException {
      Optional<String> person = context.confirmedBy();
      if (into.isEmpty()) {
        return thorbis.reading(
            opened -> with(opened, (restore, id) -> planned(restore.plan(), id, person)));
      }
      String lies = name + " lies in " + into.get();
      return person.isPresent() && !empty(into.get())
          ? Result.done(lies + saysTheRestIsDone(person.get()))
          : filled(context, into.get(), lies);
    }

    private static String saysTheRestIsDone(String person) {
      return "; " + person + " says that the rest is done";
    }

    private Result planned(
        List<com.thorbis.backup.application.app.Step> steps, BackupId id, Optional<String> person) {
      List<String> open =
          steps.stream().filter(it -> it.work().isPresent()).map(it -> it.subject()).toList();
      List<String> away =
          steps.stream()
              .filter(
                  it -> it.action() == com.thorbis.backup.application.app.Step.Action.UNAVAILABLE)
              .map(it -> it.subject() + ": " + it.reason())
              .toList();
      if (!away.isEmpty()) {
        return Result.unknown("cannot be looked at: " + String.join("; ", away));
      }
      if (!open.isEmpty()) {
        return Result.notDone(open.size() + " to be brought back, such as " + open.get(0));
      }
      List<String> byHand =
          steps.stream()
              .filter(it -> it.action() == com.thorbis.backup.application.app.Step.Action.BY_HAND)
              .map(Application::told)
              .toList();
      if (!byHand.isEmpty() && person.isEmpty()) {
        return Result.notDone("is left to people: " + String.join("; ", byHand));
      }
      return Result.done(
              name
                  + " stands as backup "
                  + id
                  + " has it"
                  + (byHand.isEmpty() ? "" : saysTheRestIsDone(person.orElseThrow())))
          .with(Map.of("backup", id.value()));
    }

    private static String told(com.thorbis.backup.application.app.Step step) {
      return step.subject() + " " + step.reason();
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      return DrRepositoryActions.stoppable(
          (opened, control) -> with(opened, (restore, id) -> run(context, restore, id, control)),
          thorbis::reading);
    }

    private Result run(
        StepContext context, ApplicationRestore restore, BackupId id, RunControl control)
        throws IOException {
      List<ApplicationRestore.Result> results = restore.run(restore.plan(), control);
      List<String> failed =
          results.stream()
              .filter(it -> it.done() == ApplicationRestore.Done.FAILED)
              .map(it -> it.step().subject() + ": " + it.message())
              .toList();
      String counts =
          results.stream()
              .collect(Collectors.groupingBy(it -> it.done().label(), Collectors.counting()))
              .entrySet()
              .stream()
              .sorted(Map.Entry.comparingByKey())
              .map(it -> it.getValue() + " " + it.getKey())
              .collect(Collectors.joining(", "));
      if (!failed.isEmpty()) {
        return Result.notDone(String.join("; ", failed));
      }
      List<String> byHand =
          results.stream()
              .filter(it -> it.done() == ApplicationRestore.Done.BY_HAND)
              .map(it -> told(it.step()))
              .toList();
      if (!byHand.isEmpty()) {
        return Result.waiting(
            Result.Wait.MANUAL,
            context.now().plus(task.deadline()),
            name + " from backup " + id + " is left to people: " + String.join("; ", byHand));
      }
      return Result.done(name + " from backup " + id + ": " + counts)
          .with(Map.of("backup", id.value()));
    }

    @Override
    public String intent() {
      return "restore application "
          + name
          + into.map(folder -> " into " + folder).orElse(" where it is in use, " + mode.label());
    }
  }

  /** Brings secrets back to the place where they are used. */
  private static final class Secrets implements Step {
    private final Thorbis thorbis;
    private final Task task;
    private final String set;
    private final RestoreMode mode;

    Secrets(Thorbis thorbis, Task task) {
      this.thorbis = thorbis;
      this.task = task;
      this.set = source(thorbis, task, "set", "secrets"::equals);
      String said = task.inputs().getOrDefault(MODE, RestoreMode.CREATE_MISSING.label());
      this.mode =
          RestoreMode.ofLabel(said)
              .orElseThrow(() -> new IllegalArgumentException("mode: there is no " + said));
    }

    private <T> T with(ThorbisBackup opened, RunControl control, Work<SecretsRestore, T> work) {
      return Job.said(
          () -> {
            Repository repository = opened.repository();
            SecretsEngine engine = opened.engine(set, SecretsEngine.class);
            Optional<BackupId> id =
                backup(task).or(() -> engine.newest(repository).map(BackupDescriptor::id));
            try (SecretsSet open = engine.open(id.orElseThrow(() -> none(set)), repository)) {
              SecretsRestore.Builder builder =
                  SecretsRestore.builder(open, engine.place(place(engine)))
                      .mode(mode)
                      .cancellation(control.cancellation());
              lines(task, "secrets").forEach(builder::secret);
              engine.probes().forEach(builder::probe);
              return work.with(builder.build(), id.get());
            }
          });
    }

    private String place(SecretsEngine engine) {
      String named = task.inputs().get("into");
      List<String> all = List.copyOf(engine.places());
      if (named == null && all.size() != 1) {
        throw BackupException.of(
                "run.action-invalid",
                FailureKind.CONFIGURATION,
                "Step " + task.id() + " does not say into which place of " + set)
            .remedy("Set into to one of " + String.join(", ", all) + ".")
            .build();
      }
      return named == null ? all.get(0) : named;
    }

    @Override
    public Result check(StepContext context) {
      return thorbis.reading(
          opened ->
              with(
                  opened,
                  RunControl.unattended(),
                  (restore, id) -> {
                    SecretsPlan plan = restore.plan();
                    int open =
                        plan.count(SecretsPlan.Action.CREATE)
                            + plan.count(SecretsPlan.Action.REPLACE);
                    int cannot = plan.count(SecretsPlan.Action.CANNOT);
                    if (open > 0) {
                      return Result.notDone(open + " secrets to be written");
                    }
                    return cannot > 0
                        ? Result.failed(cannot + " secrets cannot be restored")
                        : Result.done(
                            plan.count(SecretsPlan.Action.KEEP) + " secrets stand there already");
                  }));
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      return DrRepositoryActions.stoppable(
          (opened, control) ->
              with(
                  opened,
                  control,
                  (restore, id) -> {
                    SecretsRestoreReport report = restore.run(restore.plan());
                    String counts =
                        report.results().stream()
                            .collect(
                                Collectors.groupingBy(
                                    it -> it.outcome().label(), Collectors.counting()))
                            .entrySet()
                            .stream()
                            .sorted(Map.Entry.comparingByKey())
                            .map(it -> it.getValue() + " " + it.getKey())
                            .collect(Collectors.joining(", "));
                    return report.whole()
                        ? Result.done(set + " from backup " + id + ": " + counts)
                            .with(Map.of("backup", id.value()))
                        : Result.notDone("not all secrets are written: " + counts);
                  }),
          thorbis::reading);
    }

    @Override
    public String intent() {
      return "restore secrets of " + set + ", " + mode.label();
    }
  }

  /** Brings all members of a recovery point back into one folder. */
  private static final class Point implements Step {
    private final Thorbis thorbis;
    private final Task task;
    private final String source;
    private final Path folder;
    private final boolean start;

    Point(Thorbis thorbis, Task task) {
      this.thorbis = thorbis;
      this.task = task;
      this.source = source(thorbis, task, "point", RecoveryPointEngine.TYPE::equals);
      this.folder = folder(task, "target-dir");
      String starts = task.inputs().getOrDefault("start", "false");
      if (!Set.of("true", "false").contains(starts)) {
        throw new IllegalArgumentException("start: \"" + starts + "\" is not true or false");
      }
      this.start = starts.equals("true");
    }

    @Override
    public Result check(StepContext context) throws IOException {
      return filled(context, folder, source + " lies in " + folder);
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      return DrRepositoryActions.stoppable(
          (opened, control) -> Job.said(() -> restore(opened, control)), thorbis::reading);
    }

    private Result restore(ThorbisBackup opened, RunControl control) throws IOException {
      Repository repository = opened.repository();
      BackupId id =
          backup(task)
              .or(
                  () ->
                      repository.backups(Optional.of(source)).stream()
                          .filter(it -> it.status().restorable())
                          .reduce((older, newer) -> newer)
                          .map(BackupDescriptor::id))
              .orElseThrow(() -> none(source));
      PointReport report =
          opened
              .engine(source, RecoveryPointEngine.class)
              .restore(id, folder, Set.of(), start, repository, control);
      if (!report.done()) {
        return Result.failed(
            report.parts().stream()
                .filter(it -> it.failure().isPresent())
                .map(
                    it ->
                        it.plan().member().source()
                            + ": "
                            + it.failure().map(Throwable::getMessage).orElse(""))
                .collect(Collectors.joining("; ")));
      }
      Map<String, String> facts = new LinkedHashMap<>();
      facts.put("point", id.value());
      for (PointReport.Part part : report.parts()) {
        String member = "/" + part.plan().member().source();
        part.report()
            .ifPresent(
                it -> {
                  part.plan()
                      .backup()
                      .ifPresent(
                          of ->
                              facts.put(
                                  Objective.AS_OF + member,
                                  (of.physical() ? of.stoppedAt() : of.startedAt()).toString()));
                  facts.put("backup" + member, it.backup().value());
                  facts.put("directory" + member, it.targetDirectory().toString());
                  it.port().ifPresent(port -> facts.put("port" + member, Integer.toString(port)));
                  it.reached()
                      .flatMap(reached -> reached.time())
                      .ifPresent(at -> facts.put(Objective.REACHED_TIME + member, at.toString()));
                });
      }
      List<String> byHand =
          report.parts().stream().flatMap(part -> part.plan().command().stream()).toList();
      return Result.done(
              report.parts().stream().filter(part -> part.report().isPresent()).count()
                  + " members of "
                  + id
                  + " lie in "
                  + folder
                  + (byHand.isEmpty()
                      ? ""
                      : "; not brought back by this step: " + String.join("; ", byHand)))
          .with(facts);
    }

    @Override
    public String intent() {
      return "restore all of recovery point "
          + source
          + " into "
          + folder
          + (start ? ", and start its servers" : "");
    }
  }

  /**
   * Work with a restore that is open.
   *
   * @param <R> of what
   * @param <T> what comes of it
   */
  @FunctionalInterface
  private interface Work<R, T> {
    T with(R restore, BackupId id) throws IOException;
  }
}
