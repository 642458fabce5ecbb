package com.thorbis.backup.dr.drill;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a drill or an exercise was done with: where one of these is another one now, it should be
 * done anew.
 *
 * @param product the version of this library
 * @param plan the digest of the recovery plan; empty: there was none, it could not be read, or
 *     nobody said
 * @param environment where it was done, in words; empty if nobody said
 */
public record Basis(String product, Optional<String> plan, Optional<String> environment) {
  private static final int SHOWN = 12;

  /**
   * What is another now than it was then. What was not said then makes nothing due, and neither
   * does a plan that is not known now: a host without one learns of drills of hosts that have one.
   *
   * @param then of the last that passed
   */
  public List<String> changedSince(Basis then) {
    List<String> reasons = new ArrayList<>();
    if (!then.product.equals(product)) {
      reasons.add("this library is of version " + product + " now, not " + then.product);
    }
    if (then.plan.isPresent() && plan.isPresent() && !then.plan.equals(plan)) {
      reasons.add(
          "the recovery plan was changed: it is "
              + shown(plan.get())
              + " now, not "
              + shown(then.plan.get()));
    }
    if (then.environment.isPresent() && !then.environment.equals(environment)) {
      reasons.add(
          "it was tried on "
              + then.environment.get()
              + environment.map(it -> ", and this is " + it).orElse(""));
    }
    return reasons;
  }

  private static String shown(String digest) {
    return digest.substring(0, Math.min(SHOWN, digest.length()));
  }
}
