package com.thorbis.backup.storage.internal.verify;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.SealedRange;
import com.thorbis.backup.spi.repository.ObjectDescription;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.Json;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Says what can be said of an object without a key. */
public final class ObjectDecoder {
  private static final int SALT = 24;
  private static final int COMMITMENT = 32;
  private static final int PREFIX = ObjectHeader.LENGTH + SALT + COMMITMENT;
  private static final int MOST_DOCUMENT = 1 << 20;

  private ObjectDecoder() {}

  /** Reads an object to its end. */
  public static ObjectDescription describe(InputStream object) throws IOException {
    MessageDigest digest = Digests.sha256();
    byte[] beginning = object.readNBytes(MOST_DOCUMENT);
    digest.update(beginning);
    long length = beginning.length;
    byte[] buffer = new byte[1 << 16];
    for (int count = object.read(buffer); count >= 0; count = object.read(buffer)) {
      digest.update(buffer, 0, count);
      length += count;
    }
    String sha256 = Digests.text(digest.digest());
    if (beginning.length > 0 && beginning[0] == '{' && length <= MOST_DOCUMENT) {
      return document(beginning, sha256);
    }
    return sealed(beginning, length, sha256);
  }

  private static ObjectDescription document(byte[] bytes, String sha256) throws IOException {
    Json.Node node = Json.read(bytes, "object");
    Map<String, String> fields = new LinkedHashMap<>();
    for (String name : node.names()) {
      fields.put(name, node.display(name));
    }
    fields.put("length", Integer.toString(bytes.length));
    fields.put("sha256", sha256);
    String kind =
        switch (node.text("format")) {
          case "thorbis-repository" -> "repository";
          case "thorbis-key-slot" -> "key-slot";
          case "thorbis-lease" -> "lease";
          case "thorbis-signed-log" -> "signed-log";
          default -> throw unknown("its format is not known", null);
        };
    return new ObjectDescription(kind, fields);
  }

  private static ObjectDescription sealed(byte[] beginning, long length, String sha256)
      throws IOException {
    try {
      ObjectHeader header = ObjectHeader.decode(beginning);
      long plain = SealedRange.plainLength(length);
      HexFormat hex = HexFormat.of();
      Map<String, String> fields = new LinkedHashMap<>();
      fields.put("version", "1");
      fields.put("suite", "1");
      fields.put("repository", header.repository().toString());
      fields.put("tree", header.tree().toString());
      fields.put("epoch", Integer.toString(header.epoch()));
      fields.put("object", header.object().toString());
      fields.put(
          "salt",
          hex.formatHex(
              Arrays.copyOfRange(beginning, ObjectHeader.LENGTH, ObjectHeader.LENGTH + SALT)));
      fields.put(
          "commitment",
          hex.formatHex(Arrays.copyOfRange(beginning, ObjectHeader.LENGTH + SALT, PREFIX)));
      fields.put("length", Long.toString(length));
      fields.put("plainLength", Long.toString(plain));
      fields.put("chunks", Long.toString(SealedRange.firstChunk(plain) + 1));
      fields.put("sha256", sha256);
      return new ObjectDescription(header.type().label(), fields);
    } catch (MalformedObjectException e) {
      throw unknown(String.valueOf(e.getMessage()), e);
    }
  }

  private static RepositoryException unknown(String problem, @Nullable Throwable cause) {
    return new RepositoryException(
        "repository.not-an-object",
        FailureKind.DAMAGED,
        "This is not an object of a repository: " + problem,
        Map.of(),
        "Give a file as it lies in a repository.",
        cause);
  }
}
