package com.thorbis.backup.dr.run;

import com.thorbis.backup.spi.storage.ForwardingObjectStore;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** A world that steps change, and machines that die at a chosen moment. */
final class TestRuns {
  final SettableClock clock = SettableClock.at(Instant.parse("2030-01-01T00:00:00Z"));
  final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  final World world = new World();

  /** The process is gone. */
  static final class Crash extends Error {
    private static final long serialVersionUID = 1L;
  }

  /** Counts what a process does to the outside, and ends it there. */
  static final class Fate {
    private final int at;
    private final boolean after;
    private int moments;
    private boolean dead;

    Fate(int at, boolean after) {
      this.at = at;
      this.after = after;
    }

    static Fate none() {
      return new Fate(-1, false);
    }

    synchronized boolean dead() {
      return dead;
    }

    synchronized void alive() {
      if (dead) {
        throw new Crash();
      }
    }

    synchronized void before() {
      alive();
      moments++;
      if (moments == at && !after) {
        dead = true;
        throw new Crash();
      }
    }

    synchronized void after() {
      if (moments == at && after) {
        dead = true;
      }
      alive();
    }
  }

  /** What the steps are about. */
  static final class World {
    final Map<String, Integer> executed = new ConcurrentHashMap<>();
    final Map<String, Integer> undone = new ConcurrentHashMap<>();
    final Set<String> there = Collections.synchronizedSet(new HashSet<>());
    final List<String> order = Collections.synchronizedList(new ArrayList<>());
    final List<Long> fences = Collections.synchronizedList(new ArrayList<>());
    final Set<String> broken = Collections.synchronizedSet(new HashSet<>());
    final Set<String> lost = Collections.synchronizedSet(new HashSet<>());
    final Set<String> unclear = Collections.synchronizedSet(new HashSet<>());
    final Set<String> people = Collections.synchronizedSet(new HashSet<>());
    volatile Runnable undoing = () -> {};
  }

  /** A step whose effect can be seen. */
  private final class Effect implements Step {
    private final Task task;
    private final Fate fate;

    Effect(Task task, Fate fate) {
      this.task = task;
      this.fate = fate;
    }

    @Override
    public Result check(StepContext context) {
      fate.alive();
      if (world.unclear.contains(task.id())) {
        return Result.unknown("cannot look");
      }
      if (world.people.contains(task.id()) && world.there.contains(task.id())) {
        return context.started()
            ? Result.unknown("was begun, and nobody knows how far")
            : Result.failed("is there, and no step of this run made it");
      }
      return world.there.contains(task.id())
          ? Result.done("is there").with(Map.of("seen", task.id()))
          : Result.notDone("is not there");
    }

    @Override
    public Map<String, String> undo(StepContext context) {
      fate.alive();
      return Map.of("before", "nothing");
    }

    @Override
    public Result execute(StepContext context) {
      fate.before();
      if (world.broken.contains(task.id())) {
        return Result.failed("is broken");
      }
      if (world.lost.contains(task.id())) {
        return Result.unknown("was told, and may do it yet");
      }
      world.fences.add(context.fence());
      world.executed.merge(task.id(), 1, Integer::sum);
      world.order.add(task.id());
      world.there.add(task.id());
      fate.after();
      if (world.people.contains(task.id())) {
        return Result.waiting(
            Result.Wait.MANUAL, context.now().plus(task.deadline()), "the rest is left to people");
      }
      return Result.done("did it");
    }

    @Override
    public boolean isPointOfNoReturn() {
      return task.inputs().containsKey("forward");
    }

    @Override
    public boolean compensates() {
      return !task.inputs().containsKey("final");
    }

    @Override
    public Result compensate(StepContext context, Map<String, String> undo) {
      fate.before();
      world.undoing.run();
      if (world.there.remove(task.id())) {
        world.undone.merge(task.id(), 1, Integer::sum);
        world.order.add("undo " + task.id());
      }
      fate.after();
      return Result.done("put back " + undo.get("before"));
    }

