package com.thorbis.backup.storage.internal;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.KeyRing;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.function.Supplier;

/**
 * What the parts of an open repository share.
 *
 * @param repository its id
 * @param store where it lies
 * @param keys its keys
 * @param log its commits
 * @param codecs makes one codec for each thread
 * @param parallelism how many threads work on one backup
 * @param clock the time
 * @param random draws ids and salts
 * @param tuning numbers that hosts need not choose
 */
public record Services(
    ObjectId repository,
    ObjectStore store,
    KeyRing keys,
    CommitLog log,
    Supplier<PieceCodec> codecs,
    int parallelism,
    Clock clock,
    SecureRandom random,
    Tuning tuning) {
  /** The same, over one copy alone and as far as its commits reach. */
  public Services on(ObjectStore copy, CommitLog upTo) {
    return new Services(repository, copy, keys, upTo, codecs, parallelism, clock, random, tuning);
  }
}
