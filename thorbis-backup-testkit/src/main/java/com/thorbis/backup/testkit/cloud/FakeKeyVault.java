package com.thorbis.backup.testkit.cloud;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.MGF1ParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Cipher;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import org.jspecify.annotations.Nullable;

/**
 * A vault of Azure Key Vault with RSA keys: {@code get}, {@code wrapkey} and {@code unwrapkey} with
 * RSA-OAEP-256, and {@code deleted}. Speaks TLS, as its clients give no token without, and asks
 * those who come without one for a token, which {@code token} gives to a client with the right
 * secret.
 */
public final class FakeKeyVault extends FakeService {
  /** The secret with which any client of any tenant gets a token. */
  public static final String CLIENT_SECRET = "fake-client-secret";

  private static final String TOKEN = "fake-access-token";
  private static final String TOKEN_PATH = "/oauth2/v2.0/token";

  private static final Pattern PATH =
      Pattern.compile(
          "/(deletedkeys|keys)/([A-Za-z0-9-]+)(?:/([A-Za-z0-9]*))?(?:/(wrapkey|unwrapkey))?/?");

  /** RSA keys take long to make: each vault starts with those that others had. */
  private static final Map<Integer, List<KeyPair>> MADE = new LinkedHashMap<>();

  private final Map<String, Key> keys = new LinkedHashMap<>();
  private final Map<Integer, Integer> taken = new LinkedHashMap<>();
  private Map<String, String> retryAfter = Map.of();

  /** Starts it, without any key. */
  public FakeKeyVault(LoopbackTls tls) throws IOException {
    super(tls);
  }

  /** Makes an RSA key of so many bits, with one version. */
  public void createKey(String name, int bits) {
    Version first = new Version(pair(bits));
    synchronized (this) {
      keys.put(name, new Key(bits, first));
    }
  }

  /** Gives a key a new version; older ones still open what they wrapped. */
  public void rotate(String name) {
    Version next = new Version(pair(key(name).bits));
    synchronized (this) {
      key(name).versions.add(next);
    }
  }

  /** Disables the newest version of a key, or enables it again. */
  public synchronized void enable(String name, boolean enabled) {
    key(name).newest().enabled = enabled;
  }

  /** Lets the newest version of a key expire. */
  public synchronized void expire(String name, Instant at) {
    key(name).newest().expires = at;
  }

  /** Deletes a key, which can be recovered until it is purged. */
  public synchronized void delete(String name, Instant purge) {
    key(name).purge = purge;
  }

  /** Recovers a deleted key. */
  public synchronized void recover(String name) {
    key(name).purge = null;
  }

  /** Removes a key for good. */
  public synchronized void purge(String name) {
    keys.remove(name);
  }

  /** From now on, who is throttled is told to come back after so long. */
  public synchronized void retryAfter(Duration pause) {
    retryAfter = Map.of("Retry-After", Long.toString(pause.toSeconds()));
  }

  private static final class Key {
    final int bits;
    final List<Version> versions = new ArrayList<>();
    @Nullable Instant purge;

    Key(int bits, Version first) {
      this.bits = bits;
      versions.add(first);
    }

    Version newest() {
      return versions.get(versions.size() - 1);
    }

    @Nullable Version version(String id) {
      return versions.stream().filter(version -> version.id.equals(id)).findFirst().orElse(null);
    }
  }

  private static final class Version {
    final String id = UUID.randomUUID().toString().replace("-", "");
    final KeyPair pair;
    boolean enabled = true;
    @Nullable Instant expires;

    Version(KeyPair pair) {
      this.pair = pair;
    }
  }

  private KeyPair pair(int bits) {
    int number;
    synchronized (this) {
      number = taken.merge(bits, 1, Integer::sum);
    }
    synchronized (MADE) {
      List<KeyPair> pairs = MADE.computeIfAbsent(bits, length -> new ArrayList<>());
      while (pairs.size() < number) {
        try {
          KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
          generator.initialize(bits);
          pairs.add(generator.generateKeyPair());
        } catch (GeneralSecurityException e) {
          throw new IllegalStateException(e);
        }
      }
      return pairs.get(number - 1);
    }
  }

  private synchronized Key key(String name) {
    Key key = keys.get(name);
    if (key == null) {
      throw new IllegalArgumentException("No key " + name);
    }
    return key;
  }

  @Override
  String operation(Request request) {
    if (request.path().endsWith(TOKEN_PATH)) {
      return "token";
    }
    Matcher path = PATH.matcher(request.path());
    if (!path.matches()) {
      return "unknown";
    }
    if (path.group(1).equals("deletedkeys")) {
      return "deleted";
    }
    return path.group(4) == null ? "get" : path.group(4);
  }

