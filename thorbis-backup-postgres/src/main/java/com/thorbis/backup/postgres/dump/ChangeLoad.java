package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.ChangeApply;
import com.thorbis.backup.postgres.changes.ChangeFrames;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Applies the changes that a backup has to a copy of its dump: all of them, or none. */
final class ChangeLoad {
  private final PostgresSettings into;
  private final BackupReader reader;
  private final ChangeLog log;
  private final RunControl control;
  private long applied;

  ChangeLoad(PostgresSettings into, BackupReader reader, ChangeLog log, RunControl control) {
    this.into = into;
    this.reader = reader;
    this.log = log;
    this.control = control;
  }

  /**
   * Does it.
   *
   * @return what needs a look
   */
  List<String> run(Predicate<Table> wanted, List<ChangeLog.Sequence> sequences) throws IOException {
    control.progress().begin("changes", -1);
    try (Connection sql = SqlConnections.open(into);
        Cancellation.Registration registration =
            control.cancellation().onCancel(() -> abort(sql))) {
      sql.setNetworkTimeout(Runnable::run, 0);
      sql.setAutoCommit(false);
      List<Table> missing;
      try (ChangeApply apply = new ChangeApply(sql, wanted)) {
        for (ChangeLog.Segment segment : log.segments()) {
          control.cancellation().check();
          extract(segment, apply);
        }
        missing = apply.end(sequences);
      }
      sql.commit();
      control.progress().end("changes");
      return missing.isEmpty()
          ? List.of()
          : List.of(
              "there is no sequence "
                  + missing.stream().map(Table::toString).collect(Collectors.joining(", ")));
    } catch (SQLException e) {
      control.cancellation().check();
      throw Failures.of(into, e);
    }
  }

  private static void abort(Connection sql) {
    try {
      sql.abort(Runnable::run);
    } catch (SQLException e) {
      // The session is on its way out either way.
    }
  }

  private void extract(ChangeLog.Segment segment, ChangeApply apply)
      throws IOException, SQLException {
    Applying target = new Applying(apply);
    try {
      reader.extract(
          file -> file.area() == StoredFile.Area.DATA && file.path().equals(segment.file()),
          target,
          control);
    } catch (IOException e) {
      if (target.failure != null) {
        throw target.failure;
      }
      throw e;
    }
    if (!target.finished) {
      throw new IOException("The backup has no " + segment.file());
    }
  }

  /** Takes the one file of a segment. */
  private final class Applying implements BackupReader.FileTarget, BackupReader.FileOutput {
    private final ChangeApply apply;
    private final ChangeFrames frames = new ChangeFrames();
    private volatile @Nullable SQLException failure;
    private volatile boolean finished;

    Applying(ChangeApply apply) {
      this.apply = apply;
    }

    @Override
    public BackupReader.FileOutput begin(StoredFile file) {
      return this;
    }

    @Override
    public void write(ByteBuffer plain) throws IOException {
      applied += plain.remaining();
      frames.take(plain, this::message);
      control.progress().advance(applied, -1);
    }

    private void message(ByteBuffer message) throws IOException {
      try {
        apply.apply(message);
      } catch (SQLException e) {
        failure = e;
        throw new IOException(e);
      }
    }

    @Override
    public void finish(int crc32c) throws IOException {
      frames.end();
      finished = true;
    }

    @Override
    public void close() {}
  }
}
