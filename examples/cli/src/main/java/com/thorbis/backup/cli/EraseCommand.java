package com.thorbis.backup.cli;

import com.thorbis.backup.api.ErasePlan;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.Erasure;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.Settings;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "erase",
    description = {
      "Destroy the keys of a source, so that none of its backups, nor its log, can ever be read",
      "again, wherever copies of them lie. The first run writes down that it is wanted; until",
      "--delay is over keys unerase takes it back. Only then the same command does it, which nobody",
      "can take back. Other sources are not touched."
    })
final class EraseCommand extends Job {
  private static final List<String> REMAINS =
      List.of(
          "The keys of the recipients at their services, and in their files, open the other sources"
              + " and were not touched. Copies of slots that somebody kept outside of the copies"
              + " named here, such as versions that a store keeps or a backup of a bucket, open as"
              + " long as a recipient's own key exists: remove them, or give the other sources other"
              + " recipients with keys rewrap and destroy that key at its service.",
          "The repository's log keeps the name of the source, and of its backups when they were made,"
              + " how long they were, and their labels; servers and hosts keep what they hold in the"
              + " clear, such as a receiver's journal.");

  @Parameters(paramLabel = "SOURCE", description = "The source's name.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String source;

  @Option(names = "--reason", paramLabel = "TEXT", description = "Why; it is written down.")
  @Nullable String reason;

  @Option(
      names = "--by",
      paramLabel = "NAME",
      description = "Who wants it; it is written down. Default: the account that runs this.")
  @Nullable String by;

  @Option(
      names = "--delay",
      paramLabel = "TIME",
      description = "How long it can be taken back; prune.grace at least. Default: 7d.")
  @Nullable String delay;

  @Option(names = "--plan", description = "Say what would be done; change nothing.")
  boolean planOnly;

  @Option(names = "--yes", description = "Do it without asking; needs --confirm too.")
  boolean yes;

  @Option(
      names = "--confirm",
      paramLabel = "SOURCE",
      description = "The source's name once more, as somebody at a terminal types it.")
  @Nullable String confirmed;

  @Option(
      names = "--certificate",
      paramLabel = "FILE",
      description = "Write what was destroyed to a new file, as JSON, once no copy has any of it.")
  @Nullable Path certificate;

  @Override
  public Integer call() throws IOException {
    EraseRequest request = new EraseRequest(source, name(by), Optional.ofNullable(reason), delay());
    if (planOnly) {
      ErasePlan plan = thorbis().reading(opened -> opened.planErase(request));
      thorbis().print(json(plan), out -> people(plan, out));
      return Exit.DONE;
    }
    Path file = certificate == null ? null : thorbis().host().folder().resolve(certificate);
    if (file != null && Files.exists(file)) {
      throw Failure.usage("--certificate: " + file + " exists", "Name a new file.");
    }
    Erasure done = thorbis().writing(opened -> erase(opened, request));
    if (file != null && done.stage() == Erasure.Stage.ERASED) {
      KeysCommand.create(
          file,
          Json.text(json(done)),
          source + " was erased: keys erasures --json gives the certificate again, at any time.");
    }
    thorbis().print(json(done), out -> people(done, out));
    return done.stage() == Erasure.Stage.ERASING ? Exit.FAILED : Exit.DONE;
  }

  private Erasure erase(ThorbisBackup opened, EraseRequest request) {
    ErasePlan plan = opened.planErase(request);
    if (plan.step() == ErasePlan.Step.REQUEST && reason == null) {
      throw Failure.usage("--reason is missing", "Say why: it is written down with it.");
    }
    if (plan.step() == ErasePlan.Step.WAIT) {
      // Its time may come while this runs; nothing is destroyed that nobody was asked about.
      return opened.erasures().stream()
          .filter(one -> one.source().equals(source))
          .filter(one -> one.stage() == Erasure.Stage.REQUESTED)
          .findFirst()
          .orElseThrow(
              () ->
                  Failure.usage(source + " was taken back meanwhile", "Look with keys erasures."));
    }
    boolean changes =
        plan.step() == ErasePlan.Step.REQUEST || plan.step() == ErasePlan.Step.DESTROY;
    if (changes && !(yes && source.equals(confirmed))) {
      people(plan, thorbis().host().err());
      thorbis()
          .host()
          .confirm(
              "keys.not-confirmed",
              "Type the name of the source: ",
              source,
              "Look at keys erase --plan, then run it with --yes --confirm " + source + ".");
    }
    return thorbis().followed(control -> opened.erase(request, control));
  }

  private Duration delay() {
    String text = delay;
    if (text == null) {
      return EraseRequest.DELAY;
    }
    Duration chosen =
        Settings.of("", Map.of("--delay", text)).duration("--delay", EraseRequest.DELAY);
    if (chosen.compareTo(thorbis().config().grace()) < 0) {
      throw Failure.usage(
          "--delay: " + text + " is shorter than prune.grace",
          "Processes that run need as long to learn of it.");
    }
    return chosen;
  }

  private static String name(@Nullable String given) {
    return given == null ? System.getProperty("user.name", "?") : given;
  }

  private static Map<String, @Nullable Object> json(ErasePlan plan) {
    return Json.object(
        "source", plan.source(),
        "step", plan.step().label(),
        "notBefore", plan.notBefore(),
        "keys", plan.epochs(),
        "slots", plan.slots(),
        "backups", plan.backups(),
        "bytes", plan.bytes(),
        "obstacles", plan.obstacles());
  }

  private static void people(ErasePlan plan, PrintStream out) {
    out.println(
        plan.source()
            + ": "
            + plan.backups().size()
            + " backups with "
            + Text.bytes(plan.bytes())
            + ", and all of its log, under "
            + plan.epochs()
            + " keys in "
            + plan.slots()
            + " slots on each copy");
    out.println(
        switch (plan.step()) {
          case REQUEST ->
              "now: it is written down that all of this is to be destroyed for good; everything"
                  + " stays until the delay is over";
          case WAIT ->
              "now: nothing. Its keys may be destroyed from "
                  + Text.maybe(plan.notBefore().map(Text::time))
                  + " on; until then keys unerase takes it back";
          case DESTROY -> "now: its keys are destroyed. Nobody can ever bring back any of this";
          case FINISH -> "now: the slots that are left are removed";
          case NONE -> "now: nothing. It was erased";
        });
    plan.obstacles().forEach(each -> out.println("in the way of destroying them: " + each));
  }

  /** The certificate. */
  static Map<String, @Nullable Object> json(Erasure done) {
    return Json.object(
        "format", "thorbis-erasure",
        "version", 1,
        "stage", done.stage().label(),
        "repository", done.repository(),
        "source", done.source(),
        "tree", done.tree(),
        "requested", act(done.requested()),
        "reason", done.reason(),
        "notBefore", done.notBefore(),
        "erased", done.erased().map(EraseCommand::act),
        "commit",
            done.commit()
                .map(commit -> Json.object("number", commit.number(), "sha256", commit.sha256())),
        "slots",
            done.slots().stream()
                .map(
                    slot ->
                        Json.object(
                            "object", slot.object(),
                            "sha256", slot.sha256(),
                            "length", slot.length()))
                .toList(),
        "unread", done.unread(),
        "recipients", done.recipients(),
        "backups", done.backups(),
        "ended", done.ended(),
        "copies",
            done.copies().stream()
                .map(
                    copy ->
                        Json.object(
                            "name", copy.name(),
                            "id", copy.id(),
                            "at", copy.at(),
                            "recoverable", copy.recoverable()))
                .toList(),
        "open", done.open(),
        "remains", done.erased().isPresent() ? REMAINS : List.of());
  }

  private static Map<String, @Nullable Object> act(Erasure.Act act) {
    return Json.object("by", act.by(), "at", act.at());
  }

  private static void people(Erasure done, PrintStream out) {
    if (done.erased().isEmpty()) {
      out.println(
          done.source()
              + " is to be erased, by "
              + done.requested().by()
              + " ("
              + done.reason()
              + "). Everything stays until "
              + Text.time(done.notBefore())
              + "; until then keys unerase "
              + done.source()
              + " takes it back, and from then on keys erase "
              + done.source()
              + " destroys its keys for good");
      return;
    }
    out.println(
        done.source()
            + " was erased at "
            + Text.time(done.erased().get().at())
            + " by "
            + done.erased().get().by()
            + " ("
            + done.reason()
            + "), with "
            + done.backups().size()
            + " backups: nothing of it opens any more");
    for (Erasure.CopyWithout copy : done.copies()) {
      out.println(
          copy.name()
              + ": "
              + (copy.recoverable() == 0
                  ? "no slots"
                  : "no slots, but its store can bring back "
                      + copy.recoverable()
                      + " of them: remove what it keeps of "
                      + "keys/"
                      + done.tree()
                      + "/ there"));
    }
    done.open().forEach(each -> out.println("not at its end: " + each));
    REMAINS.forEach(out::println);
    out.println("Packs and log go with the next prune that runs after prune.grace");
  }

  @Command(name = "unerase", description = "Take back that a source is to be erased.")
  static final class Undo extends Job {
    @Parameters(paramLabel = "SOURCE", description = "The source's name.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String source;

    @Option(
        names = "--by",
        paramLabel = "NAME",
        description = "Who wants it; it is written down. Default: the account that runs this.")
    @Nullable String by;

    @Override
    public Integer call() {
      thorbis()
          .writing(
              opened -> {
                opened.unerase(source, name(by));
                return true;
              });
      thorbis()
          .print(
              Json.object("source", source, "stage", null),
              out -> out.println(source + " is not to be erased any more"));
      return Exit.DONE;
    }
  }

  @Command(
      name = "erasures",
      description = "Sources that are to be erased, and those that were: with --json certificates.")
  static final class Shown extends Job {
    @Override
    public Integer call() {
      List<Erasure> all = thorbis().reading(ThorbisBackup::erasures);
      thorbis()
          .print(
              Json.object("items", all.stream().map(EraseCommand::json).toList()),
              out -> {
                List<List<String>> rows = new ArrayList<>();
                rows.add(List.of("SOURCE", "STATE", "SINCE", "BY", "BACKUPS", "WHY"));
                for (Erasure one : all) {
                  Erasure.Act last = one.erased().orElse(one.requested());
                  rows.add(
                      List.of(
                          one.source(),
                          one.stage() == Erasure.Stage.REQUESTED
                              ? "to be erased from " + Text.time(one.notBefore()) + " on"
                              : one.stage().label(),
                          Text.time(last.at()),
                          last.by(),
                          Integer.toString(one.backups().size()),
                          one.reason()));
                }
                if (all.isEmpty()) {
                  out.println("No source was erased, nor is any to be");
                } else {
                  Text.table(rows).forEach(out::println);
                }
              });
      return Exit.DONE;
    }
  }
}
