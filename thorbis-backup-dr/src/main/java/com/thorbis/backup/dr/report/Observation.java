package com.thorbis.backup.dr.report;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.evidence.EvidenceChain;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Looks at all that a report is about, and changes nothing. */
final class Observation {
  private final ThorbisBackup backup;
  private final EvidenceChain chain;
  private final RunControl control;
  private final Instant now;
  private final List<String> problems = new ArrayList<>();

  Observation(ThorbisBackup backup, EvidenceChain chain, Clock clock, RunControl control) {
    this.backup = backup;
    this.chain = chain;
    this.control = control;
    // What was recorded within this second belongs to the period.
    this.now = clock.instant().truncatedTo(ChronoUnit.SECONDS).plusSeconds(1);
  }

  Map<String, Object> observe(Duration period, String actor, String product, EvidenceLog evidence)
      throws IOException {
    Repository repository = backup.repository();
    Map<String, Object> observed = new LinkedHashMap<>();
    observed.put("generatedBy", actor);
    observed.put("product", product);
    observed.put("zone", "UTC");
    observed.put("from", now.minus(period).toString());
    observed.put("to", now.toString());
    observed.put("repository", repository.id());
    List<Object> sources = new ArrayList<>();
    for (SourceInfo info : repository.sources()) {
      control.cancellation().check();
      sources.add(source(info, now.minus(period)));
    }
    observed.put("sources", sources);
    copies(observed);
    keys(observed);
    observed.put(
        "evidenceProblems",
        chain.problems().stream()
            .map(
                one ->
                    Map.of(
                        "code", one.code(),
                        "record", one.record(),
                        "message", one.message()))
            .toList());
    waiting(evidence);
    observed.put("problems", problems);
    return observed;
  }

  private void waiting(EvidenceLog evidence) {
    try {
      int count = evidence.waiting();
      if (count > 0) {
        problems.add(count + " records wait on this host for the repository, and are left out");
      }
    } catch (IOException e) {
      problems.add("What waits on this host could not be looked at: " + e.getMessage());
    }
  }

  private Map<String, Object> source(SourceInfo info, Instant from) {
    Map<String, Object> source = new LinkedHashMap<>();
    source.put("name", info.name());
    source.put("type", info.type());
    try {
      stored(info.name(), from, source);
      if (backup.sources().contains(info.name())) {
        status(backup.status(info.name()), source);
      }
    } catch (BackupException e) {
      source.put("problem", String.valueOf(e.getMessage()));
      problems.add(info.name() + " could not be looked at: " + e.getMessage());
    }
    return source;
  }

  private void stored(String name, Instant from, Map<String, Object> source) {
    List<Object> backups = new ArrayList<>();
    List<Object> holds = new ArrayList<>();
    Optional<BackupDescriptor> last = Optional.empty();
    Optional<Instant> oldest = Optional.empty();
    Optional<Instant> verified = Optional.empty();
    long count = 0;
    for (BackupState state : backup.states(Optional.of(name))) {
      BackupDescriptor one = state.backup();
      boolean live = state.stage() == BackupState.Stage.LIVE;
      if (!one.stoppedAt().isBefore(from)) {
        backups.add(descriptor(one, live)); // what was given up was there, too
      }
      if (!live) {
        continue;
      }
      count++;
      if (oldest.isEmpty() || one.stoppedAt().isBefore(oldest.get())) {
        oldest = Optional.of(one.stoppedAt());
      }
      if (one.status().restorable()
          && !one.partial()
          && (last.isEmpty() || one.stoppedAt().isAfter(last.get().stoppedAt()))) {
        last = Optional.of(one);
      }
      if (state.verifiedAt().isPresent()
          && (verified.isEmpty() || state.verifiedAt().get().isAfter(verified.get()))) {
        verified = state.verifiedAt();
      }
      for (BackupState.Hold hold : state.holds()) {
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("backup", one.id().value());
        said.put("reason", hold.reason());
        hold.until().ifPresent(until -> said.put("until", until.toString()));
        holds.add(said);
      }
    }
    source.put("backupCount", count);
    source.put("backups", backups);
    source.put("holds", holds);
    last.ifPresent(it -> source.put("lastBackup", descriptor(it, true)));
    oldest.ifPresent(it -> source.put("oldest", it.toString()));
    verified.ifPresent(it -> source.put("verifiedAt", it.toString()));
  }

