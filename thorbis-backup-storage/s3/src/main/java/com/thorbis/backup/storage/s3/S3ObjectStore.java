package com.thorbis.backup.storage.s3;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.spi.storage.WriteOptions;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.core.ResponseInputStream;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.http.SdkHttpResponse;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ServiceClientConfiguration;
import software.amazon.awssdk.services.s3.model.BucketVersioningStatus;
import software.amazon.awssdk.services.s3.model.CopyObjectRequest;
import software.amazon.awssdk.services.s3.model.CopyObjectResponse;
import software.amazon.awssdk.services.s3.model.DeleteObjectsResponse;
import software.amazon.awssdk.services.s3.model.GetObjectRequest;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.ListMultipartUploadsResponse;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Request;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Response;
import software.amazon.awssdk.services.s3.model.MetadataDirective;
import software.amazon.awssdk.services.s3.model.MultipartUpload;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.ObjectLockConfiguration;
import software.amazon.awssdk.services.s3.model.ObjectLockEnabled;
import software.amazon.awssdk.services.s3.model.ObjectLockMode;
import software.amazon.awssdk.services.s3.model.ObjectLockRetentionMode;
import software.amazon.awssdk.services.s3.model.RestoreRequest;
import software.amazon.awssdk.services.s3.model.S3Error;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.model.StorageClass;
import software.amazon.awssdk.services.s3.model.Tier;
import software.amazon.awssdk.utils.SdkAutoCloseable;

/**
 * Objects in a bucket of S3, or of a server that speaks its language, below a prefix.
 *
 * <p>Every write is conditional ({@code If-None-Match: *}) and carries an id of its own: a repeated
 * request that meets its own first success is success. A server that ignores the condition does not
 * keep the contract of {@link ObjectStore}. An object that fits into one part is one request;
 * longer ones are uploaded in parts, of which this holds in memory what is on its way and one more
 * for each open upload.
 *
 * <p>Requests are repeated here and nowhere else, so a client of the host's should not repeat them
 * too. What breaks off while it is read is asked for again from there on.
 *
 * <p>The first question about a capability asks for the bucket's versioning and lock settings;
 * where they may not be read, or the server has none, {@link StoreCapability#UNDELETE} and {@link
 * StoreCapability#LOCK} are not offered. A delete on a bucket with versions leaves a marker, from
 * which {@link #undelete} brings back what is below. Such a marker would hide a locked object as
 * well, so that a delete looks at the lock first. To see locks needs the right {@code
 * s3:GetObjectRetention}. A listing calls what lies in an archive not readable, also where it was
 * brought back. Objects whose names are no keys are left alone and not seen.
 *
 * <p>Times are the server's, in whole seconds. That of an object which was uploaded in parts may be
 * the time when its upload began.
 */
public final class S3ObjectStore implements ObjectStore {
  private static final Pattern CONTENT_RANGE = Pattern.compile("bytes ([0-9]+)-([0-9]+)/([0-9]+)");
  private static final Pattern ONGOING = Pattern.compile("ongoing-request=\"(true|false)\"");
  private static final Set<Integer> NO_SUCH_SETTING = Set.of(400, 403, 404, 405, 501);
  private static final int BATCH = 1000;

  private final S3Client client;
  private final List<SdkAutoCloseable> closed;
  private final String bucket;
  private final String prefix;
  private final Failures failures;
  private final Attempts attempts;
  private final PartSizes partSizes;
  private final Semaphore partsInFlight;
  private final ExecutorService senders;
  private final Tiers tiers;
  private final boolean offersTiers;
  private final ObjectLockMode lockMode;
  private final boolean md5;
  private final int pageSize;
  private volatile @Nullable Facts facts;

  /** What the bucket is set to. */
  private record Facts(boolean versions, boolean locks) {}

