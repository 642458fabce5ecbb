package com.thorbis.backup.postgres.serve;

import com.thorbis.backup.postgres.settings.OwnerOnly;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The restored data directories of one source on this host that may still ask for WAL, a file each
 * in the state folder: so a resident process finds restores that began before or after it.
 */
public final class Registrations {
  private static final Logger LOG = LoggerFactory.getLogger(Registrations.class);

  private final Path folder;

  /** Those of the configured source. */
  public Registrations(PostgresSettings settings) {
    this.folder =
        settings
            .stateDirectory()
            .resolve("restores")
            .resolve(settings.source().replaceAll("[^A-Za-z0-9_-]", "_"));
  }

  /**
   * A restored data directory and the file that tells of it.
   *
   * @param incarnation whose log it followed; nothing where an earlier version did not say
   */
  record Entry(Path file, String incarnation, Path dataDirectory) {}

  /** Adds a data directory that follows the log of an incarnation. */
  public void add(Path dataDirectory, String incarnation) throws IOException {
    Files.createDirectories(folder, OwnerOnly.FOLDER);
    String id = UUID.randomUUID().toString();
    Path temporary = folder.resolve("." + id);
    try (FileChannel channel =
        FileChannel.open(
            temporary,
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            OwnerOnly.FILE)) {
      channel.write(
          ByteBuffer.wrap((incarnation + "\n" + dataDirectory).getBytes(StandardCharsets.UTF_8)));
      channel.force(true);
    }
    Files.move(temporary, folder.resolve(id), StandardCopyOption.ATOMIC_MOVE);
  }

  /** All of them. */
  List<Entry> list() throws IOException {
    List<Entry> entries = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "[!.]*")) {
      for (Path file : files) {
        try {
          String text = Files.readString(file, StandardCharsets.UTF_8);
          int end = text.startsWith("/") ? -1 : text.indexOf('\n');
          Path dataDirectory = Path.of(text.substring(end + 1));
          if (dataDirectory.isAbsolute()) {
            entries.add(new Entry(file, text.substring(0, Math.max(0, end)), dataDirectory));
          }
        } catch (IOException | InvalidPathException e) {
          LOG.debug("{} tells of no restore", file, e); // the others are served nevertheless
        }
      }
    } catch (NoSuchFileException e) {
      return List.of();
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
    return entries;
  }

  /** Forgets one. */
  void remove(Entry entry) throws IOException {
    Files.deleteIfExists(entry.file());
  }
}
