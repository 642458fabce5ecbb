package com.thorbis.backup.testkit.cloud;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * AWS Secrets Manager in the region {@code eu-central-1}: lists page by page, reads one secret or
 * up to 20, and makes, changes and labels versions. Of the signature of a request the access key is
 * looked at, not the rest.
 */
public final class FakeAwsSecretsManager extends FakeService {
  /** Its region. */
  public static final String REGION = "eu-central-1";

  /** Its account. */
  public static final String ACCOUNT = "111122223333";

  /** The access key that it accepts. */
  public static final String ACCESS_KEY = "AKIDFAKE";

  private static final String CURRENT = "AWSCURRENT";
  private static final String PREVIOUS = "AWSPREVIOUS";

  private final Map<String, Held> secrets = new TreeMap<>();
  private final Set<String> denied = new LinkedHashSet<>();
  private int page = 100;
  private @Nullable Runnable beforeMove;
  private @Nullable Set<String> listed;

  /** Starts it, without any secret. */
  public FakeAwsSecretsManager() throws IOException {
    super(null);
  }

  /** How many secrets a page of the list has at most. */
  public synchronized void page(int most) {
    this.page = most;
  }

  /** Puts a text, as the console does. */
  public synchronized String put(String name, String text) {
    Held held = secrets.computeIfAbsent(name, Held::new);
    return held.add(UUID.randomUUID().toString(), Map.of("SecretString", text), List.of(CURRENT));
  }

  /** Puts bytes. */
  public synchronized String put(String name, byte[] bytes) {
    Held held = secrets.computeIfAbsent(name, Held::new);
    return held.add(
        UUID.randomUUID().toString(),
        Map.of("SecretBinary", Base64.getEncoder().encodeToString(bytes)),
        List.of(CURRENT));
  }

  /** Makes a secret without a value. */
  public synchronized void createEmpty(String name) {
    secrets.put(name, new Held(name));
  }

  /** Says what else is known of a secret: {@code Description}, {@code KmsKeyId}, and others. */
  public synchronized void describe(String name, String member, String text) {
    held(name).facts.put(member, text);
  }

  /** Gives a secret a tag. */
  public synchronized void tag(String name, String key, String value) {
    held(name).tags.put(key, value);
  }

  /** Deletes a secret, with a window in which it can be brought back. */
  public synchronized void delete(String name, Instant at) {
    held(name).deleted = at;
  }

  /** Deletes a secret for good. */
  public synchronized void forget(String name) {
    secrets.remove(name);
  }

  /** Forbids an operation, or one on a secret as {@code OPERATION NAME}. */
  public synchronized void deny(String what) {
    denied.add(what);
  }

  /** Lets somebody else come in between, once, before the current version is another one. */
  public synchronized void beforeMove(Runnable act) {
    this.beforeMove = act;
  }

  /** From now on its list lags: it has no secret that is made later. */
  public synchronized void lag() {
    listed = Set.copyOf(secrets.keySet());
  }

  /** Its list has everything again. */
  public synchronized void catchUp() {
    listed = null;
  }

  /** The current text; null if there is none. */
  public synchronized @Nullable String text(String name) {
    Held held = secrets.get(name);
    String version = held == null ? null : held.at(CURRENT);
    return held == null || version == null
        ? null
        : held.values.getOrDefault(version, Map.of()).get("SecretString");
  }

  /** The tags of a secret. */
  public synchronized Map<String, String> tags(String name) {
    return Map.copyOf(held(name).tags);
  }

  /** A fact of a secret, by the service's name of it. */
  public synchronized @Nullable String fact(String name, String member) {
    return held(name).facts.get(member);
  }

  /** All labels of a secret's versions. */
  public synchronized Set<String> labels(String name) {
    return Set.copyOf(held(name).labels.keySet());
  }

  private Held held(String name) {
    return Objects.requireNonNull(secrets.get(name), name);
  }

  /** A secret with its versions. */
  private static final class Held {
    private final String name;
    private final String arn;
    private final Map<String, Map<String, String>> values = new LinkedHashMap<>();
    private final Map<String, String> labels = new TreeMap<>();
    private final Map<String, String> facts = new TreeMap<>();
    private final Map<String, String> tags = new TreeMap<>();
    private @Nullable Instant deleted;

