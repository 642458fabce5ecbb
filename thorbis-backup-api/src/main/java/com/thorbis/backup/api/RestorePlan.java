package com.thorbis.backup.api;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A proven way to a moment.
 *
 * @param backup where it starts
 * @param target the moment, as it will be given to the server
 * @param timeline the timeline to follow to it; empty if the source has no server
 * @param wal the stretches that replay needs and the repository has, in order
 * @param files how many files are written
 * @param bytes how many bytes are written
 * @param notes what a person should know
 * @param until the position the log is replayed to where it is known beforehand
 * @param estimate what it may take, from the moment on when all can be read; empty before the
 *     target folder was looked at
 * @param thaw what must be brought back before it can be read
 */
public record RestorePlan(
    BackupDescriptor backup,
    RecoveryTarget target,
    Optional<Timeline> timeline,
    List<WalRange> wal,
    long files,
    long bytes,
    List<String> notes,
    Optional<Lsn> until,
    Optional<Estimate> estimate,
    Thaw thaw) {
  /** Copies the lists. */
  public RestorePlan {
    wal = List.copyOf(wal);
    notes = List.copyOf(notes);
  }

  /** Of a server, and of what can be read at once. */
  public RestorePlan(
      BackupDescriptor backup,
      RecoveryTarget target,
      Timeline timeline,
      List<WalRange> wal,
      long files,
      long bytes,
      List<String> notes,
      Optional<Lsn> until,
      Optional<Estimate> estimate) {
    this(
        backup,
        target,
        Optional.of(timeline),
        wal,
        files,
        bytes,
        notes,
        until,
        estimate,
        Thaw.NONE);
  }

  /**
   * What a restore may take. A guess from what was seen before, never a promise.
   *
   * @param files until the files are laid and durable
   * @param replay until the log is replayed; empty if the server is not started
   * @param bytesFetched sealed bytes from the repository; empty if nothing tells
   * @param restores how many earlier restores on this host it is made from; with 0 it comes from
   *     figures of another machine
   */
  public record Estimate(
      Duration files, Optional<Duration> replay, OptionalLong bytesFetched, int restores) {}
}
