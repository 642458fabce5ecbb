package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.CopiesReport.Contents;
import com.thorbis.backup.api.CopiesReport.CopyState;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.copies.CopyIdentity;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Looks at what each copy holds. Changes nothing, and believes nothing but what it lists. */
public final class CopySurvey {
  /** What was read back longer ago proves nothing any more. */
  private static final Duration FRESH = Duration.ofDays(35);

  private final Services services;
  private final List<Copy> copies;
  private final WritePolicy policy;

  /** Of the copies of an open repository. */
  public CopySurvey(Services services, List<Copy> copies, WritePolicy policy) {
    this.services = services;
    this.copies = copies;
    this.policy = policy;
  }

  private static final class Tally {
    long objects;
    long bytes;
    long lastCommit;
    long behindObjects;
    long behindBytes;
    long differing;
  }

  /** Lists everything. */
  public CopiesReport run(RunControl control) throws IOException {
    Map<Copy, String> problems = new LinkedHashMap<>();
    Map<Copy, Tally> tallies = new LinkedHashMap<>();
    copies.forEach(copy -> tallies.put(copy, new Tally()));
    Belongings belongings = new Belongings(services);
    Holdings holdings = new Holdings(copies, "");
    for (Holdings.Row row = holdings.next(); row != null; row = holdings.next()) {
      control.cancellation().check();
      if (!belongings.has(row.key())) {
        continue;
      }
      long sequence = ObjectNames.sequence(row.key()).orElse(0);
      for (Copy copy : copies) {
        Tally tally = tallies.get(copy);
        Long length = row.lengths().get(copy);
        if (tally == null) {
          continue;
        }
        if (length == null) {
          tally.behindObjects++;
          tally.behindBytes += row.length();
          continue;
        }
        tally.objects++;
        tally.bytes += length;
        tally.lastCommit = Math.max(tally.lastCommit, sequence);
        tally.differing += length == row.length() ? 0 : 1;
      }
    }
    holdings.failures().forEach((copy, e) -> problems.put(copy, String.valueOf(e.getMessage())));
    List<CopyState> states = new ArrayList<>();
    Set<String> lately = new LinkedHashSet<>();
    for (Copy copy : copies) {
      Optional<Place> place = Optional.empty();
      if (!problems.containsKey(copy)) {
        try {
          place = Optional.of(place(copy));
        } catch (IOException e) {
          problems.put(copy, String.valueOf(e.getMessage()));
        }
      }
      states.add(state(copy, tallies.get(copy), place, Optional.ofNullable(problems.get(copy))));
      if (place.isPresent() && place.get().readBackLately()) {
        lately.add(copy.name());
      }
    }
    return new CopiesReport(policy.label(), states, CopyRule.judge(states, lately));
  }

  /**
   * What the log says of a place.
   *
   * @param readBackAt when anything was last read back from it
   * @param readBackLately whether that proves something today
   * @param backups how many could be read back
   * @param proofs when those that ever were, were last
   */
  private record Place(
      boolean primary,
      Optional<Instant> readBackAt,
      boolean readBackLately,
      long backups,
      List<Instant> proofs) {
    long unproven() {
      return backups - proofs.size();
    }

    /** Since when all is proven that there is. */
    Optional<Instant> oldest() {
      return unproven() > 0 ? Optional.empty() : proofs.stream().min(Instant::compareTo);
    }

    String words() {
      if (backups == 0) {
        return "";
      }
      return oldest()
          .map(at -> "; each of its backups was read back since " + at)
          .orElse("; " + unproven() + " of its " + backups + " backups were never read back");
    }
  }

  private Place place(Copy copy) throws IOException {
    Optional<String> id = ReadBacks.place(services, copy.store());
    List<Catalog.Kept> live =
        services.log().catalog().kept().stream()
            .filter(kept -> kept.fate().live())
            .filter(kept -> kept.entry().backup().status() != BackupStatus.AWAITING_WAL)
            .toList();
    List<Instant> proofs =
        live.stream()
            .filter(kept -> id.isPresent() || copies.size() == 1) // else nobody knows which it is
            .flatMap(kept -> kept.fate().proof(id).stream())
            .map(Operation.Verified::at)
            .toList();
    Optional<Instant> last = proofs.stream().max(Instant::compareTo);
    return new Place(
        isPrimary(copy),
        last,
        last.isPresent() && isFresh(live, id, last.get()),
        live.size(),
        proofs);
  }

