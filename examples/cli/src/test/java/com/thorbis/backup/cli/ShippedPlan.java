package com.thorbis.backup.cli;

import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.dr.plan.PlanReader;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;

/** The plan that is shipped, with addresses and keys of a test. */
final class ShippedPlan {
  private static final String SWITCH =
      "{ command: [/usr/local/bin/maintenance, \"%s\"], undo: [/usr/local/bin/maintenance, \"%s\"] }";

  private ShippedPlan() {}

  /** With the application at a server of the test, and keys that are written into a folder. */
  static String of(Portal portal, Path keys) throws IOException {
    return signed(
        PlanReader.example().replace("https://portal.example.com", "http://" + portal.address()),
        keys);
  }

  /**
   * Those who agree sign with {@code first.key}, {@code second.key}, {@code security.key} and
   * {@code recovery.key} in a folder.
   */
  static String signed(String plan, Path keys) throws IOException {
    String text = plan;
    for (String person : List.of("first-dba", "second-dba", "security-officer", "recovery-lead")) {
      try (SigningKey key = SigningKey.generate(new SecureRandom())) {
        key.writeTo(keys.resolve(person.substring(0, person.indexOf('-')) + ".key"));
        text =
            text.replaceFirst(
                "(id: " + person + "\n(?:.*\n){3} *signs-with: ).*", "$1" + key.verifier().text());
      }
    }
    return text;
  }

  /** The application is in maintenance while a file is there. */
  static String frozenBy(Path file, String plan) {
    return plan.replace(
            SWITCH.formatted("on", "off"),
            "{ command: [touch, %1$s], check: [test, -e, %1$s], undo: [rm, -f, %1$s] }"
                .formatted(file))
        .replace(
            SWITCH.formatted("off", "on"),
            "{ command: [rm, -f, %1$s], check: [test, \"!\", -e, %1$s], undo: [touch, %1$s] }"
                .formatted(file));
  }

  /** The application that was deployed runs while a file is there. */
  static String startedBy(Path file, String plan) {
    return plan.replace("[/usr/local/bin/application, start]", "[touch, " + file + "]")
        .replace("[/usr/local/bin/application, is-running]", "[test, -e, " + file + "]")
        .replace("[/usr/local/bin/application, stop]", "[rm, -f, " + file + "]");
  }
}
