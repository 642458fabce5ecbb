package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Severity;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps as evidence that something was brought back, or was not, and tells people of a failure.
 * Holds names, counts and codes: neither paths nor addresses, values or messages, which may have
 * secrets in them. Nothing that it does changes what came of the restore.
 */
final class RestoreRecord {
  private static final String CANCELLED = "cancelled";
  private static final String NOT_CONFIRMED = "not-confirmed";

  /** Whoever typed it sees to these; nothing is broken. */
  private static final Set<FailureKind> QUIET =
      Set.of(FailureKind.CANCELLED, FailureKind.REFUSED, FailureKind.CONFIGURATION);

  private final Thorbis thorbis;
  private final String what;
  private final Map<String, Object> document = new LinkedHashMap<>();
  private String source;
  private Optional<String> failed = Optional.empty();
  private boolean tells = true;

  /**
   * One that begins.
   *
   * @param what what is brought back: {@code source}, {@code tables}, {@code dump}, {@code
   *     application}, {@code secrets} or {@code recovery-point}
   * @param source of what
   */
  RestoreRecord(Thorbis thorbis, String what, String source) {
    this.thorbis = thorbis;
    this.what = what;
    this.source = source;
    document.put("what", what);
  }

  /** Says more of it; nothing is left out. */
  RestoreRecord say(String name, @Nullable Object value) {
    if (value != null) {
      document.put(name, value);
    }
    return this;
  }

  RestoreRecord from(BackupId backup) {
    return say("backup", backup.value());
  }

  /** Says of what, where that shows later only. */
  RestoreRecord of(String name) {
    source = name;
    return this;
  }

  /** Says that it is not whole. */
  void failed(String code) {
    failed = Optional.of(code);
  }

  /**
   * Brings it back.
   *
   * @param opened what it is brought back from
   * @param told says what came of it
   */
  <T> T around(ThorbisBackup opened, Supplier<T> work, BiConsumer<T, RestoreRecord> told) {
    Instant began = thorbis.clock().instant();
    long start = System.nanoTime();
    try {
      T done = work.get();
      told.accept(done, this);
      keep(opened, began, start);
      return done;
    } catch (BackupException e) {
      if (!e.code().endsWith(NOT_CONFIRMED)) {
        failed = Optional.of(e.kind() == FailureKind.CANCELLED ? CANCELLED : e.code());
        tells = !QUIET.contains(e.kind());
        keep(opened, began, start);
      }
      throw e;
    } catch (RuntimeException e) {
      failed = Optional.of("unexpected");
      keep(opened, began, start);
      throw e;
    }
  }

  private void keep(ThorbisBackup opened, Instant began, long start) {
    try {
      document.put("startedAt", began.toString());
      document.put("millis", Duration.ofNanos(System.nanoTime() - start).toMillis());
      failed.ifPresent(code -> document.put("code", code));
      append(opened);
      if (failed.isPresent() && tells) {
        DrNotifier.raise(thorbis, alarm(began));
      }
    } catch (IOException | RuntimeException e) {
      thorbis.warning("this restore is not recorded, or was told to nobody: " + e.getMessage());
    }
  }

  private void append(ThorbisBackup opened) {
    Config config = thorbis.config();
    String outcome =
        failed
            .map(code -> code.equals(CANCELLED) ? CANCELLED : EvidenceRecord.FAILED)
            .orElse(EvidenceRecord.PASSED);
    new HostEvidence(
            config,
            thorbis.clock(),
            () -> {
              if (!writes(config)) {
                throw HostEvidence.readOnly();
              }
              return opened.repository();
            },
            thorbis::warning)
        .append(EvidenceRecord.RESTORE, source, outcome, document);
  }

  /** Whoever writes wraps new keys for every recipient: all of them have to be known. */
  private boolean writes(Config config) {
    return thorbis.mayWrite()
        && (!config.makesRecoveryKey() || new RecoveryMemory(config).recall().isPresent());
  }

  private Alarm alarm(Instant began) {
    return new Alarm(
        AlarmKind.RESTORE_FAILED,
        Severity.CRITICAL,
        "restore",
        source,
        Optional.of(began),
        "a restore (" + what + ") of " + source + " that ends well",
        "it failed: " + failed.orElse(""),
        "See what the command says, or verify " + source + ".");
  }

  /** How many there are of each outcome. */
  static Map<String, Object> counts(List<String> outcomes) {
    Map<String, Object> counts = new LinkedHashMap<>();
    outcomes.forEach(one -> counts.merge(one, 1L, (a, b) -> (Long) a + (Long) b));
    return counts;
  }
}
