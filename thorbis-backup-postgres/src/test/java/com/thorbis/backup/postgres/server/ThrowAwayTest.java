package com.thorbis.backup.postgres.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.postgres.restore.TestSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ThrowAwayTest {
  @TempDir Path folder;

  private PostgresSettings settings;
  private Path markers;

  @BeforeEach
  void state() throws IOException {
    settings = TestSettings.of(folder.resolve("state"), Map.of());
    Files.createDirectory(folder.resolve("state"));
    markers = folder.resolve("state/tables/orders");
  }

  @Test
  void whatItMadeIsGoneWhenItCloses() throws IOException {
    Path output = folder.resolve("out.sql");
    Path place;
    Path sockets;
    try (ThrowAway run = make(Optional.of(output))) {
      place = run.dataDirectory().getParent();
      sockets = run.sockets();
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(place)))
          .isEqualTo("rwx------");
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(sockets)))
          .isEqualTo("rwx------");
      Files.createDirectories(run.dataDirectory().resolve("base/1"));
      Files.writeString(run.dataDirectory().resolve("base/1/2"), "x");
      Files.writeString(run.unfinished(), "x");
    }
    assertThat(place).doesNotExist();
    assertThat(sockets).doesNotExist();
    assertThat(markers).isEmptyDirectory();
    assertThat(names(folder)).containsExactly("state");
  }

  @Test
  void whatALivingRunHasIsNeverRemoved() throws IOException {
    try (ThrowAway run = make(Optional.empty())) {
      assertThat(ThrowAway.sweep(settings, ThrowAway.Databases.NONE)).isEmpty();
      // As another process sees it, which goes by the lock.
      Path marker = markers.resolve(names(markers).get(0));
      Path others = Files.move(marker, markers.resolve("1-1-0123.run"));
      assertThat(ThrowAway.leftovers(settings)).isEmpty();
      assertThat(ThrowAway.sweep(settings, ThrowAway.Databases.NONE)).isEmpty();
      assertThat(run.dataDirectory().getParent()).exists();
      Files.move(others, marker);
    }
  }

  @Test
  void whatAKilledRunLeftIsRemovedAndNothingThatALinkInItLeadsTo() throws IOException {
    Path outside = Files.createDirectory(folder.resolve("outside"));
    Files.writeString(outside.resolve("precious"), "x");
    Path left = Files.createDirectories(folder.resolve("left/data/pg_tblspc")).getParent();
    Files.createSymbolicLink(left.resolve("pg_tblspc/1"), outside);
    Path sockets = Files.createSymbolicLink(folder.resolve("sockets"), outside);
    Path file = Files.writeString(folder.resolve(".out"), "x");
    Files.createDirectories(markers);
    Files.writeString(
        markers.resolve("1-1-0123.run"),
        "# text\nfolder " + left.getParent() + "\nsockets " + sockets + "\nfile " + file + "\n");

    assertThat(ThrowAway.leftovers(settings)).containsExactly(left.getParent().toString());
    assertThat(left).exists();
    Files.delete(sockets);
    assertThat(ThrowAway.sweep(settings, ThrowAway.Databases.NONE))
        .containsExactly(left.getParent().toString());
    assertThat(left.getParent()).doesNotExist();
    assertThat(file).doesNotExist();
    assertThat(outside.resolve("precious")).exists();
    assertThat(markers).isEmptyDirectory();
    assertThat(ThrowAway.sweep(settings, ThrowAway.Databases.NONE)).isEmpty();
  }

  @Test
  void aDatabaseOfAnotherServerStaysWrittenDownUntilItIsKnownToBeGone() throws IOException {
    Path left = Files.createDirectory(folder.resolve("thorbis-0123"));
    Files.createDirectories(markers);
    Files.writeString(
        markers.resolve("1-1-0123.run"),
        "folder " + left + "\nsockets " + folder.resolve("s") + "\ndatabase-on db:5432\n");
    String dropped = "the database \"thorbis-0123\" on db:5432";
    String database = dropped + ", if it was made";
    assertThat(ThrowAway.leftovers(settings)).containsExactly(left.toString(), database);

    assertThat(ThrowAway.sweep(settings, ThrowAway.Databases.NONE))
        .containsExactly(left.toString());
    assertThat(ThrowAway.leftovers(settings)).containsExactly(database);

    List<String> asked = new ArrayList<>();
    ThrowAway.Databases server =
        (address, name) -> {
          asked.add(address + " " + name);
          return ThrowAway.Dropped.GONE;
        };
    assertThat(ThrowAway.sweep(settings, server)).containsExactly(dropped);
    assertThat(asked).containsExactly("db:5432 thorbis-0123");
    assertThat(markers).isEmptyDirectory();
  }

  @Test
  void aRunThatCouldNotDropItsDatabaseLeavesItWrittenDown() throws IOException {
    for (boolean settled : List.of(true, false)) {
      String name;
      try (ThrowAway run =
          ThrowAway.make(
              settings,
              ThrowAway.parent(settings, Optional.empty()),
              Optional.empty(),
              Optional.of("db:5432"))) {
        name = run.database();
        run.databaseBegun();
        if (settled) {
          run.databaseSettled();
        }
      }
      if (settled) {
        assertThat(markers).isEmptyDirectory();
      } else {
        assertThat(ThrowAway.leftovers(settings)) // by the same process
            .containsExactly("the database \"" + name + "\" on db:5432, if it was made");
      }
    }
  }

  private ThrowAway make(Optional<Path> output) throws IOException {
    return ThrowAway.make(
        settings, ThrowAway.parent(settings, Optional.empty()), output, Optional.empty());
  }

  private static List<String> names(Path place) throws IOException {
    try (Stream<Path> entries = Files.list(place)) {
      return entries.map(entry -> entry.getFileName().toString()).sorted().toList();
    }
  }
}
