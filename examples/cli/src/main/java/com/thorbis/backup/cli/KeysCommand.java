package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.RewrapReport;
import com.thorbis.backup.api.RewrapRequest;
import com.thorbis.backup.api.RotateReport;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.SealedWriterRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.crypto.PassphraseKeyProvider;
import com.thorbis.backup.crypto.SigningKey;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "keys",
    description = "Show the keys of the repository and who opens them, and change both.",
    subcommands = {
      KeysCommand.ListKeys.class,
      KeysCommand.Check.class,
      KeysCommand.Rotate.class,
      KeysCommand.Rewrap.class,
      RekeyCommand.class,
      KeysCommand.MakeSigningKey.class,
      EraseCommand.class,
      EraseCommand.Undo.class,
      EraseCommand.Shown.class,
      KeysCommand.SealedWriter.class,
      WritersCommand.class
    })
final class KeysCommand extends Group {
  private static String name(Optional<String> source) {
    return source.orElse("(repository)");
  }

  @Command(
      name = "list",
      description = "Every key, since when it seals what is new, and whom its slots are for.")
  static final class ListKeys extends Job {
    @Override
    public Integer call() {
      KeysReport report = thorbis().reading(ThorbisBackup::keys);
      thorbis().print(json(report), out -> people(report, out));
      return Exit.DONE;
    }

    private static Map<String, @Nullable Object> json(KeysReport report) {
      return Json.object(
          "items",
          report.trees().stream()
              .map(
                  tree ->
                      Json.object(
                          "tree",
                          tree.id(),
                          "source",
                          tree.source(),
                          "epochs",
                          tree.epochs().stream().map(ListKeys::json).toList()))
              .toList());
    }

    private static Map<String, @Nullable Object> json(KeysReport.Epoch epoch) {
      return Json.object(
          "number", epoch.number(),
          "since", epoch.since(),
          "recipients",
              epoch.recipients().stream()
                  .map(
                      recipient ->
                          Json.object(
                              "scheme", recipient.scheme(),
                              "keyId", recipient.keyId(),
                              "configured", recipient.configured()))
                  .toList(),
          "problems", epoch.problems());
    }

    private static String name(KeysReport.Recipient recipient) {
      return (recipient.scheme().equals(PassphraseKeyProvider.SCHEME)
              ? recipient.scheme()
              : recipient.scheme() + " " + recipient.keyId())
          + (recipient.configured() ? "" : " (not configured)");
    }

    private static void people(KeysReport report, PrintStream out) {
      List<List<String>> rows = new ArrayList<>();
      rows.add(List.of("KEYS OF", "EPOCH", "SINCE", "OPENED BY EACH OF"));
      for (KeysReport.Tree tree : report.trees()) {
        for (KeysReport.Epoch epoch : tree.epochs()) {
          rows.add(
              List.of(
                  KeysCommand.name(tree.source()),
                  Integer.toString(epoch.number()),
                  Text.time(epoch.since()),
                  String.join(", ", epoch.recipients().stream().map(ListKeys::name).toList())));
        }
      }
      Text.table(rows).forEach(out::println);
      for (KeysReport.Tree tree : report.trees()) {
        tree.epochs()
            .forEach(epoch -> epoch.problems().forEach(each -> out.println("problem: " + each)));
      }
    }
  }

  @Command(
      name = "check",
      description = {
        "Try every configured recipient on every key, and ask its service what will become of it;",
        "changes nothing."
      })
  static final class Check extends Job {
    @Override
    public Integer call() {
      List<CheckItem> items = thorbis().reading(ThorbisBackup::checkKeys);
      thorbis()
          .print(
              Json.object("items", items.stream().map(Check::json).toList()),
              out -> people(items, out));
      return items.stream().anyMatch(item -> item.outcome() == Outcome.FAIL)
          ? Exit.FAILED
          : Exit.DONE;
    }

