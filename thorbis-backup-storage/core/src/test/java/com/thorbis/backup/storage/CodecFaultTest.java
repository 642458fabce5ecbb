package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.storage.internal.SealedRepository;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.Tuning;
import com.thorbis.backup.storage.internal.catalog.Bootstrap;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Optional;
import java.util.function.Supplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Codecs that go wrong: whatever they write must not be relied on. */
class CodecFaultTest {
  @TempDir Path state;

  private final MemoryObjectStore store = MemoryObjectStore.create();

  @BeforeEach
  void create() throws IOException {
    TestRepository.create(store, state).close();
  }

  @Test
  void s8ACodecThatLosesAByteFailsTheBackupBeforeItsCommit() throws IOException {
    try (Repository repository = open(Fault.WRITES_OTHER_BYTES)) {
      assertThatThrownBy(() -> TestRepository.backUp(repository, TestRepository.mediumFiles(1)))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> assertThat(e.code()).isEqualTo("repository.not-reproduced"));
      assertThat(repository.backups(Optional.empty())).isEmpty();
    }
    assertNothingWasCommitted();
  }

  @Test
  void s8AFrameThatDoesNotOpenFailsTheBackup() throws IOException {
    try (Repository repository = open(Fault.WRITES_NO_FRAME)) {
      assertThatThrownBy(() -> TestRepository.backUp(repository, TestRepository.mediumFiles(1)))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> assertThat(e.code()).isEqualTo("repository.not-reproduced"));
    }
    assertNothingWasCommitted();
  }

  @Test
  void s8WalThatIsNotReproducedIsNotAcknowledged() throws IOException {
    try (Repository repository = open(Fault.WRITES_OTHER_BYTES)) {
      byte[] segment = TestRepository.wal(TestRepository.segment(1, 1), 1);
      assertThatThrownBy(
              () ->
                  repository
                      .wal("orders")
                      .storeSegment(
                          TestRepository.segment(1, 1), ByteBuffer.wrap(segment), WalMarks.NONE))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> assertThat(e.code()).isEqualTo("repository.not-reproduced"));
    }
    assertThat(store.contents().keySet()).noneMatch(key -> key.startsWith("wal/"));
  }

  private void assertNothingWasCommitted() throws IOException {
    try (Repository repository =
        TestRepository.FACTORY.open(TestRepository.setup(store, state).build())) {
      assertThat(repository.backups(Optional.empty())).isEmpty();
      TestRepository.backUp(repository, TestRepository.fewFiles(1));
    }
  }

  private Repository open(Fault fault) throws IOException {
    RepositorySetup setup = TestRepository.setup(store, state).build();
    SecureRandom random = new SecureRandom();
    Bootstrap.Opened opened = Bootstrap.open(setup, Tuning.STANDARD.checkpointEvery(), random);
    Supplier<PieceCodec> sound = PieceCodec.of(Compression.DEFAULT);
    return new SealedRepository(
        new Services(
            opened.header().id(),
            store,
            opened.keys(),
            opened.log(),
            () -> new FaultyCodec(sound.get(), fault),
            2,
            TestRepository.CLOCK,
            random,
            Tuning.STANDARD),
        opened,
        setup);
  }

  private enum Fault {
    WRITES_OTHER_BYTES,
    WRITES_NO_FRAME
  }

  private record FaultyCodec(PieceCodec sound, Fault fault) implements PieceCodec {
    @Override
    public byte id() {
      return sound.id();
    }

    @Override
    public int compress(byte[] plain, int length, byte[] to) {
      byte[] taken = plain;
      if (fault == Fault.WRITES_OTHER_BYTES) {
        taken = plain.clone();
        taken[length / 2] ^= 1;
      }
      int written = sound.compress(taken, length, to);
      if (fault == Fault.WRITES_NO_FRAME && written > 0) {
        to[0] ^= 1;
      }
      return written;
    }

    @Override
    public void decompress(
        byte codec, byte[] stored, int offset, int length, byte[] plain, int plainLength)
        throws IOException {
      sound.decompress(codec, stored, offset, length, plain, plainLength);
    }

    @Override
    public void close() {
      sound.close();
    }
  }
}
