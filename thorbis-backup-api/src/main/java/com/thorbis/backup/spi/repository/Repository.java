package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.ErasePlan;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.Erasure;
import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.OffersReport;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionForecast;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RewrapReport;
import com.thorbis.backup.api.RewrapRequest;
import com.thorbis.backup.api.RotateReport;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.SealedWriterRequest;
import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * Backups and WAL of any number of sources. Safe for several threads; several processes may write
 * to one repository. Failures are {@link RepositoryException}s, {@code StorageException}s and
 * {@code KeyException}s.
 */
public interface Repository extends AutoCloseable {
  /** Its id, 32 hexadecimal digits. */
  String id();

  /** Reads commits that other processes added since. */
  void refresh() throws IOException;

  /** Every registered source. */
  List<SourceInfo> sources();

  /** The source of this name. */
  Optional<SourceInfo> source(String name);

  /**
   * Registers a source with its own key tree and first incarnation; again with the same cluster: no
   * change.
   *
   * @throws RepositoryException code {@code source.identity-mismatch} if the name belongs to
   *     another cluster
   */
  SourceInfo register(String name, String type, ClusterIdentity cluster) throws IOException;

  /**
   * Registers a source that has no server; again: no change. Its backups need no log, and are
   * restored by themselves, whatever they reference; whatever needs log, timelines or a cluster is
   * refused with {@code source.no-server}.
   *
   * @throws RepositoryException code {@code source.identity-mismatch} if the name belongs to a
   *     cluster, or to a source of another type
   */
  default SourceInfo register(String name, String type) throws IOException {
    throw new UnsupportedOperationException("register");
  }

  /** Starts a new incarnation of a source at a fork from an earlier one. */
  SourceInfo adopt(String name, ClusterIdentity cluster, SourceInfo.Fork fork) throws IOException;

  /** All committed backups, oldest first by commit; of one source if given. */
  List<BackupDescriptor> backups(Optional<String> source);

  /** A committed backup. */
  Optional<BackupDescriptor> backup(BackupId id);

  /**
   * Starts a backup of the source's current incarnation. Nothing of it is visible before its
   * commit.
   *
   * @throws RepositoryException code {@code source.no-server} if the source has none, and the
   *     backup is to be anything but full
   */
  BackupWriter begin(BackupStart start) throws IOException;

  /** Opens a committed backup for reading. */
  BackupReader open(BackupId id) throws IOException;

  /** Records that the WAL which a backup awaited is stored. */
  BackupDescriptor complete(BackupId id) throws IOException;

  /**
   * The WAL of a source's current incarnation, reaching back through its ancestors.
   *
   * @throws RepositoryException code {@code source.no-server} if the source has none
   */
  WalArchive wal(String source) throws IOException;

  /** The WAL of one incarnation, reaching back through its ancestors. */
  WalArchive wal(String source, String incarnation) throws IOException;

  /** Checks stored objects; damage is in the report, not an exception. */
  VerifyReport verify(VerifyRequest request, RunControl control) throws IOException;

  /** How far this machine's clock is before the store's; negative if it is behind. */
  default Duration clockSkew() throws IOException {
    return Duration.ZERO;
  }

  /** What has become of backups, deleted ones that are not gone yet among them. */
  default List<BackupState> states(Optional<String> source) {
    throw new UnsupportedOperationException();
  }

  /** What pruning would do now. Changes nothing. */
  default PrunePlan planPrune(String source, RetentionPolicy policy) throws IOException {
    throw new UnsupportedOperationException();
  }

  /** What this request would do now; its own plan is not looked at. Changes nothing. */
  default PrunePlan planPrune(PruneRequest request) throws IOException {
    return planPrune(request.source(), request.policy());
  }

  /**
   * What retention will have left at dates to come, if it runs after each backup and at each date,
   * and every backup is verified. Changes nothing.
   *
   * @param schedule when backups to come will stop
   * @param dates when to look
   */
  default List<RetentionForecast> forecast(
      String source, RetentionPolicy policy, List<Instant> schedule, List<Instant> dates)
      throws IOException {
    throw new UnsupportedOperationException("forecast");
  }

  /**
   * Removes what was given up earlier and is past its grace, then gives up what the policy lets go
   * of; or gives up the one backup that was chosen. Whatever interrupts it, every backup is whole
   * or cleanly gone, and the next run finishes.
   *
   * @throws RepositoryException of kind REFUSED: {@code prune.busy} while another run prunes,
   *     {@code prune.plan-changed} or {@code prune.plan-expired} if the plan no longer holds,
   *     {@code prune.clock-skew} if this machine's clock and the store's disagree, {@code
   *     prune.too-much} if an unusual share would go and nobody confirmed it, which keeps nothing
   *     from going that was given up earlier, {@code prune.last-backup} if none would be left that
   *     can be restored, {@code backup.held} if a hold keeps a chosen one
   */
  default PruneReport prune(PruneRequest request, RunControl control) throws IOException {
    throw new UnsupportedOperationException();
  }

