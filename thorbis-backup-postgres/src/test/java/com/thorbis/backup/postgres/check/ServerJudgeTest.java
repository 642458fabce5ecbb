package com.thorbis.backup.postgres.check;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ServerJudgeTest {
  private static final long BUDGET = 1L << 30;
  private static final Map<String, String> PARAMETERS =
      Map.of(
          "wal_level", "replica",
          "max_wal_senders", "10",
          "max_replication_slots", "10",
          "max_slot_wal_keep_size", "-1",
          "full_page_writes", "on",
          "data_checksums", "on",
          "archive_mode", "off");

  @ParameterizedTest
  @ValueSource(ints = {13, 19})
  void w1AServerOfAnotherVersionThanWeKnowIsNoSuccess(int major) {
    CheckItem item = item(server(major, "reserved", 0), "postgres.version");
    assertThat(item.outcome()).isEqualTo(Outcome.FAIL);
    assertThat(item.message()).contains("PostgreSQL " + major);
    assertThat(item.remedy()).contains("14 to 18");
  }

  @ParameterizedTest
  @CsvSource({"0, OK", "49, OK", "50, WARN", "75, WARN", "89, WARN", "90, FAIL", "300, FAIL"})
  void w16ASlotNearItsBudgetIsSaid(int percent, Outcome outcome) {
    CheckItem item = item(server(15, "reserved", BUDGET / 100 * percent + 100), "postgres.slot");
    assertThat(item.outcome()).isEqualTo(outcome);
    if (outcome != Outcome.OK) {
      assertThat(item.message()).contains(percent + " % of wal.slot-budget");
    }
  }

  @Test
  void w16SlotsWithoutAnyLimitAreSaidAndTheRemedyIsTheBudget() {
    CheckItem item = item(server(15, "reserved", 0), "postgres.slot.limit");
    assertThat(item.outcome()).isEqualTo(Outcome.WARN);
    assertThat(item.remedy()).contains("max_slot_wal_keep_size = '1024MB'");
  }

  @Test
  void w16ASlotThatTheServerInvalidatedIsAGap() {
    CheckItem item = item(server(15, "lost", 0), "postgres.slot");
    assertThat(item.outcome()).isEqualTo(Outcome.FAIL);
    assertThat(item.message()).contains("gap");
    assertThat(item.remedy()).contains("full backup");
  }

  private static CheckItem item(ServerState server, String subject) {
    List<CheckItem> items = new ServerJudge(server, "thorbis_orders", BUDGET, true).items();
    return items.stream().filter(each -> each.subject().equals(subject)).findFirst().orElseThrow();
  }

  private static ServerState server(int major, String status, long kept) {
    return new ServerState(
        major * 10_000 + 1,
        7,
        false,
        false,
        Optional.empty(),
        PARAMETERS,
        new ServerState.Role("keeper", false, true, false, false, false, List.of()),
        1,
        1,
        Optional.of(new ServerState.Slot("physical", true, status, Optional.of(kept))));
  }
}
