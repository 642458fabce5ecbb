package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.postgres.plan.RecoverySettings;
import com.thorbis.backup.postgres.serve.Exchange;
import com.thorbis.backup.postgres.serve.FetchCommand;
import com.thorbis.backup.postgres.serve.Registrations;
import com.thorbis.backup.postgres.server.RecoveryRun;
import com.thorbis.backup.postgres.server.ServerPrograms;
import com.thorbis.backup.postgres.server.ServerUser;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;
import java.util.zip.CRC32C;

/** Writes the data directory that a plan starts from, and starts a server on it if asked to. */
public final class Restorer {
  static final String LABEL = "backup_label";
  static final String AUTO = "postgresql.auto.conf";
  private static final List<String> CONTROL = EntryPath.names(ControlFile.PATH);

  /** Files at the top of a data directory that are written here, or must not be there. */
  private static final Set<String> OURS =
      Set.of(
          LABEL,
          "backup_label.old",
          Tablespaces.MAP,
          "tablespace_map.old",
          ManifestWriter.NAME,
          "backup_manifest.tmp",
          AUTO,
          "postgresql.auto.conf.tmp",
          "recovery.signal",
          "standby.signal",
          "promote",
          "postmaster.pid",
          "postmaster.opts");

  /** Folders that a server expects and that a backup may have left out because they are empty. */
  static final List<List<String>> EXPECTED =
      List.of(
          List.of("base"),
          List.of("global"),
          List.of("pg_commit_ts"),
          List.of("pg_dynshmem"),
          List.of("pg_logical", "mappings"),
          List.of("pg_logical", "snapshots"),
          List.of("pg_multixact", "members"),
          List.of("pg_multixact", "offsets"),
          List.of("pg_notify"),
          List.of("pg_replslot"),
          List.of("pg_serial"),
          List.of("pg_snapshots"),
          List.of("pg_stat"),
          List.of("pg_stat_tmp"),
          List.of("pg_subtrans"),
          List.of("pg_tblspc"),
          List.of("pg_twophase"),
          List.of("pg_wal", "archive_status"),
          List.of("pg_xact"));

  private static final long MOST_SETTINGS_BYTES = 1 << 20;

  private final PostgresSettings settings;
  private final Speeds speeds;

  /** For the configured source. */
  public Restorer(PostgresSettings settings) {
    this.settings = settings;
    this.speeds = new Speeds(settings);
  }

  /** Restores what can be read at once. */
  RestoreReport restore(
      RestoreRequest request,
      RestorePlan plan,
      String incarnation,
      Repository repository,
      RunControl control)
      throws IOException {
    try (BackupReader reader = repository.open(plan.backup().id())) {
      return restore(request, plan, incarnation, repository, reader, Frozen.NOTHING, control);
    }
  }

