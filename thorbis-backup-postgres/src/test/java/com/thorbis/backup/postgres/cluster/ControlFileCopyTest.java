package com.thorbis.backup.postgres.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.spi.repository.FileContent;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ControlFileCopyTest {
  /** A control file that is torn so many times. */
  private static final class Torn implements ClusterFiles {
    private int left;

    Torn(int times) {
      left = times;
    }

    @Override
    public Optional<byte[]> read(String path, int most) {
      byte[] content = TreeWalkTest.controlFile();
      if (left-- > 0) {
        content[100] ^= 1;
      }
      return Optional.of(content);
    }

    @Override
    public boolean list(String folder, Visitor<Entry> visitor) {
      throw new AssertionError();
    }

    @Override
    public boolean names(String folder, Visitor<String> visitor) {
      throw new AssertionError();
    }

    @Override
    public List<Tablespace> tablespaces() {
      throw new AssertionError();
    }

    @Override
    public FileContent content(String path) {
      throw new AssertionError();
    }

    @Override
    public void close() {}
  }

  @Test
  void aTornFileIsReadAgain() throws IOException {
    ControlData data = ControlFileCopy.of(new Torn(3)).data();
    assertThat(data.systemId()).isEqualTo(7_000_000_000_000_000_001L);
    assertThat(data.redo()).isEqualTo(new Lsn(0x1600_3002_D50L));
    assertThat(data.timeline()).isEqualTo(new Timeline(3));
    assertThat(data.inRecovery()).isFalse();
    assertThat(data.tablespaceFolder(15)).isEqualTo("PG_15_202209061");
  }

  @Test
  void aDamagedFileIsNotTaken() {
    assertThatThrownBy(() -> ControlFileCopy.of(new Torn(Integer.MAX_VALUE)))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("postgres.control-file"));
  }

  @Test
  void everyFlippedBitIsNoticed() {
    byte[] content = TreeWalkTest.controlFile();
    for (int bit = 0; bit < 292 * 8; bit++) {
      content[bit / 8] ^= (byte) (1 << bit % 8);
      assertThat(ControlData.parse(content)).as("bit %d", bit).isEmpty();
      content[bit / 8] ^= (byte) (1 << bit % 8);
    }
    assertThat(ControlData.parse(content)).isPresent();
  }
}
