package com.thorbis.backup.storage.s3;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import software.amazon.awssdk.awscore.exception.AwsErrorDetails;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.http.SdkHttpResponse;
import software.amazon.awssdk.services.s3.model.S3Exception;

class FailuresTest {
  private static final ObjectKey KEY = new ObjectKey("some/object");
  private final Failures failures = new Failures("s3://acme/prod", "acme");

  @ParameterizedTest
  @CsvSource({
    "403, AccessDenied, Access Denied, storage.denied, PERMANENT, policy",
    "403, InvalidAccessKeyId, unknown, storage.denied, PERMANENT, credentials",
    "403, SignatureDoesNotMatch, no match, storage.denied, PERMANENT, clock",
    "403, RequestTimeTooSkewed, too far, storage.clock-skew, TRANSIENT, clock",
    "400, ExpiredToken, expired, storage.credentials-expired, TRANSIENT, token",
    "404, NoSuchBucket, no bucket, storage.place-missing, PERMANENT, Create the bucket",
    "404, NoSuchKey, no key, storage.not-found, NOT_FOUND, ''",
    "404, , '', storage.refused, PERMANENT, s3.endpoint",
    "301, PermanentRedirect, elsewhere, storage.wrong-region, CONFIGURATION, s3.region",
    "400, AuthorizationHeaderMalformed, region, storage.wrong-region, CONFIGURATION, s3.region",
    "503, SlowDown, busy, storage.unavailable, TRANSIENT, ''",
    "429, TooManyRequests, busy, storage.unavailable, TRANSIENT, ''",
    "500, InternalError, oops, storage.unavailable, TRANSIENT, ''",
    "409, ConditionalRequestConflict, conflict, storage.unavailable, TRANSIENT, ''",
    "403, InvalidObjectState, archived, storage.offline, TRANSIENT, Ask for it",
    "403, AccessDenied, object protected by object lock., storage.locked, REFUSED, lock",
    "400, InvalidStorageClass, unknown, storage.unsupported, CONFIGURATION, s3.tiers",
    "501, NotImplemented, header, storage.unsupported, CONFIGURATION, s3.checksums",
    "400, XAmzContentChecksumMismatch, checksum, storage.refused, PERMANENT, s3.checksums",
  })
  void whatAServerSaysBecomesACodeAndAWayOut(
      int status, String code, String text, String ours, FailureKind kind, String remedy) {
    StorageException failure = failures.translate("Read", KEY, answer(status, code, text));
    assertThat(failure.code()).isEqualTo(ours);
    assertThat(failure.kind()).isEqualTo(kind);
    assertThat(failure.remedy()).contains(remedy);
    assertThat(failure).hasStackTraceContaining("REQUEST42");
  }

  @Test
  void aRegionThatTheServerNamesIsPassedOn() {
    assertThat(
            failures
                .translate(
                    "Read",
                    KEY,
                    answer(301, "PermanentRedirect", "", "x-amz-bucket-region", "eu-central-1"))
                .remedy())
        .contains("eu-central-1");
  }

  @Test
  void onlyWhatCannotHaveHappenedIsCalledSo() {
    assertThat(Failures.withoutEffect(answer(403, "AccessDenied", ""))).isTrue();
    assertThat(Failures.withoutEffect(answer(503, "SlowDown", ""))).isTrue();
    assertThat(Failures.withoutEffect(answer(503, null, ""))).as("of a balancer").isFalse();
    assertThat(Failures.withoutEffect(answer(500, "InternalError", ""))).isFalse();
    assertThat(Failures.withoutEffect(answer(408, "RequestTimeout", ""))).isFalse();
    assertThat(
            Failures.withoutEffect(
                SdkClientException.create("x", new java.net.ConnectException("refused"))))
        .isTrue();
    assertThat(
            Failures.withoutEffect(
                SdkClientException.create("x", new java.net.SocketTimeoutException("read"))))
        .isFalse();
    assertThat(Failures.withoutEffect(S3Exception.builder().statusCode(403).numAttempts(2).build()))
        .as("the client asked before")
        .isFalse();
  }

  @Test
  void missingCredentialsAreNotANetworkThatIsDown() {
    SdkException none =
        SdkClientException.create("Unable to load credentials from any of the providers");
    assertThat(failures.translate("Read", KEY, none).code())
        .isEqualTo("storage.credentials-missing");
    assertThat(Failures.repeatable(none)).isFalse();
  }

  /** An answer of a server, with pairs of headers. */
  static SdkException answer(int status, String code, String text, String... headers) {
    SdkHttpResponse.Builder response = SdkHttpResponse.builder().statusCode(status);
    for (int i = 0; i < headers.length; i += 2) {
      response.putHeader(headers[i], headers[i + 1]);
    }
    return S3Exception.builder()
        .statusCode(status)
        .requestId("REQUEST42")
        .message(text + " (Request ID: REQUEST42)")
        .awsErrorDetails(
            AwsErrorDetails.builder()
                .errorCode(code)
                .errorMessage(text)
                .sdkHttpResponse(response.build())
                .build())
        .build();
  }
}
