package com.thorbis.backup.crypto;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.KeyException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Set;

/** Files that hold keys. */
final class KeyFiles {
  private static final int MOST_BYTES = 1 << 20;

  private static final Set<PosixFilePermission> OWNER_ONLY =
      EnumSet.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);

  private KeyFiles() {}

  /** Reads a file whole. */
  static byte[] read(Path file, String recipient) throws KeyException {
    if (Files.isDirectory(file)) {
      throw Wraps.configuration(
          "key.file-unusable", recipient, file + " is a folder", "Name the file in it.");
    }
    try (InputStream in = Files.newInputStream(file)) {
      byte[] content = in.readNBytes(MOST_BYTES + 1);
      if (content.length > MOST_BYTES) {
        throw Wraps.configuration(
            "key.file-unusable",
            recipient,
            file + " has more than " + MOST_BYTES + " bytes",
            "Name a file that holds a key.");
      }
      return content;
    } catch (NoSuchFileException e) {
      throw Wraps.configuration(
          "key.file-missing",
          recipient,
          "there is no file " + file,
          "Correct the path, make the key, or bring the file back from where it is kept safe.");
    } catch (AccessDeniedException e) {
      throw Wraps.configuration(
          "key.file-unreadable",
          recipient,
          "this account may not read " + file,
          "Run as the file's owner, or change its owner.");
    } catch (KeyException e) {
      throw e;
    } catch (IOException e) {
      throw new KeyException(
          "key.unreachable",
          FailureKind.TRANSIENT,
          recipient + ": " + file + " could not be read: " + e.getMessage(),
          recipient,
          "See that the file's disk is there and healthy.",
          e);
    }
  }

  /** Refuses a file that others than its owner may use. */
  static void requirePrivate(Path file, boolean groupMayRead, String recipient) throws IOException {
    PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
    if (view == null || !Files.exists(file)) {
      return;
    }
    Set<PosixFilePermission> excess = EnumSet.copyOf(OWNER_ONLY);
    excess.addAll(view.readAttributes().permissions());
    excess.removeAll(OWNER_ONLY);
    excess.remove(PosixFilePermission.OWNER_EXECUTE);
    if (groupMayRead) {
      excess.remove(PosixFilePermission.GROUP_READ);
    }
    if (!excess.isEmpty()) {
      throw Wraps.configuration(
          "key.file-exposed",
          recipient,
          file + " is open to other accounts (" + PosixFilePermissions.toString(excess) + ")",
          "chmod 600 " + file);
    }
  }

  /** Writes a new file that only its owner can read; it appears whole or not at all. */
  static void create(Path file, byte[] content) throws IOException {
    Path target = file.toAbsolutePath();
    Path folder = target.getParent();
    if (folder == null) {
      throw new FileSystemException(file.toString(), null, "is not a file in a folder");
    }
    if (Files.exists(target)) {
      throw new FileAlreadyExistsException(target.toString());
    }
    Path temp = folder.resolve("." + target.getFileName() + ".new");
    try (SeekableByteChannel channel =
        Files.newByteChannel(
            temp,
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            ownerOnly(folder))) {
      try {
        ByteBuffer left = ByteBuffer.wrap(content);
        while (left.hasRemaining()) {
          channel.write(left);
        }
        if (channel instanceof FileChannel disk) {
          disk.force(true);
        }
        Files.createLink(target, temp); // fails if the name is taken; a rename would replace it
      } finally {
        Files.delete(temp);
      }
    }
    try (FileChannel directory = FileChannel.open(folder)) {
      directory.force(true);
    }
  }

  private static FileAttribute<?>[] ownerOnly(Path folder) {
    return Files.getFileAttributeView(folder, PosixFileAttributeView.class) == null
        ? new FileAttribute<?>[0]
        : new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(OWNER_ONLY)};
  }
}
