package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.BaseBackupOptions;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ReplicationConnection.BaseBackupEnd;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.postgres.wire.ServerException;
import com.thorbis.backup.postgres.wire.ServerMessage;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** Reads over the replication protocol, in one stream. Needs nothing but the right to replicate. */
final class ReplicationReader implements ClusterReader {
  private static final int FIRST_WITH_SUMMARIES = 17;

  private final PostgresSettings settings;
  private final RunControl control;
  private final ReplicationConnection connection;
  private final Repository repository;

  /**
   * Reads over a connection.
   *
   * @param connection stays the caller's
   */
  ReplicationReader(
      PostgresSettings settings,
      RunControl control,
      ReplicationConnection connection,
      Repository repository) {
    this.settings = settings;
    this.control = control;
    this.connection = connection;
    this.repository = repository;
  }

  @Override
  public String name() {
    return PostgresSettings.Reader.REPLICATION.label();
  }

  @Override
  public Outcome read(Reading reading) throws IOException {
    try (Attempts attempts =
        new Attempts(
            detection ->
                new BackupReceiver(
                    reading.writer(),
                    reading.journal().progress(),
                    reading.cluster().systemId(),
                    reading.checkPages(),
                    detection,
                    reading.begun(),
                    reading.startedAt()))) {
      Received received = receive(reading, attempts);
      notices(reading.journal(), received.end().damagedPages());
      BackupReceiver receiver = received.receiver();
      return new Outcome(
          receiver.start(), received.end().stop(), receiver.tablespaces(), receiver.pages());
    }
  }

  /** What came, and how it ended. */
  private record Received(BackupReceiver receiver, BaseBackupEnd end) {}

  private Received receive(Reading reading, Attempts attempts) throws IOException {
    BackupDescriptor base = reading.choice().base();
    String label = reading.label();
    if (base == null) {
      return receive(attempts.with(ChangeDetection.NONE), label, false);
    }
    String reason = summariesMissing();
    if (reason.isEmpty()) {
      BackupReceiver receiver = attempts.with(ChangeDetection.SUMMARIES);
      try {
        uploadManifest(base);
        reading.detected(ChangeDetection.SUMMARIES, "");
        return receive(receiver, label, true);
      } catch (ServerException e) {
        // What the server says before it sends anything is about its summaries.
        if (receiver.begun()) {
          throw e;
        }
        connection.takeNotices(); // that it gave up
        reason = "the server cannot say what changed: " + e.answer().message();
      }
    }
    ChangeDetection detection = reading.byPages(reason);
    reading.journal().note("Reads everything to find what changed: " + reason);
    return receive(attempts.with(detection), label, false);
  }

  private Received receive(BackupReceiver receiver, String label, boolean incremental)
      throws IOException {
    BaseBackupEnd end =
        connection.baseBackup(
            new BaseBackupOptions(
                label,
                settings.fastCheckpoint(),
                settings.rateLimit() == 0 ? 0 : Math.max(1, settings.rateLimit() >> 10),
                settings.verifyChecksums(),
                incremental),
            receiver);
    WalPosition start = receiver.start();
    if (!start.timeline().equals(end.stop().timeline())) {
      throw timelineChanged(
          "The server went from timeline "
              + start.timeline()
              + " to "
              + end.stop().timeline()
              + " during the backup",
          null);
    }
    return new Received(receiver, end);
  }

  /** Why the server cannot send changes only; empty if it may be able to. */
  private String summariesMissing() throws IOException {
    if (connection.majorVersion() < FIRST_WITH_SUMMARIES) {
      return "PostgreSQL " + connection.majorVersion() + " does not summarize its WAL";
    }
    return connection.show("summarize_wal").equals("on") ? "" : "summarize_wal is off";
  }

  private void uploadManifest(BackupDescriptor base) throws IOException {
    try (BackupReader reader = repository.open(base.id())) {
      connection.uploadManifest(
          target ->
              reader.extract(
                  file ->
                      file.area() == StoredFile.Area.META
                          && file.path().equals(BackupReceiver.MANIFEST),
                  file ->
                      new BackupReader.FileOutput() {
                        @Override
                        public void write(ByteBuffer plain) throws IOException {
                          target.write(plain);
                        }

                        @Override
                        public void finish(int crc32c) {}

                        @Override
                        public void close() {}
                      },
                  new RunControl(control.cancellation(), Progress.NONE)));
    } catch (RepositoryException e) {
      if (e.kind() == FailureKind.DAMAGED) {
        throw new UnusableBaseException(String.valueOf(e.getMessage()));
      }
      throw e;
    }
  }

  /** Makes receivers; a server that refuses one way of a backup is asked for another. */
  private static final class Attempts implements AutoCloseable {
    private final Maker maker;
    private @Nullable BackupReceiver last;

    /** Makes a receiver. */
    private interface Maker {
      BackupReceiver make(ChangeDetection detection) throws IOException;
    }

    Attempts(Maker maker) {
      this.maker = maker;
    }

    BackupReceiver with(ChangeDetection detection) throws IOException {
      close();
      BackupReceiver next = maker.make(detection);
      last = next;
      return next;
    }

    @Override
    public void close() throws IOException {
      BackupReceiver made = last;
      last = null;
      if (made != null) {
        made.close();
      }
    }
  }

  static BackupException timelineChanged(String message, @Nullable Exception cause) {
    return BackupException.of("backup.timeline-changed", FailureKind.TRANSIENT, message)
        .remedy("Run the backup again.")
        .cause(cause)
        .build();
  }

  private void notices(Journal journal, boolean damagedPages) {
    int said = 0;
    for (ServerMessage notice : connection.takeNotices()) {
      if (notice.severity().equals("WARNING") && said++ < Journal.MOST_WARNINGS) {
        journal.warn("the server says: " + notice.message());
      }
    }
    if (damagedPages) {
      journal.warn("the server found pages whose checksum is wrong");
    }
  }

  @Override
  public void close() {}
}
