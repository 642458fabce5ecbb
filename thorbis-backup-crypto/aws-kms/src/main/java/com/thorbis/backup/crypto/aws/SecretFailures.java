package com.thorbis.backup.crypto.aws;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.secret.SecretException;
import java.util.Set;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.AbortedException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.exception.SdkServiceException;

/**
 * Where the failures of Secrets Manager become ours. What the service says in words is not passed
 * on, and neither is its exception: both may repeat what was sent.
 */
final class SecretFailures {
  private static final Set<String> STRANGERS =
      Set.of(
          "UnrecognizedClientException",
          "InvalidClientTokenId",
          "InvalidSignatureException",
          "SignatureDoesNotMatch",
          "IncompleteSignature",
          "IncompleteSignatureException",
          "MissingAuthenticationToken",
          "MissingAuthenticationTokenException",
          "ExpiredToken",
          "ExpiredTokenException");
  private static final Set<String> FORBIDDEN =
      Set.of("AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired");

  private SecretFailures() {}

  static SecretException read(String action, SdkException e) {
    return translate(action, e, false);
  }

  static SecretException write(String action, SdkException e) {
    return translate(action, e, true);
  }

  private static SecretException translate(String action, SdkException e, boolean write) {
    String problem = action + ": " + said(e);
    if (e instanceof AbortedException || Thread.currentThread().isInterrupted()) {
      Thread.currentThread().interrupt();
      return write
          ? unknown(action, problem)
          : failure("cancelled", FailureKind.CANCELLED, action + ": interrupted", action, "");
    }
    String code = code(e);
    if (STRANGERS.contains(code)) {
      return failure(
          SecretException.UNAUTHORIZED,
          FailureKind.PERMANENT,
          problem,
          action,
          "Give valid credentials; nothing was looked at.");
    }
    if (FORBIDDEN.contains(code)) {
      return failure(
          SecretException.FORBIDDEN,
          FailureKind.PERMANENT,
          problem,
          action,
          "Allow this action to these credentials, that on the KMS key of the secret too.");
    }
    if (code.equals("DecryptionFailure") || code.equals("EncryptionFailure")) {
      return failure(
          write ? SecretException.REFUSED : SecretException.UNREADABLE,
          FailureKind.PERMANENT,
          problem,
          action,
          "See that the KMS key of the secret is there and enabled.");
    }
    if (e instanceof SdkServiceException answer) {
      if (answer.isThrottlingException() || answer.statusCode() == 429) {
        return unavailable(action, problem);
      }
      if (answer.statusCode() / 100 == 4 && answer.statusCode() != 408) {
        return failure(
            write ? SecretException.REFUSED : SecretException.UNEXPECTED,
            FailureKind.PERMANENT,
            problem,
            action,
            "Look at the secret by hand.");
      }
    }
    return write ? unknown(action, problem) : unavailable(action, problem);
  }

  static SecretException unreadable(String name, String why, String remedy) {
    return failure(
        SecretException.UNREADABLE, FailureKind.PERMANENT, name + ": " + why, name, remedy);
  }

  static SecretException unexpected(String action, String why) {
    return failure(
        SecretException.UNEXPECTED, FailureKind.PERMANENT, action + ": " + why, action, "");
  }

  private static SecretException unavailable(String action, String problem) {
    return failure(
        SecretException.UNAVAILABLE, FailureKind.TRANSIENT, problem, action, "Try again later.");
  }

  private static SecretException unknown(String action, String problem) {
    return failure(
        SecretException.OUTCOME_UNKNOWN,
        FailureKind.OUTCOME_UNKNOWN,
        problem,
        action,
        "Look at what stands there now before writing it again.");
  }

  private static SecretException failure(
      String code, FailureKind kind, String message, String subject, String remedy) {
    return new SecretException(code, kind, message, subject, remedy, null);
  }

  /** How the service ended a call, without its words. */
  static String said(SdkException e) {
    if (e instanceof SdkServiceException answer) {
      String code = code(e);
      return "the service answered "
          + answer.statusCode()
          + (code.matches("[A-Za-z]{1,64}") ? " " + code : "");
    }
    return "it could not be asked: " + e.getClass().getSimpleName();
  }

  private static String code(SdkException e) {
    return e instanceof AwsServiceException answer
            && answer.awsErrorDetails() != null
            && answer.awsErrorDetails().errorCode() != null
        ? answer.awsErrorDetails().errorCode()
        : "";
  }
}
