package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.postgres.plan.FenceMark;
import com.thorbis.backup.postgres.plan.RecoverySettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The block at the end of {@code postgresql.auto.conf} that sets recovery up and keeps a restored
 * cluster from touching the systems the source works with. What was in the file stays; the last
 * line of a name wins.
 */
public final class Fence {
  static final String MARKER = FenceMark.SETTING;

  /** What of the source's own settings the block replaces, for those who lift the fence. */
  static final String BEFORE = "thorbis.before";

  private static final Pattern LINE =
      Pattern.compile("^\\s*([a-z_.0-9]+)\\s*=\\s*'((?:[^']|'')*)'\\s*$");

  private static final Duration PATIENCE = Duration.ofSeconds(2);

  private static final String TRIGGER_FILE = "promote_trigger_file";
  private static final int LAST_WITH_TRIGGER_FILE = 15;

  private static final Map<String, String> SETTINGS = new LinkedHashMap<>();

  /** What an earlier recovery may have left, and what would act on other systems. */
  private static final Map<String, String> RECOVERY = new LinkedHashMap<>();

  /** Libraries whose background workers run jobs that reach other systems or change data. */
  private static final List<String> JOBS =
      List.of("pg_cron", "pg_partman_bgw", "pglogical", "pgactive", "timescaledb", "bdr", "citus");

  private static final Pattern PRELOAD =
      Pattern.compile(
          "^[ \\t]*shared_preload_libraries[ \\t=]+(.*)$",
          Pattern.CASE_INSENSITIVE | Pattern.MULTILINE);

  static {
    SETTINGS.put("archive_mode", "off");
    SETTINGS.put("synchronous_standby_names", "");
    SETTINGS.put("primary_conninfo", "");
    SETTINGS.put("primary_slot_name", "");
    SETTINGS.put("max_logical_replication_workers", "0");
    RECOVERY.put("archive_cleanup_command", "");
    RECOVERY.put("recovery_end_command", "");
    RECOVERY.put("recovery_min_apply_delay", "0");
    RECOVERY.put("recovery_target", "");
    RECOVERY.put("recovery_target_lsn", "");
    RECOVERY.put("recovery_target_name", "");
    RECOVERY.put("recovery_target_time", "");
    RECOVERY.put("recovery_target_xid", "");
  }

  private Fence() {}

  /**
   * Whether the server that the source's URL leads to stands under a fence. One that does not
   * answer within moments is taken for one that does not: nobody can lose anything to it.
   */
  public static boolean stands(PostgresSettings settings) {
    try (Connection session = SqlConnections.open(settings, PATIENCE);
        Statement statement = session.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT coalesce(current_setting('" + MARKER + "', true), '')")) {
      return row.next() && !row.getString(1).isEmpty();
    } catch (SQLException e) {
      return false;
    }
  }

  /** Every name that the block may set; lifting the fence resets them. */
  static List<String> names(int majorVersion) {
    Set<String> names = new LinkedHashSet<>(SETTINGS.keySet());
    if (majorVersion <= LAST_WITH_TRIGGER_FILE) {
      names.add(TRIGGER_FILE);
    }
    names.addAll(RECOVERY.keySet());
    names.addAll(
        List.of(
            "restore_command",
            "recovery_target_timeline",
            "recovery_target_inclusive",
            "recovery_target_action",
            "hot_standby"));
    return List.copyOf(names);
  }

  /** What was set before of those names that say how the cluster itself works; no connections. */
  private static String before(String stored) {
    Map<String, String> found = new TreeMap<>();
    stored
        .lines()
        .forEach(
            line -> {
              Matcher form = LINE.matcher(line);
              if (form.matches() && SETTINGS.containsKey(form.group(1))) {
                found.put(form.group(1), form.group(2).replace("''", "'"));
              }
            });
    found
        .entrySet()
        .removeIf(each -> each.getKey().endsWith("conninfo") || each.getValue().isEmpty());
    return found.entrySet().stream()
        .map(each -> each.getKey() + " = " + each.getValue())
        .collect(Collectors.joining("; "));
  }

  /**
   * The whole file.
   *
   * @param stored the file as the backup has it, without anything if it has none
   * @param recovery the settings that lead to the target
   */
  static String file(
      String stored,
      String source,
      BackupId backup,
      String incarnation,
      int majorVersion,
      Map<String, String> recovery) {
    StringBuilder text = new StringBuilder(stored);
    if (!stored.isEmpty() && !stored.endsWith("\n")) {
      text.append('\n');
    }
    text.append("# Restored from backup ")
        .append(backup)
        .append(" by Thorbis Backup, and fenced:\n# \"thorbis source adopt ")
        .append(source.replaceAll("\\p{Cntrl}", " "))
        .append("\" lifts this when it takes the source's place.\n");
    Map<String, String> all = new LinkedHashMap<>();
    boolean standby = !recovery.getOrDefault("primary_conninfo", "").isEmpty();
    all.put(MARKER, backup + "/" + incarnation + (standby ? FenceMark.STANDBY : ""));
    String before = before(stored);
    if (!before.isEmpty()) {
      all.put(BEFORE, before);
    }
    all.putAll(SETTINGS);
    if (majorVersion <= LAST_WITH_TRIGGER_FILE) {
      all.put(TRIGGER_FILE, ""); // one that is there already would end recovery
    }
    all.putAll(RECOVERY);
    // The server takes an empty target for a second one if it comes after another.
    all.keySet().removeAll(recovery.keySet());
    all.putAll(recovery);
    all.forEach((name, value) -> text.append(RecoverySettings.line(name, value)));
    return text.toString();
  }

  /** The libraries that a configuration loads and that run jobs by themselves. */
  public static List<String> jobs(String configuration) {
    TreeSet<String> found = new TreeSet<>();
    PRELOAD
        .matcher(configuration)
        .results()
        .forEach(
            line -> {
              for (String name : line.group(1).split("#", 2)[0].split("[^A-Za-z0-9_/$]+")) {
                String library = name.substring(name.lastIndexOf('/') + 1);
                if (JOBS.contains(library)) {
                  found.add(library);
                }
              }
            });
    return List.copyOf(found);
  }
}
