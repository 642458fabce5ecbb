package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.secrets.SecretsPlan.Action;
import com.thorbis.backup.application.secrets.SecretsPlan.Comparison;
import com.thorbis.backup.application.secrets.SecretsRestoreReport.Outcome;
import com.thorbis.backup.application.secrets.SecretsRestoreReport.Result;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings the secrets of one source of a set back into a place: first a plan, which writes nothing,
 * then its steps, each with what it expects to stand there, and each followed by a look at what
 * stands there afterwards. Used by one thread.
 */
public final class SecretsRestore {
  private static final Logger LOG = LoggerFactory.getLogger(SecretsRestore.class);

  private final SecretsSet set;
  private final SecretTarget target;
  private final RestoreMode mode;
  private final Optional<String> source;
  private final Set<String> names;
  private final Map<String, SecretProbe> probes;
  private final Optional<Breach> breach;
  private final Clock clock;
  private final Cancellation cancellation;

  private SecretsRestore(Builder builder) {
    set = builder.set;
    target = builder.target;
    mode = builder.mode;
    source = Optional.ofNullable(builder.source);
    names = Set.copyOf(builder.names);
    probes = Map.copyOf(builder.probes);
    breach = Optional.ofNullable(builder.breach);
    clock = builder.clock;
    cancellation = builder.cancellation;
  }

  /** A restore of a set into a place. Both stay the caller's. */
  public static Builder builder(SecretsSet set, SecretTarget target) {
    return new Builder(set, target);
  }

  /** Collects what a restore needs. */
  public static final class Builder {
    private final SecretsSet set;
    private final SecretTarget target;
    private final Set<String> names = new LinkedHashSet<>();
    private final Map<String, SecretProbe> probes = new HashMap<>();
    private RestoreMode mode = RestoreMode.CREATE_MISSING;
    private @Nullable String source;
    private @Nullable Breach breach;
    private Clock clock = Clock.systemUTC();
    private Cancellation cancellation = new Cancellation();

    private Builder(SecretsSet set, SecretTarget target) {
      this.set = set;
      this.target = target;
    }

    /** What happens to what stands there; nothing if not given. */
    public Builder mode(RestoreMode other) {
      this.mode = other;
      return this;
    }

    /**
     * From which source of the set: its kind and place, as {@link StoredSecret#source}. If not
     * given, the target's own place, which the set has to have: what was elsewhere is brought here
     * only if it is named.
     */
    public Builder from(String kindAndPlace) {
      this.source = kindAndPlace;
      return this;
    }

    /** This secret, and others that are named; all if none is. */
    public Builder secret(String name) {
      names.add(name);
      return this;
    }

    /**
     * Tries a secret of the set where it is used, once it stands in the place: when it was written,
     * and when the same value stood there already.
     */
    public Builder probe(String name, SecretProbe probe) {
      probes.put(name, probe);
      return this;
    }

    /** Somebody may have read the secrets: nothing is restored. */
    public Builder breach(Breach declared) {
      this.breach = declared;
      return this;
    }

    /** The time. */
    public Builder clock(Clock now) {
      this.clock = now;
      return this;
    }

    /** Lets another thread stop it between two secrets. */
    public Builder cancellation(Cancellation stop) {
      this.cancellation = stop;
      return this;
    }

    /** The restore, not yet begun. */
    public SecretsRestore build() {
      return new SecretsRestore(this);
    }
  }

