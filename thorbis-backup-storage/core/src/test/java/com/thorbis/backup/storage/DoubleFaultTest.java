package com.thorbis.backup.storage;

import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A second fault hits while the first is being dealt with, or when the request is repeated. */
class DoubleFaultTest {
  private static final int CASES =
      Integer.getInteger("thorbis.cases", FaultSuite.RELEASE ? 2500 : 120);
  private static final Pattern SCENARIOS =
      Pattern.compile(System.getProperty("thorbis.scenarios", ".*"));

  private static final List<Fault> FAULTS = List.of(Fault.values());

  @TempDir Path states;

  @Test
  void aSecondFaultDuringTheRecoveryFromTheFirst() throws Exception {
    FaultSuite suite = new FaultSuite("double-faults", "pairs of faults that both struck");
    Map<Scenario, TestWorld> worlds = new HashMap<>();
    Map<Scenario, List<List<String>>> calls = new HashMap<>();
    List<Scenario> chosen =
        Scenario.ALL.stream().filter(one -> SCENARIOS.matcher(one.label()).matches()).toList();
    for (Scenario scenario : chosen) {
      TestWorld world = scenario.world(states);
      worlds.put(scenario, world);
      calls.put(scenario, FaultSuite.calls(scenario, world));
    }
    suite.forEachSeed(
        CASES,
        random -> {
          Scenario scenario = chosen.get(random.nextInt(chosen.size()));
          List<List<String>> made = calls.get(scenario);
          FaultSuite.Planned first = pick(random, made, random.nextInt(made.size()), 1);
          boolean inRetry = random.nextBoolean();
          // In the same attempt it comes a little later, where what is done about the first is.
          FaultSuite.Planned second =
              pick(random, made, first.copy(), inRetry ? 1 : first.call() + 1);
          List<FaultSuite.Planned> now = new ArrayList<>(List.of(first));
          List<FaultSuite.Planned> again = new ArrayList<>();
          (inRetry ? again : now).add(second);
          String label = scenario + " " + now + " then " + again;
          return new FaultSuite.Labelled(
              label, 2, () -> FaultSuite.singleFault(scenario, worlds.get(scenario), now, again));
        });
    suite.report();
  }

  private static FaultSuite.Planned pick(
      Random random, List<List<String>> made, int copy, int from) {
    List<String> calls = made.get(copy);
    int call = from == 1 ? 1 + random.nextInt(calls.size()) : from + random.nextInt(3);
    String named = call <= calls.size() ? calls.get(call - 1) : "head x";
    while (true) {
      Fault fault = FAULTS.get(random.nextInt(FAULTS.size()));
      // Behind a fault nobody knows which call comes.
      if (from > 1 || fault.appliesTo(named)) {
        return new FaultSuite.Planned(copy, call, fault);
      }
    }
  }
}
