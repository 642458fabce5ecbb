package com.thorbis.backup.api;

import java.util.Map;

/** A failure that programs can take a decision on. */
public interface ClassifiedFailure {
  /** A stable dotted name, such as {@code wal.gap-found}. */
  String code();

  /** What may be done about it. */
  FailureKind kind();

  /** Values for machines; never a secret. */
  Map<String, String> details();

  /** What a person can do about it; empty where nothing is known. */
  String remedy();
}