  /**
   * Looks at both sides, and writes nothing. Values are compared by a keyed digest.
   *
   * @throws BackupException {@code secrets.breach-declared} of kind REFUSED after a breach; of kind
   *     NOT_FOUND or CONFIGURATION if the set has no such source or secret
   * @throws IOException if the target could not be looked at, or the set does not open
   */
  public SecretsPlan plan() throws IOException {
    requireNoBreach();
    List<StoredSecret> chosen = chosen();
    Listing listing = standing();
    Map<String, SecretInfo> standing = new HashMap<>();
    for (SecretInfo info : listing.secrets()) {
      standing.put(info.name(), info);
    }
    Map<String, String> taken = new HashMap<>();
    List<SecretsPlan.Step> steps = new ArrayList<>();
    try (KeyedDigest digest = new KeyedDigest()) {
      for (StoredSecret secret : chosen) {
        cancellation.check();
        String name = target.nameOf(secret.info());
        String first = secret.sealed() ? taken.putIfAbsent(name, secret.info().name()) : null;
        if (first != null) {
          steps.add(
              cannot(
                  secret,
                  name,
                  Optional.ofNullable(standing.get(name)),
                  "\"" + first + "\" of the set has the same name there"));
          continue;
        }
        steps.add(step(secret, name, listing, standing, digest));
      }
    }
    return new SecretsPlan(set.origin(), describe(target), mode, target.conditional(), steps);
  }

  private static SecretsPlan.Step cannot(
      StoredSecret secret, String name, Optional<SecretInfo> current, String reason) {
    return new SecretsPlan.Step(secret, name, Action.CANNOT, Comparison.UNKNOWN, current, reason);
  }

  private SecretsPlan.Step step(
      StoredSecret secret,
      String name,
      Listing listing,
      Map<String, SecretInfo> standing,
      KeyedDigest digest)
      throws IOException {
    Optional<SecretInfo> current = Optional.ofNullable(standing.get(name));
    if (current.isEmpty() && !listing.unseen().isEmpty() && secret.sealed()) {
      try {
        current = target.find(name);
      } catch (SecretException e) {
        if (e.kind() == FailureKind.CANCELLED) {
          throw e;
        }
        String why =
            "what stands there could not be looked at: " + e.code() + ": " + e.getMessage();
        return cannot(secret, name, Optional.empty(), why);
      }
    }
    return step(secret, name, current, digest);
  }

  private Listing standing() throws IOException {
    try {
      return target.survey();
    } catch (SecretException e) {
      if (target.createsPlace() && e.code().equals(SecretException.NO_SUCH_PLACE)) {
        return Listing.whole(List.of());
      }
      throw e;
    }
  }

  private SecretsPlan.Step step(
      StoredSecret secret, String name, Optional<SecretInfo> current, KeyedDigest digest)
      throws IOException {
    if (!secret.sealed()) {
      return current.filter(now -> unchanged(secret, now)).isPresent()
          ? new SecretsPlan.Step(
              secret, name, Action.KEEP, Comparison.SAME, current, "not written since")
          : new SecretsPlan.Step(
              secret, name, Action.CANNOT, Comparison.UNKNOWN, current, whyNotSealed(secret));
    }
    try (Secret value = set.open(secret)) {
      Comparison comparison =
          current.isEmpty() ? Comparison.ABSENT : compare(current.get(), value.value(), digest);
      if (comparison == Comparison.SAME) {
        return new SecretsPlan.Step(
            secret, name, Action.KEEP, comparison, current, "the same value stands there");
      }
      Optional<String> refusal = target.refusal(secret.info());
      if (refusal.isPresent()) {
        return new SecretsPlan.Step(
            secret, name, Action.CANNOT, comparison, current, refusal.get());
      }
      if (current.isEmpty()) {
        return new SecretsPlan.Step(
            secret, name, Action.CREATE, comparison, current, "there is none" + doubt(secret));
      }
      Optional<String> keep = reasonToKeep(secret.info(), current.get());
      if (keep.isEmpty() && current.get().version().isEmpty()) {
        return new SecretsPlan.Step(
            secret,
            name,
            Action.CANNOT,
            comparison,
            current,
            "the place tells no version of what stands there, so that a change would be missed");
      }
      return new SecretsPlan.Step(
          secret,
          name,
          keep.isPresent() ? Action.KEEP : Action.REPLACE,
          comparison,
          current,
          keep.orElse(
              (mode == RestoreMode.OVERWRITE
                      ? "overwriting was asked for"
                      : "what stands there is older")
                  + doubt(secret)));
    }
  }

  /** Of an escrowed value, what is not known of it. */
  private static String doubt(StoredSecret secret) {
    return secret.failure().map(code -> "; of the value: " + code).orElse("");
  }