  /**
   * The backups that this one began with as {@link BackupStart#members} and that count still; one
   * that was sealed anew meanwhile under its new name.
   */
  default List<BackupDescriptor> members(BackupId whole) throws IOException {
    return List.of();
  }

  /** Keeps a backup whatever a policy says; again with the same reason: changes the end. */
  default BackupState hold(BackupId id, String reason, Optional<Instant> until) throws IOException {
    throw new UnsupportedOperationException();
  }

  /** Removes the hold of this reason. */
  default BackupState release(BackupId id, String reason) throws IOException {
    throw new UnsupportedOperationException();
  }

  /**
   * Brings a deleted backup back.
   *
   * @throws RepositoryException code {@code backup.sweeping} if its bytes are being removed
   */
  default BackupState undelete(BackupId id) throws IOException {
    throw new UnsupportedOperationException();
  }

  /** What each copy holds, and how all of them stand against 3-2-1-1-0. Changes nothing. */
  default CopiesReport copies(RunControl control) throws IOException {
    throw new UnsupportedOperationException("copies");
  }

  /** Looks whether each copy can be asked and is what it should be. Changes nothing. */
  default List<CheckItem> checkCopies() throws IOException {
    return List.of();
  }

  /**
   * Tries, on small objects that are removed again, what the store of each copy enforces, and
   * remembers it. One that is opened to look only tells what was found before, and tries nothing.
   */
  default List<CheckItem> probeCopies() throws IOException {
    return List.of();
  }

  /** Looks whether each recipient still opens every key. Changes nothing. */
  default List<CheckItem> checkKeys() throws IOException {
    return List.of();
  }

  /**
   * A warning if keys are used for longer than {@link RotateRequest#INTERVAL}, by the store's time.
   * Tries none; changes nothing.
   */
  default List<CheckItem> checkKeyAge() throws IOException {
    return List.of();
  }

  /** The keys there are, and who opens them, by what is stored. Tries none; changes nothing. */
  default KeysReport keys() throws IOException {
    throw new UnsupportedOperationException("keys");
  }

  /**
   * Gives trees another key for what is sealed from now on. What is stored stays as it is and opens
   * as before; backups and log go on meanwhile. Interrupted, it changes nothing.
   *
   * @throws RepositoryException of kind REFUSED: {@code repository.recipient-missing} if a
   *     recipient of the last key is not configured, {@code keys.changed} if another process
   *     changes the recipients at this moment
   */
  default RotateReport rotateKeys(RotateRequest request) throws IOException {
    throw new UnsupportedOperationException("rotateKeys");
  }

  /** What {@link #rewrapKeys} would do now. Changes nothing. */
  default RewrapReport planRewrap(RewrapRequest request) throws IOException {
    throw new UnsupportedOperationException("planRewrap");
  }

  /**
   * Wraps every key to the recipients that are configured now, and to nobody else. Data stays as it
   * is. Interrupted, every key opens as before or as wanted; again, it goes on. Slots that no
   * longer count are removed by a later run of this or of a prune, once the grace is over.
   *
   * <p>Whoever kept a copy of a slot, or of a key, opens with it what was sealed until then.
   *
   * @throws RepositoryException of kind REFUSED: {@code repository.single-key-risk} if the
   *     recipients are all of one kind and nobody accepted that, {@code keys.changed} if another
   *     process changes the same at this moment
   */
  default RewrapReport rewrapKeys(RewrapRequest request, RunControl control) throws IOException {
    throw new UnsupportedOperationException("rewrapKeys");
  }

  /** What {@link #rekey} would do now, and what it would leave. Changes nothing. */
  default RekeyReport planRekey(RekeyRequest request) throws IOException {
    throw new UnsupportedOperationException("planRekey");
  }

  /**
   * Writes every complete backup anew that lies, even in part, under a key before the last, oldest
   * first. Each is opened, checked and stored under the last key; one commit adds the new one, with
   * its place in history, its times and its holds, and gives up the old one, which can come back
   * until the grace is over. Then the new one is read back. Damage is in the report, not an
   * exception, and others go on. Interrupted, every backup is there in one form; again, it goes on.
   * So is the log, segment by segment, beside the old one, which is given up as far as commits say
   * that the new one was read back; segments that are not whole stay, and the report says which.
   * Needs room for what it writes.
   *
   * @throws RepositoryException of kind REFUSED: {@code rekey.not-rotated} if the last key is the
   *     one to leave, {@code prune.clock-skew} if this machine's clock and the store's disagree; of
   *     kind TRANSIENT: {@code rekey.key-not-open} if no recipient can be asked for the last key;
   *     of kind NOT_FOUND: {@code source.not-registered}
   */
  default RekeyReport rekey(RekeyRequest request, RunControl control) throws IOException {
    throw new UnsupportedOperationException("rekey");
  }

