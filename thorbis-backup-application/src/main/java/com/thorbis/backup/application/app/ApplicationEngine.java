package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.app.ApplicationReport.ComponentReport;
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
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Protects an application: each backup holds a folder for each component, and {@code
 * application.json}, which says what came of each and refers to its documents by digest. A
 * component that fails stops no other; the backup is then partial. Used by one thread.
 */
public final class ApplicationEngine extends ServerlessEngine {
  /** The file of a backup that says what is in it. */
  public static final String MANIFEST = "application.json";

  private static final Logger LOG = LoggerFactory.getLogger(ApplicationEngine.class);

  private final ApplicationType type;
  private final Map<String, Part> parts = new LinkedHashMap<>();

  private ApplicationEngine(Builder builder) {
    super(
        builder.source,
        "Bring parts of it back with app restore " + builder.source + ".",
        builder.clock);
    type = builder.type;
    for (String name : ApplicationType.COMPONENTS) {
      Part part = builder.parts.get(name);
      if (part != null) {
        parts.put(name, part);
      } else if (type.required().contains(name)) {
        throw invalid(
            "Application " + source() + " does not say what its " + name + " is",
            "Configure " + name + ", or write \"" + name + ": none\" if it has none.");
      }
    }
    if (parts.values().stream().allMatch(part -> part.opener == null)) {
      throw invalid(
          "Application " + source() + " names nothing to back up",
          "Configure one of " + String.join(", ", ApplicationType.COMPONENTS) + ".");
    }
  }

