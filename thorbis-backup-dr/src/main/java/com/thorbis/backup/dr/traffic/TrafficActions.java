package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.run.Action;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.spi.Settings;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Steps of a run that move a switch. Each takes {@code switch}, the name of one; {@code from} and
 * {@code to}, two places in the form of that switch; and {@code switch-dns} takes {@code ttl}, for
 * how long the plan counts with clients that go to the old place. What undoes it is recorded before
 * it is moved. Its facts are {@code place}, and {@code remaining}: for how long clients may go to
 * the old place yet, as in {@code PT1M}.
 */
public final class TrafficActions {
  private static final String PREFIX = "switch-";
  private static final List<String> KINDS =
      List.of("connection-file", "pgbouncer", "haproxy", "dns");

  private TrafficActions() {}

  /** One action of each kind, over switches by the names that plans use. */
  public static List<Action> of(Map<String, TrafficSwitch> switches) {
    Map<String, TrafficSwitch> known = Map.copyOf(switches);
    return KINDS.stream().map(kind -> moving(kind, known)).toList();
  }

  private static Action moving(String of, Map<String, TrafficSwitch> switches) {
    Set<String> inputs = new TreeSet<>(Set.of("switch", "from", "to"));
    if (of.equals("dns")) {
      inputs.add("ttl");
    }
    return Action.of(PREFIX + of, inputs, task -> open(of, switches, task));
  }

  private static Step open(String of, Map<String, TrafficSwitch> switches, Task task) {
    String name = task.require("switch");
    TrafficSwitch found = switches.get(name);
    if (found == null) {
      throw new IllegalArgumentException(
          "there is no switch " + name + "; known: " + new TreeSet<>(switches.keySet()));
    }
    if (!found.kind().equals(of)) {
      throw new IllegalArgumentException(
          "switch " + name + " is moved by " + PREFIX + found.kind() + ", not by " + PREFIX + of);
    }
    Duration ttl = ttl(task.inputs().getOrDefault("ttl", "0s"));
    return new Move(found, task.require("from"), task.require("to"), ttl);
  }

  private static Duration ttl(String text) {
    try {
      return Settings.of("", Map.of("ttl", text)).duration("ttl", Duration.ZERO);
    } catch (BackupException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  private record Move(TrafficSwitch traffic, String from, String to, Duration ttl) implements Step {
    private static final String PLACE = "place";
    private static final String REMAINING = "remaining";

    /** What is in between is not there: {@code execute} finishes it. */
    @Override
    public Result check(StepContext context) throws IOException {
      return traffic.points(to)
          ? Result.done(traffic.describe() + " points to " + to)
          : Result.notDone(traffic.describe() + " does not point to " + to);
    }

    @Override
    public Map<String, String> undo(StepContext context) throws IOException {
      try {
        return Map.of(PLACE, traffic.current());
      } catch (SwitchException e) {
        if (e.code().equals("traffic.in-between")) {
          return Map.of(PLACE, from); // moving it requires that it comes from there
        }
        throw e;
      }
    }

    @Override
    public Result execute(StepContext context) throws IOException {
      return moved(traffic.set(from, to), to);
    }

    @Override
    public boolean compensates() {
      return true;
    }

    @Override
    public Result compensate(StepContext context, Map<String, String> undo) throws IOException {
      String place = undo.getOrDefault(PLACE, from);
      return moved(traffic.set(to, place), place);
    }

    private Result moved(Duration remaining, String place) {
      String late =
          remaining.isZero()
              ? ""
              : "; some clients may go to the old place for "
                  + remaining.toSeconds()
                  + " s yet"
                  + (remaining.compareTo(ttl) > 0
                      ? ", and the plan counts with " + ttl.toSeconds() + " s"
                      : "");
      return Result.done(traffic.describe() + " points to " + place + late)
          .with(Map.of(PLACE, place, REMAINING, remaining.toString()));
    }

    @Override
    public String intent() {
      return "move " + traffic.describe() + " from " + from + " to " + to;
    }
  }
}
