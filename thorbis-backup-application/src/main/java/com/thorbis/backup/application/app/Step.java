package com.thorbis.backup.application.app;

import java.io.IOException;
import java.util.Optional;

/**
 * One thing that a restore does or leaves.
 *
 * @param subject what it is about
 * @param action what is done
 * @param reason in words
 * @param previous what stands there now and is changed, for going back
 * @param work does it; empty where nothing is done
 */
public record Step(
    String subject, Action action, String reason, Optional<String> previous, Optional<Work> work) {
  /** What a step does. Constants may be added. */
  public enum Action {
    /** Lays something into the folder that was named for it. */
    LAY("lay"),
    /** Makes what is missing where it is in use. */
    CREATE("create"),
    /** Changes what stands there. */
    UPDATE("update"),
    /** Nothing: it is the same. */
    SAME("same"),
    /** Nothing: what stands there is another, and stays. */
    KEEP("keep"),
    /** Nothing: it is there, and not in the backup. */
    ONLY_THERE("only-there"),
    /** Nothing: somebody has to do it. */
    BY_HAND("by-hand"),
    /** Nothing: the backup has it not, or the place could not be looked at. A restore fails. */
    UNAVAILABLE("unavailable");

    private final String label;

    Action(String label) {
      this.label = label;
    }

    /** The name in results; never changes. */
    public String label() {
      return label;
    }
  }

  /** Does a step. */
  @FunctionalInterface
  public interface Work {
    /** Does it, and says what was done. */
    String run() throws IOException;
  }

  /** One that does nothing. */
  public static Step none(String subject, Action action, String reason) {
    return new Step(subject, action, reason, Optional.empty(), Optional.empty());
  }

  /** One that lays something into a folder. */
  public static Step lay(String subject, String reason, Work work) {
    return new Step(subject, Action.LAY, reason, Optional.empty(), Optional.of(work));
  }

  /** One that makes something. */
  public static Step create(String subject, String reason, Work work) {
    return new Step(subject, Action.CREATE, reason, Optional.empty(), Optional.of(work));
  }

  /** One that changes what stands there, or leaves it, as the mode says. */
  public static Step change(
      String subject, Object there, Object wanted, ApplyMode mode, Work work) {
    if (java.util.Arrays.equals(Document.json(there), Document.json(wanted))) {
      return none(subject, Action.SAME, "is as in the backup");
    }
    String previous = new String(Document.json(there), java.nio.charset.StandardCharsets.UTF_8);
    return mode == ApplyMode.OVERWRITE
        ? new Step(
            subject,
            Action.UPDATE,
            "is another than in the backup",
            Optional.of(previous),
            Optional.of(work))
        : new Step(
            subject,
            Action.KEEP,
            "is another than in the backup, and is overwritten with mode overwrite alone",
            Optional.of(previous),
            Optional.empty());
  }

  Step of(String component) {
    return new Step(component + ": " + subject, action, reason, previous, work);
  }
}
