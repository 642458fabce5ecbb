package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.backup.Stretch.Kind;
import com.thorbis.backup.storage.internal.backup.Stretch.Part;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Finds what changed in a stretch of a file since the base. Used by one thread at a time. */
final class PageDiff implements AutoCloseable {
  /**
   * A stretch that lies in more pieces is stored whole: a restore keeps as many open at once, so
   * that it never opens one twice.
   */
  static final int MOST_PIECES = 16;

  /** Whether so little changed is not worth a look into the base. */
  private static final int SMALL = 4 * Arrival.PAGE;

  private static final byte[] ZEROS = new byte[Stretch.LENGTH];

  private final PieceCodec codec;
  private final Fingerprint.Function fingerprints;
  private final byte[] old = new byte[Stretch.LENGTH];

  /**
   * With a tree's seed.
   *
   * @param codec closed with this
   */
  PageDiff(PieceCodec codec, Fingerprint.Function fingerprints) {
    this.codec = codec;
    this.fingerprints = fingerprints;
  }

  /** Gives a stretch its parts. */
  void work(Stretch stretch) throws IOException {
    if (stretch.reading != null) {
      if (!stretch.fetch(stretch.reading)) {
        return;
      }
      stretch.whole = stretch.whole();
    } else if (!stretch.intact()) {
      throw new RepositoryException(
          "repository.not-reproduced",
          FailureKind.PERMANENT,
          "Memory did not keep what was read; nothing relies on it",
          Map.of("culprit", "memory"),
          "Run it again; if it repeats, check the machine's memory.",
          null);
    }
    for (Part part : stretch.parts) {
      if (part.kind() == Kind.CHANGED) {
        stretch.check.check(
            stretch.offset + part.from(),
            ByteBuffer.wrap(stretch.bytes(), (int) part.from(), (int) part.length())
                .slice()
                .asReadOnlyBuffer());
      }
    }
    if (stretch.arrival instanceof Arrival.Listed how) {
      requireSampleSame(stretch, how.judge());
    }
    if (stretch.arrival instanceof Arrival.Sparse || stretch.arrival instanceof Arrival.Listed) {
      mend(stretch);
    } else {
      compare(stretch);
    }
    if (!stretch.exact) {
      stretch.fingerprint = Fingerprint.ZERO; // it would be that of other bytes than are stored
    }
  }

  @Override
  public void close() {
    codec.close();
  }

  private void compare(Stretch stretch) throws IOException {
    byte[] bytes = stretch.bytes();
    int length = (int) stretch.length();
    stretch.fingerprint = fingerprints.of(bytes, 0, length);
    boolean zeros = Arrays.equals(bytes, 0, length, ZEROS, 0, length);
    long from = stretch.offset;
    long to = from + length;
    if (stretch.base.isEmpty() || stretch.base.get().length() <= from) {
      whole(stretch, zeros ? Kind.ZEROS : Kind.CHANGED);
      return;
    }
    Base.BaseFile base = stretch.base.get();
    if (to == base.length() && stretch.fingerprint.equals(base.fingerprint())) {
      whole(stretch, Kind.UNCHANGED);
      return;
    }
    int covered = (int) (Math.min(to, base.length()) - from);
    List<Extent> extents = base.extents(from, from + covered);
    if (covered == length && same(extents, stretch.fingerprint, zeros)) {
      whole(stretch, Kind.UNCHANGED);
      return;
    }
    if (zeros) {
      whole(stretch, Kind.ZEROS);
      return;
    }
    boolean judged = stretch.arrival instanceof Arrival.Judged && !stretch.sampled;
    if (!judged && to - from <= SMALL && !stretch.sampled) {
      whole(stretch, Kind.CHANGED);
      return;
    }
    if ((!judged || !allTell(stretch)) && !read(base, extents, old, 0)) {
      whole(stretch, Kind.CHANGED);
      return;
    }
    stretch.parts = new ArrayList<>();
    for (int at = 0; at < length; at += Arrival.PAGE) {
      int count = Math.min(Arrival.PAGE, length - at);
      stretch.add(
          at + count <= covered && unchanged(stretch, at, count, judged)
              ? Kind.UNCHANGED
              : Kind.CHANGED,
          at,
          count);
    }
    if (fragmented(stretch)) {
      whole(stretch, Kind.CHANGED);
    }
  }

  /**
   * Reads what the base has; false if it must be brought back first, for which no server is kept
   * waiting.
   */
  private boolean read(Base.BaseFile base, List<Extent> extents, byte[] into, int offset)
      throws IOException {
    try {
      base.read(extents, into, offset, codec);
      return true;
    } catch (StorageException e) {
      if (StorageException.isOffline(e)) {
        return false;
      }
      throw e;
    }
  }

  private boolean unchanged(Stretch stretch, int at, int count, boolean judged)
      throws RepositoryException {
    byte[] bytes = stretch.bytes();
    if (judged
        && stretch.arrival instanceof Arrival.Judged how
        && (count < Arrival.PAGE || how.judge().tells(page(bytes, at, count)))) {
      boolean unchanged =
          count == Arrival.PAGE
              && !how.judge().changed(stretch.offset + at, page(bytes, at, count));
      stretch.exact &= !unchanged || how.judge().exact();
      return unchanged;
    }
    boolean same = Arrays.equals(bytes, at, at + count, old, at, at + count);
    if (!same && count == Arrival.PAGE && stretch.arrival instanceof Arrival.Judged how) {
      long offset = stretch.offset + at;
      if (!how.judge().changed(offset, page(bytes, at, count))
          && !how.judge().same(offset, page(bytes, at, count), page(old, at, count))) {
        throw changedUnseen(stretch, offset, count);
      }
    }
    return same;
  }

