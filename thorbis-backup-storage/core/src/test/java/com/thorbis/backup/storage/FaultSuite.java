package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Counts what a suite did, and says so in one line. */
final class FaultSuite {
  static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  static final long SEED = Long.getLong("thorbis.seed", new Random().nextLong(1_000_000_000));

  private static final Set<Fault> DAMAGE =
      EnumSet.of(Fault.BIT_FLIP, Fault.BIT_FLIP_STAYS, Fault.CUT, Fault.EXTENDED);

  private final String name;
  private final String counted;
  private final AtomicLong cases = new AtomicLong();
  private final AtomicLong idle = new AtomicLong();
  private final AtomicLong struck = new AtomicLong();
  private final List<String> violations = new ArrayList<>();

  /** What one case does. */
  @FunctionalInterface
  interface Case {
    void run() throws Exception;
  }

  FaultSuite(String name, String counted) {
    this.name = name;
    this.counted = counted;
  }

  /** Runs one case; what goes wrong in it is a violation. */
  void run(String label, Case one) {
    try {
      one.run();
    } catch (Throwable e) {
      violated(label, e);
    }
    cases.incrementAndGet();
  }

  private void violated(String label, Throwable e) {
    synchronized (violations) {
      violations.add(label + ": " + e);
      if (violations.size() <= 10) {
        System.out.println(name + ": VIOLATION in " + label);
        e.printStackTrace(System.out);
      }
    }
  }

  /** A case with faults in it. */
  @FunctionalInterface
  interface Trial {
    /** How many faults struck. */
    int run() throws Exception;
  }

  /**
   * A trial and what it is called.
   *
   * @param needed how many faults have to strike for it to count
   */
  record Labelled(String label, int needed, Trial one) {
    static Labelled of(String label, Case one) {
      return new Labelled(
          label,
          0,
          () -> {
            one.run();
            return 0;
          });
    }
  }

  private void run(String prefix, Labelled labelled) {
    int hits;
    try {
      hits = labelled.one().run();
    } catch (Throwable e) {
      violated(prefix + labelled.label(), e);
      cases.incrementAndGet();
      return;
    }
    if (hits < labelled.needed()) {
      idle.incrementAndGet();
    } else {
      struck.addAndGet(hits);
      cases.incrementAndGet();
    }
  }

  /** Makes a case of a seed. */
  @FunctionalInterface
  interface Maker {
    Labelled make(Random random) throws Exception;
  }

  /**
   * Runs cases, each of a seed of its own, until so many count; on every core before a release. The
   * threads of a case belong to its group.
   */
  void forEachSeed(int count, Maker maker) throws InterruptedException {
    long most = 20L * count;
    AtomicLong next = new AtomicLong();
    onEveryCore(
        () -> {
          while (cases.get() < count && next.get() < most) {
            long seed = SEED + next.getAndIncrement();
            // What Random draws first for neighbouring seeds is nearly the same.
            long mixed = new SplittableRandom(seed).nextLong();
            try {
              run("seed " + seed + ": ", maker.make(new Random(mixed)));
            } catch (Exception e) {
              violated("seed " + seed, e);
            }
          }
        });
    assertThat(cases.get())
        .as("cases that count of %d tried", next.get())
        .isGreaterThanOrEqualTo(count);
  }

  /** Runs each, on every core before a release. */
  void forEach(List<Labelled> all) throws InterruptedException {
    AtomicInteger next = new AtomicInteger();
    onEveryCore(
        () -> {
          for (int at = next.getAndIncrement(); at < all.size(); at = next.getAndIncrement()) {
            run("", all.get(at));
          }
        });
  }

  private void onEveryCore(Runnable work) throws InterruptedException {
    List<Thread> workers = new ArrayList<>();
    int cores = RELEASE ? Runtime.getRuntime().availableProcessors() : 1;
    for (int i = 0; i < cores; i++) {
      workers.add(new Thread(new ThreadGroup(name + "-" + i), work, name));
    }
    workers.forEach(Thread::start);
    for (Thread worker : workers) {
      worker.join();
    }
  }