    private static Map<String, @Nullable Object> json(CheckItem item) {
      return Json.object(
          "subject", item.subject(),
          "outcome", item.outcome().label(),
          "message", item.message(),
          "remedy", item.remedy().isEmpty() ? null : item.remedy());
    }

    private static void people(List<CheckItem> items, PrintStream out) {
      List<List<String>> rows = new ArrayList<>();
      for (CheckItem item : items) {
        rows.add(List.of(item.outcome().label(), item.subject(), item.message()));
        if (!item.remedy().isEmpty() && item.outcome() != Outcome.OK) {
          rows.add(List.of("", "", "-> " + item.remedy()));
        }
      }
      Text.table(rows).forEach(out::println);
    }
  }

  @Command(
      name = "rotate",
      description = {
        "Seal what is new under new keys. What is stored stays as it is and opens as before; backups",
        "and log go on meanwhile."
      })
  static final class Rotate extends Job {
    @Parameters(
        arity = "0..*",
        paramLabel = "SOURCE",
        description = "The keys of these sources; else of all, and of the repository.")
    List<String> sources = List.of();

    @Option(names = "--if-due", description = "Only keys that are older than 30 days.")
    boolean ifDue;

    @Override
    public Integer call() {
      RotateRequest request =
          new RotateRequest(
              Set.copyOf(sources), ifDue ? Optional.of(RotateRequest.INTERVAL) : Optional.empty());
      RotateReport report = thorbis().writing(opened -> opened.rotateKeys(request));
      thorbis().print(json(report), out -> people(report, out));
      return Exit.DONE;
    }

    private static Map<String, @Nullable Object> json(RotateReport report) {
      return Json.object(
          "rotated",
          report.rotated().stream()
              .map(
                  one ->
                      Json.object(
                          "source", one.source(),
                          "epoch", one.epoch(),
                          "recipients", one.recipients()))
              .toList(),
          "notes",
          report.notes());
    }

    private static void people(RotateReport report, PrintStream out) {
      for (RotateReport.Rotated one : report.rotated()) {
        out.println(
            name(one.source())
                + ": epoch "
                + one.epoch()
                + " seals what is new; each of these opens it: "
                + String.join(", ", one.recipients()));
      }
      report.notes().forEach(note -> out.println("note: " + note));
      if (report.rotated().isEmpty() && report.notes().isEmpty()) {
        out.println("No key is old enough: nothing was changed");
      }
    }
  }

  @Command(
      name = "rewrap",
      description = {
        "Let the configured recipients open every key, and nobody else. Data stays as it is: whoever",
        "kept a copy of a slot opens what was sealed until then. The slots that count no more are",
        "removed by the next run of this, or of prune, once their grace is over."
      })
  static final class Rewrap extends Job {
    @Option(names = "--plan", description = "Say what would change; change nothing.")
    boolean planOnly;

    @Option(
        names = "--yes",
        description = "Do it without asking, also where somebody loses access.")
    boolean yes;

    @Option(
        names = "--anew",
        description = {
          "Write new slots for those too who open it already, as when a service has a new version",
          "of its key."
        })
    boolean anew;

    @Override
    public Integer call() {
      RewrapRequest request = new RewrapRequest(anew, thorbis().config().grace());
      if (planOnly) {
        RewrapReport plan = thorbis().reading(opened -> opened.planRewrap(request));
        print(plan, true);
        return Exit.DONE;
      }
      RewrapReport report =
          thorbis()
              .writing(
                  opened -> {
                    RewrapReport plan = opened.planRewrap(request);
                    if (!plan.removed().isEmpty() && !yes) {
                      people(plan, true, thorbis().host().err());
                      thorbis().host().confirm("keys.not-confirmed", "keys rewrap --plan");
                    }
                    return thorbis().followed(control -> opened.rewrapKeys(request, control));
                  });
      print(report, false);
      return Exit.DONE;
    }

