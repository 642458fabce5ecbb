package com.thorbis.backup.spi.secret;

import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.util.Optional;

/** A place that secrets can be written to. Used by one thread. */
public interface SecretTarget extends SecretSource {
  /**
   * Whether the platform itself checks the condition of a write. If not, {@link #write} looks just
   * before it writes, and what somebody else writes in between is lost.
   */
  boolean conditional();

  /** Whether {@link #write} makes the place itself, if it is not there. */
  default boolean createsPlace() {
    return false;
  }

  /**
   * Why a secret can not be written here whatever stands here now, such as a name that the platform
   * does not take. Asks nobody.
   */
  Optional<String> refusal(SecretInfo secret);

  /** The name under which a secret would stand here. */
  default String nameOf(SecretInfo secret) {
    return secret.name();
  }

  /**
   * Whether what stands here has the given value, by the digest that the platform gives; empty if
   * it gives none.
   */
  default Optional<Boolean> matches(SecretInfo current, SecretValue value) {
    return Optional.empty();
  }

  /**
   * Writes one secret, durably as far as the platform tells.
   *
   * @param secret its name, format and attributes; version and dates are of where it comes from
   * @param value lent
   * @throws SecretException {@code secrets.conflict} if the condition does not hold: nothing was
   *     written; {@code secrets.outcome-unknown} if it may have been written
   */
  void write(SecretInfo secret, SecretValue value, WriteCondition condition) throws IOException;
}