  private S3ObjectStore(Builder builder, S3Client client, String bucket) {
    this.client = client;
    this.closed = builder.closed;
    this.bucket = bucket;
    this.prefix = builder.prefix.isEmpty() ? "" : builder.prefix + "/";
    this.failures = new Failures(describe(), bucket);
    this.attempts = new Attempts(builder.retries + 1, builder.pause);
    this.partSizes = new PartSizes(builder.partSize);
    this.partsInFlight = new Semaphore(builder.partsInFlight);
    this.senders =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, "thorbis-s3-part");
              thread.setDaemon(true);
              return thread;
            });
    this.tiers = new Tiers(builder.archiveClass, builder.retrieval);
    this.offersTiers = builder.tiers;
    this.lockMode = builder.lockMode;
    this.md5 = builder.md5;
    this.pageSize = builder.pageSize;
  }

  /** A builder without a client and a bucket. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public String describe() {
    return "s3://"
        + bucket
        + (prefix.isEmpty() ? "" : "/" + prefix.substring(0, prefix.length() - 1));
  }

  @Override
  public String service() {
    String at = "";
    try {
      S3ServiceClientConfiguration configuration = client.serviceClientConfiguration();
      at =
          configuration
              .endpointOverride()
              .map(URI::toString)
              .orElse(String.valueOf(configuration.region()));
    } catch (UnsupportedOperationException e) {
      // A client that stands before another one need not say it.
    }
    return describe() + " at " + at + " by " + VersionInfo.SDK_VERSION;
  }

  @Override
  public Set<StoreCapability> capabilities() throws IOException {
    Set<StoreCapability> offered = EnumSet.of(StoreCapability.STALE_UPLOADS);
    Facts known = facts();
    if (offersTiers) {
      offered.add(StoreCapability.TIERS);
    }
    if (known.locks) {
      offered.add(StoreCapability.LOCK);
    }
    if (known.versions) {
      offered.add(StoreCapability.UNDELETE);
    }
    return offered;
  }

  /** Asks whether the bucket is there. It is not made: how it is to be set up is for its owner. */
  @Override
  public void createPlace() throws IOException {
    requireBucket("Open", describe());
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    return put(key, content, WriteOptions.plain());
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content, WriteOptions options)
      throws IOException {
    requireOffered(key, options);
    if (content.length() <= partSizes.of(1)) {
      return new Writer(this, key, options).put(content);
    }
    try (ObjectUpload upload = startUpload(key, options)) {
      copy(key, content, upload.body());
      return upload.commit();
    }
  }

  private static void copy(ObjectKey key, ObjectSource content, OutputStream out)
      throws StorageException {
    long length = content.length();
    byte[] buffer = new byte[1 << 17];
    long copied = 0;
    try (InputStream in = content.open()) {
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        copied += count;
        if (copied > length) {
          break;
        }
        out.write(buffer, 0, count);
      }
    } catch (StorageException e) {
      throw e;
    } catch (IOException e) {
      throw StorageException.sourceFailed(key, e);
    }
    if (copied != length) {
      throw StorageException.sourceLength(key, length);
    }
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    return startUpload(key, WriteOptions.plain());
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key, WriteOptions options) throws IOException {
    requireOffered(key, options);
    return new Upload(this, new Writer(this, key, options));
  }

  private void requireOffered(ObjectKey key, WriteOptions options) throws IOException {
    boolean tier = options.tier() != StorageTier.HOT;
    if (tier && !offersTiers || options.lockedUntil().isPresent() && !facts().locks) {
      throw StorageException.unsupported(this, "keep an object " + options, key.value());
    }
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    ResponseInputStream<GetObjectResponse> in = open(key, null, null);
    GetObjectResponse answer = in.response();
    return new Reading(
        this, info(key, answer, answer.contentLength()), in, 0, answer.contentLength());
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    long end = range.offset() + range.length() - 1;
    boolean toTheEnd = end >= PartSizes.LONGEST_OBJECT;
    ResponseInputStream<GetObjectResponse> in;
    try {
      in = open(key, "bytes=" + range.offset() + "-" + (toTheEnd ? "" : end), null);
    } catch (BeyondTheEnd e) {
      ObjectInfo info = head(key).orElseThrow(() -> new StorageException.NotFound(key, e));
      if (range.offset() < info.length()) {
        throw failures.notAnAnswer("Read", key.value());
      }
      return new Reading(this, info, null, range.offset(), 0);
    }
    Matcher form = CONTENT_RANGE.matcher(String.valueOf(in.response().contentRange()));
    if (form.matches()) {
      long from = Long.parseLong(form.group(1));
      long length = Long.parseLong(form.group(2)) - from + 1;
      long whole = Long.parseLong(form.group(3));
      if (from == range.offset() && length == Math.min(range.length(), whole - from)) {
        return new Reading(this, info(key, in.response(), whole), in, from, length);
      }
    }
    in.abort();
    throw failures.notAnAnswer(
        "Read bytes " + range.offset() + "+" + range.length() + " of", key.value());
  }

  /** A range that starts where an object has ended. */
  private static final class BeyondTheEnd extends IOException {
    private static final long serialVersionUID = 1L;

    BeyondTheEnd(SdkException cause) {
      super(cause);
    }
  }

  /** Asks for what is missing of the same object. */
  ResponseInputStream<GetObjectResponse> reopen(ObjectKey key, String etag, long from, long to)
      throws StorageException {
    try {
      return open(key, "bytes=" + from + "-" + to, etag);
    } catch (BeyondTheEnd e) {
      throw failures.notAnAnswer("Read", key.value());
    }
  }

  private ResponseInputStream<GetObjectResponse> open(
      ObjectKey key, @Nullable String range, @Nullable String etag)
      throws BeyondTheEnd, StorageException {
    GetObjectRequest request =
        GetObjectRequest.builder().bucket(bucket).key(name(key)).range(range).ifMatch(etag).build();
    for (int attempt = 1; ; attempt++) {
      try {
        ResponseInputStream<GetObjectResponse> in = Attempts.once(() -> client.getObject(request));
        if (isAnswer(in.response(), range != null)) {
          return in;
        }
        in.abort();
        throw Failures.unanswered();
      } catch (SdkException e) {
        if (Failures.status(e) == 416) {
          throw new BeyondTheEnd(e);
        }
        if (!attempts.again(attempt, e)) {
          throw failures.translate("Read", key, e);
        }
      }
    }
  }

  private static boolean isAnswer(GetObjectResponse answer, boolean part) {
    return answer.contentLength() != null
        && answer.lastModified() != null
        && (!part || CONTENT_RANGE.matcher(String.valueOf(answer.contentRange())).matches());
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    return find(key).map(found -> told(key, found));
  }

  /** Looks for an object. A 404 to HEAD says nothing about the bucket, so GET is asked then. */
  Optional<HeadObjectResponse> find(ObjectKey key) throws StorageException {
    for (int round = 1; ; round++) {
      try {
        HeadObjectResponse found =
            attempts.run(
                () -> {
                  HeadObjectResponse answer =
                      client.headObject(head -> head.bucket(bucket).key(name(key)));
                  require(answer.contentLength() != null && answer.lastModified() != null);
                  return answer;
                },
                e ->
                    Failures.status(e) == 404
                        ? new StorageException.NotFound(key, e)
                        : failures.translate("Look at", key, e));
        return Optional.of(found);
      } catch (StorageException.NotFound e) {
        if (isAbsent(key)) {
          return Optional.empty();
        }
        if (round == 3) {
          throw failures.notAnAnswer("Look at", key.value());
        }
      }
    }
  }

  /** Refuses what comes with a good status and is not the answer to what was asked. */
  static void require(boolean answered) {
    if (!answered) {
      throw Failures.unanswered();
    }
  }

  private boolean isAbsent(ObjectKey key) throws StorageException {
    try {
      open(key, "bytes=0-0", null).abort();
      return false;
    } catch (BeyondTheEnd e) {
      return false;
    } catch (StorageException.NotFound e) {
      return true;
    }
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    ListObjectsV2Request.Builder request =
        ListObjectsV2Request.builder()
            .bucket(bucket)
            .prefix(this.prefix + prefix)
            .maxKeys(pageSize)
            .startAfter(after.map(last -> this.prefix + last).orElse(null));
    ListObjectsV2Response page =
        attempts.run(
            () -> {
              ListObjectsV2Response answer = client.listObjectsV2(request.build());
              require(answer.isTruncated() != null);
              return answer;
            },
            e -> failures.translate("List", prefix, e));
    List<ObjectInfo> objects = new ArrayList<>();
    String last = after.map(name -> this.prefix + name).orElse("");
    for (S3Object object : page.contents()) {
      if (object.key().compareTo(last) <= 0 && !last.isEmpty()) {
        throw new StorageException(
            "storage.unordered",
            FailureKind.PERMANENT,
            "List " + prefix + ": the server does not list in the order of keys",
            describe(),
            "Use a bucket whose listings are ordered: directory buckets have none that are.",
            null);
      }
      last = object.key();
      Optional<ObjectKey> key = key(object.key());
      if (key.isPresent() && key.get().value().startsWith(prefix)) {
        objects.add(listed(key.get(), object));
      }
    }
    if (page.isTruncated() && page.contents().isEmpty()) {
      throw failures.notAnAnswer("List", prefix);
    }
    return new ListPage(
        objects,
        page.isTruncated() ? Optional.of(last.substring(this.prefix.length())) : Optional.empty());
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    if (facts().locks) {
      requireUnlocked(key);
    }
    attempts.run(
        () -> {
          int status =
              client
                  .deleteObject(delete -> delete.bucket(bucket).key(name(key)))
                  .sdkHttpResponse()
                  .statusCode();
          require(status == 204); // another one may come with an error
          return true;
        },
        e ->
            Failures.code(e).equals("NoSuchKey")
                ? failures.notAnAnswer("Delete", key.value())
                : failures.translate("Delete", key, e));
  }

  private void requireUnlocked(ObjectKey key) throws IOException {
    Instant until = head(key).flatMap(ObjectInfo::lockedUntil).orElse(Instant.MIN);
    if (until.isAfter(now())) {
      throw StorageException.locked(key, until, null);
    }
  }

  @Override
  public Map<ObjectKey, StorageException> deleteAll(Collection<ObjectKey> keys) throws IOException {
    Map<ObjectKey, StorageException> failed = new LinkedHashMap<>();
    List<ObjectKey> removable = new ArrayList<>(keys);
    if (facts().locks) {
      removable.clear();
      for (Map.Entry<ObjectKey, Future<Boolean>> look : looks(keys).entrySet()) {
        try {
          look.getValue().get();
          removable.add(look.getKey());
        } catch (ExecutionException e) {
          failed.put(look.getKey(), asStorage(look.getKey(), e));
        } catch (InterruptedException e) {
          throw Failures.interrupted("Delete", look.getKey().value(), e);
        }
      }
    }
    for (int from = 0; from < removable.size(); from += BATCH) {
      List<ObjectKey> batch = removable.subList(from, Math.min(from + BATCH, removable.size()));
      try {
        failed.putAll(deleteBatch(batch));
      } catch (StorageException e) {
        if (e.code().equals("storage.unsupported")) {
          failed.putAll(ObjectStore.super.deleteAll(batch));
        } else {
          batch.forEach(key -> failed.put(key, e));
        }
      }
    }
    return failed;
  }

  private Map<ObjectKey, Future<Boolean>> looks(Collection<ObjectKey> keys) throws IOException {
    Map<ObjectKey, Future<Boolean>> looks = new LinkedHashMap<>();
    for (ObjectKey key : keys) {
      looks.put(
          key,
          submit(
              key,
              () -> {
                requireUnlocked(key);
                return true;
              }));
    }
    return looks;
  }

  private static StorageException asStorage(ObjectKey key, ExecutionException e) {
    return e.getCause() instanceof StorageException known
        ? known
        : new StorageException.Unavailable("Delete", key.value(), e.getCause());
  }

  /** One request, and others for those of its keys that may be removed at another time. */
  private Map<ObjectKey, StorageException> deleteBatch(List<ObjectKey> keys)
      throws StorageException {
    Map<ObjectKey, StorageException> failed = new LinkedHashMap<>();
    Set<ObjectKey> left = new LinkedHashSet<>(keys);
    for (int attempt = 1; ; attempt++) {
      List<ObjectIdentifier> asked =
          left.stream().map(key -> ObjectIdentifier.builder().key(name(key)).build()).toList();
      DeleteObjectsResponse answer =
          attempts.run(
              () -> client.deleteObjects(all -> all.bucket(bucket).delete(d -> d.objects(asked))),
              e -> failures.translate("Delete", describe(), e));
      answer.deleted().forEach(done -> key(done.key()).ifPresent(left::remove));
      SdkException busy = null;
      for (S3Error error : answer.errors()) {
        Optional<ObjectKey> key = key(String.valueOf(error.key()));
        if (key.isEmpty() || !left.contains(key.get())) {
          continue;
        }
        SdkException said = Failures.of(error, answer);
        if (Failures.code(said).equals("NoSuchKey")) {
          left.remove(key.get());
        } else if (Failures.repeatable(said)) {
          busy = said;
        } else {
          left.remove(key.get());
          failed.put(key.get(), failures.translate("Delete", key.get(), said));
        }
      }
      if (left.isEmpty()) {
        return failed;
      }
      SdkException again = busy != null ? busy : Failures.unanswered();
      if (!attempts.again(attempt, again)) {
        left.forEach(key -> failed.put(key, failures.translate("Delete", key, again)));
        return failed;
      }
    }
  }

  @Override
  public void extendLock(ObjectKey key, Instant until) throws IOException {
    if (!facts().locks) {
      throw StorageException.unsupported(this, "lock an object", key.value());
    }
    HeadObjectResponse found =
        find(key).orElseThrow(() -> new StorageException.NotFound(key, null));
    Instant now = found.objectLockRetainUntilDate();
    if (now != null && !now.isBefore(until)) {
      return;
    }
    ObjectLockMode mode = found.objectLockMode() == null ? lockMode : found.objectLockMode();
    attempts.run(
        () ->
            client.putObjectRetention(
                lock ->
                    lock.bucket(bucket)
                        .key(name(key))
                        .versionId(found.versionId())
                        .retention(
                            to ->
                                to.mode(ObjectLockRetentionMode.fromValue(mode.toString()))
                                    .retainUntilDate(until))),
        e -> failures.translate("Lock", key, e));
  }

  @Override
  public void move(ObjectKey key, StorageTier tier) throws IOException {
    if (!offersTiers) {
      throw StorageException.unsupported(this, "move an object to tier " + tier, key.value());
    }
    HeadObjectResponse found =
        find(key).orElseThrow(() -> new StorageException.NotFound(key, null));
    StorageClass target = tiers.of(tier);
    if (info(key, found).tier() == tier) {
      return;
    }
    Instant until = found.objectLockRetainUntilDate();
    if (until != null && until.isAfter(now())) {
      // The copy would be another version, and what is locked would stay below it, and be charged.
      throw StorageException.locked(key, until, null);
    }
    if (found.contentLength() > PartSizes.MOST) {
      new LongMove(this, key, found).to(target);
    } else {
      copy(key, found, target);
    }
    StorageClass now = find(key).map(HeadObjectResponse::storageClass).orElse(null);
    if ((now == null ? StorageClass.STANDARD : now) != target) {
      throw StorageException.unsupported(this, "move an object to class " + target, key.value());
    }
  }

  private void copy(ObjectKey key, HeadObjectResponse found, StorageClass target)
      throws StorageException {
    CopyObjectRequest.Builder copy =
        CopyObjectRequest.builder()
            .sourceBucket(bucket)
            .sourceKey(name(key))
            .copySourceIfMatch(found.eTag())
            .destinationBucket(bucket)
            .destinationKey(name(key))
            // The same again: not every server takes an object's new class for a change.
            .metadataDirective(MetadataDirective.REPLACE)
            .metadata(found.metadata())
            .contentType(found.contentType())
            .storageClass(target);
    attempts.run(
        () -> {
          CopyObjectResponse answer = client.copyObject(copy.build());
          String etag = answer.copyObjectResult() == null ? null : answer.copyObjectResult().eTag();
          return Writer.done(etag, answer.sdkHttpResponse());
        },
        e -> failures.translate("Move", key, e));
  }

  @Override
  public Duration minimumStay(StorageTier tier) {
    return offersTiers ? tiers.minimumStay(tier) : Duration.ZERO;
  }

  @Override
  public void requestReadable(ObjectKey key, Duration keepFor) throws IOException {
    if (!offersTiers) {
      throw StorageException.unsupported(this, "bring back an object", key.value());
    }
    HeadObjectResponse found =
        find(key).orElseThrow(() -> new StorageException.NotFound(key, null));
    if (info(key, found).readable() || found.restore() != null) {
      return;
    }
    int days = (int) Math.max(1, keepFor.plusDays(1).minusNanos(1).toDays());
    Tier speed = tiers.retrieval(found.storageClassAsString(), found.archiveStatusAsString());
    // What moves by itself is moved back, and not for so many days.
    boolean moves = found.archiveStatusAsString() != null;
    RestoreRequest.Builder asked = RestoreRequest.builder();
    asked.glacierJobParameters(job -> job.tier(speed));
    if (!moves) {
      asked.days(days);
    }
    attempts.run(
        () -> {
          try {
            client.restoreObject(
                restore -> restore.bucket(bucket).key(name(key)).restoreRequest(asked.build()));
          } catch (SdkException e) {
            if (!Failures.code(e).equals("RestoreAlreadyInProgress")) {
              throw e;
            }
          }
          return true;
        },
        e -> failures.translate("Bring back", key, e));
  }

  @Override
  public ListPage listDeleted(String prefix, Optional<String> after) throws IOException {
    if (!facts().versions) {
      throw StorageException.unsupported(this, "list what was deleted", prefix);
    }
    return new Versions(this).deleted(prefix, after, pageSize);
  }

  @Override
  public void undelete(ObjectKey key) throws IOException {
    if (!facts().versions) {
      throw StorageException.unsupported(this, "bring back what was deleted", key.value());
    }
    new Versions(this).undelete(key);
  }

  @Override
  public int discardStaleUploads(String prefix, Instant before) throws IOException {
    int discarded = 0;
    String afterKey = null;
    String afterId = null;
    while (true) {
      String keyMarker = afterKey;
      String idMarker = afterId;
      ListMultipartUploadsResponse page =
          attempts.run(
              () -> {
                ListMultipartUploadsResponse answer =
                    client.listMultipartUploads(
                        list ->
                            list.bucket(bucket)
                                .prefix(this.prefix + prefix)
                                .keyMarker(keyMarker)
                                .uploadIdMarker(idMarker));
                require(answer.isTruncated() != null);
                return answer;
              },
              e -> failures.translate("List uploads below", prefix, e));
      for (MultipartUpload upload : page.uploads()) {
        if (upload.key().startsWith(this.prefix + prefix)
            && upload.initiated() != null
            && upload.initiated().isBefore(before)) {
          abort(upload.key(), upload.uploadId());
          discarded++;
        }
      }
      afterKey = page.nextKeyMarker();
      afterId = page.nextUploadIdMarker();
      if (!page.isTruncated() || afterKey == null || page.uploads().isEmpty()) {
        return discarded;
      }
    }
  }

  /** Discards an upload; one that is gone is no error. */
  void abort(String name, String upload) throws StorageException {
    attempts.run(
        () -> {
          try {
            client.abortMultipartUpload(end -> end.bucket(bucket).key(name).uploadId(upload));
          } catch (SdkException e) {
            if (!Failures.code(e).equals("NoSuchUpload")) {
              throw e;
            }
          }
          return true;
        },
        e -> failures.translate("Discard an upload of", name, e));
  }

  /** What the server's clock says with its next answer. */
  @Override
  public Instant now() throws IOException {
    Optional<Instant> date = Writer.date(requireBucket("Ask for the time of", describe()));
    return date.isPresent() ? date.get() : ObjectStore.super.now();
  }

  private SdkHttpResponse requireBucket(String action, String object) throws StorageException {
    return attempts.run(
        () -> client.headBucket(head -> head.bucket(bucket)).sdkHttpResponse(),
        e ->
            Failures.status(e) == 404
                ? failures.placeMissing(action, object, e)
                : failures.translate(action, object, e));
  }

  private Facts facts() throws StorageException {
    Facts known = facts;
    if (known == null) {
      requireBucket("Open", describe());
      known = new Facts(isVersioned(), isLockable());
      facts = known;
    }
    return known;
  }

  private boolean isVersioned() throws StorageException {
    return attempts.run(
        () -> {
          try {
            return client.getBucketVersioning(of -> of.bucket(bucket)).status()
                == BucketVersioningStatus.ENABLED;
          } catch (SdkException e) {
            return notSet(e);
          }
        },
        e -> failures.translate("Ask for the versioning of", describe(), e));
  }

  private boolean isLockable() throws StorageException {
    return attempts.run(
        () -> {
          try {
            ObjectLockConfiguration lock =
                client
                    .getObjectLockConfiguration(of -> of.bucket(bucket))
                    .objectLockConfiguration();
            return lock != null && lock.objectLockEnabled() == ObjectLockEnabled.ENABLED;
          } catch (SdkException e) {
            return notSet(e);
          }
        },
        e -> failures.translate("Ask for the locks of", describe(), e));
  }

  /** What cannot be asked for is not offered; what could not be asked now is asked again. */
  private static boolean notSet(SdkException e) {
    if (Failures.repeatable(e) || !NO_SUCH_SETTING.contains(Failures.status(e))) {
      throw e;
    }
    return false;
  }

  @Override
  public void close() {
    senders.shutdown();
    closed.forEach(SdkAutoCloseable::close);
  }

  /** Runs a request in another thread, of which only so many run at once. */
  <T> Future<T> submit(ObjectKey key, Callable<T> request) throws StorageException {
    try {
      partsInFlight.acquire();
    } catch (InterruptedException e) {
      throw Failures.interrupted("Write", key.value(), e);
    }
    boolean handed = false;
    try {
      Future<T> result =
          senders.submit(
              () -> {
                try {
                  return request.call();
                } finally {
                  partsInFlight.release();
                }
              });
      handed = true;
      return result;
    } finally {
      if (!handed) {
        partsInFlight.release();
      }
    }
  }

  S3Client client() {
    return client;
  }

  String bucket() {
    return bucket;
  }

  String prefix() {
    return prefix;
  }

  /** The name of a key in the bucket. */
  String name(ObjectKey key) {
    return prefix + key.value();
  }

  /** The key of a name in the bucket; empty if it has none. */
  Optional<ObjectKey> key(String name) {
    if (!name.startsWith(prefix)) {
      return Optional.empty();
    }
    try {
      return Optional.of(new ObjectKey(name.substring(prefix.length())));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  Failures failures() {
    return failures;
  }

  Attempts attempts() {
    return attempts;
  }

  PartSizes partSizes() {
    return partSizes;
  }

  boolean sendsMd5() {
    return md5;
  }

  ObjectLockMode lockMode() {
    return lockMode;
  }

  /** The class to ask for; none where it is the server's own choice. */
  Optional<StorageClass> storageClass(WriteOptions options) {
    return options.tier() == StorageTier.HOT
        ? Optional.empty()
        : Optional.of(tiers.of(options.tier()));
  }

  /** Whether an object of a tier can be read at once. */
  static boolean online(StorageTier tier) {
    return tier != StorageTier.ARCHIVE;
  }

  /** The facts of an object, with how long it takes to bring it back. */
  private ObjectInfo told(ObjectKey key, HeadObjectResponse found) {
    ObjectInfo info = info(key, found);
    return info.readable()
        ? info
        : info.offline(
            info.tier(),
            tiers.thaw(found.storageClassAsString(), found.archiveStatusAsString()),
            found.restore() != null);
  }

  private ObjectInfo listed(ObjectKey key, S3Object object) {
    ObjectInfo info = info(key, object);
    return info.readable()
        ? info
        : info.offline(info.tier(), tiers.thaw(object.storageClassAsString(), null), false);
  }

  static ObjectInfo info(ObjectKey key, HeadObjectResponse found) {
    boolean archived = found.archiveStatusAsString() != null;
    return locked(
        info(
            key,
            found.contentLength(),
            found.lastModified(),
            Tiers.tier(found.storageClassAsString(), archived),
            found.restore()),
        found.objectLockRetainUntilDate());
  }

  private static ObjectInfo info(ObjectKey key, GetObjectResponse answer, long length) {
    StorageTier tier = Tiers.tier(answer.storageClassAsString(), false);
    // It is being read, so it can be.
    return locked(
        ObjectInfo.of(key, length, seconds(answer.lastModified())).in(tier, true),
        answer.objectLockRetainUntilDate());
  }

  private static ObjectInfo info(ObjectKey key, S3Object object) {
    StorageTier tier = Tiers.tier(object.storageClassAsString(), false);
    return info(key, object.size(), object.lastModified(), tier, null);
  }

  /**
   * The facts of an object.
   *
   * @param restore what the server says of a copy that it was asked to bring back
   */
  static ObjectInfo info(
      ObjectKey key, long length, Instant modifiedAt, StorageTier tier, @Nullable String restore) {
    Matcher ongoing = ONGOING.matcher(restore == null ? "" : restore);
    boolean restored = ongoing.find() && ongoing.group(1).equals("false");
    return ObjectInfo.of(key, length, seconds(modifiedAt)).in(tier, online(tier) || restored);
  }

  private static ObjectInfo locked(ObjectInfo info, @Nullable Instant until) {
    return until == null ? info : info.lockedUntil(until);
  }

  private static Instant seconds(Instant time) {
    return time.truncatedTo(ChronoUnit.SECONDS);
  }

  /** Says where the objects lie and how they are kept. */
  public static final class Builder {
    private @Nullable S3Client client;
    private @Nullable String bucket;
    private String prefix = "";
    private List<SdkAutoCloseable> closed = List.of();
    private long partSize = 8L << 20;
    private int partsInFlight = 4;
    private int retries = 7;
    private boolean tiers = true;
    private StorageClass archiveClass = StorageClass.DEEP_ARCHIVE;
    private Tier retrieval = Tier.STANDARD;
    private ObjectLockMode lockMode = ObjectLockMode.GOVERNANCE;
    private boolean md5;
    private int pageSize = BATCH;
    private Attempts.Pause pause = time -> Thread.sleep(time.toMillis());

    private Builder() {}

    /**
     * The host's client, which the host closes. Required. It should not repeat requests: this does.
     */
    public Builder client(S3Client s3) {
      client = s3;
      return this;
    }

    /** The bucket. Required. */
    public Builder bucket(String name) {
      bucket = name;
      return this;
    }

    /** What all names start with, followed by a slash; nothing otherwise. Has the form of a key. */
    public Builder prefix(String name) {
      prefix = name.isEmpty() ? "" : new ObjectKey(name).value();
      return this;
    }

    /**
     * How many bytes the first parts of an upload have: from 5 MiB to 1 GiB; 8 MiB otherwise. After
     * 900 parts they grow, as far as it takes for 10,000 parts to hold 5 TiB.
     */
    public Builder partSize(long bytes) {
      if (bytes < PartSizes.LEAST || bytes > 1L << 30) {
        throw new IllegalArgumentException("Not from 5 MiB to 1 GiB: " + bytes);
      }
      partSize = bytes;
      return this;
    }

    /** How many parts may be on their way at once, of all uploads: 1 or more; 4 otherwise. */
    public Builder partsInFlight(int parts) {
      if (parts < 1) {
        throw new IllegalArgumentException("Not 1 or more: " + parts);
      }
      partsInFlight = parts;
      return this;
    }

    /** How often a request is repeated at most: 0 or more; 7 otherwise. */
    public Builder retries(int most) {
      if (most < 0) {
        throw new IllegalArgumentException("Not 0 or more: " + most);
      }
      retries = most;
      return this;
    }

    /** Whether the server has storage classes; true otherwise. */
    public Builder tiers(boolean offered) {
      tiers = offered;
      return this;
    }

    /** {@code DEEP_ARCHIVE}, as otherwise, or {@code GLACIER}: what the archive tier is. */
    public Builder archiveClass(StorageClass archive) {
      if (archive != StorageClass.DEEP_ARCHIVE && archive != StorageClass.GLACIER) {
        throw new IllegalArgumentException("Not an archive class: " + archive);
      }
      archiveClass = archive;
      return this;
    }

    /**
     * How fast what lies in an archive is brought back: {@code STANDARD}, as otherwise, {@code
     * EXPEDITED} for more money, where there is that, or {@code BULK} for less.
     */
    public Builder retrieval(Tier speed) {
      if (speed == Tier.UNKNOWN_TO_SDK_VERSION) {
        throw new IllegalArgumentException("Not a speed: " + speed);
      }
      retrieval = speed;
      return this;
    }

    /**
     * How new locks are made: {@code GOVERNANCE}, as otherwise, which an account with a special
     * right can lift, or {@code COMPLIANCE}, which nobody can.
     */
    public Builder lockMode(ObjectLockMode mode) {
      lockMode = mode;
      return this;
    }

    /**
     * Whether content carries its MD5, for servers that know no newer checksums; false otherwise.
     */
    public Builder contentMd5(boolean sent) {
      md5 = sent;
      return this;
    }

    /** What is closed with the store, in this order. */
    Builder closes(List<SdkAutoCloseable> opened) {
      closed = List.copyOf(opened);
      return this;
    }

    Builder pageSize(int keys) {
      pageSize = keys;
      return this;
    }

    Builder pause(Attempts.Pause waits) {
      pause = waits;
      return this;
    }

    /** Makes the store. Asks nobody. */
    public S3ObjectStore build() {
      if (client == null || bucket == null) {
        throw new IllegalStateException("The client or the bucket is missing");
      }
      return new S3ObjectStore(this, client, bucket);
    }
  }
}
