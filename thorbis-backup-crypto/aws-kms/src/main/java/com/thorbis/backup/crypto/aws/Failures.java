package com.thorbis.backup.crypto.aws;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.KeyException;
import java.io.IOException;
import java.io.InterruptedIOException;
import software.amazon.awssdk.core.exception.AbortedException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.exception.SdkServiceException;
import software.amazon.awssdk.services.kms.model.DependencyTimeoutException;
import software.amazon.awssdk.services.kms.model.DisabledException;
import software.amazon.awssdk.services.kms.model.IncorrectKeyException;
import software.amazon.awssdk.services.kms.model.InvalidCiphertextException;
import software.amazon.awssdk.services.kms.model.KeyUnavailableException;
import software.amazon.awssdk.services.kms.model.KmsException;
import software.amazon.awssdk.services.kms.model.KmsInternalException;
import software.amazon.awssdk.services.kms.model.KmsInvalidStateException;
import software.amazon.awssdk.services.kms.model.NotFoundException;

/** Where the service's failures become ours. */
record Failures(String recipient) {
  IOException translate(String action, SdkException e) {
    if (e instanceof AbortedException || Thread.currentThread().isInterrupted()) {
      Thread.currentThread().interrupt();
      InterruptedIOException interrupted =
          new InterruptedIOException(recipient + ": interrupted on the way to " + action);
      interrupted.initCause(e);
      return interrupted;
    }
    if (e instanceof NotFoundException) {
      return failure(
          "key.lost",
          FailureKind.NOT_FOUND,
          "there is no such key, or no such alias",
          "Correct its ARN. A key that was deleted is gone, and opens nothing any more.",
          e);
    }
    if (e instanceof InvalidCiphertextException || e instanceof IncorrectKeyException) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the wrap does not open: another key, another place in the repository, or damaged",
          "Read it from another copy, or offer the recipient that it was wrapped for.",
          e);
    }
    if (e instanceof DisabledException || e instanceof KmsInvalidStateException) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the key cannot be used: " + said(e),
          "Enable it again; if it is scheduled for deletion, cancel that first.",
          e);
    }
    if (e instanceof SdkServiceException answer && isRefusal(answer)) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the service refused to " + action + ": " + said(e),
          "Give this program's credentials kms:Encrypt, kms:Decrypt and kms:DescribeKey on the key,"
              + " and see that they have not expired.",
          e);
    }
    return failure(
        "key.unreachable",
        FailureKind.TRANSIENT,
        "the service could not be asked to " + action + ": " + said(e),
        "See that it is reachable and that there are credentials, then try again; or use another"
            + " recipient.",
        e);
  }

  KeyException refused(String problem, String remedy) {
    return new KeyException(
        "key.refused", FailureKind.PERMANENT, recipient + ": " + problem, recipient, remedy, null);
  }

  private static boolean isRefusal(SdkServiceException e) {
    return e.statusCode() >= 400
        && e.statusCode() < 500
        && e.statusCode() != 408
        && !e.isThrottlingException()
        && !(e instanceof DependencyTimeoutException)
        && !(e instanceof KeyUnavailableException)
        && !(e instanceof KmsInternalException);
  }

  private static String said(SdkException e) {
    return e instanceof KmsException answer && answer.awsErrorDetails() != null
        ? answer.awsErrorDetails().errorCode() + " " + answer.awsErrorDetails().errorMessage()
        : String.valueOf(e.getMessage());
  }

  private KeyException failure(
      String code, FailureKind kind, String problem, String remedy, SdkException cause) {
    return new KeyException(code, kind, recipient + ": " + problem, recipient, remedy, cause);
  }
}
