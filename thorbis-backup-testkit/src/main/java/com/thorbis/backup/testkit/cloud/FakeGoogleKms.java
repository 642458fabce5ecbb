package com.thorbis.backup.testkit.cloud;

import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.KeyPairGenerator;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Google Cloud Key Management Service over REST: {@code encrypt}, {@code decrypt}, {@code get} and
 * {@code list} (of versions) for symmetric keys, and {@code token}, which gives a service account
 * an access token without looking at its signature. A ciphertext opens under its key and additional
 * authenticated data alone, as long as the version that made it is enabled. Checksums are compared.
 */
public final class FakeGoogleKms extends FakeService {
  private static final String TOKEN = "ya29.fake-access-token";
  private static final String RING = "projects/acme/locations/europe-west3/keyRings/backup/";
  private static final Pattern PATH =
      Pattern.compile(
          "/v1/(projects/[^:]*?/cryptoKeys/[^/:]+)(?::(encrypt|decrypt)|(/cryptoKeyVersions))?");

  private final SecureRandom random = new SecureRandom();
  private final Map<String, Key> keys = new LinkedHashMap<>();
  private boolean corrupts;
  private boolean ignoresChecksums;

  /** Starts it, without any key. */
  public FakeGoogleKms() throws IOException {
    super(null);
  }

  /** Makes a key with one version. */
  public synchronized String createKey(String name) {
    keys.put(RING + "cryptoKeys/" + name, new Key(random));
    return RING + "cryptoKeys/" + name;
  }

  /** Gives a key a new primary version; older ones still open what they sealed. */
  public synchronized void rotate(String key) {
    key(key).material.rotate(random);
  }

  /** Disables one version of a key, or enables it again. */
  public synchronized void enable(String key, int version, boolean enabled) {
    key(key).states.put(version, enabled ? "ENABLED" : "DISABLED");
    key(key).destroyed.remove(version);
  }

  /** Schedules the destruction of one version of a key. */
  public synchronized void scheduleDestruction(String key, int version, Instant at) {
    key(key).states.put(version, "DESTROY_SCHEDULED");
    key(key).destroyed.put(version, at);
  }

  /** From now on a byte of what a key sealed or opened changes on its way back, or no longer. */
  public synchronized void corruptAnswers(boolean corrupts) {
    this.corrupts = corrupts;
  }

  /** From now on checksums of requests are not looked at, or again. */
  public synchronized void ignoreChecksums(boolean ignores) {
    this.ignoresChecksums = ignores;
  }

  /**
   * A key file of a service account that asks here for its tokens. Its private key is made for it
   * alone.
   */
  public String serviceAccount() {
    byte[] privateKey;
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
      generator.initialize(2048);
      privateKey = generator.generateKeyPair().getPrivate().getEncoded();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
    String pem =
        "-----BEGIN PRIVATE KEY-----\n"
            + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(privateKey)
            + "\n-----END PRIVATE KEY-----\n";
    Map<String, Object> file = new LinkedHashMap<>();
    file.put("type", "service_account");
    file.put("project_id", "acme");
    file.put("private_key_id", "1");
    file.put("private_key", pem);
    file.put("client_email", "backup@acme.iam.gserviceaccount.com");
    file.put("client_id", "1");
    file.put("token_uri", endpoint() + "/token");
    return new String(Json.write(file), StandardCharsets.UTF_8);
  }

  /** The access token that it accepts. */
  public String accessToken() {
    return TOKEN;
  }

  private static final class Key {
    final FakeKey material;
    final Map<Integer, String> states = new TreeMap<>();
    final Map<Integer, Instant> destroyed = new TreeMap<>();

    Key(SecureRandom random) {
      material = new FakeKey(random);
    }

    String state(int version) {
      return states.getOrDefault(version, "ENABLED");
    }
  }

  private Key key(String name) {
    Key key = keys.get(name);
    if (key == null) {
      throw new IllegalArgumentException("No key " + name);
    }
    return key;
  }

  @Override
  String operation(Request request) {
    if (request.path().equals("/token")) {
      return "token";
    }
    Matcher path = PATH.matcher(request.path());
    if (!path.matches()) {
      return "unknown";
    }
    return path.group(2) != null ? path.group(2) : path.group(3) != null ? "list" : "get";
  }

  @Override
  synchronized Answer answer(Request request) {
    String operation = operation(request);
    if (operation.equals("token")) {
      return Answer.ok(Map.of("access_token", TOKEN, "token_type", "Bearer", "expires_in", 3600));
    }
    if (!request.header("authorization").equals("Bearer " + TOKEN)) {
      return error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
    }
    Matcher path = PATH.matcher(request.path());
    Key key = path.matches() ? keys.get(path.group(1)) : null;
    if (key == null) {
      return error(404, "NOT_FOUND", request.path() + " not found.");
    }
    String name = path.group(1);
    return switch (operation) {
      case "encrypt" -> encrypt(name, key, request.json());
      case "decrypt" -> decrypt(name, key, request.json());
      case "list" -> list(name, key, String.valueOf(request.uri().getRawQuery()));
      default -> get(name, key);
    };
  }

