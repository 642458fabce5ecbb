package com.thorbis.backup.crypto.pkcs11;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Tokens of SoftHSM in a folder of their own. Its library reads the environment once in a process
 * and then knows the tokens that were there, so all of them are made at once.
 */
final class SoftHsm {
  static final String PIN = "1234";
  static final Path LIBRARY =
      Stream.of(
              "/usr/lib/softhsm/libsofthsm2.so",
              "/usr/lib64/pkcs11/libsofthsm2.so",
              "/usr/local/lib/softhsm/libsofthsm2.so")
          .map(Path::of)
          .filter(Files::exists)
          .findFirst()
          .orElseThrow(() -> new IllegalStateException("Install softhsm2 and opensc"));

  private static final Pattern SLOT = Pattern.compile("reassigned to slot ([0-9]+)");

  /** Where the build tells the library to look. */
  private static final Path CONFIGURATION = Path.of(System.getenv("SOFTHSM2_CONF"));

  private SoftHsm() {}

  /** Forgets all tokens. */
  static void reset() throws IOException {
    Path folder = CONFIGURATION.getParent();
    Path tokens = folder.resolve("tokens");
    if (Files.exists(tokens)) {
      try (Stream<Path> old = Files.walk(tokens)) {
        for (Path path : old.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(path);
        }
      }
    }
    Files.createDirectories(tokens);
    Files.writeString(
        CONFIGURATION,
        "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n");
  }

  /** Makes a token, and says in which slot. */
  static int token(String label) throws IOException {
    String said =
        run(
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            label,
            "--so-pin",
            "0000",
            "--pin",
            PIN);
    Matcher slot = SLOT.matcher(said);
    if (!slot.find()) {
      throw new IllegalStateException("No slot in: " + said);
    }
    return Integer.parseInt(slot.group(1));
  }

  /** Makes a key that never leaves its token. */
  static void key(String token, String type, String label) throws IOException {
    run(
        "pkcs11-tool",
        "--module",
        LIBRARY.toString(),
        "--token-label",
        token,
        "--login",
        "--pin",
        PIN,
        "--keygen",
        "--key-type",
        type,
        "--label",
        label,
        "--sensitive");
  }

  private static String run(String... command) throws IOException {
    Process process = new ProcessBuilder(List.of(command)).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    try {
      if (process.waitFor() != 0) {
        throw new IllegalStateException(String.join(" ", command) + ": " + said);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
    return said;
  }
}