  /**
   * Restores.
   *
   * @param incarnation the life of the source that the plan was made for, whose log is followed
   * @param reader of the backup; what it must bring back was requested, and stays the caller's
   * @param log what of the plan's log must be brought back, and was requested: a server that
   *     recovers takes nothing for an answer but the log
   */
  RestoreReport restore(
      RestoreRequest request,
      RestorePlan plan,
      String incarnation,
      Repository repository,
      BackupReader reader,
      Frozen log,
      RunControl control)
      throws IOException {
    Stages stages = new Stages(control);
    Laid laid = lay(request, plan, incarnation, repository, reader, log, stages, found -> {});
    TargetTree tree = laid.tree();
    ServerUser owner = laid.owner();
    List<String> next = new ArrayList<>();
    notes(reader, laid.stored(), laid.prepared(), control, next);
    if (!request.start()) {
      announce(tree.root(), incarnation, control);
      next.add(
          "Keep running until recovery is over: thorbis wal serve "
              + settings.source()
              + (settings.launcher().isPresent()
                  ? " (without it the server's account starts \"thorbis wal get\" for each"
                      + " segment, and must be able to read the configuration)"
                  : ""));
      next.add(
          "Start the server as "
              + owner
              + ", on another port with -o \"-p PORT\" where its own is taken: "
              + pgCtl(plan)
              + " -D "
              + tree.root()
              + " -l "
              + tree.root().resolve("recovery.log")
              + " start");
      next.add(request.standby().isPresent() ? following(request) : adoption());
      remember(laid, 0, 0);
      return report(plan, tree, laid.counts(), Optional.empty(), stages, next);
    }
    RecoveryRun run = new RecoveryRun(settings, repository, incarnation, control);
    RecoveryRun.Outcome outcome =
        run.run(
            tree.root(),
            owner,
            request.action(),
            request.standby().isPresent(),
            plan,
            stages::begin);
    stages.end();
    remember(
        laid,
        plan.wal().stream().mapToLong(r -> r.end().value() - r.start().value()).sum(),
        stages.totalMillis() - laid.millis());
    if (request.standby().isPresent()) {
      announce(tree.root(), incarnation, control);
    }
    if (outcome.running() && request.action() == RestoreRequest.Action.PAUSE) {
      announce(tree.root(), incarnation, control);
      next.add(
          "The server waits at the target. To go on, keep running: thorbis wal serve "
              + settings.source());
    }
    next.addAll(outcome.next());
    next.add(request.standby().isPresent() ? following(request) : adoption());
    return report(plan, tree, laid.counts(), Optional.of(outcome), stages, next);
  }

  /**
   * Lays the files down, durably, and starts nothing.
   *
   * @param before told what will be laid, before anything is written
   */
  Laid lay(
      RestoreRequest request,
      RestorePlan plan,
      String incarnation,
      Repository repository,
      BackupReader reader,
      Frozen log,
      Stages stages,
      Consumer<RestorePlan> before)
      throws IOException {
    RunControl control = stages.control();
    stages.begin("plan", 0);
    Preparation prepared = Preparation.of(settings, request, plan, reader);
    before.accept(looked(request, plan, prepared));
    Survey survey = prepared.survey();
    Tablespaces tablespaces = prepared.tablespaces();
    ServerUser owner = prepared.owner();
    byte[] control0 = prepared.control();
    RecoverySettings recovery = recovery(request, plan);
    String stored = text(reader, AUTO);
    String auto =
        Fence.file(
            stored,
            settings.source(),
            plan.backup().id(),
            incarnation,
            plan.backup().cluster().majorVersion(),
            recovery.values());
    prepared.expect(recovery.signalFile());

    stages.begin("copy", survey.bytes());
    TargetTree tree = prepared.open();
    Unfinished.of(plan.backup().cluster().systemIdText(), tablespaces).write(tree);
    long removed = prepared.clear(tree);
    Map<Long, TargetTree> outside = tablespaces.open(owner);
    long files;
    long bytes;
    long fetched;
    long kept;
    try (Syncer syncer = new Syncer();
        ManifestWriter manifest = manifest(tree, plan.backup())) {
      for (List<String> folder : EXPECTED) {
        tree.folder(folder);
      }
      Laying laying = new Laying(tree, outside, tablespaces, manifest, syncer, control);
      for (List<String> folder : survey.folders()) {
        laying.folder(folder);
      }
      for (Map.Entry<Long, TargetTree> place : outside.entrySet()) {
        tree.link(List.of("pg_tblspc", Long.toString(place.getKey())), place.getValue().root());
      }
      Selection selection = prepared.selection();
      fetched = reader.extract(file -> laidDown(file, selection, false), laying, control);
      if (selection.partial()) {
        reader.entries(
            file -> {
              if (laidDown(file, selection, true)) {
                laying.empty(file);
              }
            });
      }
      stages.begin("sync", 0);
      if (prepared.laysConfiguration()) {
        fetched += layConfiguration(reader, prepared.configuration(), owner, control);
      }
      Writing writing = new Writing(tree, manifest, reader.facts());
      writing.file(LABEL, Preparation.required(reader, LABEL));
      Optional<byte[]> map = tablespaces.map();
      if (map.isPresent()) {
        writing.file(Tablespaces.MAP, map.get());
      }
      if (!survey.has(MinimalConfiguration.SERVER)) {
        writing.file(
            MinimalConfiguration.SERVER,
            MinimalConfiguration.server(prepared.controlFile().limits()));
      }
      if (!survey.has(MinimalConfiguration.ACCESS)) {
        writing.file(MinimalConfiguration.ACCESS, MinimalConfiguration.access());
      }
      if (!survey.has(MinimalConfiguration.IDENTITIES)) {
        writing.file(
            MinimalConfiguration.IDENTITIES,
            MinimalConfiguration.identities(owner.name(), settings.user()));
      }
      writing.file(AUTO, auto);
      writing.unlisted(recovery.signalFile(), new byte[0]);
      manifest.file(ControlFile.PATH, control0.length, reader.facts().stoppedAt(), crc(control0));
      manifest.finish(plan.backup().timeline(), plan.backup().startLsn(), plan.backup().stopLsn());
      TargetTree.force(tree.path(List.of(ManifestWriter.NAME)));
      Exchange.create(tree.root(), owner);
      Exchange.follow(tree.root(), incarnation, owner);
      syncer.finish();
      files = laying.files() + writing.files() + 1;
      bytes = laying.bytes() + writing.bytes() + control0.length;
      kept = laying.kept();
    }
    control.cancellation().check();
    log.await(control);
    finish(tree, outside, control0);
    stages.end();
    long filesMillis = stages.totalMillis();
    return new Laid(
        tree,
        owner,
        prepared,
        stored,
        new Counts(files, bytes, fetched, kept, removed),
        filesMillis);
  }

