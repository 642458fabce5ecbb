package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.api.FailureKind;
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
import java.nio.file.attribute.PosixFilePermission;
import java.util.EnumSet;
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
    Path beside = null;
    boolean renamed = false;
    try {
      Path target = file.toRealPath(); // a link stays, and what it names is replaced
      beside = target.resolveSibling("." + target.getFileName() + ".thorbis");
      try (FileChannel channel =
          FileChannel.open(
              beside,
              Set.of(
                  StandardOpenOption.CREATE,
                  StandardOpenOption.WRITE,
                  LinkOption.NOFOLLOW_LINKS))) {
        if (channel.tryLock() == null) {
          throw busy(null);
        }
        PosixFileAttributes like = Files.readAttributes(target, PosixFileAttributes.class);
        Files.setPosixFilePermissions(
            beside, EnumSet.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE));
        channel.truncate(0);
        ByteBuffer bytes = ByteBuffer.wrap(content.getBytes(StandardCharsets.ISO_8859_1));
        while (bytes.hasRemaining()) {
          channel.write(bytes);
        }
        PosixFileAttributeView view =
            Files.getFileAttributeView(beside, PosixFileAttributeView.class);
        PosixFileAttributes ours = view.readAttributes();
        if (!ours.owner().equals(like.owner())) {
          view.setOwner(like.owner());
        }
        if (!ours.group().equals(like.group())) {
          view.setGroup(like.group());
        }
        view.setPermissions(like.permissions());
        channel.force(true);
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
      }
      try (FileChannel directory = FileChannel.open(target.getParent())) {
        directory.force(true);
      }
    } catch (OverlappingFileLockException e) {
      throw busy(e);
    } catch (SwitchException e) {
      removeUnlessBusy(beside, e);
      throw e;
    } catch (IOException | UnsupportedOperationException e) {
      if (renamed) {
        throw SwitchException.outcomeUnknown(thing, "was replaced, perhaps not durably: " + e, e);
      }
      SwitchException failure =
          e instanceof IOException io && isPermission(io)
              ? SwitchException.refused(thing, "this account may not replace it: " + e, e)
              : SwitchException.unavailable(thing, "could not be replaced: " + e, e);
      removeUnlessBusy(beside, failure);
      throw failure;
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

  private static void removeUnlessBusy(@Nullable Path beside, SwitchException failure) {
    if (beside == null || failure.code().equals("traffic.busy")) {
      return;
    }
    try {
      Files.deleteIfExists(beside);
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
  }
}