    @Override
    public String intent() {
      return "make " + task.id();
    }
  }

  /** A disk that outlives processes. */
  static final class Disk {
    final Map<String, byte[]> files = new HashMap<>();
    boolean full;
    boolean seen;

    /** One whose files lie in the folder too, where whoever looks finds them. */
    static Disk seen() {
      Disk disk = new Disk();
      disk.seen = true;
      return disk;
    }

    JournalFile open(Path folder, Fate fate) {
      String name = String.valueOf(folder.getFileName());
      return new JournalFile() {
        @Override
        public byte[] content() {
          return files.getOrDefault(name, new byte[0]);
        }

        @Override
        public void append(byte[] bytes) throws IOException {
          if (full) {
            throw new IOException("No space is left");
          }
          try {
            fate.before();
          } catch (Crash e) {
            write(Arrays.copyOf(bytes, bytes.length / 2)); // a part of it may be there
            throw e;
          }
          write(bytes);
          fate.after();
        }

        private void write(byte[] bytes) throws IOException {
          ByteArrayOutputStream all = new ByteArrayOutputStream();
          all.writeBytes(content());
          all.writeBytes(bytes);
          files.put(name, all.toByteArray());
          if (seen) {
            Files.createDirectories(folder);
            Files.write(folder.resolve(JournalFile.NAME), all.toByteArray());
          }
        }

        @Override
        public void cut(long length) {
          fate.alive();
          files.put(name, Arrays.copyOf(content(), (int) length));
        }

        @Override
        public void close() {}
      };
    }
  }

  /** How a process sees the store. */
  static final class Wire extends ForwardingObjectStore {
    private final MemoryObjectStore store;
    private final Fate fate;
    volatile boolean away;
    volatile @Nullable Runnable beforeRecord;

    Wire(MemoryObjectStore store, Fate fate) {
      this.store = store;
      this.fate = fate;
    }

    @Override
    protected ObjectStore delegate() {
      return store;
    }

    @Override
    public String describe() {
      return "memory";
    }

    private void ask() throws IOException {
      fate.alive();
      if (away) {
        throw new StorageException.Unavailable("Ask", "memory", null);
      }
    }

    @Override
    public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
      ask();
      if (!key.value().startsWith("runs/")) {
        return super.put(key, content);
      }
      Runnable others = beforeRecord;
      if (others != null) {
        beforeRecord = null;
        others.run();
      }
      fate.before();
      ObjectInfo info = super.put(key, content);
      fate.after();
      return info;
    }

    @Override
    public ObjectRead get(ObjectKey key) throws IOException {
      ask();
      return super.get(key);
    }

    @Override
    public ListPage list(String prefix, Optional<String> after) throws IOException {
      ask();
      return super.list(prefix, after);
    }

    @Override
    public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
      ask();
      return super.head(key);
    }
  }

  Wire wire() {
    return new Wire(store, Fate.none());
  }

  RunEngine.Builder engine(Path folder, Disk disk, Wire wire, Fate fate) {
    Actions actions =
        Actions.builder()
            .add(
                new Action() {
                  @Override
                  public String kind() {
                    return "effect";
                  }

                  @Override
                  public Step open(Task task) {
                    return new Effect(task, fate);
                  }
                })
            .builtIn((to, text, key) -> world.order.add("told " + to))
            .build();
    return RunEngine.builder(folder, wire, actions, "machine " + folder.getFileName())
        .clock(clock)
        .pause(clock::advance)
        .lease(Duration.ofSeconds(30))
        .files(own -> disk.open(own, fate));
  }

  RunEngine engine(Path folder) {
    return engine(folder, new Disk(), wire(), Fate.none()).build();
  }

  static Task.Builder effect(String id, String... needs) {
    return Task.builder(id, "effect").needs(List.of(needs)).procedure("failover");
  }

  static Task task(String id, String... needs) {
    return effect(id, needs).build();
  }

  static RunPlan plan(Task... tasks) {
    return RunPlan.of("database-failure", "the text of the plan", List.of(tasks));
  }
}
