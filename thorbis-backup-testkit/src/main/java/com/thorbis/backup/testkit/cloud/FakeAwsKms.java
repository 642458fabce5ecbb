package com.thorbis.backup.testkit.cloud;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * AWS Key Management Service in the region {@code eu-central-1}: {@code Encrypt}, {@code Decrypt}
 * and {@code DescribeKey} of symmetric keys. A ciphertext opens under its key and encryption
 * context alone, and tells which version of the key made it. Of the signature of a request the
 * access key is looked at, not the rest.
 */
public final class FakeAwsKms extends FakeService {
  /** Its region. */
  public static final String REGION = "eu-central-1";

  /** The access key that it accepts. */
  public static final String ACCESS_KEY = "AKIDFAKE";

  private static final String ACCOUNT = "arn:aws:kms:" + REGION + ":111122223333:";

  private final SecureRandom random = new SecureRandom();
  private final Map<String, FakeKey> keys = new LinkedHashMap<>();
  private final Map<String, String> aliases = new LinkedHashMap<>();

  /** Starts it, without any key. */
  public FakeAwsKms() throws IOException {
    super(null);
  }

  /** Makes a key. */
  public synchronized String createKey() {
    String arn = ACCOUNT + "key/" + UUID.randomUUID();
    keys.put(arn, new FakeKey(random));
    return arn;
  }

  /** Makes a key that belongs to a set in several regions. */
  public synchronized String createMultiRegionKey() {
    String arn = ACCOUNT + "key/mrk-" + UUID.randomUUID().toString().replace("-", "");
    keys.put(arn, new FakeKey(random));
    return arn;
  }

  /** Gives a key of several regions a replica in another one, served here too. */
  public synchronized String replica(String key, String region) {
    String arn = key.replace(":" + REGION + ":", ":" + region + ":");
    keys.put(arn, key(key));
    return arn;
  }

  /** Makes an alias point to a key, whatever it pointed to before. */
  public synchronized String alias(String name, String key) {
    aliases.put(ACCOUNT + "alias/" + name, key);
    return ACCOUNT + "alias/" + name;
  }

  /** Gives a key a new version; older ones still open what they sealed. */
  public synchronized void rotate(String key) {
    key(key).rotate(random);
  }

  /** Disables a key, or enables it again. */
  public synchronized void enable(String key, boolean enabled) {
    key(key).enabled = enabled;
    key(key).deletion = null;
  }

  /** Schedules a key's deletion. */
  public synchronized void scheduleDeletion(String key, Instant at) {
    key(key).deletion = at;
  }

  /** Deletes a key for good. */
  public synchronized void delete(String key) {
    keys.remove(key);
  }

  private FakeKey key(String arn) {
    FakeKey key = keys.get(arn);
    if (key == null) {
      throw new IllegalArgumentException("No key " + arn);
    }
    return key;
  }

  @Override
  String operation(Request request) {
    String target = request.header("x-amz-target");
    return target.substring(target.indexOf('.') + 1);
  }

  @Override
  synchronized Answer answer(Request request) {
    if (!request.header("authorization").contains("Credential=" + ACCESS_KEY + "/")) {
      return error(400, "UnrecognizedClientException", "The security token is invalid.");
    }
    Map<String, Object> body = request.json();
    return switch (operation(request)) {
      case "Encrypt" -> encrypt(body);
      case "Decrypt" -> decrypt(body);
      case "DescribeKey" -> describe(body);
      default -> error(400, "UnknownOperationException", "Not part of this fake.");
    };
  }

  private Answer encrypt(Map<String, Object> body) {
    String arn = resolve(body);
    FakeKey key = arn == null ? null : keys.get(arn);
    if (arn == null || key == null) {
      return notFound(body);
    }
    Answer unusable = unusable(arn, key);
    if (unusable != null) {
      return unusable;
    }
    byte[] plain = bytes(body, "Plaintext");
    if (plain.length < 1 || plain.length > 4096) {
      return error(400, "ValidationException", "Plaintext has 1 to 4096 bytes.");
    }
    byte[] name = arn.getBytes(StandardCharsets.UTF_8);
    byte[] sealed = key.seal(random, plain, context(body));
    ByteBuffer blob = ByteBuffer.allocate(2 + name.length + sealed.length);
    blob.putShort((short) name.length).put(name).put(sealed);
    return Answer.ok(
        Map.of(
            "CiphertextBlob",
            Base64.getEncoder().encodeToString(blob.array()),
            "KeyId",
            arn,
            "EncryptionAlgorithm",
            "SYMMETRIC_DEFAULT"));
  }

