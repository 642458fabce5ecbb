package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.RecordingCiphers;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the platform's cipher is asked to do while a repository lives. */
class KeysAndNoncesTest {
  @TempDir Path states;

  @Test
  void c1NoKeyMeetsANonceTwice() throws Exception {
    MemoryObjectStore store = MemoryObjectStore.create(TestRepository.CLOCK, 1000);
    try (RecordingCiphers ciphers = RecordingCiphers.install()) {
      try (Repository repository = TestRepository.create(store, states.resolve("one"))) {
        live(repository, 1);
        repository.rotateKeys(RotateRequest.all());
        live(repository, 2);
        repository.rekey(RekeyRequest.of("orders"), RunControl.unattended());
      }
      try (Repository again =
          TestRepository.FACTORY.open(TestRepository.setup(store, states.resolve("two")).build())) {
        live(again, 3);
      }
      assertThat(ciphers.sealings()).as("chunks that were sealed").isGreaterThan(300);
      assertThat(ciphers.repeated()).isZero();
    }
  }

  /** The same content each time. */
  private static void live(Repository repository, int number) throws Exception {
    TestRepository.backUp(repository, TestRepository.mediumFiles(7));
    WalSegment segment = TestRepository.segment(1, number);
    repository
        .wal("orders")
        .storeSegment(segment, ByteBuffer.wrap(TestRepository.wal(segment, 7)), WalMarks.NONE);
  }
}
