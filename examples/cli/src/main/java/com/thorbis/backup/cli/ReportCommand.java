package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.dr.evidence.Appended;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.RunLog;
import com.thorbis.backup.dr.notify.Acknowledgement;
import com.thorbis.backup.dr.notify.AlarmBook;
import com.thorbis.backup.dr.report.Report;
import com.thorbis.backup.dr.report.Verification;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "report",
    description = "Say how backups and recovery stand, over all that was expected, and check that.",
    subcommands = {
      ReportCommand.Create.class,
      ReportCommand.Verify.class,
      ReportCommand.Waive.class
    })
final class ReportCommand extends Group {
  private static final String BUNDLE = "zip";
  private static final String PAGE = "html";
  private static final String PAPER = "pdf";
  private static final String DATA = "json";

  @Command(
      name = "create",
      description = {
        "Look at everything, and write a report: by the end of the name of FILE a page (.html),"
            + " its",
        "print (.pdf), what it says for programs (.json), or a signed bundle with all evidence",
        "(.zip). Ends with 1 if not all that was expected in the period is there."
      })
  static final class Create extends Job {
    @Option(
        names = {"-o", "--output"},
        required = true,
        paramLabel = "FILE",
        description = "What to write; what is there is replaced.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    Path output;

    @Option(
        names = "--period",
        paramLabel = "TIME",
        description = "How far back to look, such as 90d. Default: ${DEFAULT-VALUE}.")
    String period = "31d";

    @Option(
        names = "--browser",
        paramLabel = "PROGRAM",
        description = "The Chromium that prints; else the one that is installed.")
    @Nullable Path browser;

    @Override
    public Integer call() {
      Path file = thorbis().host().folder().resolve(output).normalize();
      String form = form(file);
      Optional<Pdf> printer =
          form.equals(PAPER)
              ? Optional.of(Pdf.find(thorbis().host().environment(), browser))
              : Optional.empty();
      Duration back = Times.span("--period", period);
      return DrillCommand.recording(thorbis(), opened -> create(opened, file, form, back, printer));
    }

    private int create(
        ThorbisBackup opened, Path file, String form, Duration back, Optional<Pdf> printer) {
      HostEvidence evidence = HostEvidence.of(thorbis(), opened);
      if (thorbis().mayWrite()) {
        evidence.expected();
        writeWaiting(evidence.log());
      }
      Report report =
          thorbis()
              .followed(
                  control ->
                      said(() -> builder(thorbis(), opened, evidence.log(), back).build(control)));
      said(
          () -> {
            publish(file, content(report, form, printer));
            return true;
          });
      boolean signed = form.equals(BUNDLE) && thorbis().config().signingKey().isPresent();
      thorbis()
          .print(
              Json.object("file", file, "met", report.met(), "why", report.why(), "signed", signed),
              out -> {
                out.println("Written: " + file);
                out.println(
                    Text.plain(
                        (report.met()
                                ? "All that was expected is there: "
                                : "Not all that was expected is there: ")
                            + report.why()));
                if (form.equals(BUNDLE) && !signed) {
                  out.println("It is not signed and proves nothing: set repository.signing-key.");
                }
              });
      return report.met() ? Exit.DONE : Exit.FAILED;
    }

    /** What waits on this host is part of what happened; the report says what still does. */
    private void writeWaiting(EvidenceLog log) {
      try {
        log.flush();
      } catch (IOException | BackupException e) {
        thorbis()
            .warning("evidence that waits on this host is not in the report: " + e.getMessage());
      }
    }

    private byte[] content(Report report, String form, Optional<Pdf> printer) throws IOException {
      return switch (form) {
        case BUNDLE -> report.bundle(thorbis().config().signingKey().map(Recipients::signingKey));
        case PAGE -> report.html().getBytes(StandardCharsets.UTF_8);
        case PAPER -> printer.orElseThrow().print(report.html());
        default -> report.json();
      };
    }

    private static String form(Path file) {
      String name = String.valueOf(file.getFileName());
      String end = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
      if (!List.of(BUNDLE, PAGE, PAPER, DATA).contains(end)) {
        throw Failure.usage(
            "--output " + name + ": its end does not say what to write",
            "Let it end with .html, .pdf, .json, or .zip for a bundle.");
      }
      return end;
    }

    /** Puts a whole file in its place. */
    private static void publish(Path file, byte[] content) throws IOException {
      Path temp = file.resolveSibling("." + file.getFileName() + "." + UUID.randomUUID());
      try {
        PrivateFiles.create(temp, content);
        if (Files.exists(file)) {
          // Whoever let others read it, such as a web server, wants that to stay.
          Files.setPosixFilePermissions(temp, Files.getPosixFilePermissions(file));
        }
        Files.move(temp, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (NoSuchFileException e) {
        throw BackupException.of(
                "report.no-folder",
                FailureKind.CONFIGURATION,
                "There is no folder " + file.toAbsolutePath().getParent())
            .remedy("Make it first.")
            .cause(e)
            .build();
      } finally {
        Files.deleteIfExists(temp);
      }
    }
  }

  private static Report.Builder builder(
      Thorbis thorbis, ThorbisBackup opened, EvidenceLog log, Duration back) {
    Report.Builder builder =
        Report.builder(opened, log)
            .clock(thorbis.clock())
            .period(back)
            .product(Main.version())
            .runs(new RunLog(thorbis.config().stateDirectory()).get());
    try {
      AlarmBook book = AlarmsCommand.book(thorbis);
      for (Alarm alarm : AlarmsCommand.look(thorbis, opened, false)) {
        builder.alarm(alarm, book.acknowledged(alarm).map(Acknowledgement::by).orElse(null));
      }
      builder.alarmsLooked();
    } catch (BackupException e) {
      thorbis.warning("no look for alarms: " + e.getMessage());
    }
    return builder;
  }

  @Command(
      name = "verify",
      description = {
        "Check a bundle: whether it is as it was signed, its records are whole, and what it says",
        "follows from them. Needs neither a configuration, a repository, nor a network. Ends with"
            + " 3",
        "if anything is wrong."
      })
  static final class Verify extends Job {
    @Parameters(paramLabel = "FILE", description = "What report create -o FILE.zip wrote.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    Path file;

    @Option(
        names = "--key",
        paramLabel = "KEY",
        description = {
          "Whose signature it must have, as keys signing-key prints it; may be given several times."
              + " Take it from somewhere else than the bundle."
        })
    List<String> keys = List.of();

    @Override
    public Integer call() {
      Set<String> trusted = new LinkedHashSet<>();
      for (String key : keys) {
        try {
          trusted.add(hex(SigningPublicKey.parse(key)));
        } catch (IllegalArgumentException e) {
          throw Failure.usage(
              "--key: " + e.getMessage(), "Write the line that keys signing-key prints.");
        }
      }
      Verification verification = Verification.of(read(), trusted);
      Optional<Verification.Facts> facts = verification.facts();
      Optional<String> signedBy =
          facts.flatMap(Verification.Facts::signedBy).map(ReportCommand::text);
      thorbis()
          .print(
              Json.object(
                  "sound", verification.sound(),
                  "problems",
                      verification.problems().stream()
                          .map(
                              one ->
                                  Json.object(
                                      "code", one.code(),
                                      "subject", one.subject(),
                                      "message", one.message()))
                          .toList(),
                  "repository", facts.map(Verification.Facts::repository),
                  "from", facts.map(Verification.Facts::from),
                  "to", facts.map(Verification.Facts::to),
                  "product", facts.map(Verification.Facts::product),
                  "signedBy", signedBy,
                  "records", facts.map(Verification.Facts::records).orElse(null),
                  "verdict", facts.map(Verification.Facts::verdict)),
              out -> {
                facts.ifPresent(
                    it ->
                        out.println(
                            Text.plain(
                                "Of repository "
                                    + it.repository()
                                    + ", "
                                    + Text.time(it.from())
                                    + " to "
                                    + Text.time(it.to())
                                    + ", "
                                    + it.records()
                                    + " records, verdict "
                                    + it.verdict())));
                signedBy.ifPresent(key -> out.println("Signed by " + key));
                verification
                    .problems()
                    .forEach(
                        one ->
                            out.println(
                                Text.plain(
                                    one.code() + ": " + one.subject() + " " + one.message())));
                out.println(verification.sound() ? "Nothing is wrong." : "Do not rely on it.");
                if (keys.isEmpty() && signedBy.isPresent()) {
                  out.println(
                      "  -> Compare the key with what keys signing-key prints on the host that"
                          + " signs, and say it with --key.");
                }
              });
      return verification.sound() ? Exit.DONE : Exit.DAMAGED;
    }

    private byte[] read() {
      Path path = thorbis().host().folder().resolve(file).normalize();
      try {
        return Files.readAllBytes(path);
      } catch (NoSuchFileException e) {
        throw BackupException.of(
                "report.not-found", FailureKind.NOT_FOUND, "There is no file " + path)
            .remedy("Name what report create wrote.")
            .cause(e)
            .build();
      } catch (IOException e) {
        throw BackupException.of(
                "report.file-unreadable", FailureKind.PERMANENT, path + " cannot be read: " + e)
            .remedy("Copy it to where it can be read.")
            .cause(e)
            .build();
      }
    }
  }

  @Command(
      name = "waive",
      description = {
        "Note that somebody answers for it that what a report expects is not there for a while, such"
            + " as",
        "backup orders, or SOC 2 A1.2: reports show it as waived, by whom and why. What was due"
            + " before",
        "TIME or after it counts as ever."
      })
  static final class Waive extends Job {
    private static final Duration LOOK = Duration.ofDays(31);

    @Parameters(
        paramLabel = "NAME",
        arity = "1..*",
        description = "As reports call it: what, and of what; or a criterion.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    List<String> name;

    @Option(
        names = "--approver",
        required = true,
        paramLabel = "PERSON",
        description = "Who answers for it.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String approver;

    @Option(names = "--reason", required = true, paramLabel = "TEXT", description = "Why.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String reason;

    @Option(
        names = "--until",
        required = true,
        paramLabel = "TIME",
        description = "When it ends, with a zone, such as 2026-01-02T03:04:05Z.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String until;

    @Option(
        names = "--from",
        paramLabel = "TIME",
        description = "When it begins; else now. What was due before is not waived.")
    @Nullable String from;

    @Override
    public Integer call() {
      requireSaid("--approver", approver);
      requireSaid("--reason", reason);
      String given = from;
      Instant begin = given == null ? thorbis().clock().instant() : Times.parse("--from", given);
      Instant end = Times.parse("--until", until);
      if (!end.isAfter(begin)) {
        throw Failure.usage(
            "--until " + until + " is not after its begin, " + begin,
            given == null ? "Say a later one, or since when with --from." : "Say a later one.");
      }
      return thorbis().writing(opened -> waive(opened, begin, end));
    }

    private static void requireSaid(String option, String text) {
      if (text.isBlank()) {
        throw Failure.usage(option + " is empty", "Reports show it: say it.");
      }
    }

    private int waive(ThorbisBackup opened, Instant begin, Instant end) {
      HostEvidence evidence = HostEvidence.of(thorbis(), opened);
      boolean recorded = evidence.expected();
      String about = String.join(" ", name);
      Report report =
          thorbis()
              .followed(
                  control ->
                      said(() -> builder(thorbis(), opened, evidence.log(), LOOK).build(control)));
      Set<String> expected = report.waivable();
      boolean looked = about.startsWith("alarm ") ? report.alarmsLooked() : recorded;
      if (!expected.contains(about) && !looked) {
        throw BackupException.of(
                "report.could-not-look",
                FailureKind.TRANSIENT,
                "Not all could be looked at, so whether reports expect anything that is called \""
                    + about
                    + "\" is not known")
            .remedy("Mend what the warnings or alarms list tell of, and say it again.")
            .build();
      }
      if (!expected.contains(about)) {
        throw BackupException.of(
                "report.not-expected",
                FailureKind.NOT_FOUND,
                "Reports expect nothing that is called \"" + about + "\"")
            .remedy("Name one of: " + String.join(", ", expected) + ".")
            .build();
      }
      Appended kept =
          evidence.append(
              EvidenceRecord.WAIVER,
              about,
              "waived",
              Map.of(
                  "approver",
                  approver,
                  "reason",
                  reason,
                  "from",
                  begin.toString(),
                  "until",
                  end.toString()));
      boolean stored = kept.place() == Appended.Place.STORED;
      thorbis()
          .print(
              Json.object(
                  "id",
                  kept.id(),
                  "about",
                  about,
                  "approver",
                  approver,
                  "reason",
                  reason,
                  "from",
                  begin,
                  "until",
                  end,
                  "stored",
                  stored),
              out ->
                  out.println(
                      Text.plain(
                          about
                              + " is waived by "
                              + approver
                              + " from "
                              + Text.time(begin)
                              + " to "
                              + Text.time(end)
                              + ", record "
                              + kept.id())));
      return stored ? Exit.DONE : Exit.FAILED;
    }
  }

  private static String hex(SigningPublicKey key) {
    return HexFormat.of().formatHex(key.encoded());
  }

  private static String text(String hex) {
    return SigningPublicKey.of(HexFormat.of().parseHex(hex)).text();
  }
}