  private static BackupException invalid(String problem, String remedy) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, problem)
        .remedy(remedy)
        .build();
  }

  /** An application. */
  public static Builder builder(String source, ApplicationType type) {
    return new Builder(source, type);
  }

  /** Collects the components of an application. */
  public static final class Builder {
    private final String source;
    private final ApplicationType type;
    private final Map<String, Part> parts = new LinkedHashMap<>();
    private Clock clock = Clock.systemUTC();

    private Builder(String source, ApplicationType type) {
      this.source = source;
      this.type = type;
    }

    /** A component; closed with the engine. */
    public Builder component(Component component) {
      return component(component.name(), () -> component);
    }

    /** A component that is opened when it is needed, and closed with the engine. */
    public Builder component(String name, Supplier<Component> opener) {
      if (!ApplicationType.COMPONENTS.contains(name)) {
        throw new IllegalArgumentException("No component: " + name);
      }
      parts.put(name, new Part(opener));
      return this;
    }

    /** Says that there is no such component. */
    public Builder none(String name) {
      parts.put(name, new Part(null));
      return this;
    }

    /** The source whose backups hold the files of its users. */
    public Builder files(String other) {
      return component("files", () -> new FilesReference(other));
    }

    /** The time. */
    public Builder clock(Clock now) {
      this.clock = now;
      return this;
    }

    /**
     * The engine.
     *
     * @throws BackupException of kind CONFIGURATION if nothing is said of a component of its type
     */
    public ApplicationEngine build() {
      return new ApplicationEngine(this);
    }
  }

  private static final class Part {
    private final @Nullable Supplier<Component> opener;
    private @Nullable Component opened;

    Part(@Nullable Supplier<Component> opener) {
      this.opener = opener;
    }

    Optional<Component> open() {
      if (opened == null && opener != null) {
        opened = opener.get();
      }
      return Optional.ofNullable(opened);
    }
  }

  /**
   * A backup, and what came of each component.
   *
   * @param backup what the repository says
   * @param report what is in it, and what is not
   */
  public record Taken(BackupDescriptor backup, ApplicationReport report) {}

  /** The components it names, those that it has none of among them. */
  public List<String> components() {
    return List.copyOf(parts.keySet());
  }

  @Override
  protected BackupDescriptor take(BackupRequest request, Repository repository, RunControl control)
      throws IOException {
    return backUp(request.label(), Optional.empty(), repository, control).backup();
  }

  /**
   * Backs up every component.
   *
   * @param label the operator's words for it
   * @param files backs up the source of its files in the same run; without it, the newest backup of
   *     that source is referred to
   * @throws BackupException {@code application.nothing-read} if all of them fail
   */
  public Taken backUp(
      Optional<String> label,
      Optional<Function<String, BackupDescriptor>> files,
      Repository repository,
      RunControl control)
      throws IOException {
    repository.register(source(), type.label());
    Instant started = clock().instant();
    Map<String, Gap> failed = new LinkedHashMap<>();
    Map<String, Component.Prepared> prepared = new LinkedHashMap<>();
    try {
      for (Map.Entry<String, Part> part : parts.entrySet()) {
        control.cancellation().check();
        try {
          Optional<Component> component = part.getValue().open();
          if (component.isPresent()) {
            if (component.get() instanceof FilesReference reference) {
              reference.taker(files.orElse(null));
            }
            prepared.put(part.getKey(), component.get().prepare(repository, control));
          }
        } catch (IOException | RuntimeException e) {
          fail(part.getKey(), e, failed);
        }
      }
      while (true) {
        if (prepared.isEmpty()) {
          throw nothingRead(failed);
        }
        Optional<Taken> taken = store(prepared, failed, label, started, repository, control);
        if (taken.isPresent()) {
          return taken.get();
        }
      }
    } finally {
      for (Component.Prepared one : prepared.values()) {
        close(one);
      }
    }
  }

  @Override
  public Optional<String> restoreCommand(BackupDescriptor backup) {
    return Optional.of("app restore " + source() + " --backup " + backup.id() + " --into DIR");
  }

  private void fail(String component, Exception failure, Map<String, Gap> failed) {
    Gap why = Gap.of(component, failure);
    failed.put(component, why);
    LOG.warn("application={}: {} is not backed up: {}", source(), component, why.code());
  }

  private static void close(Component.Prepared one) {
    try {
      one.close();
    } catch (IOException e) {
      LOG.warn("Temporary files of a backup could not be removed", e);
    }
  }

  private BackupException nothingRead(Map<String, Gap> failed) {
    Map.Entry<String, Gap> first = failed.entrySet().iterator().next();
    BackupException.Builder failure =
        BackupException.of(
                "application.nothing-read",
                FailureKind.PERMANENT,
                "Application "
                    + source()
                    + ": none of its components could be backed up: "
                    + first.getKey()
                    + ": "
                    + first.getValue().message())
            .remedy(first.getValue().remedy());
    failed.forEach((component, gap) -> failure.detail(component, gap.code()));
    return failure.build();
  }

  /** Empty if a component failed while it was written: then nothing was, and it is left out. */
  private Optional<Taken> store(
      Map<String, Component.Prepared> prepared,
      Map<String, Gap> failed,
      Optional<String> label,
      Instant started,
      Repository repository,
      RunControl control)
      throws IOException {
    boolean partial =
        !failed.isEmpty()
            || prepared.values().stream().flatMap(one -> one.gaps().stream()).anyMatch(Gap::whole);
    BackupStart start =
        new BackupStart(source(), BackupType.FULL, Optional.empty(), label, started, partial);
    try (BackupWriter writer = repository.begin(start)) {
      Map<String, Map<String, Reference>> written = new LinkedHashMap<>();
      for (Map.Entry<String, Component.Prepared> one : prepared.entrySet()) {
        control.cancellation().check();
        ComponentWriter into = new ComponentWriter(writer, one.getKey(), started);
        try {
          one.getValue().write(into);
        } catch (ComponentWriter.RepositoryFailure e) {
          if (e.getCause() instanceof RuntimeException unchecked) {
            throw unchecked;
          }
          throw e.getCause() instanceof IOException checked ? checked : e;
        } catch (IOException | RuntimeException e) {
          fail(one.getKey(), e, failed);
          close(one.getValue());
          prepared.remove(one.getKey());
          return Optional.empty();
        }
        written.put(one.getKey(), into.documents());
      }
      ApplicationReport report = report(prepared, failed, written, repository, control);
      manifest(writer, report, started);
      List<String> warnings = warnings(report);
      Map<String, String> attributes = new LinkedHashMap<>();
      attributes.put("application.type", type.label());
      prepared
          .values()
          .forEach(
              one ->
                  one.facts()
                      .forEach((name, value) -> attributes.put("application." + name, value)));
      BackupFacts facts =
          BackupFacts.withoutServer(started, clock().instant(), attributes, warnings);
      BackupStatus status =
          warnings.isEmpty() ? BackupStatus.COMPLETE : BackupStatus.COMPLETED_WITH_WARNING;
      return Optional.of(new Taken(writer.commit(facts, status), report));
    }
  }

  private ApplicationReport report(
      Map<String, Component.Prepared> prepared,
      Map<String, Gap> failed,
      Map<String, Map<String, Reference>> written,
      Repository repository,
      RunControl control)
      throws IOException {
    Optional<BackupDescriptor> newest = newest(repository);
    Map<String, Map<String, Reference>> before =
        newest.isPresent() ? before(newest.get(), repository, control) : Map.of();
    List<ComponentReport> reports = new ArrayList<>();
    for (String name : parts.keySet()) {
      Component.Prepared one = prepared.get(name);
      Gap why = failed.get(name);
      if (one != null) {
        Map<String, Reference> documents = written.getOrDefault(name, Map.of());
        boolean unchanged =
            onlyDocuments(documents).equals(onlyDocuments(before.getOrDefault(name, Map.of())));
        reports.add(
            new ComponentReport(
                name,
                one.gaps().isEmpty() ? Outcome.COMPLETED : Outcome.COMPLETED_WITH_GAPS,
                one.counts(),
                one.gaps(),
                documents,
                unchanged ? newest.map(BackupDescriptor::id) : Optional.empty()));
      } else {
        reports.add(
            new ComponentReport(
                name,
                why == null ? Outcome.SKIPPED : Outcome.FAILED,
                Map.of(),
                why == null ? List.of() : List.of(why),
                Map.of(),
                Optional.empty()));
      }
    }
    return new ApplicationReport(source(), type.label(), reports);
  }

  /** Bundles of the same refs are other bytes each time; documents are the same. */
  private static Map<String, Reference> onlyDocuments(Map<String, Reference> all) {
    Map<String, Reference> documents = new LinkedHashMap<>(all);
    documents.keySet().removeIf(name -> !name.endsWith(".json"));
    return documents;
  }

  private Map<String, Map<String, Reference>> before(
      BackupDescriptor newest, Repository repository, RunControl control) throws IOException {
    try (BackupReader reader = repository.open(newest.id())) {
      Map<String, Map<String, Reference>> found = new LinkedHashMap<>();
      Document manifest = manifest(reader);
      for (String name : manifest.object("components").names()) {
        found.put(name, documents(manifest, name));
      }
      return found;
    } catch (IOException | BackupException e) {
      if (e instanceof InterruptedIOException
          || e instanceof ClassifiedFailure known && known.kind() == FailureKind.CANCELLED) {
        throw e;
      }
      if (!(e instanceof ClassifiedFailure known) || !known.code().equals("repository.sealed")) {
        // What changed since is a remark, and no reason not to store what is there.
        LOG.warn("backup={} cannot be read, so nothing is compared with it", newest.id(), e);
        control
            .progress()
            .warning("Backup " + newest.id() + " cannot be read now: " + e.getMessage());
      }
      return Map.of();
    }
  }

  private void manifest(BackupWriter writer, ApplicationReport report, Instant started)
      throws IOException {
    Map<String, Object> components = new LinkedHashMap<>();
    report.components().forEach(one -> components.put(one.name(), one.document()));
    byte[] bytes =
        Document.of(
                Map.of(
                    "format",
                    1,
                    "id",
                    writer.id(),
                    "application",
                    source(),
                    "type",
                    type.label(),
                    "timestamp",
                    started,
                    "components",
                    components))
            .bytes();
    StoredFile file =
        new StoredFile(
            StoredFile.Area.DATA, MANIFEST, StoredFile.Kind.FILE, bytes.length, 0600, started);
    try (BackupWriter.FileWriter out = writer.file(file, PieceCheck.NONE)) {
      out.write(bytes, 0, bytes.length);
      out.finish();
    }
  }

  /** Counts alone: commits may be read by more than the backup, which has the names. */
  private static List<String> warnings(ApplicationReport report) {
    List<String> warnings = new ArrayList<>();
    for (ComponentReport one : report.components()) {
      if (one.outcome() == Outcome.FAILED) {
        warnings.add(one.name() + " is not in this backup: " + one.gaps().get(0).code());
      } else if (!one.gaps().isEmpty()) {
        Map<String, Integer> counts = new LinkedHashMap<>();
        one.gaps().forEach(gap -> counts.merge(gap.code(), 1, Integer::sum));
        counts.forEach(
            (code, count) ->
                warnings.add(
                    one.name() + ": " + count + (count == 1 ? " gap: " : " gaps: ") + code));
      }
    }
    return warnings;
  }

  /** Its newest backup, by the repository's log. */
  public Optional<BackupDescriptor> newest(Repository repository) {
    return FilesReference.newest(source(), repository);
  }

  /**
   * Opens a backup to restore from it. The caller closes it.
   *
   * @param components which; all that it names if empty
   */
  public ApplicationRestore restore(
      BackupId id, Set<String> components, RestoreWish wish, Repository repository)
      throws IOException {
    if (repository.backup(id).filter(found -> found.source().equals(source())).isEmpty()) {
      throw BackupException.of(
              "backup.not-found",
              FailureKind.NOT_FOUND,
              "Application " + source() + " has no backup " + id)
          .remedy("See the backups there are with list.")
          .build();
    }
    BackupReader reader = repository.open(id);
    boolean opened = false;
    try {
      Document manifest = manifest(reader);
      List<ApplicationRestore.Part> chosen = new ArrayList<>();
      for (String name : chosen(components, manifest)) {
        Map<String, Reference> documents = documents(manifest, name);
        Optional<Component> component = Optional.empty();
        Optional<Gap> unusable = Optional.empty();
        try {
          Part part = parts.get(name);
          component = part == null ? Optional.empty() : part.open();
        } catch (RuntimeException e) {
          unusable = Optional.of(Gap.of(name, e));
        }
        chosen.add(
            new ApplicationRestore.Part(
                name,
                component,
                unusable,
                documents.isEmpty()
                    ? Optional.empty()
                    : Optional.of(new StoredComponent(name, reader, documents))));
      }
      opened = true;
      return new ApplicationRestore(reader, chosen, wish);
    } finally {
      if (!opened) {
        reader.close();
      }
    }
  }

  private Set<String> chosen(Set<String> components, Document manifest) {
    Document stored = manifest.object("components");
    for (String name : components) {
      if (!ApplicationType.COMPONENTS.contains(name)) {
        throw BackupException.of(
                "application.no-component",
                FailureKind.CONFIGURATION,
                "There is no component \"" + name + "\"")
            .remedy("Take one of " + String.join(", ", ApplicationType.COMPONENTS) + ".")
            .build();
      }
    }
    Set<String> chosen = new LinkedHashSet<>(ApplicationType.COMPONENTS);
    if (components.isEmpty()) {
      chosen.removeIf(
          name ->
              !stored.names().contains(name)
                  || stored
                      .object(name)
                      .text("outcome")
                      .filter(Outcome.SKIPPED.label()::equals)
                      .isPresent());
    } else {
      chosen.retainAll(components);
    }
    return chosen;
  }

  private static Document manifest(BackupReader reader) throws IOException {
    return Document.parse(
        MANIFEST,
        reader
            .read(StoredFile.Area.DATA, MANIFEST)
            .orElseThrow(
                () ->
                    RepositoryException.damaged(
                        "Backup " + reader.descriptor().id(), "holds no " + MANIFEST, null)));
  }

  private static Map<String, Reference> documents(Document manifest, String component) {
    Document documents = manifest.object("components").object(component).object("documents");
    Map<String, Reference> found = new LinkedHashMap<>();
    for (String name : documents.names()) {
      Document one = documents.object(name);
      found.put(name, new Reference(one.number("length", -1), one.require("sha256")));
    }
    return found;
  }

  @Override
  public List<CheckItem> check(Repository repository) throws IOException {
    List<CheckItem> items = new ArrayList<>();
    for (Map.Entry<String, Part> part : parts.entrySet()) {
      String subject = "application." + part.getKey();
      try {
        Optional<Component> component = part.getValue().open();
        items.add(
            new CheckItem(
                subject,
                CheckItem.Outcome.OK,
                component.isPresent() ? component.get().check() : "There is none, as configured",
                ""));
      } catch (IOException | RuntimeException e) {
        Gap why = Gap.of(part.getKey(), e);
        items.add(new CheckItem(subject, CheckItem.Outcome.FAIL, why.message(), why.remedy()));
      }
    }
    Optional<BackupDescriptor> newest = newest(repository);
    items.add(
        new CheckItem(
            "application.backup",
            newest.isPresent() && !newest.get().partial()
                ? CheckItem.Outcome.OK
                : CheckItem.Outcome.WARN,
            newest
                .map(
                    last ->
                        "The last backup ended at "
                            + last.stoppedAt()
                            + (last.partial() ? " and lacks a part that could not be read" : ""))
                .orElse("There is no backup yet"),
            newest.isPresent() && !newest.get().partial()
                ? ""
                : "Run app backup " + source() + "."));
    return items;
  }

  @Override
  public void close() throws IOException {
    IOException failure = null;
    for (Part part : parts.values()) {
      Component component = part.opened;
      part.opened = null;
      if (component != null) {
        try {
          component.close();
        } catch (IOException e) {
          if (failure == null) {
            failure = e;
          } else {
            failure.addSuppressed(e);
          }
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
