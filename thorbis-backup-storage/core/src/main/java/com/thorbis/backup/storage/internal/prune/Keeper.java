package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Membership;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.Registrar;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Holds backups, releases them, and brings deleted ones back. */
public final class Keeper {
  private static final int MOST_REASON = 1000;

  private final Services services;

  /** Over an open repository. */
  public Keeper(Services services) {
    this.services = services;
  }

  private static BackupState state(Catalog.Kept kept) {
    return state(kept, kept.entry().backup());
  }

  /**
   * What the catalogue says of a backup.
   *
   * @param backup which, and where it lies
   */
  public static BackupState state(Catalog.Kept kept, StoredBackup backup) {
    Catalog.Fate fate = kept.fate();
    return new BackupState(
        backup,
        fate.live()
            ? BackupState.Stage.LIVE
            : fate.sweeping() ? BackupState.Stage.SWEEPING : BackupState.Stage.DELETED,
        fate.verified().map(Operation.Verified::at),
        fate.holds().stream()
            .map(hold -> new BackupState.Hold(hold.reason(), hold.at(), hold.until()))
            .toList(),
        fate.deleted().map(Operation.Delete::at),
        fate.deleted().map(Operation.Delete::sweepAfter));
  }

  /** Places a hold, or changes when it ends. */
  public BackupState hold(BackupId id, String reason, Optional<Instant> until) throws IOException {
    if (reason.isBlank() || reason.length() > MOST_REASON) {
      throw new RepositoryException(
          "hold.reason-invalid",
          FailureKind.CONFIGURATION,
          "A hold needs a reason of 1 to " + MOST_REASON + " characters",
          Map.of("backup", id.value()),
          "Say why.",
          null);
    }
    if (Membership.reserves(reason)) {
      throw new RepositoryException(
          "hold.reason-reserved",
          FailureKind.REFUSED,
          "A hold \"" + reason + "\" is placed and lifted by the backup that it names",
          Map.of("backup", id.value()),
          "Say it in other words.",
          null);
    }
    Instant now = services.store().now();
    services
        .log()
        .append(
            catalog -> {
              Catalog.Fate fate = requireWhole(catalog, id).fate();
              boolean same =
                  fate.holds().stream()
                      .anyMatch(hold -> hold.reason().equals(reason) && hold.until().equals(until));
              return same ? List.of() : List.of(new Operation.Hold(id, reason, now, until));
            });
    return state(require(services.log().catalog(), id));
  }

  /** Ends a hold. */
  public BackupState release(BackupId id, String reason) throws IOException {
    services
        .log()
        .append(
            catalog -> {
              List<Operation.Hold> holds = require(catalog, id).fate().holds();
              if (holds.stream().noneMatch(hold -> hold.reason().equals(reason))) {
                throw new RepositoryException(
                    "hold.not-found",
                    FailureKind.NOT_FOUND,
                    "Backup " + id + " has no hold \"" + reason + "\"",
                    Map.of("backup", id.value()),
                    holds.isEmpty()
                        ? "It has none at all."
                        : "It has: "
                            + String.join(
                                ", ", holds.stream().map(Operation.Hold::reason).toList()),
                    null);
              }
              return List.of(new Operation.Release(id, reason));
            });
    return state(require(services.log().catalog(), id));
  }

  /** Brings a backup back whose sweep has not begun. */
  public BackupState undelete(BackupId id) throws IOException {
    services
        .log()
        .append(
            catalog ->
                requireWhole(catalog, id).fate().live()
                    ? List.of()
                    : List.of(new Operation.Undelete(List.of(id))));
    return state(require(services.log().catalog(), id));
  }

  private static Catalog.Kept requireWhole(Catalog catalog, BackupId id)
      throws RepositoryException {
    Catalog.Kept kept = require(catalog, id);
    if (kept.fate().sweeping()) {
      throw new RepositoryException(
          "backup.sweeping",
          FailureKind.REFUSED,
          "Backup " + id + " was deleted, and its bytes are being removed",
          Map.of("backup", id.value()),
          "It cannot come back. Restore from another backup.",
          null);
    }
    return kept;
  }

  private static Catalog.Kept require(Catalog catalog, BackupId id) throws RepositoryException {
    return catalog.kept(id).orElseThrow(() -> Registrar.missing(catalog, id));
  }
}
