package com.thorbis.backup.dr.plan;

import java.util.Set;

/** The names of what a step can do. */
public final class ActionNames {
  /** Establishes by independent signals that something is down. */
  public static final String DETECT = "detect";

  /** Makes sure that a server takes no more writes, and proves it. */
  public static final String FENCE = "fence";

  /** Makes a standby the primary. */
  public static final String PROMOTE = "promote";

  /** Restores a source, up to a target where one is given. */
  public static final String RESTORE = "restore";

  /** Lets a restored source be protected and written to as the one that counts. */
  public static final String ADOPT = "adopt";

  /** Checks what was recovered. */
  public static final String VALIDATE = "validate";

  /** Sends clients elsewhere through a file that they read. */
  public static final String SWITCH_CONNECTION_FILE = "switch-connection-file";

  /** Sends clients elsewhere through the administration console of PgBouncer. */
  public static final String SWITCH_PGBOUNCER = "switch-pgbouncer";

  /** Sends clients elsewhere through the runtime interface of HAProxy. */
  public static final String SWITCH_HAPROXY = "switch-haproxy";

  /** Sends clients elsewhere through a change of DNS. */
  public static final String SWITCH_DNS = "switch-dns";

  /** Runs a program. */
  public static final String RUN_COMMAND = "run-command";

  /** Asks a URL. */
  public static final String HTTP_CHECK = "http-check";

  /** Asks a database. */
  public static final String SQL_CHECK = "sql-check";

  /** Tells people. */
  public static final String NOTIFY = "notify";

  /** Waits for people to agree. */
  public static final String APPROVE = "approve";

  /** Waits for a time. */
  public static final String WAIT = "wait";

  /** Something that a person does. */
  public static final String MANUAL = "manual";

  /** Restores an application. */
  public static final String APP_RESTORE = "app-restore";

  /** Restores secrets. */
  public static final String SECRETS_RESTORE = "secrets-restore";

  /** Restores all members of a recovery point. */
  public static final String RECOVERY_POINT_RESTORE = "recovery-point-restore";

  /** Ends writes of applications. */
  public static final String FREEZE_WRITES = "freeze-writes";

  /** Keeps backups from being removed. */
  public static final String HOLD_BACKUPS = "hold-backups";

  /** Writes something into the record of the incident. */
  public static final String RECORD = "record";

  /** All of them. */
  public static final Set<String> ALL =
      Set.of(
          DETECT,
          FENCE,
          PROMOTE,
          RESTORE,
          ADOPT,
          VALIDATE,
          SWITCH_CONNECTION_FILE,
          SWITCH_PGBOUNCER,
          SWITCH_HAPROXY,
          SWITCH_DNS,
          RUN_COMMAND,
          HTTP_CHECK,
          SQL_CHECK,
          NOTIFY,
          APPROVE,
          WAIT,
          MANUAL,
          APP_RESTORE,
          SECRETS_RESTORE,
          RECOVERY_POINT_RESTORE,
          FREEZE_WRITES,
          HOLD_BACKUPS,
          RECORD);

  /** What cannot be taken back. */
  static final Set<String> DESTRUCTIVE = Set.of(FENCE, PROMOTE, ADOPT, APP_RESTORE);

  /** What tells or writes down; recovery never waits for it. */
  static final Set<String> TELLING = Set.of(NOTIFY, RECORD);

  /** What changes where clients go. */
  static final Set<String> SWITCHES =
      Set.of(SWITCH_CONNECTION_FILE, SWITCH_PGBOUNCER, SWITCH_HAPROXY, SWITCH_DNS);

  /** What brings data back from backups. */
  static final Set<String> RESTORES = Set.of(RESTORE, RECOVERY_POINT_RESTORE);

  /** What looks whether something works. */
  static final Set<String> CHECKS = Set.of(VALIDATE, HTTP_CHECK, SQL_CHECK);

  private ActionNames() {}
}
