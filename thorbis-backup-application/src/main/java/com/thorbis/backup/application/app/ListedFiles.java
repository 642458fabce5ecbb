package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Files and folders that somebody lists, content and all. Symbolic links are noted and not
 * followed. They are laid into a folder of their own, and never where they came from.
 */
public final class ListedFiles implements ConfigurationPlace {
  private final List<Path> paths;

  private ListedFiles(List<Path> paths) {
    this.paths = paths;
  }

  /**
   * Of these paths.
   *
   * @throws BackupException of kind CONFIGURATION if one is relative
   */
  public static ListedFiles of(List<Path> paths) {
    for (Path path : paths) {
      if (!path.isAbsolute()) {
        throw BackupException.of(
                "configuration.invalid",
                FailureKind.CONFIGURATION,
                "paths of files: \"" + path + "\" is a relative path")
            .remedy("Write an absolute path.")
            .build();
      }
    }
    return new ListedFiles(List.copyOf(paths));
  }

  @Override
  public String kind() {
    return "files";
  }

  @Override
  public Reading read() throws IOException {
    Map<String, Document> files = new TreeMap<>();
    Map<String, Content> contents = new TreeMap<>();
    List<Gap> unread = new ArrayList<>();
    for (Path path : paths) {
      if (!Files.exists(path, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
        throw new NoSuchFile(path);
      }
      Files.walkFileTree(
          path,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              take(file, attributes, files, contents, unread);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException failure)
                throws IOException {
              unread.add(unreadable(file));
              return FileVisitResult.CONTINUE;
            }
          });
    }
    return new Reading(
        Document.of(Map.of("kind", kind(), "files", List.copyOf(files.values()))),
        unread,
        contents);
  }

  private static final class NoSuchFile extends IOException
      implements com.thorbis.backup.api.ClassifiedFailure {
    private static final long serialVersionUID = 1L;

    NoSuchFile(Path path) {
      super("There is no " + path, new NoSuchFileException(path.toString()));
    }

    @Override
    public String code() {
      return "application.no-such-file";
    }

    @Override
    public FailureKind kind() {
      return FailureKind.PERMANENT;
    }

    @Override
    public Map<String, String> details() {
      return Map.of();
    }

    @Override
    public String remedy() {
      return "Correct the path, or take it out.";
    }
  }

  private static Gap unreadable(Path file) {
    return Gap.part(
        file.toString(),
        "application.unreadable-file",
        file + " cannot be read",
        "Let this account read it.");
  }

  private static void take(
      Path file,
      BasicFileAttributes attributes,
      Map<String, Document> files,
      Map<String, Content> contents,
      List<Gap> unread)
      throws IOException {
    String path = file.toString();
    if (attributes.isSymbolicLink()) {
      files.put(
          path, Document.of(Map.of("path", path, "link", Files.readSymbolicLink(file).toString())));
    } else if (!attributes.isRegularFile()) {
      unread.add(
          Gap.part(
              path,
              "application.special-file",
              path + " is neither a file nor a folder",
              "Take it out of the list."));
    } else {
      Reference reference;
      int mode;
      try (InputStream in = Files.newInputStream(file)) {
        reference = Reference.of(in);
        mode = mode(file);
      } catch (IOException e) {
        unread.add(unreadable(file));
        return;
      }
      String stored = path.substring(1);
      files.put(
          path,
          Document.of(
              Map.of(
                  "path",
                  path,
                  "stored",
                  stored,
                  "mode",
                  Integer.toOctalString(mode),
                  "length",
                  reference.length(),
                  "sha256",
                  reference.sha256())));
      contents.put(stored, new Content(file, mode, reference));
    }
  }

  /** Its permission bits. */
  static int mode(Path file) throws IOException {
    return Files.getAttribute(file, "unix:mode") instanceof Integer mode ? mode & 0777 : 0600;
  }

  @Override
  public List<Step> plan(Document stored, ApplyMode mode) {
    return List.of();
  }

  @Override
  public void close() {}
}
