package com.thorbis.backup.storage.azure;

import com.azure.core.http.rest.PagedResponse;
import com.azure.core.util.Context;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.AccessTier;
import com.azure.storage.blob.models.BlobImmutabilityPolicy;
import com.azure.storage.blob.models.BlobImmutabilityPolicyMode;
import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.BlobItemProperties;
import com.azure.storage.blob.models.BlobListDetails;
import com.azure.storage.blob.models.BlobProperties;
import com.azure.storage.blob.models.ListBlobsOptions;
import com.azure.storage.blob.models.RehydratePriority;
import com.azure.storage.blob.options.BlobSetAccessTierOptions;
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
import java.io.InterruptedIOException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * Objects as block blobs of a container of Azure Blob Storage. A key is written only while no
 * object has it ({@code If-None-Match: *}), and each object says in its metadata which write made
 * it, so that a write whose answer was lost recognizes its own success.
 *
 * <p>Content up to the length of a block goes by one request, anything longer as blocks, of which
 * one is held in memory: 10,000 of the length that is set, longer ones behind them, so that an
 * object may have 4 TiB. Blocks that nobody commits are invisible, cannot be removed, and are
 * dropped by the store after a week: {@link StoreCapability#STALE_UPLOADS} is not claimed.
 *
 * <p>The tiers are Hot, Cool (30 days charged at least), Cold (90 days) and Archive (180 days).
 * What lies in Archive is offline; {@link #requestReadable} moves it to Hot, which takes hours, and
 * there it stays until it is moved again. {@link ObjectInfo#modifiedAt} is not changed by a move.
 *
 * <p>{@link StoreCapability#LOCK} is claimed if the host says that the container has immutability
 * of versions, {@link StoreCapability#UNDELETE} if it says that the account keeps deleted blobs: an
 * account that may read and write blobs may not ask for either.
 */
public final class AzureBlobObjectStore implements ObjectStore {
  private static final int DELETIONS = 16;
  private static final int REMEMBERED = 64;
  private static final int NAME_LENGTH = 1024;

  private final Container container;
  private final String prefix;
  private final String describe;
  private final String service;
  private final Failures failures;
  private final int blockBytes;
  private final int stretchBytes;
  private final int pageSize;
  private final boolean irrevocable;
  private final boolean highPriority;
  private final Set<StoreCapability> capabilities;

  // Where the page behind a key goes on, as the store said: it need not search for that again.
  private final Map<String, String> markers =
      Collections.synchronizedMap(
          new LinkedHashMap<>(16, 0.75f, true) {
            private static final long serialVersionUID = 1L;

            @Override
            protected boolean removeEldestEntry(Map.Entry<String, String> eldest) {
              return size() > REMEMBERED;
            }
          });

  private AzureBlobObjectStore(Builder builder, BlobContainerClient client) throws IOException {
    this.prefix = builder.prefix.isEmpty() ? "" : builder.prefix + "/";
    this.describe =
        "azblob://"
            + client.getAccountName()
            + "/"
            + client.getBlobContainerName()
            + (prefix.isEmpty() ? "" : "/" + builder.prefix);
    this.service =
        " at " + client.getBlobContainerUrl() + " by " + client.getServiceVersion().getVersion();
    this.failures = new Failures(describe, client.getBlobContainerName());
    this.container =
        new Container(
            client,
            prefix,
            new Attempts(builder.mostAttempts, builder.patience, builder.firstWait),
            failures,
            builder.attemptTimeout);
    this.blockBytes = builder.blockBytes;
    this.stretchBytes = builder.stretchBytes;
    this.pageSize = builder.pageSize;
    this.irrevocable = builder.irrevocable;
    this.highPriority = builder.highPriority;
    Set<StoreCapability> offered = EnumSet.of(StoreCapability.TIERS);
    if (builder.locks) {
      offered.add(StoreCapability.LOCK);
    }
    if (builder.softDelete) {
      offered.add(StoreCapability.UNDELETE);
    }
    this.capabilities = Set.copyOf(offered);
    try {
      container.look();
    } catch (IOException e) {
      throw failures.translate("Open", describe, e);
    }
  }

  /** A builder without a container. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public String describe() {
    return describe;
  }

  @Override
  public String service() {
    return describe + service;
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
    @Nullable BlobImmutabilityPolicy lock = null;
    if (options.lockedUntil().isPresent()) {
      require(StoreCapability.LOCK, "keep an object " + options, key.value());
      lock = policy(options.lockedUntil().get());
    }
    return new Upload(
        container, key, new Upload.Wanted(Tiers.accessTier(options.tier()), lock), blockBytes);
  }

  /** The store knows seconds. */
  private BlobImmutabilityPolicy policy(Instant until) {
    Instant before = until.truncatedTo(ChronoUnit.SECONDS);
    Instant rounded = before.equals(until) ? until : before.plusSeconds(1);
    return new BlobImmutabilityPolicy()
        .setPolicyMode(
            irrevocable ? BlobImmutabilityPolicyMode.LOCKED : BlobImmutabilityPolicyMode.UNLOCKED)
        .setExpiryTime(rounded.atOffset(ZoneOffset.UTC));
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
    try {
      return Read.open(container, key, offset, length, stretchBytes);
    } catch (Answer e) {
      if (e.saysAbsent()) {
        throw new StorageException.NotFound(key, e);
      }
      if (e.saysOffline()) {
        throw StorageException.offline(key, e);
      }
      if (e.status() == 416) {
        ObjectInfo info = find("Read", key).map(there -> info(key, there)).orElse(null);
        if (info == null) {
          throw new StorageException.NotFound(key, e);
        }
        if (info.length() <= offset) {
          return Read.nothing(container, info);
        }
      }
      throw failures.translate("Read", key.value(), e);
    } catch (IOException e) {
      throw failures.translate("Read", key.value(), e);
    }
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    return find("Look for", key).map(there -> info(key, there));
  }

  private Optional<BlobProperties> find(String action, ObjectKey key) throws StorageException {
    try {
      return container.find(key);
    } catch (IOException e) {
      throw failures.translate(action, key.value(), e);
    }
  }

  private ObjectInfo info(ObjectKey key, BlobProperties there) {
    ObjectInfo info =
        Tiers.keep(
            ObjectInfo.of(key, there.getBlobSize(), there.getLastModified().toInstant()),
            there.getAccessTier(),
            there.getAccessTierChangeTime(),
            there.getArchiveStatus(),
            highPriority);
    BlobImmutabilityPolicy lock = there.getImmutabilityPolicy();
    return lock == null || lock.getExpiryTime() == null
        ? info
        : info.lockedUntil(lock.getExpiryTime().toInstant());
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    try {
      return page(prefix, after, new BlobListDetails());
    } catch (IOException e) {
      throw failures.translate("List", prefix, e);
    }
  }

  private ListPage page(String prefix, Optional<String> after, BlobListDetails details)
      throws IOException {
    boolean deleted = details.getRetrieveDeletedBlobs();
    String from = this.prefix + after.orElse("");
    String page = (deleted ? "deleted " : "") + prefix + " " + from;
    @Nullable String marker = markers.get(page);
    ListBlobsOptions options =
        new ListBlobsOptions()
            .setPrefix(this.prefix + prefix)
            .setMaxResultsPerPage(pageSize)
            .setDetails(details);
    // A place to start from is new to the service: one that does not know it starts at the front.
    if (after.isPresent() && from.compareTo(this.prefix + prefix) > 0) {
      options.setStartFrom(from);
    }
    Deletions seen = new Deletions();
    while (true) {
      String at = marker;
      PagedResponse<BlobItem> answer =
          container.attempts.run(
              () ->
                  container
                      .client
                      .listBlobs(options, at, container.timeout)
                      .iterableByPage()
                      .iterator()
                      .next());
      List<ObjectInfo> objects = new ArrayList<>();
      for (BlobItem item : deleted ? seen.of(answer) : answer.getValue()) {
        if (after.isEmpty() || item.getName().compareTo(from) > 0) {
          key(item).ifPresent(key -> objects.add(info(key, item.getProperties())));
        }
      }
      marker = answer.getContinuationToken();
      if (marker == null || marker.isEmpty()) {
        seen.rest()
            .flatMap(item -> key(item).map(key -> info(key, item.getProperties())))
            .filter(info -> after.isEmpty() || (this.prefix + info.key()).compareTo(from) > 0)
            .ifPresent(objects::add);
        return new ListPage(objects, Optional.empty());
      }
      if (!objects.isEmpty()) {
        String last = objects.get(objects.size() - 1).key().value();
        if (!deleted) { // there a page ends within a name
          markers.put(prefix + " " + this.prefix + last, marker);
        }
        return new ListPage(objects, Optional.of(last));
      }
    }
  }

  /** The names of a listing under which nothing but deleted blobs lies; they may span its pages. */
  private static final class Deletions {
    private @Nullable BlobItem last;
    private boolean live;

    List<BlobItem> of(PagedResponse<BlobItem> page) {
      List<BlobItem> ended = new ArrayList<>();
      for (BlobItem item : page.getValue()) {
        if (last != null && !last.getName().equals(item.getName())) {
          rest().ifPresent(ended::add);
          last = null;
          live = false;
        }
        last = item;
        live |= !Boolean.TRUE.equals(item.isDeleted());
      }
      return ended;
    }

    Optional<BlobItem> rest() {
      return live ? Optional.empty() : Optional.ofNullable(last);
    }
  }

  private ObjectInfo info(ObjectKey key, BlobItemProperties there) {
    return Tiers.keep(
        ObjectInfo.of(key, there.getContentLength(), there.getLastModified().toInstant()),
        there.getAccessTier(),
        there.getAccessTierChangeTime(),
        there.getArchiveStatus(),
        highPriority);
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    try {
      container.attempts.run(
          () ->
              container.blob(key).deleteWithResponse(null, null, container.timeout, Context.NONE));
    } catch (IOException e) {
      Optional<StorageException> failure = deletion(key, e);
      if (failure.isPresent()) {
        throw failure.get();
      }
    }
  }

  /** What a refusal to delete means; nothing if there is no such object. */
  private Optional<StorageException> deletion(ObjectKey key, IOException e) {
    if (e instanceof Answer answer) {
      if (answer.saysAbsent()) {
        return Optional.empty();
      }
      if (answer.saysLocked()) {
        return Optional.of(StorageException.locked(key, null, e));
      }
    }
    return Optional.of(failures.translate("Delete", key.value(), e));
  }

  /** Several at a time. */
  @Override
  public Map<ObjectKey, StorageException> deleteAll(Collection<ObjectKey> keys) throws IOException {
    Map<ObjectKey, Future<@Nullable Void>> answers = new LinkedHashMap<>();
    Map<ObjectKey, StorageException> failed = new LinkedHashMap<>();
    ExecutorService threads = Executors.newFixedThreadPool(DELETIONS, AzureBlobObjectStore::thread);
    try {
      for (ObjectKey key : keys) {
        answers.put(
            key,
            threads.submit(
                () -> {
                  delete(key);
                  return null;
                }));
      }
      for (Map.Entry<ObjectKey, Future<@Nullable Void>> answer : answers.entrySet()) {
        outcome(answer.getKey(), answer.getValue())
            .ifPresent(failure -> failed.put(answer.getKey(), failure));
      }
      return failed;
    } finally {
      threads.shutdownNow();
    }
  }

  private Optional<StorageException> outcome(ObjectKey key, Future<@Nullable Void> answer) {
    try {
      answer.get();
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      answer.cancel(true);
      return Optional.of(
          failures.translate("Delete", key.value(), new InterruptedIOException("interrupted")));
    } catch (ExecutionException e) {
      return Optional.of(
          failures.translate(
              "Delete",
              key.value(),
              e.getCause() instanceof IOException io ? io : new IOException(e.getCause())));
    }
  }

  private static Thread thread(Runnable task) {
    Thread thread = new Thread(task, "thorbis-azblob-delete");
    thread.setDaemon(true);
    return thread;
  }

  @Override
  public void extendLock(ObjectKey key, Instant until) throws IOException {
    require(StoreCapability.LOCK, "lock an object", key.value());
    BlobProperties there =
        find("Lock", key).orElseThrow(() -> new StorageException.NotFound(key, null));
    BlobImmutabilityPolicy wanted = policy(until);
    BlobImmutabilityPolicy now = there.getImmutabilityPolicy();
    if (now != null && now.getExpiryTime() != null) {
      if (!now.getExpiryTime().isBefore(wanted.getExpiryTime())) {
        return;
      }
      if (BlobImmutabilityPolicyMode.LOCKED.equals(now.getPolicyMode())) {
        wanted.setPolicyMode(BlobImmutabilityPolicyMode.LOCKED); // which cannot be taken back
      }
    }
    try {
      container.attempts.run(
          () ->
              container
                  .blob(key)
                  .setImmutabilityPolicyWithResponse(
                      wanted, null, container.timeout, Context.NONE));
    } catch (Answer e) {
      throw e.saysAbsent()
          ? new StorageException.NotFound(key, e)
          : failures.translate("Lock", key.value(), e);
    } catch (IOException e) {
      throw failures.translate("Lock", key.value(), e);
    }
  }

  @Override
  public Duration minimumStay(StorageTier tier) {
    return Tiers.minimumStay(tier);
  }

  @Override
  public void move(ObjectKey key, StorageTier tier) throws IOException {
    setTier("Move", key, Tiers.accessTier(tier));
  }

  private void setTier(String action, ObjectKey key, AccessTier tier) throws StorageException {
    try {
      container.attempts.run(
          () ->
              container
                  .blob(key)
                  .setAccessTierWithResponse(
                      new BlobSetAccessTierOptions(tier)
                          .setPriority(
                              highPriority ? RehydratePriority.HIGH : RehydratePriority.STANDARD),
                      container.timeout,
                      Context.NONE));
    } catch (Answer e) {
      if (e.saysAbsent()) {
        throw new StorageException.NotFound(key, e);
      }
      throw e.saysOffline()
          ? StorageException.offline(key, e)
          : failures.translate(action, key.value(), e);
    } catch (IOException e) {
      throw failures.translate(action, key.value(), e);
    }
  }

  @Override
  public void requestReadable(ObjectKey key, Duration keepFor) throws IOException {
    BlobProperties there =
        find("Bring back", key).orElseThrow(() -> new StorageException.NotFound(key, null));
    if (AccessTier.ARCHIVE.equals(there.getAccessTier()) && there.getArchiveStatus() == null) {
      setTier("Bring back", key, AccessTier.HOT);
    }
  }

  @Override
  public ListPage listDeleted(String prefix, Optional<String> after) throws IOException {
    require(StoreCapability.UNDELETE, "list what was deleted", prefix);
    try {
      return page(prefix, after, new BlobListDetails().setRetrieveDeletedBlobs(true));
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
      container.attempts.run(
          () -> container.blob(key).undeleteWithResponse(container.timeout, Context.NONE));
    } catch (Answer e) {
      throw e.saysAbsent()
          ? new StorageException.NotFound(key, e)
          : failures.translate("Bring back", key.value(), e);
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

  /** The key of what lies there; empty if it is none of ours. */
  private Optional<ObjectKey> key(BlobItem item) {
    try {
      return Optional.of(new ObjectKey(item.getName().substring(prefix.length())));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  /** Says where the objects lie. */
  public static final class Builder {
    private @Nullable BlobContainerClient client;
    private String prefix = "";
    private int blockBytes = 8 << 20;
    private int pageSize = 1000;
    private boolean locks;
    private boolean irrevocable = true;
    private boolean softDelete;
    private boolean highPriority;
    private Duration patience = Duration.ofMinutes(2);
    private Duration attemptTimeout = Duration.ofMinutes(5);
    int stretchBytes = 4 << 20;
    Duration firstWait = Duration.ofMillis(500);
    int mostAttempts = 10;

    private Builder() {}

    /**
     * The host's own client, which the host closes. Required. It need not repeat anything itself:
     * let its {@code RequestRetryOptions} allow one attempt.
     */
    public Builder client(BlobContainerClient container) {
      client = container;
      return this;
    }

    /** What comes before each key, divided from it by a slash; nothing otherwise. */
    public Builder prefix(String segments) {
      prefix = segments;
      return this;
    }

    /** For how long to repeat what was not answered; 2 minutes otherwise. */
    public Builder retryFor(Duration time) {
      patience = time;
      return this;
    }

    /** After which a single request is given up, with all its content; 5 minutes otherwise. */
    public Builder attemptTimeout(Duration timeout) {
      attemptTimeout = timeout;
      return this;
    }

    /**
     * The length of the first 10,000 blocks of an upload, of which each upload holds one: 1 MiB to
     * 1 GiB, 8 MiB otherwise.
     */
    public Builder blockBytes(int bytes) {
      blockBytes = bytes;
      return this;
    }

    /** The container has immutability of versions: objects can be locked. */
    public Builder versionImmutability() {
      locks = true;
      return this;
    }

    /** Locks that an account with a right of its own can end before their time. */
    public Builder unlockedPolicies() {
      irrevocable = false;
      return this;
    }

    /** What lies in Archive is brought back within the hour, for more money. */
    public Builder highPriority() {
      highPriority = true;
      return this;
    }

    /** The account keeps what was deleted for some days. */
    public Builder softDelete() {
      softDelete = true;
      return this;
    }

    Builder pageSize(int objects) {
      pageSize = objects;
      return this;
    }

    /**
     * Opens the container. Changes nothing there.
     *
     * @throws StorageException if it cannot be reached, is not there, or a setting is refused
     */
    public AzureBlobObjectStore build() throws IOException {
      if (client == null) {
        throw new IllegalStateException("The client is missing");
      }
      if (blockBytes < 1 << 20 || blockBytes > 1 << 30) {
        throw refused("A block has 1 MiB to 1 GiB, not " + blockBytes + " bytes", "Write 8MiB.");
      }
      if (!prefix.isEmpty()) {
        try {
          if (new ObjectKey(prefix).value().length() > NAME_LENGTH - 901) {
            throw new IllegalArgumentException("longer than 123 characters");
          }
        } catch (IllegalArgumentException e) {
          throw refused(
              "\"" + prefix + "\" cannot stand before keys: " + e.getMessage(),
              "Write segments of A-Z, a-z, 0-9, '.', '_', '=' and '-', divided by slashes, 123"
                  + " characters in all.");
        }
      }
      return new AzureBlobObjectStore(this, client);
    }

    private static StorageException refused(String problem, String remedy) {
      return new StorageException(
          "storage.location", FailureKind.CONFIGURATION, problem, "azblob", remedy, null);
    }
  }
}
