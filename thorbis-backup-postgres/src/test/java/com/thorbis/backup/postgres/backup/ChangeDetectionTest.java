package com.thorbis.backup.postgres.backup;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a backup builds on, and what it believes of pages. */
class ChangeDetectionTest {
  private static final ClusterIdentity CLUSTER =
      new ClusterIdentity(77, 15, new WalSegmentSize(1 << 24));
  private static final Instant BEGUN = Instant.parse("2026-01-02T03:04:05Z");
  private static final Timeline FIRST = new Timeline(1);
  private static final Map<String, String> FACTS =
      Map.of(
          "postgres.data-checksums", "on",
          "postgres.wal-log-hints", "off",
          "postgres.block-size", "8192",
          "postgres.in-recovery", "false");

  private final MemoryRepository repository = new MemoryRepository();

  @BeforeEach
  void register() throws IOException {
    repository.register("orders", "postgres", CLUSTER);
  }

  @Test
  void incrementalIsTheNewestAndDifferentialTheNewestFull() throws IOException {
    BackupDescriptor full = backup(Optional.empty(), "0/1000", FACTS, BackupStatus.COMPLETE);
    BackupDescriptor next = backup(Optional.of(full), "0/2000", FACTS, BackupStatus.COMPLETE);
    BackupDescriptor last =
        backup(Optional.of(next), "0/3000", FACTS, BackupStatus.COMPLETED_WITH_WARNING);
    assertThat(choose(BackupType.INCREMENTAL).base()).isEqualTo(last);
    assertThat(choose(BackupType.DIFFERENTIAL).base()).isEqualTo(full);
    BackupDescriptor waiting =
        backup(Optional.of(last), "0/4000", FACTS, BackupStatus.AWAITING_WAL);
    assertThat(choose(BackupType.INCREMENTAL).base()).isEqualTo(last).isNotEqualTo(waiting);
  }

  @Test
  void whereThereIsNoneNothingIsRefused() throws IOException {
    assertThat(choose(BackupType.INCREMENTAL))
        .isEqualTo(new BaseChoice(null, null, Optional.empty()));
  }

  @Test
  void aBaseMustHaveTheSameKindOfPages() throws IOException {
    for (String name : List.of("postgres.data-checksums", "postgres.block-size")) {
      Map<String, String> other = new HashMap<>(FACTS);
      other.put(name, "other");
      backup(Optional.empty(), "0/1000", other, BackupStatus.COMPLETE);
      assertThat(choose(BackupType.INCREMENTAL).base()).isNull();
      other.remove(name);
      backup(Optional.empty(), "0/1000", other, BackupStatus.COMPLETE);
      assertThat(choose(BackupType.INCREMENTAL).refused().orElseThrow()).contains("unknown");
    }
  }

  @Test
  void aBaseMustLieOnTheServersLine() throws IOException {
    BackupDescriptor before = backup(Optional.empty(), "0/1000", FACTS, BackupStatus.COMPLETE);
    backup(Optional.empty(), "0/3000", FACTS, BackupStatus.COMPLETE);
    TimelineHistory forked =
        TimelineHistory.parse(
            new Timeline(2), "1\t0/2000\tno recovery target\n".getBytes(StandardCharsets.UTF_8));
    assertThat(choose(forked, "0/9000").base()).isEqualTo(before);
    // Set back on its own timeline.
    assertThat(choose(TimelineHistory.first(FIRST), "0/2000").base()).isEqualTo(before);
    BaseChoice none = choose(TimelineHistory.first(FIRST), "0/200");
    assertThat(none.base()).isNull();
    assertThat(none.refused().orElseThrow()).contains("ends at 0/3000 of timeline 1");
  }

  @Test
  void aPagesPositionProvesOnlyWithoutABreak() throws IOException {
    BackupDescriptor base = backup(Optional.empty(), "0/1000", FACTS, BackupStatus.COMPLETE);
    Optional<Instant> before = Optional.of(BEGUN.minusSeconds(1));
    assertThat(doubt(base, FACTS, FACTS, before, FIRST)).isEmpty();
    assertThat(doubt(base, FACTS, FACTS, Optional.of(BEGUN), FIRST)).contains("restarted");
    assertThat(doubt(base, FACTS, FACTS, Optional.empty(), FIRST)).contains("not known");
    assertThat(doubt(base, FACTS, FACTS, before, new Timeline(2))).contains("promoted");
    Map<String, String> off = with("postgres.data-checksums", "off");
    assertThat(doubt(base, off, FACTS, before, FIRST)).contains("neither");
    assertThat(doubt(base, FACTS, off, before, FIRST)).contains("neither");
    Map<String, String> hints = new HashMap<>(off);
    hints.put("postgres.wal-log-hints", "on");
    assertThat(doubt(base, hints, hints, before, FIRST)).isEmpty();
    assertThat(doubt(base, FACTS, with("postgres.in-recovery", "true"), before, FIRST))
        .contains("another one");
  }

  @Test
  void onlyMainForksAreJudged() {
    ChangeDetection detection = ChangeDetection.pageLsn(Lsn.parse("0/1000"), true);
    assertThat(detection.arrival("base/5/16384.1")).isInstanceOf(Arrival.Judged.class);
    for (String path : List.of("base/5/16384_vm", "base/5/16384_fsm", "pg_xact/0000")) {
      assertThat(detection.arrival(path)).isInstanceOf(Arrival.Compared.class);
    }
    assertThat(ChangeDetection.NONE.arrival("base/5/16384")).isInstanceOf(Arrival.Whole.class);
    assertThat(ChangeDetection.COMPARISON.arrival("base/5/16384"))
        .isInstanceOf(Arrival.Compared.class);
  }

  private static Map<String, String> with(String name, String value) {
    Map<String, String> facts = new HashMap<>(FACTS);
    facts.put(name, value);
    return facts;
  }

  private static String doubt(
      BackupDescriptor base,
      Map<String, String> then,
      Map<String, String> now,
      Optional<Instant> postmaster,
      Timeline timeline) {
    return ChangeDetection.doubt(base, facts("0/1000", then), now, postmaster, timeline).orElse("");
  }

  private BaseChoice choose(BackupType type) throws IOException {
    return choose(type, TimelineHistory.first(FIRST), "0/9000");
  }

  private BaseChoice choose(TimelineHistory history, String position) throws IOException {
    return choose(BackupType.INCREMENTAL, history, position);
  }

  private BaseChoice choose(BackupType type, TimelineHistory history, String position)
      throws IOException {
    return BaseChoice.of(
        type,
        repository,
        repository.source("orders").orElseThrow(),
        CLUSTER,
        new SystemIdentity(77, history.timeline(), Lsn.parse(position)),
        history,
        FACTS);
  }

  private static BackupFacts facts(String stop, Map<String, String> attributes) {
    return new BackupFacts(
        new Lsn(Lsn.parse(stop).value() - 0x100),
        Lsn.parse(stop),
        FIRST,
        BEGUN,
        BEGUN.plusSeconds(1),
        List.of(),
        attributes,
        List.of());
  }

  private BackupDescriptor backup(
      Optional<BackupDescriptor> base,
      String stop,
      Map<String, String> attributes,
      BackupStatus status)
      throws IOException {
    try (BackupWriter writer =
        repository.begin(
            new BackupStart(
                "orders",
                base.isPresent() ? BackupType.INCREMENTAL : BackupType.FULL,
                base.map(BackupDescriptor::id),
                Optional.empty(),
                BEGUN))) {
      return writer.commit(facts(stop, attributes), status);
    }
  }
}
