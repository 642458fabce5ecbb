package com.thorbis.backup.application.secrets;

import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** Tries whether a secret works where it is used. Changes nothing there. */
@FunctionalInterface
public interface SecretProbe {
  /**
   * Tries it.
   *
   * @param value lent
   * @return why it does not work, for people and without the value; empty if it does
   * @throws IOException if it could not be tried, which says nothing about the secret; its message
   *     is for people, and without the value
   */
  Optional<String> refusal(SecretValue value) throws IOException;

  /**
   * Asks a service with the secret in a header. It works if the answer is a success, and does not
   * if it is 401 or 403; any other answer says nothing. No redirect is followed.
   *
   * @param address {@code https}, or a service on this machine
   * @param header name and value, such as {@code Authorization: Bearer {}}, with <code>{}</code>
   *     where the secret goes
   * @param deadline for the whole answer
   * @throws com.thorbis.backup.api.BackupException of kind CONFIGURATION if they cannot be that
   */
  static SecretProbe http(URI address, String header, Duration deadline) {
    return new HttpProbe(address, header, deadline);
  }

  /**
   * Runs a program of this machine, without a shell, which gets the secret on its standard input.
   * It works if the program ends with 0, and does not if it ends with 1; any other end says
   * nothing. What the program prints is not read. Of the environment it has {@code PATH}, {@code
   * HOME} and the locale.
   *
   * @param command the program and its arguments
   * @param deadline after which the program is ended
   * @throws com.thorbis.backup.api.BackupException of kind CONFIGURATION if it names no program by
   *     its whole path
   */
  static SecretProbe command(List<String> command, Duration deadline) {
    return new CommandProbe(command, deadline);
  }
}