  /** Whether a secret whose value nobody read is the one that stood there then. */
  private boolean unchanged(StoredSecret secret, SecretInfo now) {
    SecretInfo then = secret.info();
    boolean digests = then.digest().isPresent() && then.digest().equals(now.digest());
    boolean versions =
        secret.source().equals(describe(target))
            && !then.version().isEmpty()
            && then.version().equals(now.version());
    return digests || versions;
  }

  private String whyNotSealed(StoredSecret secret) {
    return secret.failure().isPresent()
        ? "its value could not be read when the set was made: " + secret.failure().get()
        : "the place that it was in gives its value to nobody: " + set.rotation(secret);
  }

  private Optional<String> reasonToKeep(SecretInfo stored, SecretInfo standing) {
    return switch (mode) {
      case CREATE_MISSING -> Optional.of("one stands there, and overwriting was not asked for");
      case OVERWRITE -> Optional.empty();
      case OVERWRITE_OLDER -> {
        if (stored.updated().isEmpty() || standing.updated().isEmpty()) {
          yield Optional.of("nobody can tell which of the two is older");
        }
        yield standing.updated().get().isBefore(stored.updated().get())
            ? Optional.empty()
            : Optional.of(
                "what stands there was written at "
                    + standing.updated().get()
                    + ", not before the one in the set");
      }
    };
  }

  private Comparison compare(SecretInfo standing, SecretValue value, KeyedDigest digest)
      throws IOException {
    if (standing.readability().hasValue()) {
      try (Secret current = target.read(standing)) {
        return digest.same(current.value(), value) ? Comparison.SAME : Comparison.DIFFERS;
      } catch (SecretException e) {
        if (e.kind() == FailureKind.CANCELLED) {
          throw e;
        }
        return Comparison.UNKNOWN;
      }
    }
    return target
        .matches(standing, value)
        .map(same -> same ? Comparison.SAME : Comparison.DIFFERS)
        .orElse(Comparison.UNKNOWN);
  }

  private List<StoredSecret> chosen() {
    String from = source.orElseGet(() -> describe(target));
    List<StoredSecret> of =
        set.secrets().stream().filter(secret -> secret.source().equals(from)).toList();
    if (of.isEmpty()) {
      throw nothingOf(from);
    }
    Set<String> missing = new TreeSet<>(names);
    of.forEach(secret -> missing.remove(secret.info().name()));
    if (!missing.isEmpty()) {
      throw notFound("no " + missing + " of \"" + from + "\"", "Correct the names.");
    }
    return of.stream()
        .filter(secret -> names.isEmpty() || names.contains(secret.info().name()))
        .toList();
  }

  private BackupException nothingOf(String from) {
    String name = "the set of secrets \"" + set.origin().set() + "\"";
    String failure = set.sourcesNotRead().get(from);
    if (failure != null) {
      return BackupException.of(
              "secrets.source-not-read",
              FailureKind.NOT_FOUND,
              from
                  + " could not be read when "
                  + name
                  + " was made ("
                  + failure
                  + "): the set has nothing of it")
          .remedy("Take an earlier set.")
          .build();
    }
    if (set.limits().containsKey(from)) {
      return BackupException.of(
              "secrets.source-empty",
              FailureKind.NOT_FOUND,
              from + " was empty when " + name + " was made")
          .remedy("Take an earlier set.")
          .build();
    }
    if (source.isPresent()) {
      return notFound("no secrets of \"" + from + "\"", "Its sources are " + sources() + ".");
    }
    return BackupException.of(
            "secrets.which-source",
            FailureKind.CONFIGURATION,
            "The set of secrets \"" + set.origin().set() + "\" was not made of " + from)
        .remedy("Say from which of " + sources() + ".")
        .build();
  }

  private Set<String> sources() {
    Set<String> sources = new LinkedHashSet<>();
    set.secrets().forEach(secret -> sources.add(secret.source()));
    return sources;
  }