  /** Prints the counts, and fails if anything was violated. */
  void report() throws IOException {
    String line =
        String.format(
            Locale.ROOT,
            "%s: %s: %d%s, violations: %d, seed: %d",
            name,
            counted,
            cases.get(),
            struck.get() == 0
                ? ""
                : ", faults that struck in them: " + struck + ", others without: " + idle,
            violations.size(),
            SEED);
    System.out.println(line);
    if (RELEASE) {
      Path folder = Files.createDirectories(Path.of("target", "release-report"));
      Files.writeString(folder.resolve(name + ".md"), "* " + line + "\n");
    }
    violations.forEach(violation -> System.out.println(violation.lines().limit(3).toList()));
    assertThat(violations).isEmpty();
  }

  /** The calls that an operation makes at each copy when nothing goes wrong. */
  static List<List<String>> calls(Scenario scenario, TestWorld before) throws IOException {
    TestWorld world = before.copy();
    List<FaultyObjectStore> views = views(world);
    try (TestClient client = world.client(views)) {
      if (scenario.opened()) {
        client.open();
      }
      List<Integer> first = views.stream().map(view -> view.calls().size()).toList();
      scenario.action().run(client);
      List<List<String>> calls = new ArrayList<>();
      for (int i = 0; i < views.size(); i++) {
        List<String> all = views.get(i).calls();
        calls.add(all.subList(first.get(i), all.size()));
      }
      return calls;
    }
  }

  /** What one process sees of the copies. */
  private static List<FaultyObjectStore> views(TestWorld world) {
    List<FaultyObjectStore> views = new ArrayList<>();
    for (MemoryObjectStore disk : world.disks) {
      FaultyObjectStore view = FaultyObjectStore.over(disk).duringPause(world::rest);
      views.add(views.isEmpty() ? view : view.diesWith(views.get(0)));
    }
    return views;
  }

  /** A fault at a call to a copy. */
  record Planned(int copy, int call, Fault fault) {
    @Override
    public String toString() {
      return fault.label() + "@" + call + (copy == 0 ? "" : " of copy " + copy);
    }
  }

  /**
   * Does an operation with faults in it, looks at what is left, does it again without, and looks
   * again.
   *
   * @param again a fault in the second attempt; a third one goes without
   * @return how many of the faults struck
   */
  static int singleFault(
      Scenario scenario, TestWorld before, List<Planned> faults, List<Planned> again)
      throws IOException {
    try (TestWorld world = before.copy()) {
      return faulty(scenario, world, faults, again);
    }
  }

  private static int faulty(
      Scenario scenario, TestWorld world, List<Planned> faults, List<Planned> again)
      throws IOException {
    int struck = attempt(scenario, world, faults);
    world.rest();
    world.check(false);
    world.catchUp();
    if (!again.isEmpty()) {
      struck += attempt(scenario, world, again);
      world.rest();
      world.check(false);
      world.catchUp();
    }
    try (TestClient client = world.client(world.disks)) { // 9: the same request converges
      scenario.action().run(client);
      assertThat(client.found).isEmpty();
      assertThat(client.problems).isEmpty();
    }
    world.check(true);
    world.checkNothingIsLeftOver();
    world.check(false);
    return struck;
  }

  private static int attempt(Scenario scenario, TestWorld world, List<Planned> faults)
      throws IOException {
    List<FaultyObjectStore> views = views(world);
    EnumSet<Fault> kinds = EnumSet.noneOf(Fault.class);
    faults.forEach(planned -> kinds.add(planned.fault()));
    try (TestClient client = world.client(views)) {
      if (scenario.opened()) {
        client.open();
      }
      List<Integer> first = views.stream().map(view -> view.calls().size()).toList();
      for (Planned planned : faults) {
        views
            .get(planned.copy())
            .failAtCall(first.get(planned.copy()) + planned.call(), planned.fault());
      }
      try {
        scenario.action().run(client);
        requireNamed(client, views, first, faults);
      } catch (FaultyObjectStore.Died e) {
        assertThat(kinds).anyMatch(Fault::kills);
      } catch (IOException e) {
        if (damagedTwice(faults)) { // then nobody can tell the way from the place
          kinds.add(Fault.BIT_FLIP_STAYS);
        }
        requireTyped(e, kinds);
      }
    } finally {
      boolean interrupted = Thread.interrupted();
      assertThat(interrupted && !kinds.contains(Fault.INTERRUPTED)).isFalse();
      requireNoThreads();
    }
    int struck = 0;
    for (FaultyObjectStore view : views) {
      struck += view.struck();
      view.recover();
    }
    return struck;
  }

