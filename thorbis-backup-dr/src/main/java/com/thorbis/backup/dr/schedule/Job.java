package com.thorbis.backup.dr.schedule;

import com.thorbis.backup.spi.repository.RunControl;
import java.time.Instant;
import java.util.Optional;
import java.util.function.Consumer;

/** Work that a {@link Scheduler} starts. Used by several threads, and run by one at a time. */
public interface Job {
  /** Names it in events and in stored state: {@code a-z}, {@code 0-9}, ".", "_" and "-". */
  String name();

  /** What it works on. Of jobs of one subject one runs at a time, in whichever process. */
  default String subject() {
    return name();
  }

  /**
   * When the last work began that is this job's or makes it unnecessary, by what is stored, which
   * is looked at anew. Of a job that leaves no trace the scheduler remembers it instead.
   *
   * @return empty if there is none; a failure to look is thrown
   */
  default Optional<Instant> lastDone() {
    return Optional.empty();
  }

  /** Whether another job that is due at the same moment has nothing to do after this one. */
  default boolean covers(Job other) {
    return false;
  }

  /** Does it; returns once it is done, and throws if it is not. */
  void run(RunControl control);

  /** One that leaves no trace. */
  static Job of(String name, Consumer<RunControl> work) {
    return new Job() {
      @Override
      public String name() {
        return name;
      }

      @Override
      public void run(RunControl control) {
        work.accept(control);
      }
    };
  }
}
