package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Completes backups whose WAL has arrived. */
public final class AwaitingBackups {
  private static final Logger LOG = LoggerFactory.getLogger(AwaitingBackups.class);

  private AwaitingBackups() {}

  /**
   * Completes what can be.
   *
   * @return how many backups of the source still wait
   */
  public static int settle(Repository repository, String source) throws IOException {
    int waiting = 0;
    for (BackupDescriptor backup : repository.backups(Optional.of(source))) {
      if (backup.status() != BackupStatus.AWAITING_WAL) {
        continue;
      }
      WalArchive archive = repository.wal(source, backup.incarnation());
      if (covers(archive, backup.timeline(), backup.startLsn(), backup.stopLsn())) {
        repository.complete(backup.id());
        LOG.info("backup={} is complete: its WAL has arrived", backup.id());
      } else {
        waiting++;
      }
    }
    return waiting;
  }

  /** Whether a stretch is stored without a hole. */
  public static boolean covers(WalArchive archive, Timeline timeline, Lsn start, Lsn stop)
      throws IOException {
    for (WalRange range : archive.ranges(timeline)) {
      if (range.start().compareTo(start) <= 0 && stop.compareTo(range.end()) <= 0) {
        return true;
      }
    }
    return false;
  }
}
