package com.thorbis.backup.postgres.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a restore refuses, and what it writes without a server. */
class RestorerTest {
  @TempDir Path folder;

  private FolderRepository repository;

  @BeforeEach
  void prepare() throws IOException {
    folder = folder.toRealPath();
    repository = Clusters.small(folder);
  }

  @ParameterizedTest
  @MethodSource("com.thorbis.backup.postgres.restore.EntryPathTest#hostile")
  void aHostileEntryStopsTheRestoreBeforeAnythingIsWritten(String path) throws IOException {
    repository.add(Area.DATA, path, Kind.FILE, Clusters.bytes("evil"));
    assertRefused("restore.hostile-path");
    assertThat(folder.resolve("target")).doesNotExist();
  }

  @ParameterizedTest
  @CsvSource({
    "base, FILE",
    "base/5/1259, FILE",
    "base/5/1259/x, FILE",
    "base/5/1259, DIRECTORY",
    "global, FILE",
    "pg_wal, FILE",
    "pg_tblspc, FILE",
    "pg_tblspc/99999/x, FILE",
    "pg_tblspc/99999, DIRECTORY",
    "pg_tblspc/99999, FILE",
    "pg_tblspc/01/x, FILE",
    "pg_wal/thorbis/alive, FILE",
    "recovery.signal/x, FILE",
    "postgresql.auto.conf, DIRECTORY",
    "backup_manifest/x, FILE",
    "backup_label, DIRECTORY"
  })
  void anEntryInTheWayOfAnotherStopsTheRestore(String path, Kind kind) throws IOException {
    repository.add(Area.DATA, path, kind, kind == Kind.FILE ? Clusters.bytes("evil") : new byte[0]);
    assertRefused("restore.hostile-path");
    assertThat(folder.resolve("target/global/pg_control")).doesNotExist();
  }

  @ParameterizedTest
  @CsvSource({
    "DATA, SYMBOLIC_LINK",
    "DATA, HARD_LINK",
    "CONFIG, SYMBOLIC_LINK",
    "CONFIG, HARD_LINK",
    "META, SYMBOLIC_LINK"
  })
  void aLinkIsNoEntryOfAServer(Area area, Kind kind) throws IOException {
    repository.add(
        new StoredFile(
            area,
            "base/5/link",
            kind,
            0,
            0777,
            Instant.EPOCH,
            Optional.of("/etc/passwd"),
            Optional.empty()));
    assertRefused("restore.hostile-path");
    assertThat(folder.resolve("target/global/pg_control")).doesNotExist();
  }

  @Test
  void hostileConfigurationStaysOut() throws IOException {
    repository.add(Area.CONFIG, "../../pg_hba.conf", Kind.FILE, Clusters.bytes("evil"));
    assertRefused("restore.hostile-path");
  }

