package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * The Secrets of a namespace of Kubernetes, each with all its keys. The API server itself checks
 * what each write expects ({@code resourceVersion}); labels and annotations stay as they are there.
 * Needs {@code get} and {@code list} on secrets, {@code get} on its namespace to tell an empty one
 * from none, and {@code create} and {@code patch} to restore.
 */
public final class KubernetesSecrets implements SecretTarget {
  /** The type of this place. */
  public static final String TYPE = "kubernetes";

  /** The format of its values: the keys of a Secret, each in base64, as JSON. */
  public static final String FORMAT = "kubernetes/data";

  private static final int PAGE = 200;
  private static final int MOST_BYTES = 3 << 20;
  private static final String KIND = "type";
  private static final String METADATA_ALONE =
      "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
  private static final String TOKEN = "kubernetes.io/service-account-token";
  private static final String NOT_TOKENS = Calls.encode("type!=" + TOKEN);
  private static final Pattern NAME =
      Pattern.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*");

  private final Calls calls;
  private final String namespace;
  private final String path;

  private KubernetesSecrets(Connection connection, String namespace) {
    this.calls =
        new Calls(
            connection, "https://kubernetes.default.svc", Map.of("Accept", "application/json"));
    this.namespace = namespace;
    this.path = "/api/v1/namespaces/" + Calls.encode(namespace) + "/secrets";
  }

