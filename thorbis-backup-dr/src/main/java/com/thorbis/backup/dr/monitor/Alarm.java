package com.thorbis.backup.dr.monitor;

import com.thorbis.backup.dr.internal.Sha256;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Optional;

/**
 * Something is not as it is expected to be.
 *
 * @param kind what is wrong
 * @param severity how urgent it is
 * @param area which part of a look found it, such as {@code source orders}: as long as that part
 *     cannot be looked at, nobody can say that the alarm is over
 * @param subject what it is about: the name of a source or a copy, or what is known of a key
 * @param since since when, by what is stored; empty where nothing stored tells
 * @param expected what should be there
 * @param found what is
 * @param remedy what to do about it
 */
public record Alarm(
    AlarmKind kind,
    Severity severity,
    String area,
    String subject,
    Optional<Instant> since,
    String expected,
    String found,
    String remedy) {
  private static final int ID_BYTES = 4;

  /** Names it as long as it lasts, and again when it comes back: made of its kind and subject. */
  public String id() {
    return HexFormat.of().formatHex(Sha256.of(kind.code() + "\n" + subject), 0, ID_BYTES);
  }
}
