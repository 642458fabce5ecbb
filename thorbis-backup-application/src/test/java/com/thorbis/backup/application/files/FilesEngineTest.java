package com.thorbis.backup.application.files;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.application.app.ApplicationEngine;
import com.thorbis.backup.application.app.ApplicationType;
import com.thorbis.backup.application.app.Gap;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which backups count as whole, and what is said of those that may lack something. */
class FilesEngineTest {
  @TempDir Path temp;
  private Path docs;
  private Path notes;
  private final MemoryRepository repository = new MemoryRepository();
  private final Set<Path> closed = new HashSet<>();

  @BeforeEach
  void init() throws IOException {
    docs = Files.createDirectory(temp.resolve("docs"));
    Files.writeString(docs.resolve("f"), "1");
    Files.writeString(Files.createDirectory(docs.resolve("sub")).resolve("g"), "2");
    notes = Files.writeString(temp.resolve("notes"), "3");
  }

  /** A disk that does not let this account open some things. */
  private final class Closed extends Disk {
    @Override
    Folder open(Path folder) throws IOException {
      deny(folder);
      return wrap(folder, super.open(folder));
    }

    @Override
    Folder pass(Path folder) {
      return wrap(folder, super.pass(folder));
    }

    private void deny(Path path) throws IOException {
      if (closed.contains(path)) {
        throw new AccessDeniedException(path.toString());
      }
    }

    private Folder wrap(Path path, Folder inner) {
      return new OtherFolder(inner) {
        @Override
        public Folder open(Path name) throws IOException {
          deny(path.resolve(name));
          return wrap(path.resolve(name), super.open(name));
        }

        @Override
        public java.nio.channels.SeekableByteChannel read(Path name) throws IOException {
          deny(path.resolve(name));
          return super.read(name);
        }
      };
    }
  }

  private FilesEngine engine() {
    return FilesEngine.builder("home").path(docs).path(notes).disk(new Closed()).build();
  }

  private BackupDescriptor backup() throws IOException {
    return engine()
        .backup(
            BackupRequest.builder("home").build(),
            repository.asRepository(),
            RunControl.unattended());
  }

  private CheckItem check() throws IOException {
    return engine().check(repository.asRepository()).stream()
        .filter(item -> item.subject().equals("files.backup"))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void whatIsAllThereIsWhole() throws IOException {
    BackupDescriptor backup = backup();
    assertThat(backup.partial()).isFalse();
    assertThat(backup.warnings()).isEmpty();
    assertThat(backup.status()).isEqualTo(BackupStatus.COMPLETE);
    assertThat(backup().type()).isEqualTo(BackupType.INCREMENTAL);
    assertThat(check().outcome()).isEqualTo(CheckItem.Outcome.OK);
  }

  @Test
  void aPathThatCannotBeReadMakesItPartial() throws IOException {
    closed.add(docs);
    BackupDescriptor folder = backup();
    assertThat(folder.partial()).isTrue();
    assertThat(folder.status()).isEqualTo(BackupStatus.COMPLETED_WITH_WARNING);
    assertThat(folder.warnings()).anySatisfy(text -> assertThat(text).startsWith(docs + " could"));
    assertThat(check().outcome()).isEqualTo(CheckItem.Outcome.WARN);
    closed.clear();
    assertThat(backup().partial()).isFalse();
    closed.add(notes);
    assertThat(backup().partial()).isTrue();
  }

  @Test
  void aFolderThatIsEmptyAndWasNotMakesItPartialUntilSomethingIsThere() throws IOException {
    backup();
    Path away = Files.move(docs, temp.resolve("away"));
    Files.createDirectory(docs);
    for (int i = 0; i < 2; i++) {
      BackupDescriptor backup = backup();
      assertThat(backup.partial()).isTrue();
      assertThat(backup.warnings())
          .singleElement()
          .asString()
          .startsWith(docs + " is empty now, and was not in the last backup");
    }
    repository.sealed = true; // whether it was empty cannot be looked at
    assertThat(backup().partial()).isTrue();
    repository.sealed = false;
    Files.delete(docs);
    Files.move(away, docs);
    assertThat(backup().partial()).isFalse();
  }

  @Test
  void aFolderThatWasAlwaysEmptyIsWhole() throws IOException {
    Files.move(docs, temp.resolve("away"));
    Files.createDirectory(docs);
    assertThat(backup().partial()).isFalse();
    assertThat(backup().partial()).isFalse();
  }

  @Test
  void checkSaysThatTheNewestMayLackSomething() throws IOException {
    closed.add(docs.resolve("sub"));
    BackupDescriptor backup = backup();
    assertThat(backup.partial()).isFalse();
    assertThat(backup.status()).isEqualTo(BackupStatus.COMPLETED_WITH_WARNING);
    CheckItem item = check();
    assertThat(item.outcome()).isEqualTo(CheckItem.Outcome.WARN);
    assertThat(item.message()).contains("with warnings");
    assertThat(item.remedy()).contains("show " + backup.id());
  }

  private List<Gap> gaps(BackupDescriptor files) throws IOException {
    try (ApplicationEngine engine =
        ApplicationEngine.builder("app", ApplicationType.STATIC)
            .none("source")
            .none("artifacts")
            .files("home")
            .build()) {
      return engine
          .backUp(
              Optional.empty(),
              Optional.of(other -> files),
              new MemoryRepository().asRepository(),
              RunControl.unattended())
          .report()
          .components()
          .stream()
          .flatMap(one -> one.gaps().stream())
          .toList();
    }
  }

  @Test
  void anApplicationSaysThatItsFilesMayLackSomething() throws IOException {
    assertThat(gaps(backup())).isEmpty();
    closed.add(docs.resolve("sub"));
    assertThat(gaps(backup()))
        .singleElement()
        .satisfies(
            gap -> {
              assertThat(gap.code()).isEqualTo("application.files-warnings");
              assertThat(gap.whole()).isFalse();
            });
    closed.add(docs);
    assertThat(gaps(backup()))
        .singleElement()
        .satisfies(
            gap -> {
              assertThat(gap.code()).isEqualTo("application.files-partial");
              assertThat(gap.whole()).isTrue();
            });
  }
}
