package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A plain object that a commit vouches for.
 *
 * @param key where it lies
 * @param sha256 of its bytes
 * @param length of its bytes
 */
public record SlotRef(ObjectKey key, String sha256, long length) {
  /** As it was read. */
  public static SlotRef of(ObjectKey key, byte[] bytes) {
    return new SlotRef(key, Digests.sha256(bytes), bytes.length);
  }

  /** Whether these are the bytes. */
  public boolean matches(byte[] bytes) {
    return bytes.length == length && Digests.sha256(bytes).equals(sha256);
  }

  Map<String, Object> document() {
    Map<String, Object> document = Json.object();
    document.put("key", key);
    document.put("sha256", sha256);
    document.put("length", length);
    return document;
  }

  static SlotRef read(Json.Node node) throws RepositoryException {
    return new SlotRef(
        node.parse("key", ObjectKey::new), node.text("sha256"), node.number("length"));
  }

  static List<SlotRef> readAll(Json.Node node) throws RepositoryException {
    List<SlotRef> slots = new ArrayList<>();
    for (Json.Node slot : node.nodes("slots")) {
      slots.add(read(slot));
    }
    return slots;
  }

  static List<Map<String, Object>> documents(List<SlotRef> slots) {
    return slots.stream().map(SlotRef::document).toList();
  }

  /** The place of the key that a slot's name says it wraps. */
  static KeySlot place(ObjectKey slot, ObjectId repository) throws RepositoryException {
    String[] parts = slot.value().split("/", -1);
    try {
      if (parts.length == 4 && parts[0].equals("keys")) {
        return new KeySlot(
            repository, ObjectId.parse(parts[1]), Integer.parseUnsignedInt(parts[2], 16));
      }
    } catch (IllegalArgumentException e) {
      // Reported below.
    }
    throw RepositoryException.damaged(slot.value(), "is not the name of a key slot", null);
  }
}
