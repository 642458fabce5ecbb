package com.thorbis.backup.spi.repository;

import java.io.IOException;
import java.io.InputStream;

/**
 * Creates and opens repositories. The service type: needs a public constructor without arguments.
 */
public interface RepositoryFactory {
  /**
   * Creates a repository on every copy, opening the new keys with each recipient that can; where
   * one exists already, changes nothing.
   *
   * @return whether something was created
   */
  InitReport init(RepositorySetup setup) throws IOException;

  /**
   * Opens an existing repository: reads its commits and checks them against the remembered head.
   */
  Repository open(RepositorySetup setup) throws IOException;

  /** Looks at one repository object without any key. */
  ObjectDescription decode(InputStream object) throws IOException;
}
