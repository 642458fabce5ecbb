package com.thorbis.backup.application.platform;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The environment variables of a project on Vercel. A variable is named {@code
 * KEY:production,preview}, with {@code :BRANCH} behind it if it is for one branch: the same key may
 * stand for several targets. Values of the type {@code sensitive} are never given back. What comes
 * from elsewhere is written as such, for production and preview.
 */
public final class VercelSecrets implements SecretTarget {
  /** The type of this place. */
  public static final String TYPE = "vercel";

  static final String ADDRESS = "https://api.vercel.com";
  private static final int MOST_BYTES = 64 * 1024;
  static final String KEY = "key";
  static final String KIND = "type";
  static final String TARGET = "target";
  static final String BRANCH = "branch";
  static final String CUSTOM = "custom-environments";
  private static final String SENSITIVE = "sensitive";

  /** What values from elsewhere are for: Vercel gives those of development to every developer. */
  private static final String ELSEWHERE = "preview,production";

  private static final Set<String> HIDDEN = Set.of(SENSITIVE, "secret");
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

  private final Calls calls;
  private final String project;
  private final String team;
  private final String instance;
  private final Map<String, String> ids = new HashMap<>();

  private VercelSecrets(Connection connection, String project, Optional<String> team) {
    this.calls = new Calls(connection, ADDRESS, Map.of());
    this.project = project;
    this.instance = connection.instance(project + team.map(id -> " of " + id).orElse(""), ADDRESS);
    this.team = team.map(id -> "teamId=" + Calls.encode(id)).orElse("");
  }

