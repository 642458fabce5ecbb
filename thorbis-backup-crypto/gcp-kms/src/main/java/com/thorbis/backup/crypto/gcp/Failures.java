package com.thorbis.backup.crypto.gcp;

import com.google.auth.Retryable;
import com.google.gson.JsonObject;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.KeyException;
import java.io.IOException;
import java.io.InterruptedIOException;
import org.jspecify.annotations.Nullable;

/** Where the service's failures become ours. */
record Failures(String recipient) {
  /** May be well when it is tried again. */
  static final class LaterException extends Exception {
    private static final long serialVersionUID = 1L;

    LaterException(Exception cause) {
      super(cause.getMessage() == null ? cause.toString() : cause.getMessage(), cause);
    }

    LaterException(String message) {
      super(message);
    }
  }

  /** What an answer that is none of success means. */
  KeyException ofAnswer(String action, int status, JsonObject answer) throws LaterException {
    JsonObject error =
        answer.has("error") && answer.get("error").isJsonObject()
            ? answer.getAsJsonObject("error")
            : new JsonObject();
    String said = Message.text(error, "status") + " " + Message.text(error, "message");
    String reason = Message.text(error, "status");
    if (status == 200 || status == 408 || status == 429 || status >= 500 || reason.isEmpty()) {
      // Without a reason of its own it is no answer of the service, but of something on the way.
      throw new LaterException("it answered " + status + " " + said.strip());
    }
    if (status == 404) {
      return failure(
          "key.lost",
          FailureKind.NOT_FOUND,
          "there is no such key: " + said,
          "Correct its name, or bring the project back.",
          null);
    }
    if (reason.equals("FAILED_PRECONDITION")) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the key cannot be used: " + said,
          "Enable the version again; if its destruction is scheduled, restore it first.",
          null);
    }
    if (status == 401 || status == 403) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the service refused to " + action + ": " + said,
          "Give this program's account the role cloudkms.cryptoKeyEncrypterDecrypter, and to be"
              + " warned of destruction cloudkms.viewer, on the key.",
          null);
    }
    return failure(
        "key.refused",
        FailureKind.PERMANENT,
        "the wrap does not open: another key, another place in the repository, or damaged ("
            + said.strip()
            + ")",
        "Read it from another copy, or offer the recipient that it was wrapped for.",
        null);
  }

  /** Why there is no access token. */
  KeyException ofLogin(String action, IOException e) throws LaterException {
    if (e instanceof Retryable answer && !answer.isRetryable()) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the credentials to " + action + " were refused: " + e.getMessage(),
          "Renew the credentials.",
          e);
    }
    throw new LaterException(e);
  }

  KeyException unreachable(String action, LaterException last) {
    return failure(
        "key.unreachable",
        FailureKind.TRANSIENT,
        "the service could not be asked to " + action + ": " + last.getMessage(),
        "See that it is reachable and that there are credentials, then try again; or use another"
            + " recipient.",
        last);
  }

  IOException interrupted(String action, InterruptedException e) {
    Thread.currentThread().interrupt();
    InterruptedIOException interrupted =
        new InterruptedIOException(recipient + ": interrupted on the way to " + action);
    interrupted.initCause(e);
    return interrupted;
  }

  KeyException refused(String problem, String remedy) {
    return failure("key.refused", FailureKind.PERMANENT, problem, remedy, null);
  }

  private KeyException failure(
      String code, FailureKind kind, String problem, String remedy, @Nullable Exception cause) {
    return new KeyException(code, kind, recipient + ": " + problem, recipient, remedy, cause);
  }
}
