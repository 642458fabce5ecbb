package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.BackupException;
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
import java.time.Clock;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * The secrets of a key-value engine, version 2, of HashiCorp Vault or OpenBao: the current version
 * of each path. Vault itself checks what each write expects ({@code cas}). What was deleted is not
 * there. Needs {@code list} and {@code read} below {@code metadata/}, {@code read} below {@code
 * data/}, and {@code create} and {@code update} there to restore.
 */
public final class VaultKvSecrets implements SecretTarget {
  /** The type of this place. */
  public static final String TYPE = "vault-kv2";

  /** The format of its values: the fields of a path as JSON, with the names in order. */
  public static final String FORMAT = "vault-kv2/json";

  private static final Pattern CAS = Pattern.compile("[0-9]{1,18}");
  private static final int MOST_BYTES = 1 << 20;

  private final Calls calls;
  private final Clock clock;
  private final String mount;
  private final String prefix;
  private final String instance;

  private VaultKvSecrets(
      Connection connection, Optional<String> namespace, String mount, String prefix) {
    Map<String, String> headers = new LinkedHashMap<>();
    headers.put("X-Vault-Request", "true");
    namespace.ifPresent(name -> headers.put("X-Vault-Namespace", name));
    this.calls = new Calls(connection, "https://127.0.0.1:8200", "X-Vault-Token", "", headers);
    this.clock = connection.clock();
    this.mount = requireFolder(trim(mount));
    if (this.mount.isEmpty()) {
      throw notAFolder(mount);
    }
    this.prefix = requireFolder(trim(prefix)).isEmpty() ? "" : trim(prefix) + "/";
    this.instance =
        calls.base()
            + namespace.map(name -> " " + trim(name)).orElse("")
            + " "
            + this.mount
            + "/"
            + this.prefix;
  }

  /**
   * The paths of an engine.
   *
   * @param mount where it is mounted, such as {@code secret}
   * @param prefix a folder in it; empty for all
   */
  public static VaultKvSecrets of(Connection connection, String mount, String prefix) {
    return new VaultKvSecrets(connection, Optional.empty(), mount, prefix);
  }

  /** The paths of an engine in a namespace of Vault Enterprise or OpenBao. */
  public static VaultKvSecrets ofNamespace(
      Connection connection, String namespace, String mount, String prefix) {
    return new VaultKvSecrets(connection, Optional.of(namespace), mount, prefix);
  }

  private static String requireFolder(String path) {
    if (!path.isEmpty() && refusal(path).isPresent()) {
      throw notAFolder(path);
    }
    return path;
  }

