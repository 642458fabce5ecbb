package com.thorbis.backup.dr.point;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.engine.ServerlessEngine;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.engine.SqlEngine;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Takes one recovery point over several sources. Each member is backed up anew, those with a server
 * first; then a backup of this source says which belong together, and its commit puts a hold on
 * each. So the members stay as long as the point does, by the retention of this source. Used by one
 * thread.
 */
public final class RecoveryPointEngine extends ServerlessEngine {
  /** The type of such sources. */
  public static final String TYPE = "recovery-point";

  private static final BackupId NO_POINT = new BackupId("19700101T000000Z-00000000");

  private final List<String> members;
  private final Function<String, SourceEngine> sources;
  private final @Nullable BackupType type;
  private final @Nullable Rule rule;

  private RecoveryPointEngine(Builder builder) {
    super(
        builder.source,
        "Bring its recovery points back with recovery-point restore ID --target-dir DIR.",
        builder.clock);
    this.members = List.copyOf(builder.members);
    this.sources = builder.sources;
    this.type = builder.type;
    this.rule = builder.rule;
    if (members.size() < 2) {
      throw invalid("members names " + members.size() + " source", "Name at least two.");
    }
    if (members.contains(builder.source)) {
      throw invalid("members names itself", "Leave it out.");
    }
    if (rule != null && !rule.prefix().isEmpty() && !rule.prefix().endsWith("/")) {
      throw invalid(
          "reconcile.prefix \"" + rule.prefix() + "\" does not end a folder's name",
          "Write a slash behind it.");
    }
    if (rule != null && !members.contains(rule.files())) {
      throw invalid(
          "reconcile.files names " + rule.files() + ", which is no member",
          "Name one of " + String.join(", ", members) + ".");
    }
  }

  /** How rows and files belong together. */
  private record Rule(String query, String files, String prefix) {}

  /**
   * A source made of others.
   *
   * @param sources gives the engine of another source of this host, which stays its owner's
   */
  public static Builder builder(String source, Function<String, SourceEngine> sources) {
    return new Builder(source, sources);
  }

  /** Collects what it is made of. */
  public static final class Builder {
    private final String source;
    private final Function<String, SourceEngine> sources;
    private final Set<String> members = new LinkedHashSet<>();
    private @Nullable BackupType type;
    private @Nullable Rule rule;
    private Clock clock = Clock.systemUTC();

    private Builder(String source, Function<String, SourceEngine> sources) {
      this.source = source;
      this.sources = sources;
    }

    /** Adds a source; each counts once. */
    public Builder member(String name) {
      members.add(name);
      return this;
    }

    /** What backups of members that have a server read; else what those sources say. */
    public Builder type(BackupType read) {
      this.type = read;
      return this;
    }

    /**
     * How rows and files belong together.
     *
     * @param query SQL that gives one path a row
     * @param files the member that has the files
     * @param prefix what comes before such a path in that member's backups: empty, or a folder with
     *     a slash at its end
     */
    public Builder reconcile(String query, String files, String prefix) {
      this.rule = new Rule(query, files, prefix);
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
     * @throws BackupException of kind CONFIGURATION if it has fewer than two members, or its parts
     *     do not fit
     */
    public RecoveryPointEngine build() {
      return new RecoveryPointEngine(this);
    }
  }

  /** The sources it is made of, in the order in which they are backed up. */
  public List<String> members() {
    return Stream.concat(
            members.stream().filter(name -> !isServerless(name)),
            members.stream().filter(this::isServerless))
        .toList();
  }

  private boolean isServerless(String name) {
    return engine(name) instanceof ServerlessEngine;
  }

  private SourceEngine engine(String name) {
    SourceEngine engine = sources.apply(name);
    if (engine instanceof RecoveryPointEngine) {
      throw invalid(
          "members names " + name + ", a recovery point itself", "Name its members instead.");
    }
    return engine;
  }

