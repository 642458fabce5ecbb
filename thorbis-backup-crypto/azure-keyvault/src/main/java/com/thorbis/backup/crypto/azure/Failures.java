package com.thorbis.backup.crypto.azure;

import com.azure.core.exception.HttpResponseException;
import com.microsoft.aad.msal4j.MsalServiceException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.KeyException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Where the vault's failures become ours. */
record Failures(String recipient) {
  /** Whether the vault said that there is no such thing. */
  boolean isAbsence(RuntimeException e) {
    return status(e) == 404;
  }

  KeyException translate(String action, RuntimeException e) {
    int status = status(e);
    if (status == 400) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the wrap does not open: another key, or damaged (" + said(e) + ")",
          "Read it from another copy, or offer the recipient that it was wrapped for.",
          e);
    }
    if (isRefusal(status) || isRefusal(loginStatus(e))) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the vault refused to " + action + ": " + said(e),
          "Enable the key if it is disabled; else give this program's identity the permissions get,"
              + " wrapKey and unwrapKey on it, and see that its secret has not expired.",
          e);
    }
    if (e instanceof UnsupportedOperationException) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the key cannot " + action + ": " + said(e),
          "Use an RSA key with the operations wrapKey and unwrapKey.",
          e);
    }
    return failure(
        "key.unreachable",
        FailureKind.TRANSIENT,
        "the vault could not be asked to " + action + ": " + said(e),
        "See that it is reachable and that there are credentials, then try again; or use another"
            + " recipient.",
        e);
  }

  KeyException late(String action, Duration longest) {
    return failure(
        "key.unreachable",
        FailureKind.TRANSIENT,
        "the vault could not be asked to " + action + ": no answer within " + longest,
        "It may ask for patience: try again later, or use another recipient.",
        null);
  }

  IOException interrupted(String action, InterruptedException e) {
    Thread.currentThread().interrupt();
    InterruptedIOException interrupted =
        new InterruptedIOException(recipient + ": interrupted on the way to " + action);
    interrupted.initCause(e);
    return interrupted;
  }

  KeyException lost(RuntimeException cause) {
    return failure(
        "key.lost",
        FailureKind.NOT_FOUND,
        "there is no such key, nor a deleted one that could be recovered",
        "Correct its name. A key that was purged is gone, and opens nothing any more.",
        cause);
  }

  KeyException deleted(Optional<Instant> purge, RuntimeException cause) {
    return failure(
        "key.refused",
        FailureKind.PERMANENT,
        "the key was deleted" + purge.map(at -> ", and will be purged at " + at).orElse(""),
        "Recover it before then: az keyvault key recover.",
        cause);
  }

  KeyException refused(String problem, String remedy) {
    return failure("key.refused", FailureKind.PERMANENT, problem, remedy, null);
  }

  private static int status(RuntimeException e) {
    return e instanceof HttpResponseException answer && answer.getResponse() != null
        ? answer.getResponse().getStatusCode()
        : 0;
  }

  /** How the service that gives tokens answered; 0 if it did not. */
  private static int loginStatus(RuntimeException e) {
    int depth = 0;
    for (Throwable at = e; at != null && depth < 20; at = at.getCause(), depth++) {
      if (at instanceof MsalServiceException answer && answer.statusCode() != null) {
        return answer.statusCode();
      }
    }
    return 0;
  }

  private static boolean isRefusal(int status) {
    return status >= 400 && status < 500 && status != 408 && status != 429;
  }

  private static String said(RuntimeException e) {
    return String.valueOf(e.getMessage());
  }

  private KeyException failure(
      String code,
      FailureKind kind,
      String problem,
      String remedy,
      @Nullable RuntimeException cause) {
    return new KeyException(code, kind, recipient + ": " + problem, recipient, remedy, cause);
  }
}
