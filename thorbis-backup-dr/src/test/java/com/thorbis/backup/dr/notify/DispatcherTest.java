package com.thorbis.backup.dr.notify;

import static com.thorbis.backup.dr.notify.Notices.NOW;
import static com.thorbis.backup.dr.notify.Notices.late;
import static com.thorbis.backup.dr.notify.Notices.look;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who is told of what, and when. */
class DispatcherTest {
  @TempDir Path state;
  private final SettableClock clock = SettableClock.at(NOW);
  private final Inbox a = new Inbox();
  private final Inbox b = new Inbox();
  private final Inbox c = new Inbox();

  /** Keeps what it is told, unless it fails. */
  private static final class Inbox implements Notifier {
    final List<String> got = new ArrayList<>();
    Runnable trouble = () -> {};
    boolean fails;
    int tried;

    @Override
    public void tell(List<Notice> notices) throws IOException {
      tried++;
      trouble.run();
      if (fails) {
        throw new IOException("no line");
      }
      for (Notice notice : notices) {
        got.add(
            notice.event().label()
                + " "
                + notice.alarm().kind().code()
                + " "
                + notice.alarm().subject());
      }
    }

    List<String> take() {
      List<String> taken = List.copyOf(got);
      got.clear();
      return taken;
    }
  }

  private Dispatcher.Builder builder() {
    return Dispatcher.builder(state)
        .clock(clock)
        .deadline(Duration.ofMillis(500))
        .notifier("a", a)
        .notifier("b", b)
        .notifier("c", c);
  }

  private AlarmBook book() {
    return new AlarmBook(state, clock);
  }

  private Dispatcher ladder() {
    return builder()
        .step(Duration.ofHours(1), List.of("c"), Severity.CRITICAL)
        .step(Duration.ZERO, List.of("a"), Severity.WARNING)
        .step(Duration.ofMinutes(15), List.of("b"), Severity.WARNING)
        .build();
  }

  private Look now(Alarm... alarms) {
    return look(clock.instant(), alarms);
  }

  @Test
  void eachChangeIsToldOnce() {
    Dispatcher dispatcher = builder().build();
    Alarm late = late(Severity.WARNING);
    dispatcher.dispatch(now(late));
    dispatcher.dispatch(now(late));
    assertThat(a.take()).containsExactly("raised backup.late orders");
    assertThat(c.take()).hasSize(1);
    clock.advance(Duration.ofDays(1));
    builder().build().dispatch(now(late)); // another process of the same machine
    assertThat(a.take()).containsExactly("still backup.late orders");
    builder().build().dispatch(now());
    assertThat(a.take()).containsExactly("cleared backup.late orders");
    builder().build().dispatch(now());
    assertThat(a.take()).isEmpty();
    dispatcher.dispatch(now(late));
    assertThat(a.take()).containsExactly("raised backup.late orders");
  }

  @Test
  void theLadderEndsWhenSomebodyAcknowledges() {
    Dispatcher dispatcher = ladder();
    Alarm late = late(Severity.CRITICAL);
    dispatcher.dispatch(now(late));
    assertThat(a.take()).containsExactly("raised backup.late orders");
    clock.advance(Duration.ofMinutes(14));
    dispatcher.dispatch(now(late));
    assertThat(b.take()).isEmpty();
    clock.advance(Duration.ofMinutes(1));
    dispatcher.dispatch(now(late));
    assertThat(b.take()).containsExactly("escalated backup.late orders");
    assertThat(a.take()).isEmpty();
    Acknowledgement ack = book().acknowledge(late, "eva", Optional.empty());
    assertThat(ack.by()).isEqualTo("eva");
    assertThat(book().standing().get(0).acknowledged()).contains(ack);
    assertThat(book().standing().get(0).told()).containsExactly("a", "b");
    clock.advance(Duration.ofDays(3));
    ladder().dispatch(now(late));
    assertThat(c.tried).isZero();
    assertThat(a.take()).isEmpty();
    ladder().dispatch(now());
    assertThat(a.take()).containsExactly("cleared backup.late orders");
    assertThat(b.take()).containsExactly("cleared backup.late orders");
    assertThat(c.tried).isZero();
    // It comes back: what was acknowledged was the other one.
    ladder().dispatch(now(late));
    assertThat(a.take()).containsExactly("raised backup.late orders");
  }

