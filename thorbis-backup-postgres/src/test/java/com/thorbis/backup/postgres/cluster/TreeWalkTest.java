package com.thorbis.backup.postgres.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Entry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TreeWalkTest {
  private static final String VERSION = "PG_15_202209061";

  @TempDir Path folder;

  private Path data;

  @BeforeEach
  void aCluster() throws IOException {
    data = folder.resolve("data");
    file("PG_VERSION");
    file("base/5/1259");
    file("base/5/16400");
    file("base/5/16400_init");
    file("base/5/16400_fsm");
    file("base/5/t3_16500");
    file("base/pgsql_tmp/pgsql_tmp1.0");
    file("global/1260");
    file("pg_wal/000000010000000000000001");
    file("pg_wal/archive_status/000000010000000000000001.done");
    file("pg_replslot/one/state");
    Files.createDirectories(data.resolve("pg_tblspc"));
    Files.write(data.resolve("global/pg_control"), controlFile());
  }

  /** What a walk said, one line for each entry. */
  private static final class Found implements TreeWalk.Target {
    private final List<String> lines = new ArrayList<>();

    @Override
    public void directory(String path, Entry entry) {
      lines.add(path + "/");
    }

    @Override
    public void file(String path, Entry entry) throws IOException {
      lines.add(path);
    }

    @Override
    public void skipped(String path, String reason) {
      lines.add("not " + path);
    }
  }

  @Test
  void handsOverWhatTheServersOwnBackupHolds() throws IOException {
    assertThat(walked())
        .containsExactlyInAnyOrder(
            "PG_VERSION",
            "base/",
            "base/5/",
            "base/5/1259",
            "base/5/16400_init",
            "global/",
            "global/1260",
            "pg_wal/",
            "pg_wal/archive_status/",
            "pg_replslot/",
            "pg_tblspc/");
  }

  @Test
  void w17AStaleLabelIsNotOfThisBackup() throws IOException {
    file("backup_label");
    file("tablespace_map");
    file("backup_manifest");
    assertThat(walked()).noneMatch(line -> line.matches("backup_.*|tablespace_map"));
  }

  @Test
  void w27EveryLayoutOfTablespacesIsTakenOnce() throws IOException {
    tablespace(21, folder.resolve("fast"));
    tablespace(22, folder.resolve("fast/nested"));
    tablespace(23, folder.resolve("fast2"));
    tablespace(24, folder.resolve("with space"));
    tablespace(25, folder.resolve("déjà"));
    Files.createDirectories(folder.resolve("real"));
    Files.createSymbolicLink(folder.resolve("link"), folder.resolve("real"));
    tablespace(26, folder.resolve("link"));
    tablespace(27, data.resolve("inside"));
    file("pg_tblspc/28/" + VERSION + "/5/16428");
    Files.createFile(folder.resolve("fast/of another program"));
    Files.createDirectories(folder.resolve("fast/PG_14_202107181/5"));

    List<String> found = walked();

    for (int oid = 21; oid <= 28; oid++) {
      String place = "pg_tblspc/" + oid + "/";
      assertThat(found).contains(place, place + VERSION + "/", place + VERSION + "/5/");
      assertThat(found).contains(place + VERSION + "/5/164" + oid);
    }
    assertThat(found).doesNotHaveDuplicates();
    assertThat(found).contains("inside/").noneMatch(line -> line.startsWith("inside/P"));
    assertThat(found).noneMatch(line -> line.contains("another program") || line.contains("PG_14"));
  }

  @Test
  void w27ATablespaceWhoseFileSystemIsGoneEndsTheBackup() throws IOException {
    tablespace(21, folder.resolve("fast"));
    Files.delete(folder.resolve("fast/" + VERSION + "/5/16421"));
    Files.delete(folder.resolve("fast/" + VERSION + "/5"));
    Files.delete(folder.resolve("fast/" + VERSION));
    assertThatThrownBy(this::walked)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("postgres.files-gone"));
  }

  @Test
  void aTablespaceThatGoesAwayWhileItIsReadEndsTheBackup() throws IOException {
    tablespace(21, folder.resolve("fast"));
    LocalFiles files = LocalFiles.open(data);
    TreeWalk walk = walk(files, new Found());
    walk.run();
    walk.stillThere();
    Files.move(folder.resolve("fast"), folder.resolve("unmounted"));
    assertThatThrownBy(walk::stillThere)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("postgres.files-gone"));
    Files.delete(data.resolve("pg_tblspc/21")); // it was dropped
    walk.stillThere();
  }

  @Test
  void aTablespaceThatIsMadeMeanwhileComesWithTheLog() throws IOException {
    LocalFiles files = LocalFiles.open(data);
    Found found = new Found();
    TreeWalk walk = walk(files, found);
    tablespace(21, folder.resolve("fast"));
    walk.run();
    assertThat(found.lines).noneMatch(line -> line.contains("21"));
  }

  @Test
  void saysWhatNoServerTakes() throws IOException {
    Files.createSymbolicLink(data.resolve("server.key"), Path.of("/etc/hostname"));
    Files.createSymbolicLink(data.resolve("log"), folder);
    file("pg_tblspc/readme");
    assertThat(walked()).contains("not server.key", "not log", "not pg_tblspc/readme");
  }

  @Test
  void theLogMayLieElsewhere() throws IOException {
    Files.move(data.resolve("pg_wal"), folder.resolve("wal"));
    Files.createSymbolicLink(data.resolve("pg_wal"), folder.resolve("wal"));
    assertThat(walked())
        .contains("pg_wal/", "pg_wal/archive_status/")
        .noneMatch(line -> line.contains("0000"));
  }

  @Test
  void namesAreTakenAsTheyAre() throws IOException {
    file("notes of März.txt");
    file("a'b\"c");
    assertThat(walked()).contains("notes of März.txt", "a'b\"c");
  }

  @Test
  void aNameInAnotherEncodingIsSaidToBeLeftOut() throws Exception {
    Process touch =
        new ProcessBuilder("bash", "-c", "touch $'odd\\xff'").directory(data.toFile()).start();
    assertThat(touch.waitFor()).isZero();
    assertThat(walked()).anyMatch(line -> line.startsWith("not odd"));
  }

  private List<String> walked() throws IOException {
    Found found = new Found();
    walk(LocalFiles.open(data), found).run();
    return found.lines;
  }

  private TreeWalk walk(LocalFiles files, TreeWalk.Target target) throws IOException {
    return new TreeWalk(
        files,
        new Exclusions(15, "pg_stat_tmp"),
        VERSION,
        files.tablespaces(),
        data.toString(),
        target);
  }

  private void tablespace(int oid, Path place) throws IOException {
    Files.createDirectories(place.resolve(VERSION).resolve("5"));
    Files.createFile(place.resolve(VERSION).resolve("5/164" + oid));
    Files.createSymbolicLink(data.resolve("pg_tblspc/" + oid), place);
  }

  private void file(String path) throws IOException {
    Path file = data.resolve(path);
    Files.createDirectories(file.getParent());
    Files.createFile(file);
  }

  /** One of version 15, in production. */
  static byte[] controlFile() {
    ByteBuffer bytes = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(0, 7_000_000_000_000_000_001L);
    bytes.putInt(8, 1300);
    bytes.putInt(12, 202209061);
    bytes.putInt(16, 6);
    bytes.putLong(40, 0x1600_3002_D50L);
    bytes.putInt(48, 3);
    CRC32C crc = new CRC32C();
    crc.update(bytes.array(), 0, 288);
    bytes.putInt(288, (int) crc.getValue());
    return bytes.array();
  }
}
