package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.api.TableRestorePlan;
import com.thorbis.backup.api.TableRestoreReport;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.dr.drill.DrillReport;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
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
        "partial", backup.partial(),
        "status", backup.status().label(),
        "label", backup.label(),
        "startedAt", backup.startedAt(),
        "stoppedAt", backup.stoppedAt(),
        "startLsn", ofServer(backup, BackupDescriptor::startLsn),
        "stopLsn", ofServer(backup, BackupDescriptor::stopLsn),
        "timeline", ofServer(backup, made -> Integer.toUnsignedLong(made.timeline().number())),
        "incarnation", backup.incarnation(),
        "systemId", backup.server().map(ClusterIdentity::systemIdText),
        "majorVersion", backup.server().map(ClusterIdentity::majorVersion),
        "files", backup.files(),
        "bytesRead", backup.bytesRead(),
        "bytesChanged", backup.bytesChanged(),
        "bytesStored", backup.bytesStored(),
        "durationMillis", backup.durationMillis(),
        "copies", backup.copies(),
        "letGoBy", backup.letGoBy(),
        "rekeyedFrom", backup.rekeyedFrom(),
        "warnings", backup.warnings());
  }

  private static <T> Optional<T> ofServer(
      BackupDescriptor backup, Function<BackupDescriptor, T> fact) {
    return backup.server().isPresent() ? Optional.of(fact.apply(backup)) : Optional.empty();
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

  static Map<String, @Nullable Object> gap(WalGap gap) {
    Map<String, @Nullable Object> facts = range(gap.range());
    facts.put("noticedAt", gap.noticedAt());
    facts.put("reason", gap.reason());
    return facts;
  }

  static Map<String, @Nullable Object> status(
      SourceStatus status, Optional<Duration> rpoTarget, Optional<DrillReport> proven) {
    return Json.object(
        "name", status.name(),
        "windows", status.windows().stream().map(Facts::window).toList(),
        "gaps", status.gaps().stream().map(Facts::gap).toList(),
        "lastBackup", status.lastBackup().map(Facts::backup),
        "awaitingWal", status.awaitingWal(),
        "lastProvenRestore",
            proven.map(
                it ->
                    Json.object(
                        "drill", it.id(),
                        "at", it.startedAt(),
                        "target", it.choice().target(),
                        "backup", it.choice().backup(),
                        "durationMillis", it.millis())),
        "rpo", Json.object("currentMillis", status.lag(), "targetMillis", rpoTarget),
        "rto", Json.object("currentMillis", null, "targetMillis", null),
        "fenced", status.fenced());
  }

  static Map<String, @Nullable Object> plan(RestorePlan plan) {
    return Json.object(
        "backup", plan.backup().id(),
        "target", Words.target(plan.target()),
        "timeline", plan.timeline().map(one -> Integer.toUnsignedLong(one.number())),
        "wal", plan.wal().stream().map(Facts::range).toList(),
        "until", plan.until(),
        "files", plan.files(),
        "bytes", plan.bytes(),
        "estimate", plan.estimate().map(Facts::estimate),
        "thaw", thaw(plan.thaw()),
        "notes", plan.notes());
  }

  private static Optional<Map<String, @Nullable Object>> thaw(Thaw thaw) {
    return thaw.isNone()
        ? Optional.empty()
        : Optional.of(
            Json.object(
                "objects", thaw.objects(),
                "bytes", thaw.bytes(),
                "requested", thaw.requested(),
                "timeMillis", thaw.time().toMillis(),
                "copies", thaw.copies()));
  }

  private static Map<String, @Nullable Object> estimate(RestorePlan.Estimate estimate) {
    return Json.object(
        "filesMillis", estimate.files().toMillis(),
        "replayMillis", estimate.replay().map(Duration::toMillis),
        "bytesFetched", estimate.bytesFetched(),
        "restores", estimate.restores());
  }

  static Map<String, @Nullable Object> restore(RestoreReport report) {
    return Json.object(
        "backup", report.backup(),
        "targetDir", report.targetDirectory(),
        "files", report.files(),
        "bytesWritten", report.bytesWritten(),
        "bytesFetched", report.bytesFetched(),
        "bytesKept", report.bytesKept(),
        "removed", report.removed(),
        "walSegments", report.walSegments(),
        "reached", report.reached().map(Facts::reached),
        "port", report.port(),
        "durationMillis", report.durationMillis(),
        "stages", report.stages(),
        "next", report.next());
  }

  static Map<String, @Nullable Object> tablePlan(TableRestorePlan plan) {
    Map<String, @Nullable Object> facts = plan(plan.restore());
    facts.put("workDir", plan.workDirectory());
    facts.put("neededBytes", plan.neededBytes());
    facts.put("freeBytes", plan.freeBytes());
    facts.put("tools", plan.tools());
    return facts;
  }

  static Map<String, @Nullable Object> tables(
      TableRestoreReport report, @Nullable String into, @Nullable Path output) {
    return Json.object(
        "backup", report.backup(),
        "tables",
            report.tables().stream()
                .map(
                    table ->
                        Json.object(
                            "name", table.name(),
                            "schema", table.schema(),
                            "rows", table.rows(),
                            "partitions", table.partitions()))
                .toList(),
        "bytesFetched", report.bytesFetched(),
        "rows", report.rows(),
        "reached", reached(report.reached()),
        "durationMillis", report.durationMillis(),
        "stages", report.stages(),
        "into", into,
        "output", output,
        "next", report.next());
  }

  static Map<String, @Nullable Object> verify(VerifyReport report) {
    return Json.object(
        "checked", report.checked(),
        "damaged", report.damaged().stream().map(Facts::damage).toList(),
        "durationMillis", report.durationMillis(),
        "coverage", report.coverage().map(Facts::coverage),
        "frozen", thaw(report.frozen()));
  }

  private static Map<String, @Nullable Object> coverage(VerifyReport.Coverage coverage) {
    return Json.object(
        "openedObjects", coverage.openedObjects(),
        "openedBytes", coverage.openedBytes(),
        "objects", coverage.objects(),
        "bytes", coverage.bytes(),
        "unprovenObjects", coverage.unprovenObjects(),
        "unprovenBytes", coverage.unprovenBytes(),
        "oldestProof", coverage.oldestProof());
  }

  static Map<String, @Nullable Object> copies(CopiesReport report) {
    return Json.object(
        "writePolicy", report.writePolicy(),
        "items", report.copies().stream().map(Facts::copy).toList(),
        "criteria",
            report.criteria().stream()
                .map(
                    one ->
                        Json.object(
                            "name", one.name(),
                            "verdict", one.verdict().label(),
                            "reason", one.reason()))
                .toList());
  }

  private static Map<String, @Nullable Object> copy(CopiesReport.CopyState copy) {
    Optional<CopiesReport.Contents> held = copy.contents();
    return Json.object(
        "name", copy.name(),
        "medium", copy.medium(),
        "domain", copy.domain(),
        "location", copy.location(),
        "offsite", copy.offsite(),
        "immutable", copy.immutable(),
        "primary", copy.primary(),
        "reachable", copy.reachable(),
        "problem", copy.problem(),
        "objects", held.map(CopiesReport.Contents::objects),
        "bytes", held.map(CopiesReport.Contents::bytes),
        "lastCommit", held.map(CopiesReport.Contents::lastCommit),
        "behindObjects", held.map(CopiesReport.Contents::behindObjects),
        "behindBytes", held.map(CopiesReport.Contents::behindBytes),
        "behindCommits", held.map(CopiesReport.Contents::behindCommits),
        "differing", held.map(CopiesReport.Contents::differing),
        "lastVerified", copy.lastVerified(),
        "oldestVerified", copy.oldestVerified(),
        "neverVerified", copy.neverVerified(),
        "letGo", copy.letGo());
  }

  static Map<String, @Nullable Object> sync(SyncReport report) {
    return Json.object(
        "complete", report.complete(),
        "items",
            report.copies().stream()
                .map(
                    copy ->
                        Json.object(
                            "name", copy.name(),
                            "objects", copy.objects(),
                            "bytes", copy.bytes(),
                            "problems", copy.problems()))
                .toList(),
        "durationMillis", report.durationMillis());
  }

  static Map<String, @Nullable Object> heal(HealReport report) {
    return Json.object(
        "checked", report.checked(),
        "whole", report.whole(),
        "repairs",
            report.repairs().stream()
                .map(
                    repair ->
                        Json.object(
                            "object", repair.object(),
                            "copy", repair.copy(),
                            "kind", repair.kind(),
                            "referenced", repair.referenced(),
                            "healed", repair.healed(),
                            "from", repair.from(),
                            "problem", repair.problem().isEmpty() ? null : repair.problem()))
                .toList(),
        "problems", report.problems(),
        "durationMillis", report.durationMillis());
  }

  /** A copy, as {@code status} sums it up. */
  static Map<String, @Nullable Object> copy(CheckItem item) {
    return Json.object(
        "outcome", item.outcome().label(),
        "message", item.message(),
        "remedy", item.remedy().isEmpty() ? null : item.remedy());
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
