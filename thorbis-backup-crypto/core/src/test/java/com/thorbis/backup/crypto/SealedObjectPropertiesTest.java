package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.storage.ByteRange;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;

/** What must hold for every sealed object. Numbers such as C7 name a class of real failures. */
class SealedObjectPropertiesTest {
  private static final int FRAME = ObjectHeader.LENGTH + Cobblestone.PREFIX;
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final String NAME = "wal/orders/1/00000001/000000010000000000000001";

  private final KeySlot slot = new KeySlot(ObjectId.random(RANDOM), ObjectId.random(RANDOM), 3);
  private final EpochKey key = EpochKey.generate(slot, RANDOM);
  private final ObjectHeader header =
      ObjectHeader.of(ObjectType.WAL, slot, ObjectId.random(RANDOM));

  @Provide
  Arbitrary<Integer> lengths() {
    return Arbitraries.oneOf(
        Arbitraries.of(0, 1, 16383, 16384, 16385, 32767, 32768, 32769),
        Arbitraries.integers().between(0, 70_000));
  }

  @Property(tries = 150)
  void everyLengthOpensAsItWas(@ForAll("lengths") int length, @ForAll long seed)
      throws IOException {
    byte[] plain = content(length, seed);
    byte[] sealed = seal(plain);
    assertThat(sealed).hasSize((int) SealedRange.sealedLength(length));
    assertThat(SealedRange.plainLength(sealed.length)).isEqualTo(length);
    assertThat(open(sealed)).isEqualTo(plain);
  }

  @Property(tries = 150)
  void everyRangeIsTheSlice(
      @ForAll @IntRange(min = 1, max = 70_000) int length, @ForAll Random places)
      throws IOException {
    byte[] plain = content(length, 1);
    byte[] sealed = seal(plain);
    int from = places.nextInt(length);
    int wanted = 1 + places.nextInt(length - from);
    SealedRange range = range(sealed, sealed.length);
    ByteRange fetch = range.chunksFor(from, wanted);
    byte[] fetched =
        Arrays.copyOfRange(sealed, (int) fetch.offset(), (int) (fetch.offset() + fetch.length()));
    byte[] opened = new byte[fetched.length];
    int count = range.open(fetched, 0, fetched.length, SealedRange.firstChunk(from), opened, 0);
    int start = from % SealedRange.CHUNK_LENGTH;
    assertThat(count).isBetween(start + wanted, fetched.length);
    assertThat(Arrays.copyOfRange(opened, start, start + wanted))
        .isEqualTo(Arrays.copyOfRange(plain, from, from + wanted));
  }

  @Property(tries = 1000)
  void lengthsCorrespond(
      @ForAll @LongRange(min = 0, max = SealedRange.MAX_PLAIN_LENGTH) long length)
      throws IOException {
    assertThat(SealedRange.plainLength(SealedRange.sealedLength(length))).isEqualTo(length);
  }

