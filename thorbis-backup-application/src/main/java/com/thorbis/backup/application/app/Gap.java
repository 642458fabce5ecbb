package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;

/**
 * Something that is not in a backup.
 *
 * @param what it is, within its component
 * @param code why, stable
 * @param message for people; holds no value
 * @param remedy what can be done about it
 * @param whole whether a whole part is missing, so that this backup displaces none that has it
 */
public record Gap(String what, String code, String message, String remedy, boolean whole) {
  /** What a failure leaves out: its own words where they are ours, else its kind alone. */
  public static Gap of(String what, Exception failure) {
    if (failure instanceof ClassifiedFailure known) {
      if (known.kind() == FailureKind.CANCELLED) {
        throw failure instanceof BackupException stopped
            ? stopped
            : BackupException.of("cancelled", FailureKind.CANCELLED, "Cancelled").build();
      }
      return new Gap(
          what,
          known.code().replaceFirst("^secrets\\.", "application."),
          String.valueOf(failure.getMessage()),
          known.remedy(),
          true);
    }
    return new Gap(
        what,
        "application.failed",
        what + ": " + failure.getClass().getSimpleName(),
        "Look at the file or service that it reads.",
        true);
  }

  /** A part of a whole. */
  public static Gap part(String what, String code, String message, String remedy) {
    return new Gap(what, code, message, remedy, false);
  }
}
