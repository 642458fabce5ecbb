package com.thorbis.backup.storage.filesystem;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** What a file system says, in the terms of the store. */
final class Failures {
  private static final long NEXT_TO_NOTHING = 1 << 20;

  private final Path root;

  Failures(Path root) {
    this.root = root;
  }

  StorageException reading(String action, String object, IOException e) {
    if (e instanceof StorageException known) {
      return known;
    }
    if (e instanceof ClosedByInterruptException) {
      return interrupted(action, object, e);
    }
    if (e instanceof AccessDeniedException) {
      return denied(action, object, e);
    }
    return new StorageException.Unavailable(action, root + "/" + object, e);
  }

  StorageException writing(String action, String object, IOException e) {
    if (e instanceof StorageException
        || e instanceof ClosedByInterruptException
        || e instanceof AccessDeniedException) {
      return reading(action, object, e);
    }
    // The text is all that the JDK passes on, and it may be translated: so the disk is asked too.
    String reason = String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT);
    if (reason.contains("read-only") || readOnly()) {
      return new StorageException(
          "storage.read-only",
          FailureKind.PERMANENT,
          action + " " + object + ": " + root + " is on a file system that is read-only",
          object,
          "Mount it for writing; if the system itself made it read-only, check the disk first.",
          e);
    }
    if (reason.contains("no space left") || reason.contains("quota") || full()) {
      return new StorageException(
          "storage.full",
          FailureKind.PERMANENT,
          action + " " + object + ": no space is left below " + root,
          object,
          "Free space, enlarge the file system or its quota, or prune backups.",
          e);
    }
    return reading(action, object, e);
  }

  StorageException syncFailed(ObjectKey key, IOException e) {
    if (e instanceof ClosedByInterruptException) {
      return interrupted("Write", key.value(), e);
    }
    return new StorageException(
        "storage.sync-failed",
        FailureKind.TRANSIENT,
        "Write " + key + ": the disk did not confirm the content, which was discarded: " + e,
        key.value(),
        "Check the disk of " + root + " and the kernel's log, then repeat.",
        e);
  }

  StorageException nameNotConfirmed(ObjectKey key, IOException e) {
    return new StorageException(
        "storage.sync-failed",
        FailureKind.OUTCOME_UNKNOWN,
        "Write "
            + key
            + ": the disk did not confirm the name; the object is visible, but may be lost with"
            + " the power: "
            + e,
        key.value(),
        "Check the disk of " + root + " and the kernel's log, then repeat.",
        e);
  }

  StorageException noHardLinks(ObjectKey key, Exception e) {
    return new StorageException(
        "storage.no-hard-links",
        FailureKind.PERMANENT,
        "Write "
            + key
            + ": the file system of "
            + root
            + " has no hard links, so that a write could replace what is there: "
            + e,
        key.value(),
        "Use a file system with hard links, such as ext4, XFS, Btrfs, ZFS or NFS.",
        e);
  }

  StorageException sourceFailed(ObjectKey key, IOException e) {
    if (e instanceof ClosedByInterruptException || e instanceof InterruptedIOException) {
      return interrupted("Write", key.value(), e);
    }
    return StorageException.sourceFailed(key, e);
  }

  StorageException shrunk(ObjectKey key, long expected) {
    return new StorageException(
        "storage.shrunk",
        FailureKind.DAMAGED,
        "Read " + key + ": the file became shorter than " + expected + " bytes while it was read",
        key.value(),
        "Find out what changes files below " + root + "; nothing but this product may.",
        null);
  }

  StorageException placeMissing(Path missing) {
    return new StorageException(
        "storage.place-missing",
        FailureKind.PERMANENT,
        "The folder " + missing + " does not exist",
        root.toString(),
        missing.equals(root)
            ? "Mount the file system it is on, correct the path, or create a repository there with init."
            : "Mount the file system it is on, correct the path, or create that folder.",
        null);
  }

  StorageException placeChanged() {
    return new StorageException(
        "storage.place-changed",
        FailureKind.TRANSIENT,
        "The folder " + root + " is not the one it was when it was opened",
        root.toString(),
        "Mount the file system it was on.",
        null);
  }

  StorageException notDirectory(Path path, String object) {
    return new StorageException(
        "storage.not-a-folder",
        FailureKind.PERMANENT,
        path + " is not a folder",
        object,
        "Move away what lies there, or choose another place.",
        null);
  }

  StorageException nameTooLong(ObjectKey key) {
    return new StorageException(
        "storage.name-too-long",
        FailureKind.PERMANENT,
        "A file system has no names as long as a segment of " + key,
        key.value(),
        "Use segments of up to 255 characters.",
        null);
  }

  private StorageException denied(String action, String object, IOException e) {
    return new StorageException(
        "storage.denied",
        FailureKind.PERMANENT,
        action + " " + object + ": permission denied: " + e.getMessage(),
        object,
        "Let the account of this process own " + root + " and everything in it.",
        e);
  }

  private static StorageException interrupted(String action, String object, IOException e) {
    return new StorageException(
        "storage.interrupted",
        FailureKind.CANCELLED,
        action + " " + object + ": the thread was interrupted",
        object,
        "",
        e);
  }

  private boolean readOnly() {
    try {
      return Files.getFileStore(root).isReadOnly();
    } catch (IOException e) {
      return false; // then the first failure is reported as it is
    }
  }

  private boolean full() {
    try {
      return Files.getFileStore(root).getUsableSpace() < NEXT_TO_NOTHING;
    } catch (IOException e) {
      return false;
    }
  }
}