  private BackupException invalid(String problem, String remedy) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            "Source " + source() + ": " + problem)
        .remedy(remedy)
        .build();
  }

  /** Each member has to be configured; what else it needs, a check of it tells. */
  @Override
  public List<CheckItem> check(Repository repository) throws IOException {
    try {
      requireOpen(repository);
    } catch (IOException e) {
      if (e instanceof ClassifiedFailure known && known.kind() == FailureKind.REFUSED) {
        return List.of(
            new CheckItem(
                "recovery-point.repository",
                CheckItem.Outcome.FAIL,
                "This host opens nothing of the repository, and so cannot take recovery points",
                "Take them on a host that has recipients."));
      }
      throw e;
    }
    List<String> order = members();
    long servers = order.stream().filter(name -> !isServerless(name)).count();
    return List.of(
        servers > 1
            ? new CheckItem(
                "recovery-point.members",
                CheckItem.Outcome.WARN,
                servers + " members have a server: each is taken at a moment of its own",
                "Let transactions that belong together be in one server, or accept it.")
            : new CheckItem(
                "recovery-point.members",
                CheckItem.Outcome.OK,
                "taken in this order: " + String.join(", ", order),
                ""));
  }

  /**
   * Backs up every member, then says that they belong together.
   *
   * @throws BackupException code {@code recovery-point.member-failed} if a member cannot be backed
   *     up: there is no point then, and what was taken before stays as a backup like any other
   */
  @Override
  protected BackupDescriptor take(BackupRequest request, Repository repository, RunControl control)
      throws IOException {
    List<String> order = members();
    requireOpen(repository);
    repository.register(source(), TYPE);
    Instant begun = clock().instant();
    List<BackupDescriptor> backups = new ArrayList<>();
    for (String name : order) {
      control.cancellation().check();
      backups.add(backUp(name, backups, repository, control));
    }
    List<RecoveryPoint.Member> taken = new ArrayList<>();
    for (BackupDescriptor backup : backups) {
      taken.add(RecoveryPoint.Member.of(backup, facts(backup, repository)));
    }
    boolean partial = backups.stream().anyMatch(BackupDescriptor::partial);
    BackupStart start =
        new BackupStart(
            source(),
            BackupType.FULL,
            Optional.empty(),
            request.label(),
            begun,
            partial,
            backups.stream().map(BackupDescriptor::id).toList());
    List<String> warnings = warnings(backups);
    try (BackupWriter writer = repository.begin(start)) {
      return writer.commit(
          BackupFacts.withoutServer(
              begun, clock().instant(), RecoveryPoint.attributes(taken), warnings),
          warnings.isEmpty() ? BackupStatus.COMPLETE : BackupStatus.COMPLETED_WITH_WARNING);
    }
  }

  /** A sealed writer could take every member, and then not say that they belong together. */
  private void requireOpen(Repository repository) throws IOException {
    repository.members(NO_POINT);
  }

  private BackupDescriptor backUp(
      String name, List<BackupDescriptor> before, Repository repository, RunControl control)
      throws IOException {
    SourceEngine engine = engine(name);
    BackupRequest.Builder request =
        BackupRequest.builder(name).label("for recovery point " + source());
    if (type != null && !(engine instanceof ServerlessEngine)) {
      request.type(type);
    }
    try {
      return engine.backup(request.build(), repository, control);
    } catch (BackupException e) {
      throw failed(name, before, e, e);
    } catch (IOException e) {
      if (e instanceof ClassifiedFailure known) {
        throw failed(name, before, known, e);
      }
      throw e;
    }
  }

  private BackupException failed(
      String name, List<BackupDescriptor> before, ClassifiedFailure why, Exception cause) {
    if (cause instanceof BackupException cancelled && cancelled.kind() == FailureKind.CANCELLED) {
      return cancelled;
    }
    BackupException.Builder failure =
        BackupException.of(
                "recovery-point.member-failed",
                why.kind(),
                "No recovery point "
                    + source()
                    + ": "
                    + name
                    + " cannot be backed up: "
                    + cause.getMessage()
                    + (before.isEmpty()
                        ? ""
                        : ". Taken before, and kept as any backup is: "
                            + String.join(
                                ", ", before.stream().map(one -> one.id().value()).toList())))
            .remedy(why.remedy())
            .cause(cause);
    why.details().forEach(failure::detail);
    return failure.detail("member", name).detail("member-code", why.code()).build();
  }

  /** What an engine without a server said; a server's is long and in its own backup. */
  private static Map<String, String> facts(BackupDescriptor backup, Repository repository)
      throws IOException {
    if (backup.server().isPresent()) {
      return Map.of();
    }
    try (BackupReader reader = repository.open(backup.id())) {
      return reader.facts().attributes();
    }
  }

  private static List<String> warnings(List<BackupDescriptor> backups) {
    List<String> warnings = new ArrayList<>();
    for (BackupDescriptor backup : backups) {
      backup.warnings().forEach(warning -> warnings.add(backup.source() + ": " + warning));
    }
    return warnings;
  }

  /**
   * What a recovery point consists of.
   *
   * @throws BackupException code {@code backup.not-found} if this source has none of this id
   */
  public RecoveryPoint point(BackupId id, Repository repository) throws IOException {
    BackupDescriptor backup =
        repository
            .backup(id)
            .filter(found -> found.source().equals(source()))
            .orElseThrow(
                () ->
                    BackupException.of(
                            "backup.not-found",
                            FailureKind.NOT_FOUND,
                            "Source " + source() + " has no recovery point " + id)
                        .remedy("See those there are with list " + source() + ".")
                        .build());
    try (BackupReader reader = repository.open(id)) {
      return RecoveryPoint.read(backup, reader.facts());
    }
  }

  /**
   * Looks whether each member can be brought back, and says where it goes: below the folder, in one
   * of its own name, or why it cannot. Changes nothing.
   *
   * @param only of these sources; empty for all
   * @param start whether servers are started, to prove the position reached
   * @throws BackupException code {@code recovery-point.no-such-member} if it has no member that is
   *     asked for
   */
  public PointPlan plan(
      BackupId id, Path folder, Set<String> only, boolean start, Repository repository)
      throws IOException {
    RecoveryPoint point = point(id, repository);
    for (String name : only) {
      if (point.member(name).isEmpty()) {
        throw BackupException.of(
                "recovery-point.no-such-member",
                FailureKind.NOT_FOUND,
                "Recovery point " + id + " has no member " + name)
            .remedy(
                "It has "
                    + String.join(
                        ", ", point.members().stream().map(RecoveryPoint.Member::source).toList())
                    + ".")
            .build();
      }
    }
    List<PointPlan.Part> parts = new ArrayList<>();
    for (RecoveryPoint.Member member : point.members()) {
      if (only.isEmpty() || only.contains(member.source())) {
        parts.add(planned(point, member, folder, start, repository));
      }
    }
    return new PointPlan(point, parts);
  }

  private PointPlan.Part planned(
      RecoveryPoint point,
      RecoveryPoint.Member member,
      Path folder,
      boolean start,
      Repository repository) {
    try {
      return plan(point, member, folder, start, repository);
    } catch (BackupException e) {
      return PointPlan.Part.impossible(member, e);
    } catch (IOException e) {
      return PointPlan.Part.impossible(member, BackupException.from(e));
    }
  }

  private PointPlan.Part plan(
      RecoveryPoint point,
      RecoveryPoint.Member member,
      Path folder,
      boolean start,
      Repository repository)
      throws IOException {
    BackupDescriptor backup = backup(point, member, repository);
    SourceEngine engine = sources.apply(member.source());
    Optional<String> command = engine.restoreCommand(backup);
    if (command.isPresent()) {
      return new PointPlan.Part(
          member,
          Optional.of(backup),
          Optional.empty(),
          Optional.empty(),
          command,
          Optional.empty());
    }
    Path target = folder.resolve(member.source());
    RestorePlan plan = engine.plan(request(backup, target, start), repository);
    return new PointPlan.Part(
        member,
        Optional.of(backup),
        Optional.of(target),
        Optional.of(plan),
        Optional.empty(),
        Optional.empty());
  }

  /** The member's backup under its name now: sealed anew it has another. */
  private static BackupDescriptor backup(
      RecoveryPoint point, RecoveryPoint.Member member, Repository repository) throws IOException {
    Optional<BackupDescriptor> same = repository.backup(member.backup());
    if (same.isPresent()) {
      return same.get();
    }
    return repository.members(point.id()).stream()
        .filter(one -> one.source().equals(member.source()))
        .findFirst()
        .orElseThrow(
            () ->
                BackupException.of(
                        "recovery-point.member-gone",
                        FailureKind.NOT_FOUND,
                        "Backup "
                            + member.backup()
                            + " of "
                            + member.source()
                            + ", a member of recovery point "
                            + point.id()
                            + ", was given up")
                    .remedy(
                        "Bring it back with undelete if list --deleted still shows it; or take"
                            + " another recovery point, or leave this member out with --source.")
                    .detail("member", member.source())
                    .build());
  }

  private static RestoreRequest request(BackupDescriptor backup, Path target, boolean start) {
    RestoreRequest.Builder request =
        RestoreRequest.builder(backup.source(), target).backup(backup.id());
    if (backup.physical()) {
      request.target(new RecoveryTarget.Immediate()).start(start);
    }
    return request.build();
  }

  /**
   * Plans and brings a recovery point back, servers first. A member that fails, or is cancelled,
   * does not stop the others; the report has it.
   *
   * @param folder new or empty; gets a folder for each member
   * @throws BackupException kind REFUSED if there is something in the folder
   * @see #plan
   */
  public PointReport restore(
      BackupId id,
      Path folder,
      Set<String> only,
      boolean start,
      Repository repository,
      RunControl control)
      throws IOException {
    PointPlan plan = plan(id, folder, only, start, repository);
    requireEmpty(folder);
    List<PointReport.Part> parts = new ArrayList<>();
    for (PointPlan.Part part : plan.parts()) {
      parts.add(restore(part, start, repository, control));
    }
    return new PointReport(plan.point(), parts);
  }

  private PointReport.Part restore(
      PointPlan.Part part, boolean start, Repository repository, RunControl control) {
    if (part.target().isEmpty() || part.backup().isEmpty()) {
      return new PointReport.Part(part, Optional.empty(), part.failure());
    }
    try {
      RestoreReport report =
          sources
              .apply(part.member().source())
              .restore(
                  request(part.backup().get(), part.target().get(), start), repository, control);
      return new PointReport.Part(part, Optional.of(report), Optional.empty());
    } catch (BackupException e) {
      return new PointReport.Part(part, Optional.empty(), Optional.of(e));
    } catch (IOException e) {
      return new PointReport.Part(part, Optional.empty(), Optional.of(BackupException.from(e)));
    }
  }

  /** Servers' accounts must be able to pass through to their own folder. */
  private static void requireEmpty(Path folder) throws IOException {
    try {
      Files.createDirectory(
          folder,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    } catch (FileAlreadyExistsException e) {
      boolean empty;
      try (Stream<Path> found = Files.list(folder)) {
        empty = found.findAny().isEmpty();
      }
      if (!empty) {
        throw BackupException.of(
                "restore.target-not-empty", FailureKind.REFUSED, folder + " is not empty")
            .remedy("Name a new or empty folder.")
            .build();
      }
    }
  }

  /**
   * Compares the files of a recovery point with what rows say of them. Repairs nothing.
   *
   * @param url the restored database, which is only read, within one transaction
   * @param user the role; empty where the URL names it
   * @param password stays the caller's
   * @throws BackupException code {@code recovery-point.no-rule} if the source has no query; code
   *     {@code recovery-point.no-database} if no member answers SQL; code {@code
   *     recovery-point.query-failed} if the query does not work
   */
  public Reconciliation reconcile(
      BackupId id,
      String url,
      Optional<String> user,
      Optional<SecretValue> password,
      Repository repository,
      RunControl control)
      throws IOException {
    Rule how = rule;
    if (how == null) {
      throw BackupException.of(
              "recovery-point.no-rule",
              FailureKind.CONFIGURATION,
              "Source " + source() + " does not say which rows name files")
          .remedy("Set reconcile.query and reconcile.files.")
          .build();
    }
    RecoveryPoint point = point(id, repository);
    RecoveryPoint.Member files =
        point
            .member(how.files())
            .orElseThrow(
                () ->
                    BackupException.of(
                            "recovery-point.no-such-member",
                            FailureKind.NOT_FOUND,
                            "Recovery point " + id + " has no member " + how.files())
                        .remedy("Take a recovery point that has it.")
                        .build());
    try (Connection rows = database(point).connect(url, user, password);
        BackupReader reader = repository.open(backup(point, files, repository).id())) {
      return Reconciler.compare(reader, how.prefix(), rows, how.query(), control);
    } catch (SQLException e) {
      throw BackupException.of(
              "recovery-point.query-failed",
              FailureKind.PERMANENT,
              "The query that gives the paths of files failed: " + e.getMessage())
          .remedy("Correct reconcile.query of the source; it gives one path a row.")
          .cause(e)
          .build();
    }
  }

  private SqlEngine database(RecoveryPoint point) {
    return point.members().stream()
        .map(member -> sources.apply(member.source()))
        .flatMap(engine -> engine instanceof SqlEngine sql ? Stream.of(sql) : Stream.empty())
        .findFirst()
        .orElseThrow(
            () ->
                BackupException.of(
                        "recovery-point.no-database",
                        FailureKind.CONFIGURATION,
                        "No member of recovery point " + point.id() + " has a database")
                    .remedy("Only one that has can be compared with its files.")
                    .build());
  }

  @Override
  public void close() {}
}
