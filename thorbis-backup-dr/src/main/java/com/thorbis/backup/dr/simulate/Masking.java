package com.thorbis.backup.dr.simulate;

import java.util.List;

/**
 * How personal data of one database is made unrecognizable, and what proves it.
 *
 * @param database its name
 * @param statements of SQL, carried out in one transaction, in order
 * @param proof a question whose only answer is the number of rows that still show personal data: it
 *     has to be more than none before, and none after
 */
public record Masking(String database, List<String> statements, String proof) {
  /** Copies the list. */
  public Masking {
    statements = List.copyOf(statements);
    if (statements.isEmpty() || statements.stream().anyMatch(String::isBlank) || proof.isBlank()) {
      throw new IllegalArgumentException("Masking needs statements, and a proof");
    }
  }
}
