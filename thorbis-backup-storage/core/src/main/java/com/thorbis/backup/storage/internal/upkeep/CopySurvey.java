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
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.copies.CopyIdentity;
import com.thorbis.backup.storage.internal.copies.KeepingStore;
import com.thorbis.backup.storage.internal.copies.KnownStores;
import com.thorbis.backup.storage.internal.copies.StoreProbe;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Looks at what each copy holds. Changes nothing, and believes nothing but what it lists. */
public final class CopySurvey {
  private static final Logger LOG = LoggerFactory.getLogger(CopySurvey.class);

  private static final String COPY = "repository.copy";
  private static final String BEHIND = "repository.copy-behind";

  /** What was read back longer ago proves nothing any more. */
  private static final Duration FRESH = Duration.ofDays(35);

  private final Services services;
  private final Narrowing narrowing;
  private final List<Copy> copies;
  private final WritePolicy policy;
  private final KnownStores known;

  /** Of the copies of an open repository. */
  public CopySurvey(
      Services services,
      Narrowing narrowing,
      List<Copy> copies,
      WritePolicy policy,
      KnownStores known) {
    this.services = services;
    this.narrowing = narrowing;
    this.copies = copies;
    this.policy = policy;
    this.known = known;
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
    Map<Copy, Optional<ObjectId>> ids = new LinkedHashMap<>();
    for (Copy copy : copies) {
      ids.put(copy, id(copy, problems));
    }
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
        Optional<ObjectId> id = ids.getOrDefault(copy, Optional.empty());
        if (tally == null || !belongings.has(row.key(), id)) {
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
    Set<String> locked = new LinkedHashSet<>();
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
      if (place.isPresent() && provesLock(copy)) {
        locked.add(copy.name());
      }
    }
    return new CopiesReport(
        policy.label(), states, CopyRule.judge(states, lately, locked, letGo(ids)));
  }

  /** What it holds must be locked, and what is locked must stay. */
  private boolean provesLock(Copy copy) {
    if (copy.lock().isEmpty()) {
      return false;
    }
    try {
      Instant now = copy.store().now();
      return copy.store()
              .head(ObjectNames.HEADER)
              .flatMap(ObjectInfo::lockedUntil)
              .filter(now::isBefore)
              .isPresent()
          && StoreProbe.lock(copy.store(), services.random()) == StoreProbe.Lock.ENFORCED;
    } catch (IOException e) {
      LOG.warn("{} does not prove its locks: {}", copy.name(), e.getMessage());
      return false;
    }
  }

  /** What this machine has found of the stores, without trying any. */
  public List<CheckItem> known() {
    List<CheckItem> items = new ArrayList<>();
    for (Copy copy : copies) {
      Optional<KnownStores.Known> found = known.find(copy);
      items.addAll(
          found
              .map(each -> each.probe().items(", " + found(each)))
              .orElseGet(
                  () ->
                      List.of(
                          new CheckItem(
                              "repository.store",
                              Outcome.OK,
                              copy.name() + " was not tried: here nothing is written to it",
                              ""))));
    }
    return items;
  }

  private String found(KnownStores.Known found) {
    long hours = Duration.between(found.at(), services.clock().instant()).toHours();
    String ago =
        hours < 1
            ? "less than an hour ago"
            : hours < 48 ? hours + " hours ago" : hours / 24 + " days ago";
    return "found " + found.at().truncatedTo(ChronoUnit.SECONDS) + " (" + ago + ")";
  }

  /** Tries what the store of each copy enforces. */
  public List<CheckItem> probe() throws IOException {
    List<CheckItem> items = new ArrayList<>();
    for (Copy copy : copies) {
      try {
        KeepingStore.requireOffered(copy);
        Optional<KnownStores.Known> before = known.find(copy);
        StoreProbe probe = StoreProbe.of(copy, services.clock(), services.random());
        items.addAll(
            probe.items(
                before
                    .map(each -> ", now as " + found(each))
                    .orElse(", found for the first time")));
        if (probe.isGood()) {
          known.record(probe);
        }
      } catch (StorageException e) {
        items.add(
            new CheckItem(
                "repository.store",
                Outcome.WARN,
                copy.name()
                    + " could not be tried: "
                    + e.getMessage()
                    + known
                        .find(copy)
                        .map(each -> "; it was as it should be when tried, " + found(each))
                        .orElse("; this host knows nothing of it"),
                "Whoever takes backups must be able to write there."));
      } catch (RepositoryException e) {
        items.add(
            new CheckItem(
                "repository.store", Outcome.FAIL, String.valueOf(e.getMessage()), e.remedy()));
      }
    }
    return items;
  }

