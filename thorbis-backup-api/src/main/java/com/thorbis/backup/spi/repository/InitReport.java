package com.thorbis.backup.spi.repository;

import java.util.List;

/**
 * What {@code init} found or made.
 *
 * @param repositoryId the repository's id, 32 hexadecimal digits
 * @param created whether it was made now
 * @param recipients who can open it, described
 * @param notes what is left to do, such as filling a new copy
 */
public record InitReport(
    String repositoryId, boolean created, List<String> recipients, List<String> notes) {
  /** Copies the lists. */
  public InitReport {
    recipients = List.copyOf(recipients);
    notes = List.copyOf(notes);
  }
}
