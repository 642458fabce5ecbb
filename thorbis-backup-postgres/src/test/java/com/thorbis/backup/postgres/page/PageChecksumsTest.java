package com.thorbis.backup.postgres.page;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.spi.repository.FileContent;
import com.thorbis.backup.spi.repository.PieceCheck;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PageChecksumsTest {
  private static final int PAGE = 8192;
  private static final Lsn START = Lsn.parse("1/1000");
  private static final Lsn STOP = Lsn.parse("1/2000");

  private final PageChecksums checksums = new PageChecksums(START);

  @ParameterizedTest
  @CsvSource({
    "base/5/16384, 0",
    "base/5/16384.1, 131072",
    "base/5/16384_vm, 0",
    "base/5/16384_fsm.12, 1572864",
    "base/5/16384_init, 0",
    "base/5/t3_16384, 0",
    "global/1262, 0",
    "pg_tblspc/16400/PG_15_202209061/5/16401.2, 262144"
  })
  void filesOfRelationsAreTold(String path, long firstBlock) {
    assertThat(RelationFiles.firstBlock(path)).isEqualTo(OptionalLong.of(firstBlock));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "global/pg_control",
        "global/pg_filenode.map",
        "base/5/PG_VERSION",
        "base/5/pg_internal.init",
        "base/5/pg_internal.init.77",
        "global/config_exec_params",
        "base/pgsql_tmp/pgsql_tmp12.0",
        "pg_xact/0000",
        "pg_wal/000000010000000000000001",
        "base/5/16384.x",
        "base/5/../16384",
        "pg_tblspc/16400/PG_15_202209061/pgsql_tmp/1",
        "base/5/99999999999",
        "16384"
      })
  void otherFilesAreLeftAlone(String path) {
    assertThat(RelationFiles.firstBlock(path)).isEmpty();
    assertThat(checksums.forFile(path)).isSameAs(PieceCheck.NONE);
  }

  @Test
  void pageCountsWithItsPlaceInTheRelation() {
    ByteBuffer right = page(START.plus(-1), 131_072 + 128);
    checksums.forFile("base/5/16384.1").check(128L * PAGE, right);
    assertThat(checksums.failed()).isZero();
    checksums.forFile("base/5/16384.1").check(0, right);
    assertThat(checksums.failures())
        .singleElement()
        .satisfies(failure -> assertThat(failure.block()).isEqualTo(131_072));
  }

  @Test
  void pageThatWasWrittenDuringTheBackupIsNotJudged() {
    ByteBuffer torn = page(START, 0);
    torn.put(5000, (byte) 77);
    checksums.forFile("base/5/16384").check(0, torn);
    checksums.finish(STOP);
    assertThat(checksums.failed()).isZero();
  }

  @Test
  void pageFromTheFutureFailsAtTheEnd() {
    checksums.forFile("base/5/16384").check(PAGE, page(STOP.plus(1), 1));
    assertThat(checksums.failed()).isZero();
    checksums.finish(STOP);
    assertThat(checksums.failures())
        .containsExactly(
            new PageChecksums.Failure(
                "base/5/16384", 1, "changed at 1/2001, after the backup ended"));
  }

  @Test
  void newPagesAreRightAndTheirFirstHalfMustBeEmpty() {
    ByteBuffer page = ByteBuffer.allocate(PAGE);
    PieceCheck check = checksums.forFile("base/5/16384");
    check.check(0, page);
    page.put(6000, (byte) 1); // the second half of a page that is being added
    check.check(0, page);
    assertThat(checksums.failed()).isZero();
    page.put(100, (byte) 1);
    check.check(0, page);
    assertThat(checksums.failed()).isEqualTo(1);
  }

  @Test
  void fileThatEndsInAPageFails() {
    checksums.forFile("base/5/16384").check(0, ByteBuffer.allocate(PAGE + 100));
    assertThat(checksums.failures())
        .containsExactly(
            new PageChecksums.Failure("base/5/16384", 1, "only 100 bytes of the page"));
  }

  @Test
  void listIsBounded() {
    ByteBuffer wrong = page(new Lsn(1), 5);
    PieceCheck check = checksums.forFile("base/5/16384");
    for (int i = 0; i < PageChecksums.MAX_FAILURES + 10; i++) {
      check.check(0, wrong);
    }
    assertThat(checksums.failed()).isEqualTo(PageChecksums.MAX_FAILURES + 10);
    assertThat(checksums.failures()).hasSize(PageChecksums.MAX_FAILURES);
  }

  /** A file of two pages, of which the second is torn so many times. */
  private static FileContent torn(byte[] whole, int times) {
    AtomicInteger left = new AtomicInteger(times);
    return (offset, into, at, length) -> {
      System.arraycopy(whole, (int) offset, into, at, length);
      if (left.getAndDecrement() > 0) {
        into[at + length - 100] ^= 1;
      }
      return true;
    };
  }

  private static byte[] twoPages() {
    return ByteBuffer.allocate(2 * PAGE)
        .put(page(START.plus(-1), 0).array())
        .put(page(START.plus(-1), 1).array())
        .array();
  }

  @Test
  void w26APageThatIsCaughtWhileItIsWrittenIsReadAgain() throws IOException {
    byte[] whole = twoPages();
    FileContent file = torn(whole, 3);
    byte[] read = new byte[2 * PAGE + 7];
    file.read(0, read, 7, 2 * PAGE);
    checksums.rereading("base/5/16384").check(file, 0, read, 7, 2 * PAGE);
    assertThat(checksums.failed()).isZero();
    assertThat(Arrays.copyOfRange(read, 7, read.length)).isEqualTo(whole);
  }

  @Test
  void w26APageThatStaysWrongIsDamaged() throws IOException {
    FileContent file = torn(twoPages(), Integer.MAX_VALUE);
    byte[] read = new byte[2 * PAGE];
    file.read(0, read, 0, 2 * PAGE);
    checksums.rereading("base/5/16384.1").check(file, 0, read, 0, 2 * PAGE);
    assertThat(checksums.failures())
        .extracting(PageChecksums.Failure::block)
        .containsExactly(131_072L, 131_073L);
  }

  @Test
  void pagesOfWhichOnlyAPartWasReadAreNotJudged() throws IOException {
    byte[] whole = twoPages();
    whole[PAGE - 5] ^= 1;
    FileContent file = torn(whole, 0);
    byte[] read = new byte[2 * PAGE - 20];
    file.read(10, read, 0, read.length);
    checksums.rereading("base/5/16384").check(file, 10, read, 0, read.length);
    assertThat(checksums.failed()).isZero();
  }

  /** A filled page with the right checksum. */
  private static ByteBuffer page(Lsn lsn, long block) {
    ByteBuffer page = ByteBuffer.allocate(PAGE).order(ByteOrder.LITTLE_ENDIAN);
    page.putInt(0, (int) (lsn.value() >>> 32)).putInt(4, (int) lsn.value());
    page.putShort(12, (short) 24).putShort(14, (short) 8000).put(8100, (byte) 42);
    int[] words = new int[PAGE / 4];
    page.asIntBuffer().get(words);
    page.putShort(8, (short) PageChecksum.of(words, block));
    return page;
  }
}