  private Answer encrypt(String name, Key key, Map<String, Object> body) {
    int version = key.material.current();
    Answer bad = unusable(name, key, version);
    if (bad == null) {
      bad = damaged(body, "plaintext", "additionalAuthenticatedData");
    }
    if (bad != null) {
      return bad;
    }
    byte[] sealed =
        key.material.seal(
            random, bytes(body, "plaintext"), bytes(body, "additionalAuthenticatedData"));
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("name", name + "/cryptoKeyVersions/" + version);
    put(answer, "ciphertext", sealed);
    if (!ignoresChecksums) {
      answer.put("verifiedPlaintextCrc32c", true);
      answer.put("verifiedAdditionalAuthenticatedDataCrc32c", true);
    }
    return Answer.ok(answer);
  }

  private Answer decrypt(String name, Key key, Map<String, Object> body) {
    Answer bad = damaged(body, "ciphertext", "additionalAuthenticatedData");
    if (bad != null) {
      return bad;
    }
    byte[] sealed = bytes(body, "ciphertext");
    int version = key.material.version(sealed);
    if (version == 0) {
      return notOpened();
    }
    bad = unusable(name, key, version);
    if (bad != null) {
      return bad;
    }
    byte[] plain = key.material.open(sealed, bytes(body, "additionalAuthenticatedData"));
    if (plain == null) {
      return notOpened();
    }
    Map<String, Object> answer = new LinkedHashMap<>();
    put(answer, "plaintext", plain);
    answer.put("usedPrimary", version == key.material.current());
    return Answer.ok(answer);
  }

  private Answer get(String name, Key key) {
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("name", name);
    answer.put("purpose", "ENCRYPT_DECRYPT");
    answer.put("primary", version(name, key, key.material.current()));
    return Answer.ok(answer);
  }

  private Answer list(String name, Key key, String query) {
    String decoded = URLDecoder.decode(query, StandardCharsets.UTF_8);
    List<Object> versions = new ArrayList<>();
    for (int version = 1; version <= key.material.current(); version++) {
      if (!decoded.contains("filter=state=")
          || decoded.contains("filter=state=" + key.state(version))) {
        versions.add(version(name, key, version));
      }
    }
    return Answer.ok(versions.isEmpty() ? Map.of() : Map.of("cryptoKeyVersions", versions));
  }

  private static Map<String, Object> version(String name, Key key, int version) {
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("name", name + "/cryptoKeyVersions/" + version);
    answer.put("state", key.state(version));
    if (key.destroyed.containsKey(version)) {
      answer.put("destroyTime", String.valueOf(key.destroyed.get(version)));
    }
    return answer;
  }

  private static @Nullable Answer unusable(String name, Key key, int version) {
    return key.state(version).equals("ENABLED")
        ? null
        : error(
            400,
            "FAILED_PRECONDITION",
            name
                + "/cryptoKeyVersions/"
                + version
                + " is not enabled, current state is: "
                + key.state(version)
                + ".");
  }

  private @Nullable Answer damaged(Map<String, Object> body, String... fields) {
    for (String field : fields) {
      Object said = body.get(field + "Crc32c");
      if (!ignoresChecksums && said != null && !said.equals(crc(bytes(body, field)))) {
        return error(400, "INVALID_ARGUMENT", "The checksum of " + field + " does not match.");
      }
    }
    return null;
  }

  private void put(Map<String, Object> answer, String field, byte[] content) {
    byte[] sent = content;
    if (corrupts) {
      sent = Arrays.copyOf(content, content.length);
      sent[sent.length / 2] ^= 1;
    }
    answer.put(field, Base64.getEncoder().encodeToString(sent));
    answer.put(field + "Crc32c", crc(content));
  }

  private static byte[] bytes(Map<String, Object> body, String field) {
    return Base64.getDecoder().decode(String.valueOf(body.getOrDefault(field, "")));
  }

  private static String crc(byte[] content) {
    CRC32C crc = new CRC32C();
    crc.update(content);
    return Long.toString(crc.getValue());
  }

  private static Answer notOpened() {
    return error(400, "INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.");
  }

  @Override
  Answer throttled() {
    return error(429, "RESOURCE_EXHAUSTED", "Quota exceeded.");
  }

  @Override
  Answer unavailable() {
    return error(503, "UNAVAILABLE", "The service is currently unavailable.");
  }

  private static Answer error(int code, String status, String message) {
    return new Answer(
        code,
        Map.of(),
        Map.of("error", Map.of("code", code, "message", message, "status", status)));
  }
}
