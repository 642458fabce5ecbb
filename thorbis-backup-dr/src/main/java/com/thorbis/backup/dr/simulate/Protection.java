package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.SourceStatus.Window;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.engine.Trial;
import com.thorbis.backup.spi.engine.TrialEngine;
import com.thorbis.backup.spi.engine.TrialRequest;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * What protects the primary of an environment: a repository in its folder with a backup and, from
 * then on, its log. By what protects production.
 */
final class Protection implements AutoCloseable {
  private static final String SOURCE = "database";
  private static final long CLOSING_SECONDS = 10;

  private final ThorbisBackup opened;
  private final Path folder;
  private final Cancellation enough = new Cancellation();
  private final Thread receiver;
  private volatile String ended = "";

  private Protection(ThorbisBackup opened, Path folder) {
    this.opened = opened;
    this.folder = folder;
    this.receiver = new Thread(this::receive, "environment-log");
    this.receiver.setDaemon(true);
  }

  /**
   * Starts to keep the log, and takes a backup.
   *
   * @param folder of the environment
   * @param asRoot whether root runs servers without a name
   */
  static Protection start(
      LocalEnvironment.Node primary,
      Path programs,
      SecretValue password,
      SecretValue passphrase,
      Path folder,
      boolean asRoot,
      Clock clock)
      throws IOException {
    Map<String, Object> source = new HashMap<>();
    source.put(
        "url",
        "jdbc:postgresql://"
            + primary.address()
            + "/"
            + LocalEnvironment.DATABASE
            + "?sslmode=disable");
    source.put("user", LocalEnvironment.SUPERUSER);
    source.put("password", password);
    source.put("bin-directory", programs.toString());
    source.put("wal.ship-interval", "200ms");
    if (asRoot) {
      source.put("server-user", "root");
    }
    Path repository = Files.createDirectory(folder.resolve("repository"));
    Protection made =
        new Protection(
            ThorbisBackup.builder()
                .stateDirectory(folder.resolve("state"))
                .copy(repository.toUri(), Map.of())
                .recipient(URI.create("passphrase:environment"), Map.of("passphrase", passphrase))
                .acceptSingleKeyRisk(true)
                .source(SOURCE, "postgres", source)
                .clock(clock)
                .build(),
            folder);
    boolean works = false;
    try {
      made.opened.init();
      made.receiver.start();
      made.opened.backup(
          BackupRequest.builder(SOURCE).type(BackupType.FULL).build(), RunControl.unattended());
      works = true;
      return made;
    } finally {
      if (!works) {
        made.close();
      }
    }
  }

  private void receive() {
    try {
      opened.receiveWal(new ReceiveRequest(SOURCE, false), new RunControl(enough, Progress.NONE));
    } catch (RuntimeException e) {
      ended = String.valueOf(e.getMessage());
    }
  }

  /** Up to where the log is stored; empty if none is. */
  Optional<Lsn> stored() {
    return opened.status(SOURCE).windows().stream()
        .map(Window::toLsn)
        .max(Comparator.naturalOrder());
  }

  /** Why the log is not kept any more; empty while it is. */
  String ended() {
    return ended;
  }

  /** Brings the data back apart from everything, and says what is wrong with it. */
  Optional<String> problem(RecoveryTarget target) throws IOException {
    TrialEngine engine = opened.engine(SOURCE, TrialEngine.class);
    TrialRequest request =
        TrialRequest.builder(SOURCE).target(target).workDirectory(folder).build();
    try (Trial trial = engine.begin(request, opened.repository(), RunControl.unattended());
        Connection session = trial.connect(LocalEnvironment.DATABASE)) {
      return Soundness.problem(session);
    } catch (SQLException e) {
      throw new IOException("The restored server does not answer: " + e.getMessage(), e);
    }
  }

  /** Brings the server back, and returns when it takes commits. */
  RestoreReport restore(RecoveryTarget target, Path dataDirectory) {
    return opened.restore(
        RestoreRequest.builder(SOURCE, dataDirectory)
            .target(target)
            .action(RestoreRequest.Action.PROMOTE)
            .start(true)
            .build(),
        RunControl.unattended());
  }

  @Override
  public void close() throws IOException {
    enough.cancel();
    boolean interrupted = false;
    try {
      receiver.join(TimeUnit.SECONDS.toMillis(CLOSING_SECONDS));
    } catch (InterruptedException e) {
      interrupted = true;
    }
    opened.close();
    if (interrupted) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while the log was let go");
    }
  }
}
