package com.thorbis.backup.spi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsTest {
  @ParameterizedTest
  @CsvSource({"0,0", "512KiB,524288", "16MiB,16777216", "2 GiB,2147483648", "1TiB,1099511627776"})
  void sizesHaveUnits(String text, long bytes) {
    assertThat(Settings.of("", Map.of("size", text)).bytes("size", -1)).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "16MB", "1.5GiB", "-1", "999999999999999TiB"})
  void aWrongSizeNamesItsKey(String text) {
    assertThatThrownBy(() -> Settings.of("s3", Map.of("part-size", text)).bytes("part-size", 1))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("s3.part-size")
        .hasMessageContaining(text);
  }

  @ParameterizedTest
  @CsvSource({"10s,PT10S", "15m,PT15M", "7d,P7D", "250ms,PT0.25S", "PT1H,PT1H", "pt1h,PT1H"})
  void spansHaveUnits(String text, Duration span) {
    assertThat(Settings.of("", Map.of("span", text)).duration("span", Duration.ZERO))
        .isEqualTo(span);
  }

  @Test
  void aSettingNobodyReadsIsAMistakeWithASuggestion() {
    Settings settings = Settings.of("sources.orders", Map.of("wal.slott", "a"));
    assertThat(settings.find("wal.slot")).isEmpty();
    assertThatThrownBy(settings::requireAllRead)
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e).hasMessageContaining("sources.orders.wal.slott");
              assertThat(e.remedy()).contains("sources.orders.wal.slot?");
            });
  }

  @Test
  void aSecretIsNeverText() {
    try (SecretValue secret = SecretValue.ofText("hunter2-é")) {
      Settings settings = Settings.of("", Map.of("password", secret));
      assertThatThrownBy(() -> settings.find("password")).hasMessageNotContaining("hunter2");
      String lent =
          settings.findSecret("password").orElseThrow().useChars(chars -> new String(chars));
      assertThat(lent).isEqualTo("hunter2-é");
      assertThat(secret).hasToString("SecretValue");
    }
  }

  @Test
  void aNumberOutOfRangeSaysTheRange() {
    Settings settings = Settings.of("", Map.of("parallelism", "0"));
    assertThatThrownBy(() -> settings.integer("parallelism", 1, 1, 256))
        .hasMessageContaining("1 to 256");
  }
}
