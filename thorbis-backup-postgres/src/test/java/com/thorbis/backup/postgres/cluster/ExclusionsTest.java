package com.thorbis.backup.postgres.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.postgres.cluster.ClusterFiles.Entry;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Kind;
import com.thorbis.backup.postgres.cluster.Exclusions.Fate;
import java.time.Instant;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ExclusionsTest {
  @ParameterizedTest
  @CsvSource({
    "'', postmaster.pid",
    "'', postmaster.opts",
    "'', backup_label",
    "'', tablespace_map",
    "'', backup_manifest",
    "'', postgresql.auto.conf.tmp",
    "'', current_logfiles.tmp",
    "base/5, pg_internal.init",
    "base/5, pg_internal.init.4711",
    "global, pg_internal.init",
    "base, pgsql_tmp",
    "base/pgsql_tmp, pgsql_tmp12.0",
    "pg_tblspc/9/PG_15_202209061, pgsql_tmp",
    "base/5, t3_16400",
    "base/5, t12_16400_fsm",
    "base/5, t12_16400.1",
    "pg_tblspc/9/PG_15_202209061/5, t3_16400",
    "global, pg_control",
  })
  void leavesOut(String folder, String name) {
    assertThat(fate(15, folder, name, Kind.FILE)).isEqualTo(Fate.LEFT_OUT);
  }

  @ParameterizedTest
  @CsvSource({
    "'', PG_VERSION",
    "'', backup_label.old",
    "'', standby.signal",
    "'', postgresql.auto.conf",
    "'', current_logfiles",
    "'', t3_16400",
    "global, t3_16400",
    "global, pg_control.bak",
    "global, pg_filenode.map",
    "base/5, 16400",
    "base/5, 16400_init",
    "base/5, t3_x",
    "base/5, 164000",
    "base/5, pg_filenode.map",
    "pg_xact, 0000",
    "pg_stat, pgstat.stat",
    "pg_logical/snapshots, 0-1.snap",
  })
  void takes(String folder, String name) {
    assertThat(fate(15, folder, name, Kind.FILE)).isEqualTo(Fate.TAKEN);
  }

  @ParameterizedTest
  @CsvSource({
    "base/5, 16400, LEFT_OUT",
    "base/5, 16400.1, LEFT_OUT",
    "base/5, 16400_fsm, LEFT_OUT",
    "base/5, 16400_vm.2, LEFT_OUT",
    "base/5, 16400_init, TAKEN",
    "base/5, 164001, TAKEN",
    "base/5, 1640, TAKEN",
    "pg_tblspc/9/PG_15_202209061/5, 16400, LEFT_OUT",
    "pg_xact, 16400, TAKEN",
  })
  void ofAnUnloggedRelationOnlyItsInitialStateIsTaken(String folder, String name, Fate fate) {
    Exclusions exclusions = new Exclusions(15, "");
    assertThat(exclusions.of(folder, entry(name, Kind.FILE), Set.of("16400"))).isEqualTo(fate);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "pg_wal",
        "pg_replslot",
        "pg_dynshmem",
        "pg_notify",
        "pg_serial",
        "pg_snapshots",
        "pg_stat_tmp",
        "pg_subtrans"
      })
  void keepsFoldersWithoutWhatIsInThem(String name) {
    assertThat(fate(15, "", name, Kind.DIRECTORY)).isEqualTo(Fate.EMPTIED);
    assertThat(fate(15, "", name, Kind.LINK)).isEqualTo(Fate.EMPTIED);
  }

  @Test
  void statisticsOfVersion14MayLieElsewhere() {
    Exclusions exclusions = new Exclusions(14, "run/stats");
    assertThat(exclusions.of("run", entry("stats", Kind.DIRECTORY), Set.of()))
        .isEqualTo(Fate.EMPTIED);
    assertThat(exclusions.of("", entry("run", Kind.DIRECTORY), Set.of())).isEqualTo(Fate.TAKEN);
  }

  @Test
  void summariesAreOfVersion17() {
    assertThat(new Exclusions(16, "").logFolders()).containsExactly("pg_wal/archive_status");
    assertThat(new Exclusions(17, "").logFolders())
        .containsExactly("pg_wal/archive_status", "pg_wal/summaries");
  }

  private static Fate fate(int majorVersion, String folder, String name, Kind kind) {
    return new Exclusions(majorVersion, "").of(folder, entry(name, kind), Set.of());
  }

  private static Entry entry(String name, Kind kind) {
    return new Entry(name, kind, 0, 0600, Instant.EPOCH);
  }
}