  /** Keeps how long it took, for estimates. */
  void remember(Laid laid, long walBytes, long walMillis) {
    speeds.add(laid.run(walBytes, walMillis));
  }

  /**
   * What lies there.
   *
   * @param stored the settings that the backup has in {@code postgresql.auto.conf}
   * @param millis how long it took
   */
  record Laid(
      TargetTree tree,
      ServerUser owner,
      Preparation prepared,
      String stored,
      Counts counts,
      long millis) {
    Speeds.Run run(long walBytes, long walMillis) {
      return new Speeds.Run(
          prepared.survey().files(),
          prepared.survey().bytes(),
          counts.fetched(),
          millis,
          walBytes,
          walMillis);
    }
  }

  record Counts(long files, long bytes, long fetched, long kept, long removed) {}

  /**
   * What a restore would do, as far as that can be seen without doing it: refuses what it would
   * refuse before it writes.
   */
  public RestorePlan look(RestoreRequest request, RestorePlan plan, Repository repository)
      throws IOException {
    try (BackupReader reader = repository.open(plan.backup().id())) {
      Preparation prepared = Preparation.of(settings, request, plan, reader);
      prepared.expect(recovery(request, plan).signalFile());
      return looked(request, plan, prepared);
    }
  }

  private RestorePlan looked(RestoreRequest request, RestorePlan plan, Preparation prepared)
      throws IOException {
    List<String> notes = new ArrayList<>(plan.notes());
    notes.addAll(prepared.notes());
    return new RestorePlan(
        plan.backup(),
        plan.target(),
        plan.timeline(),
        plan.wal(),
        prepared.survey().files(),
        prepared.survey().bytes(),
        notes,
        plan.until(),
        Optional.of(
            speeds.estimate(
                prepared.survey().files(), prepared.survey().bytes(), plan.wal(), request.start())),
        plan.thaw());
  }

  /** What it may take, by what the plan says. */
  RestorePlan.Estimate estimate(RestoreRequest request, RestorePlan plan) throws IOException {
    return speeds.estimate(plan.files(), plan.bytes(), plan.wal(), request.start());
  }