  private static boolean allTell(Stretch stretch) {
    Arrival.PageJudge judge = ((Arrival.Judged) stretch.arrival).judge();
    byte[] bytes = stretch.bytes();
    for (int at = 0; at + Arrival.PAGE <= stretch.length(); at += Arrival.PAGE) {
      if (!judge.tells(page(bytes, at, Arrival.PAGE))) {
        return false;
      }
    }
    return true;
  }

  private void requireSampleSame(Stretch stretch, Arrival.PageJudge judge) throws IOException {
    List<Part> parts = stretch.parts;
    if (parts.stream().noneMatch(part -> part.kind() == Kind.SAMPLED)) {
      return;
    }
    Base.BaseFile base = stretch.base.orElseThrow();
    stretch.parts = new ArrayList<>();
    for (Part part : parts) {
      if (part.kind() == Kind.SAMPLED) {
        long from = stretch.offset + part.from();
        int at = (int) part.from();
        int length = (int) part.length();
        boolean known = read(base, base.extents(from, from + length), old, at);
        for (int page = at; known && page < at + length; page += Arrival.PAGE) {
          if (Arrays.equals(
              stretch.bytes(), page, page + Arrival.PAGE, old, page, page + Arrival.PAGE)) {
            continue;
          }
          if (!judge.same(
              stretch.offset + page,
              page(stretch.bytes(), page, Arrival.PAGE),
              page(old, page, Arrival.PAGE))) {
            throw changedUnseen(stretch, stretch.offset + page, Arrival.PAGE);
          }
          stretch.exact = false;
        }
      }
      stretch.add(
          part.kind() == Kind.SAMPLED ? Kind.UNCHANGED : part.kind(), part.from(), part.length());
    }
  }

  private static RepositoryException changedUnseen(Stretch stretch, long offset, int count) {
    String path = stretch.state.file.path();
    return new RepositoryException(
        "backup.cross-check-failed",
        FailureKind.DAMAGED,
        path + ", bytes " + offset + "+" + count + ", changed without a trace since the base",
        Map.of("file", path, "range", offset + "+" + count),
        "Take a full backup.",
        null);
  }

  private static ByteBuffer page(byte[] bytes, int at, int count) {
    return ByteBuffer.wrap(bytes, at, count).slice().asReadOnlyBuffer();
  }

  /** Stores a sparse stretch whole where it would lie in too many pieces. */
  private void mend(Stretch stretch) throws IOException {
    if (stretch.parts.size() == 1 && stretch.parts.get(0).kind() == Kind.CHANGED) {
      stretch.fingerprint = fingerprints.of(stretch.bytes(), 0, (int) stretch.length());
      return;
    }
    if (!fragmented(stretch)) {
      return;
    }
    for (Part part : stretch.parts) {
      long from = stretch.offset + part.from();
      switch (part.kind()) {
        case UNCHANGED -> {
          Base.BaseFile base = stretch.base.orElseThrow();
          List<Extent> extents = base.extents(from, from + part.length());
          if (!read(base, extents, stretch.bytes(), (int) part.from())) {
            return; // it stays in pieces
          }
        }
        case ZEROS -> Arrays.fill(stretch.bytes(), (int) part.from(), (int) part.to(), (byte) 0);
        case CHANGED, SAMPLED -> {}
      }
    }
    whole(stretch, Kind.CHANGED);
    stretch.fingerprint = fingerprints.of(stretch.bytes(), 0, (int) stretch.length());
  }

  private static void whole(Stretch stretch, Kind kind) {
    stretch.parts = new ArrayList<>();
    stretch.parts.add(new Part(kind, 0, stretch.length()));
  }

  /** Whether what is unchanged lies in many pieces, next to one with what is changed. */
  private static boolean fragmented(Stretch stretch) throws IOException {
    Set<PieceRef> pieces = new HashSet<>();
    boolean changed = false;
    for (Part part : stretch.parts) {
      if (part.kind() == Kind.UNCHANGED) {
        long from = stretch.offset + part.from();
        for (Extent extent : stretch.base.orElseThrow().extents(from, from + part.length())) {
          PieceRef piece = extent.piece();
          if (piece != null) {
            pieces.add(piece);
          }
        }
      }
      changed |= part.kind() == Kind.CHANGED;
    }
    return changed && pieces.size() >= MOST_PIECES;
  }

  private static boolean same(List<Extent> extents, Fingerprint fingerprint, boolean zeros) {
    if (zeros && extents.stream().allMatch(extent -> extent.piece() == null)) {
      return true;
    }
    if (extents.size() != 1) {
      return false;
    }
    Extent only = extents.get(0);
    PieceRef piece = only.piece();
    return piece != null
        && only.length() == piece.plainLength()
        && piece.fingerprint().equals(fingerprint);
  }
}
