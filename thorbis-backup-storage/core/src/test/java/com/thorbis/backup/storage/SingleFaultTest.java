package com.thorbis.backup.storage;

import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every store call of every operation fails in every way that makes a difference to it: all of them
 * before a release; otherwise one of each kind, for one in three operations one of each kind, and a
 * share of the others, which are others with each seed.
 */
class SingleFaultTest {
  private static final int SHARE =
      Integer.getInteger("thorbis.share", FaultSuite.RELEASE ? 1 : 192);
  private static final int KINDS = FaultSuite.RELEASE ? 1 : 3;
  private static final Pattern SCENARIOS =
      Pattern.compile(System.getProperty("thorbis.scenarios", ".*"));

  @TempDir Path states;

  @Test
  @Timeout(value = 4, unit = TimeUnit.HOURS) // as long as all of them may take
  void everyCallOfEveryOperationTimesEveryFault() throws Exception {
    FaultSuite suite = new FaultSuite("single-faults", "call sites x faults");
    Random random = new Random(FaultSuite.SEED);
    List<FaultSuite.Labelled> cases = new ArrayList<>();
    Set<Fault> anywhere = EnumSet.noneOf(Fault.class);
    for (Scenario scenario : Scenario.ALL) {
      if (!SCENARIOS.matcher(scenario.label()).matches()) {
        continue;
      }
      Set<Fault> seen = EnumSet.noneOf(Fault.class);
      TestWorld before = scenario.world(states);
      List<List<String>> calls = FaultSuite.calls(scenario, before);
      for (int copy = 0; copy < calls.size(); copy++) {
        for (int call = 1; call <= calls.get(copy).size(); call++) {
          String named = calls.get(copy).get(call - 1);
          for (Fault fault : Fault.values()) {
            if (!fault.appliesTo(named)) {
              continue;
            }
            boolean chosen = random.nextInt(SHARE) == 0;
            boolean first = seen.add(fault) && random.nextInt(KINDS) == 0;
            if (anywhere.add(fault) || first || chosen) {
              FaultSuite.Planned planned = new FaultSuite.Planned(copy, call, fault);
              cases.add(
                  new FaultSuite.Labelled(
                      scenario + " " + planned + " (" + named + ")",
                      1,
                      () -> FaultSuite.singleFault(scenario, before, List.of(planned), List.of())));
            }
          }
        }
      }
    }
    suite.forEach(cases);
    suite.report();
  }
}
