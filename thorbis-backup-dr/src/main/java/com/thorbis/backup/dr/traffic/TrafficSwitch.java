package com.thorbis.backup.dr.traffic;

import java.io.IOException;
import java.time.Duration;

/**
 * One thing that decides where clients go. Places are text in the form of the thing, without
 * secrets. Used by one thread. What could not be looked at is a {@link SwitchException}, never a
 * no.
 */
public interface TrafficSwitch extends AutoCloseable {
  /** Its kind, such as {@code dns}: steps {@code switch-dns} of a plan move it. */
  String kind();

  /** What it is, for people. */
  String describe();

  /** Where clients are sent now, in full: what {@link #set} takes to bring this back. */
  String current() throws IOException;

  /** Whether what decides and what runs both send clients to {@code place}. */
  boolean points(String place) throws IOException;

  /**
   * Sends clients to {@code place} and looks whether that has come true. Does nothing if they go
   * there already, and finishes what an earlier call has begun with the same values. A failure
   * without {@link com.thorbis.backup.api.FailureKind#OUTCOME_UNKNOWN} leaves clients where they
   * went before.
   *
   * @param expected what {@link #current} said before the change was decided
   * @return how long some clients may still go to the old place
   * @throws SwitchException {@code traffic.changed} if they go to neither of both: somebody else
   *     has moved them
   */
  Duration set(String expected, String place) throws IOException;

  /** Ends what it was opened with; one that was built of the caller's parts leaves those open. */
  @Override
  default void close() {}
}