  @Example
  void impossibleLengthsAreRefused() {
    for (long length :
        new long[] {
          Long.MIN_VALUE,
          -1,
          0,
          FRAME,
          FRAME + 15,
          FRAME + 16400,
          FRAME + 16415,
          SealedRange.sealedLength(SealedRange.MAX_PLAIN_LENGTH) + 1,
          Long.MAX_VALUE
        }) {
      assertThatThrownBy(() -> SealedRange.plainLength(length))
          .describedAs("%d", length)
          .isInstanceOf(MalformedObjectException.class);
    }
    assertThatThrownBy(() -> SealedRange.sealedLength(-1))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> SealedRange.sealedLength(SealedRange.MAX_PLAIN_LENGTH + 1))
        .isInstanceOf(IllegalArgumentException.class);
  }

  /** Equal content under one key, and a run's worth of objects, never share a block. */
  @Example
  void c1TwoSealingsShareNoBlock() throws IOException {
    byte[] plain = new byte[40_000];
    Set<String> blocks = new HashSet<>();
    Set<String> keysAndNonces = new HashSet<>();
    for (int i = 0; i < 50; i++) {
      byte[] sealed = seal(plain);
      for (int at = FRAME; at + 16 <= sealed.length; at += 16) {
        assertThat(blocks.add(HexFormat.of().formatHex(sealed, at, at + 16))).isTrue();
      }
      // Key and nonces are functions of the salt alone here; the salt must never repeat.
      assertThat(keysAndNonces.add(HexFormat.of().formatHex(sealed, 72, 96))).isTrue();
    }
  }

  @Example
  void c3AnObjectIsNeverTakenForAnotherKindOfObject() throws IOException {
    byte[] sealed = seal(content(100, 2));
    for (ObjectType type : ObjectType.values()) {
      if (type != header.type()) {
        ObjectHeader claimed = ObjectHeader.of(type, slot, header.object());
        assertRejectedAs(MalformedObjectException.WRONG_KEY_OR_NAME, sealed, claimed, key, NAME);
        byte[] relabelled = sealed.clone();
        System.arraycopy(claimed.encode(), 0, relabelled, 0, ObjectHeader.LENGTH);
        assertRejectedAs(
            MalformedObjectException.WRONG_KEY_OR_NAME, relabelled, claimed, key, NAME);
      }
    }
  }

  @Example
  void c3AnObjectOfAnotherPlaceIsRejected() throws IOException {
    byte[] sealed = seal(content(100, 3));
    for (KeySlot other :
        List.of(
            new KeySlot(ObjectId.random(RANDOM), slot.tree(), slot.epoch()),
            new KeySlot(slot.repository(), ObjectId.random(RANDOM), slot.epoch()),
            slot.next())) {
      // Even with the same key material, as a careless copy of a key slot would give.
      EpochKey sameMaterial = EpochKey.of(other, key.material());
      ObjectHeader claimed = ObjectHeader.of(header.type(), other, header.object());
      byte[] relabelled = sealed.clone();
      System.arraycopy(claimed.encode(), 0, relabelled, 0, ObjectHeader.LENGTH);
      assertRejectedAs(
          MalformedObjectException.WRONG_KEY_OR_NAME, relabelled, claimed, sameMaterial, NAME);
    }
    ObjectHeader otherId = ObjectHeader.of(header.type(), slot, ObjectId.random(RANDOM));
    byte[] relabelled = sealed.clone();
    System.arraycopy(otherId.encode(), 0, relabelled, 0, ObjectHeader.LENGTH);
    assertRejectedAs(MalformedObjectException.WRONG_KEY_OR_NAME, relabelled, otherId, key, NAME);
    assertRejectedAs(
        MalformedObjectException.WRONG_KEY_OR_NAME,
        sealed,
        header,
        EpochKey.generate(slot, RANDOM),
        NAME);
  }

  @Example
  void c5SaltAndCommitmentOfAnotherObjectAreRejected() throws IOException {
    byte[] one = seal(content(20_000, 4));
    byte[] other = seal(content(20_000, 4));
    for (int[] part : new int[][] {{72, 96}, {96, 128}, {72, 128}}) {
      byte[] mixed = one.clone();
      System.arraycopy(other, part[0], mixed, part[0], part[1] - part[0]);
      assertThatThrownBy(() -> open(mixed)).isInstanceOf(MalformedObjectException.class);
    }
    assertThatThrownBy(
            () ->
                new SealedRange(
                    key,
                    header,
                    NAME,
                    Arrays.copyOfRange(one, 72, 96),
                    Arrays.copyOfRange(other, 96, 128),
                    one.length))
        .isInstanceOfSatisfying(
            MalformedObjectException.class,
            e -> assertThat(e.code()).isEqualTo(MalformedObjectException.WRONG_KEY_OR_NAME));
  }

  @Example
  void c6EveryFlippedBitIsFound() throws IOException {
    byte[] plain = content(40, 5);
    byte[] sealed = seal(plain);
    for (int bit = 0; bit < 8 * sealed.length; bit++) {
      byte[] altered = sealed.clone();
      altered[bit / 8] ^= (byte) (1 << bit % 8);
      assertThatThrownBy(() -> open(altered))
          .describedAs("bit %d", bit)
          .isInstanceOf(MalformedObjectException.class);
    }
  }

  @Property(tries = 300)
  void c6AFlippedBitAnywhereIsFoundBeforeItsBytesAreHandedOut(@ForAll Random places)
      throws IOException {
    byte[] plain = content(50_000, 6);
    byte[] sealed = seal(plain);
    int at = places.nextInt(sealed.length);
    sealed[at] ^= (byte) (1 << places.nextInt(8));
    ByteArrayOutputStream handedOut = new ByteArrayOutputStream();
    assertThatThrownBy(() -> open(sealed, handedOut)).isInstanceOf(MalformedObjectException.class);
    int chunk = at < FRAME ? 0 : (at - FRAME) / Cobblestone.SEALED_CHUNK;
    assertThat(handedOut.toByteArray()).isEqualTo(Arrays.copyOf(plain, chunk * Cobblestone.CHUNK));
    if (at >= FRAME) {
      SealedRange range = range(sealed, sealed.length);
      byte[] opened = new byte[plain.length];
      assertThatThrownBy(() -> range.open(sealed, FRAME, sealed.length - FRAME, 0, opened, 0))
          .isInstanceOf(MalformedObjectException.class);
      assertThat(Arrays.copyOfRange(opened, chunk * Cobblestone.CHUNK, opened.length))
          .containsOnly(0);
    }
  }

  /** Cut at every edge of a chunk, one byte before and one after. */
  @Example
  void c7EveryCutIsFound() throws IOException {
    for (int length : new int[] {0, 1, 16383, 16384, 16385, 49152}) {
      byte[] sealed = seal(content(length, 7));
      Set<Integer> cuts = new HashSet<>(List.of(0, 1, 71, 72, 73, 95, 96, 97, 127));
      for (int edge = FRAME; edge <= sealed.length; edge += Cobblestone.SEALED_CHUNK) {
        cuts.addAll(List.of(edge - 1, edge, edge + 1, edge + 15, edge + 16, edge + 17));
      }
      cuts.add(sealed.length - 1);
      for (int cut : cuts) {
        if (cut < sealed.length) {
          assertThatThrownBy(() -> open(Arrays.copyOf(sealed, cut)))
              .describedAs("%d of %d bytes", cut, sealed.length)
              .isInstanceOf(MalformedObjectException.class);
        }
      }
      for (int more : new int[] {1, 15, 16, 17, 16400}) {
        assertThatThrownBy(() -> open(Arrays.copyOf(sealed, sealed.length + more)))
            .describedAs("%d bytes more", more)
            .isInstanceOf(MalformedObjectException.class);
      }
    }
  }

  @Example
  void c7ARangeKnowsACutObjectByItsLengthOrItsLastChunk() throws IOException {
    byte[] sealed = seal(content(49152, 8));
    for (int cut = FRAME; cut < sealed.length; cut += Cobblestone.SEALED_CHUNK) {
      int length = cut;
      assertThatThrownBy(() -> range(sealed, length)).isInstanceOf(MalformedObjectException.class);
    }
    int inside = FRAME + Cobblestone.SEALED_CHUNK + 500;
    SealedRange cut = range(sealed, inside);
    ByteRange last = cut.lastChunk();
    assertThat(last.offset() + last.length()).isEqualTo(inside);
    assertThatThrownBy(
            () -> cut.open(sealed, (int) last.offset(), (int) last.length(), 1, new byte[16384], 0))
        .isInstanceOf(MalformedObjectException.class);
    SealedRange whole = range(sealed, sealed.length);
    assertThat(whole.lastChunk()).isEqualTo(new ByteRange(sealed.length - 16, 16));
    assertThat(whole.open(sealed, sealed.length - 16, 16, 3, new byte[0], 0)).isZero();
  }

  @Example
  void c7WrongLengthsOfKeysAreRefused() {
    for (int length : new int[] {0, 1, 25, 31, 32, 33, 63, 65, 128}) {
      try (DataKey material = DataKey.generate(RANDOM, length)) {
        assertThatThrownBy(() -> EpochKey.of(slot, material))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("64 bytes");
      }
    }
  }

  @Example
  void c8SwappedObjectsAreFound() throws IOException {
    List<String> names = List.of("wal/a/1", "wal/a/2", "wal/a/1/2", "wal/a", "");
    List<byte[]> objects = new ArrayList<>();
    for (String name : names) {
      objects.add(seal(content(50, 9), name));
    }
    for (int i = 0; i < names.size(); i++) {
      for (int j = 0; j < names.size(); j++) {
        if (i == j) {
          assertThat(open(objects.get(i), names.get(j))).hasSize(50);
        } else {
          assertRejectedAs(
              MalformedObjectException.WRONG_KEY_OR_NAME,
              objects.get(i),
              header,
              key,
              names.get(j));
        }
      }
    }
  }

  @Example
  void chunksInAnotherOrderAreFound() throws IOException {
    byte[] sealed = seal(content(49_000, 10));
    byte[] swapped = sealed.clone();
    System.arraycopy(sealed, FRAME, swapped, FRAME + 16400, 16400);
    System.arraycopy(sealed, FRAME + 16400, swapped, FRAME, 16400);
    assertThatThrownBy(() -> open(swapped)).isInstanceOf(MalformedObjectException.class);
    SealedRange range = range(sealed, sealed.length);
    assertThatThrownBy(() -> range.open(sealed, FRAME, 16400, 1, new byte[16384], 0))
        .isInstanceOf(MalformedObjectException.class);
  }

  @Example
  void aFailureRepeats() throws IOException {
    byte[] sealed = seal(content(40_000, 11));
    sealed[FRAME + 16400] ^= 1;
    try (SealedReader reader =
        SealedReader.open(new ByteArrayInputStream(sealed), key, header, NAME)) {
      assertThat(reader.readNBytes(16384)).hasSize(16384);
      for (int i = 0; i < 3; i++) {
        assertThatThrownBy(reader::read).isInstanceOf(MalformedObjectException.class);
      }
    }
  }

  @Example
  void idKeysStayOverEpochsAndSealKeysDoNot() {
    EpochKey next = key.next(RANDOM);
    assertThat(next.slot()).isEqualTo(slot.next());
    assertThat(next.addressKey()).isEqualTo(key.addressKey()).hasSize(32);
    assertThat(next.fingerprintSeed()).isEqualTo(key.fingerprintSeed());
    assertThat(next.cutTable()).hasSize(2048).isEqualTo(key.cutTable());
    assertThat(next.padSeed()).isEqualTo(key.padSeed()).isNotEqualTo(key.fingerprintSeed());
    Set<String> sealKeys = new HashSet<>();
    for (EpochKey one : List.of(key, next)) {
      for (ObjectType type : ObjectType.values()) {
        sealKeys.add(HexFormat.of().formatHex(one.sealKey(type)));
      }
    }
    assertThat(sealKeys).hasSize(2 * ObjectType.values().length);
  }

  @Example
  void anErasedKeySealsNothing() {
    EpochKey erased = EpochKey.generate(slot, RANDOM);
    erased.close();
    assertThatThrownBy(
            () -> new SealedWriter(new ByteArrayOutputStream(), erased, header, NAME, RANDOM))
        .isInstanceOf(IllegalStateException.class);
  }

  private void assertRejectedAs(
      String code, byte[] sealed, ObjectHeader claimed, EpochKey with, String name) {
    assertThatThrownBy(
            () -> SealedReader.open(new ByteArrayInputStream(sealed), with, claimed, name).close())
        .isInstanceOfSatisfying(
            MalformedObjectException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  private SealedRange range(byte[] sealed, long length) throws IOException {
    return new SealedRange(
        key,
        header,
        NAME,
        Arrays.copyOfRange(sealed, 72, 96),
        Arrays.copyOfRange(sealed, 96, 128),
        length);
  }

  private byte[] seal(byte[] plain) throws IOException {
    return seal(plain, NAME);
  }

  private byte[] seal(byte[] plain, String name) throws IOException {
    ByteArrayOutputStream sink = new ByteArrayOutputStream();
    try (SealedWriter writer = new SealedWriter(sink, key, header, name, RANDOM)) {
      writer.write(plain);
    }
    return sink.toByteArray();
  }

  private byte[] open(byte[] sealed) throws IOException {
    return open(sealed, NAME);
  }

  private byte[] open(byte[] sealed, String name) throws IOException {
    try (SealedReader reader =
        SealedReader.open(new ByteArrayInputStream(sealed), key, header, name)) {
      return reader.readAllBytes();
    }
  }

  private void open(byte[] sealed, ByteArrayOutputStream plain) throws IOException {
    try (SealedReader reader =
        SealedReader.open(new ByteArrayInputStream(sealed), key, header, NAME)) {
      byte[] buffer = new byte[3000];
      for (int count = reader.read(buffer); count >= 0; count = reader.read(buffer)) {
        plain.write(buffer, 0, count);
      }
    }
  }

  private static byte[] content(int length, long seed) {
    byte[] content = new byte[length];
    new Random(seed).nextBytes(content);
    return content;
  }
}
