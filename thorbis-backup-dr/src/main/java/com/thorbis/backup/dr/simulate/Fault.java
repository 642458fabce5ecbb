package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.plan.Scenario;
import java.io.IOException;
import java.util.Map;

/** How one kind of disaster is made. */
interface Fault {
  /** Its name in documents. */
  String label();

  /** What undoing it takes; known before it is made. */
  Map<String, String> undoing(LocalEnvironment there) throws IOException;

  /** Makes it. */
  void make(LocalEnvironment there) throws IOException;

  /** Undoes what of it a recovery does not. May be called where it was not made. */
  void undo(LocalEnvironment there) throws IOException;

  /**
   * The fault of a kind.
   *
   * @throws BackupException code {@code simulation.not-here}
   */
  static Fault of(Scenario.Simulation kind) {
    return switch (kind) {
      case DATABASE_FAILURE -> new KilledDatabase();
      default ->
          throw BackupException.of(
                  "simulation.not-here",
                  FailureKind.CONFIGURATION,
                  "A local environment cannot simulate " + kind.label() + " yet")
              .remedy("It can simulate database-failure.")
              .build();
    };
  }
}