  private Answer decrypt(Map<String, Object> body) {
    ByteBuffer blob = ByteBuffer.wrap(bytes(body, "CiphertextBlob"));
    int length = blob.remaining() < 2 ? -1 : blob.getShort();
    if (length < 0 || length > blob.remaining()) {
      return invalidCiphertext();
    }
    byte[] name = new byte[length];
    blob.get(name);
    String sealedBy = new String(name, StandardCharsets.UTF_8);
    FakeKey key = keys.get(sealedBy);
    if (key == null) {
      return invalidCiphertext();
    }
    if (body.containsKey("KeyId")) {
      String asked = resolve(body);
      if (asked == null || !keys.containsKey(asked)) {
        return notFound(body);
      }
      if (keys.get(asked) != key) {
        return error(400, "IncorrectKeyException", "The key ID does not fit the ciphertext.");
      }
    }
    Answer unusable = unusable(sealedBy, key);
    if (unusable != null) {
      return unusable;
    }
    byte[] sealed = new byte[blob.remaining()];
    blob.get(sealed);
    byte[] plain = key.open(sealed, context(body));
    return plain == null
        ? invalidCiphertext()
        : Answer.ok(
            Map.of("Plaintext", Base64.getEncoder().encodeToString(plain), "KeyId", sealedBy));
  }

  private Answer describe(Map<String, Object> body) {
    String arn = resolve(body);
    FakeKey key = arn == null ? null : keys.get(arn);
    if (arn == null || key == null) {
      return notFound(body);
    }
    Map<String, Object> metadata = new LinkedHashMap<>();
    metadata.put("Arn", arn);
    metadata.put("KeyId", arn.substring(arn.lastIndexOf('/') + 1));
    metadata.put("Enabled", key.enabled && key.deletion == null);
    metadata.put(
        "KeyState",
        key.deletion != null ? "PendingDeletion" : key.enabled ? "Enabled" : "Disabled");
    metadata.put("KeyUsage", "ENCRYPT_DECRYPT");
    metadata.put("KeySpec", "SYMMETRIC_DEFAULT");
    if (key.deletion != null) {
      metadata.put("DeletionDate", key.deletion.getEpochSecond());
    }
    return Answer.ok(Map.of("KeyMetadata", metadata));
  }

  private @Nullable String resolve(Map<String, Object> body) {
    String name = String.valueOf(body.get("KeyId"));
    String full =
        name.startsWith("arn:")
            ? name
            : ACCOUNT + (name.startsWith("alias/") ? name : "key/" + name);
    return full.contains(":alias/") ? aliases.get(full) : full;
  }

  private static @Nullable Answer unusable(String arn, FakeKey key) {
    if (key.deletion != null) {
      return error(400, "KMSInvalidStateException", arn + " is pending deletion.");
    }
    return key.enabled ? null : error(400, "DisabledException", arn + " is disabled.");
  }

  private static byte[] bytes(Map<String, Object> body, String field) {
    return Base64.getDecoder().decode(String.valueOf(body.getOrDefault(field, "")));
  }

  private static byte[] context(Map<String, Object> body) {
    List<String> pairs = new ArrayList<>();
    if (body.get("EncryptionContext") instanceof Map<?, ?> context) {
      Map<String, String> sorted = new TreeMap<>();
      context.forEach((name, value) -> sorted.put(String.valueOf(name), String.valueOf(value)));
      sorted.forEach(
          (name, value) -> pairs.add(name.length() + ":" + name + value.length() + ":" + value));
    }
    return String.join("", pairs).getBytes(StandardCharsets.UTF_8);
  }

  private static Answer notFound(Map<String, Object> body) {
    return error(400, "NotFoundException", "Key '" + body.get("KeyId") + "' does not exist");
  }

  private static Answer invalidCiphertext() {
    return error(400, "InvalidCiphertextException", "");
  }

  @Override
  Answer throttled() {
    return error(400, "ThrottlingException", "Rate exceeded");
  }

  @Override
  Answer unavailable() {
    return error(503, "KMSInternalException", "Try again.");
  }

  @Override
  String contentType() {
    return "application/x-amz-json-1.1";
  }

  private static Answer error(int status, String type, String message) {
    return new Answer(
        status, Map.of("x-amzn-ErrorType", type), Map.of("__type", type, "message", message));
  }
}
