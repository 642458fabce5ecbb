package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The files of an application's users: backups of another source, by reference. */
final class FilesReference implements Component {
  private static final String FILE = "files.json";

  private final String other;
  private @Nullable Function<String, BackupDescriptor> taker;

  FilesReference(String other) {
    this.other = other;
  }

  /** Backs the other source up first; a failure of that is one of this component. */
  void taker(@Nullable Function<String, BackupDescriptor> backup) {
    this.taker = backup;
  }

  static Optional<BackupDescriptor> newest(String source, Repository repository) {
    return repository.source(source).isEmpty()
        ? Optional.empty()
        : repository.backups(Optional.of(source)).stream()
            .filter(backup -> backup.status().restorable())
            .reduce((one, last) -> last);
  }

  @Override
  public String name() {
    return "files";
  }

  @Override
  public Prepared prepare(Repository repository, RunControl control) {
    Function<String, BackupDescriptor> backup = taker;
    BackupDescriptor newest =
        (backup == null ? newest(other, repository) : Optional.of(backup.apply(other)))
            .orElseThrow(
                () ->
                    BackupException.of(
                            "application.files-not-backed-up",
                            FailureKind.PERMANENT,
                            "Source " + other + ", which holds its files, has no backup")
                        .remedy("Run backup " + other + ".")
                        .build());
    Document document =
        Document.of(
            Map.of("source", other, "backup", newest.id(), "stoppedAt", newest.stoppedAt()));
    return new WrittenDocuments(Map.of(FILE, document), gaps(newest), Map.of());
  }

  private List<Gap> gaps(BackupDescriptor newest) {
    boolean warned = newest.status() == BackupStatus.COMPLETED_WITH_WARNING;
    if (!newest.partial() && !warned) {
      return List.of();
    }
    return List.of(
        new Gap(
            other,
            newest.partial() ? "application.files-partial" : "application.files-warnings",
            "Backup "
                + newest.id()
                + " of "
                + other
                + (newest.partial() ? " is partial" : " has warnings, and may lack files"),
            "Look at its warnings with show " + newest.id() + ".",
            newest.partial()));
  }

  @Override
  public List<Step> plan(StoredComponent stored, RestoreWish wish) throws IOException {
    Document document = stored.document(FILE);
    return List.of(
        Step.none(
            document.require("source"),
            Step.Action.BY_HAND,
            "restore backup " + document.require("backup") + " of that source"));
  }

  @Override
  public String check() {
    return "Files are in backups of " + other;
  }

  @Override
  public void close() {}
}
