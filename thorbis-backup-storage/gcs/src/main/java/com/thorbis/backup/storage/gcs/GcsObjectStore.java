package com.thorbis.backup.storage.gcs;

import com.google.api.client.googleapis.batch.BatchRequest;
import com.google.api.client.googleapis.batch.json.JsonBatchCallback;
import com.google.api.client.googleapis.json.GoogleJsonError;
import com.google.api.client.http.HttpHeaders;
import com.google.api.client.http.HttpRequestInitializer;
import com.google.api.client.http.HttpTransport;
import com.google.api.client.http.javanet.NetHttpTransport;
import com.google.api.client.util.DateTime;
import com.google.api.services.storage.Storage;
import com.google.api.services.storage.model.Objects;
import com.google.api.services.storage.model.RewriteResponse;
import com.google.api.services.storage.model.StorageObject;
import com.google.auth.Credentials;
import com.google.auth.http.HttpCredentialsAdapter;
import com.google.auth.oauth2.GoogleCredentials;
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
import java.math.BigInteger;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Objects in a bucket of Google Cloud Storage, asked through its JSON interface. A key is written
 * only while no object has it ({@code ifGenerationMatch=0}), and each object says in its metadata
 * which write made it, so that a write whose answer was lost recognizes its own success.
 *
 * <p>Content up to the length of a piece goes by one request, anything longer through a resumable
 * upload, of which one piece is held in memory; there is no limit below the store's own of 5 TiB.
 * An upload that nobody ends is invisible, not paid for and dropped by the store after a week, but
 * cannot be listed: {@link StoreCapability#STALE_UPLOADS} is not claimed. A read whose connection
 * breaks goes on with the same generation.
 *
 * <p>The tiers are the classes STANDARD, NEARLINE (30 days charged at least), COLDLINE (90 days)
 * and ARCHIVE (365 days). Objects of all of them can be read at once, also in {@link
 * StorageTier#ARCHIVE}: {@link ObjectStore#requestReadable} has nothing to do. To move an object
 * writes it anew, so that {@link ObjectInfo#modifiedAt} changes, and a locked one is refused.
 *
 * <p>{@link StoreCapability#LOCK} is claimed if the bucket has object retention, {@link
 * StoreCapability#UNDELETE} if it has a soft delete policy or versioning; both need the right
 * {@code storage.buckets.get}, without which neither is claimed.
 */
public final class GcsObjectStore implements ObjectStore {
  private static final int BATCH = 100;
  private static final int LOCK_ROUNDS = 5;
  private static final int NAME_BYTES = 1024;
  private static final String SCOPE = "https://www.googleapis.com/auth/devstorage.read_write";

  private final Bucket bucket;
  private final String prefix;
  private final String describe;
  private final String root;
  private final Failures failures;
  private final int pieceBytes;
  private final int pageSize;
  private final boolean irrevocable;
  private final boolean versions;
  private final Set<StoreCapability> capabilities;

  private GcsObjectStore(Builder builder, Storage api, String name) throws IOException {
    this.prefix = builder.prefix.isEmpty() ? "" : builder.prefix + "/";
    this.describe = "gs://" + name + (prefix.isEmpty() ? "" : "/" + builder.prefix);
    this.root = api.getRootUrl();
    this.failures = new Failures(describe, name);
    this.bucket =
        new Bucket(
            api,
            name,
            new Attempts(builder.mostAttempts, builder.patience, builder.firstWait),
            failures);
    this.pieceBytes = builder.pieceBytes;
    this.pageSize = builder.pageSize;
    this.irrevocable = builder.irrevocable;
    com.google.api.services.storage.model.@Nullable Bucket facts = facts();
    this.versions =
        facts != null
            && facts.getVersioning() != null
            && Boolean.TRUE.equals(facts.getVersioning().getEnabled());
    this.capabilities = offered(facts, versions);
  }

  /** A builder without a bucket. */
  public static Builder builder() {
    return new Builder();
  }

  /** What the bucket is set to; null if only its objects may be asked for. */
  private com.google.api.services.storage.model.@Nullable Bucket facts() throws IOException {
    try {
      try {
        return bucket.facts();
      } catch (Answer e) {
        if (e.status() != 403) {
          throw e;
        }
        bucket.look();
        return null;
      }
    } catch (IOException e) {
      throw failures.translate("Open", describe, e);
    }
  }

  private static Set<StoreCapability> offered(
      com.google.api.services.storage.model.@Nullable Bucket facts, boolean versions) {
    Set<StoreCapability> offered = EnumSet.of(StoreCapability.TIERS);
    if (facts != null
        && facts.getObjectRetention() != null
        && "Enabled".equals(facts.getObjectRetention().getMode())) {
      offered.add(StoreCapability.LOCK);
    }
    Long kept =
        facts == null || facts.getSoftDeletePolicy() == null
            ? null
            : facts.getSoftDeletePolicy().getRetentionDurationSeconds();
    if (versions || kept != null && kept > 0) {
      offered.add(StoreCapability.UNDELETE);
    }
    return Set.copyOf(offered);
  }

  @Override
  public String describe() {
    return describe;
  }

  @Override
  public String service() {
    return describe + " at " + root;
  }

  @Override
  public Set<StoreCapability> capabilities() {
    return capabilities;
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    return put(key, content, WriteOptions.plain());
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content, WriteOptions options)
      throws IOException {
    try (Upload upload = begin(key, options)) {
      upload.copy(content);
      return upload.commit();
    }
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    return begin(key, WriteOptions.plain());
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key, WriteOptions options) throws IOException {
    return begin(key, options);
  }

  private Upload begin(ObjectKey key, WriteOptions options) throws StorageException {
    StorageObject object =
        new StorageObject()
            .setName(name(key))
            .setStorageClass(Tiers.storageClass(options.tier()))
            .setMetadata(Map.of(Upload.ATTEMPT, UUID.randomUUID().toString()));
    if (options.lockedUntil().isPresent()) {
      require(StoreCapability.LOCK, "keep an object " + options, key.value());
      object.setRetention(retention(options.lockedUntil().get()));
    }
    return new Upload(bucket, key, object, this::info, pieceBytes);
  }

  private StorageObject.Retention retention(Instant until) {
    Instant before = until.truncatedTo(ChronoUnit.MILLIS);
    Instant rounded = before.equals(until) ? until : before.plusMillis(1);
    return new StorageObject.Retention()
        .setMode(irrevocable ? "Locked" : "Unlocked")
        .setRetainUntilTime(new DateTime(rounded.toEpochMilli(), 0));
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    return open(key, 0, Long.MAX_VALUE);
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    return open(key, range.offset(), range.length());
  }

  private ObjectRead open(ObjectKey key, long offset, long length) throws StorageException {
    String name = name(key);
    try {
      try {
        return bucket.attempts.run(
            attempt ->
                Read.of(
                    bucket, key, name, bucket.content(name, 0, offset, length), offset, length));
      } catch (Answer e) {
        if (bucket.saysAbsent(e, name)) {
          throw new StorageException.NotFound(key, e);
        }
        if (e.status() != 416) {
          throw e;
        }
        ObjectInfo info = head(key).orElseThrow(() -> new StorageException.NotFound(key, e));
        if (info.length() > offset) {
          throw e;
        }
        return Read.nothing(bucket, info);
      }
    } catch (IOException e) {
      throw failures.translate("Read", key.value(), e);
    }
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    return find("Look for", key).map(this::info);
  }

  private Optional<StorageObject> find(String action, ObjectKey key) throws StorageException {
    try {
      return bucket.find(name(key));
    } catch (IOException e) {
      throw failures.translate(action, key.value(), e);
    }
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    String from = this.prefix + after.orElse("");
    try {
      @Nullable String token = null;
      while (true) {
        Storage.Objects.List request =
            bucket.listing(this.prefix + prefix, from, pageSize).setPageToken(token);
        Objects answer = bucket.list(request);
        List<ObjectInfo> objects = new ArrayList<>();
        for (StorageObject object : items(answer)) {
          if (after.isEmpty() || !object.getName().equals(from)) {
            key(object).ifPresent(key -> objects.add(info(key, object)));
          }
        }
        token = answer.getNextPageToken();
        if (token == null) {
          return new ListPage(objects, Optional.empty());
        }
        if (!objects.isEmpty()) {
          return new ListPage(objects, Optional.of(objects.get(objects.size() - 1).key().value()));
        }
      }
    } catch (IOException e) {
      throw failures.translate("List", prefix, e);
    }
  }

  private static List<StorageObject> items(Objects answer) {
    return answer.getItems() == null ? List.of() : answer.getItems();
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    try {
      bucket.delete(name(key));
    } catch (IOException e) {
      Optional<StorageException> failure = deletion(key, e);
      if (failure.isPresent()) {
        throw failure.get();
      }
    }
  }

  /** What a refusal to delete means; nothing if there is no such object. */
  private Optional<StorageException> deletion(ObjectKey key, IOException e) {
    try {
      if (e instanceof Answer answer) {
        if (bucket.saysAbsent(answer, name(key))) {
          return Optional.empty();
        }
        if (answer.saysLocked()) {
          return Optional.of(StorageException.locked(key, null, e));
        }
      }
      return Optional.of(failures.translate("Delete", key.value(), e));
    } catch (StorageException unclear) {
      return Optional.of(unclear);
    }
  }

  @Override
  public Map<ObjectKey, StorageException> deleteAll(Collection<ObjectKey> keys) throws IOException {
    Map<ObjectKey, StorageException> failed = new LinkedHashMap<>();
    List<ObjectKey> all = List.copyOf(keys);
    for (int from = 0; from < all.size(); from += BATCH) {
      List<ObjectKey> some = all.subList(from, Math.min(all.size(), from + BATCH));
      Map<ObjectKey, IOException> left = new LinkedHashMap<>();
      try {
        bucket.attempts.run(
            attempt -> {
              left.clear();
              deleteBatch(some, left);
              return true;
            });
      } catch (IOException e) {
        some.forEach(key -> left.put(key, e));
      }
      for (Map.Entry<ObjectKey, IOException> one : left.entrySet()) {
        Optional<StorageException> failure = deletion(one.getKey(), one.getValue());
        if (failure.isPresent() && Attempts.worthRepeating(one.getValue())) {
          try {
            delete(one.getKey());
            continue;
          } catch (StorageException again) {
            failure = Optional.of(again);
          }
        }
        failure.ifPresent(reason -> failed.put(one.getKey(), reason));
      }
    }
    return failed;
  }

  /** Notes what was not removed; a key that is in no answer counts as such. */
  private void deleteBatch(List<ObjectKey> keys, Map<ObjectKey, IOException> left)
      throws IOException {
    BatchRequest batch = bucket.api.batch();
    for (ObjectKey key : keys) {
      left.put(key, new IOException("The store did not say"));
      bucket
          .api
          .objects()
          .delete(bucket.name, name(key))
          .queue(
              batch,
              new JsonBatchCallback<Void>() {
                @Override
                public void onSuccess(Void nothing, HttpHeaders headers) {
                  left.remove(key);
                }

                @Override
                public void onFailure(GoogleJsonError e, HttpHeaders headers) {
                  left.put(key, Answer.of(e.getCode(), e, headers));
                }
              });
    }
    try {
      batch.execute();
    } catch (RuntimeException e) { // its parser does not expect anything but what it knows
      throw new IOException("The store's answer cannot be read", e);
    }
  }

  @Override
  public void extendLock(ObjectKey key, Instant until) throws IOException {
    require(StoreCapability.LOCK, "lock an object", key.value());
    try {
      for (int round = 1; !extended(key, until, round < LOCK_ROUNDS); round++) {
        // somebody changed it between the look and the change
      }
    } catch (IOException e) {
      throw failures.translate("Lock", key.value(), e);
    }
  }

  private boolean extended(ObjectKey key, Instant until, boolean mayRepeat) throws IOException {
    StorageObject there =
        bucket.find(name(key)).orElseThrow(() -> new StorageException.NotFound(key, null));
    StorageObject.Retention now = there.getRetention();
    StorageObject.Retention wanted = retention(until);
    if (now != null && millis(now.getRetainUntilTime()) >= wanted.getRetainUntilTime().getValue()) {
      return true;
    }
    boolean wasLocked = now != null && "Locked".equals(now.getMode());
    if (wasLocked) {
      wanted.setMode("Locked"); // which cannot be taken back
    }
    Storage.Objects.Patch request =
        bucket
            .api
            .objects()
            .patch(bucket.name, name(key), new StorageObject().setRetention(wanted))
            .setIfMetagenerationMatch(there.getMetageneration());
    request.setDisableGZipContent(true);
    if (now != null && !wasLocked && irrevocable) {
      request.setOverrideUnlockedRetention(true);
    }
    try {
      bucket.attempts.run(attempt -> request.execute());
      return true;
    } catch (Answer e) {
      if (e.status() == 412 && mayRepeat) {
        return false;
      }
      throw bucket.saysAbsent(e, name(key)) ? new StorageException.NotFound(key, e) : e;
    }
  }

  @Override
  public Duration minimumStay(StorageTier tier) {
    return Tiers.minimumStay(tier);
  }

  @Override
  public void move(ObjectKey key, StorageTier tier) throws IOException {
    StorageObject there =
        find("Move", key).orElseThrow(() -> new StorageException.NotFound(key, null));
    String storageClass = Tiers.storageClass(tier);
    if (storageClass.equals(there.getStorageClass())) {
      return;
    }
    try {
      StorageObject changed =
          new StorageObject().setStorageClass(storageClass).setMetadata(there.getMetadata());
      rewrite(there, changed, there.getGeneration());
    } catch (IOException e) {
      throw e instanceof Answer answer && answer.saysLocked()
          ? StorageException.locked(key, null, e)
          : failures.translate("Move", key.value(), e);
    }
  }

  /** Copies a generation over the one that is there; 0 for none. */
  private void rewrite(StorageObject from, @Nullable StorageObject changed, long over)
      throws IOException {
    @Nullable String token = null;
    do {
      Storage.Objects.Rewrite request =
          bucket.rewrite(from, changed).setIfGenerationMatch(over).setRewriteToken(token);
      request.setDisableGZipContent(true);
      RewriteResponse answer = bucket.attempts.run(attempt -> request.execute());
      token = Boolean.TRUE.equals(answer.getDone()) ? null : answer.getRewriteToken();
    } while (token != null);
  }

  @Override
  public void requestReadable(ObjectKey key, Duration keepFor) throws IOException {
    if (find("Bring back", key).isEmpty()) {
      throw new StorageException.NotFound(key, null);
    }
  }

  @Override
  public ListPage listDeleted(String prefix, Optional<String> after) throws IOException {
    require(StoreCapability.UNDELETE, "list what was deleted", prefix);
    String from = this.prefix + after.orElse("");
    try {
      return new Deleted(bucket, versions, pageSize)
          .page(this.prefix + prefix, from, after.isPresent())
          .toPage(this::key, this::info);
    } catch (IOException e) {
      throw failures.translate("List what was deleted below", prefix, e);
    }
  }

  @Override
  public void undelete(ObjectKey key) throws IOException {
    require(StoreCapability.UNDELETE, "bring back what was deleted", key.value());
    if (find("Bring back", key).isPresent()) {
      throw new StorageException.AlreadyExists(key, null);
    }
    try {
      StorageObject last =
          new Deleted(bucket, versions, pageSize)
              .last(name(key))
              .orElseThrow(() -> new StorageException.NotFound(key, null));
      if (versions) {
        rewrite(last, null, 0);
      } else {
        bucket.attempts.run(
            attempt ->
                bucket
                    .api
                    .objects()
                    .restore(bucket.name, name(key), last.getGeneration())
                    .setIfGenerationMatch(0L)
                    .execute());
      }
    } catch (Answer e) {
      // A repeated request is refused because the first one did it.
      Optional<StorageObject> there = find("Bring back", key);
      if (e.status() != 412 || there.isEmpty()) {
        throw failures.translate("Bring back", key.value(), e);
      }
    } catch (IOException e) {
      throw failures.translate("Bring back", key.value(), e);
    }
  }

  @Override
  public void close() {}

  private void require(StoreCapability capability, String what, String object)
      throws StorageException {
    if (!capabilities.contains(capability)) {
      throw StorageException.unsupported(this, what, object);
    }
  }

  private String name(ObjectKey key) {
    return prefix + key.value();
  }

  /** The key of what lies there; empty if it is none of ours. */
  private Optional<ObjectKey> key(StorageObject object) {
    try {
      return Optional.of(new ObjectKey(object.getName().substring(prefix.length())));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private ObjectInfo info(StorageObject object) {
    return info(new ObjectKey(object.getName().substring(prefix.length())), object);
  }

  private ObjectInfo info(ObjectKey key, StorageObject object) {
    BigInteger size = object.getSize();
    ObjectInfo info =
        ObjectInfo.of(
                key,
                size.longValueExact(),
                Instant.ofEpochMilli(object.getTimeCreated().getValue()))
            .in(Tiers.of(String.valueOf(object.getStorageClass())), true);
    long until =
        Math.max(
            object.getRetention() == null ? 0 : millis(object.getRetention().getRetainUntilTime()),
            millis(object.getRetentionExpirationTime()));
    return until == 0 ? info : info.lockedUntil(Instant.ofEpochMilli(until));
  }

  private static long millis(@Nullable DateTime time) {
    return time == null ? 0 : time.getValue();
  }

  /** Says where the objects lie and how to reach them. */
  public static final class Builder {
    private @Nullable String bucket;
    private String prefix = "";
    private @Nullable Credentials credentials;
    private boolean anonymous;
    private HttpTransport transport = new NetHttpTransport();
    private URI endpoint = URI.create("https://storage.googleapis.com");
    private boolean plainHttp;
    private Duration connectTimeout = Duration.ofSeconds(10);
    private Duration readTimeout = Duration.ofSeconds(60);
    private int pieceBytes = 8 << 20;
    private int pageSize = 1000;
    private boolean irrevocable = true;
    Duration patience = Duration.ofMinutes(2);
    Duration firstWait = Duration.ofMillis(500);
    int mostAttempts = 10;

    private Builder() {}

    /** The bucket. Required. */
    public Builder bucket(String name) {
      bucket = name;
      return this;
    }

    /** What comes before each key, divided from it by a slash; nothing otherwise. */
    public Builder prefix(String segments) {
      prefix = segments;
      return this;
    }

    /**
     * The host's own credentials, such as those of a client it has; those of the environment
     * otherwise: {@code GOOGLE_APPLICATION_CREDENTIALS}, the login of the vendor's command, the
     * account of the machine.
     */
    public Builder credentials(Credentials credentials) {
      this.credentials = credentials;
      return this;
    }

    /** No credentials, as for an emulator. */
    public Builder anonymous() {
      anonymous = true;
      return this;
    }

    /** The host's own transport, with its proxies and trusted certificates; the JDK's otherwise. */
    public Builder transport(HttpTransport transport) {
      this.transport = transport;
      return this;
    }

    /** Another service than Google's own, such as a private endpoint or an emulator. */
    public Builder endpoint(URI endpoint) {
      this.endpoint = endpoint;
      return this;
    }

    /** Lets credentials and content travel unprotected to other machines, too. */
    public Builder dangerousPlainHttp() {
      plainHttp = true;
      return this;
    }

    /** How long to wait for a connection; 10 seconds otherwise. */
    public Builder connectTimeout(Duration timeout) {
      connectTimeout = timeout;
      return this;
    }

    /** How long to wait for the next bytes of an answer; 60 seconds otherwise. */
    public Builder readTimeout(Duration timeout) {
      readTimeout = timeout;
      return this;
    }

    /** For how long to repeat what was not answered; 2 minutes otherwise. */
    public Builder retryFor(Duration time) {
      patience = time;
      return this;
    }

    /**
     * The length of a piece of an upload, of which each upload holds one: a multiple of 256 KiB, 8
     * MiB otherwise.
     */
    public Builder pieceBytes(int bytes) {
      pieceBytes = bytes;
      return this;
    }

    /** Locks that an account with a right of its own can end before their time. */
    public Builder unlockedRetention() {
      irrevocable = false;
      return this;
    }

    Builder pageSize(int objects) {
      pageSize = objects;
      return this;
    }

    /**
     * Opens the bucket. Changes nothing there.
     *
     * @throws StorageException if it cannot be reached, is not there, or an address is refused
     */
    public GcsObjectStore build() throws IOException {
      if (bucket == null) {
        throw new IllegalStateException("The bucket is missing");
      }
      if (!bucket.matches("[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")) {
        throw refused("\"" + bucket + "\" is not the name of a bucket", "Write the bucket's name.");
      }
      checkPrefix();
      checkEndpoint();
      if (pieceBytes < 1 << 18 || pieceBytes % (1 << 18) != 0 || pieceBytes > 1 << 30) {
        throw refused(
            "A piece of " + pieceBytes + " bytes is no multiple of 256 KiB, or longer than 1 GiB",
            "Write a multiple of 256KiB, such as 8MiB.");
      }
      String root = endpoint.toString();
      Storage api =
          new Storage.Builder(transport, Bucket.JSON, initializer())
              .setRootUrl(root.endsWith("/") ? root : root + "/")
              .setApplicationName("thorbis-backup")
              .build();
      return new GcsObjectStore(this, api, bucket);
    }

    private void checkPrefix() throws StorageException {
      if (prefix.isEmpty()) {
        return;
      }
      try {
        ObjectKey key = new ObjectKey(prefix);
        if (key.value().length() > NAME_BYTES - 901) {
          throw new IllegalArgumentException("longer than 123 characters");
        }
      } catch (IllegalArgumentException e) {
        throw refused(
            "\"" + prefix + "\" cannot stand before keys: " + e.getMessage(),
            "Write segments of A-Z, a-z, 0-9, '.', '_', '=' and '-', divided by slashes, 123 characters in all.");
      }
    }

    private void checkEndpoint() throws StorageException {
      String host = endpoint.getHost();
      if (host == null || endpoint.getUserInfo() != null || endpoint.getQuery() != null) {
        throw refused("The endpoint is not the address of a service", "Write https://host[:port].");
      }
      if ("https".equals(endpoint.getScheme())) {
        return;
      }
      if (!"http".equals(endpoint.getScheme())) {
        throw refused(endpoint + " is not an address of HTTPS", "Write https://host[:port].");
      }
      if (!plainHttp && !isLoopback(host)) {
        throw refused(
            endpoint + " would carry credentials and content unprotected to another machine",
            "Write https://, or set dangerous-plain-http to true.");
      }
    }

    private static boolean isLoopback(String host) {
      return host.equals("localhost")
          || host.equals("[::1]")
          || host.matches("127\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}");
    }

    private HttpRequestInitializer initializer() throws StorageException {
      HttpRequestInitializer login = anonymous ? request -> {} : login();
      return request -> {
        login.initialize(request);
        request.setConnectTimeout((int) connectTimeout.toMillis());
        request.setReadTimeout((int) readTimeout.toMillis());
        request.setNumberOfRetries(1); // a token that has expired; all else is repeated by us
      };
    }

    private HttpRequestInitializer login() throws StorageException {
      Credentials known = credentials;
      try {
        if (known == null) {
          known = GoogleCredentials.getApplicationDefault(() -> transport);
        }
        if (known instanceof GoogleCredentials google && google.createScopedRequired()) {
          known = google.createScoped(SCOPE);
        }
        return new HttpCredentialsAdapter(known);
      } catch (IOException e) {
        throw new StorageException(
            "storage.credentials",
            FailureKind.CONFIGURATION,
            "Open gs://" + bucket + ": the environment has no credentials: " + e.getMessage(),
            "gs://" + bucket,
            "Set credentials or credentials-file, or log in where this runs.",
            e);
      }
    }

    private StorageException refused(String problem, String remedy) {
      return new StorageException(
          "storage.location", FailureKind.CONFIGURATION, problem, "gs://" + bucket, remedy, null);
    }
  }
}
