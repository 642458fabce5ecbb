package com.thorbis.backup.postgres.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.server.ThrowAway;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class TableRestoreTest {
  @Test
  void tooLittleRoomIsRefusedBeforeAnythingIsWritten() {
    assertThatCode(() -> ThrowAway.requireRoom(Path.of("/work"), 100, 100))
        .doesNotThrowAnyException();
    assertThatThrownBy(() -> ThrowAway.requireRoom(Path.of("/work"), 101, 100))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("restore.no-room");
              assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
              assertThat(e.details()).containsEntry("neededBytes", "101");
            });
  }
}
