package com.thorbis.backup.application.files;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.spi.engine.ServerlessEngine;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Protects files and folders of this machine. A backup is incremental where there is one to build
 * on: each restores by itself, whatever it was built on. Used by one thread.
 */
public final class FilesEngine extends ServerlessEngine {
  /** The type of such sources. */
  public static final String TYPE = "files";

  private static final Logger LOG = LoggerFactory.getLogger(FilesEngine.class);

  /** What a repository says of a base that no backup should build on. */
  private static final Set<String> UNUSABLE =
      Set.of(
          "backup.base-damaged",
          "backup.base-let-go",
          "backup.cross-check-failed",
          "backup.not-found",
          "repository.sealed");

  private final List<Path> paths;
  private final FileSelection selection;
  private final Disk disk;

  private FilesEngine(Builder builder) {
    super(
        builder.source,
        "Bring its files back with restore " + builder.source + " --target-dir DIR.",
        builder.clock);
    paths = sorted(builder.source, builder.paths);
    selection = builder.selection;
    disk = builder.disk;
  }

  /** A source of files. */
  public static Builder builder(String source) {
    return new Builder(source);
  }

  /** Collects what a source consists of. */
  public static final class Builder {
    private final String source;
    private final List<Path> paths = new ArrayList<>();
    private FileSelection selection = FileSelection.builder().build();
    private Clock clock = Clock.systemUTC();
    private Disk disk = new Disk();

    private Builder(String source) {
      this.source = source;
    }

    /** A folder or file, by its absolute path. */
    public Builder path(Path path) {
      paths.add(path);
      return this;
    }

    /** What is left out. */
    public Builder selection(FileSelection leftOut) {
      this.selection = leftOut;
      return this;
    }

    /** The time. */
    public Builder clock(Clock now) {
      this.clock = now;
      return this;
    }

    Builder disk(Disk asked) {
      this.disk = asked;
      return this;
    }

    /**
     * The engine.
     *
     * @throws BackupException of kind CONFIGURATION if there is no path, one is not absolute, or
     *     one lies in another
     */
    public FilesEngine build() {
      return new FilesEngine(this);
    }
  }

  /** In the order in which a walk over all of them would come to them. */
  private static List<Path> sorted(String source, List<Path> given) {
    if (given.isEmpty()) {
      throw invalid(source, "names no paths", "Name at least one folder or file.");
    }
    List<Path> paths = new ArrayList<>();
    for (Path path : given) {
      if (!path.isAbsolute() || !path.normalize().equals(path)) {
        throw invalid(
            source,
            "names " + path + ", which is not an absolute path without steps back",
            "Write it from the root of the file system on.");
      }
      paths.add(path);
    }
    paths.sort(FilesEngine::compare);
    for (int i = 1; i < paths.size(); i++) {
      if (paths.get(i).startsWith(paths.get(i - 1))) {
        throw invalid(
            source,
            "names " + paths.get(i) + ", which is " + paths.get(i - 1) + " or lies in it",
            "Take one of them out.");
      }
    }
    return List.copyOf(paths);
  }

  private static int compare(Path one, Path other) {
    int root = stored(one.getRoot()).compareTo(stored(other.getRoot()));
    for (int i = 0; root == 0 && i < Math.min(one.getNameCount(), other.getNameCount()); i++) {
      root = Names.compare(one.getName(i).toString(), other.getName(i).toString());
    }
    return root != 0 ? root : Integer.compare(one.getNameCount(), other.getNameCount());
  }

  /** The path it is stored under: its own from the root on. */
  private static String stored(Path path) {
    StringBuilder stored = new StringBuilder(path.getRoot().toString().replaceAll("[\\\\/:]+", ""));
    for (Path name : path) {
      stored.append(stored.isEmpty() ? "" : "/").append(name);
    }
    return stored.toString();
  }

