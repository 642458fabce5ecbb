package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretSource;
import java.io.IOException;
import java.io.OutputStream;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Collects the secrets of several places into one sealed set. A place that fails does not stop the
 * others: what is missing is named. Runs once; used by one thread.
 */
public final class SecretsBackup {
  private static final Logger LOG = LoggerFactory.getLogger(SecretsBackup.class);

  private final String set;
  private final ObjectId repository;
  private final List<KeyProvider> recipients;
  private final List<SecretSource> sources;
  private final Optional<Signer> signer;
  private final Optional<SetOrigin> previous;
  private final Clock clock;
  private final SecureRandom random;
  private final Cancellation cancellation;

  private SecretsBackup(Builder builder) {
    set = builder.set;
    repository = Objects.requireNonNull(builder.repository, "repository");
    recipients = List.copyOf(builder.recipients);
    sources = List.copyOf(builder.sources);
    signer = Optional.ofNullable(builder.signer);
    previous = Optional.ofNullable(builder.previous);
    clock = builder.clock;
    random = builder.random;
    cancellation = builder.cancellation;
    if (sources.isEmpty()) {
      throw configuration("has no places to read from", "Name at least one.");
    }
    Set<String> seen = new HashSet<>();
    for (SecretSource source : sources) {
      if (!seen.add(source.type() + " " + source.instance())) {
        throw configuration(
            "names " + source.type() + " " + source.instance() + " twice", "Remove one.");
      }
    }
    if (recipients.isEmpty() || recipients.size() > SetFormat.MOST_RECIPIENTS) {
      throw configuration(
          "has " + recipients.size() + " recipients",
          "Name 1 to " + SetFormat.MOST_RECIPIENTS + " who will be able to open it.");
    }
    previous.ifPresent(
        before -> {
          if (!before.set().equals(set)) {
            throw configuration(
                "cannot follow a set of another name, \"" + before.set() + "\"",
                "Give the newest set of this name.");
          }
        });
  }

