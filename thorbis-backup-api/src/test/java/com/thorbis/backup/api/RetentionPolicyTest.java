package com.thorbis.backup.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.thorbis.backup.api.RetentionPolicy.Frequency;
import com.thorbis.backup.api.RetentionPolicy.Overlap;
import com.thorbis.backup.api.RetentionPolicy.Representative;
import com.thorbis.backup.api.RetentionPolicy.Rule;
import com.thorbis.backup.api.RetentionPolicy.Window;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RetentionPolicyTest {
  @Test
  void aPolicyReadsAsItIsWritten() {
    RetentionPolicy policy =
        RetentionPolicy.parse(
            "retention.critical",
            Map.of(
                "daily", 30, "weekly", 12, "monthly", "12", "yearly", 7, "pitr", "7d", "minimum",
                2));
    assertThat(policy)
        .isEqualTo(RetentionPolicy.critical())
        .hasSameHashCodeAs(RetentionPolicy.critical());
    assertThat(policy.digest()).isEqualTo(RetentionPolicy.critical().digest());
  }

  @Test
  void everySettingIsRead() {
    RetentionPolicy policy =
        RetentionPolicy.parse(
            "retention.all",
            Map.of(
                "hourly", "24 + 2d",
                "daily", "30d",
                "weekly", "8 w",
                "monthly", "12mo+3",
                "yearly", "0",
                "zone", "Europe/Berlin",
                "overlap", "additional",
                "representative", "oldest",
                "most-deleted-percent", 25,
                "fresh-within", "36h"));
    assertThat(policy.rule(Frequency.HOURLY)).isEqualTo(rule(24, 2, ChronoUnit.DAYS));
    assertThat(policy.rule(Frequency.DAILY)).isEqualTo(rule(0, 30, ChronoUnit.DAYS));
    assertThat(policy.rule(Frequency.WEEKLY)).isEqualTo(rule(0, 8, ChronoUnit.WEEKS));
    assertThat(policy.rule(Frequency.MONTHLY)).isEqualTo(rule(3, 12, ChronoUnit.MONTHS));
    assertThat(policy.rule(Frequency.YEARLY)).isEqualTo(Rule.OFF);
    assertThat(policy.zone()).isEqualTo(ZoneId.of("Europe/Berlin"));
    assertThat(policy.overlap()).isEqualTo(Overlap.ADDITIONAL);
    assertThat(policy.representative()).isEqualTo(Representative.OLDEST);
    assertThat(policy.mostDeletedPercent()).isEqualTo(25);
    assertThat(policy.freshWithin()).contains(Duration.ofHours(36));
    assertThat(policy.pitr()).isEmpty();
    assertThat(policy.minimum()).isEqualTo(1);
  }

  /** The figures this product began with. */
  @ParameterizedTest
  @CsvSource({"critical, 30, 12, 12, 7", "standard, 7, 4, 6, 3", "logs, 90, 0, 0, 0"})
  void presetsHaveTheirFigures(String name, int daily, int weekly, int monthly, int yearly) {
    RetentionPolicy policy = RetentionPolicy.preset(name).orElseThrow();
    assertThat(List.of(Frequency.values()).stream().map(one -> policy.rule(one).count()))
        .containsExactly(0, daily, weekly, monthly, yearly);
    assertThat(RetentionPolicy.preset("crit")).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "dayly, daily",
    "weekley, weekly",
    "montly, monthly",
    "yearli, yearly",
    "minimun, minimum",
    "pitrr, pitr",
    "most-deleted-percnt, most-deleted-percent",
    "Daily, daily"
  })
  void r10AMisspeltKeyIsAnErrorThatNamesTheNearest(String wrong, String meant) {
    assertThatExceptionOfType(BackupException.class)
        .isThrownBy(() -> RetentionPolicy.parse("retention.x", Map.of("daily", 30, wrong, 7)))
        .satisfies(
            e -> {
              assertThat(e.kind()).isEqualTo(FailureKind.CONFIGURATION);
              assertThat(e).hasMessage("Unknown setting retention.x." + wrong);
              assertThat(e.remedy()).isEqualTo("Did you mean retention.x." + meant + "?");
            });
  }

  @ParameterizedTest
  @CsvSource({
    "daily, -1",
    "daily, thirty",
    "daily, 30m",
    "daily, 30 60",
    "daily, 30 + 60",
    "daily, 30d + 60d",
    "daily, 10000d",
    "daily, 9999999",
    "daily, ''",
    "daily, 30 +",
    "daily, 1.5",
    "minimum, 0",
    "minimum, -1",
    "pitr, 7",
    "pitr, -P7D",
    "pitr, 40000d",
    "zone, Europe/Berln",
    "overlap, share",
    "representative, newst",
    "most-deleted-percent, 101",
    "fresh-within, soon"
  })
  void r10NonsenseIsAnErrorThatNamesTheKey(String key, String value) {
    assertThatExceptionOfType(BackupException.class)
        .isThrownBy(() -> RetentionPolicy.parse("retention.x", Map.of(key, value)))
        .satisfies(
            e -> {
              assertThat(e.code()).isEqualTo("configuration.invalid");
              assertThat(e.getMessage()).contains("retention.x." + key);
              assertThat(e.remedy()).isNotEmpty();
            });
  }

  @Test
  void r10AKeyWithoutAValueIsNotARuleThatIsOff() {
    Map<String, Object> values = new HashMap<>();
    values.put("daily", null);
    assertThatExceptionOfType(BackupException.class)
        .isThrownBy(() -> RetentionPolicy.parse("retention.x", values))
        .withMessage("retention.x.daily has no value");
  }

  @Test
  void aWrongZoneNamesTheNearest() {
    assertThatExceptionOfType(BackupException.class)
        .isThrownBy(() -> RetentionPolicy.parse("retention.x", Map.of("zone", "Europe/Berln")))
        .satisfies(e -> assertThat(e.remedy()).isEqualTo("Did you mean Europe/Berlin?"));
  }

  @Test
  void zeroSwitchesARuleOff() {
    assertThat(RetentionPolicy.parse("x", Map.of())).isEqualTo(RetentionPolicy.builder().build());
    RetentionPolicy zeros =
        RetentionPolicy.parse(
            "x", Map.of("daily", 0, "weekly", "0w", "yearly", "0 + 0y", "pitr", "0d"));
    assertThat(zeros.isEmpty()).isTrue();
    assertThat(zeros.digest()).isEqualTo(RetentionPolicy.builder().build().digest());
    assertThat(RetentionPolicy.builder().minimum(3).build().isEmpty()).isTrue();
    assertThat(RetentionPolicy.builder().pitr(Duration.ofDays(1)).build().isEmpty()).isFalse();
    assertThat(RetentionPolicy.builder().daily(7).daily(0).build().isEmpty()).isTrue();
  }

  /** Stored with every deletion: neither the form nor a default may change unnoticed. */
  @Test
  void digestsStayWhatTheyAre() {
    assertThat(RetentionPolicy.critical().canonical())
        .isEqualTo(
            """
            thorbis-retention 1
            hourly 0
            daily 30
            weekly 12
            monthly 12
            yearly 7
            zone UTC
            overlap shared
            representative newest
            pitr PT168H
            minimum 2
            most-deleted-percent 50
            fresh-within -
            """);
    assertThat(RetentionPolicy.critical().digest())
        .isEqualTo("a4f7b2cef6a4b0dbaa0b70771e0fe69e03f9a99bde9c711540fd50f5c5c8715b");
    assertThat(RetentionPolicy.builder().build().digest())
        .isEqualTo("ee1cb57b4ea67f6a2a0c6aeb5bce1c26ef42a0a2950d54f394d7415c29eebf40");
  }

  @Test
  void everyPartOfAPolicyCountsForItsDigest() {
    List<RetentionPolicy> policies =
        List.of(
            RetentionPolicy.builder().build(),
            RetentionPolicy.builder().hourly(1).build(),
            RetentionPolicy.builder().daily(1).build(),
            RetentionPolicy.builder().weekly(1).build(),
            RetentionPolicy.builder().monthly(1).build(),
            RetentionPolicy.builder().yearly(1).build(),
            RetentionPolicy.builder().rule(Frequency.DAILY, rule(0, 1, ChronoUnit.DAYS)).build(),
            RetentionPolicy.builder().rule(Frequency.DAILY, rule(1, 1, ChronoUnit.DAYS)).build(),
            RetentionPolicy.builder().zone(ZoneId.of("Asia/Tokyo")).build(),
            RetentionPolicy.builder().overlap(Overlap.ADDITIONAL).build(),
            RetentionPolicy.builder().representative(Representative.OLDEST).build(),
            RetentionPolicy.builder().pitr(Duration.ofDays(1)).build(),
            RetentionPolicy.builder().minimum(2).build(),
            RetentionPolicy.builder().mostDeletedPercent(51).build(),
            RetentionPolicy.builder().freshWithin(Duration.ofDays(1)).build());
    assertThat(policies.stream().map(RetentionPolicy::digest).distinct()).hasSize(policies.size());
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "30", "30d", "30 + 60d", "48h", "12w", "12mo", "7y"})
  void aRulePrintsAsItIsWritten(String text) {
    assertThat(RetentionPolicy.parse("x", Map.of("daily", text)).rule(Frequency.DAILY))
        .hasToString(text);
  }

  @Test
  void windowsFollowTheCalendar() {
    ZoneId berlin = ZoneId.of("Europe/Berlin");
    Instant end = Instant.parse("2026-03-29T10:00:00Z"); // the night before had 23 hours
    assertThat(new Window(1, ChronoUnit.DAYS).before(end, berlin))
        .isEqualTo(Instant.parse("2026-03-28T11:00:00Z"));
    assertThat(new Window(24, ChronoUnit.HOURS).before(end, berlin))
        .isEqualTo(Instant.parse("2026-03-28T10:00:00Z"));
    assertThat(
            new Window(1, ChronoUnit.MONTHS)
                .before(Instant.parse("2026-03-31T10:00:00Z"), ZoneId.of("UTC")))
        .isEqualTo(Instant.parse("2026-02-28T10:00:00Z"));
  }

  @Test
  void buildersTakeNoNonsense() {
    assertThatIllegalArgumentException().isThrownBy(() -> RetentionPolicy.builder().minimum(0));
    assertThatIllegalArgumentException().isThrownBy(() -> RetentionPolicy.builder().daily(-1));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> RetentionPolicy.builder().mostDeletedPercent(-1));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> RetentionPolicy.builder().pitr(Duration.ofDays(-1)));
    assertThatIllegalArgumentException().isThrownBy(() -> new Window(0, ChronoUnit.DAYS));
    assertThatIllegalArgumentException().isThrownBy(() -> new Window(1, ChronoUnit.MINUTES));
  }

  @Test
  void logIsNeededWhereAStretchLies() {
    Timeline one = new Timeline(1);
    RetentionPlan.WalKeep keep =
        new RetentionPlan.WalKeep(
            "0".repeat(16),
            one,
            new Lsn(100),
            List.of(
                new WalRange(one, new Lsn(100), new Lsn(200)),
                new WalRange(one, new Lsn(300), RetentionPlan.WalKeep.END)));
    assertThat(keep.needs(new Lsn(0), new Lsn(100))).isFalse();
    assertThat(keep.needs(new Lsn(0), new Lsn(101))).isTrue();
    assertThat(keep.needs(new Lsn(200), new Lsn(300))).isFalse();
    assertThat(keep.needs(new Lsn(-100L), new Lsn(-50L))).isTrue();
    assertThat(
            new RetentionPlan.WalKeep("0".repeat(16), one, RetentionPlan.WalKeep.END).stretches())
        .isEmpty();
  }

  private static Rule rule(int count, int amount, ChronoUnit unit) {
    return new Rule(count, Optional.of(new Window(amount, unit)));
  }
}
