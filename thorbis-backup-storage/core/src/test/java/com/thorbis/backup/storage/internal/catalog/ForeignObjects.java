package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** What whoever has the keys of a repository can make, and our own code refuses to. */
public final class ForeignObjects {
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Services services;
  private final ObjectId tree;

  /** With the keys of an open repository. */
  public ForeignObjects(Services services) {
    this.services = services;
    this.tree = services.log().catalog().trees().get(0);
  }

  /** The commit after the last, signed or not. */
  public byte[] next(List<Operation> operations, Optional<Signer> signer) throws IOException {
    long last = services.log().sequence();
    ObjectKey key = ObjectNames.commit(last + 1);
    byte[] document =
        new Commit(
                last + 1,
                services.log().requireHash(last),
                Instant.EPOCH,
                "someone",
                "some run",
                operations)
            .encode();
    return seal(
        ObjectType.COMMIT,
        key,
        signer.isPresent()
            ? Signature.add(document, services.repository(), key, signer.get())
            : document);
  }

  /** A checkpoint that says whatever it likes of a commit. */
  public byte[] checkpoint(long sequence, Catalog told) throws IOException {
    return seal(
        ObjectType.CHECKPOINT,
        ObjectNames.checkpoint(sequence),
        new Checkpoint(sequence, services.log().requireHash(sequence), told.compacted()).encode());
  }

  /** A checkpoint of the last commit that says something more than there was. */
  public byte[] checkpoint(Operation more) throws IOException {
    long last = services.log().sequence();
    Catalog told = services.log().catalog().copy();
    told.apply(last, List.of(more), ObjectNames.commit(last));
    return checkpoint(last, told);
  }

  /** The content of a commit of any repository, under another number, changed or not. */
  public byte[] again(Services from, long sequence, long as, String old, String changed)
      throws IOException {
    ObjectKey key = ObjectNames.commit(sequence);
    byte[] plain =
        SealedObjects.open(
            SealedObjects.fetch(from.store(), key, SealedObjects.MOST_BYTES),
            ObjectType.COMMIT,
            key,
            from.repository(),
            from.log().catalog().trees().get(0),
            from.keys());
    String text = new String(plain, StandardCharsets.UTF_8);
    return seal(
        ObjectType.COMMIT,
        ObjectNames.commit(as),
        text.replace(old, changed).getBytes(StandardCharsets.UTF_8));
  }

  private byte[] seal(ObjectType type, ObjectKey key, byte[] plain) throws IOException {
    EpochKey with = services.keys().current(tree);
    return SealedObjects.seal(type, key, plain, with, RANDOM);
  }
}
