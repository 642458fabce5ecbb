package com.thorbis.backup.storage.azure;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InterruptedIOException;
import org.jspecify.annotations.Nullable;

/** What Azure Blob Storage says, in the terms of the store. */
final class Failures {
  private final String place;
  private final String container;

  /**
   * For one container.
   *
   * @param place how messages call it
   */
  Failures(String place, String container) {
    this.place = place;
    this.container = container;
  }

  /**
   * A failure of something that was positively not done, or changes nothing.
   *
   * @param object a key or prefix
   */
  StorageException translate(String action, String object, IOException e) {
    if (e instanceof StorageException known) {
      return known;
    }
    if (e instanceof InterruptedIOException && Thread.currentThread().isInterrupted()) {
      return new StorageException(
          "storage.interrupted",
          FailureKind.CANCELLED,
          action + " " + object + ": the thread was interrupted",
          object,
          "",
          e);
    }
    if (e instanceof Attempts.NoToken) {
      return new StorageException(
          "storage.credentials",
          FailureKind.PERMANENT,
          action + " " + object + ": no access token could be had: " + e.getMessage(),
          object,
          "Set account-key, sas or connection-string, or let this machine or service have an identity.",
          e);
    }
    if (!(e instanceof Answer answer)) {
      return new StorageException.Unavailable(action, place + "/" + object, e);
    }
    String said = action + " " + object + ": " + place + " answered " + answer.getMessage();
    return switch (answer.status()) {
      case 401 ->
          new StorageException(
              "storage.credentials",
              FailureKind.PERMANENT,
              said,
              object,
              "Check the credentials, whether they have expired, and this machine's clock.",
              e);
      case 403 ->
          answer.says("AuthenticationFailed", "InvalidAuthenticationInfo")
              ? new StorageException(
                  "storage.credentials",
                  FailureKind.PERMANENT,
                  said,
                  object,
                  "Check the key or signature, whether it has expired, and this machine's clock.",
                  e)
              : new StorageException(
                  "storage.denied",
                  FailureKind.PERMANENT,
                  said,
                  object,
                  "Give these credentials the right on container "
                      + container
                      + ", and let the account's firewall pass this machine.",
                  e);
      case 404 ->
          new StorageException(
              "storage.place-missing",
              FailureKind.PERMANENT,
              said,
              object,
              "Create container "
                  + container
                  + ", correct its name, or check account and endpoint.",
              e);
      case 409 ->
          answer.says("ContainerBeingDeleted")
              ? new StorageException(
                  "storage.place-missing",
                  FailureKind.PERMANENT,
                  said,
                  object,
                  "Somebody deletes container " + container + "; restore it in the account.",
                  e)
              : refused(said, object, e);
      case 408, 429 -> new StorageException.Unavailable(action, place + "/" + object, e);
      default ->
          answer.status() >= 500 || answer.status() < 300
              ? new StorageException.Unavailable(action, place + "/" + object, e)
              : refused(said, object, e);
    };
  }

  private static StorageException refused(String said, String object, IOException e) {
    return new StorageException(
        "storage.refused",
        FailureKind.PERMANENT,
        said,
        object,
        "See what the store answered; check the account's settings and the endpoint.",
        e);
  }

  StorageException sourceFailed(ObjectKey key, IOException e) {
    if (e instanceof InterruptedIOException) {
      return translate("Write", key.value(), e);
    }
    return StorageException.sourceFailed(key, e);
  }

  /** Another object came and went under the key while this one was written. */
  StorageException overtaken(ObjectKey key, @Nullable IOException e) {
    return new StorageException.Unavailable("Write", place + "/" + key, e);
  }

  /** Another write to the same key made the store forget the blocks of this one. */
  StorageException blocksLost(ObjectKey key, IOException e) {
    return new StorageException(
        "storage.upload-lost",
        FailureKind.TRANSIENT,
        "Write "
            + key
            + ": "
            + place
            + " gave up the upload; nothing was written: "
            + e.getMessage(),
        key.value(),
        "Write it again.",
        e);
  }

  StorageException changed(ObjectKey key, IOException e) {
    return new StorageException(
        "storage.changed",
        FailureKind.DAMAGED,
        "Read " + key + ": it is another object than the one whose first bytes were read",
        key.value(),
        "Find out who replaces objects in container "
            + container
            + "; nothing of this product does.",
        e);
  }
}
