package com.thorbis.backup.postgres.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RecoveryTarget;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class TableRestoreTest {
  private static final Instant NOON = Instant.parse("2026-11-26T12:00:00Z");

  @Test
  void tooLittleRoomIsRefusedBeforeAnythingIsWritten() {
    assertThatCode(() -> TableRestore.requireRoom(Path.of("/work"), 100, 100))
        .doesNotThrowAnyException();
    assertThatThrownBy(() -> TableRestore.requireRoom(Path.of("/work"), 101, 100))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("restore.no-room");
              assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
              assertThat(e.details()).containsEntry("neededBytes", "101");
            });
  }

  @Test
  void onlyATimeBeforeATablespaceWasMadeIsKnownToLeaveItOut() {
    RecoveryTarget at = new RecoveryTarget.AtTime(NOON, true);
    assertThat(TableRestore.madeAfter(at, Optional.of(NOON.plusSeconds(2)))).isTrue();
    assertThat(TableRestore.madeAfter(at, Optional.of(NOON))).isFalse();
    assertThat(TableRestore.madeAfter(at, Optional.empty())).isFalse();
    assertThat(
            TableRestore.madeAfter(new RecoveryTarget.Latest(), Optional.of(NOON.plusSeconds(2))))
        .isFalse();
  }
}
