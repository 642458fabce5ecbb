package com.thorbis.backup.storage.azure;

import com.azure.core.util.BinaryData;
import com.azure.core.util.Context;
import com.azure.storage.blob.models.AccessTier;
import com.azure.storage.blob.models.BlobImmutabilityPolicy;
import com.azure.storage.blob.models.BlobProperties;
import com.azure.storage.blob.models.BlobRequestConditions;
import com.azure.storage.blob.models.BlockBlobItem;
import com.azure.storage.blob.options.BlockBlobCommitBlockListOptions;
import com.azure.storage.blob.options.BlockBlobSimpleUploadOptions;
import com.azure.storage.blob.options.BlockBlobStageBlockOptions;
import com.azure.storage.blob.specialized.BlockBlobClient;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * An object on its way: what fits into one block goes by one request, anything longer block after
 * block, which nobody sees before their list is committed. Holds one block.
 */
final class Upload implements ObjectUpload {
  /** Under which metadata an object says which write made it. */
  static final String ATTEMPT = "thorbisattempt";

  /** How many blocks an object may have at most. */
  static final int MOST_BLOCKS = 50_000;

  private static final int SMALL_BLOCKS = 10_000;
  private static final int LARGE_BLOCK = 112 << 20;
  private static final int FIRST_BUFFER = 1 << 16;
  private static final int COPY = 1 << 16;

  /** How an object is to be kept. */
  record Wanted(AccessTier tier, @Nullable BlobImmutabilityPolicy lock) {}

  private final Container container;
  private final ObjectKey key;
  private final BlockBlobClient blob;
  private final Wanted wanted;
  private final int blockBytes;
  private final UUID attempt = UUID.randomUUID();
  private final List<Integer> blocks = new ArrayList<>();
  private final Body body = new Body();
  private byte[] block;
  private int filled;
  private long length;
  private boolean ended;
  private @Nullable StorageException failure;

  Upload(Container container, ObjectKey key, Wanted wanted, int blockBytes) {
    this.container = container;
    this.key = key;
    this.blob = container.blob(key).getBlockBlobClient();
    this.wanted = wanted;
    this.blockBytes = blockBytes;
    this.block = new byte[Math.min(FIRST_BUFFER, blockBytes)];
  }

  /**
   * The length of a block, so that as many as there may be hold 4 TiB and those of most objects
   * stay small.
   *
   * @param number 0 for the first
   */
  static int blockBytes(int number, int first) {
    return number < SMALL_BLOCKS ? first : Math.max(first, LARGE_BLOCK);
  }

