package com.thorbis.backup.postgres.restore;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.RecoveryTarget;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class NewerTablespacesTest {
  private static final Instant NOON = Instant.parse("2026-03-01T12:00:00Z");

  @Test
  void onlyATimeBeforeATablespaceWasMadeIsKnownToLeaveItOut() {
    RecoveryTarget at = new RecoveryTarget.AtTime(NOON, true);
    assertThat(NewerTablespaces.madeAfter(at, Optional.of(NOON.plusSeconds(2)))).isTrue();
    assertThat(NewerTablespaces.madeAfter(at, Optional.of(NOON))).isFalse();
    assertThat(NewerTablespaces.madeAfter(at, Optional.empty())).isFalse();
    assertThat(
            NewerTablespaces.madeAfter(
                new RecoveryTarget.Latest(), Optional.of(NOON.plusSeconds(2))))
        .isFalse();
  }
}
