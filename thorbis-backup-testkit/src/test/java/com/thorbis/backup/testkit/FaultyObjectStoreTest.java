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
}
