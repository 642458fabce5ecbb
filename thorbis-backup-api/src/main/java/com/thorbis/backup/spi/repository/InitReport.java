package com.thorbis.backup.spi.repository;

import java.util.List;

/**
 * What {@code init} found or made.
 *
 * @param repositoryId the repository's id, 32 hexadecimal digits
 * @param created whether it was made now
 * @param recipients who can open it, described
 */
public record InitReport(String repositoryId, boolean created, List<String> recipients) {
  /** Copies the list. */
  public InitReport {
    recipients = List.copyOf(recipients);
  }
}
