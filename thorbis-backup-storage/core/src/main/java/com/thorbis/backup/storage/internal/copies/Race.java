package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Executor;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * One question to several copies: the first in order is asked, the next when one fails or lets
 * wait, all the rest when one says no. The first that has an answer wins; what others still deliver
 * is let go.
 */
final class Race<T> {
  /** What a copy is asked. */
  @FunctionalInterface
  interface Question<T> {
    /** The answer, or null if the copy positively has none. */
    @Nullable T ask(ObjectStore store) throws IOException;
  }

  /** Lets go of an answer that came too late. */
  @FunctionalInterface
  interface Discard<T> {
    void discard(T late) throws IOException;
  }

  /** Runs something later, unless patience ends otherwise. */
  @FunctionalInterface
  interface Timer {
    /** Runs {@code task} when a copy has let wait for as long as one may. */
    void whenSlow(Runnable task);
  }

  private final List<Copy> copies;
  private final List<Integer> order;
  private final Question<T> question;
  private final Discard<T> discard;
  private final Executor threads;
  private final Timer timer;
  private final Set<Integer> refusals = new TreeSet<>();
  private final Map<Integer, Throwable> failures = new TreeMap<>();
  private int asked;
  private int running;
  private boolean over;
  private @Nullable T answer;

  Race(List<Copy> copies, Question<T> question, Discard<T> discard, Executor threads, Timer timer) {
    this(
        copies,
        IntStream.range(0, copies.size()).boxed().toList(),
        question,
        discard,
        threads,
        timer);
  }

  /** With the numbers of the copies in the order in which they are asked. */
  Race(
      List<Copy> copies,
      List<Integer> order,
      Question<T> question,
      Discard<T> discard,
      Executor threads,
      Timer timer) {
    this.copies = copies;
    this.order = order;
    this.question = question;
    this.discard = discard;
    this.threads = threads;
    this.timer = timer;
  }

  /**
   * The first answer there is; null when no copy has one, of which {@link #refusals} positively say
   * so.
   *
   * @throws InterruptedIOException if the caller is interrupted, which says nothing of any copy
   */
  synchronized @Nullable T run(String action, String object) throws InterruptedIOException {
    askNext();
    try {
      while (answer == null && running > 0) {
        wait();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      over = true;
      throw new InterruptedIOException(action + " " + object + ": interrupted");
    }
    over = true;
    for (Throwable failure : failures.values()) {
      if (failure instanceof RuntimeException e) {
        throw e;
      }
      if (failure instanceof Error e) {
        throw e;
      }
    }
    T found = answer;
    answer = null; // the timers that still wait hold on to this
    return found;
  }

  /** The copies that positively have no answer, by number. */
  synchronized Set<Integer> refusals() {
    return Set.copyOf(refusals);
  }

  /** What the copies that could not be asked failed with, by number. */
  synchronized Map<Integer, Throwable> failures() {
    return new TreeMap<>(failures);
  }

  private synchronized void askNext() {
    if (over || asked == copies.size()) {
      return;
    }
    int place = asked++;
    int number = order.get(place);
    running++;
    threads.execute(() -> ask(number));
    if (place + 1 < copies.size()) {
      timer.whenSlow(
          () -> {
            synchronized (this) {
              if (asked == place + 1) {
                askNext();
              }
            }
          });
    }
  }

  private void ask(int number) {
    T found = null;
    Throwable failure = null;
    try {
      found = question.ask(copies.get(number).store());
    } catch (StorageException.NotFound e) {
      // Positively not there.
    } catch (Throwable e) {
      failure = e;
    }
    boolean late;
    synchronized (this) {
      late = over || answer != null;
      if (!late) {
        running--;
        if (failure != null) {
          failures.put(number, failure);
          askNext();
        } else if (found == null) {
          refusals.add(number);
          while (asked < copies.size()) {
            askNext();
          }
        } else {
          answer = found;
        }
        notifyAll();
      }
    }
    if (late && found != null) {
      try {
        discard.discard(found);
      } catch (IOException e) {
        return; // nobody waits for it any more
      }
    }
  }
}
