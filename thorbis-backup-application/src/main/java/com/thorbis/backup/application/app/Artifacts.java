package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.storage.file.FileRepositoryBuilder;

/**
 * What was built: files below a folder, each content once under its digest, with the commit they
 * were built from and the digests of lock files.
 */
public final class Artifacts implements Component {
  private static final String NAME = "artifacts";
  private static final String FILE = "artifacts.json";

  private final Path folder;
  private final Globs include;
  private final List<String> lockFiles;

  private Artifacts(Path folder, Globs include, List<String> lockFiles) {
    this.folder = folder;
    this.include = include;
    this.lockFiles = lockFiles;
  }

  /**
   * Of a folder.
   *
   * @param folder an absolute path
   * @param include patterns below it, separated by commas, such as {@code .next/**}
   * @param lockFiles names below it of files that say what it was built with
   */
  public static Artifacts of(Path folder, String include, List<String> lockFiles) {
    if (!folder.isAbsolute()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              "folder of artifacts: \"" + folder + "\" is a relative path")
          .remedy("Write an absolute path.")
          .build();
    }
    return new Artifacts(folder, Globs.parse(include), List.copyOf(lockFiles));
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Prepared prepare(Repository repository, RunControl control) throws IOException {
    List<Gap> gaps = new ArrayList<>();
    Map<String, Document> files = new TreeMap<>();
    Map<String, ConfigurationPlace.Content> contents = new TreeMap<>();
    Files.walkFileTree(
        folder,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            control.cancellation().check();
            take(file, attributes, files, contents);
            return FileVisitResult.CONTINUE;
          }
        });
    if (files.isEmpty()) {
      throw BackupException.of(
              "application.no-artifacts",
              FailureKind.PERMANENT,
              "No file below " + folder + " is an artifact by its patterns")
          .remedy("Build it first, or correct include.")
          .build();
    }
    List<Document> locks = new ArrayList<>();
    for (String name : lockFiles) {
      Path file = Globs.below(folder, name);
      if (Files.isRegularFile(file)) {
        try (InputStream in = Files.newInputStream(file)) {
          locks.add(Document.of(Map.of("path", name, "sha256", Reference.of(in).sha256())));
        }
      } else {
        gaps.add(
            Gap.part(
                name,
                "application.no-lock-file",
                "There is no lock file " + file,
                "Correct lock-files, or take it out."));
      }
    }
    Optional<String> commit = commit();
    if (commit.isEmpty()) {
      gaps.add(
          Gap.part(
              "commit",
              "application.no-commit",
              folder + " is in no Git working tree, so what it was built from is unknown",
              "Build where the source is checked out."));
    }
    Document document =
        Document.of(
            Map.of("commit", commit, "lockFiles", locks, "files", List.copyOf(files.values())));
    return new Ready(document, contents, gaps, files.size());
  }

  private Optional<String> commit() throws IOException {
    FileRepositoryBuilder builder =
        new FileRepositoryBuilder().findGitDir(new File(folder.toString()));
    if (builder.getGitDir() == null) {
      return Optional.empty();
    }
    try (org.eclipse.jgit.lib.Repository git = builder.build()) {
      return Optional.ofNullable(git.resolve("HEAD")).map(ObjectId::name);
    }
  }

  private void take(
      Path file,
      BasicFileAttributes attributes,
      Map<String, Document> files,
      Map<String, ConfigurationPlace.Content> contents)
      throws IOException {
    String path = folder.relativize(file).toString();
    if (!include.match(path)) {
      return;
    }
    if (attributes.isSymbolicLink()) {
      files.put(
          path, Document.of(Map.of("path", path, "link", Files.readSymbolicLink(file).toString())));
    } else if (attributes.isRegularFile()) {
      int mode = ListedFiles.mode(file);
      Reference reference;
      try (InputStream in = Files.newInputStream(file)) {
        reference = Reference.of(in);
      }
      files.put(
          path,
          Document.of(
              Map.of(
                  "path",
                  path,
                  "mode",
                  Integer.toOctalString(mode),
                  "length",
                  reference.length(),
                  "sha256",
                  reference.sha256())));
      contents.putIfAbsent(
          reference.sha256(), new ConfigurationPlace.Content(file, 0600, reference));
    }
  }

  private record Ready(
      Document document,
      Map<String, ConfigurationPlace.Content> contents,
      List<Gap> gaps,
      int files)
      implements Prepared {
    @Override
    public Map<String, Long> counts() {
      return Map.of("files", (long) files, "contents", (long) contents.size());
    }

    @Override
    public void write(ComponentWriter into) throws IOException {
      for (Map.Entry<String, ConfigurationPlace.Content> one : contents.entrySet()) {
        try (InputStream in = Files.newInputStream(one.getValue().file())) {
          into.content(
              "contents/" + one.getKey(), one.getValue().mode(), one.getValue().reference(), in);
        }
      }
      into.document(FILE, document);
    }

    @Override
    public void close() {}
  }

  @Override
  public List<Step> plan(StoredComponent stored, RestoreWish wish) throws IOException {
    Document document = stored.document(FILE);
    if (wish.into().isEmpty()) {
      return List.of(
          Step.none("files", Step.Action.BY_HAND, "are laid down: say where with --into DIR"));
    }
    Path laid = wish.into().get().resolve(NAME);
    return List.of(
        Step.lay(
            laid.toString(),
            document.list("files").size()
                + " files"
                + document.text("commit").map(id -> " built from commit " + id).orElse(""),
            () -> lay(stored, document, laid)));
  }

  private static String lay(StoredComponent stored, Document document, Path laid)
      throws IOException {
    Folders.make(laid);
    Map<String, Path> targets = new LinkedHashMap<>();
    Map<String, Reference> expected = new LinkedHashMap<>();
    int files = 0;
    int links = 0;
    try (Scratch scratch = Scratch.below(laid)) {
      Path held = scratch.path();
      for (Document file : document.list("files")) {
        if (file.text("sha256").isPresent()) {
          String name = "contents/" + file.require("sha256");
          targets.put(name, held.resolve(Globs.below(held, file.require("sha256")).getFileName()));
          expected.put(name, new Reference(file.number("length", -1), file.require("sha256")));
        }
      }
      stored.lay(targets, expected);
      for (Document file : document.list("files")) {
        Path target = Globs.below(laid, file.require("path"));
        if (file.text("link").isPresent()) {
          links++;
          continue;
        }
        Path content = targets.get("contents/" + file.require("sha256"));
        if (content != null && target.getParent() != null) {
          Folders.make(target.getParent());
          Files.copy(content, target);
          int mode = Integer.parseInt(file.require("mode"), 8);
          Files.setPosixFilePermissions(
              target,
              PosixFilePermissions.fromString((mode & 0100) == 0 ? "rw-------" : "rwx------"));
          files++;
        }
      }
    }
    return files
        + " files were laid down"
        + (links == 0 ? "" : "; " + links + " symbolic links were not, see the document");
  }

  @Override
  public String check() throws IOException {
    try (var found = Files.list(folder)) {
      return folder + " can be read and holds " + found.count() + " entries";
    }
  }

  @Override
  public void close() {}
}
