package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.HealReport.Repair;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyReport.Coverage;
import com.thorbis.backup.api.VerifyReport.Damage;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.Healing;
import com.thorbis.backup.storage.internal.copies.Proof;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.verify.Proofs;
import com.thorbis.backup.storage.internal.verify.Verifier;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Verifies each copy by itself, as it would have to serve if it were the only one left: as far as
 * its commits reach, all must be there and whole. Heals what others have whole.
 */
public final class CopyChecks {
  private static final Logger LOG = LoggerFactory.getLogger(CopyChecks.class);

  private static final Duration LEAST = Duration.ofMillis(1);

  private final Services services;
  private final List<Copy> copies;
  private final Healing healing;
  private final RunControl control;
  private final ReadBacks readBacks;
  private final Proofs proofs;

  /**
   * Of the copies of an open repository.
   *
   * @param readBacks gets what was found whole
   * @param proofs knows what was found whole before
   */
  public CopyChecks(
      Services services,
      CopySet set,
      Proof proof,
      RunControl control,
      ReadBacks readBacks,
      Proofs proofs) {
    this.services = services;
    this.copies = set.copies();
    this.healing = new Healing(proof);
    this.control = control;
    this.readBacks = readBacks;
    this.proofs = proofs;
  }

  /** Verifies every copy that holds what is asked for. */
  public VerifyReport verify(VerifyRequest request) throws IOException {
    try {
      return verifyAll(request);
    } finally {
      readBacks.record();
    }
  }

  private VerifyReport verifyAll(VerifyRequest request) throws IOException {
    long started = System.nanoTime();
    long checked = 0;
    List<Damage> damaged = new ArrayList<>();
    Optional<Coverage> coverage = Optional.empty();
    Thaw frozen = Thaw.NONE;
    for (int i = 0; i < copies.size(); i++) {
      Copy copy = copies.get(i);
      long opened = coverage.map(Coverage::openedBytes).orElse(0L);
      Duration spent = Duration.ofNanos(System.nanoTime() - started);
      Optional<VerifyReport> report =
          verify(share(request, opened, spent, copies.size() - i), copy);
      if (report.isEmpty()) {
        continue;
      }
      checked += report.get().checked();
      frozen = frozen.plus(report.get().frozen());
      Optional<Coverage> there = report.get().coverage();
      coverage = coverage.isPresent() ? coverage.map(all -> all.plus(there.orElseThrow())) : there;
      Map<String, Boolean> healable = new LinkedHashMap<>();
      for (Damage damage : report.get().damaged()) {
        if (!healable.containsKey(damage.object())) {
          healable.put(
              damage.object(),
              !damage.kind().equals(CommitLog.FOREIGN)
                  && canBeReplaced(damage)
                  && isWhole(damage, copy));
        }
        boolean elsewhere = Boolean.TRUE.equals(healable.get(damage.object()));
        damaged.add(
            new Damage(
                damage.object(),
                damage.copy(),
                damage.kind(),
                damage.referenced(),
                damage.backups(),
                damage.file(),
                damage.range(),
                elsewhere));
      }
    }
    return new VerifyReport(
        checked, damaged, (System.nanoTime() - started) / 1_000_000, coverage, frozen);
  }

  /** What of a budget the next of so many copies gets. */
  private static VerifyRequest share(
      VerifyRequest request, long opened, Duration spent, int copies) {
    if (request.budget().isEmpty()) {
      return request;
    }
    VerifyRequest.Budget all = request.budget().get();
    OptionalLong bytes =
        all.bytes().isEmpty()
            ? all.bytes()
            : OptionalLong.of(Math.max(1, (all.bytes().getAsLong() - opened) / copies));
    Optional<Duration> time = all.time().map(whole -> whole.minus(spent).dividedBy(copies));
    return VerifyRequest.within(
        new VerifyRequest.Budget(
            bytes, time.map(left -> left.compareTo(LEAST) < 0 ? LEAST : left)));
  }

