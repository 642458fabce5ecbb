package com.thorbis.backup.dr.run;

import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** What a step is told when it is called. Only the engine implements it, so it can grow. */
public interface StepContext {
  /** The run. */
  String run();

  /** The step. */
  Task task();

  /** The time. */
  Instant now();

  /**
   * The number of the ownership under which it is called. Whatever has an effect and can compare
   * should refuse a number lower than one it has seen.
   */
  long fence();

  /** The same for each attempt at this effect, also after a crash. */
  String key();

  /** Which attempt at it this is, from 1; 0 while none was made. */
  int attempt();

  /** Whether an attempt was made that nobody knows the end of. */
  boolean started();

  /** Whether the last attempt returned, and said that it is done. */
  boolean returned();

  /** When it began to wait. */
  Optional<Instant> waitingSince();

  /** Until when it waits. */
  Optional<Instant> waitingUntil();

  /** Who said that it is done, of a step that a person does. */
  Optional<String> confirmedBy();

  /** What they said about it, where they did. */
  default Optional<String> said() {
    return Optional.empty();
  }

  /** What another step of the run found; nothing if it is not done. */
  Map<String, String> facts(String task);
}
