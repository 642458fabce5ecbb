package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.copies.CopyIdentity;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Writes down what was read back whole, and from where, in one commit. */
public final class ReadBacks {
  private static final Logger LOG = LoggerFactory.getLogger(ReadBacks.class);
  private static final String LEVEL = "data";

  private final Services services;
  private final boolean readOnly;
  private final List<Operation.Verified> proofs = new ArrayList<>();

  /**
   * Into an open repository.
   *
   * @param readOnly whether nothing is written after all
   */
  public ReadBacks(Services services, boolean readOnly) {
    this.services = services;
    this.readOnly = readOnly;
  }

  /** What a place is called in proofs: its own id, for its name may pass on to another. */
  public static Optional<String> place(Services services, ObjectStore store) throws IOException {
    return services.log().catalog().copies().isEmpty()
        ? Optional.empty()
        : CopyIdentity.read(store, services.repository()).map(ObjectId::toString);
  }

  /** Backups of which every byte was read from a place, and since when. */
  public void add(ObjectStore from, Map<BackupId, Instant> proven) throws IOException {
    if (proven.isEmpty()) {
      return;
    }
    Optional<String> place = place(services, from);
    proven.forEach((id, since) -> proofs.add(new Operation.Verified(id, LEVEL, since, place)));
  }

  /** What is not recorded is proven again; a store that can only be read is no reason to fail. */
  public void record() {
    if (readOnly) {
      return;
    }
    try {
      services
          .log()
          .append(
              catalog ->
                  proofs.stream()
                      .filter(proof -> isNews(proof, catalog))
                      .map(Operation.class::cast)
                      .toList());
    } catch (IOException e) {
      LOG.warn("What was verified could not be recorded: {}", e.toString());
    }
  }

  private static boolean isNews(Operation.Verified proof, Catalog catalog) {
    return catalog.backup(proof.backup()).isPresent()
        && catalog.kept(proof.backup()).stream()
            .flatMap(kept -> kept.fate().proof(proof.copy()).stream())
            .noneMatch(known -> !known.at().isBefore(proof.at()));
  }
}