    private void print(RewrapReport report, boolean plan) {
      thorbis()
          .print(
              Json.object(
                  "added", report.added(),
                  "removed", report.removed(),
                  "kept", report.kept(),
                  "keys", report.keys(),
                  "slotsWritten", report.written(),
                  "slotsRetired", report.retired(),
                  "slotsRemoved", report.swept(),
                  "notes", report.notes()),
              out -> people(report, plan, out));
    }

    private static void people(RewrapReport report, boolean plan, PrintStream out) {
      report.kept().forEach(one -> out.println("stays: " + one));
      report.added().forEach(one -> out.println("opens them from now on: " + one));
      for (String one : report.removed()) {
        out.println(
            "opens them no more: "
                + one
                + ". Copies of its slots that somebody kept still open what was sealed until now:"
                + " if it is in wrong hands, rotate too, then keys rekey");
      }
      report.notes().forEach(note -> out.println("note: " + note));
      out.println(
          report.keys()
              + " keys "
              + (plan ? "to be wrapped: " : "wrapped: ")
              + report.written()
              + " slots written, "
              + report.retired()
              + " that count no more"
              + (report.swept() == 0 ? "" : ", " + report.swept() + " removed for good"));
    }
  }

  @Command(
      name = "signing-key",
      description = {
        "Make the key that this host signs with, in a file that this account alone can read, and print",
        "its public half; a file with a key in it stays as it is. Set repository.signing-key to it."
      })
  static final class MakeSigningKey extends Job {
    @Parameters(paramLabel = "FILE", description = "Where the key is, or is to be.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    Path file;

    @Override
    public Integer call() throws IOException {
      Path at = thorbis().host().folder().resolve(file);
      if (!Files.exists(at)) {
        try (SigningKey fresh = SigningKey.generate(new SecureRandom())) {
          fresh.writeTo(at);
        }
      }
      try (SigningKey key = SigningKey.read(at)) {
        String text = key.verifier().text();
        thorbis()
            .print(Json.object("file", at.toString(), "publicKey", text), out -> out.println(text));
      }
      return Exit.DONE;
    }
  }

  /** Writes a file that is not there yet. */
  static void create(Path file, String text, String remedy) {
    try {
      Files.writeString(file, text + "\n", StandardOpenOption.CREATE_NEW);
    } catch (IOException e) {
      throw BackupException.of(
              "keys.file-not-written", FailureKind.REFUSED, file + " was not written: " + e)
          .remedy(remedy)
          .cause(e)
          .build();
    }
  }

  @Command(
      name = "sealed-writer",
      description = {
        "Write what a host needs that only writes and opens nothing, in a file that holds no secret. The",
        "writer must be named already, and this host sign as an administrator. Again after its source",
        "was upgraded, or restored and adopted, or the recipients have changed."
      })
  static final class SealedWriter extends Job {
    @Parameters(paramLabel = "NAME", description = "A writer's.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String name;

    @Parameters(paramLabel = "FILE", description = "Where it goes; nothing is overwritten.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    Path file;

    @Option(
        names = "--source",
        paramLabel = "SOURCE",
        required = true,
        description = "What that host backs up; can be repeated.")
    List<String> sources = new ArrayList<>();

    @Override
    public Integer call() throws IOException {
      Path at = thorbis().host().folder().resolve(file);
      String administrator =
          thorbis()
              .writing(
                  opened -> {
                    String grant = opened.sealedWriter(new SealedWriterRequest(name, sources));
                    create(at, grant, "Name a file that does not exist, in a folder that does.");
                    return opened.writers().own().orElse("");
                  });
      thorbis()
          .print(
              Json.object("file", at.toString(), "writer", name, "administrator", administrator),
              out -> {
                out.println("Bring " + at + " to that host, and set there:");
                out.println("repository:");
                out.println("  access: sealed");
                out.println("  sealed-writer: " + at.getFileName());
                out.println("  administrators: [" + administrator + "]");
                out.println("  signing-key: (the key of " + name + ")");
              });
      return Exit.DONE;
    }
  }
}
