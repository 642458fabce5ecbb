package com.thorbis.backup.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.FaultyObjectStore.Died;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FaultyObjectStoreTest extends ObjectStoreContract {
  private static final ObjectKey KEY = new ObjectKey("k");
  private static final ObjectSource CONTENT = ObjectSource.of(new byte[100]);

  private final MemoryObjectStore disk = MemoryObjectStore.create();
  private final FaultyObjectStore faulty = FaultyObjectStore.over(disk);

  @Override
  protected ObjectStore openStore() {
    return FaultyObjectStore.over(MemoryObjectStore.create());
  }

  @Override
  protected ObjectStore openUnreachableStore() {
    return FaultyObjectStore.over(MemoryObjectStore.create()).unavailable(true);
  }

  @ParameterizedTest
  @CsvSource({
    "UNAVAILABLE, false, storage.unavailable",
    "REQUEST_LOST, false, storage.outcome-unknown",
    "ANSWER_LOST, true, storage.outcome-unknown"
  })
  void writeFailsAsTold(Fault fault, boolean done, String code) throws IOException {
    faulty.failAtChange(2, fault);
    faulty.put(new ObjectKey("first"), CONTENT);
    faulty.head(KEY);
    assertThatThrownBy(() -> faulty.put(KEY, CONTENT))
        .isInstanceOfSatisfying(StorageException.class, e -> assertThat(e.code()).isEqualTo(code));
    assertThat(disk.head(KEY).isPresent()).isEqualTo(done);
    assertThat(faulty.calls()).containsExactly("put first", "head k", "put k");
    assertThat(faulty.changes()).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource({"DEATH_BEFORE, false", "DEATH_AFTER, true"})
  void deadCallerChangesNothingAnyMore(Fault fault, boolean done) throws IOException {
    faulty.failAtChange(1, fault);
    try (ObjectUpload upload = faulty.startUpload(KEY)) {
      assertThatThrownBy(upload::commit).isInstanceOf(Died.class);
    }
    assertThat(disk.head(KEY).isPresent()).isEqualTo(done);
    assertThatThrownBy(() -> faulty.delete(KEY)).isInstanceOf(Died.class);
    assertThatThrownBy(() -> faulty.list("", Optional.empty())).isInstanceOf(Died.class);
    assertThat(disk.head(KEY).isPresent()).isEqualTo(done);
    assertThat(faulty.dead()).isTrue();
  }

  @Test
  void aFaultHasStruckIfItsCallCameAndItMattersToIt() throws IOException {
    faulty.failAtCall(1, Fault.SHORT_LISTING);
    faulty.head(KEY);
    assertThat(faulty.struck()).as("a listing fault at another call").isZero();
    faulty.failAtCall(2, Fault.ANSWER_LOST);
    assertThatThrownBy(() -> faulty.put(KEY, CONTENT)).isInstanceOf(StorageException.class);
    assertThat(faulty.struck()).isEqualTo(1);
    faulty.failAtCall(3, Fault.THROTTLED).failAtCall(4, Fault.BIT_FLIP).failAtCall(40, Fault.CUT);
    assertThatThrownBy(() -> faulty.get(KEY)).isInstanceOf(StorageException.class);
    assertThatThrownBy(() -> faulty.get(KEY)).isInstanceOf(StorageException.Unavailable.class);
    assertThat(faulty.struck()).as("turned away before it could be read").isEqualTo(2);
  }

  @Test
  void contentBreaksOffHalfWay() throws IOException {
    disk.put(KEY, CONTENT);
    faulty.failAtCall(1, Fault.ANSWER_LOST);
    try (ObjectRead read = faulty.get(KEY)) {
      assertThat(read.body().readNBytes(50)).hasSize(50);
      assertThatThrownBy(() -> read.body().read()).isInstanceOf(StorageException.Unavailable.class);
    }
    try (ObjectRead read = faulty.get(KEY)) {
      assertThat(read.body().readAllBytes()).hasSize(100);
    }
  }

  @Test
  void lateEffectComesSomeCallsLater() throws IOException {
    try (ObjectUpload upload = faulty.startUpload(KEY)) {
      upload.body().write(7);
      faulty.failAtCall(2, Fault.LATE_EFFECT);
      assertThatThrownBy(upload::commit).isInstanceOf(StorageException.OutcomeUnknown.class);
    }
    assertThat(faulty.head(KEY)).isEmpty();
    assertThat(faulty.head(KEY)).isEmpty();
    assertThat(faulty.head(KEY)).isPresent();
  }

  @Test
  void secondDeliveryIsTheAnswer() throws IOException {
    faulty.failAtCall(1, Fault.DELIVERED_TWICE);
    assertThatThrownBy(() -> faulty.put(KEY, CONTENT))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThat(disk.head(KEY)).isPresent();
  }

  @Test
  void storeThatLiesHasNothing() throws IOException {
    faulty.failAtCall(1, Fault.NOTHING_STORED);
    assertThat(faulty.put(KEY, CONTENT).length()).isEqualTo(100);
    assertThat(disk.head(KEY)).isEmpty();
  }

  @Test
  void whatIsUnseenIsTakenAndSeenLater() throws IOException {
    faulty.failAtCall(1, Fault.UNSEEN);
    faulty.put(KEY, CONTENT);
    assertThat(faulty.head(KEY)).isEmpty();
    assertThat(faulty.list("", Optional.empty()).objects()).isEmpty();
    assertThatThrownBy(() -> faulty.put(KEY, CONTENT))
        .isInstanceOf(StorageException.AlreadyExists.class);
    faulty.recover();
    assertThat(faulty.head(KEY)).isPresent();
  }

  @Test
  void deletedObjectReappears() throws IOException {
    disk.put(KEY, CONTENT);
    faulty.failAtCall(1, Fault.REAPPEARS);
    faulty.delete(KEY);
    assertThat(faulty.head(KEY)).isEmpty();
    faulty.recover();
    assertThat(faulty.head(KEY)).isPresent();
  }

  @Test
  void readsAreDamagedOnceOrFromThenOn() throws IOException {
    disk.put(KEY, CONTENT);
    faulty.failAtCall(1, Fault.BIT_FLIP).failAtCall(3, Fault.CUT).failAtCall(4, Fault.EXTENDED);
    assertThat(read()).hasSize(100).isNotEqualTo(new byte[100]);
    assertThat(read()).isEqualTo(new byte[100]);
    assertThat(read()).hasSize(99);
    assertThat(read()).hasSize(101);
    faulty.failAtCall(5, Fault.BIT_FLIP_STAYS);
    byte[] damaged = read();
    assertThat(damaged).isNotEqualTo(new byte[100]);
    assertThat(read()).isEqualTo(damaged);
  }

  private byte[] read() throws IOException {
    try (ObjectRead read = faulty.get(KEY)) {
      return read.body().readAllBytes();
    }
  }

  @Test
  void burstEndsAndExpiryDoesNot() throws IOException {
    faulty.failAtCall(1, Fault.THROTTLED);
    for (int i = 0; i < 5; i++) {
      assertThatThrownBy(() -> faulty.head(KEY)).isInstanceOf(StorageException.Unavailable.class);
    }
    assertThat(faulty.head(KEY)).isEmpty();
    faulty.failAtCall(7, Fault.REFUSED);
    for (int i = 0; i < 9; i++) {
      assertThatThrownBy(() -> faulty.head(KEY)).hasMessageContaining("expired");
    }
  }

  @Test
  void listingsEndEarlyAndLag() throws IOException {
    disk.put(new ObjectKey("a"), CONTENT);
    disk.put(new ObjectKey("b"), CONTENT);
    faulty.failAtCall(1, Fault.SHORT_LISTING).failAtCall(2, Fault.LAGGING_LISTING);
    assertThat(faulty.list("", Optional.empty()).objects()).hasSize(1);
    faulty.put(KEY, CONTENT);
    faulty.put(new ObjectKey("z"), CONTENT);
    assertThat(faulty.list("", Optional.empty()).objects()).hasSize(2);
    assertThat(faulty.head(KEY)).isPresent();
  }

  @Test
  void othersGoOnDuringAPause() throws IOException {
    faulty.duringPause(() -> disk.put(KEY, CONTENT)).failAtCall(1, Fault.PAUSED);
    assertThat(faulty.head(KEY)).isPresent();
  }

  @Test
  void everyFaultIsFoundByItsLabel() {
    for (Fault fault : Fault.values()) {
      assertThat(Fault.of(fault.label())).isEqualTo(fault);
    }
  }
}
