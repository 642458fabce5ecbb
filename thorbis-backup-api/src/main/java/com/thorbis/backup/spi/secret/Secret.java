package com.thorbis.backup.spi.secret;

import com.thorbis.backup.spi.SecretValue;
import java.util.Objects;

/**
 * A secret that was read: its value, and what was known of it at that moment. Closing it erases the
 * value.
 *
 * @param info the version that was read, which may be newer than the one that was listed
 * @param value lent; erased with this
 */
public record Secret(SecretInfo info, SecretValue value) implements AutoCloseable {
  /** Takes both over. */
  public Secret {
    Objects.requireNonNull(info, "info");
    Objects.requireNonNull(value, "value");
  }

  @Override
  public void close() {
    value.close();
  }

  /** Says only which secret it is. */
  @Override
  public String toString() {
    return "Secret[" + info.name() + "]";
  }
}
