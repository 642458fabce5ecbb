package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** A component of a backup, for reading. */
public final class StoredComponent {
  private final String name;
  private final BackupReader reader;
  private final Map<String, Reference> documents;

  StoredComponent(String name, BackupReader reader, Map<String, Reference> documents) {
    this.name = name;
    this.reader = reader;
    this.documents = documents;
  }

  /** The backup it lies in. */
  public BackupId backup() {
    return reader.descriptor().id();
  }

  /** What the manifest refers to, by name. */
  public Map<String, Reference> documents() {
    return documents;
  }

  /**
   * A document.
   *
   * @throws BackupException of kind DAMAGED if it is not what the manifest refers to
   */
  public Document document(String file) throws IOException {
    Reference expected = documents.get(file);
    byte[] bytes =
        reader
            .read(StoredFile.Area.DATA, name + "/" + file)
            .orElseThrow(() -> other(file, "is not there"));
    if (!Reference.of(bytes).equals(expected)) {
      throw other(file, "is another one");
    }
    return Document.parse(name + "/" + file, bytes);
  }

  /**
   * Lays files down; each must be new. What was laid before a failure stays.
   *
   * @param targets where each goes, by its name in this component
   * @throws BackupException of kind DAMAGED if one is not there, or not what is expected
   */
  public void lay(Map<String, Path> targets, Map<String, Reference> expected) throws IOException {
    for (Path target : targets.values()) {
      Path parent = target.getParent();
      if (parent != null) {
        Folders.make(parent);
      }
      if (Files.exists(target, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
        throw new FileAlreadyExistsException(target.toString());
      }
    }
    Set<String> laid = java.util.Collections.synchronizedSet(new HashSet<>());
    try {
      reader.extract(
          file -> file.area() == StoredFile.Area.DATA && targets.containsKey(inner(file.path())),
          file -> new Laid(targets, inner(file.path()), laid),
          RunControl.unattended());
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
    for (Map.Entry<String, Path> target : targets.entrySet()) {
      if (!laid.contains(target.getKey())) {
        throw other(target.getKey(), "is not there");
      }
      try (var in = Files.newInputStream(target.getValue())) {
        if (!Reference.of(in).equals(expected.get(target.getKey()))) {
          throw other(target.getKey(), "is another one");
        }
      }
    }
  }

  private String inner(String path) {
    return path.startsWith(name + "/") ? path.substring(name.length() + 1) : "";
  }

  private BackupException other(String file, String problem) {
    return BackupException.of(
            "application.damaged",
            FailureKind.DAMAGED,
            "Backup " + backup() + ": " + name + "/" + file + " " + problem)
        .remedy("Restore another backup, and run verify.")
        .build();
  }

  private static final class Laid implements BackupReader.FileOutput {
    private final FileChannel channel;
    private final Set<String> laid;
    private final String name;

    Laid(Map<String, Path> targets, String name, Set<String> laid) throws IOException {
      Path target = targets.get(name);
      if (target == null) {
        throw new IOException("Not asked for: " + name);
      }
      this.name = name;
      this.laid = laid;
      channel =
          FileChannel.open(
              target,
              Set.of(StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    }

    @Override
    public void write(ByteBuffer plain) throws IOException {
      while (plain.hasRemaining()) {
        channel.write(plain);
      }
    }

    @Override
    public void finish(int crc32c) throws IOException {
      channel.force(true);
      laid.add(name);
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }
}
