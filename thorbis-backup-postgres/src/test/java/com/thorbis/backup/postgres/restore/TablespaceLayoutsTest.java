package com.thorbis.backup.postgres.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.spi.repository.BackupFacts.Tablespace;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The layouts of tablespaces that other tools got wrong once. */
class TablespaceLayoutsTest {
  @TempDir Path folder;

  private FolderRepository repository;

  @BeforeEach
  void prepare() throws IOException {
    folder = folder.toRealPath();
    repository = Clusters.small(folder);
  }

  @Test
  void w27NamesThatBeginAlikeAreDifferentPlaces() throws IOException {
    backedUpAt("/srv/not there/ts", "/srv/not there/ts1");
    restore(
        request()
            .tablespace("/srv/not there/ts", folder.resolve("new"))
            .tablespace("/srv/not there/ts1", folder.resolve("new1")));
    assertLaid(1, folder.resolve("new"));
    assertLaid(2, folder.resolve("new1"));
  }

  @Test
  void w27OneInsideAnotherIsRefused() throws IOException {
    backedUpAt("/srv/not there/one", "/srv/not there/two");
    assertRefused(
        "restore.tablespaces-overlap",
        request()
            .tablespace("one1", folder.resolve("new"))
            .tablespace("one2", folder.resolve("new/inner")));
  }

  @Test
  void w27AnOuterOneThatComesSecondIsRefused() throws IOException {
    backedUpAt("/srv/not there/one", "/srv/not there/two");
    assertRefused(
        "restore.tablespaces-overlap",
        request()
            .tablespace("one1", folder.resolve("new/inner"))
            .tablespace("one2", folder.resolve("new")));
  }

  @Test
  void w27APlaceThatIsALinkIsLaidWhereItLeads() throws IOException {
    backedUpAt("/srv/not there/one");
    Path real = Files.createDirectory(folder.resolve("real"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), real);
    restore(request().tablespace("one1", link));
    assertLaid(1, real);
  }

  @Test
  void w27ALinkToALinkIsFollowedToItsEnd() throws IOException {
    backedUpAt("/srv/not there/one");
    Path real = Files.createDirectory(folder.resolve("real"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), real);
    Path links = Files.createSymbolicLink(folder.resolve("links"), link);
    restore(request().tablespace("one1", links));
    assertLaid(1, real);
  }

  @Test
  void w27TwoLinksToOnePlaceAreRefused() throws IOException {
    backedUpAt("/srv/not there/one", "/srv/not there/two");
    Path real = Files.createDirectory(folder.resolve("real"));
    Path a = Files.createSymbolicLink(folder.resolve("a"), real);
    Path b = Files.createSymbolicLink(folder.resolve("b"), real);
    assertRefused(
        "restore.tablespaces-overlap", request().tablespace("one1", a).tablespace("one2", b));
  }

  @Test
  void w27APlaceInsideTheDataDirectoryIsRefused() throws IOException {
    backedUpAt("/srv/not there/one");
    assertRefused(
        "restore.tablespaces-overlap",
        request().tablespace("one1", folder.resolve("target/inside")));
  }

  @Test
  void w27ALinkIntoTheDataDirectoryIsRefused() throws IOException {
    backedUpAt("/srv/not there/one");
    Files.createDirectory(folder.resolve("target"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("target"));
    assertRefused("restore.tablespaces-overlap", request().tablespace("one1", link));
  }

  @Test
  void w27ADataDirectoryInsideATablespacesPlaceIsRefused() throws IOException {
    backedUpAt("/srv/not there/one");
    Path outer = folder.resolve("outer");
    assertRefused(
        "restore.tablespaces-overlap",
        RestoreRequest.builder("orders", outer.resolve("target")).tablespace("one1", outer));
  }

  @Test
  void w27SpacesAndBackslashesAreKept() throws IOException {
    backedUpAt("/srv/not there/my data");
    Path place = folder.resolve(" new  place\\ of 'mine' ");
    restore(request().tablespace("/srv/not there/my data", place));
    assertLaid(1, place);
    assertThat(folder.resolve("target/tablespace_map"))
        .content()
        .isEqualTo("16385 " + place.toString().replace("\\", "\\\\") + "\n");
  }

  @Test
  void w27NamesInOtherScriptsAreKept() throws IOException {
    backedUpAt("/srv/not there/\u0434\u0430\u043d\u043d\u044b\u0435");
    Path place = folder.resolve("\u65b0\u3057\u3044");
    restore(request().tablespace("16385", place));
    assertLaid(1, place);
  }

  @Test
  void w27AMissingPlaceIsMadeWithTheFoldersAbove() throws IOException {
    backedUpAt("/srv/not there/one");
    Path place = folder.resolve("not/there/yet");
    restore(request().tablespace("one1", place));
    assertLaid(1, place);
    assertThat(Files.getPosixFilePermissions(place)).hasSize(3);
  }

  @Test
  void w27APlaceThatHoldsAnythingIsNeverFilled() throws IOException {
    backedUpAt("/srv/not there/one");
    Path place = Files.createDirectory(folder.resolve("place"));
    Files.writeString(place.resolve("mine"), "mine");
    assertRefused("restore.target-not-empty", request().tablespace("one1", place));
    assertThat(place.resolve("mine")).hasContent("mine");
  }

  @Test
  void w27ALinkThatLeadsNowhereIsRefused() throws IOException {
    backedUpAt("/srv/not there/one");
    Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("nowhere"));
    assertRefused("restore.target-not-empty", request().tablespace("one1", link));
  }

  private void backedUpAt(String... locations) throws IOException {
    Tablespace[] all = new Tablespace[locations.length];
    for (int i = 0; i < locations.length; i++) {
      all[i] = new Tablespace(16385 + i, "one" + (i + 1), locations[i]);
      repository.add(
          Area.DATA,
          "pg_tblspc/" + (16385 + i) + "/PG_15/5/16390",
          Kind.FILE,
          Clusters.bytes("rows of " + (i + 1)));
    }
    repository.facts(Clusters.facts(all));
  }

  private void assertLaid(int number, Path place) throws IOException {
    assertThat(place.resolve("PG_15/5/16390")).hasContent("rows of " + number);
    assertThat(Files.readSymbolicLink(folder.resolve("target/pg_tblspc/" + (16384 + number))))
        .isEqualTo(place);
  }

  private void assertRefused(String code, RestoreRequest.Builder request) {
    assertThatThrownBy(() -> restore(request))
        .isInstanceOfSatisfying(BackupException.class, e -> assertThat(e.code()).isEqualTo(code));
    assertThat(folder.resolve("target/global")).doesNotExist();
  }

  private RestoreRequest.Builder request() {
    return RestoreRequest.builder("orders", folder.resolve("target"));
  }

  private void restore(RestoreRequest.Builder request) throws IOException {
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
    new Restorer(TestSettings.of(folder.resolve("state"), Map.of()))
        .restore(
            request.build(),
            plan,
            FolderRepository.INCARNATION,
            repository,
            RunControl.unattended());
  }
}