  @Test
  void w17w30StaleFilesOfTheSourceAreLeftOut() throws IOException {
    for (String name :
        new String[] {
          "recovery.signal",
          "standby.signal",
          "postmaster.pid",
          "postmaster.opts",
          "backup_label.old",
          "tablespace_map.old",
          "tablespace_map",
          "promote",
          "pg_replslot/mine/state",
          "pg_wal/000000010000000000000002"
        }) {
      repository.add(Area.DATA, name, Kind.FILE, Clusters.bytes("stale"));
    }
    restore();
    Path target = folder.resolve("target");
    try (Stream<Path> files = Files.walk(target)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        assertThat(Files.readString(file, StandardCharsets.ISO_8859_1))
            .as(file.toString())
            .isNotEqualTo("stale");
      }
    }
    assertThat(target.resolve("recovery.signal")).isEmptyFile();
    assertThat(target.resolve("standby.signal")).doesNotExist();
    assertThat(target.resolve("tablespace_map")).doesNotExist();
    assertThat(target.resolve("pg_replslot")).isEmptyDirectory();
    assertThat(target.resolve("pg_wal/archive_status")).isEmptyDirectory();
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "01", "10", "0110", "00100", "1", "11"})
  void holesAreAsLongAsTheyWere(String pages) throws IOException {
    byte[] content = new byte[pages.length() * 8192];
    for (int i = 0; i < pages.length(); i++) {
      Arrays.fill(content, i * 8192, (i + 1) * 8192, (byte) (pages.charAt(i) - '0'));
    }
    repository
        .add(Area.DATA, "base/5/holes", Kind.FILE, content)
        .add(Area.CONFIG, "holes.conf", Kind.FILE, content);
    RestoreReport report = restore();
    assertThat(report.bytesWritten()).isGreaterThan(content.length);
    assertThat(folder.resolve("target/base/5/holes")).hasBinaryContent(content);
    assertThat(Files.readString(folder.resolve("target/backup_manifest")))
        .containsPattern(
            "base/5/holes.*" + HexFormat.of().toHexDigits(Integer.reverseBytes(crc(content))));
  }

  private static int crc(byte[] content) {
    CRC32C crc = new CRC32C();
    crc.update(content);
    return (int) crc.getValue();
  }

  @Test
  void aFolderThatHoldsAnythingIsRefused() throws IOException {
    Path target = Files.createDirectory(folder.resolve("target"));
    Path mine = Files.writeString(target.resolve(".hidden"), "mine");
    assertRefused("restore.target-not-empty");
    assertThat(mine).hasContent("mine");
    Files.delete(mine);
    restore();
    assertThat(target.resolve("PG_VERSION")).doesNotExist();
    assertThat(target.resolve("global/pg_control")).exists();
  }

  @Test
  void aTargetThatIsALinkOrAFileIsHandledAsWhatItIs() throws IOException {
    Files.writeString(folder.resolve("target"), "a file");
    assertRefused("restore.target-not-empty");
    Files.delete(folder.resolve("target"));
    Files.createSymbolicLink(folder.resolve("target"), folder.resolve("nowhere"));
    assertRefused("restore.target-not-empty");
    Files.delete(folder.resolve("target"));
    Path real = Files.createDirectory(folder.resolve("real"));
    Files.createSymbolicLink(folder.resolve("target"), real);
    assertThat(restore().targetDirectory()).isEqualTo(real);
  }

  @Test
  void aLabelOfAnotherBackupIsRefused() throws IOException {
    repository
        .remove("backup_label")
        .add(
            Area.DATA,
            "backup_label",
            Kind.FILE,
            Clusters.bytes(Clusters.LABEL.replace("0/2000028", "0/1000028")));
    assertRefused("restore.wrong-label");
    repository.remove("backup_label");
    assertRefused("restore.incomplete-backup");
  }

  @Test
  void aControlFileOfAnotherClusterIsRefused() throws IOException {
    repository
        .remove("global/pg_control")
        .add(Area.DATA, "global/pg_control", Kind.FILE, Clusters.controlFile(Clusters.SYSTEM + 1));
    assertRefused("restore.other-cluster");
  }

  @Test
  void configurationFromOutsideIsLaidBesideAndAMinimalOneWritten() throws IOException {
    repository
        .add(Area.CONFIG, "postgresql.conf", Kind.FILE, Clusters.bytes("max_connections = 1000\n"))
        .add(Area.CONFIG, "conf.d/more.conf", Kind.FILE, Clusters.bytes("x\n"));
    RestoreReport report = restore();
    assertThat(folder.resolve("target-config/postgresql.conf"))
        .hasContent("max_connections = 1000");
    assertThat(folder.resolve("target-config/conf.d/more.conf")).hasContent("x");
    assertThat(folder.resolve("target/postgresql.conf"))
        .content()
        .contains("max_connections = 321");
    assertThat(folder.resolve("target/pg_hba.conf"))
        .content()
        .contains("local all all peer map=owner")
        .doesNotContain("trust");
    assertThat(report.next().toString()).contains("target-config");
  }

  @Test
  void aTablespaceInsideTheDataDirectoryStaysThere() throws IOException {
    repository.facts(
        Clusters.facts(new BackupFacts.Tablespace(16385, "inside", "pg_tblspc/16385")));
    repository.add(Area.DATA, "pg_tblspc/16385/PG_15/5/16390", Kind.FILE, Clusters.bytes("rows"));
    restore();
    assertThat(folder.resolve("target/pg_tblspc/16385/PG_15/5/16390")).hasContent("rows");
    assertThat(folder.resolve("target/tablespace_map")).doesNotExist();
  }

  @ParameterizedTest
  @CsvSource({"16385", "fast", "/srv/not there/fast"})
  void aTablespaceIsMappedByEachOfItsNames(String name) throws IOException {
    repository.facts(
        Clusters.facts(new BackupFacts.Tablespace(16385, "fast", "/srv/not there/fast")));
    repository.add(Area.DATA, "pg_tblspc/16385", Kind.DIRECTORY, new byte[0]);
    repository.add(Area.DATA, "pg_tblspc/16385/PG_15/5/16390", Kind.FILE, Clusters.bytes("rows"));
    Path place = folder.resolve("new place \u00e4\\x");
    restore(request().tablespace(name, place).build());
    assertThat(place.resolve("PG_15/5/16390")).hasContent("rows");
    assertThat(folder.resolve("target/tablespace_map"))
        .hasContent("16385 " + place.toString().replace("\\", "\\\\"));
    assertThat(Files.readSymbolicLink(folder.resolve("target/pg_tblspc/16385"))).isEqualTo(place);
  }

  @Test
  void anUnmappedTablespaceGoesToItsPlaceIfNothingIsThere() throws IOException {
    Path place = folder.resolve("srv/fast");
    repository.facts(Clusters.facts(new BackupFacts.Tablespace(16385, "fast", place.toString())));
    repository.add(Area.DATA, "pg_tblspc/16385/PG_15/5/16390", Kind.FILE, Clusters.bytes("rows"));
    restore();
    assertThat(place.resolve("PG_15/5/16390")).hasContent("rows");
  }

  @Test
  void tablespacesThatOverlapAreRefused() throws IOException {
    repository.facts(
        Clusters.facts(
            new BackupFacts.Tablespace(16385, "one", "/srv/one"),
            new BackupFacts.Tablespace(16386, "two", "/srv/two")));
    Path place = folder.resolve("place");
    for (String[] places :
        new String[][] {
          {"place", "place"},
          {"place", "place/inner"},
          {"place/inner", "place"},
          {"target", "other"},
          {"target/pg_tblspc/x", "other"},
          {"other", "."}
        }) {
      assertThatThrownBy(
              () ->
                  restore(
                      request()
                          .tablespace("one", folder.resolve(places[0]))
                          .tablespace("two", folder.resolve(places[1]))
                          .build()))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.REFUSED));
    }
    // A name that only begins alike does not overlap.
    restore(request().tablespace("one", place).tablespace("two", folder.resolve("place2")).build());
    assertThat(place).exists();
  }

  @Test
  void aMappingThatNamesNothingIsAMistake() throws IOException {
    assertThatThrownBy(() -> restore(request().tablespace("fsat", folder.resolve("place")).build()))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.code()).isEqualTo("restore.unknown-tablespace"));
  }

  private void assertRefused(String code) throws IOException {
    List<String> before = outside();
    assertThatThrownBy(this::restore)
        .isInstanceOfSatisfying(BackupException.class, e -> assertThat(e.code()).isEqualTo(code));
    assertThat(outside()).isEqualTo(before);
  }

  /** Everything that is not below the target. */
  private List<String> outside() throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .filter(path -> !path.startsWith(folder.resolve("target")))
          .map(Path::toString)
          .sorted()
          .toList();
    }
  }

  private RestoreRequest.Builder request() {
    return RestoreRequest.builder("orders", folder.resolve("target"));
  }

  private RestoreReport restore() throws IOException {
    return restore(request().build());
  }

  private RestoreReport restore(RestoreRequest request) throws IOException {
    RestorePlan plan =
        new RestorePlan(
            repository.descriptor(),
            new RecoveryTarget.Latest(),
            new Timeline(1),
            List.of(),
            0,
            0,
            List.of(),
            Optional.empty(),
            Optional.empty());
    RestoreReport report =
        new Restorer(TestSettings.of(folder.resolve("state"), Map.of()))
            .restore(
                request, plan, FolderRepository.INCARNATION, repository, RunControl.unattended());
    assertThat(Files.isDirectory(report.targetDirectory(), LinkOption.NOFOLLOW_LINKS)).isTrue();
    return report;
  }
}
