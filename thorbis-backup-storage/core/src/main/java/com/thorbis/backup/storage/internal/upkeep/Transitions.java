package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.TierMoves;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.TierStep;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.backup.BackupContents;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.retention.Candidate;
import com.thorbis.backup.storage.internal.retention.Retention;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Moves what a source has on copies whose owner wants it elsewhere as it ages. Only what backups
 * refer to that stay long enough; commits, slots, manifests, maps and all else that is read to know
 * what there is stay where they are. Interrupted, or run again, it goes on: where an object lies is
 * all there is to know.
 */
public final class Transitions {
  private static final Logger LOG = LoggerFactory.getLogger(Transitions.class);

  /** How often backups are expected where too few tell. */
  private static final Duration USUAL = Duration.ofDays(1);

  private static final String UNKNOWN = "unknown";
  private static final int MOST_TO_COME = 400;
  private static final int BATCH = 1000;
  private static final int AT_ONCE = 8;

  private final Services services;
  private final Narrowing narrowing;
  private final List<Copy> copies;
  private final String source;
  private final RetentionPolicy policy;
  private final List<Candidate> history;
  private final Instant now;
  private final List<String> alarms = new ArrayList<>();

  /**
   * Of one source, as of the last commit that was read.
   *
   * @param copies what is said of the places, in their order
   * @param history the backups that were not given up, in the order of their commits
   * @param now by the store's clock
   */
  public Transitions(
      Services services,
      Narrowing narrowing,
      List<Copy> copies,
      String source,
      RetentionPolicy policy,
      List<Candidate> history,
      Instant now) {
    this.services = services;
    this.narrowing = narrowing;
    this.copies = copies.stream().filter(copy -> !copy.tiers().isEmpty()).toList();
    this.source = source;
    this.policy = policy;
    this.history = List.copyOf(history);
    this.now = now;
  }

  /** What somebody must look at. */
  public List<String> alarms() {
    return List.copyOf(alarms);
  }

  /** What would move, and what would not. Changes nothing. */
  public List<TierMoves> plan() throws IOException {
    List<TierMoves> unclear = new ArrayList<>();
    Tally tally = new Tally();
    for (Copy copy : copies) {
      try {
        each(copy, (object, decision) -> tally.add(copy, object, decision));
      } catch (StorageException e) {
        unclear.add(
            new TierMoves(
                copy.name(), source, UNKNOWN, UNKNOWN, "cannot be asked: " + e.getMessage(), 0, 0));
      }
    }
    unclear.addAll(tally.all());
    return unclear;
  }

  /** Moves it. What cannot be moved now is an alarm, and the next run's. */
  public List<TierMoves> run(RunControl control) throws IOException {
    Tally moved = new Tally();
    for (Copy copy : copies) {
      List<Move> batch = new ArrayList<>();
      Failures failures = new Failures();
      control.progress().begin("tiers", -1);
      try {
        each(
            copy,
            (object, decision) -> {
              if (decision.to() != object.tier()) {
                batch.add(new Move(object, decision));
              }
              if (batch.size() == BATCH) {
                move(copy, batch, moved, failures, control);
                batch.clear();
              }
            });
        move(copy, batch, moved, failures, control);
      } catch (StorageException e) {
        alarms.add("tiers.copy-unavailable: " + copy.name() + ": " + e.getMessage());
      }
      control.progress().end("tiers");
      failures.alarm(copy).ifPresent(alarms::add);
    }
    return moved.all();
  }

  private record Move(ObjectInfo object, TierRule.Decision decision) {}

  private static void move(
      Copy copy, List<Move> batch, Tally moved, Failures failures, RunControl control)
      throws IOException {
    Parallel.forEach(
        batch,
        AT_ONCE,
        () -> (Parallel.Worker) () -> {},
        (worker, one) -> {
          control.cancellation().check();
          try {
            copy.store().move(one.object().key(), one.decision().to());
            moved.add(copy, one.object(), one.decision());
          } catch (StorageException.NotFound e) {
            LOG.debug("{} was removed meanwhile", one.object().key());
          } catch (StorageException e) {
            failures.add(e);
          }
        });
  }

