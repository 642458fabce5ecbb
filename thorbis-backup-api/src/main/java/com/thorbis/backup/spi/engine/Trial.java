package com.thorbis.backup.spi.engine;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;

/**
 * A source that was brought back to be tried: its server has ended recovery at the target, and
 * nobody but this process reaches it. Used by one thread.
 */
public interface Trial extends AutoCloseable {
  /** The way it came. */
  RestorePlan plan();

  /** What was proven before the server was started. */
  List<CheckItem> isolation();

  /** Where recovery ended, as the server says. */
  Reached reached();

  /** How long each stage took, in milliseconds, in order. */
  Map<String, Long> stages();

  /** Sealed bytes read from the repository. */
  long bytesFetched();

  /**
   * A session of a superuser.
   *
   * @return the caller's to close
   */
  Connection connect(String database) throws SQLException;

  /** Ends the server in order. Its files stay until {@link #close}. */
  void stop() throws IOException;

  /** Reads every page of the stopped server's files, and compares its checksum. */
  Pages pages(RunControl control) throws IOException;

  /**
   * Damages one page of the stopped server's files.
   *
   * @return which, as {@link Pages#damaged} would name it
   * @throws IOException if there is none, too
   */
  String damagePage() throws IOException;

  /** Ends the server if it runs, and removes everything. May be called twice. */
  @Override
  void close() throws IOException;

  /**
   * What reading pages has shown.
   *
   * @param checksums whether the pages have checksums; without them only the form was looked at
   * @param read how many there are
   * @param damaged each that is not what the server wrote, and why; the first thousand
   */
  record Pages(boolean checksums, long read, List<String> damaged) {
    /** Copies the list. */
    public Pages {
      damaged = List.copyOf(damaged);
    }
  }
}
