package com.thorbis.backup.storage.s3;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import java.net.ConnectException;
import java.net.UnknownHostException;
import java.nio.channels.ClosedByInterruptException;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.awscore.exception.AwsErrorDetails;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.AbortedException;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.exception.SdkInterruptedException;
import software.amazon.awssdk.services.s3.model.DeleteObjectsResponse;
import software.amazon.awssdk.services.s3.model.S3Error;
import software.amazon.awssdk.services.s3.model.S3Exception;

/**
 * What a server or its client says, in the terms of the store. The vendor's exceptions end here.
 */
final class Failures {
  private static final Set<String> BUSY =
      Set.of(
          "SlowDown",
          "ServiceUnavailable",
          "Throttling",
          "ThrottlingException",
          "TooManyRequests",
          "RequestLimitExceeded",
          "BandwidthLimitExceeded",
          "ConditionalRequestConflict",
          "OperationAborted",
          "RequestTimeout",
          "BadDigest",
          "XAmzContentSHA256Mismatch",
          // The client corrects its clock, or gets new credentials, before it asks again.
          "RequestTimeTooSkewed",
          "ExpiredToken",
          "ExpiredTokenException");

  // Of the HTTP client, whose classes are not ours to name: nothing has left this machine.
  private static final Set<String> NOT_SENT =
      Set.of("ConnectTimeoutException", "ConnectionRequestTimeoutException");

  private final String place;
  private final String bucket;

  Failures(String place, String bucket) {
    this.place = place;
    this.bucket = bucket;
  }

  /** Whether the same request may succeed if it is sent again. */
  static boolean repeatable(SdkException e) {
    if (interrupted(e) || noCredentials(e) || ours(e).isPresent()) {
      return false;
    }
    if (e instanceof AwsServiceException answer) {
      return BUSY.contains(code(answer))
          || answer.statusCode() == 408
          || answer.statusCode() == 429
          || answer.statusCode() >= 500 && answer.statusCode() != 501;
    }
    return true;
  }

  /** Whether it is certain that a request had no effect. */
  static boolean withoutEffect(SdkException e) {
    if (e.numAttempts() != null && e.numAttempts() > 1) {
      return false; // the client of a host may have lost an answer and asked again
    }
    if (e instanceof AwsServiceException answer) {
      int status = answer.statusCode();
      return status >= 300 && status < 500 && status != 408
          || status == 501
          || status == 503 && BUSY.contains(code(answer));
    }
    return noCredentials(e)
        || ours(e).isPresent() // content that ended early: what was sent of it is no whole request
        || caused(e, cause -> cause instanceof ConnectException)
        || caused(e, cause -> cause instanceof UnknownHostException)
        || caused(e, cause -> NOT_SENT.contains(cause.getClass().getSimpleName()));
  }

  static boolean interrupted(SdkException e) {
    return e instanceof AbortedException
        || caused(
            e,
            cause ->
                cause instanceof SdkInterruptedException
                    || cause instanceof InterruptedException
                    || cause instanceof ClosedByInterruptException)
        || Arrays.stream(e.getSuppressed()).anyMatch(InterruptedException.class::isInstance);
  }

  static int status(SdkException e) {
    return e instanceof AwsServiceException answer ? answer.statusCode() : 0;
  }

  static String code(SdkException e) {
    return e instanceof AwsServiceException answer
            && answer.awsErrorDetails() != null
            && answer.awsErrorDetails().errorCode() != null
        ? answer.awsErrorDetails().errorCode()
        : "";
  }

  static Optional<String> header(SdkException e, String name) {
    return e instanceof AwsServiceException answer
            && answer.awsErrorDetails() != null
            && answer.awsErrorDetails().sdkHttpResponse() != null
        ? answer.awsErrorDetails().sdkHttpResponse().firstMatchingHeader(name)
        : Optional.empty();
  }

  /** What the answer to a request for many says of one of them. */
  static SdkException of(S3Error error, DeleteObjectsResponse answer) {
    String code = String.valueOf(error.code());
    int status =
        switch (code) {
          case "AccessDenied" -> 403;
          case "InternalError" -> 500;
          case "SlowDown", "ServiceUnavailable" -> 503;
          default -> 400;
        };
    return S3Exception.builder()
        .statusCode(status)
        .requestId(answer.responseMetadata().requestId())
        .awsErrorDetails(
            AwsErrorDetails.builder()
                .errorCode(code)
                .errorMessage(error.message())
                .sdkHttpResponse(answer.sdkHttpResponse())
                .build())
        .build();
  }

  /** An answer that does not mention what was asked for. */
  static SdkException unanswered() {
    return SdkClientException.create("The answer is not that of an S3 server");
  }

  StorageException translate(String action, ObjectKey key, SdkException e) {
    if (code(e).equals("NoSuchKey")) {
      return new StorageException.NotFound(key, e);
    }
    if (code(e).equals("InvalidObjectState")) {
      return StorageException.offline(key, e);
    }
    if (status(e) == 403 && said(e).toLowerCase(Locale.ROOT).contains("object lock")) {
      return StorageException.locked(key, null, e);
    }
    return translate(action, key.value(), e);
  }