  /** What kept objects from moving. Safe for several threads. */
  private static final class Failures {
    private long locked;
    private long others;
    private @Nullable StorageException first;

    synchronized void add(StorageException e) {
      if (e.code().equals("storage.locked")) {
        locked++;
      } else {
        others++;
        first = first == null ? e : first;
      }
    }

    synchronized Optional<String> alarm(Copy copy) {
      StorageException example = first;
      if (example != null) {
        return Optional.of(
            "tiers.not-moved: "
                + others
                + " objects stay where they are on "
                + copy.name()
                + ": "
                + example.getMessage()
                + ". The next prune tries again");
      }
      return locked == 0
          ? Optional.empty()
          : Optional.of(
              "tiers.locked: "
                  + locked
                  + " objects on "
                  + copy.name()
                  + " are locked, and its store would keep, and charge, the locked ones beside the"
                  + " moved ones: they stay. Leave it to a rule of the bucket, or write to that tier"
                  + " with tier");
    }
  }

  @FunctionalInterface
  private interface Visitor {
    void visit(ObjectInfo object, TierRule.Decision decision) throws IOException;
  }

  private void each(Copy copy, Visitor visitor) throws IOException {
    Map<StorageTier, Duration> least = new EnumMap<>(StorageTier.class);
    for (StorageTier tier : StorageTier.values()) {
      least.put(tier, copy.store().minimumStay(tier));
    }
    TierRule rule = new TierRule(copy.tiers(), copy.tier(), least);
    Catalog catalog = narrowing.expected(copy.store());
    Catalog.Source found = catalog.source(source).orElseThrow();
    Map<StorageTier, RetentionPlan> lasting =
        lasting(copy.retention().orElse(policy), copy.tiers(), least);
    Map<ObjectKey, Set<StorageTier>> packs = packs(catalog, found, lasting);
    list(
        copy,
        ObjectNames.PACKS + found.tree() + "/",
        object -> Optional.ofNullable(packs.get(object.key())).map(tiers -> tiers::contains),
        rule,
        visitor);
    list(
        copy,
        ObjectNames.WAL + found.tree() + "/",
        object -> {
          StoredWal log = StoredWal.parse(object.key(), catalog);
          WalSegment segment = log == null ? null : log.segment();
          return log == null
                  || segment == null
                  || !log.whole()
                  || log.replacedBy(catalog, key -> true).isPresent()
              ? Optional.empty()
              : Optional.of(tier -> isNeeded(lasting.get(tier), log.incarnation(), segment));
        },
        rule,
        visitor);
  }

  /** Which tiers an object stays long enough for; empty if it is nobody's. */
  @FunctionalInterface
  private interface Lives {
    Optional<Predicate<StorageTier>> of(ObjectInfo object);
  }

  private void list(Copy copy, String prefix, Lives lives, TierRule rule, Visitor visitor)
      throws IOException {
    Optional<String> after = Optional.empty();
    do {
      ListPage page = copy.store().list(prefix, after);
      after = page.next();
      for (ObjectInfo object : page.objects()) {
        if (ObjectNames.deepest(object.key(), StorageTier.ARCHIVE) == StorageTier.HOT) {
          continue;
        }
        Optional<Predicate<StorageTier>> stays = lives.of(object);
        if (stays.isPresent()) {
          visitor.visit(object, rule.decide(object, stays.get(), now));
        }
      }
    } while (after.isPresent());
  }

  private static boolean isNeeded(
      @Nullable RetentionPlan then, String incarnation, WalSegment segment) {
    return then != null
        && then.wal().stream()
            .filter(log -> log.incarnation().equals(incarnation))
            .filter(log -> log.timeline().equals(segment.timeline()))
            .findFirst()
            .map(log -> log.needs(segment.start(), segment.end()))
            .orElse(true); // nobody judged it: all of it stays
  }