  @Test
  void withoutAnybodyTheLadderGoesToItsEndForWhatIsUrgentEnough() {
    Dispatcher dispatcher = ladder();
    Alarm warning = Notices.alarm(AlarmKind.COPY_BEHIND, Severity.WARNING, "two");
    dispatcher.dispatch(now(late(Severity.CRITICAL), warning));
    clock.advance(Duration.ofHours(1));
    dispatcher.dispatch(now(late(Severity.CRITICAL), warning));
    assertThat(a.take()).hasSize(2);
    assertThat(b.take()).hasSize(2);
    assertThat(c.take()).containsExactly("escalated backup.late orders");
  }

  @Test
  void whatGetsWorseIsRaisedAgainThoughItWasAcknowledged() {
    Dispatcher dispatcher = ladder();
    dispatcher.dispatch(now(late(Severity.WARNING)));
    book().acknowledge(late(Severity.WARNING), "eva", Optional.empty());
    clock.advance(Duration.ofMinutes(20));
    dispatcher.dispatch(now(late(Severity.WARNING)));
    assertThat(b.take()).isEmpty();
    a.take();
    dispatcher.dispatch(now(late(Severity.CRITICAL)));
    assertThat(a.take()).containsExactly("worse backup.late orders");
    assertThat(b.take()).isEmpty();
    assertThat(book().standing().get(0).acknowledged()).isEmpty();
    clock.advance(Duration.ofMinutes(15));
    dispatcher.dispatch(now(late(Severity.CRITICAL)));
    assertThat(b.take()).containsExactly("escalated backup.late orders");
  }

  @Test
  void anAcknowledgementThatRanOutIsNoneAndTheLadderBeginsAnew() {
    Dispatcher dispatcher = ladder();
    Alarm late = late(Severity.CRITICAL);
    dispatcher.dispatch(now(late));
    book().acknowledge(late, "eva", Optional.of(NOW.plus(Duration.ofHours(2))));
    clock.advance(Duration.ofMinutes(119));
    dispatcher.dispatch(now(late));
    a.take();
    assertThat(b.tried).isZero();
    clock.advance(Duration.ofMinutes(1));
    dispatcher.dispatch(now(late));
    assertThat(a.take()).containsExactly("raised backup.late orders");
    assertThat(b.tried).isZero();
    clock.advance(Duration.ofMinutes(15));
    dispatcher.dispatch(now(late));
    assertThat(b.take()).containsExactly("escalated backup.late orders");
    assertThatThrownBy(() -> book().acknowledge(late, "eva", Optional.of(NOW)))
        .isInstanceOf(BackupException.class);
    assertThatThrownBy(() -> book().acknowledge(late, " ", Optional.empty()))
        .isInstanceOf(BackupException.class);
  }

  @Test
  void whatCannotBeSeenIsNotOver() {
    Dispatcher dispatcher = builder().build();
    Alarm late = late(Severity.CRITICAL);
    dispatcher.dispatch(now(late));
    a.take();
    Alarm blind = Notices.alarm(AlarmKind.NOT_LOOKED, Severity.CRITICAL, "repository");
    dispatcher.dispatch(
        new Look(clock.instant(), List.of(blind), List.of(), Set.of("source orders")));
    assertThat(a.take()).containsExactly("raised monitor.could-not-look repository");
    assertThat(book().standing()).hasSize(2);
    dispatcher.dispatch(now());
    assertThat(a.take())
        .containsExactlyInAnyOrder(
            "cleared backup.late orders", "cleared monitor.could-not-look repository");
  }

  @Test
  void aNotifierThatFailsHoldsNobodyUpAndIsAnAlarmForTheOthers() {
    Dispatcher dispatcher = builder().build();
    a.fails = true;
    List<Alarm> failing = dispatcher.dispatch(now(late(Severity.CRITICAL)));
    assertThat(failing).extracting(Alarm::kind).containsExactly(AlarmKind.NOTIFIER);
    assertThat(failing.get(0).severity()).isEqualTo(Severity.WARNING);
    assertThat(failing.get(0).found()).isEqualTo("no line");
    assertThat(a.tried).isEqualTo(1);
    assertThat(b.take()).containsExactly("raised backup.late orders", "raised notify.failed a");
    clock.advance(Duration.ofMinutes(1));
    failing = builder().build().dispatch(now(late(Severity.CRITICAL)));
    assertThat(failing.get(0).since()).contains(NOW); // remembered
    assertThat(a.tried).isEqualTo(2);
    a.fails = false;
    failing = dispatcher.dispatch(now(late(Severity.CRITICAL)));
    assertThat(a.take()).containsExactly("raised backup.late orders");
    assertThat(b.take()).containsExactly("cleared notify.failed a");
    assertThat(failing).isEmpty();
  }