  StorageException translate(String action, String object, SdkException e) {
    Optional<StorageException> ours = ours(e);
    if (ours.isPresent()) {
      return ours.get();
    }
    if (interrupted(e)) {
      return interrupted(action, object, e);
    }
    if (noCredentials(e)) {
      return failure(
          "storage.credentials-missing",
          FailureKind.CONFIGURATION,
          action,
          object,
          e,
          "Set s3.access-key-id and s3.secret-access-key, or give this machine or account a role.");
    }
    if (!(e instanceof AwsServiceException)) {
      return new StorageException.Unavailable(action, object, e);
    }
    return switch (code(e)) {
      case "NoSuchBucket" -> placeMissing(action, object, e);
      case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired" ->
          failure(
              "storage.credentials-expired",
              FailureKind.TRANSIENT,
              action,
              object,
              e,
              "Renew the session token, or let the account assume a role, which renews by itself.");
      case "SignatureDoesNotMatch" ->
          failure(
              "storage.denied",
              FailureKind.PERMANENT,
              action,
              object,
              e,
              "Check s3.secret-access-key and s3.region, that nothing between rewrites requests,"
                  + " and that this machine's clock is right.");
      case "RequestTimeTooSkewed" ->
          failure(
              "storage.clock-skew",
              FailureKind.TRANSIENT,
              action,
              object,
              e,
              "Set this machine's clock: it differs by more than the server accepts.");
      case "PermanentRedirect",
          "AuthorizationHeaderMalformed",
          "IllegalLocationConstraintException" ->
          failure(
              "storage.wrong-region",
              FailureKind.CONFIGURATION,
              action,
              object,
              e,
              "Set s3.region to that of the bucket"
                  + header(e, "x-amz-bucket-region").map(region -> ", " + region).orElse("")
                  + ".");
      case "InvalidStorageClass" ->
          failure(
              "storage.unsupported",
              FailureKind.CONFIGURATION,
              action,
              object,
              e,
              "This server has no such storage class: set s3.tiers to false.");
      default ->
          repeatable(e)
              ? new StorageException.Unavailable(action, object, e)
              : refused(action, object, e);
    };
  }

  private StorageException refused(String action, String object, SdkException e) {
    return switch (status(e)) {
      case 401, 403 ->
          failure(
              "storage.denied",
              FailureKind.PERMANENT,
              action,
              object,
              e,
              "Check the credentials, and that their policy and that of bucket "
                  + bucket
                  + " allow this.");
      case 405, 501 ->
          failure(
              "storage.unsupported",
              FailureKind.CONFIGURATION,
              action,
              object,
              e,
              "The server does not offer this. If it says so of every write, set s3.checksums to"
                  + " when-required or none.");
      default ->
          failure(
              "storage.refused",
              FailureKind.PERMANENT,
              action,
              object,
              e,
              status(e) == 400
                  ? "See what the server says. If it is about checksums or the content's hash, set"
                      + " s3.checksums to when-required or none."
                  : "See what the server says; s3.endpoint may name something else.");
    };
  }

  StorageException placeMissing(String action, String object, @Nullable SdkException e) {
    return new StorageException(
        "storage.place-missing",
        FailureKind.PERMANENT,
        action + " " + object + ": there is no bucket " + bucket + (e == null ? "" : request(e)),
        place,
        "Create the bucket, or correct its name, s3.region and s3.endpoint.",
        e);
  }

  /** An answer that says that all is well, and is not the answer to what was asked. */
  StorageException notAnAnswer(String action, String object) {
    return new StorageException(
        "storage.not-an-answer",
        FailureKind.TRANSIENT,
        action + " " + object + ": what came back is not the answer of an S3 server",
        object,
        "Look what answers at the endpoint of " + place + ".",
        null);
  }

  static StorageException uploadGone(ObjectKey key, @Nullable Throwable e) {
    return new StorageException(
        "storage.upload-gone",
        FailureKind.TRANSIENT,
        "Write " + key + ": the server has discarded the upload; nothing was written",
        key.value(),
        "Write it again. If it happens again, look which rule ends uploads of this bucket early.",
        e);
  }

  static StorageException interrupted(String action, String object, @Nullable Throwable e) {
    Thread.currentThread().interrupt();
    return new StorageException(
        "storage.interrupted",
        FailureKind.CANCELLED,
        action + " " + object + ": the thread was interrupted",
        object,
        "Nothing, if it was meant to end.",
        e);
  }

  private static StorageException failure(
      String code, FailureKind kind, String action, String object, SdkException e, String remedy) {
    return new StorageException(
        code, kind, action + " " + object + ": " + said(e) + request(e), object, remedy, e);
  }

  private static String said(SdkException e) {
    if (!(e instanceof AwsServiceException answer)) {
      return String.valueOf(e.getMessage());
    }
    AwsErrorDetails details = answer.awsErrorDetails();
    String text = details == null ? null : details.errorMessage();
    String code = code(e).isEmpty() ? "HTTP " + answer.statusCode() : code(e);
    return text == null || text.isBlank() ? code : code + ": " + text;
  }

  private static String request(SdkException e) {
    return e instanceof AwsServiceException answer && answer.requestId() != null
        ? " (request " + answer.requestId() + ")"
        : "";
  }

  private static boolean noCredentials(SdkException e) {
    return !(e instanceof AwsServiceException)
        && String.valueOf(e.getMessage()).contains("Unable to load credentials");
  }

  /** A failure of our own that came through the client. */
  private static Optional<StorageException> ours(SdkException e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof StorageException own) {
        return Optional.of(own);
      }
    }
    return Optional.empty();
  }

  private static boolean caused(Throwable e, Predicate<Throwable> test) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (test.test(cause)) {
        return true;
      }
    }
    return false;
  }
}
