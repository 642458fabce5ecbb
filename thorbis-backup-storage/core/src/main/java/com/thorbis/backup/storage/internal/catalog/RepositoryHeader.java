package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.RecoveryPublicKey;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What a repository says of itself in plain; the first commit vouches for its bytes.
 *
 * @param id the repository's id
 * @param tree the key tree that seals commits
 * @param createdAt when it was made
 * @param slots the slots of that tree; a listing could lack one, and lock its recipient out
 */
public record RepositoryHeader(ObjectId id, ObjectId tree, Instant createdAt, List<SlotRef> slots) {
  /** The format's name in the header. */
  public static final String FORMAT = "thorbis-repository";

  /** The format's version that this code writes. */
  public static final int VERSION = 1;

  private static final int SUITE = 1;

  /** The header's bytes. */
  byte[] encode(List<? extends KeyProvider> recipients) {
    Map<String, Object> document = Json.object();
    document.put("format", FORMAT);
    document.put("version", VERSION);
    document.put("suite", SUITE);
    document.put("id", id);
    document.put("tree", tree);
    document.put("createdAt", createdAt);
    Map<String, Object> probe = Json.object();
    probe.put("createIfAbsent", true);
    probe.put("readBack", true);
    document.put("probe", probe);
    List<Map<String, Object>> described = new ArrayList<>();
    for (KeyProvider recipient : recipients) {
      Map<String, Object> entry = Json.object();
      entry.put("scheme", recipient.scheme());
      entry.put("keyId", recipient.keyId());
      if (recipient instanceof RecoveryKeyProvider recovery) {
        recovery
            .publicKey()
            .map(RecoveryPublicKey::text)
            .ifPresent(key -> entry.put("publicKey", key));
      }
      described.add(entry);
    }
    document.put("recipients", described);
    document.put("slots", SlotRef.documents(slots));
    return Json.write(document);
  }

  /** Takes a header apart. */
  static RepositoryHeader read(byte[] bytes) throws RepositoryException {
    Json.Node node = Json.read(bytes, ObjectNames.HEADER.value());
    if (!node.text("format").equals(FORMAT)) {
      throw node.wrong("format", "not " + FORMAT);
    }
    long version = node.number("version");
    long suite = node.number("suite");
    if (version != VERSION || suite != SUITE) {
      throw new RepositoryException(
          "repository.unsupported",
          FailureKind.PERMANENT,
          "The repository has format version "
              + version
              + " and suite "
              + suite
              + "; this release reads version "
              + VERSION
              + " and suite "
              + SUITE,
          Map.of("version", Long.toString(version)),
          "Use a release that reads it.",
          null);
    }
    return new RepositoryHeader(
        node.parse("id", ObjectId::parse),
        node.parse("tree", ObjectId::parse),
        node.instant("createdAt"),
        node.names().contains("slots") ? SlotRef.readAll(node) : List.of());
  }
}
