package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * The secrets of a project on Supabase: {@code secret/NAME} for those of its edge functions, of
 * which digests are given alone; {@code api-key/NAME}, which can be read and not be set; and {@code
 * vault-root-key}, without which columns that Vault encrypted stay unreadable in a restored
 * database.
 */
public final class SupabaseSecrets implements SecretTarget {
  /** The type of this place. */
  public static final String TYPE = "supabase";

  /** The name of the key under which Vault encrypts. */
  public static final String ROOT_KEY = "vault-root-key";

  static final String ADDRESS = "https://api.supabase.com";
  private static final String SECRET = "secret/";
  private static final String API_KEY = "api-key/";
  private static final List<String> PARTS = List.of(SECRET, API_KEY, ROOT_KEY);
  private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");
  private static final int MOST_BYTES = 48 * 1024;
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

  private final Calls calls;
  private final String project;
  private final String instance;
  private final String path;
  private final KeyedVersion versions = new KeyedVersion();

  private SupabaseSecrets(Connection connection, String project) {
    this.calls = new Calls(connection, ADDRESS, Map.of());
    this.project = project;
    this.instance = connection.instance(project, ADDRESS);
    this.path = "/v1/projects/" + Calls.encode(project);
  }

  /** The secrets of a project, by its reference. */
  public static SupabaseSecrets of(Connection connection, String project) {
    return new SupabaseSecrets(connection, project);
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public String instance() {
    return instance;
  }

  @Override
  public List<Limit> limits() {
    return List.of(
        new Limit(
            "The value of secrets of edge functions",
            Readability.DIGEST,
            "Keep the value where it is read from as well; the digest proves that it is the same."),
        new Limit(
            "The private part of keys that sign sessions",
            Readability.NOT_EXPORTABLE,
            "A new project has new ones, and all sessions end."),
        new Limit(
            "Secrets of providers in the configuration of sign-in",
            Readability.NOT_EXPORTABLE,
            "Issue them again at each provider."));
  }

  @Override
  public String rotation() {
    return "Issue a new value where it comes from, and set it in the project; API keys are made"
        + " anew there.";
  }

  @Override
  public List<SecretInfo> list() throws IOException {
    return survey().requireWhole();
  }

  /** Each of the three parts needs a permission of its own. */
  @Override
  public Listing survey() throws IOException {
    List<SecretInfo> found = new ArrayList<>();
    Map<String, SecretException> unseen = new LinkedHashMap<>();
    for (String part : PARTS) {
      try {
        found.addAll(part(part));
      } catch (SecretException e) {
        if (e.kind() == FailureKind.CANCELLED) {
          throw e;
        }
        unseen.put(part, e);
      }
    }
    if (unseen.keySet().containsAll(PARTS)) {
      throw unseen.values().iterator().next();
    }
    return new Listing(found, new TreeMap<>(unseen));
  }

  @Override
  public Optional<SecretInfo> find(String name) throws IOException {
    return part(partOf(name)).stream().filter(info -> info.name().equals(name)).findFirst();
  }

  private static String partOf(String name) {
    if (name.equals(ROOT_KEY)) {
      return ROOT_KEY;
    }
    return name.startsWith(API_KEY) ? API_KEY : SECRET;
  }

  private List<SecretInfo> part(String part) throws IOException {
    return switch (part) {
      case SECRET -> listSecrets();
      case API_KEY -> listApiKeys();
      default -> List.of(rootKey());
    };
  }

  private List<SecretInfo> listSecrets() throws IOException {
    List<SecretInfo> found = new ArrayList<>();
    String action = "list the secrets of " + project;
    try (Calls.Reply reply = calls.get(action, path + "/secrets");
        JsonAnswer answer = JsonAnswer.read(action, reply.body())) {
      for (JsonAnswer.Fields secret : answer.list()) {
        Optional<String> digest =
            secret
                .text("value")
                .map(text -> text.toLowerCase(Locale.ROOT))
                .filter(text -> DIGEST.matcher(text).matches());
        found.add(
            SecretInfo.of(SECRET + secret.require("name"), Readability.DIGEST)
                .withVersion(
                    secret
                        .text("updated_at")
                        .or(
                            () ->
                                digest.map(
                                    text -> versions.of(text.getBytes(StandardCharsets.US_ASCII))))
                        .orElse(""))
                .withUpdated(secret.time("updated_at"))
                .withDigest(digest));
      }
    }
    return found;
  }

  private List<SecretInfo> listApiKeys() throws IOException {
    List<SecretInfo> found = new ArrayList<>();
    String action = "list the API keys of " + project;
    try (Calls.Reply reply = calls.get(action, path + "/api-keys");
        JsonAnswer answer = JsonAnswer.read(action, reply.body(), "api_key")) {
      for (JsonAnswer.Fields key : answer.list()) {
        found.add(apiKey(key));
      }
    }
    return found;
  }

  /** The key has no date: what changes whenever it is written is its value alone. */
  private SecretInfo rootKey() throws IOException {
    try (Secret key = readRootKey(SecretInfo.of(ROOT_KEY, Readability.VALUE_WITH_PERMISSION))) {
      return key.info();
    }
  }

  private Secret readRootKey(SecretInfo info) throws IOException {
    String action = "read " + ROOT_KEY + " of " + project;
    try (Calls.Reply reply = calls.get(action, path + "/pgsodium");
        JsonAnswer answer = JsonAnswer.read(action, reply.body(), "root_key")) {
      SecretValue value = answer.fields().secret("root_key");
      return new Secret(info.withVersion(versions.of(value)), value);
    }
  }

  private static SecretInfo apiKey(JsonAnswer.Fields key) throws IOException {
    String type = key.text("type").map(text -> text + ":").orElse("");
    return SecretInfo.of(API_KEY + type + key.require("name"), Readability.VALUE_WITH_PERMISSION)
        .withVersion(key.text("updated_at").orElse(""))
        .withUpdated(key.time("updated_at"));
  }

  @Override
  public Secret read(SecretInfo listed) throws IOException {
    String action = "read " + listed.name() + " of " + project;
    if (listed.name().equals(ROOT_KEY)) {
      return readRootKey(listed);
    }
    if (listed.name().startsWith(API_KEY)) {
      try (Calls.Reply reply = calls.get(action, path + "/api-keys?reveal=true");
          JsonAnswer answer = JsonAnswer.read(action, reply.body(), "api_key")) {
        for (JsonAnswer.Fields key : answer.list()) {
          SecretInfo now = apiKey(key);
          if (now.name().equals(listed.name())) {
            return new Secret(now, revealed(listed.name(), key));
          }
        }
      }
      throw Written.notFound(listed.name(), project);
    }
    throw Written.unreadable(
        listed.name(),
        "Supabase gives nobody the value of a secret of edge functions",
        "Keep the value where it is read from as well, or issue a new one.");
  }

  /** Who may not see a key gets one with dots in it. */
  private static SecretValue revealed(String name, JsonAnswer.Fields key) throws IOException {
    SecretValue value = key.secret("api_key");
    boolean masked =
        value.useBytes(
            bytes -> {
              for (byte one : bytes) {
                if (one == '*' || one < 0) {
                  return true;
                }
              }
              return bytes.length == 0;
            });
    if (masked) {
      value.close();
      throw Written.unreadable(
          name, "Supabase gives this token a masked value", "Let the token reveal API keys.");
    }
    return value;
  }

  @Override
  public boolean conditional() {
    return false;
  }

  @Override
  public Optional<String> refusal(SecretInfo secret) {
    if (!secret.format().equals(SecretInfo.TEXT)) {
      return Optional.of("is " + secret.format() + ", and Supabase takes texts only");
    }
    String name = nameOf(secret);
    if (name.equals(ROOT_KEY)) {
      return Optional.empty();
    }
    if (name.startsWith(API_KEY)) {
      return Optional.of("Supabase makes its API keys itself");
    }
    String plain = name.substring(SECRET.length());
    return NAME.matcher(plain).matches() && !plain.startsWith("SUPABASE_")
        ? Optional.empty()
        : Optional.of(
            "Supabase takes names of letters, digits and _ that do not begin with SUPABASE_");
  }

  @Override
  public String nameOf(SecretInfo secret) {
    String name = secret.name();
    return name.equals(ROOT_KEY) || name.startsWith(SECRET) || name.startsWith(API_KEY)
        ? name
        : SECRET + name;
  }

  @Override
  public Optional<Boolean> matches(SecretInfo current, SecretValue value) {
    return current
        .digest()
        .map(
            digest ->
                value.useBytes(
                    bytes -> {
                      try {
                        byte[] ours = MessageDigest.getInstance("SHA-256").digest(bytes);
                        return HexFormat.of().formatHex(ours).equals(digest);
                      } catch (NoSuchAlgorithmException e) {
                        throw new IllegalStateException("This Java runtime lacks SHA-256", e);
                      }
                    }));
  }

  @Override
  public void write(SecretInfo secret, SecretValue value, WriteCondition condition)
      throws IOException {
    Optional<String> refusal = refusal(secret);
    if (refusal.isPresent()) {
      throw Written.refused(secret.name(), refusal.get());
    }
    Written.requireText(secret.name(), value, MOST_BYTES);
    String name = nameOf(secret);
    Written.require(condition, find(name), name, project);
    String action = "write " + name + " of " + project;
    if (name.equals(ROOT_KEY)) {
      JsonBody body = new JsonBody().begin().secret("root_key", value).end();
      calls.write("PUT", action, path + "/pgsodium", body).close();
    } else {
      JsonBody body =
          new JsonBody()
              .beginList()
              .begin()
              .text("name", name.substring(SECRET.length()))
              .secret("value", value)
              .end()
              .endList();
      calls.write("POST", action, path + "/secrets", body).close();
    }
  }

  @Override
  public void close() {
    versions.close();
    calls.close();
  }

  /** Says only which place it is. */
  @Override
  public String toString() {
    return TYPE + " " + project;
  }
}
