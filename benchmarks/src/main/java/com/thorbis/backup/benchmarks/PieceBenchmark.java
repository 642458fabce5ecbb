package com.thorbis.backup.benchmarks;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.crypto.Address;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedWriter;
import com.thorbis.backup.postgres.page.PageChecksums;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackIds;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PackSet;
import com.thorbis.backup.storage.internal.pack.Piece;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceEncoder;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The stages that a piece of 1 MiB goes through, each alone: operations a second are MiB a second
 * of plain bytes.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
@SuppressWarnings("NullAway.Init") // JMH sets them
public class PieceBenchmark {
  private static final int PIECES_IN_A_PACK = 64;

  /** How pieces are compressed. */
  @Param({"zstd", "lz4"})
  public String codec;

  private final SecureRandom random = new SecureRandom();
  private final byte[] plain = Pages.of(PieceCodec.MAX_PIECE / Pages.PAGE);
  private final byte[] room = new byte[PieceCodec.MAX_PIECE];
  private final byte[] opened = new byte[PieceCodec.MAX_PIECE];
  private final Piece piece = new Piece();
  private PageChecksums checksums;
  private PieceCheck check;
  private EpochKey key;
  private byte[] addressKey;
  private Fingerprint.Function fingerprints;
  private PieceCodec compressor;
  private PieceEncoder encoder;
  private int compressedLength;
  private SealedWriter sealed;
  private Path folder;
  private FileSystemObjectStore store;

  /** Makes what the stages work on. */
  @Setup
  public void setUp() throws IOException {
    checksums = new PageChecksums(new Lsn(1L << 40));
    check = checksums.forFile("base/5/16384");
    KeySlot slot = new KeySlot(ObjectId.random(random), ObjectId.random(random), 1);
    key = EpochKey.generate(slot, random);
    addressKey = key.addressKey();
    fingerprints = new Fingerprint.Function(key.fingerprintSeed());
    compressor = PieceCodec.of(new Compression(codec, 1)).get();
    encoder =
        new PieceEncoder(PieceCodec.of(new Compression(codec, 1)).get(), addressKey, fingerprints);
    compressedLength = compressor.compress(plain, plain.length, room);
    sealed =
        new SealedWriter(
            OutputStream.nullOutputStream(),
            key,
            ObjectHeader.of(ObjectType.PACK, slot, ObjectId.random(random)),
            "a pack",
            random);
    folder = Files.createTempDirectory("thorbis-jmh");
    store = FileSystemObjectStore.builder().root(folder).build();
    piece.fill(plain, plain.length);
    encoder.encode(piece);
  }

  /** Checks that the pages were what they should be, and cleans up. */
  @TearDown
  public void tearDown() throws IOException {
    if (checksums.failed() > 0) {
      throw new IllegalStateException("The pages do not have the checksums that they should");
    }
    sealed.abort();
    encoder.close();
    compressor.close();
    key.close();
    store.close();
    try (var files = Files.walk(folder)) {
      for (Path file : files.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.delete(file);
      }
    }
  }

  /** The checksums of its pages. */
  @Benchmark
  public void checkPages() {
    check.check(0, ByteBuffer.wrap(plain));
  }

  /** Its CRC-32C. */
  @Benchmark
  public long crc() {
    CRC32C crc = new CRC32C();
    crc.update(plain, 0, plain.length);
    return crc.getValue();
  }

  /** Its fingerprint. */
  @Benchmark
  public Fingerprint fingerprint() {
    return fingerprints.of(plain, 0, plain.length);
  }

  /** Compressing it. */
  @Benchmark
  public int compress() {
    return compressor.compress(plain, plain.length, opened);
  }

  /** Opening it again. */
  @Benchmark
  public void decompress() throws IOException {
    compressor.decompress(compressor.id(), room, 0, compressedLength, opened, opened.length);
  }

  /** Naming it by what it was compressed to. */
  @Benchmark
  public Address address() {
    return Address.of(addressKey, compressor.id(), ByteBuffer.wrap(room, 0, compressedLength));
  }

  /** Sealing bytes that did not compress. */
  @Benchmark
  public void seal() throws IOException {
    sealed.write(plain, 0, plain.length);
  }

  /** All that a worker does with it, but for the checksums of pages. */
  @Benchmark
  public void encode() throws IOException {
    encoder.encode(piece);
  }

  /** Sealing encoded pieces into packs in a folder, durably. */
  @Benchmark
  @OperationsPerInvocation(PIECES_IN_A_PACK)
  public void pack() throws IOException {
    try (PackSet packs = new PackSet(store, key, random, new PackIds(random), "jmh", true)) {
      for (int i = 0; i < PIECES_IN_A_PACK; i++) {
        packs.addContent(piece);
      }
      for (PackRef pack : packs.finish()) {
        ObjectKey place = pack.key();
        store.delete(place);
      }
    }
  }
}
