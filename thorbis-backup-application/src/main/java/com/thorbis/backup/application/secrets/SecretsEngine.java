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
import com.thorbis.backup.spi.secret.SecretTarget;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
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

  private SecretsEngine(Builder builder) {
    super(
        builder.source,
        "Bring its secrets back with secrets restore " + builder.source + " --into PLACE.",
        builder.clock);
    places = new LinkedHashMap<>(builder.places);
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
    List<SecretTarget> open = new ArrayList<>();
    for (String name : places.keySet()) {
      open.add(place(name));
    }
    repository.register(source(), TYPE);
    Optional<SetOrigin> previous = previous(repository, control);
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
      previous.ifPresent(set::previous);
      SecretsBackupReport report = set.build().run(content);
      return new Taken(store(content, report, label, now, repository), report);
    } finally {
      content.erase();
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
  private Optional<SetOrigin> previous(Repository repository, RunControl control)
      throws IOException {
    Optional<BackupDescriptor> newest = newest(repository);
    if (newest.isEmpty()) {
      return Optional.empty();
    }
    try (BackupReader reader = repository.open(newest.get().id())) {
      return Optional.of(origin(reader.facts(), newest.get()));
    } catch (IOException e) {
      if (e instanceof ClassifiedFailure known && known.kind() == FailureKind.DAMAGED) {
        LOG.warn("backup={} is damaged, so the next set follows none", newest.get().id(), e);
        control
            .progress()
            .warning("Backup " + newest.get().id() + " is damaged: " + e.getMessage());
        return Optional.empty();
      }
      if (e instanceof ClassifiedFailure known && known.code().equals("repository.sealed")) {
        return Optional.empty(); // a sealed writer opens nothing, not even its own
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