  void copy(ObjectSource content) throws StorageException {
    long announced = content.length();
    byte[] buffer = new byte[(int) Math.max(1, Math.min(COPY, announced))];
    long copied = 0;
    try (InputStream in = content.open()) {
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        copied += count;
        if (copied > announced) {
          break;
        }
        body.write(buffer, 0, count);
      }
    } catch (StorageException e) {
      throw e;
    } catch (IOException e) {
      throw container.failures.sourceFailed(key, e);
    }
    if (copied != announced) {
      throw StorageException.sourceLength(key, announced);
    }
  }

  @Override
  public OutputStream body() {
    return body;
  }

  @Override
  public ObjectInfo commit() throws StorageException {
    if (ended) {
      throw new IllegalStateException("The upload has ended: " + key);
    }
    if (failure != null) {
      throw failure; // bytes are missing, whatever was written after them
    }
    try {
      Optional<ObjectInfo> done = write(!blocks.isEmpty());
      return done.isPresent() ? done.get() : write(true).orElseThrow();
    } finally {
      close();
    }
  }

  /** Writes what is there; empty if one request was refused where blocks may do. */
  private Optional<ObjectInfo> write(boolean asBlocks) throws StorageException {
    Attempts.Doubt doubt = new Attempts.Doubt();
    try {
      if (asBlocks && filled > 0) {
        stage();
      }
      BlockBlobItem item = container.attempts.run(doubt, asBlocks ? this::publish : this::create);
      return Optional.of(info(item.getLastModified().toInstant()));
    } catch (IOException e) {
      return settle(e, doubt.isOpen(), asBlocks);
    }
  }

  /** Blocks that nobody committed cannot be removed; the store does it after a week. */
  @Override
  public void close() {
    ended = true;
    block = new byte[0];
  }

  private BlockBlobItem create() {
    BlockBlobSimpleUploadOptions options =
        new BlockBlobSimpleUploadOptions(
                BinaryData.fromByteBuffer(ByteBuffer.wrap(block, 0, filled)))
            .setContentMd5(md5())
            .setMetadata(metadata())
            .setTier(wanted.tier())
            .setRequestConditions(free());
    if (wanted.lock() != null) {
      options.setImmutabilityPolicy(wanted.lock());
    }
    return blob.uploadWithResponse(options, container.timeout, Context.NONE).getValue();
  }

  private BlockBlobItem publish() {
    BlockBlobCommitBlockListOptions options =
        new BlockBlobCommitBlockListOptions(blocks.stream().map(this::blockId).toList())
            .setMetadata(metadata())
            .setTier(wanted.tier())
            .setRequestConditions(free());
    if (wanted.lock() != null) {
      options.setImmutabilityPolicy(wanted.lock());
    }
    return blob.commitBlockListWithResponse(options, container.timeout, Context.NONE).getValue();
  }

  private void stage() throws IOException {
    int number = blocks.size();
    if (number == MOST_BLOCKS) {
      throw new IOException("An object has at most " + MOST_BLOCKS + " blocks");
    }
    byte[] md5 = md5();
    container.attempts.run(
        () ->
            blob.stageBlockWithResponse(
                new BlockBlobStageBlockOptions(
                        blockId(number),
                        BinaryData.fromByteBuffer(ByteBuffer.wrap(block, 0, filled)))
                    .setContentMd5(md5),
                container.timeout,
                Context.NONE));
    blocks.add(number);
    filled = 0;
  }

  /** Of this write alone: another one to the same key has its blocks in the same place. */
  private String blockId(int number) {
    return Base64.getEncoder()
        .encodeToString(
            ByteBuffer.allocate(20)
                .putLong(attempt.getMostSignificantBits())
                .putLong(attempt.getLeastSignificantBits())
                .putInt(number)
                .array());
  }

  private Map<String, String> metadata() {
    return Map.of(ATTEMPT, attempt.toString());
  }

  private static BlobRequestConditions free() {
    return new BlobRequestConditions().setIfNoneMatch("*");
  }

  private byte[] md5() {
    try {
      MessageDigest digest = MessageDigest.getInstance("MD5"); // what the store compares
      digest.update(block, 0, filled);
      return digest.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private ObjectInfo info(Instant modifiedAt) {
    ObjectInfo info =
        ObjectInfo.of(key, length, modifiedAt)
            .in(Tiers.of(wanted.tier()), !AccessTier.ARCHIVE.equals(wanted.tier()));
    return wanted.lock() == null
        ? info
        : info.lockedUntil(wanted.lock().getExpiryTime().toInstant());
  }

  /** Finds out what became of a write that failed. */
  private Optional<ObjectInfo> settle(IOException e, boolean inDoubt, boolean asBlocks)
      throws StorageException {
    Answer answer = e instanceof Answer said ? said : null;
    boolean taken =
        answer != null
            && (answer.status() == 412
                || answer.saysLocked()
                || answer.says("BlobAlreadyExists", "BlobArchived", "BlobBeingRehydrated"));
    boolean lost = answer != null && answer.says("InvalidBlockList");
    if (!taken && !lost && !inDoubt) {
      throw container.failures.translate("Write", key.value(), e);
    }
    Optional<BlobProperties> there;
    try {
      there = container.find(key);
    } catch (IOException unseen) {
      StorageException unknown =
          taken && !inDoubt
              ? new StorageException.AlreadyExists(key, e)
              : new StorageException.OutcomeUnknown(key, e);
      unknown.addSuppressed(unseen);
      throw unknown;
    }
    // A repeated write is refused because of its own first success, which nobody was told about.
    if (there.isPresent() && attempt.toString().equals(there.get().getMetadata().get(ATTEMPT))) {
      return Optional.of(info(there.get().getLastModified().toInstant()));
    }
    if (there.isPresent()) {
      throw new StorageException.AlreadyExists(key, e);
    }
    if (inDoubt) {
      throw new StorageException.OutcomeUnknown(key, e);
    }
    if (taken && !asBlocks) {
      // Blocks that an earlier writer left take the name for a write of one request, and only that.
      return Optional.empty();
    }
    throw lost ? container.failures.blocksLost(key, e) : container.failures.overtaken(key, e);
  }

  private final class Body extends OutputStream {
    private boolean closed;

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int count) throws IOException {
      Objects.checkFromIndexSize(offset, count, bytes.length);
      if (ended || closed) {
        throw new IOException("The content has ended: " + key);
      }
      if (failure != null) {
        throw failure;
      }
      int done = 0;
      while (done < count) {
        int most = blockBytes(blocks.size(), blockBytes);
        if (filled == most) {
          stageBlock();
          continue;
        }
        int some = Math.min(count - done, most - filled);
        if (filled + some > block.length) {
          block =
              Arrays.copyOf(
                  block, (int) Math.min(most, Math.max(2L * block.length, filled + some)));
        }
        System.arraycopy(bytes, offset + done, block, filled, some);
        filled += some;
        done += some;
      }
      length += count;
    }

    @Override
    public void close() {
      closed = true;
    }

    private void stageBlock() throws StorageException {
      try {
        stage();
      } catch (IOException e) {
        failure = container.failures.translate("Write", key.value(), e);
        throw failure;
      }
    }
  }
}
