package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * The WAL of one incarnation. Each timeline is an append-only sequence. What {@code store…}
 * returned for is durable. Safe for several threads; two writers of the same stretch are told apart
 * by content.
 */
public interface WalArchive {
  /** The incarnation's id. */
  String incarnation();

  /** Which cluster it belongs to. */
  ClusterIdentity cluster();

  /** Whether what other processes store of this incarnation is seen here. */
  default boolean shared() {
    return true;
  }

  /**
   * Stores a complete segment, which supersedes its parts.
   *
   * @param content exactly one segment's bytes; read from its position, which moves
   * @throws RepositoryException code {@code wal.conflict} if other content is stored under the
   *     name, or parts of it differ
   */
  Stored storeSegment(WalSegment segment, ByteBuffer content, WalMarks marks) throws IOException;

  /**
   * Stores a part of a segment that is still being written.
   *
   * @param offset where the part starts in its segment: 0, or where the part before it ends
   * @param content one byte or more; read from its position, which moves
   * @throws RepositoryException code {@code wal.conflict} if other content is stored at this offset
   */
  Stored storePart(WalSegment segment, int offset, ByteBuffer content, WalMarks marks)
      throws IOException;

  /**
   * Stores a timeline's history file.
   *
   * @throws RepositoryException code {@code wal.conflict} if another is stored
   */
  Stored storeHistory(Timeline timeline, byte[] content) throws IOException;

  /**
   * A segment, whole or as far as its parts reach. Empty only if it is positively absent, whole and
   * in parts, in this incarnation and in the ancestors that share this stretch.
   */
  Optional<WalContent> open(WalSegment segment) throws IOException;

  /**
   * What the marks of a segment's whole or parts add up to; empty only if it is positively absent.
   */
  Optional<WalMarks> marks(WalSegment segment) throws IOException;

  /**
   * What of whole segments cannot be read at once from any copy. Asks no store that has no tiers.
   *
   * @param ranges of log that may be stored
   */
  default Frozen frozen(List<WalRange> ranges) throws IOException {
    return Frozen.NOTHING;
  }

  /** A timeline's history file; empty only if positively absent. */
  Optional<byte[]> history(Timeline timeline) throws IOException;

  /** Every timeline that has WAL or a history file here, ancestors included. */
  List<Timeline> timelines() throws IOException;

  /**
   * What is stored of a timeline, in order, joined where it touches. A hole between two is a gap.
   */
  List<WalRange> ranges(Timeline timeline) throws IOException;

  /**
   * How long the stretches are that summaries are kept of, in bytes: a power of two and whole
   * segments.
   */
  default long summarySpan() {
    return Math.max(128L << 20, cluster().segmentSize().bytes());
  }

  /**
   * Keeps a note of what a stretch of WAL changes. It says nothing that the WAL does not, so an
   * archive may keep none, and the first one that is kept stays.
   *
   * @param start where the stretch starts, a multiple of {@link #summarySpan}
   */
  default Stored storeSummary(Timeline timeline, Lsn start, byte[] summary) throws IOException {
    return Stored.ALREADY_PRESENT;
  }

  /**
   * The note of a stretch. Empty if there is none.
   *
   * @param start where the stretch starts, a multiple of {@link #summarySpan}
   */
  default Optional<byte[]> summary(Timeline timeline, Lsn start) throws IOException {
    return Optional.empty();
  }

  /**
   * Writes down why log will be missing; done once for each segment in which that begins.
   *
   * @param range what is given up
   * @param noticedAt when
   * @param reason for people; no secrets
   */
  default void recordGap(WalRange range, Instant noticedAt, String reason) throws IOException {
    throw new UnsupportedOperationException("recordGap");
  }

  /**
   * What is written down of log that is missing from a position, or from nearby, on; empty if
   * nobody wrote anything down.
   *
   * @throws RepositoryException if what is written down is damaged
   */
  default Optional<WalGap> recordedGap(Timeline timeline, Lsn start) throws IOException {
    return Optional.empty();
  }

  /** Whether a write was needed. */
  enum Stored {
    /** It was written now. */
    WRITTEN,
    /** The same bytes were there already. */
    ALREADY_PRESENT
  }

  /**
   * Bytes of a segment.
   *
   * @param bytes from its first byte as far as stored; read-only
   * @param complete whether that is the whole segment
   */
  record WalContent(ByteBuffer bytes, boolean complete) {}
}
