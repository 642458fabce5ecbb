package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.engine.ServerlessEngine;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Protects the secrets of some places: each backup is one sealed set of them. The set has the name
 * of the source, its key lies in it, and the repository seals both. Which set a backup holds stands
 * in the backup's manifest, whose digest is in the repository's log: another in its place is
 * refused. Used by one thread.
 */
public final class SecretsEngine extends ServerlessEngine {
  /** The type of such sources. */
  public static final String TYPE = "secrets";

  private static final Logger LOG = LoggerFactory.getLogger(SecretsEngine.class);
  private static final String FILE = "secrets.set";
  private static final String ID = "secrets.set-id";
  private static final String SEQUENCE = "secrets.sequence";
  private static final String DIGEST = "secrets.sha256";
  private static final String CREATED = "secrets.created";

  private final Map<String, Place> places;
  private final Map<String, SecretProbe> probes;

  private SecretsEngine(Builder builder) {
    super(
        builder.source,
        "Bring its secrets back with secrets restore " + builder.source + " --into PLACE.",
        builder.clock);
    places = new LinkedHashMap<>(builder.places);
    probes = Map.copyOf(builder.probes);
    if (places.isEmpty()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              "Source " + builder.source + " names no places")
          .remedy("Name at least one.")
          .build();
    }
  }

  /** A source of secrets; the name is also that of its sets. */
  public static Builder builder(String source) {
    return new Builder(source);
  }

  /** Collects the places of a source. */
  public static final class Builder {
    private final String source;
    private final Map<String, Place> places = new LinkedHashMap<>();
    private final Map<String, SecretProbe> probes = new LinkedHashMap<>();
    private Clock clock = Clock.systemUTC();

    private Builder(String source) {
      this.source = source;
    }

    /**
     * A place to read, which can be restored into. Stays the caller's.
     *
     * @param name what it is called here
     */
    public Builder place(String name, SecretTarget place) {
      return add(name, new Place(() -> place, false));
    }

    /** A place that is opened when it is needed, and closed with the engine. */
    Builder place(String name, Supplier<SecretTarget> opener) {
      return add(name, new Place(opener, true));
    }

    private Builder add(String name, Place place) {
      if (places.putIfAbsent(name, place) != null) {
        throw BackupException.of(
                "configuration.invalid",
                FailureKind.CONFIGURATION,
                "Source " + source + " names two places " + name)
            .remedy("Rename one of them.")
            .build();
      }
      return this;
    }

    /** How a restored secret is tried where it is used; one of each name counts. */
    public Builder probe(String secret, SecretProbe probe) {
      probes.put(secret, probe);
      return this;
    }

    /** The time. */
    public Builder clock(Clock now) {
      this.clock = now;
      return this;
    }

    /**
     * The engine.
     *
     * @throws BackupException of kind CONFIGURATION if there is no place
     */
    public SecretsEngine build() {
      return new SecretsEngine(this);
    }
  }

  private static final class Place {
    private final Supplier<SecretTarget> opener;
    private final boolean ours;
    private @Nullable SecretTarget opened;

    Place(Supplier<SecretTarget> opener, boolean ours) {
      this.opener = opener;
      this.ours = ours;
    }

    SecretTarget open() {
      SecretTarget place = opened;
      if (place == null) {
        place = opener.get();
        opened = place;
      }
      return place;
    }

    void close() throws IOException {
      SecretTarget place = opened;
      opened = null;
      if (ours && place != null) {
        place.close();
      }
    }
  }

  /**
   * A backup, and what came of each secret.
   *
   * @param backup what the repository says
   * @param report what is in its set, and what is not
   */
  public record Taken(BackupDescriptor backup, SecretsBackupReport report) {}

  /** The names of its places, in the order they were given. */
  public List<String> places() {
    return List.copyOf(places.keySet());
  }

  /**
   * One of its places; stays the engine's.
   *
   * @throws BackupException of kind NOT_FOUND if there is none of the name, of kind CONFIGURATION
   *     if its settings are wrong
   */
  public SecretTarget place(String name) {
    Place place = places.get(name);
    if (place == null) {
      throw BackupException.of(
              "secrets.place-not-configured",
              FailureKind.NOT_FOUND,
              "Source "
                  + source()
                  + " has no place \""
                  + name
                  + "\"; there are: "
                  + String.join(", ", places.keySet()))
          .remedy("Correct the name, or add the place to the source.")
          .build();
    }
    return place.open();
  }

  /** How its restored secrets are tried, by the name that they have in its sets. */
  public Map<String, SecretProbe> probes() {
    return probes;
  }

  @Override
  protected BackupDescriptor take(BackupRequest request, Repository repository, RunControl control)
      throws IOException {
    return backUp(request.label(), repository, control).backup();
  }

  /**
   * Reads every place and stores the set. What is missing of it is a gap in the report, and counted
   * in the backup's warnings. One that lacks a whole place is partial: it displaces no whole one.
   *
   * @param label the operator's words for it
   * @throws BackupException {@code secrets.nothing-read} if no place could be looked at
   */
  public Taken backUp(Optional<String> label, Repository repository, RunControl control)
      throws IOException {
    repository.register(source(), TYPE);
    Before before = before(repository, control);
    try (Closeable unused = before) {
      return run(label, repository, control, before, before.set(), Change.NONE);
    }
  }

  /**
   * Writes a secret to a place that never gives its value back, and keeps the value. It goes into a
   * backup first, as one of which nobody knows yet that it stands there; then to the place; then
   * into a backup as what stands there. Whatever ends this in between leaves the first of them,
   * which says so.
   *
   * @param placeName one of its places
   * @param name of the secret, as the place lists it or would name one from elsewhere
   * @param value lent; a text
   * @return the last backup
   * @throws SecretException {@code secrets.outcome-unknown} if nobody knows whether it stands
   *     there, {@code secrets.escrow-pending} if it was written and the last backup did not see it
   *     there: {@link #resume} finishes it. If the place refused it, it is in no set
   */
  public Taken set(
      String placeName, String name, SecretValue value, Repository repository, RunControl control)
      throws IOException {
    place(placeName); // refused before anything is stored
    repository.register(source(), TYPE);
    Before before = before(repository, control);
    try (Closeable unused = before) {
      return set(placeName, name, value, repository, control, before);
    }
  }

  /**
   * Finishes what {@link #set} began and did not end: writes the value that is pending, unless it
   * stands there.
   *
   * @param overwrite whether also where the place was written to since, perhaps by {@link #set}
   *     itself, which the place does not tell
   * @throws BackupException {@code secrets.nothing-pending} if there is nothing to finish; {@code
   *     secrets.written-since} if the place was written to and {@code overwrite} is not given
   */
  public Taken resume(
      String placeName, String name, boolean overwrite, Repository repository, RunControl control)
      throws IOException {
    SecretTarget place = place(placeName);
    Before before = before(repository, control);
    try (Closeable unused = before) {
      StoredSecret pending = pending(place, name, before);
      try (Secret secret = before.set().orElseThrow().open(pending)) {
        Optional<SecretInfo> now = place.find(pending.info().name());
        if (now.isPresent() && stands(place, now.get(), secret.value())) {
          return recorded(placeName, now.get(), secret.value(), repository, control);
        }
        boolean readable = now.filter(info -> info.readability().hasValue()).isPresent();
        if (readable
            || !overwrite
                && !now.map(SecretInfo::version).orElse("").equals(secret.info().version())) {
          throw BackupException.of(
                  "secrets.written-since",
                  FailureKind.REFUSED,
                  "\""
                      + name
                      + "\" of "
                      + placeName
                      + " was written since, "
                      + (readable ? "with another value" : "perhaps with this value"))
              .remedy(
                  readable
                      ? "Its place gives its value back: write it there, and end this with "
                          + command(placeName, name, "--give-up")
                      : "Overwrite it with --yes if nobody else wrote it.")
              .build();
        }
        return set(placeName, name, secret.value(), repository, control, before);
      }
    }
  }

  /**
   * Makes a backup without a value that is pending, or whose place is none of the source's any
   * more. Nothing is written to the place.
   *
   * @param placeName one of its places; of one that is gone, its kind and which it is
   * @throws BackupException {@code secrets.nothing-pending} if there is no such value
   */
  public Taken giveUp(String placeName, String name, Repository repository, RunControl control)
      throws IOException {
    Before before = before(repository, control);
    try (Closeable unused = before) {
      StoredSecret value =
          places.containsKey(placeName)
              ? pending(place(placeName), name, before)
              : ofUnnamedPlace(placeName, name, before);
      return run(
          Optional.empty(),
          repository,
          control,
          before,
          before.set(),
          new Change(Optional.empty(), Optional.of(value)));
    }
  }

  private StoredSecret ofUnnamedPlace(String where, String name, Before before) {
    boolean read =
        places.keySet().stream().map(this::place).map(SecretsEngine::where).anyMatch(where::equals);
    return before.set().stream()
        .flatMap(set -> set.secrets().stream())
        .filter(secret -> secret.source().equals(where) && secret.info().name().equals(name))
        .filter(read ? SecretsBackup::isPending : StoredSecret::escrowed)
        .findFirst()
        .orElseThrow(() -> nothingPending(name));
  }

  /** Whether the value stands there, as far as the place tells. */
  private static boolean stands(SecretTarget place, SecretInfo now, SecretValue value)
      throws IOException {
    if (!now.readability().hasValue()) {
      return place.matches(now, value).filter(same -> same).isPresent();
    }
    try (Secret there = place.read(now)) {
      return same(there.value(), value);
    }
  }

  private static boolean same(SecretValue one, SecretValue other) {
    return one.useBytes(bytes -> other.useBytes(others -> MessageDigest.isEqual(bytes, others)));
  }

  private StoredSecret pending(SecretTarget place, String name, Before before) {
    String there = place.nameOf(SecretInfo.of(name, Readability.NAME_ONLY));
    return before
        .pending(where(place), List.of(name, there))
        .orElseThrow(() -> nothingPending(name));
  }

  private BackupException nothingPending(String name) {
    return BackupException.of(
            "secrets.nothing-pending",
            FailureKind.NOT_FOUND,
            "Nothing is pending of \"" + name + "\" in the newest set of " + source())
        .remedy("Set it, with its value.")
        .build();
  }

  private static String where(SecretTarget place) {
    return place.type() + " " + place.instance();
  }

  private Taken set(
      String placeName,
      String name,
      SecretValue value,
      Repository repository,
      RunControl control,
      Before before)
      throws IOException {
    SecretTarget place = place(placeName);
    SecretInfo asked = SecretInfo.of(name, Readability.NAME_ONLY);
    String there = place.nameOf(asked);
    Optional<SecretInfo> standing = place.find(name);
    if (standing.isEmpty() && !there.equals(name)) {
      standing = place.find(there);
    }
    SecretInfo about = standing.map(now -> now.withFormat(SecretInfo.TEXT)).orElse(asked);
    requireEscrow(place, about, standing);
    WriteCondition condition =
        standing.isPresent()
            ? new WriteCondition.IfVersion(standing.get().version())
            : new WriteCondition.IfAbsent();
    SecretsBackup.Escrowed pending =
        new SecretsBackup.Escrowed(
            where(place),
            standing.orElse(SecretInfo.of(there, Readability.NAME_ONLY)),
            value,
            true);
    run(
        Optional.empty(),
        repository,
        control,
        before,
        before.set(),
        new Change(Optional.of(pending), Optional.empty()));
    Optional<Exception> doubt = Optional.empty();
    try {
      place.write(about, value, condition);
    } catch (IOException | RuntimeException e) {
      if (e instanceof ClassifiedFailure known
          && known.kind() != FailureKind.OUTCOME_UNKNOWN
          && known.kind() != FailureKind.CANCELLED) {
        withdraw(repository, control, before, pending, e);
        throw e;
      }
      doubt = Optional.of(e);
    }
    try {
      Optional<SecretInfo> now = place.find(pending.info().name());
      Optional<Boolean> same = now.flatMap(info -> place.matches(info, value));
      if (now.isPresent() && same.orElse(doubt.isEmpty())) {
        return recorded(placeName, now.get(), value, repository, control);
      }
      throw unknown(
          placeName,
          name,
          doubt
              .map(e -> "nobody knows whether it was written: " + SecretsBackup.Failure.message(e))
              .orElse(
                  now.isEmpty()
                      ? "written, and not seen there yet"
                      : "written, and something else stands there"),
          doubt);
    } catch (SecretException e) {
      throw e.kind() == FailureKind.OUTCOME_UNKNOWN ? e : afterwards(placeName, name, e);
    } catch (IOException | RuntimeException e) {
      throw afterwards(placeName, name, e);
    }
  }

  /** Whatever failed after the write: that the value may stand there is what matters. */
  private SecretException afterwards(String placeName, String name, Exception e) {
    return unknown(
        placeName,
        name,
        "it may stand there; what came after the write failed: " + SecretsBackup.Failure.message(e),
        Optional.of(e));
  }

  private SecretException unknown(
      String placeName, String name, String problem, Optional<Exception> cause) {
    return new SecretException(
        SecretException.OUTCOME_UNKNOWN,
        FailureKind.OUTCOME_UNKNOWN,
        name + " of " + placeName + ": " + problem,
        name,
        finish(placeName, name),
        cause.orElse(null));
  }

  private String finish(String placeName, String name) {
    return "Look whether somebody else writes there, and finish it with "
        + command(placeName, name, "--resume");
  }

  private String command(String placeName, String name, String option) {
    return "secrets set " + source() + " " + name + " --place " + placeName + " " + option + ".";
  }

  private void requireEscrow(SecretTarget place, SecretInfo about, Optional<SecretInfo> standing)
      throws SecretException {
    Optional<String> refusal = place.refusal(about);
    if (standing.filter(now -> now.readability().hasValue()).isPresent()) {
      refusal = Optional.of("its place gives its value back: write it there, and back it up");
    } else if (standing.filter(now -> now.version().isEmpty()).isPresent()) {
      refusal = Optional.of("its place tells no version of it, so that a change would be missed");
    }
    if (refusal.isPresent()) {
      throw new SecretException(
          SecretException.REFUSED,
          FailureKind.REFUSED,
          about.name() + ": " + refusal.get(),
          about.name(),
          "Nothing was written.",
          null);
    }
  }

  /** The backup that has the value as what stands there, or the failure that says it has not. */
  private Taken recorded(
      String placeName,
      SecretInfo now,
      SecretValue value,
      Repository repository,
      RunControl control)
      throws IOException {
    String where = where(place(placeName));
    SecretsBackup.Escrowed written = new SecretsBackup.Escrowed(where, now, value, false);
    Before before = before(repository, control);
    try (Closeable unused = before) {
      Taken taken =
          run(
              Optional.empty(),
              repository,
              control,
              before,
              before.set(),
              new Change(Optional.of(written), Optional.empty()));
      for (SecretsBackupReport.Gap gap : taken.report().gaps()) {
        if (gap.code().equals(SecretsBackup.PENDING) && written.is(gap.source(), gap.name())) {
          throw new SecretException(
              SecretsBackup.PENDING,
              FailureKind.OUTCOME_UNKNOWN,
              now.name()
                  + " of "
                  + placeName
                  + ": written, and not seen there yet; backup "
                  + taken.backup().id()
                  + " has its value as pending",
              now.name(),
              finish(placeName, now.name()),
              null);
        }
      }
      return taken;
    }
  }

  /** The newest set without the value that was refused, and with what was pending before it. */
  private void withdraw(
      Repository repository,
      RunControl control,
      Before original,
      SecretsBackup.Escrowed refused,
      Exception cause) {
    try {
      Before now = before(repository, control);
      try (Closeable unused = now) {
        Optional<StoredSecret> ours = now.pending(refused);
        if (now.set().isPresent() && (ours.isEmpty() || !now.holds(ours.get(), refused.value()))) {
          return; // somebody set it, or gave it up, since
        }
        Optional<SecretsSet> escrow = now.set().or(original::set);
        Optional<StoredSecret> earlier = original.pending(refused);
        if (earlier.isEmpty()) {
          run(
              Optional.empty(),
              repository,
              control,
              now,
              escrow,
              new Change(Optional.empty(), ours));
          return;
        }
        try (Secret value = original.set().orElseThrow().open(earlier.get())) {
          SecretsBackup.Escrowed again =
              new SecretsBackup.Escrowed(refused.source(), value.info(), value.value(), true);
          run(
              Optional.empty(),
              repository,
              control,
              now,
              escrow,
              new Change(Optional.of(again), ours));
        }
      }
    } catch (IOException | BackupException e) {
      cause.addSuppressed(e);
    }
  }

  /**
   * What is another in the next set than in the one before.
   *
   * @param value written, or about to be
   * @param dropped what is not carried on
   */
  private record Change(Optional<SecretsBackup.Escrowed> value, Optional<StoredSecret> dropped) {
    static final Change NONE = new Change(Optional.empty(), Optional.empty());
  }

  /**
   * What the next set follows.
   *
   * @param id the backup
   * @param set to carry values on from; empty if it cannot be read
   */
  private record Before(Optional<BackupId> id, Optional<SetOrigin> origin, Optional<SecretsSet> set)
      implements Closeable {
    static final Before NOTHING = new Before(Optional.empty(), Optional.empty(), Optional.empty());

    Optional<StoredSecret> pending(String where, List<String> names) {
      return set.stream()
          .flatMap(known -> known.secrets().stream())
          .filter(secret -> secret.source().equals(where))
          .filter(secret -> names.contains(secret.info().name()))
          .filter(SecretsBackup::isPending)
          .findFirst();
    }

    Optional<StoredSecret> pending(SecretsBackup.Escrowed value) {
      return pending(value.source(), List.of(value.info().name()));
    }

    boolean holds(StoredSecret secret, SecretValue value) throws IOException {
      try (Secret opened = set.orElseThrow().open(secret)) {
        return same(opened.value(), value);
      }
    }

    @Override
    public void close() {
      set.ifPresent(SecretsSet::close);
    }
  }

  private Taken run(
      Optional<String> label,
      Repository repository,
      RunControl control,
      Before before,
      Optional<SecretsSet> escrow,
      Change change)
      throws IOException {
    List<SecretTarget> open = new ArrayList<>();
    for (String name : places.keySet()) {
      open.add(place(name));
    }
    Instant now = clock().instant();
    Content content = new Content();
    try (CarriedKey key = new CarriedKey()) {
      SecretsBackup.Builder set =
          SecretsBackup.builder(source())
              .repository(ObjectId.parse(repository.id()))
              .recipient(key)
              .clock(clock())
              .cancellation(control.cancellation());
      open.forEach(set::source);
      before.origin().ifPresent(set::previous);
      escrow.ifPresent(set::escrow);
      change.value().ifPresent(set::escrow);
      change.dropped().ifPresent(set::drop);
      SecretsBackupReport report = set.build().run(content);
      requireNoOther(repository, before);
      return new Taken(store(content, report, label, now, repository), report);
    } finally {
      content.erase();
    }
  }

  /** A set that does not follow the newest would lack what that one escrowed. */
  private void requireNoOther(Repository repository, Before before) throws IOException {
    repository.refresh();
    Optional<BackupId> newest = newest(repository).map(BackupDescriptor::id);
    if (!newest.equals(before.id())) {
      throw BackupException.of(
              "secrets.other-backup",
              FailureKind.TRANSIENT,
              "Another backup of " + source() + " was made meanwhile")
          .remedy("Run it again.")
          .build();
    }
  }

  private BackupDescriptor store(
      Content content,
      SecretsBackupReport report,
      Optional<String> label,
      Instant now,
      Repository repository)
      throws IOException {
    boolean partial = report.gaps().stream().anyMatch(gap -> gap.name().isEmpty());
    BackupStart start =
        new BackupStart(source(), BackupType.FULL, Optional.empty(), label, now, partial);
    try (BackupWriter writer = repository.begin(start)) {
      StoredFile file =
          new StoredFile(StoredFile.Area.DATA, FILE, StoredFile.Kind.FILE, 0, 0600, now);
      try (BackupWriter.FileWriter out = writer.file(file, PieceCheck.NONE)) {
        content.copyTo(out);
        out.finish();
      }
      BackupFacts facts =
          BackupFacts.withoutServer(
              report.startedAt(),
              report.stoppedAt(),
              attributes(report.origin()),
              warnings(report.gaps()));
      BackupStatus status =
          report.gaps().isEmpty() ? BackupStatus.COMPLETE : BackupStatus.COMPLETED_WITH_WARNING;
      return writer.commit(facts, status);
    }
  }

  private static Map<String, String> attributes(SetOrigin origin) {
    Map<String, String> attributes = new LinkedHashMap<>();
    attributes.put(ID, origin.id().toString());
    attributes.put(SEQUENCE, Long.toString(origin.sequence()));
    attributes.put(DIGEST, origin.digest());
    attributes.put(CREATED, origin.created().toString());
    return attributes;
  }

  /** Counts alone: commits may be read by more than the set, which has the names. */
  private static List<String> warnings(List<SecretsBackupReport.Gap> gaps) {
    Map<String, Integer> counts = new LinkedHashMap<>();
    for (SecretsBackupReport.Gap gap : gaps) {
      String kind = gap.source().substring(0, gap.source().indexOf(' '));
      String what = gap.name().isEmpty() ? " place# of kind " : " secret# of ";
      counts.merge(what + kind + ": " + gap.code(), 1, Integer::sum);
    }
    List<String> warnings = new ArrayList<>();
    counts.forEach(
        (what, count) -> warnings.add(count + what.replaceFirst("#", count == 1 ? "" : "s")));
    return warnings;
  }

  /** The set that the next one follows. That one of it is beyond reading stops no backup. */
  private Before before(Repository repository, RunControl control) throws IOException {
    repository.refresh();
    Optional<BackupDescriptor> newest = newest(repository);
    if (newest.isEmpty()) {
      return Before.NOTHING;
    }
    Optional<BackupId> id = newest.map(BackupDescriptor::id);
    try {
      SecretsSet set = open(newest.get().id(), repository);
      return new Before(id, Optional.of(set.origin()), Optional.of(set));
    } catch (IOException e) {
      if (e instanceof SetException
          || e instanceof ClassifiedFailure known && known.kind() == FailureKind.DAMAGED) {
        LOG.warn("backup={} is damaged, so the next set follows none", newest.get().id(), e);
        control
            .progress()
            .warning(
                "Backup "
                    + newest.get().id()
                    + " is damaged, and escrowed values in it are not carried on: "
                    + e.getMessage());
        return new Before(id, Optional.empty(), Optional.empty());
      }
      if (e instanceof ClassifiedFailure known && known.code().equals("repository.sealed")) {
        // A sealed writer opens nothing, not even its own.
        return new Before(id, Optional.empty(), Optional.empty());
      }
      throw e;
    }
  }

  private SetOrigin origin(BackupFacts facts, BackupDescriptor backup) throws RepositoryException {
    Map<String, String> said = facts.attributes();
    try {
      return new SetOrigin(
          source(),
          ObjectId.parse(said.getOrDefault(ID, "")),
          Long.parseLong(said.getOrDefault(SEQUENCE, "")),
          said.getOrDefault(DIGEST, ""),
          Instant.parse(said.getOrDefault(CREATED, "")));
    } catch (IllegalArgumentException | DateTimeException e) {
      throw RepositoryException.damaged(
          "Backup " + backup.id(), "does not say which set of secrets it holds", e);
    }
  }

  @Override
  public Optional<String> restoreCommand(BackupDescriptor backup) {
    return Optional.of("secrets restore " + backup.id() + " --into PLACE");
  }

  /** Its newest backup, by the repository's log. */
  public Optional<BackupDescriptor> newest(Repository repository) {
    if (repository.source(source()).isEmpty()) {
      return Optional.empty();
    }
    return repository.backups(Optional.of(source())).stream()
        .filter(backup -> backup.status().restorable())
        .reduce((one, other) -> other);
  }

  /**
   * Opens the set of a backup. The caller closes it.
   *
   * @throws SetException if another set lies there than the backup was made with: {@code
   *     secrets.set-stale} if it is an older one of this name
   */
  public SecretsSet open(BackupId id, Repository repository) throws IOException {
    BackupDescriptor backup =
        repository
            .backup(id)
            .filter(found -> found.source().equals(source()))
            .orElseThrow(
                () ->
                    BackupException.of(
                            "backup.not-found",
                            FailureKind.NOT_FOUND,
                            "Source " + source() + " has no backup " + id)
                        .remedy("See the backups there are with list.")
                        .build());
    SetOrigin expected;
    byte[] bytes;
    try (BackupReader reader = repository.open(id)) {
      expected = origin(reader.facts(), backup);
      bytes = read(reader, backup);
    }
    try (CarriedKey key = new CarriedKey()) {
      SecretsSet set =
          SecretsSet.builder(source())
              .repository(ObjectId.parse(repository.id()))
              .recipient(key)
              .newest(expected)
              .open(new ByteArrayInputStream(bytes));
      if (!set.origin().equals(expected)) {
        SetOrigin found = set.origin();
        set.close();
        throw new SetException(
            SetException.FORKED,
            FailureKind.REFUSED,
            "Backup "
                + id
                + " holds the set number "
                + found.sequence()
                + " of "
                + found.created()
                + " and was made with number "
                + expected.sequence()
                + " of "
                + expected.created(),
            source(),
            "Restore another backup, and find out who changed this one.",
            null);
      }
      return set;
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  private static byte[] read(BackupReader reader, BackupDescriptor backup) throws IOException {
    Content content = new Content();
    try {
      reader.extract(
          file -> file.area() == StoredFile.Area.DATA && file.path().equals(FILE),
          file -> content,
          RunControl.unattended());
      if (!content.whole) {
        throw RepositoryException.damaged("Backup " + backup.id(), "holds no set of secrets", null);
      }
      return content.bytes();
    } finally {
      content.erase();
    }
  }

  @Override
  public List<CheckItem> check(Repository repository) throws IOException {
    List<CheckItem> items = new ArrayList<>();
    for (String name : places.keySet()) {
      items.add(check(name));
    }
    items.add(
        newest(repository)
            .map(SecretsEngine::check)
            .orElseGet(
                () ->
                    new CheckItem(
                        "secrets.backup",
                        CheckItem.Outcome.WARN,
                        "There is no backup yet",
                        "Run secrets backup " + source() + ".")));
    return items;
  }

  private static CheckItem check(BackupDescriptor newest) {
    String ended = "The last backup ended at " + newest.stoppedAt();
    return newest.partial()
        ? new CheckItem(
            "secrets.backup",
            CheckItem.Outcome.WARN,
            ended + " and lacks at least one place that could not be read",
            "Let its places be read, and run secrets backup " + newest.source() + ".")
        : new CheckItem("secrets.backup", CheckItem.Outcome.OK, ended, "");
  }

  private CheckItem check(String name) throws IOException {
    String subject = "secrets.place." + name;
    try {
      SecretTarget place = place(name);
      Listing listing = place.survey();
      if (!listing.unseen().isEmpty()) {
        return new CheckItem(
            subject,
            CheckItem.Outcome.WARN,
            place.type()
                + " "
                + place.instance()
                + ": parts of it cannot be looked at: "
                + String.join(", ", listing.unseen().keySet()),
            listing.unseen().values().iterator().next().remedy());
      }
      long unreadable =
          listing.secrets().stream().filter(info -> !info.readability().hasValue()).count();
      return new CheckItem(
          subject,
          unreadable == 0 ? CheckItem.Outcome.OK : CheckItem.Outcome.WARN,
          place.type()
              + " "
              + place.instance()
              + " lists "
              + listing.secrets().size()
              + " secrets"
              + (unreadable == 0 ? "" : ", and gives no value of " + unreadable),
          unreadable == 0 ? "" : place.rotation());
    } catch (IOException | BackupException e) {
      if (e instanceof ClassifiedFailure known) {
        if (known.kind() == FailureKind.CANCELLED) {
          throw e;
        }
        return new CheckItem(
            subject, CheckItem.Outcome.FAIL, String.valueOf(e.getMessage()), known.remedy());
      }
      throw e;
    }
  }

  @Override
  public void close() throws IOException {
    IOException failure = null;
    for (Place place : places.values()) {
      try {
        place.close();
      } catch (IOException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** A set in memory; erased by whoever takes it. */
  private static final class Content extends OutputStream implements BackupReader.FileOutput {
    private byte[] bytes = new byte[0];
    private int length;
    private boolean whole;

    @Override
    public void write(int value) throws IOException {
      write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] more, int offset, int count) throws IOException {
      write(ByteBuffer.wrap(more, offset, count));
    }

    @Override
    public void write(ByteBuffer plain) throws IOException {
      int more = plain.remaining();
      if (more > SetFormat.MOST_BYTES - length) {
        throw SetFormat.malformed("is longer than " + SetFormat.MOST_BYTES + " bytes");
      }
      if (length + more > bytes.length) {
        byte[] before = bytes;
        bytes =
            Arrays.copyOf(
                before, Math.max(length + more, Math.min(SetFormat.MOST_BYTES, 2 * length)));
        Arrays.fill(before, (byte) 0);
      }
      plain.get(bytes, length, more);
      length += more;
    }

    @Override
    public void finish(int crc32c) {
      whole = true;
    }

    @Override
    public void close() {}

    void copyTo(BackupWriter.FileWriter out) throws IOException {
      out.write(bytes, 0, length);
    }

    void erase() {
      Arrays.fill(bytes, (byte) 0);
    }

    byte[] bytes() {
      return Arrays.copyOf(bytes, length);
    }
  }
}