  @Test
  void whereNobodyCanBeToldThatIsCritical() {
    Dispatcher dispatcher = builder().build();
    a.fails = true;
    b.fails = true;
    c.trouble =
        () -> {
          throw new IllegalStateException("a fault in it");
        };
    assertThat(dispatcher.dispatch(now(late(Severity.WARNING))))
        .hasSize(3)
        .allMatch(alarm -> alarm.severity() == Severity.CRITICAL);
  }

  @Test
  void aNotifierThatHangsIsLeftBehind() {
    c.trouble =
        () -> {
          try {
            Thread.sleep(60_000);
          } catch (InterruptedException e) {
            // As asked.
          }
        };
    long before = System.nanoTime();
    List<Alarm> failing = builder().build().dispatch(now(late(Severity.WARNING)));
    assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(10));
    assertThat(failing.get(0).found()).contains("longer than 500 ms");
    assertThat(a.take()).hasSize(2);
  }

  @Test
  void whatWasToldMayBeLost() throws IOException {
    Dispatcher dispatcher = builder().build();
    dispatcher.dispatch(now(late(Severity.WARNING)));
    a.take();
    Path book = state.resolve("alarms/book");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(book.getParent())))
        .isEqualTo("rwx------");
    Files.delete(book);
    dispatcher.dispatch(now(late(Severity.WARNING)));
    dispatcher.dispatch(now(late(Severity.WARNING)));
    assertThat(a.take()).containsExactly("raised backup.late orders");
  }

  @Test
  void whatALaterVersionWroteIsSetAsideAndNotDestroyed() throws IOException {
    Dispatcher dispatcher = builder().build();
    dispatcher.dispatch(now(late(Severity.WARNING)));
    a.take();
    Path book = state.resolve("alarms/book");
    String later = Files.readString(book).replace(" told=", " new=1 told=");
    Files.writeString(book, later);
    dispatcher.dispatch(now(late(Severity.WARNING)));
    assertThat(a.take()).containsExactly("raised backup.late orders");
    assertThat(Files.readString(state.resolve("alarms/book.unreadable"))).isEqualTo(later);
  }

  /** Files of this version, as they were first written. */
  @Test
  void filesOfThisVersionAreReadForEver() throws IOException {
    Path folder = Files.createDirectories(state.resolve("alarms"));
    try (var book = getClass().getResourceAsStream("book-1");
        var acknowledged = getClass().getResourceAsStream("acknowledged-1")) {
      Files.write(folder.resolve("book"), book.readAllBytes());
      Files.write(folder.resolve("acknowledged"), acknowledged.readAllBytes());
    }
    Standing standing = new AlarmBook(state, clock).standing().get(0);
    assertThat(standing.alarm()).isEqualTo(late(Severity.CRITICAL));
    assertThat(standing.raisedAt()).isEqualTo(NOW);
    assertThat(standing.told()).containsExactly("a", "b");
    assertThat(standing.acknowledged())
        .contains(
            new Acknowledgement(
                late(Severity.CRITICAL).id(),
                "Eva = \u00e4",
                NOW,
                Optional.of(Instant.parse("2026-03-02T00:00:00Z")),
                Severity.CRITICAL));
    AlarmBook.Pages pages = new AlarmBook(state, clock).read();
    byte[] before = Files.readAllBytes(folder.resolve("book"));
    new AlarmBook(state, clock).write(pages);
    assertThat(folder.resolve("book")).hasBinaryContent(before);
  }

  @Test
  void aStepNamesANotifierThatThereIs() {
    assertThatThrownBy(() -> builder().step(Duration.ZERO, List.of("d"), Severity.WARNING).build())
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("names d");
    assertThatThrownBy(() -> builder().notifier("a", b)).isInstanceOf(BackupException.class);
  }
}
