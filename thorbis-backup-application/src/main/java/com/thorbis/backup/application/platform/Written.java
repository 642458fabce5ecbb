package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/** What sources and targets have to say alike. */
final class Written {
  private Written() {}

  static SecretException notFound(String secret, String place) {
    return new SecretException(
        SecretException.NOT_FOUND,
        FailureKind.NOT_FOUND,
        secret + " is not in " + place + " any more",
        secret,
        "",
        null);
  }

  static SecretException unreadable(String secret, String why, String remedy) {
    return new SecretException(
        SecretException.UNREADABLE,
        FailureKind.PERMANENT,
        secret + ": " + why,
        secret,
        remedy,
        null);
  }

  static SecretException conflict(String secret, String place) {
    return new SecretException(
        SecretException.CONFLICT,
        FailureKind.REFUSED,
        secret + " in " + place + " was written by somebody else since it was looked at",
        secret,
        "Nothing was written. Plan again.",
        null);
  }

  /**
   * Whether what stands there fulfils a condition, of a place that does not look itself.
   *
   * @throws SecretException if it does not
   */
  static void require(
      WriteCondition condition, Optional<SecretInfo> standing, String secret, String place)
      throws SecretException {
    boolean holds =
        condition instanceof WriteCondition.IfVersion expected
            ? standing.filter(now -> now.version().equals(expected.version())).isPresent()
            : standing.isEmpty();
    if (!holds) {
      throw conflict(secret, place);
    }
  }

  static SecretException refused(String secret, String why) {
    return new SecretException(
        SecretException.REFUSED,
        FailureKind.REFUSED,
        secret + ": " + why,
        secret,
        "Nothing was written. Write it by hand, or restore it elsewhere.",
        null);
  }

  /**
   * Checks a value that goes out as text.
   *
   * @throws SecretException if it is none
   */
  static void requireText(String secret, SecretValue value, int mostBytes) throws SecretException {
    int length =
        value.useBytes(
            bytes -> {
              try {
                CharBuffer decoded =
                    StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
                Arrays.fill(decoded.array(), '\0');
                return bytes.length;
              } catch (CharacterCodingException e) {
                return -1;
              }
            });
    if (length < 0) {
      throw refused(secret, "its value is not text in UTF-8, which this place takes only");
    }
    if (length > mostBytes) {
      throw refused(
          secret, "its value has " + length + " bytes, and this place takes " + mostBytes);
    }
  }
}