  /** Whether all that was there when a place was last read back was proven there lately. */
  private boolean isFresh(List<Catalog.Kept> live, Optional<String> place, Instant last) {
    Instant oldest = services.clock().instant().minus(FRESH);
    return live.stream()
        .filter(kept -> !kept.entry().backup().stoppedAt().isAfter(last))
        .allMatch(
            kept ->
                kept.fate().proof(place).stream().anyMatch(proof -> proof.at().isAfter(oldest)));
  }

  private CopyState state(
      Copy copy, @Nullable Tally tally, Optional<Place> place, Optional<String> problem) {
    Optional<Contents> contents = Optional.empty();
    if (problem.isEmpty() && tally != null) {
      contents =
          Optional.of(
              new Contents(
                  tally.objects,
                  tally.bytes,
                  tally.lastCommit,
                  tally.behindObjects,
                  tally.behindBytes,
                  Math.max(0, services.log().sequence() - tally.lastCommit),
                  tally.differing));
    }
    return new CopyState(
        copy.name(),
        copy.medium(),
        copy.domain(),
        copy.location(),
        copy.offsite(),
        copy.immutable(),
        place.map(Place::primary).orElse(false),
        problem,
        contents,
        place.flatMap(Place::readBackAt),
        place.flatMap(Place::oldest),
        place.map(Place::unproven).orElse(0L));
  }

  /** Looks at each copy with a few requests. */
  public List<CheckItem> check() throws IOException {
    List<CheckItem> items = new ArrayList<>();
    for (int i = 0; i < copies.size(); i++) {
      Copy copy = copies.get(i);
      boolean required = i == 0 || policy == WritePolicy.ALL;
      try {
        items.add(check(copy, i == 0));
      } catch (StorageException e) {
        items.add(
            item(
                required ? Outcome.FAIL : Outcome.WARN,
                copy.name() + ": " + e.getMessage(),
                "Bring it back, then run copies sync. A copy that is gone for good is taken out"
                    + " of repository.copies."));
      } catch (RepositoryException e) {
        items.add(item(Outcome.FAIL, copy.name() + ": " + e.getMessage(), e.remedy()));
      }
    }
    return items;
  }

  private CheckItem check(Copy copy, boolean first) throws IOException {
    long last = services.log().sequence();
    if (copy.store().head(ObjectNames.HEADER).isEmpty()) {
      return item(
          first ? Outcome.FAIL : Outcome.WARN,
          copy.name() + " can be asked and does not hold the repository yet",
          "Run copies sync.");
    }
    boolean primary = isPrimary(copy);
    if (first && !primary) {
      return item(
          Outcome.FAIL,
          copy.name()
              + " is configured as the first copy; the repository is written through "
              + services.log().catalog().copies().stream()
                  .findFirst()
                  .map(Operation.Copies.Place::name)
                  .orElse("one that was never recorded"),
          "Name that copy first. If it is gone for good, run copies sync, then copies promote.");
    }
    if (copy.store().head(ObjectNames.commit(last)).isEmpty()) {
      return item(
          Outcome.WARN, copy.name() + " can be asked and lacks commit " + last, "Run copies sync.");
    }
    return item(
        Outcome.OK,
        copy.name()
            + " can be asked and holds commit "
            + last
            + (primary ? "; it decides who writes" : "")
            + place(copy).words(),
        "");
  }

  private boolean isPrimary(Copy copy) throws IOException {
    List<Operation.Copies.Place> places = services.log().catalog().copies();
    if (places.isEmpty()) {
      return copies.size() == 1;
    }
    Optional<ObjectId> id = CopyIdentity.read(copy.store(), services.repository());
    return id.equals(Optional.of(places.get(0).id()));
  }

  private static CheckItem item(Outcome outcome, String message, String remedy) {
    return new CheckItem("repository.copy", outcome, message, remedy);
  }
}
