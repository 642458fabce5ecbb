package com.thorbis.backup.postgres.check;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Says of a server's state what is right, what will not always work, and what does not. */
final class ServerJudge {
  private static final int OLDEST = 14;
  private static final int NEWEST = 18;

  /** Rights of the server's own roles that a backup role must not have. */
  private static final Set<String> DANGEROUS =
      Set.of(
          "pg_write_all_data",
          "pg_write_server_files",
          "pg_execute_server_program",
          "pg_signal_backend",
          "pg_read_all_data");

  private final ServerState server;
  private final String slotName;
  private final long slotBudget;
  private final boolean local;
  private final List<CheckItem> items = new ArrayList<>();

  ServerJudge(ServerState server, String slotName, long slotBudget, boolean local) {
    this.server = server;
    this.slotName = slotName;
    this.slotBudget = slotBudget;
    this.local = local;
  }

  List<CheckItem> items() {
    fence();
    version();
    encryption();
    role();
    wal();
    senders();
    slot();
    pages();
    return List.copyOf(items);
  }

  private void fence() {
    server
        .fenced()
        .ifPresent(
            from ->
                fail(
                    "postgres.fence",
                    "FENCED: NOT PROTECTED. This cluster was restored (" + from + ")",
                    "When it takes the source's place, run source adopt."));
  }

  private void version() {
    int major = server.major();
    if (major < OLDEST || major > NEWEST) {
      fail(
          "postgres.version",
          "PostgreSQL " + major + " is not supported",
          "Supported are " + OLDEST + " to " + NEWEST + ".");
    } else {
      ok("postgres.version", "PostgreSQL " + major + (server.inRecovery() ? ", a standby" : ""));
    }
  }

  private void encryption() {
    if (server.encrypted()) {
      ok("postgres.encryption", "The connection is encrypted");
    } else if (local) {
      ok("postgres.encryption", "The connection does not leave this host");
    } else {
      warn(
          "postgres.encryption",
          "Everything in the database crosses the network in the clear",
          "Set ssl = on in the server, hostssl in pg_hba.conf, and tls: verify-full here.");
    }
  }

  private void role() {
    ServerState.Role role = server.role();
    String name = Grants.quoted(role.name());
    if (role.replication() || role.superuser()) {
      ok("postgres.role.replication", "Role " + name + " may replicate");
    } else {
      fail(
          "postgres.role.replication",
          "Role " + name + " may not replicate",
          "ALTER ROLE " + name + " REPLICATION;");
    }
    if (!role.memberships().contains("pg_read_all_settings")) {
      warn(
          "postgres.role.settings",
          "Role " + name + " does not see all settings, so a backup cannot record them",
          "GRANT pg_read_all_settings TO " + name + ";");
    }
    if (!role.memberships().contains("pg_read_all_stats")) {
      warn(
          "postgres.role.statistics",
          "Role " + name + " does not see the progress of other sessions",
          "GRANT pg_read_all_stats TO " + name + ";");
    }
    superfluous(role, name);
  }

  private void superfluous(ServerState.Role role, String name) {
    List<String> attributes = new ArrayList<>();
    if (role.superuser()) {
      attributes.add("SUPERUSER");
    }
    if (role.createRole()) {
      attributes.add("CREATEROLE");
    }
    if (role.createDatabase()) {
      attributes.add("CREATEDB");
    }
    if (role.bypassRowSecurity()) {
      attributes.add("BYPASSRLS");
    }
    if (!attributes.isEmpty()) {
      warn(
          "postgres.role.superfluous",
          "Role " + name + " has rights that no backup needs: " + String.join(", ", attributes),
          "ALTER ROLE " + name + " NO" + String.join(" NO", attributes) + ";");
      if (role.superuser()) {
        return; // A superuser has the rights of every role.
      }
    }
    List<String> dangerous =
        role.memberships().stream().filter(DANGEROUS::contains).sorted().toList();
    if (!dangerous.isEmpty()) {
      warn(
          "postgres.role.superfluous",
          "Role " + name + " is a member of " + String.join(", ", dangerous),
          "REVOKE " + String.join(", ", dangerous) + " FROM " + name + ";");
    } else if (attributes.isEmpty()) {
      ok("postgres.role.superfluous", "Role " + name + " has no rights that it does not need");
    }
  }