  private BackupException configuration(String problem, String remedy) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            "The set of secrets \"" + set + "\" " + problem)
        .remedy(remedy)
        .build();
  }

  /**
   * A backup of a set.
   *
   * @param set its name, up to 200 characters
   */
  public static Builder builder(String set) {
    if (set.isEmpty() || set.length() > 200) {
      throw new IllegalArgumentException("A name of a set has 1 to 200 characters");
    }
    return new Builder(set);
  }

  /** Collects what a backup needs. */
  public static final class Builder {
    private final String set;
    private final List<KeyProvider> recipients = new ArrayList<>();
    private final List<SecretSource> sources = new ArrayList<>();
    private @Nullable ObjectId repository;
    private @Nullable Signer signer;
    private @Nullable SetOrigin previous;
    private Clock clock = Clock.systemUTC();
    private SecureRandom random = new SecureRandom();
    private Cancellation cancellation = new Cancellation();

    private Builder(String set) {
      this.set = set;
    }

    /** The repository that the set is bound to. */
    public Builder repository(ObjectId id) {
      this.repository = id;
      return this;
    }

    /** One who will be able to open it, alone. Stays the caller's. */
    public Builder recipient(KeyProvider recipient) {
      recipients.add(recipient);
      return this;
    }

    /** A place to read. Stays the caller's. */
    public Builder source(SecretSource source) {
      sources.add(source);
      return this;
    }

    /**
     * Whose the set is, as whoever opens it can see. Without one, whoever knows the public key of a
     * recipient, which stands in every set, can make one that opens. Stays the caller's.
     */
    public Builder signer(Signer writer) {
      this.signer = writer;
      return this;
    }

    /** The newest set of this name so far, which the new one follows. */
    public Builder previous(SetOrigin newest) {
      this.previous = newest;
      return this;
    }

    /** The time. */
    public Builder clock(Clock now) {
      this.clock = now;
      return this;
    }

    /** Where keys come from. */
    public Builder random(SecureRandom from) {
      this.random = from;
      return this;
    }

    /** Lets another thread stop it between two secrets. */
    public Builder cancellation(Cancellation stop) {
      this.cancellation = stop;
      return this;
    }

    /**
     * The backup, not yet begun.
     *
     * @throws BackupException of kind CONFIGURATION if no place is given, or one twice, or not 1 to
     *     16 recipients
     */
    public SecretsBackup build() {
      return new SecretsBackup(this);
    }
  }

  /** A secret that was listed, and by whom. */
  private record Listed(int source, SecretInfo info, Optional<SecretException> unseen) {}

  /**
   * Reads all places, and writes the set.
   *
   * @param sink gets the whole set once everything was read and sealed, or nothing of it; not
   *     closed
   * @throws BackupException {@code secrets.nothing-read} if no place could be looked at
   * @throws IOException if the set could not be sealed or written
   */
  public SecretsBackupReport run(OutputStream sink) throws IOException {
    Instant started = clock.instant().truncatedTo(ChronoUnit.MILLIS);
    long sequence = previous.map(SetOrigin::sequence).orElse(0L) + 1;
    List<SecretsBackupReport.Gap> gaps = new ArrayList<>();
    List<SetIndex.Source> asked = new ArrayList<>();
    List<Listed> listed = new ArrayList<>();
    for (int i = 0; i < sources.size(); i++) {
      cancellation.check();
      asked.add(list(sources.get(i), i, listed, gaps));
    }
    if (asked.stream().allMatch(source -> source.failure().isPresent())) {
      throw nothingRead(gaps);
    }
    if (listed.size() > SetFormat.MOST_ENTRIES) {
      throw SetFormat.tooLarge(listed.size() + " secrets", SetFormat.MOST_ENTRIES + " of them");
    }
    int[] sealed = new int[sources.size()];
    List<SetIndex.Entry> entries = new ArrayList<>();
    SetOrigin origin;
    try (SetWriter writer = new SetWriter(repository, started, recipients, random)) {
      for (Listed secret : listed) {
        cancellation.check();
        SetIndex.Source source = asked.get(secret.source());
        SetIndex.Entry entry =
            read(writer, source, secret, sequence, entries.size(), listed.size(), gaps);
        sealed[secret.source()] += entry.object().isPresent() ? 1 : 0;
        entries.add(entry);
      }
      SetIndex index =
          new SetIndex(
              set,
              sequence,
              previous.map(SetOrigin::digest).orElse(""),
              started,
              List.copyOf(asked),
              List.copyOf(entries));
      origin =
          new SetOrigin(set, writer.id(), sequence, writer.finish(index, signer, sink), started);
    }
    int count = 0;
    List<SecretsBackupReport.SourceOutcome> outcomes = new ArrayList<>();
    for (int i = 0; i < asked.size(); i++) {
      count += sealed[i];
      outcomes.add(outcome(asked.get(i), i, listed, sealed[i]));
    }
    SecretsStatus status =
        gaps.isEmpty() ? SecretsStatus.COMPLETE : SecretsStatus.COMPLETED_WITH_GAPS;
    LOG.info(
        "secrets={} sequence={}: {}, {} values of {} places, {} gaps",
        set,
        sequence,
        status.label(),
        count,
        asked.size(),
        gaps.size());
    return new SecretsBackupReport(origin, status, started, clock.instant(), count, outcomes, gaps);
  }

  private static SecretsBackupReport.SourceOutcome outcome(
      SetIndex.Source source, int number, List<Listed> listed, int sealed) {
    Map<Readability, Integer> classes = new EnumMap<>(Readability.class);
    for (Listed secret : listed) {
      if (secret.source() == number && secret.unseen().isEmpty()) {
        classes.merge(secret.info().readability(), 1, Integer::sum);
      }
    }
    return new SecretsBackupReport.SourceOutcome(
        source.type(), source.instance(), classes, sealed, source.limits());
  }

  private SetIndex.Source list(
      SecretSource source, int number, List<Listed> listed, List<SecretsBackupReport.Gap> gaps) {
    Optional<String> failure = Optional.empty();
    try {
      Set<String> names = new HashSet<>();
      List<Listed> found = new ArrayList<>();
      Listing listing = source.survey();
      for (SecretInfo info : listing.secrets()) {
        requireOnce(names, info.name());
        found.add(new Listed(number, info, Optional.empty()));
      }
      for (Map.Entry<String, SecretException> part : listing.unseen().entrySet()) {
        requireOnce(names, part.getKey());
        SecretInfo info = SecretInfo.of(part.getKey(), Readability.VALUE);
        found.add(new Listed(number, info, Optional.of(part.getValue())));
      }
      listed.addAll(found);
    } catch (IOException | RuntimeException e) {
      Failure why = Failure.of(e);
      failure = Optional.of(why.code());
      gaps.add(
          new SecretsBackupReport.Gap(
              source.type() + " " + source.instance(),
              "",
              why.code(),
              why.message(),
              why.remedy()));
      LOG.warn(
          "secrets={}: {} {} was not read: {}", set, source.type(), source.instance(), why.code());
    }
    return new SetIndex.Source(
        source.type(), source.instance(), source.rotation(), failure, source.limits());
  }

  private static void requireOnce(Set<String> names, String name) {
    if (!names.add(name)) {
      throw BackupException.of(
              "secrets.unexpected-answer",
              FailureKind.PERMANENT,
              "The place lists \"" + name + "\" twice")
          .build();
    }
  }

  private SetIndex.Entry read(
      SetWriter writer,
      SetIndex.Source source,
      Listed secret,
      long sequence,
      int ordinal,
      int count,
      List<SecretsBackupReport.Gap> gaps)
      throws IOException {
    SecretInfo info = secret.info();
    if (!info.readability().hasValue()) {
      gaps.add(
          new SecretsBackupReport.Gap(
              source.name(),
              info.name(),
              "secrets." + info.readability().label(),
              "\"" + info.name() + "\": its value is not to be had from there",
              source.rotation()));
      return new SetIndex.Entry(secret.source(), info, Optional.empty(), Optional.empty());
    }
    Secret value;
    try {
      if (secret.unseen().isPresent()) {
        throw secret.unseen().get();
      }
      value = sources.get(secret.source()).read(info);
    } catch (IOException | RuntimeException e) {
      Failure why = Failure.of(e);
      gaps.add(
          new SecretsBackupReport.Gap(
              source.name(), info.name(), why.code(), why.message(), why.remedy()));
      LOG.warn("secrets={}: \"{}\" was not read: {}", set, info.name(), why.code());
      return new SetIndex.Entry(secret.source(), info, Optional.empty(), Optional.of(why.code()));
    }
    try (value) {
      ObjectId object =
          writer.add(set, sequence, source, value.info(), value.value(), ordinal, count);
      return new SetIndex.Entry(
          secret.source(), value.info(), Optional.of(object), Optional.empty());
    }
  }

  private BackupException nothingRead(List<SecretsBackupReport.Gap> gaps) {
    BackupException.Builder failure =
        BackupException.of(
                "secrets.nothing-read",
                FailureKind.PERMANENT,
                "The set of secrets \""
                    + set
                    + "\": none of its places could be looked at: "
                    + gaps.get(0).message())
            .remedy(gaps.get(0).remedy());
    gaps.forEach(gap -> failure.detail(gap.source(), gap.code()));
    return failure.build();
  }

  /** What is passed on of a failure: words that are ours alone, as others may hold a value. */
  record Failure(String code, String message, String remedy) {
    static Failure of(Exception failure) {
      if (failure instanceof ClassifiedFailure known) {
        if (known.kind() == FailureKind.CANCELLED) {
          throw failure instanceof BackupException stopped
              ? stopped
              : BackupException.of("cancelled", FailureKind.CANCELLED, "Cancelled").build();
        }
        return new Failure(known.code(), String.valueOf(failure.getMessage()), known.remedy());
      }
      return new Failure(
          "secrets.failed", failure.getClass().getSimpleName(), "Report it: this is a mistake.");
    }
  }
}