    Held(String name) {
      this.name = name;
      this.arn = "arn:aws:secretsmanager:" + REGION + ":" + ACCOUNT + ":secret:" + name + "-AbC123";
    }

    @Nullable String at(String label) {
      return labels.get(label);
    }

    String add(String version, Map<String, String> value, List<String> stages) {
      values.put(version, value);
      for (String stage : values.size() == 1 ? List.of(CURRENT) : stages) {
        move(stage, version);
      }
      return version;
    }

    void move(String label, String version) {
      String before = labels.put(label, version);
      if (label.equals(CURRENT) && before != null && !before.equals(version)) {
        labels.put(PREVIOUS, before);
      }
    }

    List<String> labelsOf(String version) {
      return labels.entrySet().stream()
          .filter(label -> label.getValue().equals(version))
          .map(Map.Entry::getKey)
          .toList();
    }

    Map<String, Object> stages() {
      Map<String, Object> stages = new LinkedHashMap<>();
      values.keySet().stream()
          .filter(version -> !labelsOf(version).isEmpty())
          .forEach(version -> stages.put(version, labelsOf(version)));
      return stages;
    }

    Map<String, Object> about(String stagesAs) {
      Map<String, Object> about = new LinkedHashMap<>(facts);
      about.put("ARN", arn);
      about.put("Name", name);
      about.put("LastChangedDate", 1_700_000_000 + values.size());
      about.put(stagesAs, stages());
      about.put(
          "Tags",
          tags.entrySet().stream()
              .map(tag -> Map.of("Key", tag.getKey(), "Value", tag.getValue()))
              .toList());
      if (deleted != null) {
        about.put("DeletedDate", deleted.getEpochSecond());
      }
      return about;
    }

    Map<String, Object> value(String version) {
      Map<String, Object> answer = new LinkedHashMap<>(Objects.requireNonNull(values.get(version)));
      answer.put("ARN", arn);
      answer.put("Name", name);
      answer.put("VersionId", version);
      answer.put("VersionStages", labelsOf(version));
      answer.put("CreatedDate", 1_600_000_000 + values.size());
      return answer;
    }
  }

  @Override
  String operation(Request request) {
    String target = request.header("x-amz-target");
    return target.substring(target.indexOf('.') + 1);
  }

  @Override
  Answer answer(Request request) {
    if (operation(request).equals("UpdateSecretVersionStage")) {
      Runnable act;
      synchronized (this) {
        act = beforeMove;
        beforeMove = null;
      }
      if (act != null) {
        act.run();
      }
    }
    return carryOut(request);
  }

  private synchronized Answer carryOut(Request request) {
    if (!request.header("authorization").contains("Credential=" + ACCESS_KEY + "/")) {
      return error(400, "UnrecognizedClientException", "The security token is invalid.");
    }
    String operation = operation(request);
    Map<String, Object> body = request.json();
    String name = String.valueOf(body.getOrDefault("SecretId", body.get("Name")));
    if (denied.contains(operation) || denied.contains(operation + " " + name)) {
      return error(400, "AccessDeniedException", "Not authorized. " + body);
    }
    Held held = secrets.get(name);
    return switch (operation) {
      case "ListSecrets" -> list(body);
      case "BatchGetSecretValue" -> batch(body);
      case "CreateSecret" -> create(name, body);
      case "DescribeSecret" ->
          held == null ? absent() : Answer.ok(held.about("VersionIdsToStages"));
      case "GetSecretValue" -> held == null ? absent() : get(held);
      case "PutSecretValue" -> held == null ? absent() : put(held, body);
      case "UpdateSecretVersionStage" -> held == null ? absent() : move(held, body);
      default -> error(400, "UnknownOperationException", "Not part of this fake.");
    };
  }

  private Answer list(Map<String, Object> body) {
    List<Held> all =
        secrets.values().stream()
            .filter(held -> listed == null || listed.contains(held.name))
            .filter(
                held ->
                    held.deleted == null || Boolean.TRUE.equals(body.get("IncludePlannedDeletion")))
            .toList();
    int from = body.get("NextToken") instanceof String token ? Integer.parseInt(token) : 0;
    int to = Math.min(all.size(), from + page);
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put(
        "SecretList",
        all.subList(from, to).stream().map(held -> held.about("SecretVersionsToStages")).toList());
    if (to < all.size()) {
      answer.put("NextToken", Integer.toString(to));
    }
    return Answer.ok(answer);
  }

