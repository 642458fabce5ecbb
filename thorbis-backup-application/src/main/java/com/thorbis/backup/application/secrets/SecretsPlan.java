package com.thorbis.backup.application.secrets;

import com.thorbis.backup.spi.secret.SecretInfo;
import java.util.List;
import java.util.Optional;

/**
 * What a restore of secrets would do. Holds no value.
 *
 * @param origin the set
 * @param target the kind and the place that is written to
 * @param mode what happens to what stands there
 * @param conditional whether the place itself makes sure that nobody wrote since
 * @param steps one for each secret of the set's source
 */
public record SecretsPlan(
    SetOrigin origin, String target, RestoreMode mode, boolean conditional, List<Step> steps) {
  /** Copies the steps. */
  public SecretsPlan {
    steps = List.copyOf(steps);
  }

  /** What is done with a secret. Constants may be added. */
  public enum Action {
    /** It is written, as none of its name stands there. */
    CREATE("create"),
    /** It is written over what stands there. */
    REPLACE("replace"),
    /** What stands there stays. */
    KEEP("keep"),
    /** It cannot be restored. */
    CANNOT("cannot");

    private final String label;

    Action(String label) {
      this.label = label;
    }

    /** The name in reports; never changes. */
    public String label() {
      return label;
    }
  }

  /** How what stands there compares with the set. Constants may be added. */
  public enum Comparison {
    /** Nothing stands there. */
    ABSENT("absent"),
    /** The same value. */
    SAME("same"),
    /** Another value. */
    DIFFERS("differs"),
    /** The place does not tell. */
    UNKNOWN("unknown");

    private final String label;

    Comparison(String label) {
      this.label = label;
    }

    /** The name in reports; never changes. */
    public String label() {
      return label;
    }
  }

  /**
   * One secret.
   *
   * @param secret as the set has it
   * @param name under which it stands, or will stand, in the target
   * @param action what is done
   * @param comparison how what stands there compares
   * @param current what stands there
   * @param reason why, for people
   */
  public record Step(
      StoredSecret secret,
      String name,
      Action action,
      Comparison comparison,
      Optional<SecretInfo> current,
      String reason) {}

  /** How many steps are of an action. */
  public int count(Action action) {
    return (int) steps.stream().filter(step -> step.action() == action).count();
  }
}
