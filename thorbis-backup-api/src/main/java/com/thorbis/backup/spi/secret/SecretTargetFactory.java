package com.thorbis.backup.spi.secret;

import com.thorbis.backup.spi.ProviderContext;

/**
 * Opens places of one kind. The service type: needs a public constructor without arguments. A place
 * is read and written through the same object; whoever only reads gives a token that only reads.
 */
public interface SecretTargetFactory {
  /** The kind, as {@link SecretSource#type}. */
  String type();

  /**
   * Opens a place. Reads all its settings and contacts nobody.
   *
   * @throws com.thorbis.backup.api.BackupException of kind CONFIGURATION if a setting is missing or
   *     wrong
   */
  SecretTarget open(ProviderContext context);
}
