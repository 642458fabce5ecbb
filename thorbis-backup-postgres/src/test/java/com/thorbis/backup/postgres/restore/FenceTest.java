package com.thorbis.backup.postgres.restore;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreRequest.Action;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.plan.RecoverySettings;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FenceTest {
  private static final BackupId BACKUP = new BackupId("20260102T030405Z-0a1b2c3d");

  private static String file(String stored, int major, RecoveryTarget target, Action action) {
    RecoverySettings recovery =
        RecoverySettings.of(major, target, action, new Timeline(3), "fetch '%f' \\ \"%p\"");
    return Fence.file(stored, "orders", BACKUP, "0123456789abcdef", major, recovery.values());
  }

  @Test
  void theBlockOfARestoreToTheEnd() {
    assertThat(file("", 16, new RecoveryTarget.Latest(), Action.PROMOTE))
        .isEqualTo(
            """
            # Restored from backup 20260102T030405Z-0a1b2c3d by Thorbis Backup, and fenced:
            # "thorbis source adopt orders" lifts this when it takes the source's place.
            thorbis.fenced = '20260102T030405Z-0a1b2c3d/0123456789abcdef'
            archive_mode = 'off'
            synchronous_standby_names = ''
            primary_conninfo = ''
            primary_slot_name = ''
            max_logical_replication_workers = '0'
            archive_cleanup_command = ''
            recovery_end_command = ''
            recovery_min_apply_delay = '0'
            recovery_target = ''
            recovery_target_lsn = ''
            recovery_target_name = ''
            recovery_target_time = ''
            recovery_target_xid = ''
            restore_command = 'fetch ''%f'' \\\\ "%p"'
            recovery_target_timeline = '3'
            """);
  }

  @Test
  void theBlockOfARestoreToATime() {
    assertThat(
            file(
                "work_mem = '8MB'",
                15,
                new RecoveryTarget.AtTime(Instant.parse("2026-03-29T01:30:00.123456Z"), true),
                Action.PAUSE))
        .isEqualTo(
            """
            work_mem = '8MB'
            # Restored from backup 20260102T030405Z-0a1b2c3d by Thorbis Backup, and fenced:
            # "thorbis source adopt orders" lifts this when it takes the source's place.
            thorbis.fenced = '20260102T030405Z-0a1b2c3d/0123456789abcdef'
            archive_mode = 'off'
            synchronous_standby_names = ''
            primary_conninfo = ''
            primary_slot_name = ''
            max_logical_replication_workers = '0'
            promote_trigger_file = ''
            archive_cleanup_command = ''
            recovery_end_command = ''
            recovery_min_apply_delay = '0'
            recovery_target = ''
            recovery_target_lsn = ''
            recovery_target_name = ''
            recovery_target_xid = ''
            restore_command = 'fetch ''%f'' \\\\ "%p"'
            recovery_target_timeline = '3'
            recovery_target_time = '2026-03-29 01:30:00.123456+00'
            recovery_target_inclusive = 'on'
            recovery_target_action = 'pause'
            hot_standby = 'on'
            """);
  }

  @ParameterizedTest
  @ValueSource(ints = {14, 15, 16, 17, 18})
  void liftingItResetsEveryNameThatItSets(int major) {
    List<String> set =
        Arrays.stream(
                file("", major, new RecoveryTarget.AtTransaction(700, true), Action.PAUSE)
                    .split("\n"))
            .filter(line -> !line.startsWith("#"))
            .map(line -> line.substring(0, line.indexOf(' ')))
            .filter(name -> !name.equals(Fence.MARKER))
            .toList();
    assertThat(Fence.names(major)).containsAll(set).doesNotHaveDuplicates();
  }

  @Test
  void librariesThatRunJobsAreFound() {
    assertThat(
            Fence.jobs(
                """
                # shared_preload_libraries = 'bdr'
                shared_preload_libraries = 'pg_stat_statements, pg_cron,$libdir/timescaledb' # citus
                """))
        .containsExactly("pg_cron", "timescaledb");
    assertThat(Fence.jobs("shared_preload_libraries = 'pg_stat_statements'")).isEmpty();
  }
}
