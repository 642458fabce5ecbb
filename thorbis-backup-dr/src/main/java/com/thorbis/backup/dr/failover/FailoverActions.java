package com.thorbis.backup.dr.failover;

import com.thorbis.backup.dr.plan.ActionNames;
import com.thorbis.backup.dr.run.Action;
import com.thorbis.backup.dr.run.Task;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The kinds of steps by which another server takes over: detect, fence and promote. */
public final class FailoverActions {
  private static final Pattern SIZE = Pattern.compile("([0-9]{1,15})(B|KiB|MiB|GiB)");
  private static final String ANY = "any";

  private FailoverActions() {}

  /**
   * For the sources that can fail over.
   *
   * @param sources what each has
   * @param detectors what establishes whether something else is down, by the name that plans give
   */
  public static List<Action> of(Collection<Failover> sources, Map<String, Detector> detectors) {
    Map<String, Failover> bySource = new TreeMap<>();
    for (Failover each : sources) {
      if (bySource.putIfAbsent(each.source(), each) != null) {
        throw new IllegalArgumentException("Two are for " + each.source());
      }
    }
    Map<String, Detector> named = new TreeMap<>(detectors);
    return List.of(
        Action.of(
            ActionNames.DETECT,
            Set.of("source", "detector"),
            task -> new DetectStep(task, detector(task, bySource, named), found(task, bySource))),
        Action.of(
            ActionNames.FENCE,
            Set.of("source", "server", "mode"),
            task -> {
              Failover failover = failover(task, bySource);
              return new FenceStep(
                  task,
                  failover,
                  failover.server(task.inputs().getOrDefault("server", Failover.PRIMARY)),
                  mode(task.inputs().getOrDefault("mode", Fence.Mode.FORCE.label())));
            }),
        Action.of(
            ActionNames.PROMOTE,
            Set.of("source", "server", "fence", "max-loss"),
            task -> {
              Failover failover = failover(task, bySource);
              String loss = task.inputs().getOrDefault("max-loss", "0B");
              return new PromoteStep(
                  task,
                  failover,
                  failover.server(task.inputs().getOrDefault("server", Failover.STANDBY)),
                  loss.equals(ANY) ? OptionalLong.empty() : OptionalLong.of(size(loss)));
            }));
  }

  private static Failover failover(Task task, Map<String, Failover> bySource) {
    String source = task.require("source");
    Failover failover = bySource.get(source);
    if (failover == null) {
      throw new IllegalArgumentException(
          "source: nothing is known of how " + source + " fails over; known: " + bySource.keySet());
    }
    return failover;
  }

  private static Optional<Failover> found(Task task, Map<String, Failover> bySource) {
    return task.inputs().containsKey("detector")
        ? Optional.empty()
        : Optional.of(failover(task, bySource));
  }

  private static Detector detector(
      Task task, Map<String, Failover> bySource, Map<String, Detector> named) {
    String name = task.inputs().get("detector");
    if (name == null) {
      return failover(task, bySource)
          .detector()
          .orElseThrow(
              () ->
                  new IllegalArgumentException(
                      "source: " + task.inputs().get("source") + " has no detector"));
    }
    Detector detector = named.get(name);
    if (detector == null || task.inputs().containsKey("source")) {
      throw new IllegalArgumentException(
          "detector: give one of " + named.keySet() + " or a source, and not both");
    }
    return detector;
  }

  private static Fence.Mode mode(String text) {
    for (Fence.Mode mode : Fence.Mode.values()) {
      if (mode.label().equals(text)) {
        return mode;
      }
    }
    throw new IllegalArgumentException("mode: \"" + text + "\" is neither graceful nor force");
  }

  static long size(String text) {
    Matcher form = SIZE.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException(
          "max-loss: \"" + text + "\" is no size such as 0B or 16MiB, and not \"any\"");
    }
    int shift =
        switch (form.group(2).toLowerCase(Locale.ROOT)) {
          case "kib" -> 10;
          case "mib" -> 20;
          case "gib" -> 30;
          default -> 0;
        };
    return Math.multiplyExact(Long.parseLong(form.group(1)), 1L << shift);
  }
}
