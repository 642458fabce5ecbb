package com.thorbis.backup.storage.internal.session;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** The log that this session stores, which nobody else adds to. */
final class SessionArchive implements WalArchive {
  private final WalArchive archive;

  SessionArchive(WalArchive archive) {
    this.archive = archive;
  }

  @Override
  public boolean shared() {
    return false;
  }

  @Override
  public String incarnation() {
    return archive.incarnation();
  }

  @Override
  public ClusterIdentity cluster() {
    return archive.cluster();
  }

  @Override
  public Stored storeSegment(WalSegment segment, ByteBuffer content, WalMarks marks)
      throws IOException {
    return archive.storeSegment(segment, content, marks);
  }

  @Override
  public Stored storePart(WalSegment segment, int offset, ByteBuffer content, WalMarks marks)
      throws IOException {
    return archive.storePart(segment, offset, content, marks);
  }

  @Override
  public Stored storeHistory(Timeline timeline, byte[] content) throws IOException {
    return archive.storeHistory(timeline, content);
  }

  @Override
  public Optional<WalContent> open(WalSegment segment) throws IOException {
    return archive.open(segment);
  }

  @Override
  public Optional<WalMarks> marks(WalSegment segment) throws IOException {
    return archive.marks(segment);
  }

  @Override
  public Optional<byte[]> history(Timeline timeline) throws IOException {
    return archive.history(timeline);
  }

  @Override
  public List<Timeline> timelines() throws IOException {
    return archive.timelines();
  }

  @Override
  public List<WalRange> ranges(Timeline timeline) throws IOException {
    return archive.ranges(timeline);
  }

  @Override
  public long summarySpan() {
    return archive.summarySpan();
  }

  /**
   * No summary is worth being carried over: whoever takes in the log makes one where it needs it.
   */
  @Override
  public Stored storeSummary(Timeline timeline, Lsn start, byte[] summary) {
    return Stored.ALREADY_PRESENT;
  }

  @Override
  public void recordGap(WalRange range, Instant noticedAt, String reason) throws IOException {
    archive.recordGap(range, noticedAt, reason);
  }

  @Override
  public Optional<WalGap> recordedGap(Timeline timeline, Lsn start) throws IOException {
    return archive.recordedGap(timeline, start);
  }
}
