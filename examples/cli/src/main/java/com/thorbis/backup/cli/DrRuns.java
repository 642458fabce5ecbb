package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.evidence.Appended;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.dr.plan.RecoveryPlan;
import com.thorbis.backup.dr.plan.Validation;
import com.thorbis.backup.dr.run.JournalPlace;
import com.thorbis.backup.dr.run.JournalRecord;
import com.thorbis.backup.dr.run.Message;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunObserver;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.spi.ProviderLoader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Opens what carries out runs. Neither the repository nor a server is asked for that: they may be
 * what is down.
 */
final class DrRuns {
  private static final Duration STORE_PATIENCE = Duration.ofSeconds(10);

  private DrRuns() {}

  /** Who works with a run, and how. */
  record Attendance(List<RunObserver> observers, Optional<BooleanSupplier> stays) {
    static Attendance none() {
      return new Attendance(List.of(), Optional.empty());
    }
  }

  static <T> T with(Thorbis thorbis, Attendance attendance, Function<RunEngine, T> work) {
    Config config = thorbis.config();
    DrConfig.Place place = config.dr().requireStore(config.file());
    try (JournalPlace store =
            JournalPlace.open(
                place.uri(),
                place.settings(),
                config.stateDirectory(),
                thorbis.clock(),
                ProviderLoader.serviceLoader(DrRuns.class.getClassLoader()));
        RunEngine engine = engine(thorbis, config, store, attendance)) {
      return work.apply(engine);
    } catch (IOException e) {
      throw BackupException.from(e); // of closing the store
    }
  }

  private static RunEngine engine(
      Thorbis thorbis, Config config, JournalPlace store, Attendance attendance) {
    RunEngine.Builder builder =
        RunEngine.builder(config.dr().folder(), store, DrActions.all(thorbis), worker())
            .clock(thorbis.clock())
            .storePatience(STORE_PATIENCE);
    attendance.observers().forEach(builder::observer);
    attendance.stays().ifPresent(builder::stays);
    return builder.build();
  }

  /** This process and its machine, without asking a server for names. */
  private static String worker() {
    String host = "this-host";
    try {
      host = Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
    } catch (IOException e) {
      // Only people read it.
    }
    return System.getProperty("user.name", "?")
        + "@"
        + host
        + " (process "
        + ProcessHandle.current().pid()
        + ")";
  }

  /** The plan, as far as it can be checked by itself: what would be measured may be down. */
  static RecoveryPlan plan(Thorbis thorbis) {
    Path file = DrCommand.planFile(thorbis, null);
    Validation validation =
        Validation.inRecovery(
            PlanReader.read(Config.read(file), file.toString()), thorbis.clock().instant());
    validation.findings().stream()
        .filter(it -> it.code().equals("person.key-example"))
        .forEach(
            it ->
                thorbis
                    .host()
                    .err()
                    .println("warning: " + it.path() + ": " + it.message() + ": " + it.reason()));
    return validation.require();
  }

  /** Who speaks: the person that is named, or who works at this machine. */
  static String person(Thorbis thorbis, Optional<String> named) {
    DrConfig dr = thorbis.config().dr();
    return named
        .or(dr::person)
        .or(() -> dr.keys().size() == 1 ? dr.keys().keySet().stream().findFirst() : named)
        .orElseThrow(
            () ->
                Failure.usage("Nobody knows who says that", "Add --as PERSON, or set dr.person."));
  }

  /**
   * Keeps what became of a run as evidence: whoever agreed to what, and then the run, so that where
   * its record is, theirs are.
   */
  static void record(Thorbis thorbis, RunReport report) {
    List<JournalRecord> approvals =
        report.timeline().stream()
            .filter(DrView::said)
            .filter(one -> DrView.text(one, "what").equals(Message.APPROVE))
            .toList();
    Set<JournalRecord> counted = approvals.isEmpty() ? Set.of() : Set.copyOf(report.approvals());
    Appended unused =
        HostEvidence.keep(
            thorbis,
            evidence -> {
              Set<String> kept = approvals.isEmpty() ? Set.of() : keptApprovals(evidence.log());
              for (JournalRecord one : approvals) {
                if (!kept.contains(one.digest())) {
                  evidence.append(
                      EvidenceRecord.APPROVAL,
                      report.run() + " " + DrView.text(one, "task"),
                      counted.contains(one) ? "approved" : "not-counted",
                      approval(report, one));
                }
              }
              return evidence.append(
                  EvidenceRecord.DR_RUN,
                  report.run(),
                  report.status() == RunStatus.SUCCEEDED
                      ? EvidenceRecord.PASSED
                      : report.status().label(),
                  document(report, thorbis.clock().instant()));
            });
  }

  /** Of an earlier end of the run, or of whoever was killed before its own record. */
  private static Set<String> keptApprovals(EvidenceLog log) {
    try {
      log.flush(); // what waits on this host is kept, too
      return log.read().records().stream()
          .filter(one -> one.kind().equals(EvidenceRecord.APPROVAL))
          .map(one -> String.valueOf(one.document().get("journalDigest")))
          .collect(Collectors.toSet());
    } catch (IOException | BackupException e) {
      return Set.of(); // twice is better than never; why it cannot be read, keeping them says
    }
  }

