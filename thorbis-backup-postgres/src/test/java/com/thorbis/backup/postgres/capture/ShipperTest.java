package com.thorbis.backup.postgres.capture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ShipperTest {
  private static final WalSegmentSize SIZE = new WalSegmentSize(1 << 20);

  private final Map<Long, CountDownLatch> gates = new ConcurrentHashMap<>();
  private final List<String> begun = new CopyOnWriteArrayList<>();
  private final List<Lsn> told = new CopyOnWriteArrayList<>();
  private volatile long broken = -1;

  /** An archive that stores when its gate opens. */
  private WalArchive archive() {
    return (WalArchive)
        Proxy.newProxyInstance(
            getClass().getClassLoader(),
            new Class<?>[] {WalArchive.class},
            (proxy, method, arguments) -> {
              WalSegment segment = (WalSegment) arguments[0];
              begun.add(method.getName() + " " + segment.number());
              gate(segment.number()).await();
              if (segment.number() == broken) {
                throw new IOException("broken");
              }
              return WalArchive.Stored.WRITTEN;
            });
  }

  private CountDownLatch gate(long number) {
    return gates.computeIfAbsent(number, key -> new CountDownLatch(1));
  }

  private static Shipper.Shipment shipment(long number, boolean whole) {
    return new Shipper.Shipment(
        new WalSegment(new Timeline(1), number, SIZE),
        0,
        ByteBuffer.allocate(whole ? SIZE.bytes() : 100),
        whole,
        WalMarks.NONE,
        () -> {});
  }

  private static Lsn end(long number) {
    return new Lsn((number + 1) << 20);
  }

  private void awaitBegun(int count) {
    while (begun.size() < count) {
      Thread.onSpinWait();
    }
  }

  @Test
  void twoSegmentsAreStoredAtOnceAndToldInOrder() throws IOException {
    try (Shipper shipper = new Shipper(archive(), told::add)) {
      shipper.submit(shipment(1, true));
      shipper.submit(shipment(2, true));
      awaitBegun(2);
      gate(2).countDown();
      assertThat(told).isEmpty(); // the first is not stored, whatever became of the second
      gate(1).countDown();
      shipper.await();
      assertThat(told).containsExactly(end(1), end(2));
    }
  }

  @Test
  void aPartWaitsForWhatPrecedesIt() throws IOException {
    try (Shipper shipper = new Shipper(archive(), told::add)) {
      shipper.submit(shipment(1, true));
      shipper.submit(shipment(2, false));
      awaitBegun(1);
      gate(2).countDown();
      gate(1).countDown();
      shipper.await();
      assertThat(begun).containsExactly("storeSegment 1", "storePart 2");
      assertThat(told).containsExactly(end(1), new Lsn((2L << 20) + 100));
    }
  }

  @Test
  void nothingBehindAFailureIsTold() throws IOException {
    broken = 1;
    try (Shipper shipper = new Shipper(archive(), told::add)) {
      shipper.submit(shipment(1, true));
      shipper.submit(shipment(2, true));
      awaitBegun(2);
      gate(2).countDown();
      gate(1).countDown();
      assertThatThrownBy(shipper::await).isInstanceOf(IOException.class).hasMessage("broken");
      assertThatThrownBy(() -> shipper.submit(shipment(3, true))).hasMessage("broken");
    }
    assertThat(told).isEmpty();
  }
}
