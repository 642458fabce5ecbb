package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.SealedReader;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Looks at the bytes of a store, and asks neither commits nor the ring of keys: every sealed object
 * opens with a slot that lies there, whichever of the recipients is asked.
 */
final class RawKeys {
  private static final byte[] MAGIC = "THORBIS\n".getBytes(StandardCharsets.US_ASCII);

  private final SortedMap<String, byte[]> contents;
  private final KeyProvider recipient;
  private final Map<KeySlot, EpochKey> proven = new HashMap<>();

  private RawKeys(SortedMap<String, byte[]> contents, KeyProvider recipient) {
    this.contents = contents;
    this.recipient = recipient;
  }

  /** Every sealed object below a prefix opens with each of these recipients alone. */
  static void assertAllOpen(MemoryObjectStore disk, String prefix, List<KeyProvider> recipients)
      throws IOException {
    assertAllOpen(disk, prefix, recipients, Set.of());
  }

  /**
   * The same.
   *
   * @param without trees whose keys somebody may have destroyed
   */
  static void assertAllOpen(
      MemoryObjectStore disk, String prefix, List<KeyProvider> recipients, Set<String> without)
      throws IOException {
    assertThat(recipients).isNotEmpty();
    for (KeyProvider recipient : recipients) {
      RawKeys raw = new RawKeys(disk.contents(), recipient);
      for (Map.Entry<String, byte[]> object : raw.contents.entrySet()) {
        if (object.getKey().startsWith(prefix)
            && isSealed(object.getValue())
            && without.stream().noneMatch(object.getKey()::contains)) {
          assertThat(raw.opens(object.getKey(), object.getValue()))
              .as("%s opens with a slot of %s", object.getKey(), recipient.describe())
              .isTrue();
        }
      }
    }
  }

  /** Whether all sealed objects below a prefix open with a recipient, by the epoch of their key. */
  static Map<Integer, Boolean> opened(
      SortedMap<String, byte[]> contents, String prefix, KeyProvider recipient) throws IOException {
    RawKeys raw = new RawKeys(contents, recipient);
    Map<Integer, Boolean> opened = new HashMap<>();
    for (Map.Entry<String, byte[]> object : contents.entrySet()) {
      if (object.getKey().startsWith(prefix) && isSealed(object.getValue())) {
        opened.merge(
            place(object.getValue()).epoch(),
            raw.opens(object.getKey(), object.getValue()),
            Boolean::logicalAnd);
      }
    }
    return opened;
  }

  /** The epochs that the objects below a prefix were sealed under. */
  static List<Integer> epochs(MemoryObjectStore disk, String prefix) {
    return disk.contents().entrySet().stream()
        .filter(object -> object.getKey().startsWith(prefix) && isSealed(object.getValue()))
        .map(object -> place(object.getValue()).epoch())
        .distinct()
        .sorted()
        .toList();
  }

  private static boolean isSealed(byte[] content) {
    return content.length > 128 && Arrays.equals(content, 0, MAGIC.length, MAGIC, 0, MAGIC.length);
  }

  private static KeySlot place(byte[] sealed) {
    ByteBuffer header = ByteBuffer.wrap(sealed);
    return new KeySlot(
        ObjectId.read(header.position(16)), ObjectId.read(header.position(32)), header.getInt(48));
  }

  private boolean opens(String name, byte[] sealed) throws IOException {
    KeySlot place = place(sealed);
    EpochKey known = proven.get(place);
    if (known != null) {
      return opens(name, sealed, known);
    }
    String folder = String.format("keys/%s/%08x/", place.tree(), place.epoch());
    for (Map.Entry<String, byte[]> slot : contents.tailMap(folder).entrySet()) {
      if (!slot.getKey().startsWith(folder)) {
        break;
      }
      String text = new String(slot.getValue(), StandardCharsets.UTF_8);
      WrappedKey wrapped =
          WrappedKey.of(
              field(text, "scheme"),
              field(text, "keyId"),
              Base64.getDecoder().decode(field(text, "wrapped")));
      try (DataKey material = recipient.unwrap(wrapped, place.context())) {
        EpochKey key = EpochKey.of(place, material);
        if (opens(name, sealed, key)) {
          proven.put(place, key);
          return true;
        }
      } catch (KeyException e) {
        // Another's.
      }
    }
    return false;
  }

  private static boolean opens(String name, byte[] sealed, EpochKey key) throws IOException {
    try (InputStream in = new ByteArrayInputStream(sealed);
        SealedReader reader = new SealedReader(in, key, ObjectHeader.read(in), name)) {
      reader.transferTo(OutputStream.nullOutputStream());
      return true;
    } catch (MalformedObjectException e) {
      return false;
    }
  }

  private static String field(String text, String name) {
    Matcher found = Pattern.compile('"' + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(text);
    assertThat(found.find()).as(name).isTrue();
    return found.group(1);
  }
}
