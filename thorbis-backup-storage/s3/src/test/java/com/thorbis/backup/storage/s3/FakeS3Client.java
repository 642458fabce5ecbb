package com.thorbis.backup.storage.s3;

import java.io.ByteArrayInputStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import software.amazon.awssdk.awscore.exception.AwsErrorDetails;
import software.amazon.awssdk.core.ResponseInputStream;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.AbortableInputStream;
import software.amazon.awssdk.http.SdkHttpResponse;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompleteMultipartUploadRequest;
import software.amazon.awssdk.services.s3.model.CompleteMultipartUploadResponse;
import software.amazon.awssdk.services.s3.model.CopyPartResult;
import software.amazon.awssdk.services.s3.model.CreateMultipartUploadRequest;
import software.amazon.awssdk.services.s3.model.CreateMultipartUploadResponse;
import software.amazon.awssdk.services.s3.model.GetBucketVersioningRequest;
import software.amazon.awssdk.services.s3.model.GetBucketVersioningResponse;
import software.amazon.awssdk.services.s3.model.GetObjectLockConfigurationRequest;
import software.amazon.awssdk.services.s3.model.GetObjectLockConfigurationResponse;
import software.amazon.awssdk.services.s3.model.GetObjectRequest;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.HeadBucketRequest;
import software.amazon.awssdk.services.s3.model.HeadBucketResponse;
import software.amazon.awssdk.services.s3.model.HeadObjectRequest;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.ObjectLockEnabled;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.PutObjectResponse;
import software.amazon.awssdk.services.s3.model.PutObjectRetentionRequest;
import software.amazon.awssdk.services.s3.model.PutObjectRetentionResponse;
import software.amazon.awssdk.services.s3.model.RestoreObjectRequest;
import software.amazon.awssdk.services.s3.model.RestoreObjectResponse;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Request;
import software.amazon.awssdk.services.s3.model.UploadPartCopyRequest;
import software.amazon.awssdk.services.s3.model.UploadPartCopyResponse;
import software.amazon.awssdk.services.s3.model.UploadPartRequest;
import software.amazon.awssdk.services.s3.model.UploadPartResponse;

/** A server that answers by what the documentation says, and keeps no content. */
final class FakeS3Client implements S3Client {
  static final Instant TIME = Instant.parse("2026-11-26T06:00:00Z");
  private static final SdkHttpResponse OK =
      SdkHttpResponse.builder()
          .statusCode(200)
          .putHeader("Date", "Thu, 26 Nov 2026 06:00:00 GMT")
          .build();

  final List<S3Request> requests = java.util.Collections.synchronizedList(new ArrayList<>());
  final Map<Integer, Long> parts = new ConcurrentHashMap<>();
  final Map<String, HeadObjectResponse> objects = new HashMap<>();
  final AtomicInteger mostAtOnce = new AtomicInteger();
  private final AtomicInteger now = new AtomicInteger();

  static S3Exception refused(int status, String code) {
    return (S3Exception)
        S3Exception.builder()
            .statusCode(status)
            .requestId("REQUEST42")
            .awsErrorDetails(
                AwsErrorDetails.builder().errorCode(code).errorMessage("planted").build())
            .build();
  }

  /** What was asked, of one kind. */
  <T> List<T> asked(Class<T> kind) {
    return requests.stream().filter(kind::isInstance).map(kind::cast).toList();
  }

  @Override
  public HeadBucketResponse headBucket(HeadBucketRequest request) {
    return (HeadBucketResponse) HeadBucketResponse.builder().sdkHttpResponse(OK).build();
  }

  @Override
  public GetBucketVersioningResponse getBucketVersioning(GetBucketVersioningRequest request) {
    return GetBucketVersioningResponse.builder().status("Enabled").build();
  }

  @Override
  public GetObjectLockConfigurationResponse getObjectLockConfiguration(
      GetObjectLockConfigurationRequest request) {
    return GetObjectLockConfigurationResponse.builder()
        .objectLockConfiguration(of -> of.objectLockEnabled(ObjectLockEnabled.ENABLED))
        .build();
  }

  @Override
  public HeadObjectResponse headObject(HeadObjectRequest request) {
    requests.add(request);
    HeadObjectResponse found = objects.get(request.key());
    if (found == null) {
      throw refused(404, null);
    }
    return found;
  }

  @Override
  public ResponseInputStream<GetObjectResponse> getObject(GetObjectRequest request) {
    requests.add(request);
    HeadObjectResponse found = objects.get(request.key());
    if (found == null) {
      throw refused(404, "NoSuchKey");
    }
    String[] range = request.range().substring("bytes=".length()).split("-");
    long from = Long.parseLong(range[0]);
    long to = Math.min(Long.parseLong(range[1]), found.contentLength() - 1);
    byte[] content = new byte[(int) (to - from + 1)];
    return new ResponseInputStream<>(
        GetObjectResponse.builder()
            .contentLength((long) content.length)
            .contentRange("bytes " + from + "-" + to + "/" + found.contentLength())
            .lastModified(TIME)
            .eTag(found.eTag())
            .build(),
        AbortableInputStream.create(new ByteArrayInputStream(content)));
  }

  @Override
  public PutObjectResponse putObject(PutObjectRequest request, RequestBody body) {
    requests.add(request);
    return (PutObjectResponse)
        PutObjectResponse.builder().eTag("\"1\"").sdkHttpResponse(OK).build();
  }

  @Override
  public PutObjectRetentionResponse putObjectRetention(PutObjectRetentionRequest request) {
    requests.add(request);
    return PutObjectRetentionResponse.builder().build();
  }

  @Override
  public RestoreObjectResponse restoreObject(RestoreObjectRequest request) {
    requests.add(request);
    return RestoreObjectResponse.builder().build();
  }

  @Override
  public CreateMultipartUploadResponse createMultipartUpload(CreateMultipartUploadRequest request) {
    requests.add(request);
    return CreateMultipartUploadResponse.builder().uploadId("upload").build();
  }

  @Override
  public UploadPartResponse uploadPart(UploadPartRequest request, RequestBody body) {
    mostAtOnce.accumulateAndGet(now.incrementAndGet(), Math::max);
    parts.put(request.partNumber(), body.optionalContentLength().orElseThrow());
    now.decrementAndGet();
    return (UploadPartResponse)
        UploadPartResponse.builder().eTag("\"1\"").sdkHttpResponse(OK).build();
  }

  @Override
  public UploadPartCopyResponse uploadPartCopy(UploadPartCopyRequest request) {
    requests.add(request);
    return (UploadPartCopyResponse)
        UploadPartCopyResponse.builder()
            .copyPartResult(CopyPartResult.builder().eTag("\"1\"").build())
            .sdkHttpResponse(OK)
            .build();
  }

  @Override
  public CompleteMultipartUploadResponse completeMultipartUpload(
      CompleteMultipartUploadRequest request) {
    requests.add(request);
    HeadObjectResponse found = objects.get(request.key());
    if (found != null) {
      String storageClass = asked(CreateMultipartUploadRequest.class).get(0).storageClassAsString();
      objects.put(request.key(), found.toBuilder().storageClass(storageClass).build());
    }
    return (CompleteMultipartUploadResponse)
        CompleteMultipartUploadResponse.builder().eTag("\"1\"").sdkHttpResponse(OK).build();
  }

  @Override
  public String serviceName() {
    return "s3";
  }

  @Override
  public void close() {}
}
