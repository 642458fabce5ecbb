package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.spi.repository.BackupWriter;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Optional;

/** Where changes begin that follow a dump which is being taken. */
interface Following extends AutoCloseable {
  /** The snapshot that the dump has to read; empty if it is one that is taken from now on. */
  Optional<String> snapshot();

  /** Where changes begin; empty if that is wherever the dump is. */
  Optional<Lsn> position();

  /**
   * What the next backups must find.
   *
   * @param session reads what the dump read
   * @param writer takes files that the next backups need besides
   */
  ChangeLog log(
      DatabaseSession session,
      BackupWriter writer,
      Contents contents,
      String schema,
      Timeline timeline,
      Lsn position,
      Instant asOf)
      throws IOException, SQLException;

  /** The dump is committed. */
  void keep();

  @Override
  void close();
}
