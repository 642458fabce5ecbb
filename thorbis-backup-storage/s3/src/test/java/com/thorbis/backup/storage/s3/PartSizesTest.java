package com.thorbis.backup.storage.s3;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

class PartSizesTest {
  @Property
  void tenThousandPartsHoldTheLongestObjectAndEachIsAllowed(
      @ForAll @LongRange(min = PartSizes.LEAST, max = 1L << 30) long first) {
    PartSizes sizes = new PartSizes(first);
    long total = 0;
    long before = first;
    for (int part = 1; part <= PartSizes.MOST_PARTS; part++) {
      long size = sizes.of(part);
      assertThat(size).isBetween(before, Math.min(PartSizes.MOST, 2 * before));
      total += size;
      before = size;
    }
    assertThat(sizes.of(1)).isEqualTo(first);
    assertThat(total).isGreaterThanOrEqualTo(PartSizes.LONGEST_OBJECT);
  }

  @Property
  void partsGrowNoFurtherThanTheyMust(
      @ForAll @LongRange(min = PartSizes.LEAST, max = 1L << 30) long first) {
    PartSizes sizes = new PartSizes(first);
    long last = sizes.of(PartSizes.MOST_PARTS);
    long half = 0;
    for (int part = 1; part <= PartSizes.MOST_PARTS; part++) {
      half += Math.min(sizes.of(part), last / 2);
    }
    assertThat(last == first || half < PartSizes.LONGEST_OBJECT).isTrue();
  }
}