  /** The Secrets of a namespace. */
  public static KubernetesSecrets of(Connection connection, String namespace) {
    return new KubernetesSecrets(connection, namespace);
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public String instance() {
    return calls.base() + " " + namespace;
  }

  @Override
  public List<Limit> limits() {
    return List.of(
        new Limit(
            "Tokens of service accounts",
            Readability.NOT_EXPORTABLE,
            "The cluster issues them again; another cluster does not accept them."),
        new Limit(
            "When each Secret was last written",
            Readability.NOT_EXPORTABLE,
            "Overwriting what is older leaves all of them."));
  }

  @Override
  public String rotation() {
    return "Issue a new value where it comes from, and write it into the Secret; restart what read"
        + " it at its start.";
  }

  @Override
  public List<SecretInfo> list() throws IOException {
    String action = "list the Secrets of " + namespace;
    List<SecretInfo> found = new ArrayList<>();
    int startedAgain = 0;
    String next = "";
    do {
      String page =
          path
              + "?limit="
              + PAGE
              + "&fieldSelector="
              + NOT_TOKENS
              + (next.isEmpty() ? "" : "&continue=" + Calls.encode(next));
      try (Calls.Reply reply = calls.get(action, page, Map.of("Accept", METADATA_ALONE), 410);
          JsonAnswer answer = JsonAnswer.read(action, reply.body(), "items.data")) {
        if (reply.status() == 410) {
          // The list that was begun is kept for some minutes only.
          if (++startedAgain > 3) {
            throw JsonAnswer.unexpected(action, "expires before its end, again and again");
          }
          found.clear();
          next = "";
          continue;
        }
        for (JsonAnswer.Fields item : answer.fields().list("items")) {
          JsonAnswer.Fields metadata = item.object("metadata");
          found.add(info(metadata.require("name"), metadata));
        }
        next = answer.fields().object("metadata").text("continue").orElse("");
        if (next.isEmpty()) {
          break;
        }
      }
    } while (true);
    if (found.isEmpty()) {
      requireNamespace();
    }
    return found;
  }

  private static SecretInfo info(String name, JsonAnswer.Fields metadata) throws IOException {
    return SecretInfo.of(name, Readability.VALUE)
        .withFormat(FORMAT)
        .withVersion(metadata.require("resourceVersion"));
  }

  /** The list of a namespace that is not there is empty, and no failure. */
  private void requireNamespace() throws IOException {
    String action = "look for the namespace " + namespace;
    calls.get(action, "/api/v1/namespaces/" + Calls.encode(namespace)).close();
  }

  @Override
  public Optional<SecretInfo> find(String name) throws IOException {
    return standing(name).map(Standing::info);
  }

  @Override
  public Secret read(SecretInfo listed) throws IOException {
    String action = "read the Secret " + listed.name() + " of " + namespace;
    try (Calls.Reply reply = calls.get(action, path + "/" + Calls.encode(listed.name()), 404);
        JsonAnswer answer = JsonAnswer.read(action, reply.body(), "data")) {
      if (reply.status() == 404) {
        requireNamespace();
        throw Written.notFound(listed.name(), instance());
      }
      JsonAnswer.Fields secret = answer.fields();
      SecretInfo info =
          info(listed.name(), secret.object("metadata"))
              .withAttributes(Map.of(KIND, secret.text(KIND).orElse("Opaque")));
      return new Secret(
          info, secret.has("data") ? secret.secret("data") : SecretValue.ofText("{}"));
    }
  }

  @Override
  public boolean conditional() {
    return true;
  }

  @Override
  public Optional<String> refusal(SecretInfo secret) {
    if (!secret.format().equals(FORMAT)) {
      return Optional.of(
          "is " + secret.format() + ", and a Secret of Kubernetes takes " + FORMAT + " only");
    }
    if (secret.attributes().getOrDefault(KIND, "").equals(TOKEN)) {
      return Optional.of("is a token of a service account, which the cluster issues itself");
    }
    return NAME.matcher(secret.name()).matches() && secret.name().length() <= 253
        ? Optional.empty()
        : Optional.of("Kubernetes takes names of a-z, 0-9, - and . only");
  }

  /**
   * What stands under a name.
   *
   * @param info its name and version
   * @param kind its type, which never changes
   * @param keys the names of its keys
   */
  private record Standing(SecretInfo info, String kind, List<String> keys) {}

  private Optional<Standing> standing(String name) throws IOException {
    String action = "look at the Secret " + name + " of " + namespace;
    try (Calls.Reply reply = calls.get(action, path + "/" + Calls.encode(name), 404)) {
      if (reply.status() == 404) {
        requireNamespace();
        return Optional.empty();
      }
      String kind;
      SecretInfo info;
      try (JsonAnswer answer = JsonAnswer.read(action, reply.body(), "data")) {
        kind = answer.fields().text(KIND).orElse("Opaque");
        info = info(name, answer.fields().object("metadata")).withAttributes(Map.of(KIND, kind));
      }
      try (JsonAnswer answer = JsonAnswer.keysOf(action, reply.body(), "data")) {
        JsonAnswer.Fields secret = answer.fields();
        return Optional.of(
            new Standing(
                info,
                kind,
                secret.has("data") ? List.copyOf(secret.object("data").names()) : List.of()));
      }
    }
  }

  @Override
  public void write(SecretInfo secret, SecretValue value, WriteCondition condition)
      throws IOException {
    Optional<String> refusal = refusal(secret);
    if (refusal.isPresent()) {
      throw Written.refused(secret.name(), refusal.get());
    }
    Written.requireText(secret.name(), value, MOST_BYTES);
    try (SecretValue data = JsonAnswer.object(secret.name(), value, true)) {
      if (condition instanceof WriteCondition.IfVersion expected) {
        replace(secret, data, expected.version());
      } else {
        create(secret, data);
      }
    }
  }

  private static String kind(SecretInfo secret) {
    return secret.attributes().getOrDefault(KIND, "Opaque");
  }

  private void create(SecretInfo secret, SecretValue data) throws IOException {
    JsonBody body =
        new JsonBody()
            .begin()
            .text("apiVersion", "v1")
            .text("kind", "Secret")
            .begin("metadata")
            .text("name", secret.name())
            .end()
            .text(KIND, kind(secret))
            .document("data", data)
            .end();
    String action = "write the Secret " + secret.name() + " of " + namespace;
    try (Calls.Reply reply = calls.write("POST", action, path, body, 409)) {
      if (reply.status() == 409) {
        throw Written.conflict(secret.name(), instance());
      }
    }
  }

  private void replace(SecretInfo secret, SecretValue data, String version) throws IOException {
    String action = "write the Secret " + secret.name() + " of " + namespace;
    String kind = kind(secret);
    Standing now =
        standing(secret.name())
            .filter(standing -> standing.info().version().equals(version))
            .orElseThrow(() -> Written.conflict(secret.name(), instance()));
    if (!now.kind().equals(kind)) {
      throw Written.refused(
          secret.name(),
          "is of the type " + kind + ", what stands there is " + now.kind() + ", and types stay");
    }
    TreeSet<String> gone = new TreeSet<>(now.keys());
    gone.removeAll(keys(secret.name(), data));
    JsonBody body = new JsonBody().begin().begin("metadata").text("resourceVersion", version).end();
    body.begin("data");
    // A merge keeps what is not named: what the set does not have is named as none.
    gone.forEach(body::none);
    body.members(data).end().end();
    try (Calls.Reply reply =
        calls.write(
            "PATCH",
            action,
            path + "/" + Calls.encode(secret.name()),
            body,
            Map.of("Content-Type", "application/merge-patch+json"),
            404,
            409,
            422)) {
      if (reply.status() == 422) {
        throw new SecretException(
            SecretException.REFUSED,
            FailureKind.REFUSED,
            action + ": the API server does not take it, as for a Secret that is immutable",
            secret.name(),
            "Nothing was written. Delete the Secret and restore it again.",
            null);
      }
      if (reply.status() / 100 != 2) {
        throw Written.conflict(secret.name(), instance());
      }
    }
  }

  private static List<String> keys(String name, SecretValue data) throws SecretException {
    byte[] copy = data.useBytes(byte[]::clone);
    try (JsonAnswer answer = JsonAnswer.keysOf("the value of " + name, copy, "")) {
      return List.copyOf(answer.fields().names());
    } finally {
      Arrays.fill(copy, (byte) 0);
    }
  }

  @Override
  public void close() {
    calls.close();
  }

  /** Says only which place it is. */
  @Override
  public String toString() {
    return TYPE + " " + instance();
  }
}
