package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.application.secrets.RestoreMode;
import com.thorbis.backup.application.secrets.RotationItem;
import com.thorbis.backup.application.secrets.SecretsBackupReport;
import com.thorbis.backup.application.secrets.SecretsEngine;
import com.thorbis.backup.application.secrets.SecretsPlan;
import com.thorbis.backup.application.secrets.SecretsRestore;
import com.thorbis.backup.application.secrets.SecretsRestoreReport;
import com.thorbis.backup.application.secrets.SecretsSet;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.secret.SecretTarget;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "secrets",
    description = "Back up the secrets of platforms and files, and bring them back.",
    subcommands = {
      SecretsCommand.Backup.class,
      SecretsCommand.Restore.class,
      SecretsCommand.SetValue.class
    })
final class SecretsCommand extends Group {
  @Command(
      name = "backup",
      description = "Read every place of a source of secrets into one sealed set.")
  static final class Backup extends Job {
    @Parameters(
        arity = "0..1",
        paramLabel = "SET",
        description = "A source of type secrets; else all of them.")
    @Nullable String set;

    @Option(names = "--label", paramLabel = "TEXT", description = "Words that find it again.")
    @Nullable String label;

    @Override
    public Integer call() {
      String chosen = set;
      if (chosen != null) {
        SecretsEngine.Taken taken = thorbis().writing(opened -> take(opened, chosen));
        thorbis().print(json(taken), out -> people(taken, out));
        return Exit.DONE;
      }
      List<String> names =
          thorbis().config().sources().entrySet().stream()
              .filter(source -> source.getValue().type().equals(SecretsEngine.TYPE))
              .map(Map.Entry::getKey)
              .toList();
      if (names.isEmpty()) {
        throw Failure.usage(
            "No source of type " + SecretsEngine.TYPE + " is configured",
            "Add one below sources, with its places.");
      }
      return thorbis().writing(opened -> all(opened, names));
    }

    private SecretsEngine.Taken take(ThorbisBackup opened, String name) {
      SecretsEngine engine = opened.engine(name, SecretsEngine.class);
      return thorbis()
          .followed(
              control ->
                  said(
                      () ->
                          engine.backUp(Optional.ofNullable(label), opened.repository(), control)));
    }

    /** One that fails does not stop the others. */
    private int all(ThorbisBackup opened, List<String> names) {
      List<Map<String, @Nullable Object>> items = new ArrayList<>();
      List<SecretsEngine.Taken> taken = new ArrayList<>();
      int worst = Exit.DONE;
      for (String name : names) {
        try {
          SecretsEngine.Taken one = take(opened, name);
          taken.add(one);
          items.add(json(one));
        } catch (BackupException e) {
          if (e.kind() == FailureKind.CANCELLED) {
            throw e;
          }
          worst = Math.max(worst, Exit.of(e.kind()));
          thorbis().host().err().println("thorbis: " + name + ": " + e.getMessage());
          if (!e.remedy().isEmpty()) {
            thorbis().host().err().println("  " + e.remedy());
          }
          items.add(
              Json.object(
                  "source",
                  name,
                  "error",
                  Json.object(
                      "code", e.code(),
                      "message", e.getMessage(),
                      "remedy", e.remedy(),
                      "details", e.details())));
        }
      }
      thorbis().print(Json.object("items", items), out -> taken.forEach(one -> people(one, out)));
      return worst;
    }

    private static Map<String, @Nullable Object> json(SecretsEngine.Taken taken) {
      SecretsBackupReport report = taken.report();
      Map<String, @Nullable Object> facts = Facts.backup(taken.backup());
      facts.put("result", report.status().label());
      facts.put("sequence", report.origin().sequence());
      facts.put("secrets", report.secretsCount());
      facts.put(
          "places",
          report.sources().stream()
              .map(
                  place ->
                      Json.object(
                          "kind", place.type(),
                          "place", place.instance(),
                          "listed",
                              place.listed().values().stream().mapToInt(Integer::intValue).sum(),
                          "sealed", place.sealed()))
              .toList());
      facts.put(
          "gaps",
          report.gaps().stream()
              .map(
                  gap ->
                      Json.object(
                          "place", gap.source(),
                          "name", gap.name().isEmpty() ? null : gap.name(),
                          "code", gap.code(),
                          "message", gap.message(),
                          "remedy", gap.remedy()))
              .toList());
      return facts;
    }