  /**
   * The variables of a project.
   *
   * @param project its id or name
   * @param team the id of the team that it belongs to; empty for a personal account
   */
  public static VercelSecrets of(Connection connection, String project, Optional<String> team) {
    return new VercelSecrets(connection, project, team);
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
            "The value of variables of the type sensitive",
            Readability.NAME_ONLY,
            "Keep the value where it is read from as well, or issue a new one."),
        new Limit(
            "Variables of custom environments",
            Readability.NOT_EXPORTABLE,
            "Each is a named gap: write it by hand."),
        new Limit(
            "Variables that a team shares among projects, and those of integrations",
            Readability.NOT_EXPORTABLE,
            "They are not part of the project."));
  }

  @Override
  public String rotation() {
    return "Issue a new value where it comes from, set the variable under Settings, Environment"
        + " Variables, and deploy again.";
  }

  @Override
  public List<SecretInfo> list() throws IOException {
    String action = "list the variables of " + project;
    List<SecretInfo> found = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    ids.clear();
    String next = "";
    do {
      // The list holds values too, of some types in plain.
      try (Calls.Reply reply = calls.get(action, path("/v10", "", next));
          JsonAnswer answer = JsonAnswer.read(action, reply.body(), "envs.value")) {
        for (JsonAnswer.Fields variable : answer.fields().list("envs")) {
          String id = variable.require("id");
          if (!seen.add(id)) {
            throw JsonAnswer.unexpected(action, "brings the same variables page after page");
          }
          // Vercel makes these itself, at every deployment.
          if (!"system".equals(variable.text(KIND).orElse(""))) {
            SecretInfo info = info(variable);
            ids.put(info.name(), id);
            found.add(info);
          }
        }
        if (answer.fields().flag("hasMore")) {
          throw JsonAnswer.unexpected(action, "holds a part of the variables only");
        }
        next = next(answer.fields());
      }
    } while (!next.isEmpty());
    return found;
  }

  static String next(JsonAnswer.Fields answer) throws IOException {
    if (!answer.has("pagination") || !answer.object("pagination").has("next")) {
      return "";
    }
    return "until=" + answer.object("pagination").number("next");
  }

  static SecretInfo info(JsonAnswer.Fields variable) throws IOException {
    String kind = variable.require(KIND);
    Map<String, String> attributes = new TreeMap<>();
    attributes.put(KEY, variable.require(KEY));
    attributes.put(KIND, kind);
    attributes.put(
        TARGET,
        variable.has(TARGET) ? String.join(",", new TreeSet<>(variable.texts(TARGET))) : "");
    variable.text("gitBranch").ifPresent(branch -> attributes.put(BRANCH, branch));
    if (variable.has("customEnvironmentIds")) {
      String custom = String.join(",", new TreeSet<>(variable.texts("customEnvironmentIds")));
      if (!custom.isEmpty()) {
        attributes.put(CUSTOM, custom);
      }
    }
    return SecretInfo.of(name(attributes), readability(attributes))
        .withVersion(variable.has("updatedAt") ? Long.toString(variable.number("updatedAt")) : "")
        .withUpdated(variable.time("updatedAt"))
        .withAttributes(attributes);
  }

  /** Another project has other custom environments, and what belongs to none has no place. */
  private static boolean hasPlace(Map<String, String> attributes) {
    return !attributes.containsKey(CUSTOM) && !attributes.getOrDefault(TARGET, "").isEmpty();
  }

  private static Readability readability(Map<String, String> attributes) {
    if (!hasPlace(attributes)) {
      return Readability.NOT_EXPORTABLE;
    }
    return HIDDEN.contains(attributes.getOrDefault(KIND, ""))
        ? Readability.NAME_ONLY
        : Readability.VALUE;
  }

  static String name(Map<String, String> attributes) {
    return attributes.get(KEY)
        + ":"
        + attributes.getOrDefault(TARGET, "")
        + (attributes.containsKey(CUSTOM) ? "+" + attributes.get(CUSTOM) : "")
        + (attributes.containsKey(BRANCH) ? ":" + attributes.get(BRANCH) : "");
  }

  @Override
  public Secret read(SecretInfo listed) throws IOException {
    if (!listed.readability().hasValue()) {
      throw Written.unreadable(
          listed.name(),
          "Vercel gives nobody the value of a sensitive variable, and one of custom environments is"
              + " not read",
          "Keep the value where it is read from as well, or issue a new one.");
    }
    String action = "read the variable " + listed.name() + " of " + project;
    String id = ids.get(listed.name());
    if (id == null) {
      throw Written.notFound(listed.name(), project);
    }
    // The list gives ciphertext even where it is asked for the opposite.
    try (Calls.Reply reply = calls.get(action, path("/v1", "/" + Calls.encode(id)), 404);
        JsonAnswer answer = JsonAnswer.read(action, reply.body(), "value")) {
      if (reply.status() == 404) {
        calls.get(action, path("/v10", "")).close();
        throw Written.notFound(listed.name(), project);
      }
      SecretInfo now = info(answer.fields());
      if (!now.name().equals(listed.name())) {
        throw Written.notFound(listed.name(), project);
      }
      if (!"plain".equals(now.attributes().get(KIND)) && !answer.fields().flag("decrypted")) {
        throw Written.unreadable(
            listed.name(),
            "Vercel gives this token ciphertext",
            "Let the token read values of the project.");
      }
      return new Secret(now, answer.fields().secret("value"));
    }
  }

  @Override
  public boolean conditional() {
    return false;
  }

  @Override
  public Optional<String> refusal(SecretInfo secret) {
    if (!secret.format().equals(SecretInfo.TEXT)) {
      return Optional.of("is " + secret.format() + ", and Vercel takes texts only");
    }
    if (!hasPlace(attributes(secret))) {
      return Optional.of("is for custom environments, which Vercel numbers anew in each project");
    }
    return NAME.matcher(attributes(secret).getOrDefault(KEY, "")).matches()
        ? Optional.empty()
        : Optional.of("Vercel takes names of letters, digits and _ only");
  }

  /** What comes from elsewhere is for what is deployed, and nobody reads it there. */
  private static Map<String, String> attributes(SecretInfo secret) {
    return secret.attributes().containsKey(TARGET)
        ? secret.attributes()
        : Map.of(KEY, secret.name(), KIND, SENSITIVE, TARGET, ELSEWHERE);
  }

  @Override
  public String nameOf(SecretInfo secret) {
    return name(attributes(secret));
  }

  @Override
  public void write(SecretInfo secret, SecretValue value, WriteCondition condition)
      throws IOException {
    Optional<String> refusal = refusal(secret);
    if (refusal.isPresent()) {
      throw Written.refused(secret.name(), refusal.get());
    }
    Written.requireText(secret.name(), value, MOST_BYTES);
    Map<String, String> attributes = attributes(secret);
    String name = name(attributes);
    Optional<SecretInfo> now = find(name);
    Written.require(condition, now, name, project);
    if (now.isPresent()) {
      String action = "write the variable " + name + " of " + project;
      JsonBody body = new JsonBody().begin().secret("value", value).end();
      String id = Calls.encode(ids.getOrDefault(name, ""));
      calls.write("PATCH", action, path("/v9", "/" + id), body).close();
    } else {
      create(name, attributes, value);
    }
  }

  private void create(String name, Map<String, String> attributes, SecretValue value)
      throws IOException {
    JsonBody body =
        new JsonBody()
            .begin()
            .text(KEY, attributes.getOrDefault(KEY, ""))
            .text(KIND, attributes.getOrDefault(KIND, SENSITIVE))
            .secret("value", value)
            .beginList(TARGET);
    for (String target : attributes.getOrDefault(TARGET, "").split(",")) {
      body.item(target);
    }
    body.endList();
    if (attributes.containsKey(BRANCH)) {
      body.text("gitBranch", attributes.getOrDefault(BRANCH, ""));
    }
    String action = "write the variable " + name + " of " + project;
    try (Calls.Reply reply =
        calls.write("POST", action, path("/v10", ""), body.end(), 400, 403, 409)) {
      if (reply.status() / 100 == 2 && reply.body().length == 0) {
        return;
      }
      try (JsonAnswer answer =
          JsonAnswer.read(
              action,
              reply.body(),
              "value",
              "created.value",
              "failed.error.value",
              "error.value",
              "error.message")) {
        if (isTaken(answer.fields())) {
          throw Written.conflict(name, project);
        }
        if (answer.fields().has("failed") && !answer.fields().list("failed").isEmpty()) {
          throw Written.refused(name, "Vercel does not take it");
        }
      }
      if (reply.status() / 100 != 2) {
        throw Calls.refusal(action, reply.status(), true);
      }
    }
  }

  /** One answer for each variable, or one for all. */
  private static boolean isTaken(JsonAnswer.Fields answer) throws IOException {
    List<JsonAnswer.Fields> failed = new ArrayList<>();
    if (answer.has("error")) {
      failed.add(answer);
    }
    if (answer.has("failed")) {
      failed.addAll(answer.list("failed"));
    }
    for (JsonAnswer.Fields one : failed) {
      String code = one.object("error").text("code").orElse("");
      if (code.equals("ENV_ALREADY_EXISTS") || code.equals("ENV_CONFLICT")) {
        return true;
      }
    }
    return false;
  }

  private String path(String version, String rest, String... query) {
    StringJoiner parameters = new StringJoiner("&", "?", "").setEmptyValue("");
    Stream.concat(Stream.of(team), Stream.of(query))
        .filter(part -> !part.isEmpty())
        .forEach(parameters::add);
    return version + "/projects/" + Calls.encode(project) + "/env" + rest + parameters;
  }

  @Override
  public void close() {
    ids.clear();
    calls.close();
  }

  /** Says only which place it is. */
  @Override
  public String toString() {
    return TYPE + " " + project;
  }
}
