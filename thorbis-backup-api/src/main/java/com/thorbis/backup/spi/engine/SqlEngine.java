package com.thorbis.backup.spi.engine;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.spi.SecretValue;
import java.sql.Connection;
import java.util.Optional;

/** An engine whose sources answer SQL. */
public interface SqlEngine extends SourceEngine {
  /**
   * A session in another database of the same kind, such as a restored one, under the same rules as
   * for a load.
   *
   * @param url such as {@code jdbc:postgresql://host/database}; a password in it is refused
   * @param user the role; empty where the URL names it
   * @param password stays the caller's
   * @return the caller's to close
   * @throws BackupException if it cannot be reached, or lets nobody in
   */
  Connection connect(String url, Optional<String> user, Optional<SecretValue> password);
}
