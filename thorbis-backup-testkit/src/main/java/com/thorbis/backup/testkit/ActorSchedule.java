package com.thorbis.backup.testkit;

import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Lets several actors work on one store, one store call at a time: each actor stops at every call
 * until its turn comes, and a seed decides whose turn that is. So one seed always gives the same
 * interleaving, without sleeping and without luck. An actor may have threads of its own as long as
 * they do not call the store at the same time.
 */
public final class ActorSchedule {
  private final Random random;
  private final ObjectStore store;
  private final List<Actor> actors = new ArrayList<>();
  private final List<String> events = new ArrayList<>();

  /** What an actor does. */
  @FunctionalInterface
  public interface Script {
    /** Works with its own view of the store. */
    void run(ObjectStore view) throws Exception;
  }

  /** Over a store that all actors share. */
  public ActorSchedule(ObjectStore store, long seed) {
    this.store = store;
    this.random = new Random(seed);
  }

  /** Adds an actor, which starts with {@link #run}. */
  public ActorSchedule actor(String name, Script script) {
    actors.add(new Actor(name, script));
    return this;
  }

  /**
   * Runs all actors to their ends.
   *
   * @throws Exception what the first of the actors that failed has thrown, the others' suppressed
   */
  public void run() throws Exception {
    List<Thread> threads = new ArrayList<>();
    for (Actor actor : actors) {
      Thread thread = new Thread(() -> actor.play(store), "actor-" + actor.name);
      thread.setDaemon(true);
      threads.add(thread);
      thread.start();
    }
    List<Actor> waiting = new ArrayList<>(actors);
    while (!waiting.isEmpty()) {
      // Nobody moves before all others stand still: whose turn it is depends on the seed alone.
      waiting.removeIf(actor -> !actor.awaitStop());
      if (!waiting.isEmpty()) {
        Actor next = waiting.get(random.nextInt(waiting.size()));
        events.add(next.name + ": " + next.release());
      }
    }
    for (Thread thread : threads) {
      thread.join();
    }
    rethrow();
  }

  private void rethrow() throws Exception {
    List<Throwable> failures = new ArrayList<>();
    for (Actor actor : actors) {
      Throwable own = actor.failure;
      if (own != null) {
        failures.add(own);
      }
    }
    if (failures.isEmpty()) {
      return;
    }
    Throwable first = failures.get(0);
    failures.stream().skip(1).filter(other -> other != first).forEach(first::addSuppressed);
    if (first instanceof Exception e) {
      throw e;
    }
    throw (Error) first;
  }

  /** Which actor did what, in order. */
  public List<String> events() {
    return List.copyOf(events);
  }

  private static final class Actor {
    private final String name;
    private final Script script;
    private final Deque<Stop> stops = new ArrayDeque<>();
    private volatile @Nullable Throwable failure;
    private boolean moving = true;
    private boolean ended;

    Actor(String name, Script script) {
      this.name = name;
      this.script = script;
    }

    void play(ObjectStore store) {
      try {
        script.run(new View(store, this));
      } catch (Throwable e) {
        failure = e;
      } finally {
        synchronized (this) {
          ended = true;
          notifyAll();
        }
      }
    }

    /** Waits until it asks for a call; false if it has ended instead. */
    synchronized boolean awaitStop() {
      boolean interrupted = false;
      while (!ended && (moving || stops.isEmpty())) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      return !ended;
    }

    /** Lets the next call go, and says which. */
    synchronized String release() {
      Stop next = stops.removeFirst();
      next.released = true;
      moving = true;
      notifyAll();
      return next.call;
    }

    /** Stands still until released. */
    synchronized void stop(String call) {
      Stop here = new Stop(call);
      stops.addLast(here);
      moving = false;
      notifyAll();
      boolean interrupted = false;
      while (!here.released) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static final class Stop {
    private final String call;
    private boolean released;

    Stop(String call) {
      this.call = call;
    }
  }

  /** One actor's way to the store. */
  private record View(ObjectStore store, Actor actor) implements ObjectStore {
    @Override
    public String describe() {
      return store.describe();
    }

    @Override
    public void createPlace() throws IOException {
      actor.stop("create place");
      store.createPlace();
    }

    @Override
    public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
      actor.stop("put " + key);
      return store.put(key, content);
    }

    @Override
    public ObjectUpload startUpload(ObjectKey key) throws IOException {
      actor.stop("start " + key);
      ObjectUpload upload = store.startUpload(key);
      return new ObjectUpload() {
        @Override
        public OutputStream body() {
          return upload.body();
        }

        @Override
        public ObjectInfo commit() throws IOException {
          actor.stop("commit " + key);
          return upload.commit();
        }

        @Override
        public void close() throws IOException {
          upload.close();
        }
      };
    }

    @Override
    public ObjectRead get(ObjectKey key) throws IOException {
      actor.stop("get " + key);
      return store.get(key);
    }

    @Override
    public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
      actor.stop("get " + key + " " + range.offset() + "+" + range.length());
      return store.get(key, range);
    }

    @Override
    public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
      actor.stop("head " + key);
      return store.head(key);
    }

    @Override
    public ListPage list(String prefix, Optional<String> after) throws IOException {
      actor.stop("list " + prefix);
      return store.list(prefix, after);
    }

    @Override
    public void delete(ObjectKey key) throws IOException {
      actor.stop("delete " + key);
      store.delete(key);
    }

    @Override
    public void close() {
      // The store stays the caller's.
    }
  }
}
