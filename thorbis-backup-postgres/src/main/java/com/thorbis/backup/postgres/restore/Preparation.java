package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.postgres.server.ServerUser;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** All that is looked at, and may be refused, before a restore writes. Changes nothing itself. */
final class Preparation {
  private static final Pattern LABEL_START =
      Pattern.compile("^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+) ", Pattern.MULTILINE);
  static final String TARGET = "The target folder";

  private final Path target;
  private final Path configuration;
  private final ServerUser owner;
  private final Optional<ExistingCluster> there;
  private final Tablespaces tablespaces;
  private final Selection selection;
  private final Survey survey;
  private final byte[] control;
  private final ControlFile controlFile;
  private final boolean laysConfiguration;

  /**
   * Looks at the target, and changes nothing.
   *
   * @return the cluster that is there and may be laid over
   * @throws BackupException of kind REFUSED if it is neither that nor free
   */
  static Optional<ExistingCluster> place(RestoreRequest request, BackupDescriptor backup)
      throws IOException {
    if (request.delta() && holdsSomething(request.targetDirectory())) {
      return Optional.of(ExistingCluster.check(request.targetDirectory(), backup));
    }
    TargetTree.checkFree(TARGET, request.targetDirectory());
    return Optional.empty();
  }

  private Preparation(
      PostgresSettings settings, RestoreRequest request, RestorePlan plan, BackupReader reader)
      throws IOException {
    this.there = place(request, plan.backup());
    boolean reuse = there.isPresent();
    this.target =
        reuse ? there.get().root() : TargetTree.checkFree(TARGET, request.targetDirectory());
    this.configuration = target.resolveSibling(target.getFileName() + "-config");
    this.owner =
        reuse && settings.serverUser().isEmpty()
            ? ServerUser.owning(target)
            : ServerUser.choose(settings.serverUser(), target);
    this.tablespaces =
        Tablespaces.decide(
            reader.facts().tablespaces(),
            request.tablespaces(),
            List.of(target, configuration),
            there);
    NewerTablespaces.refuse(settings, request.target(), reader.facts());
    this.selection = Selection.of(request.databases(), reader);
    this.survey = Survey.of(reader, tablespaces, selection, reuse);
    checkLabel(reader, plan);
    this.control = required(reader, ControlFile.PATH);
    this.controlFile = checkIdentity(plan.backup(), ControlFile.parse(control));
    if (survey.configured() && !reuse) {
      TargetTree.checkFree("The folder for the source's configuration", configuration);
    }
    this.laysConfiguration = survey.configured() && !(reuse && holdsSomething(configuration));
    expectOurs();
  }

  static Preparation of(
      PostgresSettings settings, RestoreRequest request, RestorePlan plan, BackupReader reader)
      throws IOException {
    return new Preparation(settings, request, plan, reader);
  }

  private static boolean holdsSomething(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return false;
    }
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
      return entries.iterator().hasNext();
    }
  }

  /** What belongs into the data directory besides what comes from the backup. */
  private void expectOurs() {
    Restorer.EXPECTED.forEach(survey::expectFolder);
    expect(Restorer.LABEL);
    expect(Restorer.AUTO);
    expect(ManifestWriter.NAME);
    expect(Unfinished.NAME);
    survey.expectFile(EntryPath.names(ControlFile.PATH));
    if (tablespaces.map().isPresent()) {
      expect(Tablespaces.MAP);
    }
    for (String name :
        new String[] {
          MinimalConfiguration.SERVER, MinimalConfiguration.ACCESS, MinimalConfiguration.IDENTITIES
        }) {
      if (!survey.has(name)) {
        expect(name);
      }
    }
  }

  /** Says that a file of ours will lie at the top of the data directory. */
  void expect(String name) {
    survey.expectFile(List.of(name));
  }

  Survey survey() {
    return survey;
  }

  Tablespaces tablespaces() {
    return tablespaces;
  }

  Selection selection() {
    return selection;
  }

  ServerUser owner() {
    return owner;
  }

  /** The control file, as it will be laid last. */
  byte[] control() {
    return control.clone();
  }

  ControlFile controlFile() {
    return controlFile;
  }

  /** Where configuration from outside the source's data directory goes. */
  Path configuration() {
    return configuration;
  }

  /** Whether there is any, and room for it. */
  boolean laysConfiguration() {
    return laysConfiguration;
  }

  /** The data directory, opened for writing. */
  TargetTree open() throws IOException {
    return there.isPresent()
        ? TargetTree.reuse(target, owner)
        : TargetTree.open(TARGET, target, owner);
  }

  /**
   * Makes sure that no server starts on what is there, and removes what does not belong there.
   *
   * @return how many files and folders
   */
  long clear(TargetTree tree) throws IOException {
    if (there.isEmpty()) {
      return 0;
    }
    Path control = target.resolve(ControlFile.PATH);
    Path folder = target.resolve("global");
    if (Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
      Files.deleteIfExists(control);
      TargetTree.force(folder);
    }
    return Sweep.clean(survey, there.get(), tablespaces).found();
  }

  /** What a person should know beforehand. */
  List<String> notes() throws IOException {
    List<String> notes = new ArrayList<>();
    if (there.isPresent()) {
      notes.add(
          "The cluster in "
              + target
              + " is brought to the backup: what is right stays, everything else is overwritten");
      notes.addAll(Sweep.look(survey, there.get(), tablespaces).notes());
    }
    tablespaces
        .outside()
        .forEach((oid, path) -> notes.add("Tablespace " + oid + " is laid in " + path));
    selection.note().ifPresent(notes::add);
    if (laysConfiguration) {
      notes.add("The source's own configuration is laid in " + configuration);
    }
    return notes;
  }

  /** What a person should know afterwards. */
  List<String> next() {
    List<String> next = new ArrayList<>();
    if (laysConfiguration) {
      next.add("The source's own configuration lies in " + configuration);
    } else if (survey.configured()) {
      next.add(
          "The source's own configuration was not laid again, as there is something in "
              + configuration);
    }
    selection.note().ifPresent(next::add);
    return next;
  }

  private static void checkLabel(BackupReader reader, RestorePlan plan) throws IOException {
    String label = new String(required(reader, Restorer.LABEL), StandardCharsets.UTF_8);
    Matcher start = LABEL_START.matcher(label);
    String expected = plan.backup().startLsn().toString();
    if (!start.find() || !start.group(1).equals(expected)) {
      throw BackupException.of(
              "restore.wrong-label",
              FailureKind.DAMAGED,
              "The backup's "
                  + Restorer.LABEL
                  + " does not start at "
                  + expected
                  + ": a server would replay from elsewhere and end wrong")
          .remedy("Restore another backup.")
          .build();
    }
  }

  private static ControlFile checkIdentity(BackupDescriptor backup, ControlFile file) {
    if (file.systemId() != backup.cluster().systemId()) {
      throw BackupException.of(
              "restore.other-cluster",
              FailureKind.DAMAGED,
              "The backup's "
                  + ControlFile.PATH
                  + " is of cluster "
                  + Long.toUnsignedString(file.systemId())
                  + ", not of "
                  + backup.cluster().systemIdText())
          .remedy("Restore another backup.")
          .build();
    }
    return file;
  }

  static byte[] required(BackupReader reader, String path) throws IOException {
    return reader
        .read(Area.DATA, path)
        .orElseThrow(
            () ->
                BackupException.of(
                        "restore.incomplete-backup",
                        FailureKind.DAMAGED,
                        "The backup has no " + path)
                    .remedy("Restore another backup.")
                    .build());
  }
}
