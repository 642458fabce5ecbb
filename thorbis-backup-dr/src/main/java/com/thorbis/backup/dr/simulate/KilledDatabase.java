package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.plan.Scenario;
import java.io.IOException;
import java.util.Map;

/** The primary's first process is killed where it stands; the others notice by themselves. */
final class KilledDatabase implements Fault {
  @Override
  public String label() {
    return Scenario.Simulation.DATABASE_FAILURE.label();
  }

  /** What was killed is not started again, as another one takes its place: it is removed. */
  @Override
  public Map<String, String> undoing(LocalEnvironment there) {
    return Map.of(
        "server", there.primary().name(), "remove", there.primary().dataDirectory().toString());
  }

  @Override
  public void make(LocalEnvironment there) throws IOException {
    ProcessHandle server =
        there
            .process(there.primary())
            .orElseThrow(() -> new IOException("The primary does not run: nothing to kill"));
    if (!server.destroyForcibly()) {
      throw new IOException("Process " + server.pid() + " cannot be killed");
    }
  }

  @Override
  public void undo(LocalEnvironment there) {
    // The environment's removal undoes it, also where this process is killed before.
  }
}
