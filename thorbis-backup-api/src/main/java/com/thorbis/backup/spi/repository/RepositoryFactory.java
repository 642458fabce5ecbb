package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import java.io.IOException;
import java.io.InputStream;

/**
 * Creates and opens repositories. The service type: needs a public constructor without arguments.
 */
public interface RepositoryFactory {
  /**
   * Creates a repository on every copy, opening the new keys with each recipient that can; where
   * one exists already, changes nothing but that it makes the places of new copies and records
   * which copies there are. Where the setup names administrators, they are the first writers of
   * what it creates.
   *
   * @return whether something was created
   */
  InitReport init(RepositorySetup setup) throws IOException;

  /**
   * Opens an existing repository: reads its commits and checks them against the remembered head.
   *
   * @throws RepositoryException code {@code repository.administrator-unknown} if the setup names
   *     administrators, and the repository's writers go back to none of them
   */
  Repository open(RepositorySetup setup) throws IOException;

  /**
   * Makes the first configured copy the one that decides who writes.
   *
   * @param force do so although the copy that decided so far cannot be asked, because it is gone
   *     for good: were it still written to, the repository would split in two
   * @throws RepositoryException of kind REFUSED if the first copy does not hold everything yet, or
   *     the deciding one cannot be asked and {@code force} is not given
   */
  default void promote(RepositorySetup setup, boolean force) throws IOException {
    throw new UnsupportedOperationException("promote");
  }

  /**
   * Changes who may write, as {@link Repository#changeWriters} does, also where the administrators
   * that the setup names have named nobody yet: for one of them to do so.
   */
  default WritersReport changeWriters(RepositorySetup setup, WritersRequest request)
      throws IOException {
    try (Repository repository = open(setup)) {
      return repository.changeWriters(request);
    }
  }

  /** Looks at one repository object without any key. */
  ObjectDescription decode(InputStream object) throws IOException;
}
