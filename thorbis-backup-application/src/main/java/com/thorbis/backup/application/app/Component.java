package com.thorbis.backup.application.app;

import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/**
 * One part of an application. Used by one thread. Failures hold no secret; one of a component stops
 * no other.
 */
public interface Component extends AutoCloseable {
  /** What it is called in backups, and the folder that is its own there. */
  String name();

  /**
   * Reads what there is, and checks it. Nothing is written to the repository yet, so that a backup
   * has a component or has nothing of it.
   */
  Prepared prepare(Repository repository, RunControl control) throws IOException;

  /** What a restore from a backup would do. Changes nothing. */
  List<Step> plan(StoredComponent stored, RestoreWish wish) throws IOException;

  /**
   * Whether it could be backed up now.
   *
   * @return what was found, in words
   */
  String check() throws IOException;

  @Override
  void close() throws IOException;

  /** What was read. */
  interface Prepared extends AutoCloseable {
    /** What is missing of it. */
    List<Gap> gaps();

    /** How much it is, by what is counted. */
    Map<String, Long> counts();

    /** What is known of the whole by it, such as the commit; no secret. */
    default Map<String, String> facts() {
      return Map.of();
    }

    /** Writes it. May be called again with another writer. */
    void write(ComponentWriter into) throws IOException;

    @Override
    void close() throws IOException;
  }
}
