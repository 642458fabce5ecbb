package com.thorbis.backup.storage.internal.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.repository.RepositoryException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Row H13: what is out of bounds is damage, and costs nothing. */
class BoundsTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "1",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1.5}",
        "{\"a\":99999999999999999999}",
        "{\"a\":9223372036854775808}",
        "{\"a\":1}{}",
        "{\"a\":1",
        "{\"a\":[null]}",
        "{a:1}",
        "{\"a\":NaN}"
      })
  void h13WhatIsNotADocumentIsDamage(String text) {
    assertThatThrownBy(() -> Json.read(text.getBytes(StandardCharsets.UTF_8), "object"))
        .isInstanceOf(RepositoryException.class)
        .hasMessageStartingWith("object: ");
  }

  @Test
  void h13DepthAndLengthAreBounded() {
    String deep = "{\"a\":".repeat(100_000);
    assertThatThrownBy(() -> Json.read(deep.getBytes(StandardCharsets.UTF_8), "object"))
        .isInstanceOf(RepositoryException.class);
    String longText = "{\"a\":\"" + "x".repeat(2 << 20) + "\"}";
    assertThatThrownBy(() -> Json.read(longText.getBytes(StandardCharsets.UTF_8), "object"))
        .isInstanceOf(RepositoryException.class);
  }

  @Test
  void h13CountsAreCheckedBeforeAnythingIsMade() {
    BinaryOutput out = new BinaryOutput(16);
    out.putVarint(Integer.MAX_VALUE);
    BinaryInput in = new BinaryInput(ByteBuffer.wrap(out.array(), 0, out.length()), "object");
    assertThatThrownBy(() -> in.getCount(16, "packs"))
        .isInstanceOf(RepositoryException.class)
        .hasMessageContaining("the count of packs");
  }

  @Test
  void numbersHaveOneForm() {
    BinaryInput in = new BinaryInput(ByteBuffer.wrap(new byte[] {(byte) 0x80, 0}), "object");
    assertThatThrownBy(in::getVarint).hasMessageContaining("shortest form");
    byte[] endless = new byte[10];
    Arrays.fill(endless, (byte) 0xff);
    BinaryInput tooLong = new BinaryInput(ByteBuffer.wrap(endless), "object");
    assertThatThrownBy(tooLong::getVarint).hasMessageContaining("too long");
  }

  @Property
  void numbersComeBack(
      @ForAll @LongRange(min = 0) long number,
      @ForAll @LongRange(min = -(1L << 61), max = 1L << 61) long signed)
      throws RepositoryException {
    BinaryOutput out = new BinaryOutput(1);
    out.putVarint(number);
    out.putSigned(signed);
    BinaryInput in = new BinaryInput(ByteBuffer.wrap(out.array(), 0, out.length()), "object");
    assertThat(in.getVarint()).isEqualTo(number);
    assertThat(in.getSigned()).isEqualTo(signed);
    in.requireEnd();
  }

  @Property
  void textsComeBack(@ForAll String text) throws RepositoryException {
    String legal = new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    BinaryOutput out = new BinaryOutput(1);
    out.putText(legal);
    BinaryInput in = new BinaryInput(ByteBuffer.wrap(out.array(), 0, out.length()), "object");
    assertThat(in.getText(1 << 20)).isEqualTo(legal);
  }
}