  private Optional<ObjectId> id(Copy copy, Map<Copy, String> problems) {
    try {
      return narrowing.narrowed(copy.store());
    } catch (IOException e) {
      problems.put(copy, String.valueOf(e.getMessage()));
      return Optional.empty();
    }
  }

  /** Which copies let go of a backup, by name, and of how many backups just those did. */
  private Map<Set<String>, Integer> letGo(Map<Copy, Optional<ObjectId>> ids) {
    Map<Set<String>, Integer> counts = new LinkedHashMap<>();
    for (Catalog.Kept kept : services.log().catalog().kept()) {
      Set<String> without = new LinkedHashSet<>();
      ids.forEach(
          (copy, id) -> {
            if (id.flatMap(kept.fate()::parting).isPresent()) {
              without.add(copy.name());
            }
          });
      if (kept.fate().live() && !without.isEmpty()) {
        counts.merge(without, 1, Integer::sum);
      }
    }
    return counts;
  }

  /**
   * What the log says of a place.
   *
   * @param readBackAt when anything was last read back from it
   * @param readBackLately whether that proves something today
   * @param backups how many could be read back
   * @param proofs when those that ever were, were last
   * @param letGo how many others it let go of by a retention of its own
   */
  private record Place(
      boolean primary,
      Optional<Instant> readBackAt,
      boolean readBackLately,
      long backups,
      List<Instant> proofs,
      long letGo) {
    long unproven() {
      return backups - proofs.size();
    }

    /** Since when all is proven that there is. */
    Optional<Instant> oldest() {
      return unproven() > 0 ? Optional.empty() : proofs.stream().min(Instant::compareTo);
    }

    String words() {
      String kept =
          letGo == 0
              ? ""
              : "; by a retention of its own it keeps "
                  + backups
                  + " of "
                  + (backups + letGo)
                  + " backups";
      return kept + proven();
    }

    private String proven() {
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
    Optional<ObjectId> place = narrowing.narrowed(copy.store());
    List<Catalog.Kept> all =
        services.log().catalog().kept().stream().filter(kept -> kept.fate().live()).toList();
    List<Catalog.Kept> live =
        all.stream()
            .filter(kept -> place.flatMap(kept.fate()::parting).isEmpty())
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
        proofs,
        all.stream().filter(kept -> place.flatMap(kept.fate()::parting).isPresent()).count());
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
        copy.immutable() || copy.lock().isPresent(),
        place.map(Place::primary).orElse(false),
        problem,
        contents,
        place.flatMap(Place::readBackAt),
        place.flatMap(Place::oldest),
        place.map(Place::unproven).orElse(0L),
        place.map(Place::letGo).orElse(0L));
  }

  /** Looks at each copy with a few requests. */
  public List<CheckItem> check() throws IOException {
    List<CheckItem> items = new ArrayList<>();
    for (int i = 0; i < copies.size(); i++) {
      Copy copy = copies.get(i);
      boolean required = i == 0 || policy == WritePolicy.ALL;
      try {
        items.add(check(copy, i == 0));
        checkRetention(copy).ifPresent(items::add);
      } catch (StorageException e) {
        items.add(
            item(
                "repository.copy-unreachable",
                copy,
                required ? Outcome.FAIL : Outcome.WARN,
                copy.name() + ": " + e.getMessage(),
                "Bring it back, then run copies sync. A copy that is gone for good is taken out"
                    + " of repository.copies."));
      } catch (RepositoryException e) {
        items.add(item(COPY, copy, Outcome.FAIL, copy.name() + ": " + e.getMessage(), e.remedy()));
      }
    }
    return items;
  }

  private Optional<CheckItem> checkRetention(Copy copy) {
    return copy.retention().isPresent()
            && copies.stream().allMatch(one -> one.retention().isPresent())
        ? Optional.of(
            item(
                COPY,
                copy,
                Outcome.FAIL,
                copy.name() + " has a retention of its own, as every other copy has",
                "Leave one copy without: it holds everything."))
        : Optional.empty();
  }

  private CheckItem check(Copy copy, boolean first) throws IOException {
    long last = services.log().sequence();
    if (copy.store().head(ObjectNames.HEADER).isEmpty()) {
      return item(
          BEHIND,
          copy,
          first ? Outcome.FAIL : Outcome.WARN,
          copy.name() + " can be asked and does not hold the repository yet",
          "Run copies sync.");
    }
    boolean primary = isPrimary(copy);
    if (first && !primary) {
      return item(
          COPY,
          copy,
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
          BEHIND,
          copy,
          Outcome.WARN,
          copy.name() + " can be asked and lacks commit " + last,
          "Run copies sync.");
    }
    return item(
        COPY,
        copy,
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

  private static CheckItem item(
      String subject, Copy copy, Outcome outcome, String message, String remedy) {
    return new CheckItem(subject, outcome, message, remedy, Optional.of(copy.name()));
  }
}
