package com.thorbis.backup.postgres.server;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ThrowAwayServerTest {
  @Test
  void noLibraryNoEventTriggerAndNoFolderOfALiveServerIsUsed() {
    assertThat(ThrowAwayServer.hidden(14))
        .containsEntry("shared_preload_libraries", "")
        .containsEntry("session_preload_libraries", "")
        .containsEntry("local_preload_libraries", "")
        .containsEntry("stats_temp_directory", "pg_stat_tmp")
        .doesNotContainKey("event_triggers");
    assertThat(ThrowAwayServer.hidden(16))
        .doesNotContainKeys("stats_temp_directory", "event_triggers");
    assertThat(ThrowAwayServer.hidden(17))
        .containsEntry("event_triggers", "off")
        .doesNotContainKey("stats_temp_directory");
  }
}