  private static BackupException notAFolder(String path) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            "\"" + path + "\": a mount or folder of Vault has no segments that are empty, . or ..")
        .remedy("Write it as vault kv list has it.")
        .build();
  }

  private static String trim(String path) {
    return path.replaceAll("^/+|/+$", "");
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
            "Versions that were destroyed",
            Readability.NOT_EXPORTABLE,
            "They are gone for good: issue new values."),
        new Limit(
            "Dynamic secrets, and keys of the engines transit and PKI",
            Readability.NOT_EXPORTABLE,
            "Vault issues them again from its own configuration and snapshot."));
  }

  @Override
  public String rotation() {
    return "Issue a new value where it comes from, and write it as a new version of the path.";
  }

  @Override
  public List<SecretInfo> list() throws IOException {
    return survey().requireWhole();
  }

  /** A policy may forbid one folder, or one path. */
  @Override
  public Listing survey() throws IOException {
    List<SecretInfo> found = new ArrayList<>();
    SortedMap<String, SecretException> unseen = new TreeMap<>();
    Deque<String> folders = new ArrayDeque<>(List.of(""));
    while (!folders.isEmpty()) {
      String folder = folders.pop();
      for (String name : names(folder, unseen)) {
        String path = folder + name;
        Optional<String> refusal = refusal(path.replaceFirst("/$", ""));
        if (refusal.isPresent()) {
          unseen.put(path, Written.refused(path, refusal.get()));
        } else if (name.endsWith("/")) {
          folders.push(path);
        } else {
          try {
            current(path).filter(Current::present).ifPresent(now -> found.add(now.info()));
          } catch (SecretException e) {
            unseen.put(path, requireForbidden(e));
          }
        }
      }
    }
    return new Listing(found, unseen);
  }

  private List<String> names(String folder, Map<String, SecretException> unseen)
      throws IOException {
    String action = "list " + mount + "/" + prefix + folder + " of Vault";
    try (Calls.Reply reply =
            calls.get(action, path("metadata", prefix + folder) + "?list=true", 404);
        JsonAnswer answer = JsonAnswer.read(action, reply.body())) {
      if (reply.status() == 404) {
        requireEmptyFolder(action, answer);
        return List.of();
      }
      return answer.fields().object("data").texts("keys");
    } catch (SecretException e) {
      if (folder.isEmpty()) {
        throw e;
      }
      unseen.put(folder, requireForbidden(e));
      return List.of();
    }
  }

  private static SecretException requireForbidden(SecretException failure) throws SecretException {
    if (!failure.code().equals(SecretException.FORBIDDEN)) {
      throw failure;
    }
    return failure;
  }

  @Override
  public Optional<SecretInfo> find(String name) throws IOException {
    requirePath(name);
    return current(name).filter(Current::present).map(Current::info);
  }

  /** Whoever resolves such a segment, on the way or in Vault, asks for another path. */
  private static Optional<String> refusal(String path) {
    for (String segment : path.split("/", -1)) {
      if (segment.isEmpty() || segment.equals(".") || segment.equals("..")) {
        return Optional.of("a path of Vault has no segments that are empty, . or ..");
      }
    }
    return Optional.empty();
  }

  private static void requirePath(String name) throws SecretException {
    Optional<String> refusal = refusal(name);
    if (refusal.isPresent()) {
      throw Written.refused(name, refusal.get());
    }
  }

  /** An engine answers 404 without words where nothing stands; where there is none, Vault talks. */
  private void requireEmptyFolder(String action, JsonAnswer answer) throws IOException {
    if (!answer.fields().has("errors") || !answer.fields().texts("errors").isEmpty()) {
      throw new SecretException(
          SecretException.NO_SUCH_PLACE,
          FailureKind.PERMANENT,
          action + ": no engine of version 2 is mounted at " + mount + "/",
          action,
          "Correct the mount; nothing was looked at.",
          null);
    }
  }

  @Override
  public Secret read(SecretInfo listed) throws IOException {
    requirePath(listed.name());
    String action = "read " + listed.name() + " of Vault";
    try (Calls.Reply reply = calls.get(action, path("data", prefix + listed.name()), 404);
        JsonAnswer answer = JsonAnswer.read(action, reply.body(), "data.data")) {
      if (reply.status() == 404 || !answer.fields().object("data").has("data")) {
        throw Written.notFound(listed.name(), instance);
      }
      JsonAnswer.Fields data = answer.fields().object("data");
      JsonAnswer.Fields metadata = data.object("metadata");
      return new Secret(
          listed
              .withVersion(Long.toString(metadata.number("version")))
              .withUpdated(metadata.time("created_time")),
          data.secret("data"));
    }
  }

  @Override
  public boolean conditional() {
    return true;
  }

  @Override
  public Optional<String> refusal(SecretInfo secret) {
    return secret.format().equals(FORMAT)
        ? refusal(secret.name())
        : Optional.of("is " + secret.format() + ", and Vault takes " + FORMAT + " only");
  }

  @Override
  public void write(SecretInfo secret, SecretValue value, WriteCondition condition)
      throws IOException {
    Optional<String> refusal = refusal(secret);
    if (refusal.isPresent()) {
      throw Written.refused(secret.name(), refusal.get());
    }
    Written.requireText(secret.name(), value, MOST_BYTES);
    String expected;
    if (condition instanceof WriteCondition.IfVersion version) {
      expected = version.version();
    } else {
      // What was deleted still counts versions.
      Optional<Current> now = current(secret.name());
      if (now.isPresent() && now.get().present()) {
        throw Written.conflict(secret.name(), instance);
      }
      expected = now.map(deleted -> deleted.info().version()).orElse("0");
    }
    if (!CAS.matcher(expected).matches()) {
      throw Written.conflict(secret.name(), instance);
    }
    String action = "write " + secret.name() + " to Vault";
    JsonBody body = new JsonBody().begin().begin("options");
    try (SecretValue data = JsonAnswer.object(secret.name(), value, false)) {
      body.number("cas", Long.parseLong(expected)).end().document("data", data).end();
    }
    try (Calls.Reply reply =
        calls.write("POST", action, path("data", prefix + secret.name()), body, 400)) {
      if (reply.status() == 400) {
        Optional<Current> now = current(secret.name());
        String version = now.map(current -> current.info().version()).orElse("0");
        throw version.equals(expected)
            ? Written.refused(secret.name(), "Vault does not take it")
            : Written.conflict(secret.name(), instance);
      }
    }
  }

  /**
   * What stands at a path now.
   *
   * @param present whether its current version can be read, or was deleted
   */
  private record Current(SecretInfo info, boolean present) {}

  private Optional<Current> current(String name) throws IOException {
    String action = "look at " + mount + "/" + prefix + name + " of Vault";
    try (Calls.Reply reply = calls.get(action, path("metadata", prefix + name), 404);
        JsonAnswer answer = JsonAnswer.read(action, reply.body())) {
      if (reply.status() == 404) {
        requireEmptyFolder(action, answer);
        return Optional.empty();
      }
      JsonAnswer.Fields data = answer.fields().object("data");
      long version = data.number("current_version");
      SecretInfo info =
          SecretInfo.of(name, Readability.VALUE)
              .withFormat(FORMAT)
              .withVersion(Long.toString(version));
      JsonAnswer.Fields versions = data.object("versions");
      if (version == 0 || !versions.has(Long.toString(version))) {
        return Optional.of(new Current(info, false));
      }
      JsonAnswer.Fields newest = versions.object(Long.toString(version));
      // A version may say in advance when it will be deleted.
      boolean deleted =
          newest.flag("destroyed")
              || newest
                  .time("deletion_time")
                  .filter(at -> !at.isAfter(clock.instant()))
                  .isPresent();
      return Optional.of(new Current(info.withUpdated(newest.time("created_time")), !deleted));
    }
  }

  private String path(String kind, String path) {
    StringBuilder out = new StringBuilder("/v1");
    for (String part : (mount + "/" + kind + "/" + path).split("/", -1)) {
      out.append('/').append(Calls.encode(part));
    }
    return out.toString();
  }

  @Override
  public void close() {
    calls.close();
  }

  /** Says only which place it is. */
  @Override
  public String toString() {
    return TYPE + " " + instance;
  }
}