  private RecoverySettings recovery(RestoreRequest request, RestorePlan plan) {
    int major = plan.backup().cluster().majorVersion();
    String command = FetchCommand.restoreCommand(settings);
    if (request.standby().isPresent()) {
      return RecoverySettings.standby(
          major,
          request.standby().get().primaryConninfo().orElseGet(this::primary),
          request.standby().get().slot(),
          command);
    }
    return RecoverySettings.of(
        major, plan.target(), request.action(), plan.timeline().orElseThrow(), command);
  }

  private String primary() {
    return "host="
        + RecoverySettings.conninfoValue(settings.address().host())
        + " port="
        + settings.address().port()
        + " user="
        + RecoverySettings.conninfoValue(settings.user());
  }

  private String following(RestoreRequest request) {
    return "It follows "
        + request
            .standby()
            .flatMap(RestoreRequest.Standby::primaryConninfo)
            .orElseGet(this::primary)
        + ": its password, if it needs one, belongs into the .pgpass of the server's account. It is"
        + " fenced: when it is promoted and takes the source's place: thorbis source adopt "
        + settings.source();
  }

  private String pgCtl(RestorePlan plan) throws IOException {
    try {
      return ServerPrograms.find(settings.binDirectory(), plan.backup().cluster().majorVersion())
          .program("pg_ctl");
    } catch (BackupException e) {
      return "pg_ctl"; // of this version, wherever it will be installed
    }
  }

  /** Without it the restore is as good, and the server's script asks the repository itself. */
  private void announce(Path dataDirectory, String incarnation, RunControl control) {
    try {
      new Registrations(settings).add(dataDirectory, incarnation);
    } catch (IOException e) {
      control
          .progress()
          .warning(
              "\"thorbis wal serve\" will not know of "
                  + dataDirectory
                  + ": "
                  + settings.stateDirectory()
                  + " cannot be written: "
                  + e.getMessage());
    }
  }

  private String adoption() {
    return "It is fenced and not backed up. When it takes the source's place: thorbis source adopt "
        + settings.source();
  }

  private static RestoreReport report(
      RestorePlan plan,
      TargetTree tree,
      Counts counts,
      Optional<RecoveryRun.Outcome> outcome,
      Stages stages,
      List<String> next) {
    return new RestoreReport(
        plan.backup().id(),
        tree.root(),
        counts.files(),
        counts.bytes(),
        counts.fetched(),
        counts.kept(),
        counts.removed(),
        outcome.map(o -> OptionalLong.of(o.walSegments())).orElse(OptionalLong.empty()),
        outcome.map(RecoveryRun.Outcome::reached),
        outcome
            .filter(RecoveryRun.Outcome::running)
            .map(o -> OptionalInt.of(o.port()))
            .orElse(OptionalInt.empty()),
        stages.totalMillis(),
        stages.millis(),
        next);
  }

  /** Everything is durable before the one file without which nothing starts. */
  private static void finish(TargetTree tree, Map<Long, TargetTree> outside, byte[] controlFile)
      throws IOException {
    for (TargetTree place : outside.values()) {
      for (Path folder : place.folders()) {
        TargetTree.force(folder);
      }
      place.give();
    }
    TargetTree.force(tree.root().resolve(Exchange.FOLDER));
    for (Path folder : tree.folders()) {
      TargetTree.force(folder);
    }
    tree.write(CONTROL, controlFile);
    TargetTree.force(Objects.requireNonNull(tree.path(CONTROL).getParent()));
    Unfinished.remove(tree);
    tree.give();
  }