  /** Verifies every byte of every copy and heals. */
  public HealReport heal() throws IOException {
    long started = System.nanoTime();
    long checked = 0;
    List<Repair> repairs = new ArrayList<>();
    List<String> problems = new ArrayList<>();
    VerifyRequest everything = new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100);
    for (Copy copy : copies) {
      Map<String, Repair> there = new LinkedHashMap<>();
      long objects = 0;
      try {
        boolean more = true;
        while (more) {
          Optional<VerifyReport> report = verify(everything, copy);
          objects = Math.max(objects, report.map(VerifyReport::checked).orElse(0L));
          more = report.isPresent() && heal(report.get(), copy, there);
        }
      } catch (StorageException e) {
        problems.add(copy.name() + ": " + e.getMessage());
      }
      checked += objects;
      repairs.addAll(there.values());
    }
    readBacks.record();
    return new HealReport(checked, repairs, problems, (System.nanoTime() - started) / 1_000_000);
  }

  /** Whether log came back: only then it shows whether what lies behind it is missing, too. */
  private boolean heal(VerifyReport report, Copy copy, Map<String, Repair> repairs)
      throws IOException {
    boolean brought = false;
    Map<String, Damage> objects = new LinkedHashMap<>();
    for (Damage damage : report.damaged()) {
      objects.merge(damage.object(), damage, (one, other) -> !one.referenced() ? other : one);
    }
    for (Damage damage : objects.values()) {
      control.cancellation().check();
      Healing.Result result = heal(damage, copy);
      brought |=
          result.from().isPresent()
              && damage.object().startsWith(ObjectNames.WAL)
              && !repairs.containsKey(damage.object()); // a place that loses it again ends this
      repairs.put(
          damage.object(),
          new Repair(
              damage.object(),
              copy.name(),
              damage.kind(),
              damage.referenced(),
              result.healed(),
              result.from(),
              result.problem()));
    }
    return brought;
  }

  private Healing.Result heal(Damage damage, Copy copy) throws IOException {
    if (damage.kind().equals(CommitLog.FOREIGN)) {
      return new Healing.Result(
          false, Optional.empty(), "nobody made it who may; keys rotate says that it is known");
    }
    Healing.Result result =
        new Healing.Result(false, Optional.empty(), "nothing that could take its place is known");
    if (canBeReplaced(damage)) {
      for (ObjectKey key : meant(damage, copy)) {
        result = healing.heal(key, copy, others(copy));
        if (!result.healed()) {
          return result;
        }
      }
    }
    return result;
  }

  /** Log that is missing is named by its segment; what others have of it may be parts. */
  private List<ObjectKey> meant(Damage damage, Copy on) throws IOException {
    ObjectKey key = new ObjectKey(damage.object());
    if (!key.value().startsWith(ObjectNames.WAL) || !Verifier.isMissing(damage.kind())) {
      return List.of(key);
    }
    Set<ObjectKey> keys = new TreeSet<>();
    for (Copy other : others(on)) {
      try {
        for (ObjectInfo info : other.store().list(key.value(), Optional.empty()).objects()) {
          if (on.store().head(info.key()).isEmpty()) {
            keys.add(info.key());
          }
        }
      } catch (StorageException e) {
        LOG.debug("{} is no help for {}: {}", other.name(), key, e.getMessage());
      }
    }
    return keys.isEmpty() ? List.of(key) : List.copyOf(keys);
  }

  private Optional<VerifyReport> verify(VerifyRequest request, Copy copy) throws IOException {
    long all = services.log().sequence();
    long last = CommitLog.lastOn(copy.store(), all);
    long behind = all - last;
    if (behind > 0) {
      control
          .progress()
          .warning(
              copy.name()
                  + " lacks the last "
                  + behind
                  + " commits; only what it holds is verified. Run copies sync");
    }
    if (last == 0) {
      return Optional.empty();
    }
    CommitLog log = services.log().upTo(last);
    Services there = services.on(copy.store(), log);
    if (request.backup().isPresent()
        && new Narrowing(there).expected(copy.store()).backup(request.backup().get()).isEmpty()) {
      return Optional.empty();
    }
    try (Proofs.Place known = proofs.of(ReadBacks.place(services, copy.store()), copy.store())) {
      Verifier verifier = new Verifier(there, control, copy.name(), known);
      VerifyReport report = verifier.verify(request);
      readBacks.add(copy.store(), verifier.proven());
      return Optional.of(
          new VerifyReport(
              report.checked(),
              report.damaged().stream().filter(this::isMissed).toList(),
              report.durationMillis(),
              report.coverage(),
              report.frozen()));
    }
  }

  /** Whether anything refers to it that later commits have not given up. */
  private boolean isMissed(Damage damage) {
    return damage.backups().isEmpty()
        || damage.backups().stream()
            .anyMatch(
                id ->
                    services.log().catalog().kept(id).stream()
                        .anyMatch(kept -> !kept.fate().sweeping()));
  }

  private boolean isWhole(Damage damage, Copy on) throws IOException {
    for (ObjectKey key : meant(damage, on)) {
      if (healing.whole(key, others(on)).isEmpty()) {
        return false;
      }
    }
    return true;
  }

  private List<Copy> others(Copy than) {
    return copies.stream().filter(copy -> copy != than).toList();
  }

  /** Whether the object itself is at fault, and not what refers to it. */
  private static boolean canBeReplaced(Damage damage) {
    return Verifier.isOfObject(damage.kind());
  }
}
