package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.plan.Scenario;
import java.io.IOException;
import java.time.Instant;
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

  /** Whether data is damaged: then it is protected before, and watched. */
  default boolean corrupts() {
    return false;
  }

  /**
   * When somebody first noticed, which is what raises the alarm; empty as long as nobody has.
   *
   * @param moment when it was made
   */
  default Optional<Instant> noticed(LocalEnvironment there, Probe probe, Instant moment) {
    return corrupts()
        ? there.lookout().seen().firstDamaged()
        : probe.attempts().stream()
            .filter(it -> it.outcome() != Attempt.Outcome.ACKNOWLEDGED)
            .map(Attempt::ended)
            .filter(it -> it.isAfter(moment))
            .findFirst();
  }

  /** Whether clients have to go through an application. */
  default boolean served() {
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
   * @param check the name of the check
   * @param holds whether it is as it must be
   */
  record Seen(String check, boolean holds, String detail) {
    Aftermath.Said said() {
      return holds ? Aftermath.Said.passed(detail) : Aftermath.Said.failed(detail);
    }
  }

  /** What it alone knows of, after the recovery. */
  default Optional<Seen> seen(LocalEnvironment there) {
    return Optional.empty();
  }

  /**
   * What was made on purpose.
   *
   * @param damage for people
   * @param named what the check has to say of it
   */
  record Spoiled(String damage, String named) {}

  /** Makes what {@link #seen} must not let pass. Only the environment's removal undoes it. */
  default Spoiled spoil(LocalEnvironment there) throws IOException {
    throw new IllegalStateException(label() + " sees nothing by itself");
  }

  /**
   * The fault of a kind.
   *
   * @param damage how, where data is corrupted
   */
  static Fault of(Scenario.Simulation kind, Damage damage) {
    return switch (kind) {
      case DATABASE_FAILURE -> new KilledDatabase();
      case NETWORK_PARTITION -> new CutNetwork();
      case DATA_CORRUPTION ->
          switch (damage) {
            case STATEMENT -> new WrongStatement();
            case PAGE -> new DamagedPage();
          };
      case APPLICATION_FAILURE -> new KilledApplication();
    };
  }
}
