package com.thorbis.backup.storage.gcs;

import com.google.auth.Retryable;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InterruptedIOException;
import org.jspecify.annotations.Nullable;

/** What Google Cloud Storage says, in the terms of the store. */
final class Failures {
  private final String place;
  private final String bucket;

  /**
   * For one bucket.
   *
   * @param place how messages call it
   */
  Failures(String place, String bucket) {
    this.place = place;
    this.bucket = bucket;
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
    if (e instanceof Retryable login) {
      return new StorageException(
          "storage.credentials",
          login.isRetryable() ? FailureKind.TRANSIENT : FailureKind.PERMANENT,
          action + " " + object + ": no access token could be had: " + e.getMessage(),
          object,
          "Check the credentials, that whoever issues tokens can be reached, and this machine's clock.",
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
          new StorageException(
              "storage.denied",
              FailureKind.PERMANENT,
              said,
              object,
              "Give the account of these credentials the right on bucket " + bucket + ".",
              e);
      case 404 ->
          new StorageException(
              "storage.place-missing",
              FailureKind.PERMANENT,
              said,
              object,
              "Create bucket " + bucket + ", correct its name, or check the endpoint.",
              e);
      case 408, 429 -> new StorageException.Unavailable(action, place + "/" + object, e);
      default ->
          answer.status() >= 500
              ? new StorageException.Unavailable(action, place + "/" + object, e)
              : new StorageException(
                  "storage.refused",
                  FailureKind.PERMANENT,
                  said,
                  object,
                  "See what the store answered; check the bucket's settings and the endpoint.",
                  e);
    };
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

  StorageException sessionLost(ObjectKey key, IOException e) {
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

  StorageException damagedOnTheWay(ObjectKey key) {
    return new StorageException(
        "storage.damaged-on-the-way",
        FailureKind.TRANSIENT,
        "Write " + key + ": " + place + " took other bytes than were sent; they were removed",
        key.value(),
        "Write it again; if it happens again, look at what lies between here and the store.",
        null);
  }

  StorageException ended(ObjectKey key, long missing) {
    return new StorageException.Unavailable(
        "Read",
        place + "/" + key,
        new IOException("the content ended " + missing + " bytes early"));
  }
}
