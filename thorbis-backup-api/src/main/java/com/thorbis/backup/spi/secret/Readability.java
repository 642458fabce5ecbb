package com.thorbis.backup.spi.secret;

import java.util.Optional;

/** How much of a secret its platform gives back. Constants may be added. */
public enum Readability {
  /** Its value. */
  VALUE("value"),
  /** Its value, to whoever has a right beyond that of listing. */
  VALUE_WITH_PERMISSION("value-with-permission"),
  /** A digest: equality with a value that is known from elsewhere, and no more. */
  DIGEST("digest"),
  /** Its name and dates: it can be written, never read. */
  NAME_ONLY("name-only"),
  /** Nothing that could be written back; it has to be issued again. */
  NOT_EXPORTABLE("not-exportable");

  private final String label;

  Readability(String label) {
    this.label = label;
  }

  /** The name in stored sets and reports; never changes. */
  public String label() {
    return label;
  }

  /** Whether a backup can hold the value. */
  public boolean hasValue() {
    return this == VALUE || this == VALUE_WITH_PERMISSION;
  }

  /** The class with a label, if this version knows it. */
  public static Optional<Readability> ofLabel(String label) {
    for (Readability readability : values()) {
      if (readability.label.equals(label)) {
        return Optional.of(readability);
      }
    }
    return Optional.empty();
  }
}
