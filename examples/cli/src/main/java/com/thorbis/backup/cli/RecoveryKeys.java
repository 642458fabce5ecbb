package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryPublicKey;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Arrays;

/** Makes a recovery key and lets go of it only when somebody has proven to have it. */
final class RecoveryKeys {
  private static final int MAX_TEXT = 4096;
  private static final int TRIES = 3;

  private final Host host;

  RecoveryKeys(Host host) {
    this.host = host;
  }

  /** Writes a new key to a file and reads it back; a file with a key in it is taken as it is. */
  RecoveryPublicKey toFile(Path file) throws IOException {
    if (!Files.exists(file)) {
      try (RecoveryKey key = RecoveryKey.generate(new SecureRandom())) {
        char[] text = key.text();
        ByteBuffer encoded = StandardCharsets.US_ASCII.encode(CharBuffer.wrap(text));
        byte[] line = Arrays.copyOf(encoded.array(), encoded.limit() + 1);
        line[line.length - 1] = '\n';
        try {
          PrivateFiles.create(file, line);
        } finally {
          Arrays.fill(text, '\0');
          Arrays.fill(encoded.array(), (byte) 0);
          Arrays.fill(line, (byte) 0);
        }
      }
    }
    return read(file);
  }

  /** Shows a new key once and asks to type it back. */
  RecoveryPublicKey onTerminal() throws IOException {
    if (!host.asks()) {
      throw Failure.usage(
          "init has to show a new recovery key to a person, and there is no terminal",
          "Run it on a terminal, or add --recovery-key-file FILE.");
    }
    try (RecoveryKey key = RecoveryKey.generate(new SecureRandom())) {
      char[] text = key.text();
      host.err().println("This is the recovery key. It opens every backup when all other keys are");
      host.err().println("lost. It is shown once, and stored nowhere:");
      host.err().println();
      host.err().print("  ");
      for (char each : text) {
        host.err().print(each);
      }
      Arrays.fill(text, '\0');
      host.err().println();
      host.err().println();
      host.err().println("Write it down, and keep it apart from this machine and the repository.");
      for (int i = 0; i < TRIES; i++) {
        host.err().print("Type it back: ");
        host.err().flush();
        if (typed(key)) {
          return key.publicKey();
        }
      }
    }
    throw BackupException.of(
            "init.recovery-key-not-confirmed",
            FailureKind.REFUSED,
            "The recovery key was not typed back; nothing was created")
        .remedy("Run init again; it shows another key.")
        .build();
  }

  private boolean typed(RecoveryKey key) throws IOException {
    char[] line = new char[MAX_TEXT];
    int length = 0;
    try {
      for (int c = host.in().read(); c != '\n'; c = host.in().read()) {
        if (c < 0 && length == 0) {
          return false;
        }
        if (c < 0 || length == line.length) {
          break;
        }
        line[length++] = (char) c;
      }
      char[] given = Arrays.copyOf(line, length);
      try (RecoveryKey back = RecoveryKey.parse(given)) {
        if (back.publicKey().equals(key.publicKey())) {
          return true;
        }
        host.err().println("That is another key.");
      } catch (IllegalArgumentException e) {
        host.err().println(e.getMessage() + ".");
      } finally {
        Arrays.fill(given, '\0');
      }
      return false;
    } finally {
      Arrays.fill(line, '\0');
    }
  }

  private static RecoveryPublicKey read(Path file) throws IOException {
    if (Files.size(file) > MAX_TEXT) {
      throw unusable(file, "too long for a recovery key");
    }
    byte[] bytes = Files.readAllBytes(file);
    char[] text = new char[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      text[i] = (char) (bytes[i] & 0xff);
    }
    try (RecoveryKey key = RecoveryKey.parse(text)) {
      return key.publicKey();
    } catch (IllegalArgumentException e) {
      throw unusable(file, String.valueOf(e.getMessage()));
    } finally {
      Arrays.fill(bytes, (byte) 0);
      Arrays.fill(text, '\0');
    }
  }

  private static BackupException unusable(Path file, String problem) {
    return BackupException.of(
            "init.recovery-key-file",
            FailureKind.REFUSED,
            "--recovery-key-file: " + file + " exists and is left alone: " + problem)
        .remedy("Name a file that does not exist yet.")
        .build();
  }
}