  private static BackupException invalid(String source, String problem, String remedy) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            "sources." + source + ".paths: " + problem)
        .remedy(remedy)
        .build();
  }

  @Override
  protected Set<BackupType> types() {
    return EnumSet.of(BackupType.FULL, BackupType.INCREMENTAL);
  }

  @Override
  protected BackupDescriptor take(BackupRequest request, Repository repository, RunControl control)
      throws IOException {
    repository.register(source(), TYPE);
    Optional<BackupDescriptor> base =
        request.chosenType().equals(Optional.of(BackupType.FULL))
            ? Optional.empty()
            : newest(repository).filter(backup -> backup.letGoBy().isEmpty());
    if (base.isEmpty()) {
      return take(request, repository, control, base, List.of());
    }
    try {
      return take(request, repository, control, base, List.of());
    } catch (RepositoryException e) {
      if (!UNUSABLE.contains(e.code()) && !Frozen.isWhy(e)) {
        throw e;
      }
      LOG.warn("source={} takes a full backup instead of an incremental one", source(), e);
      String why = "this was to be incremental and became a full backup: " + e.getMessage();
      control.progress().warning(why);
      return take(request, repository, control, Optional.empty(), List.of(why));
    }
  }

  private Optional<BackupDescriptor> newest(Repository repository) {
    if (repository.source(source()).isEmpty()) {
      return Optional.empty();
    }
    return repository.backups(Optional.of(source())).stream()
        .filter(backup -> backup.status().restorable())
        .reduce((one, other) -> other);
  }

  /** Why a backup cannot have all of a path, said before it begins; empty if nothing is known. */
  private Optional<String> lack(Path path, Repository repository) throws IOException {
    boolean something = false;
    try {
      Disk.Entry entry = disk.look(path);
      Path parent = path.getParent();
      Path name = path.getFileName();
      if (entry.kind().equals(Optional.of(StoredFile.Kind.DIRECTORY))) {
        AtomicBoolean any = new AtomicBoolean();
        try (Disk.Folder folder = disk.open(path)) {
          folder.list(one -> any.set(true));
        }
        something = any.get();
      } else {
        something = true;
        if (entry.kind().equals(Optional.of(StoredFile.Kind.FILE))
            && parent != null
            && name != null) {
          try (Disk.Folder folder = disk.pass(parent)) {
            folder.read(name).close();
          }
        }
      }
    } catch (NoSuchFileException e) {
      return Optional.of("is not there");
    } catch (IOException e) {
      return Optional.of("could not be read when the backup began");
    }
    return something || !had(repository, path)
        ? Optional.empty()
        : Optional.of(
            "is empty now, and was not in the last backup that was not partial: mount what belongs"
                + " there, or put a file into it if it is to be empty");
  }

  /** Whether the newest backup that is not partial has anything below a path. */
  private boolean had(Repository repository, Path path) {
    Optional<BackupDescriptor> last =
        repository.backups(Optional.of(source())).stream()
            .filter(backup -> backup.status().restorable() && !backup.partial())
            .reduce((one, other) -> other);
    if (last.isEmpty()) {
      return false;
    }
    String below = stored(path).isEmpty() ? "" : stored(path) + "/";
    AtomicBoolean found = new AtomicBoolean();
    try (BackupReader reader = repository.open(last.get().id())) {
      reader.entries(
          entry -> {
            if (entry.area() == StoredFile.Area.DATA && entry.path().startsWith(below)) {
              found.set(true);
            }
          });
      return found.get();
    } catch (IOException | BackupException e) {
      LOG.warn("source={} cannot see what backup {} has", source(), last.get().id(), e);
      return last.get().files() > 0; // a partial one too many costs less than a whole one
    }
  }

  private BackupDescriptor take(
      BackupRequest request,
      Repository repository,
      RunControl control,
      Optional<BackupDescriptor> base,
      List<String> before)
      throws IOException {
    Instant startedAt = clock().instant();
    List<Path> missing =
        paths.stream().filter(path -> !Files.exists(path, LinkOption.NOFOLLOW_LINKS)).toList();
    if (missing.size() == paths.size()) {
      throw nothing();
    }
    List<String> warnings = new ArrayList<>(before);
    boolean partial = false;
    for (Path path : paths) {
      Optional<String> lack = lack(path, repository);
      partial |= lack.isPresent();
      lack.ifPresent(why -> warnings.add(Names.printable(path.toString()) + " " + why));
    }
    BackupStart start =
        new BackupStart(
            source(),
            base.isEmpty() ? BackupType.FULL : BackupType.INCREMENTAL,
            base.map(BackupDescriptor::id),
            request.label(),
            startedAt,
            partial);
    try (BackupWriter writer = repository.begin(start)) {
      LOG.info(
          "backup={} source={} base={} begins",
          writer.id(),
          source(),
          base.map(one -> one.id().toString()).orElse(""));
      FileTree tree = new FileTree(selection, writer, control, clock(), disk);
      control.progress().begin("files", -1);
      for (Path path : paths) {
        String gone = Names.printable(path.toString()) + " is not there";
        if (!warnings.contains(gone) && !tree.add(path, stored(path))) {
          warnings.add(gone);
        }
      }
      control.progress().end("files");
      FileTree.Outcome outcome = tree.outcome();
      boolean whole = warnings.isEmpty() && outcome.whole();
      warnings.addAll(outcome.warnings());
      if (outcome.vanished() > 0) {
        control.progress().note(outcome.vanished() + " entries were removed while it ran");
      }
      warnings.forEach(control.progress()::warning);
      writer.settle();
      return writer.commit(
          BackupFacts.withoutServer(startedAt, clock().instant(), attributes(outcome), warnings),
          whole ? BackupStatus.COMPLETE : BackupStatus.COMPLETED_WITH_WARNING);
    }
  }

  private BackupException nothing() {
    return BackupException.of(
            "files.nothing-there",
            FailureKind.NOT_FOUND,
            "Source "
                + source()
                + ": none of its paths is there: "
                + String.join(", ", paths.stream().map(Path::toString).toList()))
        .remedy("Correct sources." + source() + ".paths, or mount what is missing.")
        .detail("source", source())
        .build();
  }

  private static Map<String, String> attributes(FileTree.Outcome outcome) {
    return Map.of(
        "files.unchanged", Long.toString(outcome.unchanged()),
        "files.folders", Long.toString(outcome.folders()),
        "files.links", Long.toString(outcome.links()),
        "files.excluded", Long.toString(outcome.excluded()),
        "files.vanished", Long.toString(outcome.vanished()));
  }

  @Override
  public List<CheckItem> check(Repository repository) throws IOException {
    List<CheckItem> items = new ArrayList<>();
    for (int i = 0; i < paths.size(); i++) {
      items.add(check("files.paths." + i, paths.get(i)));
    }
    Optional<BackupDescriptor> newest = newest(repository);
    items.add(
        newest
            .map(
                backup -> {
                  String ended = "The last backup ended at " + backup.stoppedAt();
                  if (backup.partial()) {
                    return new CheckItem(
                        "files.backup",
                        CheckItem.Outcome.WARN,
                        ended + " and lacks a path that was not there, not readable or empty",
                        "Run backup " + source() + " when all of them are there.");
                  }
                  return backup.status() == BackupStatus.COMPLETED_WITH_WARNING
                      ? new CheckItem(
                          "files.backup",
                          CheckItem.Outcome.WARN,
                          ended + " with warnings: it may lack what could not be read",
                          "Look at them with show "
                              + backup.id()
                              + ", mend it, and run backup "
                              + source()
                              + ".")
                      : new CheckItem("files.backup", CheckItem.Outcome.OK, ended, "");
                })
            .orElseGet(
                () ->
                    new CheckItem(
                        "files.backup",
                        CheckItem.Outcome.WARN,
                        "There is no backup yet",
                        "Run backup " + source() + ".")));
    return items;
  }

  private static CheckItem check(String subject, Path path) {
    if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
      return new CheckItem(
          subject,
          CheckItem.Outcome.FAIL,
          path + " is not there, or this account may not see it",
          "Correct the path, or mount it.");
    }
    if (Files.isSymbolicLink(path)) {
      return new CheckItem(
          subject,
          CheckItem.Outcome.WARN,
          path + " is a symbolic link: what it leads to is not backed up",
          "Name what it leads to.");
    }
    boolean readable =
        Files.isReadable(path) && (!Files.isDirectory(path) || Files.isExecutable(path));
    return readable
        ? new CheckItem(subject, CheckItem.Outcome.OK, path + " can be read", "")
        : new CheckItem(
            subject,
            CheckItem.Outcome.FAIL,
            "This account may not read " + path,
            "Let it, or run as another account.");
  }

  @Override
  public RestorePlan plan(RestoreRequest request, Repository repository) {
    requirePlain(request);
    BackupDescriptor backup = choose(request, repository);
    try (BackupReader reader = repository.open(backup.id())) {
      TreeRestore.Survey survey =
          new TreeRestore(
                  reader, request.targetDirectory(), request.includes(), RunControl.unattended())
              .survey();
      List<String> notes = new ArrayList<>();
      notes.add(survey.folders() + " folders and " + survey.links() + " links besides");
      survey.problem().ifPresent(problem -> notes.add(problem + ": a restore would be refused"));
      notes.addAll(backup.warnings());
      return new RestorePlan(
          backup,
          request.target(),
          Optional.empty(),
          List.of(),
          survey.files(),
          survey.bytes(),
          notes,
          Optional.empty(),
          Optional.empty(),
          reader.frozen().thaw());
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  @Override
  public RestoreReport restore(RestoreRequest request, Repository repository, RunControl control) {
    requirePlain(request);
    BackupDescriptor backup = choose(request, repository);
    Instant began = clock().instant();
    try (BackupReader reader = repository.open(backup.id())) {
      Frozen frozen = reader.frozen();
      if (!frozen.thaw().isNone()) {
        frozen.request(control);
        frozen.await(control);
      }
      TreeRestore.Laid laid =
          new TreeRestore(reader, request.targetDirectory(), request.includes(), control).run();
      List<String> next = new ArrayList<>(laid.notes());
      backup.warnings().forEach(warning -> next.add("The backup says: " + warning));
      return new RestoreReport(
          backup.id(),
          request.targetDirectory(),
          laid.files(),
          laid.bytesWritten(),
          laid.bytesFetched(),
          0,
          0,
          OptionalLong.empty(),
          Optional.empty(),
          OptionalInt.empty(),
          Duration.between(began, clock().instant()).toMillis(),
          laid.stages(),
          next);
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  private void requirePlain(RestoreRequest request) {
    List<String> refused = new ArrayList<>();
    RecoveryTarget target = request.target();
    if (!(target instanceof RecoveryTarget.Latest) && !(target instanceof RecoveryTarget.AtTime)) {
      refused.add("a moment that is not a time");
    }
    if (request.timeline().isPresent()) {
      refused.add("--timeline");
    }
    if (request.chosenAction().isPresent()) {
      refused.add("--action");
    }
    if (!request.tablespaces().isEmpty()) {
      refused.add("--tablespace");
    }
    if (!request.databases().isEmpty()) {
      refused.add("--databases");
    }
    if (request.standby().isPresent()) {
      refused.add("--standby");
    }
    if (request.start()) {
      refused.add("--start");
    }
    if (request.delta()) {
      refused.add("--delta");
    }
    if (request.backup().isPresent() && target instanceof RecoveryTarget.AtTime) {
      refused.add("a time beside --backup");
    }
    if (!refused.isEmpty()) {
      throw BackupException.of(
              "restore.option-refused",
              FailureKind.CONFIGURATION,
              "Source "
                  + source()
                  + " has files and no server, and a restore of it does not know: "
                  + String.join(", ", refused))
          .remedy("Choose a backup with --backup or --to-time, and files with --include.")
          .detail("source", source())
          .build();
    }
  }

  private BackupDescriptor choose(RestoreRequest request, Repository repository) {
    List<BackupDescriptor> backups =
        repository.source(source()).isEmpty()
            ? List.of()
            : repository.backups(Optional.of(source())).stream()
                .filter(backup -> backup.status().restorable())
                .toList();
    Optional<BackupId> asked = request.backup();
    return backups.stream()
        .filter(
            backup ->
                asked.isPresent()
                    ? backup.id().equals(asked.get())
                    : reaches(request.target(), backup))
        .reduce((one, other) -> other)
        .orElseThrow(
            () ->
                BackupException.of(
                        asked.isPresent() ? "backup.not-found" : "restore.unreachable",
                        FailureKind.NOT_FOUND,
                        "Source "
                            + source()
                            + " has no backup "
                            + asked
                                .map(BackupId::toString)
                                .orElse(
                                    request.target() instanceof RecoveryTarget.AtTime at
                                        ? "that ended by " + at.time()
                                        : "yet"))
                    .remedy("See the backups there are with list " + source() + ".")
                    .detail(
                        "nearest", backups.isEmpty() ? "" : backups.get(0).stoppedAt().toString())
                    .build());
  }

  private static boolean reaches(RecoveryTarget target, BackupDescriptor backup) {
    return !(target instanceof RecoveryTarget.AtTime at)
        || (at.inclusive()
            ? !backup.stoppedAt().isAfter(at.time())
            : backup.stoppedAt().isBefore(at.time()));
  }

  @Override
  public void close() {}
}
