package com.thorbis.backup.dr.failover;

import com.thorbis.backup.dr.failover.Sighting.Reading;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Establishes whether something is down. One signal that sees it work is enough for up. It is down
 * only if signals from at least two places see that, look after look. Anything else is neither.
 */
public final class Detector {
  /** From how many places it must be seen to be down. */
  public static final int LEAST_PLACES = 2;

  /** One that hangs keeps nobody from hearing the others. */
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private final List<Signal> signals;
  private final int places;
  private final int looks;
  private final Duration between;
  private final Pause pause;

  private Detector(Builder builder) {
    this.signals = List.copyOf(builder.signals);
    this.places = builder.places;
    this.looks = builder.looks;
    this.between = builder.between;
    this.pause = builder.pause;
    Set<String> ids = new HashSet<>();
    Set<String> from = new HashSet<>();
    for (Signal signal : signals) {
      if (!ids.add(signal.id())) {
        throw new IllegalArgumentException("Two signals are called " + signal.id());
      }
      from.add(signal.from());
    }
    if (places < LEAST_PLACES || looks < 1) {
      throw new IllegalArgumentException("Needs two places that agree, and one look, at least");
    }
    if (from.size() < places) {
      throw new IllegalArgumentException(
          "Signals come from "
              + from.size()
              + " places ("
              + from.stream().sorted().collect(Collectors.joining(", "))
              + "), and "
              + places
              + " have to agree");
    }
  }

  /** Starts with no signal. */
  public static Builder builder() {
    return new Builder();
  }

  /** How it waits between two looks. */
  @FunctionalInterface
  interface Pause {
    /** Waits. */
    void rest(Duration span) throws InterruptedException;
  }

  /**
   * What was established.
   *
   * @param reading which of the three
   * @param signals what each signal said last, by its name
   */
  public record Verdict(Reading reading, Map<String, Sighting> signals) {
    /** Copies the map. */
    public Verdict {
      signals = Map.copyOf(signals);
    }

    @Override
    public String toString() {
      return reading.label()
          + ": "
          + new TreeMap<>(signals)
              .entrySet().stream()
                  .map(
                      each ->
                          each.getKey()
                              + " "
                              + each.getValue().reading().label()
                              + " ("
                              + each.getValue().detail()
                              + ")")
                  .collect(Collectors.joining("; "));
    }
  }

  /** Looks as often as it takes: down needs every look. */
  public Verdict decide() throws InterruptedException {
    Verdict last = look();
    for (int done = 1; done < looks && last.reading() == Reading.DOWN; done++) {
      pause.rest(between);
      last = look();
    }
    return last;
  }

  /** Looks once, with all signals at the same time. */
  public Verdict look() throws InterruptedException {
    ExecutorService threads =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, "thorbis-signal");
              thread.setDaemon(true);
              return thread;
            });
    try {
      List<Callable<Sighting>> calls = new ArrayList<>();
      signals.forEach(signal -> calls.add(signal::look));
      Map<String, Sighting> seen = new TreeMap<>();
      List<Future<Sighting>> answers =
          threads.invokeAll(calls, LONGEST.toMillis(), TimeUnit.MILLISECONDS);
      for (int i = 0; i < answers.size(); i++) {
        seen.put(signals.get(i).id(), answer(answers.get(i)));
      }
      return judge(seen);
    } finally {
      threads.shutdownNow();
    }
  }

  private static Sighting answer(Future<Sighting> answer) throws InterruptedException {
    try {
      return answer.get();
    } catch (CancellationException e) {
      return Sighting.cannotTell("did not end within " + LONGEST);
    } catch (ExecutionException e) {
      return Sighting.cannotTell(String.valueOf(e.getCause()));
    }
  }

  private Verdict judge(Map<String, Sighting> seen) {
    Set<String> down = new HashSet<>();
    for (Signal signal : signals) {
      Sighting sighting = seen.getOrDefault(signal.id(), Sighting.cannotTell("was not asked"));
      if (sighting.reading() == Reading.UP) {
        return new Verdict(Reading.UP, seen);
      }
      if (sighting.reading() == Reading.DOWN) {
        down.add(signal.from());
      }
    }
    return new Verdict(down.size() >= places ? Reading.DOWN : Reading.CANNOT_TELL, seen);
  }

  /** Its signals, for people. */
  @Override
  public String toString() {
    return looks
        + " looks by "
        + signals.stream()
            .map(signal -> signal.id() + " from " + signal.from())
            .collect(Collectors.joining(", "));
  }

  /** Collects signals. */
  public static final class Builder {
    private final List<Signal> signals = new ArrayList<>();
    private int places = LEAST_PLACES;
    private int looks = 3;
    private Duration between = Duration.ofSeconds(2);
    private Pause pause = span -> Thread.sleep(span.toMillis());

    private Builder() {}

    /** One more. */
    public Builder signal(Signal signal) {
      signals.add(signal);
      return this;
    }

    /** From how many places it must be seen to be down: two unless said otherwise, never less. */
    public Builder places(int number) {
      this.places = number;
      return this;
    }

    /**
     * How many looks in a row must find it down, and what lies between them; three, two seconds.
     */
    public Builder looks(int number, Duration apart) {
      this.looks = number;
      this.between = apart;
      return this;
    }

    /** How it waits, for tests. */
    Builder pause(Pause how) {
      this.pause = how;
      return this;
    }

    /**
     * The detector.
     *
     * @throws IllegalArgumentException if its signals come from fewer places than have to agree
     */
    public Detector build() {
      return new Detector(this);
    }
  }
}
