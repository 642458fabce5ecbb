package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.StateFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A text file that is replaced as a whole by one with the same owner, group and mode. */
final class EditedFile {
  private static final long LARGEST = 4L << 20;

  private final String thing;
  private final Path file;

  EditedFile(String thing, Path file) {
    this.thing = thing;
    this.file = file;
  }

  /** Its content; each byte is one character, so that what is not edited stays as it is. */
  String read() throws SwitchException {
    try {
      if (Files.size(file) > LARGEST) {
        throw SwitchException.invalid(thing, "is larger than 4 MiB");
      }
      return Files.readString(file, StandardCharsets.ISO_8859_1);
    } catch (SwitchException e) {
      throw e;
    } catch (NoSuchFileException e) {
      throw SwitchException.unavailable(thing, "there is no " + e.getFile(), e);
    } catch (AccessDeniedException e) {
      throw SwitchException.refused(thing, "this account may not read it", e);
    } catch (IOException e) {
      throw SwitchException.unavailable(thing, e.toString(), e);
    }
  }

  /** Replaces {@code seen}; whatever else is there stays, and is an error. */
  void replace(String seen, String content) throws SwitchException {
    boolean renamed = false;
    try {
      Path target = file.toRealPath(); // a link stays, and what it names is replaced
      // A file that is renamed into place locks nothing: whoever has it open already would get the
      // lock, and write to what is in place by then. So this one stays.
      try (FileChannel lock =
          open(target.resolveSibling("." + target.getFileName() + ".thorbis-lock"))) {
        if (lock.tryLock() == null) {
          throw busy(null);
        }
        Path beside = target.resolveSibling("." + target.getFileName() + ".thorbis");
        try {
          write(beside, content, Files.readAttributes(target, PosixFileAttributes.class));
          if (!read().equals(seen)) {
            throw new SwitchException(
                "traffic.changed",
                FailureKind.REFUSED,
                thing,
                "was changed while it was looked at; nothing was changed",
                "Look again, and repeat.",
                null);
          }
          Files.move(beside, target, StandardCopyOption.ATOMIC_MOVE);
          renamed = true;
        } finally {
          Files.deleteIfExists(beside);
        }
      }
      StateFile.sync(Objects.requireNonNull(target.getParent()));
    } catch (OverlappingFileLockException e) {
      throw busy(e);
    } catch (SwitchException e) {
      throw e;
    } catch (IOException | UnsupportedOperationException e) {
      if (renamed) {
        throw SwitchException.outcomeUnknown(thing, "was replaced, perhaps not durably: " + e, e);
      }
      throw e instanceof IOException io && isPermission(io)
          ? SwitchException.refused(thing, "this account may not replace it: " + e, e)
          : SwitchException.unavailable(thing, "could not be replaced: " + e, e);
    }
  }

  private static FileChannel open(Path file) throws IOException {
    return FileChannel.open(
        file,
        Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
  }

  private static void write(Path file, String content, PosixFileAttributes like)
      throws IOException {
    try (FileChannel out = open(file)) {
      PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
      view.setPermissions(PosixFilePermissions.fromString("rw-------")); // it may be left over
      out.truncate(0);
      ByteBuffer bytes = ByteBuffer.wrap(content.getBytes(StandardCharsets.ISO_8859_1));
      while (bytes.hasRemaining()) {
        out.write(bytes);
      }
      PosixFileAttributes ours = view.readAttributes();
      if (!ours.owner().equals(like.owner())) {
        view.setOwner(like.owner());
      }
      if (!ours.group().equals(like.group())) {
        view.setGroup(like.group());
      }
      view.setPermissions(like.permissions());
      out.force(true);
    }
  }

  private static boolean isPermission(IOException failure) {
    return failure instanceof AccessDeniedException
        || String.valueOf(failure.getMessage()).contains("Operation not permitted");
  }

  private SwitchException busy(@Nullable Throwable cause) {
    return new SwitchException(
        "traffic.busy",
        FailureKind.TRANSIENT,
        thing,
        "somebody else is replacing it; nothing was changed",
        "Wait, and look again.",
        cause);
  }
}
