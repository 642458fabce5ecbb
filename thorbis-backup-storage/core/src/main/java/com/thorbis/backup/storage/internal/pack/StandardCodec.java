package com.thorbis.backup.storage.internal.pack;

import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.Compression;
import java.io.IOException;
import net.jpountz.lz4.LZ4Compressor;
import net.jpountz.lz4.LZ4Exception;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4SafeDecompressor;
import org.jspecify.annotations.Nullable;

/** The codecs of this version. */
final class StandardCodec implements PieceCodec {
  private final byte id;
  private final @Nullable ZstdCompressCtx zstd;
  private final @Nullable LZ4Compressor lz4;
  private @Nullable ZstdDecompressCtx zstdReader;
  private @Nullable LZ4SafeDecompressor lz4Reader;

  StandardCodec(Compression compression) {
    switch (compression.codec()) {
      case "zstd" -> {
        id = ZSTD;
        zstd = new ZstdCompressCtx().setLevel(compression.level());
        lz4 = null;
      }
      case "lz4" -> {
        id = LZ4;
        zstd = null;
        lz4 =
            compression.level() > 1
                ? LZ4Factory.fastestInstance().highCompressor(Math.min(compression.level(), 17))
                : LZ4Factory.fastestInstance().fastCompressor();
      }
      case "none" -> {
        id = NONE;
        zstd = null;
        lz4 = null;
      }
      default ->
          throw BackupException.of(
                  "configuration.invalid",
                  FailureKind.CONFIGURATION,
                  "compression.codec: \"" + compression.codec() + "\" is not known")
              .remedy("Write zstd, lz4 or none.")
              .build();
    }
  }

  @Override
  public byte id() {
    return id;
  }

  @Override
  public int compress(byte[] plain, int length, byte[] to) {
    // Room for less than the plain bytes: what does not shrink fails early and is stored as it is.
    int room = Math.min(to.length, length - 1);
    if (room <= 0) {
      return -1;
    }
    if (zstd != null) {
      try {
        return zstd.compressByteArray(to, 0, room, plain, 0, length);
      } catch (ZstdException e) {
        if (e.getErrorCode() == com.github.luben.zstd.Zstd.errDstSizeTooSmall()) {
          return -1;
        }
        throw e;
      }
    }
    if (lz4 != null) {
      try {
        return lz4.compress(plain, 0, length, to, 0, room);
      } catch (LZ4Exception e) {
        return -1;
      }
    }
    return -1;
  }

  @Override
  public void decompress(
      byte codec, byte[] stored, int offset, int length, byte[] plain, int plainLength)
      throws IOException {
    if (plainLength < 1 || plainLength > plain.length) {
      throw new IOException("a piece of " + plainLength + " bytes");
    }
    try {
      int got =
          switch (codec) {
            case NONE -> {
              if (length == plainLength) {
                System.arraycopy(stored, offset, plain, 0, length);
              }
              yield length;
            }
            case ZSTD -> {
              if (zstdReader == null) {
                zstdReader = new ZstdDecompressCtx();
              }
              yield zstdReader.decompressByteArray(plain, 0, plainLength, stored, offset, length);
            }
            case LZ4 -> {
              if (lz4Reader == null) {
                lz4Reader = LZ4Factory.fastestInstance().safeDecompressor();
              }
              yield lz4Reader.decompress(stored, offset, length, plain, 0, plainLength);
            }
            default -> throw new IOException("codec " + codec + " is not known");
          };
      if (got != plainLength) {
        throw new IOException("a piece of " + got + " instead of " + plainLength + " bytes");
      }
    } catch (ZstdException | LZ4Exception e) {
      throw new IOException("a piece does not decompress: " + e.getMessage(), e);
    }
  }

  @Override
  public void close() {
    if (zstd != null) {
      zstd.close();
    }
    if (zstdReader != null) {
      zstdReader.close();
    }
  }
}
