package com.thorbis.backup.postgres.page;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Lsn;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PageLsnJudgeTest {
  private static final Lsn BASE = Lsn.parse("1/2000");

  @ParameterizedTest
  @CsvSource({
    "0/0, true, false",
    "0/1, true, false",
    "0/3E8, false, true",
    "1/1FFF, false, true",
    "1/2000, true, true",
    "1/2001, true, true",
    "FFFFFFFF/0, true, true"
  })
  void aPageIsChangedFromTheBasesStartOnIfItTells(String lsn, boolean changed, boolean tells) {
    PageLsnJudge judge = new PageLsnJudge(BASE, false, 0);
    assertThat(judge.changed(0, page(Lsn.parse(lsn)))).isEqualTo(changed);
    assertThat(judge.tells(page(Lsn.parse(lsn)))).isEqualTo(tells);
  }

  @Test
  void aPageOfZerosIsChanged() {
    assertThat(new PageLsnJudge(BASE, false, 0).changed(0, ByteBuffer.allocate(8192))).isTrue();
  }

  @Test
  void hintsAndTheHoleDoNotCount() {
    PageLsnJudge judge = new PageLsnJudge(BASE, false, 0);
    ByteBuffer base = page(Lsn.parse("1/10"));
    ByteBuffer now = page(Lsn.parse("1/10"));
    now.putShort(8, (short) 77); // checksum
    now.putShort(10, (short) 4); // all visible
    now.putInt(20, 700); // what could be pruned
    now.put(4000, (byte) 1); // nothing lies there
    now.putShort(8000 + 20, (short) 0x0100); // committed
    assertThat(judge.same(0, now, base)).isTrue();
    now.put(8000 + 23, (byte) 1); // a tuple's content
    assertThat(judge.same(0, now, base)).isFalse();
  }

  @Test
  void aTornPageIsNotJudgedWhereAChecksumTells() {
    ByteBuffer base = page(Lsn.parse("1/10"));
    ByteBuffer now = page(Lsn.parse("1/10"));
    now.put(8000 + 23, (byte) 1);
    assertThat(new PageLsnJudge(BASE, true, 0).same(0, now, base)).isTrue();
    int[] words = new int[PageChecksum.WORDS];
    now.asIntBuffer().get(words);
    now.putShort(8, (short) PageChecksum.of(words, 131_072 + 3));
    assertThat(new PageLsnJudge(BASE, true, 131_072).same(3 * 8192, now, base)).isFalse();
  }

  /** One tuple of 100 bytes at 8000. */
  private static ByteBuffer page(Lsn lsn) {
    ByteBuffer page = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
    page.putInt(0, (int) (lsn.value() >>> 32)).putInt(4, (int) lsn.value());
    page.putShort(12, (short) 28).putShort(14, (short) 8000).putShort(16, (short) 8192);
    page.putInt(24, 8000 | 1 << 15 | 100 << 17);
    return page;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"base/5/16384", "base/5/16384.1", "global/1262", "pg_tblspc/1/PG_15_2/5/16401.2"})
  void mainForksAreTold(String path) {
    assertThat(RelationFiles.isMainFork(path)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "base/5/16384_vm",
        "base/5/16384_fsm.1",
        "base/5/16384_init",
        "base/5/t3_16384",
        "global/pg_control",
        "pg_xact/0000"
      })
  void otherFilesAreNoMainForks(String path) {
    assertThat(RelationFiles.isMainFork(path)).isFalse();
  }
}
