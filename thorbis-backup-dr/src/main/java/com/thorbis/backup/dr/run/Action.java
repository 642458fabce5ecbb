package com.thorbis.backup.dr.run;

/** One kind of step. */
public interface Action {
  /** Its name in plans, such as {@code run-command}. */
  String kind();

  /**
   * Makes a step of what a plan says, and asks nobody.
   *
   * @throws IllegalArgumentException if it cannot be carried out, with the reason
   */
  Step open(Task task);
}
