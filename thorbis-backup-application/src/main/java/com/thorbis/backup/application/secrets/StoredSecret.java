package com.thorbis.backup.application.secrets;

import com.thorbis.backup.spi.secret.SecretInfo;
import java.util.Optional;

/**
 * A secret that a set tells of.
 *
 * @param ordinal its place in the set, from 0
 * @param sourceType the kind of place that it was in
 * @param sourceInstance which place of its kind
 * @param info as it was when the set was made
 * @param sealed whether the set holds its value
 * @param failure the code of what kept its value from being read, if something did that time; of an
 *     escrowed one, {@code secrets.escrow-pending} if nobody knows that it stands there, or {@code
 *     secrets.escrow-not-compared} if its place could not be looked at
 */
public record StoredSecret(
    int ordinal,
    String sourceType,
    String sourceInstance,
    SecretInfo info,
    boolean sealed,
    Optional<String> failure) {
  /** The kind and the place, for people. */
  public String source() {
    return sourceType + " " + sourceInstance;
  }

  /** Whether the set holds the value because it was written through us: its place gives none. */
  public boolean escrowed() {
    return sealed && !info.readability().hasValue();
  }
}
