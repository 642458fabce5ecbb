package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.WalRange;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Results as the objects that scripts read. Their field names are a promise. */
final class Facts {
  private Facts() {}

  static Map<String, @Nullable Object> backup(BackupDescriptor backup) {
    return Json.object(
        "id", backup.id(),
        "source", backup.source(),
        "type", backup.type().label(),
        "base", backup.base(),
        "status", backup.status().label(),
        "label", backup.label(),
        "startedAt", backup.startedAt(),
        "stoppedAt", backup.stoppedAt(),
        "startLsn", backup.startLsn(),
        "stopLsn", backup.stopLsn(),
        "timeline", Integer.toUnsignedLong(backup.timeline().number()),
        "incarnation", backup.incarnation(),
        "systemId", backup.cluster().systemIdText(),
        "majorVersion", backup.cluster().majorVersion(),
        "files", backup.files(),
        "bytesRead", backup.bytesRead(),
        "bytesChanged", backup.bytesChanged(),
        "bytesStored", backup.bytesStored(),
        "durationMillis", backup.durationMillis(),
        "copies", backup.copies(),
        "warnings", backup.warnings());
  }

  /** A backup, and what has become of it. */
  static Map<String, @Nullable Object> state(BackupState state) {
    Map<String, @Nullable Object> facts = backup(state.backup());
    facts.put("state", state.stage().label());
    facts.put("verifiedAt", state.verifiedAt());
    facts.put(
        "holds",
        state.holds().stream()
            .map(
                hold ->
                    Json.object(
                        "reason", hold.reason(), "since", hold.since(), "until", hold.until()))
            .toList());
    facts.put("deletedAt", state.deletedAt());
    facts.put("sweepAfter", state.sweepAfter());
    return facts;
  }

  static Map<String, @Nullable Object> range(WalRange range) {
    return Json.object(
        "timeline", Integer.toUnsignedLong(range.timeline().number()),
        "fromLsn", range.start(),
        "toLsn", range.end());
  }

  static Map<String, @Nullable Object> status(SourceStatus status, Optional<Duration> rpoTarget) {
    return Json.object(
        "name", status.name(),
        "windows", status.windows().stream().map(Facts::window).toList(),
        "gaps", status.gaps().stream().map(Facts::range).toList(),
        "lastBackup", status.lastBackup().map(Facts::backup),
        "awaitingWal", status.awaitingWal(),
        "lastProvenRestore", null,
        "rpo", Json.object("currentMillis", status.lag(), "targetMillis", rpoTarget),
        "rto", Json.object("currentMillis", null, "targetMillis", null),
        "fenced", status.fenced());
  }

  static Map<String, @Nullable Object> plan(RestorePlan plan) {
    return Json.object(
        "backup", plan.backup().id(),
        "target", Words.target(plan.target()),
        "timeline", Integer.toUnsignedLong(plan.timeline().number()),
        "wal", plan.wal().stream().map(Facts::range).toList(),
        "until", plan.until(),
        "files", plan.files(),
        "bytes", plan.bytes(),
        "notes", plan.notes());
  }

  static Map<String, @Nullable Object> restore(RestoreReport report) {
    return Json.object(
        "backup", report.backup(),
        "targetDir", report.targetDirectory(),
        "files", report.files(),
        "bytesWritten", report.bytesWritten(),
        "bytesFetched", report.bytesFetched(),
        "walSegments", report.walSegments(),
        "reached", report.reached().map(Facts::reached),
        "port", report.port(),
        "durationMillis", report.durationMillis(),
        "stages", report.stages(),
        "next", report.next());
  }

  static Map<String, @Nullable Object> verify(VerifyReport report) {
    return Json.object(
        "checked", report.checked(),
        "damaged", report.damaged().stream().map(Facts::damage).toList(),
        "durationMillis", report.durationMillis());
  }

  private static Map<String, @Nullable Object> window(SourceStatus.Window window) {
    return Json.object(
        "fromTime", window.fromTime(),
        "toTime", window.toTime(),
        "fromLsn", window.fromLsn(),
        "toLsn", window.toLsn(),
        "timeline", Integer.toUnsignedLong(window.timeline().number()));
  }

  private static Map<String, @Nullable Object> reached(RestoreReport.Reached reached) {
    return Json.object(
        "lsn", reached.lsn(),
        "time", reached.time(),
        "timeline", Integer.toUnsignedLong(reached.timeline().number()));
  }

  private static Map<String, @Nullable Object> damage(VerifyReport.Damage damage) {
    return Json.object(
        "object", damage.object(),
        "copy", damage.copy(),
        "kind", damage.kind(),
        "referenced", damage.referenced(),
        "backups", damage.backups(),
        "file", damage.file(),
        "range", damage.range(),
        "healable", damage.healable());
  }
}
