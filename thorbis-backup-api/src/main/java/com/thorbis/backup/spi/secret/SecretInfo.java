package com.thorbis.backup.spi.secret;

import java.time.Instant;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a platform tells of one secret without giving its value. Holds no value, and may be printed.
 *
 * @param name what tells it from the others of its source; up to 1,024 characters
 * @param readability how much can be read of it
 * @param format what its value is: {@link #TEXT}, or a form of its platform alone
 * @param version changes whenever the secret is written; opaque, empty where the platform has none.
 *     Of some platforms it means something to the object that gave it only
 * @param updated when it was last written, if the platform tells
 * @param digest the platform's digest of the value, if it gives one; none of ours
 * @param attributes what else is needed to write it back, such as {@code target}; no secrets
 */
public record SecretInfo(
    String name,
    Readability readability,
    String format,
    String version,
    Optional<Instant> updated,
    Optional<String> digest,
    SortedMap<String, String> attributes) {
  /** The format of values that are one text. */
  public static final String TEXT = "text";

  private static final int LONGEST_NAME = 1024;

  /** Copies the attributes. */
  public SecretInfo {
    Objects.requireNonNull(readability, "readability");
    if (name.isEmpty() || name.length() > LONGEST_NAME) {
      throw new IllegalArgumentException(
          "A name of a secret has 1 to " + LONGEST_NAME + " characters, not " + name.length());
    }
    attributes = Collections.unmodifiableSortedMap(new TreeMap<>(attributes));
  }

  /** A secret of which nothing else is known. */
  public static SecretInfo of(String name, Readability readability) {
    return new SecretInfo(
        name,
        readability,
        TEXT,
        "",
        Optional.empty(),
        Optional.empty(),
        Collections.emptySortedMap());
  }

  /** The same, of another format. */
  public SecretInfo withFormat(String other) {
    return new SecretInfo(name, readability, other, version, updated, digest, attributes);
  }

  /** The same, at another version. */
  public SecretInfo withVersion(String other) {
    return new SecretInfo(name, readability, format, other, updated, digest, attributes);
  }

  /** The same, last written then. */
  public SecretInfo withUpdated(Optional<Instant> then) {
    return new SecretInfo(name, readability, format, version, then, digest, attributes);
  }

  /** The same, with the platform's digest. */
  public SecretInfo withDigest(Optional<String> other) {
    return new SecretInfo(name, readability, format, version, updated, other, attributes);
  }

  /** Without the digest, which tells a short value to whoever guesses. */
  @Override
  public String toString() {
    return "SecretInfo[name="
        + name
        + ", readability="
        + readability
        + ", format="
        + format
        + ", version="
        + version
        + ", updated="
        + updated
        + ", attributes="
        + attributes
        + "]";
  }

  /** The same, with other attributes. */
  public SecretInfo withAttributes(Map<String, String> others) {
    return new SecretInfo(
        name, readability, format, version, updated, digest, new TreeMap<>(others));
  }
}
