package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * The newest backup that changes were followed up to.
 *
 * @param backup what the catalogue says of it
 * @param log what it has of them
 * @param contents what the dump in it holds
 */
record ChangeChain(BackupDescriptor backup, ChangeLog log, Contents contents) {
  /** It, or why there is none. */
  record Found(Optional<ChangeChain> chain, String reason) {}

  static Found newest(PostgresSettings settings, Repository repository) throws IOException {
    Optional<SourceInfo> source = repository.source(settings.source());
    List<BackupDescriptor> backups = repository.backups(Optional.of(settings.source()));
    for (int i = backups.size() - 1; i >= 0 && source.isPresent(); i--) {
      BackupDescriptor backup = backups.get(i);
      if (backup.type().physical() || !backup.incarnation().equals(source.get().current().id())) {
        continue;
      }
      try (BackupReader reader = repository.open(backup.id())) {
        Optional<byte[]> log = reader.read(StoredFile.Area.META, ChangeLog.FILE);
        Optional<byte[]> contents =
            reader.read(StoredFile.Area.META, ArchiveFiles.ALONE.contents());
        if (log.isEmpty() || contents.isEmpty()) {
          continue; // a dump that nothing was to follow
        }
        if (!backup.letGoBy().isEmpty()) {
          return new Found(
              Optional.empty(),
              "backup "
                  + backup.id()
                  + " cannot be built on: "
                  + String.join(", ", backup.letGoBy())
                  + " let go of it by a retention of that copy");
        }
        return new Found(
            Optional.of(
                new ChangeChain(
                    backup, ChangeLog.parse(log.get()), Contents.parse(contents.get()))),
            "");
      } catch (RepositoryException e) {
        if (!e.code().equals("repository.sealed")) {
          throw e;
        }
        return new Found(Optional.empty(), String.valueOf(e.getMessage()));
      }
    }
    return new Found(Optional.empty(), "there is no dump yet that changes could follow");
  }
}
