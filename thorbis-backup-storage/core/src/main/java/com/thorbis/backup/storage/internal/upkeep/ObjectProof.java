package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.copies.Proof;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/** Proves objects by their seal, and plain ones by the commit that vouches for them. */
public final class ObjectProof implements Proof {
  private static final int MOST_PLAIN = 1 << 20;

  private final Services services;
  private final ObjectId repositoryTree;

  /** With the keys and the log of an open repository. */
  public ObjectProof(Services services, ObjectId repositoryTree) {
    this.services = services;
    this.repositoryTree = repositoryTree;
  }

  @Override
  public boolean covers(ObjectKey key) {
    return ObjectNames.sequence(key).isPresent()
        || ObjectNames.checkpointed(key).isPresent()
        || vouched(key).isPresent()
        || tree(key).isPresent();
  }

  @Override
  public void require(ObjectKey key, InputStream sealed) throws IOException {
    Optional<SlotRef> plain = vouched(key);
    if (plain.isPresent()) {
      if (!plain.get().matches(sealed.readNBytes(MOST_PLAIN))) {
        throw RepositoryException.damaged(key.value(), "is not what its commit vouches for", null);
      }
      return;
    }
    OptionalLong sequence = ObjectNames.sequence(key);
    if (sequence.isPresent()) {
      requireCommit(key, sequence.getAsLong(), sealed);
      return;
    }
    OptionalLong checkpointed = ObjectNames.checkpointed(key);
    if (checkpointed.isPresent()) {
      services.log().requireCheckpoint(checkpointed.getAsLong(), sealed.readAllBytes());
      return;
    }
    ObjectId tree =
        tree(key)
            .orElseThrow(
                () -> RepositoryException.damaged(key.value(), "is no object of this", null));
    requireSeal(key, type(key), tree, sealed);
  }

  private void requireCommit(ObjectKey key, long sequence, InputStream sealed) throws IOException {
    MessageDigest digest = Digests.sha256();
    requireSeal(key, ObjectType.COMMIT, repositoryTree, new DigestInputStream(sealed, digest));
    // Another commit of this number is sealed as well, and belongs to another history.
    if (sequence <= services.log().sequence()
        && !services.log().requireHash(sequence).equals(Digests.text(digest.digest()))) {
      throw new RepositoryException(
          CommitLog.OTHER_HISTORY,
          FailureKind.REFUSED,
          key + ": is whole and of another history than the log",
          Map.of("object", key.value()),
          "Find out who wrote to that copy by itself. To take it back, empty it and run copies"
              + " sync.",
          null);
    }
  }

  private void requireSeal(ObjectKey key, ObjectType type, ObjectId tree, InputStream sealed)
      throws IOException {
    try (InputStream content =
        SealedObjects.open(sealed, type, key, services.repository(), tree, services.keys())) {
      content.transferTo(OutputStream.nullOutputStream());
    } catch (MalformedObjectException e) {
      throw SealedObjects.damaged(key, e);
    } catch (EOFException e) {
      throw RepositoryException.damaged(key.value(), "ends too early", e);
    }
  }

  private Optional<SlotRef> vouched(ObjectKey key) {
    return services.log().catalog().plainObjects().stream()
        .filter(ref -> ref.key().equals(key))
        .findFirst();
  }

  private static ObjectType type(ObjectKey key) {
    if (key.value().startsWith(ObjectNames.PACKS)) {
      return ObjectType.PACK;
    }
    if (key.value().startsWith(ObjectNames.MANIFESTS)) {
      return ObjectType.MANIFEST;
    }
    if (key.value().endsWith(ObjectNames.SUMMARY_SUFFIX)) {
      return ObjectType.WAL_SUMMARY;
    }
    if (key.value().endsWith(ObjectNames.GAP_SUFFIX)) {
      return ObjectType.WAL_GAP;
    }
    return key.value().endsWith(".history") ? ObjectType.HISTORY : ObjectType.WAL;
  }

  /** The tree that must have sealed an object of a source. */
  private Optional<ObjectId> tree(ObjectKey key) {
    String[] parts = key.value().split("/", -1);
    boolean known =
        parts.length == 3
                && (key.value().startsWith(ObjectNames.PACKS)
                    || key.value().startsWith(ObjectNames.MANIFESTS))
            || parts.length == 5 && key.value().startsWith(ObjectNames.WAL);
    if (!known) {
      return Optional.empty();
    }
    return services.log().catalog().sources().stream()
        .map(source -> source.tree())
        .filter(tree -> tree.toString().equals(parts[1]))
        .findFirst();
  }
}