    private void people(SecretsEngine.Taken taken, PrintStream out) {
      SecretsBackupReport report = taken.report();
      out.println(
          "Backup "
              + taken.backup().id()
              + " of "
              + taken.backup().source()
              + " is "
              + report.status().label()
              + ": "
              + report.secretsCount()
              + " secrets of "
              + report.sources().size()
              + " places");
      for (SecretsBackupReport.Gap gap : report.gaps()) {
        out.println(
            Text.plain(
                "gap: "
                    + gap.source()
                    + ": "
                    + gap.message()
                    + " ("
                    + gap.code()
                    + ")"
                    + (gap.remedy().isEmpty() ? "" : ". " + gap.remedy())));
      }
      if (thorbis().config().sealed().isPresent()) {
        out.println("It counts when a host that opens the repository has run offers adopt");
      }
    }
  }

  @Command(
      name = "restore",
      description = {
        "Bring the secrets of a set back into a place. A plan comes first; nothing that stands there",
        "is overwritten unless --mode says so."
      })
  static final class Restore extends Job {
    private static final Set<String> EMPTY_HANDED =
        Set.of("secrets.source-not-read", "secrets.source-empty");
    private static final int MOST_EARLIER = 10;

    @Parameters(
        paramLabel = "SET",
        description = "A source of type secrets, for its newest backup; or a backup.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String set;

    @Option(
        names = "--into",
        paramLabel = "TARGET",
        description = "A place of that source; one of another source as SOURCE/PLACE.")
    @Nullable String into;

    @Option(
        names = "--from",
        paramLabel = "PLACE",
        description = {
          "Which place of the set, by its name there now or as \"KIND PLACE\"; else the target's",
          "own."
        })
    @Nullable String from;

    @Option(
        names = "--secret",
        paramLabel = "NAME",
        description = "This secret alone; may be given again.")
    List<String> secrets = new ArrayList<>();

    @Option(
        names = "--mode",
        paramLabel = "create-missing|overwrite-older|overwrite",
        description = "What happens to what stands there. Default: create-missing.")
    @Nullable String mode;

    @Option(names = "--plan", description = "Say what would be done; write nothing.")
    boolean planOnly;

    @Option(names = "--yes", description = "Overwrite without asking.")
    boolean yes;

    @Option(
        names = "--breach",
        description = "Somebody has read the secrets: list what to issue again, restore nothing.")
    boolean breach;

    @Override
    public Integer call() {
      String said = mode == null ? RestoreMode.CREATE_MISSING.label() : mode;
      RestoreMode wanted =
          RestoreMode.ofLabel(said)
              .orElseThrow(
                  () ->
                      Failure.usage(
                          "--mode: there is no \"" + said + "\"",
                          "Write "
                              + Arrays.stream(RestoreMode.values())
                                  .map(RestoreMode::label)
                                  .collect(Collectors.joining(", "))
                              + "."));
      String target = into;
      if ((target == null) != breach) {
        throw Failure.usage(
            breach ? "--breach restores nothing" : "Where to is missing",
            breach ? "Leave --into out." : "Name a place with --into.");
      }
      if (breach && (from != null || mode != null || !secrets.isEmpty() || planOnly || yes)) {
        throw Failure.usage(
            "--breach lists every secret of the set",
            "Leave --from, --mode, --secret, --plan and --yes out.");
      }
      return thorbis()
          .reading(
              opened ->
                  thorbis().followed(control -> said(() -> run(opened, target, wanted, control))));
    }

    private int run(
        ThorbisBackup opened, @Nullable String target, RestoreMode wanted, RunControl control)
        throws IOException {
      Repository repository = opened.repository();
      Optional<BackupId> named = id();
      String source = named.isPresent() ? opened.show(named.get()).source() : set;
      SecretsEngine engine = opened.engine(source, SecretsEngine.class);
      BackupId id = named.isPresent() ? named.get() : newest(engine, repository).id();
      try (SecretsSet open = engine.open(id, repository)) {
        if (target == null) {
          rotation(id, SecretsRestore.rotationList(open), open.sourcesNotRead());
          return Exit.DONE;
        }
        if (from == null && target.indexOf('/') > 0 && !target.startsWith(source + "/")) {
          throw Failure.usage(
              "--into " + target + " is a place of another source than " + source,
              "Say from which place of the set, with --from.");
        }
        SecretTarget place = place(opened, engine, target);
        SecretsRestore.Builder builder =
            SecretsRestore.builder(open, place).mode(wanted).cancellation(control.cancellation());
        secrets.forEach(builder::secret);
        engine.probes().forEach(builder::probe);
        if (from != null) {
          builder.from(from(engine, place));
        }
        SecretsRestore restore = builder.build();
        SecretsPlan plan = plan(restore, engine, id, from(engine, place), repository);
        if (planOnly) {
          thorbis().print(json(id, plan), out -> people(id, plan, out));
          return Exit.DONE;
        }
        if (plan.count(SecretsPlan.Action.REPLACE) > 0 && !yes) {
          people(id, plan, thorbis().host().err());
          thorbis().host().confirm("secrets.not-confirmed", "secrets restore --plan");
        }
        SecretsRestoreReport report =
            new RestoreRecord(thorbis(), "secrets", source)
                .from(id)
                .say("into", "place")
                .say("mode", wanted.label())
                .around(opened, () -> restore.run(plan), Restore::told);
        thorbis().print(json(id, plan, report), out -> people(id, report, out));
        return report.whole() ? Exit.DONE : Exit.FAILED;
      }
    }

    private static void told(SecretsRestoreReport report, RestoreRecord record) {
      record.say(
          "results",
          RestoreRecord.counts(
              report.results().stream().map(result -> result.outcome().label()).toList()));
      if (!report.whole()) {
        record.failed("secrets.restore-not-whole");
      }
    }

    /** Of a place that the set has nothing of, the way out is the last set that has something. */
    private static SecretsPlan plan(
        SecretsRestore restore,
        SecretsEngine engine,
        BackupId id,
        String place,
        Repository repository)
        throws IOException {
      try {
        return restore.plan();
      } catch (BackupException e) {
        if (!EMPTY_HANDED.contains(e.code())) {
          throw e;
        }
        throw BackupException.of(e.code(), e.kind(), String.valueOf(e.getMessage()))
            .remedy(
                earlier(engine, id, place, repository)
                    .map(found -> "Take backup " + found + ", whose set has it.")
                    .orElse("list " + engine.source() + " shows earlier backups."))
            .cause(e)
            .build();
      }
    }

    private static Optional<BackupId> earlier(
        SecretsEngine engine, BackupId id, String place, Repository repository) {
      List<BackupDescriptor> older =
          new ArrayList<>(
              repository.backups(Optional.of(engine.source())).stream()
                  .takeWhile(backup -> !backup.id().equals(id))
                  .filter(backup -> backup.status().restorable())
                  .toList());
      Collections.reverse(older);
      for (BackupDescriptor backup : older.subList(0, Math.min(MOST_EARLIER, older.size()))) {
        try (SecretsSet set = engine.open(backup.id(), repository)) {
          if (set.secrets().stream()
              .anyMatch(secret -> secret.sealed() && secret.source().equals(place))) {
            return Optional.of(backup.id());
          }
        } catch (IOException | BackupException e) {
          return Optional.empty(); // one that does not open may be the one
        }
      }
      return Optional.empty();
    }

    private Optional<BackupId> id() {
      try {
        return Optional.of(new BackupId(set));
      } catch (IllegalArgumentException e) {
        return Optional.empty(); // no name of a source has the form of an id
      }
    }

    private static BackupDescriptor newest(SecretsEngine engine, Repository repository) {
      return engine
          .newest(repository)
          .orElseThrow(
              () ->
                  BackupException.of(
                          "backup.not-found",
                          FailureKind.NOT_FOUND,
                          "There is no backup of " + engine.source() + " that can be restored")
                      .remedy("Take one with secrets backup, or look with list.")
                      .build());
    }

    private static SecretTarget place(ThorbisBackup opened, SecretsEngine engine, String target) {
      int slash = target.indexOf('/');
      return slash < 0
          ? engine.place(target)
          : opened
              .engine(target.substring(0, slash), SecretsEngine.class)
              .place(target.substring(slash + 1));
    }

    private String from(SecretsEngine engine, SecretTarget target) {
      if (from != null && !engine.places().contains(from)) {
        return from;
      }
      SecretTarget known = from == null ? target : engine.place(from);
      return known.type() + " " + known.instance();
    }

    private void rotation(BackupId id, List<RotationItem> items, Map<String, String> notRead) {
      thorbis()
          .print(
              Json.object(
                  "backup",
                  id,
                  "rotate",
                  items.stream()
                      .map(
                          item ->
                              Json.object(
                                  "place", item.source(),
                                  "name", item.secret().name(),
                                  "how", item.how()))
                      .toList(),
                  "notRead",
                  notRead.entrySet().stream()
                      .map(place -> Json.object("place", place.getKey(), "code", place.getValue()))
                      .toList()),
              out -> {
                out.println("Nothing is restored. To be issued again, of backup " + id + ":");
                List<List<String>> rows = new ArrayList<>();
                rows.add(List.of("PLACE", "SECRET", "HOW"));
                items.forEach(
                    item -> rows.add(List.of(item.source(), item.secret().name(), item.how())));
                Text.table(rows).forEach(out::println);
                notRead.forEach(
                    (place, code) ->
                        out.println(
                            Text.plain(
                                "not in this set, look there yourself: "
                                    + place
                                    + " ("
                                    + code
                                    + ")")));
              });
    }

    private static Map<String, @Nullable Object> json(BackupId id, SecretsPlan plan) {
      return Json.object(
          "backup", id,
          "set", plan.origin().set(),
          "sequence", plan.origin().sequence(),
          "createdAt", plan.origin().created(),
          "target", plan.target(),
          "mode", plan.mode().label(),
          "conditional", plan.conditional(),
          "steps",
              plan.steps().stream()
                  .map(
                      step ->
                          Json.object(
                              "place", step.secret().source(),
                              "secret", step.secret().info().name(),
                              "name", step.name(),
                              "action", step.action().label(),
                              "comparison", step.comparison().label(),
                              "reason", step.reason()))
                  .toList());
    }

    private static Map<String, @Nullable Object> json(
        BackupId id, SecretsPlan plan, SecretsRestoreReport report) {
      return Json.object(
          "backup", id,
          "set", plan.origin().set(),
          "sequence", plan.origin().sequence(),
          "createdAt", plan.origin().created(),
          "target", plan.target(),
          "mode", plan.mode().label(),
          "results",
              report.results().stream()
                  .map(
                      result ->
                          Json.object(
                              "name", result.name(),
                              "outcome", result.outcome().label(),
                              "code", result.code().isEmpty() ? null : result.code(),
                              "message", result.message(),
                              "remedy", result.remedy().isEmpty() ? null : result.remedy()))
                  .toList());
    }

    private static void people(BackupId id, SecretsPlan plan, PrintStream out) {
      out.println(
          "From backup "
              + id
              + ", set of "
              + Text.time(plan.origin().created())
              + ", into "
              + plan.target()
              + ", "
              + plan.mode().label()
              + ":");
      List<List<String>> rows = new ArrayList<>();
      rows.add(List.of("SECRET", "ACTION", "THERE NOW", "WHY"));
      for (SecretsPlan.Step step : plan.steps()) {
        rows.add(
            List.of(step.name(), step.action().label(), step.comparison().label(), step.reason()));
      }
      Text.table(rows).forEach(out::println);
    }

    private static void people(BackupId id, SecretsRestoreReport report, PrintStream out) {
      List<List<String>> rows = new ArrayList<>();
      rows.add(List.of("SECRET", "OUTCOME", "WHY"));
      for (SecretsRestoreReport.Result result : report.results()) {
        rows.add(
            List.of(
                result.name(),
                result.outcome().label(),
                result.message() + (result.remedy().isEmpty() ? "" : ". " + result.remedy())));
      }
      Text.table(rows).forEach(out::println);
      out.println(
          "Backup "
              + id
              + " into "
              + report.target()
              + ": "
              + Arrays.stream(SecretsRestoreReport.Outcome.values())
                  .map(outcome -> report.count(outcome) + " " + outcome.label())
                  .collect(Collectors.joining(", ")));
    }
  }

