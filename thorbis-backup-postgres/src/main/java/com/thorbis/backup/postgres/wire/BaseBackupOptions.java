package com.thorbis.backup.postgres.wire;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a base backup is asked for with.
 *
 * @param label the label that the server writes into {@code backup_label}
 * @param fastCheckpoint whether the checkpoint is made at once
 * @param maxRateKib the most KiB per second; 0 for no limit
 * @param verifyChecksums whether the server checks what it reads
 * @param incremental whether only blocks come that changed since the backup whose manifest was
 *     uploaded; needs PostgreSQL 17
 */
public record BaseBackupOptions(
    String label,
    boolean fastCheckpoint,
    long maxRateKib,
    boolean verifyChecksums,
    boolean incremental) {
  private static final long LEAST_RATE = 32;
  private static final long MOST_RATE = 1 << 20;

  /** The command, in the form for 15 and newer or the one before. */
  String command(boolean modern) {
    List<String> options = new ArrayList<>();
    options.add("LABEL " + quoted(label));
    options.add("PROGRESS");
    add(options, fastCheckpoint ? (modern ? "CHECKPOINT 'fast'" : "FAST") : null);
    options.add(modern ? "WAIT false" : "NOWAIT");
    add(
        options,
        maxRateKib == 0
            ? null
            : "MAX_RATE " + Math.max(LEAST_RATE, Math.min(MOST_RATE, maxRateKib)));
    options.add("TABLESPACE_MAP");
    add(options, verifyChecksums ? null : modern ? "VERIFY_CHECKSUMS false" : "NOVERIFY_CHECKSUMS");
    options.add("MANIFEST 'yes'");
    options.add("MANIFEST_CHECKSUMS 'CRC32C'");
    add(options, incremental ? "INCREMENTAL" : null);
    return "BASE_BACKUP "
        + (modern ? "(" + String.join(", ", options) + ")" : String.join(" ", options));
  }

  private static void add(List<String> options, @Nullable String option) {
    if (option != null) {
      options.add(option);
    }
  }

  private static String quoted(String text) {
    return "'" + text.replace("'", "''") + "'";
  }
}