  @Override
  synchronized Answer answer(Request request) {
    if (operation(request).equals("token")) {
      return request.text().contains("client_secret=" + CLIENT_SECRET)
          ? Answer.ok(Map.of("token_type", "Bearer", "expires_in", 3600, "access_token", TOKEN))
          : new Answer(
              401,
              Map.of(),
              Map.of("error", "invalid_client", "error_description", "Invalid client secret."));
    }
    if (request.header("authorization").isEmpty()) {
      return new Answer(
          401,
          Map.of(
              "WWW-Authenticate",
              "Bearer authorization=\""
                  + endpoint()
                  + "/tenant\", resource=\"https://vault.azure.net\""),
          Map.of());
    }
    if (!request.header("authorization").equals("Bearer " + TOKEN)) {
      return error(403, "Forbidden", "The caller may not do that.");
    }
    Matcher path = PATH.matcher(request.path());
    Key key = path.matches() ? keys.get(path.group(2)) : null;
    boolean deleted = operation(request).equals("deleted");
    if (key == null || deleted != (key.purge != null)) {
      return error(404, "KeyNotFound", "A key with this name was not found in this key vault.");
    }
    String id = path.group(3);
    Version version = id == null || id.isEmpty() ? key.newest() : key.version(id);
    if (version == null) {
      return error(404, "KeyNotFound", "A key with this name and version was not found.");
    }
    String kid = endpoint() + "/keys/" + path.group(2) + "/" + version.id;
    return switch (operation(request)) {
      case "wrapkey" -> crypt(Cipher.ENCRYPT_MODE, kid, version, request.json());
      case "unwrapkey" -> crypt(Cipher.DECRYPT_MODE, kid, version, request.json());
      default -> bundle(kid, key, version);
    };
  }

  private static Answer bundle(String kid, Key key, Version version) {
    RSAPublicKey half = (RSAPublicKey) version.pair.getPublic();
    Map<String, Object> jwk = new LinkedHashMap<>();
    jwk.put("kid", kid);
    jwk.put("kty", "RSA");
    jwk.put("key_ops", List.of("wrapKey", "unwrapKey"));
    jwk.put("n", encode(unsigned(half.getModulus())));
    jwk.put("e", encode(unsigned(half.getPublicExponent())));
    Map<String, Object> attributes = new LinkedHashMap<>();
    attributes.put("enabled", version.enabled);
    attributes.put("recoveryLevel", "Recoverable+Purgeable");
    if (version.expires != null) {
      attributes.put("exp", version.expires.getEpochSecond());
    }
    Map<String, Object> bundle = new LinkedHashMap<>();
    bundle.put("key", jwk);
    bundle.put("attributes", attributes);
    if (key.purge != null) {
      bundle.put("recoveryId", kid.replace("/keys/", "/deletedkeys/"));
      bundle.put("scheduledPurgeDate", key.purge.getEpochSecond());
    }
    return Answer.ok(bundle);
  }

  private static Answer crypt(int mode, String kid, Version version, Map<String, Object> body) {
    if (!version.enabled) {
      return error(403, "Forbidden", "Operation is not allowed on a disabled key.");
    }
    if (!"RSA-OAEP-256".equals(body.get("alg"))) {
      return error(400, "BadParameter", "Not part of this fake.");
    }
    try {
      Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
      cipher.init(
          mode,
          mode == Cipher.ENCRYPT_MODE ? version.pair.getPublic() : version.pair.getPrivate(),
          new OAEPParameterSpec(
              "SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT));
      byte[] value =
          cipher.doFinal(Base64.getUrlDecoder().decode(String.valueOf(body.get("value"))));
      return Answer.ok(Map.of("kid", kid, "value", encode(value)));
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      return error(400, "BadParameter", "The parameter is incorrect.");
    }
  }

  private static byte[] unsigned(BigInteger number) {
    byte[] bytes = number.toByteArray();
    return bytes[0] == 0 ? Arrays.copyOfRange(bytes, 1, bytes.length) : bytes;
  }

  private static String encode(byte[] bytes) {
    return new String(
        Base64.getUrlEncoder().withoutPadding().encode(bytes), StandardCharsets.US_ASCII);
  }

  @Override
  synchronized Answer throttled() {
    return new Answer(429, retryAfter, error(429, "Throttled", "Too many requests.").body());
  }

  @Override
  Answer unavailable() {
    return error(503, "ServiceUnavailable", "Try again.");
  }

  private static Answer error(int status, String code, String message) {
    return new Answer(status, Map.of(), Map.of("error", Map.of("code", code, "message", message)));
  }
}
