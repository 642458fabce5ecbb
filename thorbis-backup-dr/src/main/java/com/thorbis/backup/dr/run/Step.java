package com.thorbis.backup.dr.run;

import java.io.IOException;
import java.util.Map;

/**
 * Something that is done to the world outside, so that it can be done again after a crash: whoever
 * resumes a run looks first. Calls may come from different threads, never two at a time. A call
 * that throws leaves open what it did, unless it throws a {@link
 * com.thorbis.backup.api.ClassifiedFailure} that says otherwise. Interrupted, it ends soon.
 */
public interface Step {
  /**
   * Looks whether the effect is there, and changes nothing. Unless it is said otherwise: it is
   * after {@link #execute} returned, and unknown after one that did not.
   */
  default Result check(StepContext context) throws IOException, InterruptedException {
    if (context.returned()) {
      return Result.done("was done");
    }
    return context.started()
        ? Result.unknown("was started, and nothing tells how it ended")
        : Result.notDone("was not started");
  }

  /**
   * What {@link #compensate} needs to bring back how it is now; recorded before there is any
   * effect. Changes nothing. References, never secrets.
   */
  default Map<String, String> undo(StepContext context) throws IOException, InterruptedException {
    return Map.of();
  }

  /** Has the effect, under {@link StepContext#key} and {@link StepContext#fence}. */
  Result execute(StepContext context) throws IOException, InterruptedException;

  /** Proves the effect where {@link #execute} said that it is done. Changes nothing. */
  default Result verify(StepContext context) throws IOException, InterruptedException {
    return check(context);
  }

  /**
   * Whether there is no way back from it, but forward: once it may have had its effect, nothing of
   * the run is undone any more, as what lies before and behind it relies on it.
   */
  default boolean isPointOfNoReturn() {
    return false;
  }

  /** Whether {@link #compensate} can undo it. */
  default boolean compensates() {
    return false;
  }

  /** Undoes it. May be called again after it was done. */
  default Result compensate(StepContext context, Map<String, String> undo)
      throws IOException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /** What would be done, for people. */
  String intent();
}
