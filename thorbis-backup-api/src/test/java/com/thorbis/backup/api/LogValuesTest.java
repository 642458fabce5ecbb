package com.thorbis.backup.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LogValuesTest {
  @Property
  void everyPositionPrintsAsItParses(@ForAll long value) {
    assertThat(Lsn.parse(new Lsn(value).toString())).isEqualTo(new Lsn(value));
  }

  @Property
  void positionsCompareUnsigned(@ForAll long a, @ForAll long b) {
    assertThat(Integer.signum(new Lsn(a).compareTo(new Lsn(b))))
        .isEqualTo(Integer.signum(Long.compareUnsigned(a, b)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "0", "/", "1/", "/1", "1/123456789", "-1/0", "1/0 ", "g/0", "1\\2"})
  void nonsenseIsNotAPosition(String text) {
    assertThatIllegalArgumentException().isThrownBy(() -> Lsn.parse(text));
  }

  /** W7: the number in a name is hexadecimal, on every timeline and for every segment size. */
  @Property
  void w7EverySegmentNameParsesBack(
      @ForAll int timeline, @ForAll("sizes") WalSegmentSize size, @ForAll long position) {
    if (timeline == 0) {
      return;
    }
    WalSegment segment = WalSegment.containing(new Timeline(timeline), new Lsn(position), size);
    assertThat(WalSegment.parse(segment.fileName(), size)).isEqualTo(segment);
    assertThat(WalSegment.isName(segment.fileName())).isTrue();
    assertThat(Timeline.parseHex(segment.fileName().substring(0, 8)))
        .isEqualTo(new Timeline(timeline));
    assertThat(segment.start().compareTo(new Lsn(position))).isLessThanOrEqualTo(0);
    assertThat(position - segment.start().value()).isBetween(0L, size.bytes() - 1L);
  }

  @Provide
  Arbitrary<WalSegmentSize> sizes() {
    return Arbitraries.integers().between(20, 30).map(shift -> new WalSegmentSize(1 << shift));
  }

  @ParameterizedTest
  @CsvSource({
    "1, 0/0, 000000010000000000000000",
    "10, 0/1000000, 0000000A0000000000000001",
    "1, 1/0, 000000010000000100000000",
    "255, 16/3002D50, 000000FF0000001600000003",
  })
  void namesAreThoseOfTheServer(int timeline, String position, String name) {
    assertThat(
            WalSegment.containing(
                    new Timeline(timeline), Lsn.parse(position), WalSegmentSize.DEFAULT)
                .fileName())
        .isEqualTo(name);
  }

  @Test
  void aNameForOtherSegmentSizesIsRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> WalSegment.parse("000000010000000000000100", WalSegmentSize.DEFAULT))
        .withMessageContaining("16777216");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 1 << 19, (1 << 20) + 1, Integer.MIN_VALUE})
  void segmentSizesArePowersOfTwoInRange(int bytes) {
    assertThatIllegalArgumentException().isThrownBy(() -> new WalSegmentSize(bytes));
  }

  @Test
  void timelineZeroDoesNotExist() {
    assertThatIllegalArgumentException().isThrownBy(() -> new Timeline(0));
    assertThatIllegalArgumentException().isThrownBy(() -> Timeline.parseHex("0000000a"));
    assertThat(new Timeline(-1)).hasToString("4294967295");
    assertThat(new Timeline(17).historyFileName()).isEqualTo("00000011.history");
  }

  @Test
  void w21RestorePointNamesAreChecked() {
    assertThatIllegalArgumentException().isThrownBy(() -> new RecoveryTarget.AtName(""));
    assertThatIllegalArgumentException().isThrownBy(() -> new RecoveryTarget.AtName("a\nb"));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new RecoveryTarget.AtName("é".repeat(32)));
    assertThat(new RecoveryTarget.AtName("it's 100 %").name()).isEqualTo("it's 100 %");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new RecoveryTarget.AtTransaction(1L << 32, true));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new RecoveryTarget.AtTransaction(2, true));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "latest", "20260102T030405Z-0A1B2C3D", "../20260102T030405Z-0a1b2c3d"})
  void backupIdsHaveOneForm(String text) {
    assertThatIllegalArgumentException().isThrownBy(() -> new BackupId(text));
  }
}
