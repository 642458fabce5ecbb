package com.thorbis.backup.storage.internal.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.Address;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.FileNode;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import com.thorbis.backup.storage.internal.format.BinaryOutput;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MapBlockTest {
  private static final Instant TIME = Instant.ofEpochSecond(1_700_000_000L, 123_456_789);
  private static final FileNode NODE =
      new FileNode(0xFFFF_FFFEL, 100, "jo", "", 0xFEDC_BA98_7654_3210L, TIME.plusNanos(1));

  private static FileEntry entry(
      Kind kind, String path, long length, Optional<String> target, Optional<FileNode> node) {
    return new FileEntry(
        new StoredFile(Area.DATA, path, kind, length, 0640, TIME, target, node),
        kind == Kind.FILE ? OptionalInt.of(5) : OptionalInt.empty(),
        Fingerprint.ZERO,
        length == 0 ? List.of() : List.of(new Extent(length, null, 0)),
        List.of());
  }

  private static final List<FileEntry> ENTRIES =
      List.of(
          entry(Kind.DIRECTORY, "d", 0, Optional.empty(), Optional.of(NODE)),
          entry(Kind.FILE, "d/a", 9, Optional.empty(), Optional.of(NODE)),
          entry(Kind.FILE, "d/b", 9, Optional.empty(), Optional.empty()),
          entry(Kind.SYMBOLIC_LINK, "d/c", 0, Optional.of("../\u00e4 b"), Optional.of(NODE)),
          entry(Kind.SYMBOLIC_LINK, "d/e", 0, Optional.of("/"), Optional.empty()),
          entry(Kind.HARD_LINK, "d/f", 0, Optional.of("d/a"), Optional.of(NODE)),
          entry(Kind.HARD_LINK, "d/g", 0, Optional.of("d/a"), Optional.empty()));

  private static byte[] encode(List<FileEntry> entries) {
    MapBlock.Builder table = MapBlock.Builder.table();
    entries.forEach(table::add);
    BinaryOutput out = table.encode();
    assertThat(out.length()).isLessThanOrEqualTo(table.length());
    return Arrays.copyOf(out.array(), out.length());
  }

  private static List<FileEntry> read(byte[] block) throws RepositoryException {
    return MapBlock.readTable(ByteBuffer.wrap(block), "packs/x");
  }

  private static void assertDamaged(byte[] block, String problem) {
    assertThatThrownBy(() -> read(block))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED))
        .hasMessageContaining(problem);
  }

  @Test
  void entriesComeBackAsTheyWere() throws RepositoryException {
    assertThat(read(encode(ENTRIES))).isEqualTo(ENTRIES);
  }

  @Test
  void filesAndFoldersWithoutANodeAreWrittenAsEver() {
    assertThat(
            HexFormat.of()
                .formatHex(
                    encode(
                        List.of(
                            entry(Kind.DIRECTORY, "d", 0, Optional.empty(), Optional.empty()),
                            entry(Kind.FILE, "f", 9, Optional.empty(), Optional.empty())))))
        .isEqualTo(
            "01"
                + "00"
                + "00"
                + "02"
                + "0100"
                + "0164"
                + "a003"
                + "80c49fd50c"
                + "959aef3a"
                + "0000"
                + "0166"
                + "a003"
                + "80c49fd50c"
                + "959aef3a"
                + "09"
                + "00000005"
                + "00"
                + "01"
                + "0109");
  }

  @Test
  void anEntryIsWrittenAsTheFormatSays() {
    assertThat(
            HexFormat.of()
                .formatHex(
                    encode(
                        List.of(
                            entry(
                                Kind.SYMBOLIC_LINK, "l", 0, Optional.of("t"), Optional.of(NODE))))))
        .isEqualTo(
            "01"
                + "00"
                + "00"
                + "01"
                + "1200"
                + "016c"
                + "a003"
                + "80c49fd50c"
                + "959aef3a"
                + "feffffff0f"
                + "64"
                + "026a6f"
                + "00"
                + "fedcba9876543210"
                + "80c49fd50c"
                + "969aef3a"
                + "0174");
  }

  /** Behind kind, packs, pieces and count stands the first entry. */
  @ParameterizedTest
  @ValueSource(ints = {4, 5, 8, 15, 20, 32, 33, 64, 128, 129, 144, 255})
  void aKindThatIsNotKnownIsDamage(int kind) {
    for (FileEntry entry : ENTRIES) {
      byte[] block = encode(List.of(entry));
      block[4] = (byte) kind;
      assertDamaged(block, "unknown kind");
    }
  }

  @Test
  void aBlockThatEndsEarlyOrLateIsDamage() {
    byte[] block = encode(ENTRIES);
    for (int length = 0; length < block.length; length++) {
      byte[] cut = Arrays.copyOf(block, length);
      assertThatThrownBy(() -> read(cut)).isInstanceOf(RepositoryException.class);
    }
    assertDamaged(Arrays.copyOf(block, block.length + 1), "follow its end");
  }

  @Test
  void numbersAndTextsOutOfBoundsAreDamage() {
    byte[] symbolic =
        encode(List.of(entry(Kind.SYMBOLIC_LINK, "l", 0, Optional.of("t"), Optional.of(NODE))));
    byte[] owner = symbolic.clone();
    owner[4 + 2 + 2 + 2 + 5 + 4 + 4] = 0x1f; // the last digit of the owner: more than 32 bits
    assertDamaged(owner, "an owner");
    byte[] target = symbolic.clone();
    target[target.length - 1] = (byte) 0xff;
    assertDamaged(target, "not UTF-8");
    FileNode longName = new FileNode(0, 0, "n".repeat(1025), "", 1, TIME);
    assertDamaged(
        encode(List.of(entry(Kind.FILE, "f", 0, Optional.empty(), Optional.of(longName)))),
        "the length of a text");
  }

  @Test
  void nothingForAPathOrATargetIsDamage() {
    assertDamaged(
        encode(List.of(entry(Kind.FILE, "", 0, Optional.empty(), Optional.empty()))), "a path");
    for (Kind kind : List.of(Kind.SYMBOLIC_LINK, Kind.HARD_LINK)) {
      assertDamaged(
          encode(List.of(entry(kind, "l", 0, Optional.of(""), Optional.empty()))), "the target");
    }
  }

  /** A file whose map has so many pieces, each of which refers to so many packs. */
  private static FileEntry mapped(String path, int pieces, int packsEach) {
    List<MapRef> maps = new ArrayList<>();
    for (int i = 0; i < pieces; i++) {
      int number = i;
      PieceRef piece =
          new PieceRef(
              pack(i / 100),
              (1L << 30) + i * 10_000L,
              9_000,
              10_000,
              (byte) 1,
              i,
              new Address(i, 1, 2, 3),
              new Fingerprint(i, 4));
      maps.add(
          new MapRef(
              piece,
              64L << 20,
              IntStream.range(0, packsEach).mapToObj(j -> pack(number * 3 + j)).toList()));
    }
    return new FileEntry(
        new StoredFile(
            Area.DATA,
            path,
            Kind.FILE,
            pieces * (64L << 20),
            0640,
            TIME,
            Optional.empty(),
            Optional.of(NODE)),
        OptionalInt.of(5),
        Fingerprint.ZERO,
        List.of(),
        maps);
  }

  private static ObjectId pack(int number) {
    return ObjectId.parse("%032x".formatted(number + 1));
  }

  @Test
  void anEntryThatDoesNotFitBesideOthersHasABlockToItself() throws RepositoryException {
    FileEntry large = mapped("large", 3000, 64);
    MapBlock.Builder table = MapBlock.Builder.table();
    assertThat(table.fits(large)).isTrue();
    for (int i = 0; table.length() < MapBlock.Builder.FULL; i++) {
      FileEntry small = entry(Kind.FILE, "small" + i, 9, Optional.empty(), Optional.of(NODE));
      assertThat(table.fits(small)).isTrue();
      table.add(small);
    }
    assertThat(table.fits(large)).isFalse();
    assertThat(table.encode().length()).isLessThanOrEqualTo(PieceCodec.MAX_PIECE);
    byte[] alone = encode(List.of(large));
    assertThat(alone.length)
        .isGreaterThan(PieceCodec.MAX_PIECE - MapBlock.Builder.FULL)
        .isLessThanOrEqualTo(PieceCodec.MAX_PIECE);
    assertThat(read(alone)).containsExactly(large);
  }

  @Test
  void theMapOfAVeryLongFileIsWrittenWithoutWhatItRefersTo() throws RepositoryException {
    FileEntry huge = mapped("huge", 6000, 64);
    assertThat(MapBlock.Builder.table().fits(huge)).isTrue();
    byte[] alone = encode(List.of(huge));
    assertThat(alone.length).isLessThanOrEqualTo(PieceCodec.MAX_PIECE);
    FileEntry found = read(alone).get(0);
    assertThat(found.file()).isEqualTo(huge.file());
    assertThat(found.maps())
        .isEqualTo(
            huge.maps().stream()
                .map(map -> new MapRef(map.piece(), MapRef.UNKNOWN, List.of()))
                .toList());
    assertThat(MapBlock.Builder.table().fits(mapped("beyond", 20_000, 1))).isFalse();
  }
}