  /** With what was signed, so that the signature can be checked without the journal. */
  private static Map<String, Object> approval(RunReport report, JournalRecord said) {
    Map<String, Object> document = new LinkedHashMap<>();
    document.put("run", report.run());
    document.put("step", DrView.text(said, "task"));
    document.put("approver", DrView.text(said, "by"));
    document.put("from", said.at().toString());
    document.put("reason", DrView.text(said, "text"));
    document.put("planDigest", report.planDigest());
    document.put("journalDigest", said.digest());
    for (String name : List.of("request", "expires", "signature")) {
      Object value = said.data().get(name);
      if (value != null) {
        document.put(name.equals("expires") ? "until" : name, value);
      }
    }
    return document;
  }

  /** Whether evidence is kept of how a run ended; also where that cannot be seen, which is said. */
  static boolean recorded(Thorbis thorbis, RunReport report) {
    try {
      if (!thorbis.mayWrite()) {
        throw HostEvidence.readOnly();
      }
      return thorbis.writing(opened -> recorded(thorbis, opened, report));
    } catch (BackupException e) {
      thorbis.warning(
          "whether evidence of run "
              + report.run()
              + " is kept cannot be seen; resume it again when it can: "
              + e.getMessage());
      return true;
    }
  }

  private static boolean recorded(Thorbis thorbis, ThorbisBackup opened, RunReport report) {
    EvidenceLog log = HostEvidence.of(thorbis, opened).log();
    String ended = report.endedAt().map(Instant::toString).orElse("");
    try {
      log.flush(); // what waits on this host may be it
      return log.read().records().stream()
          .filter(one -> one.kind().equals(EvidenceRecord.DR_RUN))
          .filter(one -> one.subject().equals(report.run()))
          .anyMatch(one -> ended.equals(one.document().get("endedAt")));
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  private static Map<String, Object> document(RunReport report, Instant now) {
    Map<String, Object> document = new LinkedHashMap<>(DrTiers.evidence(report, now));
    document.put("run", report.run());
    document.put("scenario", report.plan().scenario());
    document.put("cause", report.plan().cause());
    document.put("variant", report.plan().variant());
    document.put("planDigest", report.planDigest());
    document.put("requester", report.requester());
    document.put("status", report.status().label());
    document.put("reason", report.reason());
    document.put("startedAt", report.startedAt().toString());
    report.endedAt().ifPresent(at -> document.put("endedAt", at.toString()));
    document.put("steps", report.tasks().stream().map(DrRuns::document).toList());
    List<JournalRecord> timeline = report.timeline();
    document.put("people", timeline.stream().filter(DrView::said).map(DrRuns::said).toList());
    JournalRecord last = timeline.get(timeline.size() - 1);
    document.put("journal", Map.of("records", last.sequence(), "digest", last.digest()));
    return document;
  }

  private static Map<String, Object> document(RunReport.TaskReport task) {
    Map<String, Object> document = new LinkedHashMap<>();
    document.put("id", task.task().id());
    document.put("action", task.task().action());
    document.put("status", task.status().label());
    document.put("critical", task.task().critical());
    document.put("executed", task.executed());
    document.put("attempts", (long) task.attempts());
    task.startedAt().ifPresent(at -> document.put("startedAt", at.toString()));
    task.endedAt().ifPresent(at -> document.put("endedAt", at.toString()));
    document.put("detail", task.detail());
    return document;
  }

  private static Map<String, Object> said(JournalRecord record) {
    return Map.of(
        "at", record.at().toString(),
        "by", record.actor(),
        "what", DrView.text(record, "what"),
        "step", DrView.text(record, "task"),
        "text", DrView.text(record, "text"),
        "signature", DrView.text(record, "signature"));
  }

  /** All runs that can be read; of the others it is said why not. */
  static List<RunReport> readable(Thorbis thorbis, RunEngine engine) {
    List<RunReport> reports = new ArrayList<>();
    for (String run : engine.runs()) {
      try {
        reports.add(engine.look(run));
      } catch (BackupException e) {
        // A run of last year that nobody can read must not keep anybody from recovering now.
        thorbis.warning("run " + run + " cannot be read: " + e.getMessage());
      }
    }
    return reports;
  }

  /** Refuses a second run of what is being recovered from already. */
  static void requireNoOther(Thorbis thorbis, RunEngine engine, String scenario, String incident) {
    for (RunReport report : readable(thorbis, engine)) {
      String run = report.run();
      if (!run.equals(incident)
          && report.plan().scenario().equals(scenario)
          && !report.status().ended()) {
        throw BackupException.of(
                "run.going-on",
                FailureKind.REFUSED,
                "Run " + run + " of scenario " + scenario + " is " + report.status().label())
            .remedy(
                "Go on with thorbis dr resume "
                    + run
                    + ", or end it with thorbis dr abort "
                    + run
                    + ".")
            .detail("run", run)
            .build();
      }
    }
  }
}
