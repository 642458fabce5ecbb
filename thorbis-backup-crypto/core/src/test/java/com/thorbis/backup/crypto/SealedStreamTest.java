package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.storage.ByteRange;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SealedStreamTest {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final String NAME = "packs/4f/one";

  private final KeySlot slot = new KeySlot(ObjectId.random(RANDOM), ObjectId.random(RANDOM), 1);
  private final EpochKey key = EpochKey.generate(slot, RANDOM);
  private final ObjectHeader header =
      ObjectHeader.of(ObjectType.PACK, slot, ObjectId.random(RANDOM));

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 16383, 16384, 16385, 32768, 100_000})
  void whatWasSealedOpens(int length) throws IOException {
    byte[] plain = content(length);
    byte[] sealed = seal(plain);
    assertThat(sealed).hasSize((int) SealedRange.sealedLength(length));
    assertThat(SealedRange.plainLength(sealed.length)).isEqualTo(length);
    assertThat(open(sealed)).isEqualTo(plain);
  }

  @Test
  void writesOfAnySizeGiveTheSameContent() throws IOException {
    Random sizes = new Random(7);
    byte[] plain = content(150_000);
    ByteArrayOutputStream sink = new ByteArrayOutputStream();
    try (SealedWriter writer = new SealedWriter(sink, key, header, NAME, RANDOM)) {
      for (int done = 0; done < plain.length; ) {
        int next = Math.min(plain.length - done, sizes.nextInt(40_000));
        if (next == 1) {
          writer.write(plain[done]);
        } else {
          writer.write(plain, done, next);
        }
        done += next;
      }
      assertThat(writer.sealedLength()).isEqualTo(SealedRange.sealedLength(plain.length));
    }
    assertThat(open(sink.toByteArray())).isEqualTo(plain);
  }

  @Test
  void aRangeEqualsTheSlice() throws IOException {
    byte[] plain = content(50_000);
    byte[] sealed = seal(plain);
    SealedRange range = range(sealed);
    Random places = new Random(11);
    for (int i = 0; i < 200; i++) {
      int from = places.nextInt(plain.length);
      int length = 1 + places.nextInt(plain.length - from);
      ByteRange fetch = range.chunksFor(from, length);
      byte[] opened = new byte[plain.length + 1];
      int count =
          range.open(
              sealed,
              (int) fetch.offset(),
              (int) fetch.length(),
              SealedRange.firstChunk(from),
              opened,
              1);
      int start = 1 + from % SealedRange.CHUNK_LENGTH;
      assertThat(count).isGreaterThanOrEqualTo(from % SealedRange.CHUNK_LENGTH + length);
      assertThat(Arrays.copyOfRange(opened, start, start + length))
          .isEqualTo(Arrays.copyOfRange(plain, from, from + length));
    }
  }

  @Test
  void anObjectThatWasAbortedOpensAsCut() throws IOException {
    ByteArrayOutputStream sink = new ByteArrayOutputStream();
    try (SealedWriter writer = new SealedWriter(sink, key, header, NAME, RANDOM)) {
      writer.write(content(40_000));
      writer.abort();
    }
    assertCut(sink.toByteArray());
  }

  @Test
  void anObjectWhoseWriteFailedIsNotEnded() throws IOException {
    ByteArrayOutputStream held = new ByteArrayOutputStream();
    OutputStream failing =
        new OutputStream() {
          private int calls;

          @Override
          public void write(int value) {
            held.write(value);
          }

          @Override
          public void write(byte[] bytes, int offset, int length) throws IOException {
            if (++calls == 4) {
              throw new IOException("disk full");
            }
            held.write(bytes, offset, length);
          }
        };
    SealedWriter writer = new SealedWriter(failing, key, header, NAME, RANDOM);
    assertThatThrownBy(() -> writer.write(content(100_000))).hasMessage("disk full");
    assertThatThrownBy(() -> writer.write(1)).isInstanceOf(IOException.class);
    writer.close();
    assertCut(held.toByteArray());
  }

  @Test
  void aKeyOfAnotherSlotIsRefusedBeforeAnythingIsWritten() {
    EpochKey next = key.next(RANDOM);
    ByteArrayOutputStream sink = new ByteArrayOutputStream();
    assertThatThrownBy(() -> new SealedWriter(sink, next, header, NAME, RANDOM))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(sink.size()).isZero();
  }

  private void assertCut(byte[] sealed) {
    assertThatThrownBy(() -> open(sealed))
        .isInstanceOfSatisfying(
            MalformedObjectException.class,
            e -> assertThat(e.code()).isEqualTo(MalformedObjectException.TRUNCATED));
  }

  private SealedRange range(byte[] sealed) throws IOException {
    byte[] salt = Arrays.copyOfRange(sealed, 72, 96);
    byte[] commitment = Arrays.copyOfRange(sealed, 96, 128);
    return new SealedRange(key, header, NAME, salt, commitment, sealed.length);
  }

  private byte[] seal(byte[] plain) throws IOException {
    ByteArrayOutputStream sink = new ByteArrayOutputStream();
    try (SealedWriter writer = new SealedWriter(sink, key, header, NAME, RANDOM)) {
      writer.write(plain);
    }
    return sink.toByteArray();
  }

  private byte[] open(byte[] sealed) throws IOException {
    try (SealedReader reader =
        SealedReader.open(new ByteArrayInputStream(sealed), key, header, NAME)) {
      return reader.readAllBytes();
    }
  }

  private static byte[] content(int length) {
    byte[] content = new byte[length];
    new Random(length).nextBytes(content);
    return content;
  }
}
