package com.thorbis.backup.postgres.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.postgres.wire.ProtocolException;
import com.thorbis.backup.spi.repository.BackupWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class IncrementalFileTest {
  private static final int BLOCK = 8192;

  /** The rule of {@code pg_combinebackup}, block by block. */
  @Property(tries = 300)
  void rebuildsAsTheServersOwnToolDoes(
      @ForAll @IntRange(max = 30) int baseBlocks,
      @ForAll @IntRange(max = 40) int truncation,
      @ForAll Set<@IntRange(max = 50) Integer> blocks,
      @ForAll @IntRange(min = 1, max = 20_000) int chunk)
      throws IOException {
    SortedSet<Integer> sent = new TreeSet<>(blocks);
    int length = Math.max(truncation, sent.isEmpty() ? 0 : sent.last() + 1);
    byte[] expected = new byte[length * BLOCK];
    for (int block = 0; block < length; block++) {
      if (sent.contains(block)) {
        Arrays.fill(expected, block * BLOCK, (block + 1) * BLOCK, (byte) (100 + block));
      } else if (block < truncation && block < baseBlocks) {
        Arrays.fill(expected, block * BLOCK, (block + 1) * BLOCK, (byte) (1 + block));
      }
    }
    assertThat(rebuilt(file(truncation, sent), baseBlocks, chunk)).isEqualTo(expected);
  }

  private static byte[] rebuilt(byte[] file, int baseBlocks, int chunk) throws IOException {
    Content content = new Content(baseBlocks);
    IncrementalFile incremental = new IncrementalFile("f", content, file.length);
    for (int at = 0; at < file.length; at += chunk) {
      incremental.write(file, at, Math.min(chunk, file.length - at));
    }
    incremental.finish();
    assertThat(content.finished).isTrue();
    return content.bytes.toByteArray();
  }

  private static byte[] file(int truncation, SortedSet<Integer> sent) {
    int head = 12 + 4 * sent.size();
    int padded = sent.isEmpty() ? head : (head + BLOCK - 1) / BLOCK * BLOCK;
    ByteBuffer file =
        ByteBuffer.allocate(padded + sent.size() * BLOCK).order(ByteOrder.LITTLE_ENDIAN);
    file.putInt(0xD3AE1F0D).putInt(sent.size()).putInt(truncation);
    sent.forEach(file::putInt);
    file.position(padded);
    for (int block : sent) {
      byte[] content = new byte[BLOCK];
      Arrays.fill(content, (byte) (100 + block));
      file.put(content);
    }
    return file.array();
  }

  @Test
  void whatIsNoSuchFileIsRefused() {
    SortedSet<Integer> blocks = new TreeSet<>(List.of(1, 2));
    byte[] magic = file(3, blocks);
    magic[0] ^= 1;
    byte[] disordered = file(3, blocks);
    disordered[12] = 2;
    byte[] counted = file(3, blocks);
    counted[4] = 3;
    for (byte[] wrong :
        List.of(magic, disordered, counted, Arrays.copyOf(file(3, blocks), 20_000), new byte[12])) {
      assertThatThrownBy(() -> rebuilt(wrong, 3, 4096)).isInstanceOf(ProtocolException.class);
    }
    byte[] whole = file(3, blocks);
    IncrementalFile cut = new IncrementalFile("f", new Content(3), whole.length);
    assertThatThrownBy(
            () -> {
              cut.write(whole, 0, whole.length - 1);
              cut.finish();
            })
        .isInstanceOf(ProtocolException.class);
  }

  @Test
  void changesToAFileThatTheBaseHasNotMakeItUnusable() {
    assertThatThrownBy(() -> rebuilt(file(3, new TreeSet<>()), -1, 4096))
        .isInstanceOf(UnusableBaseException.class);
  }

  private static final class Content implements BackupWriter.FileWriter {
    final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final int baseBlocks;
    boolean finished;

    Content(int baseBlocks) {
      this.baseBlocks = baseBlocks;
    }

    @Override
    public void write(byte[] from, int offset, int length) {
      bytes.write(from, offset, length);
    }

    @Override
    public OptionalLong baseLength() {
      return baseBlocks < 0 ? OptionalLong.empty() : OptionalLong.of((long) baseBlocks * BLOCK);
    }

    @Override
    public void unchanged(long length) {
      for (long left = length; left > 0; left -= BLOCK) {
        int block = bytes.size() / BLOCK;
        assertThat(block).isLessThan(baseBlocks);
        byte[] content = new byte[BLOCK];
        Arrays.fill(content, (byte) (1 + block));
        bytes.writeBytes(content);
      }
    }

    @Override
    public void zeros(long length) {
      bytes.writeBytes(new byte[(int) length]);
    }

    @Override
    public void finish() {
      finished = true;
    }

    @Override
    public void close() {}
  }
}
