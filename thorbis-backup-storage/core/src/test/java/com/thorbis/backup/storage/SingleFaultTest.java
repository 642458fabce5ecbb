package com.thorbis.backup.storage;

import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every store call of every operation fails in every way that makes a difference to it. */
class SingleFaultTest {
  @TempDir Path states;

  @Test
  void everyCallOfEveryOperationTimesEveryFault() throws IOException {
    FaultSuite suite = new FaultSuite("single-faults", "call sites x faults");
    for (Scenario scenario : Scenario.ALL) {
      TestWorld before = scenario.world(states);
      List<String> calls = FaultSuite.calls(scenario, before);
      for (int call = 1; call <= calls.size(); call++) {
        for (Fault fault : Fault.values()) {
          if (fault.appliesTo(calls.get(call - 1))) {
            FaultSuite.Planned planned = new FaultSuite.Planned(call, fault);
            suite.run(
                scenario + " " + planned + " (" + calls.get(call - 1) + ")",
                () -> FaultSuite.singleFault(scenario, before, List.of(planned), List.of()));
          }
        }
      }
    }
    suite.report();
  }
}