  private BackupException notFound(String problem, String remedy) {
    return BackupException.of(
            "secrets.not-in-set",
            FailureKind.NOT_FOUND,
            "The set of secrets \"" + set.origin().set() + "\" has " + problem)
        .remedy(remedy)
        .build();
  }

  private void requireNoBreach() {
    if (breach.isPresent()) {
      throw BackupException.of(
              "secrets.breach-declared",
              FailureKind.REFUSED,
              "The set of secrets \""
                  + set.origin().set()
                  + "\" is not restored: a breach was declared at "
                  + breach.get().at()
                  + ": "
                  + breach.get().reason())
          .remedy("Issue every secret of the rotation list again.")
          .build();
    }
  }

  /**
   * Every secret of the set, with or without a value, that has to be issued again after a breach.
   */
  public static List<RotationItem> rotationList(SecretsSet set) {
    return set.secrets().stream()
        .map(secret -> new RotationItem(secret.source(), secret.info(), set.rotation(secret)))
        .toList();
  }

  /**
   * Carries out a plan. A secret that fails does not stop the others.
   *
   * @param plan of this restore: of the same set, target and mode
   * @throws BackupException {@code secrets.breach-declared} of kind REFUSED after a breach
   * @throws IllegalArgumentException if the plan is of another restore
   */
  public SecretsRestoreReport run(SecretsPlan plan) {
    requireNoBreach();
    if (!plan.origin().equals(set.origin())
        || !plan.target().equals(describe(target))
        || plan.mode() != mode) {
      throw new IllegalArgumentException("The plan is of another restore");
    }
    Instant started = clock.instant();
    List<Result> results = new ArrayList<>();
    try (KeyedDigest digest = new KeyedDigest()) {
      for (SecretsPlan.Step step : plan.steps()) {
        results.add(
            switch (step.action()) {
              case KEEP -> kept(step);
              case CANNOT ->
                  new Result(
                      step.name(),
                      Outcome.FAILED,
                      "secrets.cannot-restore",
                      step.reason(),
                      set.rotation(step.secret()));
              case CREATE, REPLACE -> write(step, digest);
            });
      }
    }
    SecretsRestoreReport report =
        new SecretsRestoreReport(set.origin(), plan.target(), started, clock.instant(), results);
    LOG.info(
        "secrets={} into {}: {} work, {} verified, {} untested, {} kept, {} failed",
        set.origin().set(),
        plan.target(),
        report.count(Outcome.WORKS),
        report.count(Outcome.VERIFIED),
        report.count(Outcome.UNTESTED),
        report.count(Outcome.KEPT),
        report.count(Outcome.FAILED));
    return report;
  }

  private Result write(SecretsPlan.Step step, KeyedDigest digest) {
    if (cancellation.requested()) {
      return new Result(step.name(), Outcome.FAILED, "cancelled", "Cancelled; not written", "");
    }
    try (Secret value = set.open(step.secret())) {
      WriteCondition condition =
          step.current().isPresent()
              ? new WriteCondition.IfVersion(step.current().get().version())
              : new WriteCondition.IfAbsent();
      Optional<SecretsBackup.Failure> doubt = Optional.empty();
      try {
        target.write(value.info(), value.value(), condition);
      } catch (SecretException e) {
        if (e.kind() != FailureKind.OUTCOME_UNKNOWN) {
          throw e;
        }
        doubt = Optional.of(SecretsBackup.Failure.of(e));
      }
      return tried(step, value.value(), written(step.name(), value.value(), doubt, digest));
    } catch (IOException | RuntimeException e) {
      return failed(step.name(), failure(e));
    }
  }

  private Result kept(SecretsPlan.Step step) {
    Result kept = new Result(step.name(), Outcome.KEPT, "", step.reason(), "");
    if (step.comparison() != Comparison.SAME
        || !step.secret().sealed()
        || !probes.containsKey(step.secret().info().name())
        || cancellation.requested()) {
      return kept;
    }
    try (Secret value = set.open(step.secret())) {
      return tried(step, value.value(), kept);
    } catch (IOException | RuntimeException e) {
      return failed(step.name(), failure(e));
    }
  }