  /** For each tier that objects may go to, what retention says when its stay is over. */
  private Map<StorageTier, RetentionPlan> lasting(
      RetentionPolicy policy, List<TierStep> steps, Map<StorageTier, Duration> least) {
    Map<StorageTier, RetentionPlan> lasting = new EnumMap<>(StorageTier.class);
    Set<StorageTier> tiers = EnumSet.noneOf(StorageTier.class);
    for (TierStep step : steps) {
      tiers.add(step.tier());
      tiers.add(step.tier() == StorageTier.ARCHIVE ? StorageTier.COLD : step.tier());
    }
    for (StorageTier tier : tiers) {
      Instant until = now.plus(least.getOrDefault(tier, Duration.ZERO));
      lasting.put(
          tier,
          Retention.simulate(policy, source, history, toCome(until), List.of(until)).get(0).plan());
    }
    return lasting;
  }

  /** When backups to come will stop, if they go on coming as they did. */
  private List<Instant> toCome(Instant until) {
    List<Instant> stops = history.stream().map(one -> one.backup().stoppedAt()).sorted().toList();
    Duration between = USUAL;
    if (stops.size() > 1) {
      between =
          Duration.between(stops.get(0), stops.get(stops.size() - 1)).dividedBy(stops.size() - 1);
    }
    Duration least = Duration.between(now, until).dividedBy(MOST_TO_COME);
    between = between.compareTo(least) < 0 ? least : between;
    List<Instant> toCome = new ArrayList<>();
    if (between.isZero()) {
      return toCome;
    }
    for (Instant at = now.plus(between); !at.isAfter(until); at = at.plus(between)) {
      toCome.add(at);
    }
    return toCome;
  }

  private Map<ObjectKey, Set<StorageTier>> packs(
      Catalog catalog, Catalog.Source found, Map<StorageTier, RetentionPlan> lasting)
      throws IOException {
    Map<StorageTier, Set<BackupId>> kept = new EnumMap<>(StorageTier.class);
    lasting.forEach((tier, then) -> kept.put(tier, Set.copyOf(then.kept())));
    Map<ObjectKey, Set<StorageTier>> packs = new HashMap<>();
    for (Catalog.Entry entry : catalog.backups()) {
      if (!entry.backup().source().equals(source)) {
        continue;
      }
      Set<StorageTier> tiers = EnumSet.noneOf(StorageTier.class);
      kept.forEach(
          (tier, backups) -> {
            if (backups.contains(entry.backup().id())) {
              tiers.add(tier);
            }
          });
      try {
        for (PackRef pack : new BackupContents(services, found, entry).packs()) {
          packs.computeIfAbsent(pack.key(), key -> EnumSet.noneOf(StorageTier.class)).addAll(tiers);
        }
      } catch (RepositoryException | StorageException e) {
        // What it alone needs stays where it is.
        LOG.warn("Nobody knows what backup {} needs: {}", entry.backup().id(), e.getMessage());
      }
    }
    return packs;
  }

  /** Counts objects by what becomes of them. Safe for several threads. */
  private final class Tally {
    private final Map<List<String>, long[]> counts =
        new TreeMap<>(Comparator.comparing((List<String> key) -> String.join("\n", key)));

    synchronized void add(Copy copy, ObjectInfo object, TierRule.Decision decision) {
      long[] count =
          counts.computeIfAbsent(
              List.of(copy.name(), object.tier().label(), decision.to().label(), decision.reason()),
              key -> new long[2]);
      count[0]++;
      count[1] += object.length();
    }

    synchronized List<TierMoves> all() {
      return counts.entrySet().stream()
          .map(
              one ->
                  new TierMoves(
                      one.getKey().get(0),
                      source,
                      one.getKey().get(1),
                      one.getKey().get(2),
                      one.getKey().get(3),
                      one.getValue()[0],
                      one.getValue()[1]))
          .toList();
    }
  }

  /** Whether the owner of any copy wants what it holds elsewhere as it ages. */
  public static boolean any(List<Copy> copies) {
    return copies.stream().anyMatch(copy -> !copy.tiers().isEmpty());
  }
}