  private static Map<String, Object> descriptor(BackupDescriptor one, boolean live) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("id", one.id().value());
    json.put("type", one.type().label());
    json.put("status", one.status().label());
    json.put("restorable", one.status().restorable());
    json.put("partial", one.partial());
    json.put("live", live);
    json.put("startedAt", one.startedAt().toString());
    json.put("stoppedAt", one.stoppedAt().toString());
    json.put("bytes", one.bytes());
    json.put("bytesChanged", one.bytesChanged());
    json.put("bytesStored", one.bytesStored());
    json.put("copies", one.copies());
    json.put("warnings", one.warnings().size());
    return json;
  }

  private static void status(SourceStatus status, Map<String, Object> source) {
    source.put(
        "windows",
        status.windows().stream()
            .map(
                one -> {
                  Map<String, Object> window = new LinkedHashMap<>();
                  window.put("from", one.fromTime().toString());
                  one.toTime().ifPresent(to -> window.put("to", to.toString()));
                  return window;
                })
            .toList());
    source.put("walGaps", status.gaps().size());
    status.lag().ifPresent(lag -> source.put("lagMillis", Math.max(0, lag.toMillis())));
    source.put("fenced", status.fenced());
  }

  private void copies(Map<String, Object> observed) {
    List<Object> copies = new ArrayList<>();
    List<Object> criteria = new ArrayList<>();
    try {
      CopiesReport report = backup.copies(control);
      for (CopiesReport.CopyState one : report.copies()) {
        Map<String, Object> copy = new LinkedHashMap<>();
        copy.put("name", one.name());
        one.medium().ifPresent(it -> copy.put("medium", it));
        one.domain().ifPresent(it -> copy.put("domain", it));
        one.location().ifPresent(it -> copy.put("location", it));
        copy.put("offsite", one.offsite());
        copy.put("immutable", one.immutable());
        one.problem().ifPresent(it -> copy.put("problem", it));
        one.contents()
            .ifPresent(
                it -> {
                  copy.put("objects", it.objects());
                  copy.put("bytes", it.bytes());
                  copy.put("behind", it.behindObjects());
                  copy.put("complete", it.complete());
                });
        one.lastVerified().ifPresent(it -> copy.put("verifiedAt", it.toString()));
        copies.add(copy);
      }
      for (CopiesReport.Criterion one : report.criteria()) {
        criteria.add(
            Map.of("name", one.name(), "verdict", one.verdict().label(), "reason", one.reason()));
      }
    } catch (BackupException e) {
      problems.add("The copies could not be looked at: " + e.getMessage());
    }
    observed.put("copies", copies);
    observed.put("criteria", criteria);
  }

  private void keys(Map<String, Object> observed) {
    List<Object> keys = new ArrayList<>();
    try {
      for (KeysReport.Tree tree : backup.keys().trees()) {
        for (KeysReport.Epoch epoch : tree.epochs()) {
          Map<String, Object> key = new LinkedHashMap<>();
          key.put("key", tree.id() + "/" + epoch.number());
          tree.source().ifPresent(it -> key.put("source", it));
          key.put("since", epoch.since().toString());
          key.put("recipients", epoch.recipients().size());
          key.put("problems", epoch.problems());
          keys.add(key);
        }
      }
    } catch (BackupException e) {
      problems.add("The keys could not be looked at: " + e.getMessage());
    }
    observed.put("keys", keys);
  }
}