  private static boolean damagedTwice(List<Planned> faults) {
    return faults.stream().filter(planned -> DAMAGE.contains(planned.fault())).count() > 1;
  }

  /** 2: verifying names the object that is damaged, and nothing else. */
  private static void requireNamed(
      TestClient client, List<FaultyObjectStore> views, List<Integer> first, List<Planned> faults) {
    Set<String> lasting = new HashSet<>();
    for (Planned planned : faults) {
      List<String> calls = views.get(planned.copy()).calls();
      int number = first.get(planned.copy()) + planned.call();
      boolean lasts = planned.fault() == Fault.BIT_FLIP_STAYS || damagedTwice(faults);
      if (lasts && number <= calls.size()) {
        String call = calls.get(number - 1); // not each is about an object
        lasting.add(call.substring(call.indexOf(' ') + 1));
      }
    }
    assertThat(client.found)
        .allSatisfy(
            damage -> // what a segment lacks for a damaged part is named by the segment
            assertThat(lasting)
                    .anyMatch(
                        object ->
                            !damage.object().isEmpty() && object.startsWith(damage.object())));
  }

  /** 9: whatever fails says what may be done about it, and that fits what happened. */
  static void requireTyped(IOException e, Set<Fault> faults) {
    if (e instanceof InterruptedIOException) {
      assertThat(faults).as("%s", e).contains(Fault.INTERRUPTED);
      return;
    }
    if (!(e instanceof ClassifiedFailure failure)) {
      throw new AssertionError("Not classified", e);
    }
    if (failure.code().equals("repository.primary-unreachable")) {
      return; // whatever keeps the deciding copy from answering, nothing may take its place
    }
    Set<FailureKind> allowed = EnumSet.noneOf(FailureKind.class);
    faults.forEach(fault -> allowed.addAll(allowed(fault)));
    if (!allowed.contains(failure.kind())) {
      throw new AssertionError(failure.kind() + " " + failure.code() + " after " + faults, e);
    }
  }

  private static Set<FailureKind> allowed(Fault fault) {
    return switch (fault) {
      case UNAVAILABLE, THROTTLED, BODY_BREAKS ->
          EnumSet.of(FailureKind.TRANSIENT, FailureKind.OUTCOME_UNKNOWN);
      case REQUEST_LOST, ANSWER_LOST, LATE_EFFECT, DELIVERED_TWICE, UNSEEN, NOTHING_STORED ->
          EnumSet.of(FailureKind.TRANSIENT, FailureKind.OUTCOME_UNKNOWN);
      case REFUSED, FULL -> EnumSet.of(FailureKind.PERMANENT, FailureKind.OUTCOME_UNKNOWN);
      case SHORT_LISTING, REORDERED_LISTING, LAGGING_LISTING -> EnumSet.of(FailureKind.TRANSIENT);
      case BIT_FLIP, CUT, EXTENDED -> EnumSet.noneOf(FailureKind.class);
      case BIT_FLIP_STAYS -> // of the plain name of a place nobody can tell it from another's
          EnumSet.of(FailureKind.DAMAGED, FailureKind.REFUSED);
      case INTERRUPTED -> EnumSet.of(FailureKind.CANCELLED);
      case OVERWRITES -> EnumSet.of(FailureKind.CONFIGURATION);
      case PAUSED -> EnumSet.of(FailureKind.REFUSED); // its lease, or its plan, is too old
      default -> EnumSet.noneOf(FailureKind.class);
    };
  }

  /** 10: nothing goes on behind the caller's back. */
  static void requireNoThreads() {
    Thread[] threads = new Thread[256];
    ThreadGroup group = Thread.currentThread().getThreadGroup();
    int count = group.enumerate(threads);
    for (int i = 0; i < count; i++) {
      Thread thread = threads[i];
      if (thread.getName().startsWith("thorbis-")) {
        boolean ended = false;
        try {
          thread.join(20_000); // it may be about to end
          ended = !thread.isAlive();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
        assertThat(ended).as("%s has ended", thread).isTrue();
      }
    }
  }
}
