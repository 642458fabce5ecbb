package com.thorbis.backup.spi;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The settings of one provider under dotted kebab-case keys, such as {@code wal.ship-interval}.
 * Remembers which keys were read: one that nobody reads is a mistake of the host's, reported by
 * {@link #requireAllRead}.
 */
public interface Settings {
  /** Settings that are all absent. */
  static Settings none() {
    return MapSettings.of("", java.util.Map.of());
  }

  /**
   * Settings from a map of dotted keys to strings, numbers, booleans or {@link SecretValue}s.
   *
   * @param prefix what messages put before a key, such as {@code sources.orders}; may be empty
   */
  static Settings of(String prefix, java.util.Map<String, ?> values) {
    return MapSettings.of(prefix, values);
  }

  /** The value, or a {@code BackupException} of kind CONFIGURATION that names the key. */
  String require(String key);

  /** The value, if given. */
  Optional<String> find(String key);

  /** The secret, if given; text counts as one. */
  Optional<SecretValue> findSecret(String key);

  /** A whole number within bounds. */
  int integer(String key, int fallback, int least, int most);

  /** {@code true} or {@code false}. */
  boolean flag(String key, boolean fallback);

  /** A size such as {@code 16MiB}, in bytes. */
  long bytes(String key, long fallback);

  /** A duration such as {@code 10s}, {@code 15m}, {@code 7d} or ISO-8601. */
  Duration duration(String key, Duration fallback);

  /** The keys that are given. */
  List<String> keys();

  /** How messages name a key: with the prefix of its place in the configuration. */
  String describe(String key);

  /**
   * Throws a {@code BackupException} of kind CONFIGURATION if a given key was never read; suggests
   * the nearest known.
   */
  void requireAllRead();
}
