package com.thorbis.backup.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Many who ask at once cost the store as much as two. */
class SharedRunTest {
  private static final int CALLERS = 8;

  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final SharedRun shared = new SharedRun();
  private final AtomicInteger runs = new AtomicInteger();
  private final CountDownLatch first = new CountDownLatch(1);
  private final CountDownLatch goOn = new CountDownLatch(1);

  @AfterEach
  void end() {
    threads.shutdownNow();
  }

  private void firstWaits() throws IOException {
    if (runs.incrementAndGet() == 1) {
      first.countDown();
      try {
        goOn.await();
      } catch (InterruptedException e) {
        throw new InterruptedIOException();
      }
    }
  }

  private Future<?> ask(SharedRun.Work work) {
    return threads.submit(
        () -> {
          shared.run(work);
          return true;
        });
  }

  private void awaitWaiting(int callers) {
    while (shared.waiting() < callers) {
      Thread.onSpinWait();
    }
  }

  @Test
  void allWhoAskMeanwhileShareTheNextRun() throws Exception {
    List<Future<?>> callers = new ArrayList<>();
    callers.add(ask(this::firstWaits));
    first.await();
    for (int i = 0; i < CALLERS; i++) {
      callers.add(ask(this::firstWaits));
    }
    awaitWaiting(CALLERS);
    assertThat(runs).as("what they have to see may be newer than the first run").hasValue(1);
    goOn.countDown();
    for (Future<?> caller : callers) {
      caller.get();
    }
    assertThat(runs).hasValue(2);
  }

  @Test
  void whoeverAsksLaterHasItDoneAnew() throws IOException {
    for (int i = 1; i <= 3; i++) {
      shared.run(this::count);
      assertThat(runs).hasValue(i);
    }
  }

  private void count() {
    runs.incrementAndGet();
  }

  @Test
  void aFailureIsOnlyOfWhoeverRanIt() throws Exception {
    Future<?> failing =
        ask(
            () -> {
              firstWaits();
              throw new IOException("failed");
            });
    first.await();
    Future<?> other = ask(this::count);
    awaitWaiting(1);
    goOn.countDown();
    assertThatThrownBy(failing::get).hasRootCauseMessage("failed");
    other.get();
    assertThat(runs).hasValue(2);
    shared.run(this::count);
    assertThat(runs).as("it goes on").hasValue(3);
  }

  @Test
  void aFailureOfTheNextRunIsNobodyElses() throws Exception {
    Future<?> before = ask(this::firstWaits);
    first.await();
    List<Future<?>> failing = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      failing.add(
          ask(
              () -> {
                count();
                throw new IOException("failed");
              }));
    }
    awaitWaiting(3);
    goOn.countDown();
    before.get();
    for (Future<?> each : failing) {
      assertThatThrownBy(each::get).hasRootCauseMessage("failed");
    }
    assertThat(runs).hasValue(4);
  }

  @Test
  void whoeverIsInterruptedWaitsNoMore() throws Exception {
    Future<?> before = ask(this::firstWaits);
    first.await();
    AtomicInteger interrupted = new AtomicInteger();
    Thread waiter =
        new Thread(
            () -> {
              try {
                shared.run(this::count);
              } catch (InterruptedIOException e) {
                interrupted.incrementAndGet();
              } catch (IOException e) {
                throw new IllegalStateException(e);
              }
            });
    waiter.start();
    awaitWaiting(1);
    waiter.interrupt();
    waiter.join();
    assertThat(interrupted).hasValue(1);
    goOn.countDown();
    before.get();
    assertThat(runs).hasValue(1);
  }
}