  @Command(
      name = "set",
      description = {
        "Write a secret to a place that never gives it back, and keep its value in a backup. The",
        "value is read from a file, or from standard input; a line end after it is left out."
      })
  static final class SetValue extends Job {
    private static final int MOST_BYTES = 1 << 20;

    @Parameters(index = "0", paramLabel = "SET", description = "A source of type secrets.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String set;

    @Parameters(index = "1", paramLabel = "NAME", description = "The secret.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String name;

    @Option(
        names = "--place",
        required = true,
        paramLabel = "PLACE",
        description = "A place of that source; with --give-up one that was, as \"KIND PLACE\".")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String place;

    @Option(names = "--value-file", paramLabel = "FILE", description = "Where its value is.")
    @Nullable Path file;

    @Option(
        names = "--resume",
        description = "Finish an earlier one that was interrupted, with the value it was given.")
    boolean resume;

    @Option(
        names = "--give-up",
        description = "End an earlier one: no later backup has its pending value.")
    boolean giveUp;

    @Option(
        names = "--yes",
        description = {
          "With --resume: also over what was written since. With --give-up: without asking."
        })
    boolean yes;

    @Override
    public Integer call() {
      if (resume && giveUp) {
        throw Failure.usage("--resume finishes it, and --give-up ends it", "Say one of them.");
      }
      if (resume || giveUp ? file != null : yes) {
        throw Failure.usage(
            resume || giveUp
                ? "--resume and --give-up take no value"
                : "--yes goes with --resume or --give-up",
            resume || giveUp ? "Leave --value-file out." : "Leave it out.");
      }
      if (thorbis().config().sealed().isPresent()) {
        throw Failure.usage(
            "A sealed writer reads no backup, so that the value would be in this one alone",
            "Set it from a host that opens the repository.");
      }
      if (giveUp && !yes) {
        thorbis()
            .host()
            .confirm(
                "secrets.not-confirmed",
                "Drop the value of " + Text.plain(name) + " that is kept? Type yes: ",
                "yes",
                "Run it with --yes.");
      }
      SecretsEngine.Taken taken = giveUp || resume ? onEngine(this::end) : write();
      String done = giveUp ? " is without the value that was kept" : " has its value";
      thorbis()
          .print(
              Json.object("backup", taken.backup().id(), "place", place, "name", name),
              out ->
                  out.println(
                      Text.plain(
                          name
                              + " of "
                              + place
                              + (giveUp ? " is given up" : " is set")
                              + "; backup "
                              + taken.backup().id()
                              + done)));
      return Exit.DONE;
    }

    private SecretsEngine.Taken end(SecretsEngine engine, Repository repository, RunControl control)
        throws IOException {
      return giveUp
          ? engine.giveUp(place, name, repository, control)
          : engine.resume(place, name, yes, repository, control);
    }

    private SecretsEngine.Taken write() {
      try (SecretValue value = said(this::value)) {
        return onEngine(
            (engine, repository, control) -> engine.set(place, name, value, repository, control));
      }
    }

    @FunctionalInterface
    private interface Use {
      SecretsEngine.Taken on(SecretsEngine engine, Repository repository, RunControl control)
          throws IOException;
    }

    private SecretsEngine.Taken onEngine(Use use) {
      return thorbis()
          .writing(
              opened ->
                  thorbis()
                      .followed(
                          control ->
                              said(
                                  () ->
                                      use.on(
                                          opened.engine(set, SecretsEngine.class),
                                          opened.repository(),
                                          control))));
    }

    private SecretValue value() throws IOException {
      Path from = file;
      byte[] bytes = new byte[0];
      try (InputStream in =
          from == null
              ? thorbis().host().in()
              : Files.newInputStream(thorbis().host().folder().resolve(from))) {
        bytes = in.readNBytes(MOST_BYTES + 1);
        int length = bytes.length;
        if (length > 0 && bytes[length - 1] == '\n') {
          length--;
        }
        if (length > 0 && length < bytes.length && bytes[length - 1] == '\r') {
          length--;
        }
        if (length == 0 || length > MOST_BYTES) {
          throw Failure.usage(
              "The value is empty, or longer than 1 MiB",
              "Give it as the content of --value-file, or on standard input.");
        }
        byte[] value = Arrays.copyOf(bytes, length);
        try {
          return SecretValue.copyOf(value);
        } finally {
          Arrays.fill(value, (byte) 0);
        }
      } finally {
        Arrays.fill(bytes, (byte) 0);
      }
    }
  }
}
