package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;

/**
 * How the caller follows and stops a run.
 *
 * @param cancellation asked between pieces of work
 * @param progress told about them
 */
public record RunControl(Cancellation cancellation, Progress progress) {
  /** Nobody watches and nobody stops it. */
  public static RunControl unattended() {
    return new RunControl(new Cancellation(), Progress.NONE);
  }
}