  private Answer batch(Map<String, Object> body) {
    if (!(body.get("SecretIdList") instanceof List<?> ids) || ids.size() > 20) {
      return error(400, "InvalidParameterException", "1 to 20 secrets.");
    }
    List<Object> values = new ArrayList<>();
    List<Object> errors = new ArrayList<>();
    for (Object id : ids) {
      Held held = secrets.get(String.valueOf(id));
      String version = held == null ? null : held.at(CURRENT);
      if (denied.contains("GetSecretValue " + id)) {
        errors.add(Map.of("SecretId", id, "ErrorCode", "AccessDeniedException", "Message", ""));
      } else if (held == null || version == null || held.deleted != null) {
        errors.add(Map.of("SecretId", id, "ErrorCode", "ResourceNotFoundException", "Message", ""));
      } else {
        values.add(held.value(version));
      }
    }
    return Answer.ok(Map.of("SecretValues", values, "Errors", errors));
  }

  private static Answer get(Held held) {
    if (held.deleted != null) {
      return scheduled();
    }
    String version = held.at(CURRENT);
    return version == null ? absent() : Answer.ok(held.value(version));
  }

  private Answer create(String name, Map<String, Object> body) {
    String version = String.valueOf(body.get("ClientRequestToken"));
    Held held = secrets.get(name);
    if (held != null && held.deleted != null) {
      return scheduled();
    }
    if (held != null && !value(body).equals(held.values.get(version))) {
      return error(400, "ResourceExistsException", "It exists. " + body);
    }
    if (held == null) {
      held = new Held(name);
      secrets.put(name, held);
      for (String member : List.of("Description", "KmsKeyId")) {
        if (body.get(member) instanceof String text) {
          held.facts.put(member, text);
        }
      }
      if (body.get("Tags") instanceof List<?> tags) {
        for (Object tag : tags) {
          if (tag instanceof Map<?, ?> pair) {
            held.tags.put(String.valueOf(pair.get("Key")), String.valueOf(pair.get("Value")));
          }
        }
      }
      held.add(version, value(body), List.of(CURRENT));
    }
    return Answer.ok(Map.of("ARN", held.arn, "Name", name, "VersionId", version));
  }

  private static Map<String, String> value(Map<String, Object> body) {
    for (String member : List.of("SecretString", "SecretBinary")) {
      if (body.get(member) instanceof String text) {
        return Map.of(member, text);
      }
    }
    return Map.of();
  }

  private static Answer put(Held held, Map<String, Object> body) {
    if (held.deleted != null) {
      return scheduled();
    }
    String version = String.valueOf(body.get("ClientRequestToken"));
    Map<String, String> before = held.values.get(version);
    if (before != null && !before.equals(value(body))) {
      return error(400, "ResourceExistsException", "This version has another value.");
    }
    if (before == null) {
      List<String> stages =
          body.get("VersionStages") instanceof List<?> given
              ? given.stream().map(String::valueOf).toList()
              : List.of(CURRENT);
      held.add(version, value(body), stages);
    }
    return Answer.ok(Map.of("ARN", held.arn, "Name", held.name, "VersionId", version));
  }

  private static Answer move(Held held, Map<String, Object> body) {
    String label = String.valueOf(body.get("VersionStage"));
    String standing = held.at(label);
    if (standing != null && !standing.equals(body.get("RemoveFromVersionId"))) {
      return error(400, "InvalidParameterException", "The label is at another version. " + body);
    }
    if (body.get("MoveToVersionId") instanceof String to) {
      held.move(label, to);
    } else {
      held.labels.remove(label);
    }
    return Answer.ok(Map.of("ARN", held.arn, "Name", held.name));
  }

  private static Answer absent() {
    return error(400, "ResourceNotFoundException", "Secrets Manager can't find it.");
  }

  private static Answer scheduled() {
    return error(400, "InvalidRequestException", "It is scheduled for deletion.");
  }

  @Override
  Answer throttled() {
    return error(400, "ThrottlingException", "Rate exceeded");
  }

  @Override
  Answer unavailable() {
    return error(503, "InternalServiceError", "Try again.");
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
