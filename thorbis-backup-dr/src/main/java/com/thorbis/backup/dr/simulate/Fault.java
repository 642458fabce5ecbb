package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.plan.Scenario;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;

/** How one kind of disaster is made. Used for one simulation. */
interface Fault {
  /** Its name in documents. */
  String label();

  /** Whether the primary has to be reached through a network that can be cut. */
  default boolean relayed() {
    return false;
  }

  /** What undoing it takes; known before it is made. */
  Map<String, String> undoing(LocalEnvironment there) throws IOException;

  /** Makes it. */
  void make(LocalEnvironment there) throws IOException;

  /** Undoes what of it a recovery does not. May be called where it was not made. */
  void undo(LocalEnvironment there) throws IOException;

  /**
   * What it has seen itself.
   *
   * @param holds whether it is as it must be
   */
  record Seen(boolean holds, String detail) {}

  /** What it has seen of the side that was left behind, if somebody is there. */
  default Optional<Seen> seen() {
    return Optional.empty();
  }

  /**
   * The fault of a kind.
   *
   * @throws BackupException code {@code simulation.not-here}
   */
  static Fault of(Scenario.Simulation kind) {
    return switch (kind) {
      case DATABASE_FAILURE -> new KilledDatabase();
      case NETWORK_PARTITION -> new CutNetwork();
      default ->
          throw BackupException.of(
                  "simulation.not-here",
                  FailureKind.CONFIGURATION,
                  "A local environment cannot simulate " + kind.label() + " yet")
              .remedy("It can simulate database-failure and network-partition.")
              .build();
    };
  }
}
