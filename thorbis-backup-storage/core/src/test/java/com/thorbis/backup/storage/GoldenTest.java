package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A repository that an earlier build wrote: every later build reads all of it. */
class GoldenTest {
  @TempDir Path state;

  private final MemoryObjectStore store = MemoryObjectStore.create();
  private RepositorySetup setup;

  @BeforeEach
  void load() throws IOException, URISyntaxException {
    Path golden = Path.of(GoldenTest.class.getResource("/golden/v1/objects").toURI());
    try (Stream<Path> files = Files.walk(golden)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        String key = golden.relativize(file).toString().replace('\\', '/');
        store.put(new ObjectKey(key), ObjectSource.of(Files.readAllBytes(file)));
      }
    }
    setup = GoldenRepository.setup(store, state).build();
  }

  @Test
  void version1Reads() throws IOException {
    version1Reads(3);
  }

  private void version1Reads(int count) throws IOException {
    try (Repository repository = TestRepository.FACTORY.open(setup)) {
      assertThat(repository.source("orders").orElseThrow().incarnations()).hasSize(2);
      List<BackupDescriptor> backups = repository.backups(Optional.of("orders"));
      assertThat(backups).hasSize(count);
      for (int i = 0; i < 3; i++) {
        BackupDescriptor backup = backups.get(i);
        assertThat(backup.status()).isEqualTo(BackupStatus.COMPLETE);
        assertThat(backup.label()).contains("nightly");
        TestRepository.assertReads(repository, backup.id(), GoldenRepository.files(i));
        try (BackupReader reader = repository.open(backup.id())) {
          assertThat(reader.facts()).isEqualTo(TestRepository.facts());
          assertThat(reader.read(StoredFile.Area.DATA, "PG_VERSION")).isPresent();
        }
      }
      String first = repository.source("orders").orElseThrow().incarnations().get(0).id();
      WalArchive wal = repository.wal("orders", first);
      for (int number = 1; number <= 2; number++) {
        WalSegment segment = TestRepository.segment(1, number);
        WalArchive.WalContent content = wal.open(segment).orElseThrow();
        assertThat(content.complete()).isTrue();
        assertThat(content.bytes()).isEqualTo(ByteBuffer.wrap(GoldenRepository.wal(segment)));
        assertThat(wal.marks(segment)).contains(GoldenRepository.marks());
      }
      WalArchive.WalContent parts = wal.open(TestRepository.segment(1, 3)).orElseThrow();
      assertThat(parts.complete()).isFalse();
      assertThat(parts.bytes().remaining()).isEqualTo(GoldenRepository.PARTS);
      assertThat(repository.wal("orders").history(GoldenRepository.SECOND)).isPresent();
      VerifyReport report =
          repository.verify(
              new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
              RunControl.unattended());
      assertThat(report.damaged()).isEmpty();
    }
  }

  @Test
  void version1GoesOnUnderAnotherKey() throws IOException {
    try (Repository repository = TestRepository.FACTORY.open(setup)) {
      assertThat(repository.rotateKeys(RotateRequest.all()).rotated()).hasSize(2);
      BackupDescriptor made = TestRepository.backUp(repository, TestRepository.fewFiles(9));
      TestRepository.assertReads(repository, made.id(), TestRepository.fewFiles(9));
    }
    version1Reads(4);
  }

  @Test
  void version1GoesOn() throws IOException {
    try (Repository repository = TestRepository.FACTORY.open(setup)) {
      repository.register("another", "postgres", TestRepository.CLUSTER);
      BackupDescriptor made = TestRepository.backUp(repository, TestRepository.fewFiles(9));
      TestRepository.assertReads(repository, made.id(), TestRepository.fewFiles(9));
    }
  }
}
