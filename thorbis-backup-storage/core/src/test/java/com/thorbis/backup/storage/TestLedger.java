package com.thorbis.backup.storage;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.crypto.KeyProvider;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** What was attempted on a repository, and what of it was acknowledged: the truth for oracles. */
final class TestLedger {
  private static final Map<WalSegment, byte[]> WAL = new HashMap<>();

  /** Whether a caller was told that the repository exists. */
  boolean initialised;

  /** Sources whose registration was acknowledged. */
  final Set<String> registered = new HashSet<>();

  /** What each backup consists of that somebody tried to commit. */
  final Map<BackupId, Map<String, byte[]>> attempted = new LinkedHashMap<>();

  /** Those whose commit was acknowledged, and whether as complete. */
  final Map<BackupId, Boolean> acknowledged = new LinkedHashMap<>();

  /** Those of which nobody can say whether they were committed. */
  final Set<BackupId> unclear = new HashSet<>();

  /** Those that somebody tried to complete. */
  final Set<BackupId> completing = new HashSet<>();

  /** How far each segment of each incarnation was acknowledged. */
  final Map<Stretch, Integer> wal = new LinkedHashMap<>();

  /** History files that were acknowledged, by incarnation and timeline. */
  final Map<String, Timeline> histories = new LinkedHashMap<>();

  /** Those that somebody tried to give up: whether they went is not known, or they did. */
  final Set<BackupId> letGo = new HashSet<>();

  /** Those that were given up for certain, and did not come back. */
  final Set<BackupId> gone = new HashSet<>();

  /** Those that somebody tried to seal anew: each is there, or one that took its place. */
  final Set<BackupId> rekeying = new HashSet<>();

  /** What log the plans that somebody tried to carry out keep. */
  final List<RetentionPlan.WalKeep> cuts = new ArrayList<>();

  /** Those that somebody tried to let single copies go of, by the copy's name. */
  final Map<String, Set<BackupId>> narrowed = new HashMap<>();

  /** Those of whom each alone must open everything. */
  final List<KeyProvider> opening = new ArrayList<>();

  /** Whether processes sign what they commit, as they must once writers may be named. */
  boolean signing;

  /** Whether there is a second source, with log of its own. */
  boolean other;

  /** Trees that somebody tried to destroy the keys of. */
  final Set<String> erasing = new HashSet<>();

  /** Copies that were damaged and not healed for certain. */
  final Set<Integer> damaged = new HashSet<>();

  /**
   * Which copy decides, as far as somebody was told; empty after a promotion of which nobody knows.
   */
  Optional<Integer> first = Optional.of(0);

  /** A segment of an incarnation. */
  record Stretch(String incarnation, WalSegment segment) {}

  TestLedger copy() {
    TestLedger copy = new TestLedger();
    copy.take(this);
    return copy;
  }

  /** Adds what another one says. */
  void take(TestLedger other) {
    initialised = other.initialised;
    registered.addAll(other.registered);
    attempted.putAll(other.attempted);
    acknowledged.putAll(other.acknowledged);
    unclear.addAll(other.unclear);
    completing.addAll(other.completing);
    wal.putAll(other.wal);
    histories.putAll(other.histories);
    letGo.addAll(other.letGo);
    gone.addAll(other.gone);
    rekeying.addAll(other.rekeying);
    cuts.addAll(other.cuts);
    damaged.addAll(other.damaged);
    this.other |= other.other;
    erasing.addAll(other.erasing);
    opening.addAll(other.opening);
    other.narrowed.forEach((name, ids) -> letGoBy(name).addAll(ids));
    signing |= other.signing;
    first = other.first;
  }

  /** What a copy may lack. */
  Set<BackupId> letGoBy(String copy) {
    return narrowed.computeIfAbsent(copy, name -> new HashSet<>());
  }

  synchronized void stored(String incarnation, WalSegment segment, int end) {
    wal.merge(new Stretch(incarnation, segment), end, Math::max);
  }

  /** The backup that somebody took, whose content one has. */
  BackupId taken(BackupDescriptor backup) {
    return backup.rekeyedFrom().filter(rekeying::contains).orElse(backup.id());
  }

  /** What a backup consists of. */
  Map<String, byte[]> content(BackupDescriptor backup) {
    return attempted.get(taken(backup));
  }

  /** Whether a segment may be missing: some plan let go of it. */
  boolean mayBeGone(Stretch stretch) {
    WalSegment segment = stretch.segment();
    return cuts.stream()
        .anyMatch(
            keep ->
                keep.incarnation().equals(stretch.incarnation())
                    && keep.timeline().equals(segment.timeline())
                    && !keep.needs(segment.start(), segment.end()));
  }

  /** The only content that a segment ever has in these tests. */
  static byte[] content(WalSegment segment) {
    synchronized (WAL) {
      return WAL.computeIfAbsent(
          segment,
          one -> {
            byte[] content = TestRepository.wal(one, one.number());
            Arrays.fill(content, 20_000, content.length, (byte) 0); // small when it is stored
            return content;
          });
    }
  }

  static byte[] history(Timeline timeline) {
    return ("1\t0/" + timeline.number() + "00000\tnothing\n")
        .getBytes(java.nio.charset.StandardCharsets.US_ASCII);
  }
}