  private static ManifestWriter manifest(TargetTree tree, BackupDescriptor backup)
      throws IOException {
    tree.discard(List.of(ManifestWriter.NAME));
    FileChannel channel = tree.create(List.of(ManifestWriter.NAME));
    try {
      return new ManifestWriter(
          Channels.newOutputStream(channel),
          backup.cluster().majorVersion(),
          backup.cluster().systemIdText());
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  private static long layConfiguration(
      BackupReader reader, Path place, ServerUser owner, RunControl control) throws IOException {
    TargetTree tree = TargetTree.open("The folder for the source's configuration", place, owner);
    long fetched =
        reader.extract(
            file -> file.area() == Area.CONFIG && file.kind() == Kind.FILE,
            file -> new PlainOutput(tree.create(EntryPath.names(file.path()))),
            control);
    for (Path folder : tree.folders()) {
      TargetTree.force(folder);
    }
    tree.give();
    return fetched;
  }

  static boolean reserved(String name) {
    return OURS.contains(name);
  }

  /** Whether a file comes from the backup, with its content or without. */
  private static boolean laidDown(StoredFile file, Selection selection, boolean empty) {
    if (file.area() != Area.DATA || file.kind() != Kind.FILE) {
      return false;
    }
    List<String> names = EntryPath.names(file.path());
    return laidDown(names) && selection.empties(names) == empty;
  }

  static boolean laidDown(List<String> names) {
    return !(names.size() == 1 && OURS.contains(names.get(0)))
        && !names.equals(CONTROL)
        // The log comes from the archive, and slots would hold back what nobody fetches.
        && !(names.size() > 1
            && (names.get(0).equals("pg_wal") || names.get(0).equals("pg_replslot")));
  }

  private static String text(BackupReader reader, String path) throws IOException {
    byte[] content = reader.read(Area.DATA, path).orElse(new byte[0]);
    if (content.length > MOST_SETTINGS_BYTES) {
      throw BackupException.of(
              "restore.settings-too-long",
              FailureKind.DAMAGED,
              "The backup's " + path + " has " + content.length + " bytes")
          .remedy("Restore another backup.")
          .build();
    }
    return new String(content, StandardCharsets.UTF_8);
  }

  private static void notes(
      BackupReader reader,
      String stored,
      Preparation prepared,
      RunControl control,
      List<String> next)
      throws IOException {
    next.addAll(prepared.next());
    StringBuilder texts = new StringBuilder(stored);
    for (Area area : new Area[] {Area.DATA, Area.CONFIG}) {
      texts.append('\n');
      reader
          .read(area, MinimalConfiguration.SERVER)
          .ifPresent(bytes -> texts.append(new String(bytes, StandardCharsets.UTF_8)));
    }
    List<String> jobs = Fence.jobs(texts.toString());
    if (!jobs.isEmpty()) {
      String warning =
          "The cluster loads "
              + String.join(", ", jobs)
              + ", which runs jobs by itself as soon as recovery ends; the fence does not stop"
              + " them. Take it out of shared_preload_libraries first if they reach other systems";
      control.progress().warning(warning);
      next.add(warning);
    }
  }

  static int crc(byte[] content) {
    CRC32C crc = new CRC32C();
    crc.update(content, 0, content.length);
    return (int) crc.getValue();
  }

  /** Files that we write ourselves, into the tree and the manifest. */
  private static final class Writing {
    private final TargetTree tree;
    private final ManifestWriter manifest;
    private final BackupFacts facts;
    private long files;
    private long bytes;

    Writing(TargetTree tree, ManifestWriter manifest, BackupFacts facts) {
      this.tree = tree;
      this.manifest = manifest;
      this.facts = facts;
    }

    void file(String name, String content) throws IOException {
      file(name, content.getBytes(StandardCharsets.UTF_8));
    }

    void file(String name, byte[] content) throws IOException {
      unlisted(name, content);
      manifest.file(name, content.length, facts.stoppedAt(), crc(content));
    }

    void unlisted(String name, byte[] content) throws IOException {
      tree.write(List.of(name), content);
      files++;
      bytes += content.length;
    }

    long files() {
      return files;
    }

    long bytes() {
      return bytes;
    }
  }
}
