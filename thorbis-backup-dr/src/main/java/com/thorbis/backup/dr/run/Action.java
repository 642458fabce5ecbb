package com.thorbis.backup.dr.run;

import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;

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

  /** One that takes these inputs and no others. */
  static Action of(String kind, Set<String> inputs, Function<Task, Step> opens) {
    Set<String> known = new TreeSet<>(inputs);
    return new Action() {
      @Override
      public String kind() {
        return kind;
      }

      @Override
      public Step open(Task task) {
        for (String name : task.inputs().keySet()) {
          if (!known.contains(name)) {
            throw new IllegalArgumentException(kind + " takes no " + name + "; it takes " + known);
          }
        }
        return opens.apply(task);
      }
    };
  }
}