  /** What stands there as it should is tried where it is used. */
  private Result tried(SecretsPlan.Step step, SecretValue value, Result stands) {
    SecretProbe probe = probes.get(step.secret().info().name());
    if (probe == null || stands.outcome() == Outcome.FAILED || cancellation.requested()) {
      return stands;
    }
    String done = stands.outcome() == Outcome.UNTESTED ? "written" : stands.message();
    try {
      Optional<String> refusal = probe.refusal(value);
      if (refusal.isPresent()) {
        return new Result(
            stands.name(),
            Outcome.FAILED,
            "secrets.does-not-work",
            done + "; where it is used it does not work: " + refusal.get(),
            set.rotation(step.secret()));
      }
      boolean kept = stands.outcome() == Outcome.KEPT;
      return new Result(
          stands.name(), kept ? Outcome.KEPT : Outcome.WORKS, "", done + ", and it works", "");
    } catch (IOException | RuntimeException e) {
      String why = e instanceof IOException ? e.getMessage() : e.getClass().getSimpleName();
      return new Result(
          stands.name(),
          stands.outcome(),
          "",
          done + "; it could not be tried where it is used: " + why,
          "Try what uses it.");
    }
  }

  /** A report that is half done says more than a failure that hides what was written. */
  private static SecretsBackup.Failure failure(Exception e) {
    try {
      return SecretsBackup.Failure.of(e);
    } catch (BackupException cancelled) {
      return new SecretsBackup.Failure("cancelled", "Cancelled", "");
    }
  }

  private static Result failed(String name, SecretsBackup.Failure why) {
    return new Result(name, Outcome.FAILED, why.code(), why.message(), why.remedy());
  }

  /** What stands there now: of what a write said, or did not say, this is the proof. */
  private Result written(
      String name, SecretValue value, Optional<SecretsBackup.Failure> doubt, KeyedDigest digest) {
    try {
      Optional<SecretInfo> standing = target.find(name);
      if (standing.isPresent()) {
        Comparison comparison = compare(standing.get(), value, digest);
        if (comparison == Comparison.SAME) {
          return new Result(name, Outcome.VERIFIED, "", "written, and read back", "");
        }
        if (comparison == Comparison.UNKNOWN && doubt.isEmpty()) {
          return new Result(
              name,
              Outcome.UNTESTED,
              "",
              "written; the place does not let one read it back",
              "Try what uses it.");
        }
      }
      if (doubt.isPresent()) {
        return failed(name, doubt.get());
      }
      return new Result(
          name,
          Outcome.FAILED,
          "secrets.not-as-written",
          standing.isPresent()
              ? "written, and another value stands there"
              : "written, and the place does not list it",
          "Look who else writes there, and plan again.");
    } catch (IOException | RuntimeException e) {
      if (doubt.isPresent()) {
        return failed(name, doubt.get());
      }
      SecretsBackup.Failure why = failure(e);
      return new Result(
          name,
          Outcome.UNTESTED,
          "",
          "written, and could not be looked at afterwards: " + why.message(),
          why.remedy());
    }
  }

  private static String describe(SecretTarget target) {
    return target.type() + " " + target.instance();
  }

  /** Equality under a key that nobody has, so that what is compared tells nothing. */
  private static final class KeyedDigest implements AutoCloseable {
    private final byte[] key = new byte[32];

    KeyedDigest() {
      new SecureRandom().nextBytes(key);
    }

    boolean same(SecretValue one, SecretValue other) {
      return MessageDigest.isEqual(of(one), of(other));
    }

    private byte[] of(SecretValue value) {
      return value.useBytes(
          bytes -> {
            try {
              Mac mac = Mac.getInstance("HmacSHA256");
              mac.init(new SecretKeySpec(key, "HmacSHA256"));
              return mac.doFinal(bytes);
            } catch (GeneralSecurityException e) {
              throw new IllegalStateException("This Java runtime lacks HmacSHA256", e);
            }
          });
    }

    @Override
    public void close() {
      Arrays.fill(key, (byte) 0);
    }
  }
}