  /** Sources that are to be erased, and those that were, oldest first. Changes nothing. */
  default List<Erasure> erasures() throws IOException {
    return List.of();
  }

  /** What {@link #erase} would do now. Changes nothing. */
  default ErasePlan planErase(EraseRequest request) throws IOException {
    throw new UnsupportedOperationException("planErase");
  }

  /**
   * Takes the next step towards the end of a source: asks for it, with everything as it is, until
   * the delay is over; from then on destroys its keys, with which all of its backups and its log
   * are lost for good, also in copies of them that somebody kept. Interrupted before the commit
   * that says so, nothing has changed; after it, the next run, or a prune, goes on. Touches nothing
   * of another source. Packs and log go with a prune, after its grace.
   *
   * @throws RepositoryException of kind REFUSED: {@code erase.held} if a hold keeps a backup of it,
   *     and, where its keys would be destroyed, {@code erase.in-use} if a run works with it, {@code
   *     erase.locked} if a copy locks a slot, {@code prune.busy} while another run prunes, {@code
   *     prune.clock-skew} if this machine's clock and the store's disagree; of kind CONFIGURATION:
   *     {@code erase.no-reason}; of kind NOT_FOUND: {@code source.not-registered}
   */
  default Erasure erase(EraseRequest request, RunControl control) throws IOException {
    throw new UnsupportedOperationException("erase");
  }

  /**
   * Takes back that a source is to be erased.
   *
   * @throws RepositoryException code {@code source.erased} if its keys are being destroyed, {@code
   *     erase.not-requested} if nobody asked for it
   */
  default void unerase(String source, String by) throws IOException {
    throw new UnsupportedOperationException("unerase");
  }

  /** Who may write, as far as the log was read just now. Changes nothing. */
  default WritersReport writers() throws IOException {
    throw new UnsupportedOperationException("writers");
  }

  /**
   * Changes who may write. What was committed before stays as it is. From the first writer that is
   * named on, a commit of anybody else counts for nothing, whoever reads it.
   *
   * @throws RepositoryException of kind REFUSED: {@code keys.not-administrator} if the key that
   *     this host signs with may not change it, {@code keys.last-administrator} if none would be
   *     left; {@code keys.writer-known} if the name or the key is taken; of kind NOT_FOUND: {@code
   *     keys.writer-unknown}; of kind CONFIGURATION: {@code keys.no-signing-key}, {@code
   *     keys.writer-invalid}
   */
  default WritersReport changeWriters(WritersRequest request) throws IOException {
    throw new UnsupportedOperationException("changeWriters");
  }

  /** Whether this host may write, and what others tried who may not. Changes nothing. */
  default List<CheckItem> checkWriters() throws IOException {
    return List.of();
  }

  /**
   * What a host needs to write to this repository and to read nothing of it: a text that holds no
   * secret, signed with the key that this host signs with, which must be an administrator's.
   *
   * @throws RepositoryException of kind REFUSED: {@code keys.not-administrator}, {@code
   *     keys.no-public-recipient} if no recipient wraps with a public half; of kind NOT_FOUND:
   *     {@code keys.writer-unknown}; of kind CONFIGURATION: {@code keys.no-signing-key}
   */
  default String sealedWriter(SealedWriterRequest request) throws IOException {
    throw new UnsupportedOperationException("sealedWriter");
  }

  /** What sealed writers have stored that is not taken in. Changes nothing. */
  default OffersReport offers(RunControl control) throws IOException {
    throw new UnsupportedOperationException("offers");
  }

  /**
   * Takes in what sealed writers have stored: their log and backups become those of the repository,
   * opened and checked byte for byte, and what is left of a session that has ended is removed.
   * Interrupted, it goes on the next time; damage is in the report, not an exception.
   *
   * @param forgotten sessions of which nothing more is to be taken in or looked for, whatever is
   *     missing or altered
   */
  default OffersReport adoptOffers(List<String> forgotten, RunControl control) throws IOException {
    throw new UnsupportedOperationException("adoptOffers");
  }

  /** Gives every copy what it lacks of what the others hold; what failed is in the report. */
  default SyncReport syncCopies(RunControl control) throws IOException {
    throw new UnsupportedOperationException("syncCopies");
  }

  /** Verifies every copy and repairs what is damaged from one that has it whole. */
  default HealReport healCopies(RunControl control) throws IOException {
    throw new UnsupportedOperationException("healCopies");
  }

  /**
   * Claims a name, so that of several processes one does what it stands for. It is renewed until it
   * is closed; that of a process that died, or whose store cannot be reached, lapses.
   *
   * <p>It keeps others from work that would be in vain, and no more: look afterwards whether the
   * work is still to be done, and do none that would harm if it were done twice.
   *
   * @param lasts how long it counts without being renewed, at most a day
   * @return empty if another has it
   */
  default Optional<Claim> claim(String name, Duration lasts) throws IOException {
    throw new UnsupportedOperationException("claim");
  }

  @Override
  void close() throws IOException;
}