  private void wal() {
    String level = server.parameter("wal_level");
    if (level.equals("minimal")) {
      fail(
          "postgres.wal-level",
          "wal_level is minimal: the log does not hold what a backup needs",
          "ALTER SYSTEM SET wal_level = 'replica'; then restart the server.");
    } else {
      ok("postgres.wal-level", "wal_level is " + level);
    }
    if (server.on("full_page_writes")) {
      ok("postgres.full-page-writes", "full_page_writes is on");
    } else {
      warn(
          "postgres.full-page-writes",
          "full_page_writes is off: after a power cut the cluster itself may be torn",
          "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();");
    }
    ok("postgres.archive-mode", "archive_mode is " + server.parameter("archive_mode"));
  }

  private void senders() {
    int most = server.number("max_wal_senders");
    int free = most - server.senders();
    String message = free + " of " + most + " connections for replication are free";
    String remedy =
        "ALTER SYSTEM SET max_wal_senders = "
            + Math.max(10, most + 4)
            + "; then"
            + " restart the server.";
    if (free <= 0) {
      fail("postgres.wal-senders", message, remedy);
    } else if (free < 2) {
      warn("postgres.wal-senders", message + "; a backup and a WAL stream take one each", remedy);
    } else {
      ok("postgres.wal-senders", message);
    }
  }

  private void slot() {
    String most = server.parameter("max_slot_wal_keep_size");
    if (most.equals("-1")) {
      warn(
          "postgres.slot.limit",
          "max_slot_wal_keep_size has no limit: a receiver that stays away fills the disk",
          "ALTER SYSTEM SET max_slot_wal_keep_size = '"
              + Math.max(1, slotBudget >> 20)
              + "MB'; SELECT pg_reload_conf();");
    } else if (!most.isEmpty()) {
      ok("postgres.slot.limit", "Slots keep up to " + most + " MB of WAL");
    }
    if (server.slot().isEmpty()) {
      int slots = server.number("max_replication_slots");
      if (server.slots() >= slots) {
        fail(
            "postgres.slot",
            "All " + slots + " replication slots are in use and none is ours",
            "ALTER SYSTEM SET max_replication_slots = "
                + (slots + 4)
                + "; then restart the server, or drop slots that nobody uses.");
      } else {
        warn(
            "postgres.slot",
            "Slot " + slotName + " does not exist yet",
            "wal receive creates it, or: SELECT pg_create_physical_replication_slot('"
                + slotName
                + "', true);");
      }
      return;
    }
    slot(server.slot().get());
  }

  private void slot(ServerState.Slot slot) {
    String drop = "SELECT pg_drop_replication_slot('" + slotName + "');";
    if (!slot.type().equals("physical")) {
      fail(
          "postgres.slot",
          "Slot " + slotName + " is " + slot.type() + " and cannot keep WAL for us",
          "Choose another wal.slot, or if nobody needs it: " + drop);
      return;
    }
    if (slot.walStatus().equals("lost")) {
      fail(
          "postgres.slot",
          "Slot " + slotName + " lost WAL that it should have kept: there is a gap",
          drop + " Then start wal receive and take a full backup.");
      return;
    }
    long kept = slot.kept().orElse(0L);
    String message =
        "Slot "
            + slotName
            + (slot.active() ? " is in use and keeps " : " is idle and keeps ")
            + (kept >> 20)
            + " MiB of WAL";
    long percent = slotBudget <= 0 ? 0 : kept / Math.max(1, slotBudget / 100);
    String budget = ", " + percent + " % of wal.slot-budget";
    if (percent >= 90) {
      fail("postgres.slot", message + budget, "Start wal receive, or " + drop);
    } else if (percent >= 50) {
      warn("postgres.slot", message + budget, "See why wal receive does not keep up.");
    } else if (!slot.active()) {
      warn("postgres.slot", message, "Start wal receive.");
    } else {
      ok("postgres.slot", message);
    }
  }

  private void pages() {
    if (server.on("data_checksums")) {
      ok("postgres.checksums", "Page checksums are on");
    } else {
      warn(
          "postgres.checksums",
          "Page checksums are off: a backup cannot tell a page that the disk damaged",
          "Stop the server and run pg_checksums --enable.");
    }
  }

  private void ok(String subject, String message) {
    items.add(new CheckItem(subject, Outcome.OK, message, ""));
  }

  private void warn(String subject, String message, String remedy) {
    items.add(new CheckItem(subject, Outcome.WARN, message, remedy));
  }

  private void fail(String subject, String message, String remedy) {
    items.add(new CheckItem(subject, Outcome.FAIL, message, remedy));
  }
}
