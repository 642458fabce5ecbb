package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.SecretValue;
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
import java.util.HashMap;
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
  private final Optional<SecretsSet> escrow;
  private final Optional<Escrowed> escrowed;
  private final Optional<StoredSecret> dropped;
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
    escrow = Optional.ofNullable(builder.escrow);
    escrowed = Optional.ofNullable(builder.escrowed);
    dropped = Optional.ofNullable(builder.dropped);
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
    private @Nullable SecretsSet escrow;
    private @Nullable Escrowed escrowed;
    private @Nullable StoredSecret dropped;
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

    /** The set before, whose escrowed values are carried on. Stays the caller's. */
    Builder escrow(SecretsSet before) {
      this.escrow = before;
      return this;
    }

    /** A value that is about to be written, or was written, to a place that may never give it. */
    Builder escrow(Escrowed value) {
      this.escrowed = value;
      return this;
    }

    /** An escrowed value of the set before that is not carried on. */
    Builder drop(StoredSecret of) {
      this.dropped = of;
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

  /**
   * A value that the set holds because it was written through us.
   *
   * @param source its place, as {@link StoredSecret#source}
   * @param info what stood there before, if it is pending; else what stood there right after
   * @param value lent
   * @param pending whether nobody knows yet that it stands there
   */
  record Escrowed(String source, SecretInfo info, SecretValue value, boolean pending) {
    boolean is(String place, String name) {
      return source.equals(place) && info.name().equals(name);
    }

    /** Whether a place lists it as it stood there right after the write. */
    boolean seen(SecretInfo listed) {
      return info.name().equals(listed.name())
          && (unchanged(info, listed)
              || listed.readability().hasValue() && info.version().isEmpty());
    }

    /** Says only which it is. */
    @Override
    public String toString() {
      return "Escrowed[" + info.name() + "]";
    }
  }

  /** The code of an escrowed value of which nobody knows yet that it stands in its place. */
  static final String PENDING = "secrets.escrow-pending";

  /** The code of a secret that was written past the escrow: the value it had is not the current. */
  static final String CHANGED = "secrets.changed-outside-escrow";

  /** The code of an escrowed value whose place could not be looked at. */
  static final String NOT_COMPARED = "secrets.escrow-not-compared";

  /** The code of an escrowed value whose place is none of those that are read. */
  static final String PLACE_GONE = "secrets.escrow-place-gone";

  /**
   * A secret that was listed, and by whom.
   *
   * @param unseen what kept it from being looked at
   * @param carried its value in the set before, that stands here alone: the place lists no such
   *     secret, or not this value
   */
  private record Listed(
      int source,
      SecretInfo info,
      Optional<SecretException> unseen,
      Optional<StoredSecret> carried,
      Optional<Escrowed> pending) {
    static Listed of(int source, SecretInfo info, Optional<SecretException> unseen) {
      return new Listed(source, info, unseen, Optional.empty(), Optional.empty());
    }

    static Listed carried(int source, StoredSecret before) {
      return new Listed(
          source, before.info(), Optional.empty(), Optional.of(before), Optional.empty());
    }

    static Listed pending(int source, Escrowed escrowed) {
      return new Listed(
          source,
          withheld(escrowed.info()),
          Optional.empty(),
          Optional.empty(),
          Optional.of(escrowed));
    }

    boolean looked() {
      return unseen.isEmpty() && carried.isEmpty() && pending.isEmpty();
    }
  }

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
    carryGone(asked, listed);
    if (listed.size() > SetFormat.MOST_ENTRIES) {
      throw SetFormat.tooLarge(listed.size() + " secrets", SetFormat.MOST_ENTRIES + " of them");
    }
    int[] sealed = new int[asked.size()];
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
      if (secret.source() == number && secret.looked()) {
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
        found.add(Listed.of(number, info, Optional.empty()));
      }
      for (Map.Entry<String, SecretException> part : listing.unseen().entrySet()) {
        requireOnce(names, part.getKey());
        SecretInfo info = SecretInfo.of(part.getKey(), Readability.VALUE);
        found.add(Listed.of(number, info, Optional.of(part.getValue())));
      }
      boolean whole = listing.unseen().isEmpty();
      for (StoredSecret before : escrowOf(source)) {
        if (isPending(before) || !whole && !names.contains(before.info().name())) {
          found.add(Listed.carried(number, before));
        }
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
      escrowOf(source).forEach(before -> listed.add(Listed.carried(number, before)));
    }
    escrowed
        .filter(value -> value.source().equals(nameOf(source)))
        .filter(value -> value.pending() || !seen(value, number, listed))
        .ifPresent(value -> listed.add(Listed.pending(number, value)));
    return new SetIndex.Source(
        source.type(), source.instance(), source.rotation(), failure, source.limits());
  }

  private static String nameOf(SecretSource source) {
    return source.type() + " " + source.instance();
  }

  private static boolean seen(Escrowed written, int place, List<Listed> listed) {
    return listed.stream()
        .filter(secret -> secret.source() == place && secret.looked())
        .anyMatch(secret -> written.seen(secret.info()));
  }

  /** The same, as of a place that gives no value: so it is carried on. */
  private static SecretInfo withheld(SecretInfo info) {
    return info.readability().hasValue()
        ? SecretInfo.of(info.name(), Readability.NAME_ONLY)
            .withFormat(info.format())
            .withVersion(info.version())
            .withUpdated(info.updated())
            .withAttributes(info.attributes())
        : info;
  }

  /** What the set before holds though its place gives it to nobody, but what is written anew. */
  private List<StoredSecret> escrowOf(SecretSource source) {
    return inEscrow().stream().filter(before -> before.source().equals(nameOf(source))).toList();
  }

  private List<StoredSecret> inEscrow() {
    return escrow.stream()
        .flatMap(before -> before.secrets().stream())
        .filter(StoredSecret::escrowed)
        .filter(before -> !dropped.equals(Optional.of(before)))
        .filter(before -> escrowed.filter(value -> replaces(value, before)).isEmpty())
        .toList();
  }

  /** One that is pending leaves the value that may stand there still. */
  private static boolean replaces(Escrowed value, StoredSecret before) {
    return value.is(before.source(), before.info().name())
        && (!value.pending() || isPending(before));
  }

  static boolean isPending(StoredSecret secret) {
    return secret.failure().filter(PENDING::equals).isPresent();
  }

  /** A place that was renamed, or left out, does not take its values with it. */
  private void carryGone(List<SetIndex.Source> asked, List<Listed> listed) {
    Map<String, Integer> numbers = new HashMap<>();
    for (SetIndex.Source source : asked) {
      numbers.put(source.name(), -1);
    }
    for (StoredSecret before : inEscrow()) {
      int number = numbers.computeIfAbsent(before.source(), name -> asked.size());
      if (number < 0) {
        continue;
      }
      if (number == asked.size()) {
        SecretsSet set = escrow.orElseThrow();
        asked.add(
            new SetIndex.Source(
                before.sourceType(),
                before.sourceInstance(),
                set.rotation(before),
                Optional.of(PLACE_GONE),
                set.limits().getOrDefault(before.source(), List.of())));
      }
      listed.add(Listed.carried(number, before));
    }
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
    if (secret.pending().isPresent()) {
      return pending(
          writer, source, secret, secret.pending().get(), sequence, ordinal, count, gaps);
    }
    if (secret.carried().isPresent()) {
      return carry(writer, source, secret, sequence, ordinal, count, gaps);
    }
    if (!info.readability().hasValue() && secret.unseen().isEmpty()) {
      Optional<SetIndex.Entry> kept = kept(writer, source, secret, sequence, ordinal, count, gaps);
      if (kept.isPresent()) {
        return kept.get();
      }
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
      Optional<Escrowed> written = written(source, secret);
      if (written.isPresent()) {
        LOG.warn("secrets={}: \"{}\" was not read back: {}", set, info.name(), why.code());
        return pending(writer, source, secret, written.get(), sequence, ordinal, count, gaps);
      }
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

  /** What was written just now of a secret that is listed. */
  private Optional<Escrowed> written(SetIndex.Source source, Listed secret) {
    return escrowed
        .filter(value -> !value.pending() && value.is(source.name(), secret.info().name()))
        .filter(value -> secret.unseen().isEmpty());
  }

  /** The escrowed value of a secret that is listed and gives none; empty if there is none. */
  private Optional<SetIndex.Entry> kept(
      SetWriter writer,
      SetIndex.Source source,
      Listed secret,
      long sequence,
      int ordinal,
      int count,
      List<SecretsBackupReport.Gap> gaps)
      throws IOException {
    SecretInfo info = secret.info();
    Optional<Escrowed> written = written(source, secret);
    if (written.isPresent()) {
      return Optional.of(
          written.get().seen(info)
              ? seal(
                  writer, source, secret, info, written.get().value(), "", sequence, ordinal, count)
              : changed(source, secret, gaps));
    }
    for (StoredSecret before : escrowOf(sources.get(secret.source()))) {
      if (before.info().name().equals(info.name()) && !isPending(before)) {
        if (!unchanged(before.info(), info)) {
          return Optional.of(changed(source, secret, gaps));
        }
        try (Secret value = escrow.orElseThrow().open(before)) {
          return Optional.of(
              seal(writer, source, secret, info, value.value(), "", sequence, ordinal, count));
        }
      }
    }
    return Optional.empty();
  }

  /** By the digest of the platform, or else by whether it was written since. */
  private static boolean unchanged(SecretInfo then, SecretInfo now) {
    return then.digest().isPresent() && now.digest().isPresent()
        ? then.digest().equals(now.digest())
        : !then.version().isEmpty() && then.version().equals(now.version());
  }

  private SetIndex.Entry changed(
      SetIndex.Source source, Listed secret, List<SecretsBackupReport.Gap> gaps) {
    String name = secret.info().name();
    gaps.add(
        new SecretsBackupReport.Gap(
            source.name(),
            name,
            CHANGED,
            "\"" + name + "\" was written past the escrow: its value now is not known",
            "Find out who wrote it, and set it again with secrets set."));
    LOG.warn("secrets={}: \"{}\": {}", set, name, CHANGED);
    return new SetIndex.Entry(
        secret.source(), secret.info(), Optional.empty(), Optional.of(CHANGED));
  }

  private SetIndex.Entry carry(
      SetWriter writer,
      SetIndex.Source source,
      Listed secret,
      long sequence,
      int ordinal,
      int count,
      List<SecretsBackupReport.Gap> gaps)
      throws IOException {
    StoredSecret before = secret.carried().orElseThrow();
    try (Secret value = escrow.orElseThrow().open(before)) {
      SecretInfo info = value.info();
      String state = isPending(before) ? PENDING : NOT_COMPARED;
      if (source.failure().filter(PLACE_GONE::equals).isPresent()) {
        gaps.add(
            new SecretsBackupReport.Gap(
                source.name(),
                info.name(),
                PLACE_GONE,
                "\"" + info.name() + "\": its place is not read any more; the value is kept",
                "Add the place to the source again, or end it with "
                    + command(source, info, "--give-up")));
      } else if (isPending(before)) {
        gaps.add(pendingGap(source, info, "was to be set, and nobody knows whether it was"));
      } else if (source.failure().isEmpty()) {
        gaps.add(
            new SecretsBackupReport.Gap(
                source.name(),
                info.name(),
                NOT_COMPARED,
                "\"" + info.name() + "\" could not be looked at; the escrowed value is kept",
                "Let its place be read."));
      }
      return seal(writer, source, secret, info, value.value(), state, sequence, ordinal, count);
    }
  }

  private SetIndex.Entry pending(
      SetWriter writer,
      SetIndex.Source source,
      Listed secret,
      Escrowed escrowed,
      long sequence,
      int ordinal,
      int count,
      List<SecretsBackupReport.Gap> gaps)
      throws IOException {
    SecretInfo info = withheld(escrowed.info());
    gaps.add(
        pendingGap(
            source,
            info,
            escrowed.pending()
                ? "was to be set, and nobody knows whether it was"
                : "was written, and not seen there yet"));
    return seal(writer, source, secret, info, escrowed.value(), PENDING, sequence, ordinal, count);
  }

  private SecretsBackupReport.Gap pendingGap(
      SetIndex.Source source, SecretInfo info, String problem) {
    return new SecretsBackupReport.Gap(
        source.name(),
        info.name(),
        PENDING,
        "\"" + info.name() + "\" " + problem,
        "Finish it with secrets set --resume, set it again, or end it with "
            + command(source, info, "--give-up"));
  }

  private String command(SetIndex.Source source, SecretInfo info, String option) {
    return "secrets set "
        + set
        + " "
        + info.name()
        + " --place \""
        + source.name()
        + "\" "
        + option
        + ".";
  }

  private SetIndex.Entry seal(
      SetWriter writer,
      SetIndex.Source source,
      Listed secret,
      SecretInfo info,
      SecretValue value,
      String state,
      long sequence,
      int ordinal,
      int count)
      throws IOException {
    ObjectId object = writer.add(set, sequence, source, info, value, ordinal, count);
    return new SetIndex.Entry(
        secret.source(),
        info,
        Optional.of(object),
        state.isEmpty() ? Optional.empty() : Optional.of(state));
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
    static String message(Exception failure) {
      return failure instanceof ClassifiedFailure
          ? String.valueOf(failure.getMessage())
          : failure.getClass().getSimpleName();
    }

    static Failure of(Exception failure) {
      if (failure instanceof ClassifiedFailure known) {
        if (known.kind() == FailureKind.CANCELLED) {
          throw failure instanceof BackupException stopped
              ? stopped
              : BackupException.of("cancelled", FailureKind.CANCELLED, "Cancelled").build();
        }
        return new Failure(known.code(), message(failure), known.remedy());
      }
      return new Failure("secrets.failed", message(failure), "Report it: this is a mistake.");
    }
  }
}
