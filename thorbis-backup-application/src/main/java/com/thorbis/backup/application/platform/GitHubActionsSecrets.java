package com.thorbis.backup.application.platform;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The secrets of GitHub Actions of a repository, or of one of its environments. They can be listed
 * and written, and never be read: values are sealed to the place's public key on this host.
 */
public final class GitHubActionsSecrets implements SecretTarget {
  /** The type of this place. */
  public static final String TYPE = "github-actions";

  private static final String ADDRESS = "https://api.github.com";
  private static final int PAGE = 100;
  private static final int MOST_BYTES = 48 * 1024;
  private static final Pattern NAME = Pattern.compile("[A-Z_][A-Z0-9_]*");

  private final Calls calls;
  private final String instance;
  private final String path;
  private final SecureRandom random = new SecureRandom();

  private GitHubActionsSecrets(Connection connection, String instance, String path) {
    this.calls =
        new Calls(
            connection,
            ADDRESS,
            Map.of(
                "Accept", "application/vnd.github+json",
                "X-GitHub-Api-Version", "2022-11-28",
                "User-Agent", "thorbis-backup"));
    this.instance = connection.instance(instance, ADDRESS);
    this.path = path;
  }

  /** The secrets of a repository. */
  public static GitHubActionsSecrets ofRepository(
      Connection connection, String owner, String repository) {
    return new GitHubActionsSecrets(
        connection,
        owner + "/" + repository,
        "/repos/" + Calls.encode(owner) + "/" + Calls.encode(repository) + "/actions/secrets");
  }

  /** The secrets of an environment of a repository. */
  public static GitHubActionsSecrets ofEnvironment(
      Connection connection, String owner, String repository, String environment) {
    return new GitHubActionsSecrets(
        connection,
        owner + "/" + repository + "/" + environment,
        "/repos/"
            + Calls.encode(owner)
            + "/"
            + Calls.encode(repository)
            + "/environments/"
            + Calls.encode(environment)
            + "/secrets");
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
            "The value of every secret",
            Readability.NAME_ONLY,
            "Keep the value where it is read from as well, or issue a new one."),
        new Limit(
            "Secrets of Dependabot, Codespaces and the organization",
            Readability.NOT_EXPORTABLE,
            "They are not part of this place."));
  }

  @Override
  public String rotation() {
    return "Issue a new value where it comes from, and set the secret under Settings, Secrets and"
        + " variables, Actions.";
  }

  @Override
  public List<SecretInfo> list() throws IOException {
    List<SecretInfo> found = new ArrayList<>();
    for (int page = 1; ; page++) {
      String action = "list the secrets of " + instance;
      try (Calls.Reply reply = calls.get(action, path + "?per_page=" + PAGE + "&page=" + page);
          JsonAnswer answer = JsonAnswer.read(action, reply.body())) {
        List<JsonAnswer.Fields> secrets = answer.fields().list("secrets");
        for (JsonAnswer.Fields secret : secrets) {
          found.add(info(secret));
        }
        if (secrets.isEmpty() || found.size() >= answer.fields().number("total_count")) {
          if (found.size() < answer.fields().number("total_count")) {
            throw JsonAnswer.unexpected(action, "holds fewer secrets than it counts");
          }
          return found;
        }
      }
    }
  }

  private static SecretInfo info(JsonAnswer.Fields secret) throws IOException {
    return SecretInfo.of(secret.require("name"), Readability.NAME_ONLY)
        .withVersion(secret.text("updated_at").orElse(""))
        .withUpdated(secret.time("updated_at"));
  }

  @Override
  public Optional<SecretInfo> find(String name) throws IOException {
    String action = "look for secret " + name + " of " + instance;
    try (Calls.Reply reply = calls.get(action, path + "/" + Calls.encode(name), 404)) {
      if (reply.status() == 404) {
        // The same answer as for a repository that is not there, or hidden.
        calls.get(action, path + "?per_page=1").close();
        return Optional.empty();
      }
      try (JsonAnswer answer = JsonAnswer.read(action, reply.body())) {
        return Optional.of(info(answer.fields()));
      }
    }
  }

  @Override
  public Secret read(SecretInfo listed) throws IOException {
    throw Written.unreadable(
        listed.name(),
        "GitHub gives nobody the value of a secret",
        "Keep the value where it is read from as well, or issue a new one.");
  }

  @Override
  public boolean conditional() {
    return false;
  }

  @Override
  public Optional<String> refusal(SecretInfo secret) {
    if (!secret.format().equals(SecretInfo.TEXT)) {
      return Optional.of("is " + secret.format() + ", and GitHub takes texts only");
    }
    String name = nameOf(secret);
    return NAME.matcher(name).matches() && !name.startsWith("GITHUB_")
        ? Optional.empty()
        : Optional.of(
            "GitHub takes names of letters, digits and _, not beginning with a digit or GITHUB_");
  }

  @Override
  public String nameOf(SecretInfo secret) {
    return secret.name().toUpperCase(Locale.ROOT);
  }

  @Override
  public void write(SecretInfo secret, SecretValue value, WriteCondition condition)
      throws IOException {
    Optional<String> refusal = refusal(secret);
    if (refusal.isPresent()) {
      throw Written.refused(secret.name(), refusal.get());
    }
    String name = nameOf(secret);
    Written.requireText(name, value, MOST_BYTES);
    Written.require(condition, find(name), name, instance);
    String action = "write secret " + name + " of " + instance;
    String keyId;
    byte[] key;
    try (Calls.Reply reply = calls.get(action, path + "/public-key");
        JsonAnswer answer = JsonAnswer.read(action, reply.body())) {
      keyId = answer.fields().require("key_id");
      key = Base64.getDecoder().decode(answer.fields().require("key"));
    } catch (IllegalArgumentException e) {
      throw JsonAnswer.unexpected(action, "holds no public key");
    }
    if (key.length != SealedBox.KEY) {
      throw JsonAnswer.unexpected(action, "holds no public key");
    }
    String sealed =
        value.useBytes(
            plain -> Base64.getEncoder().encodeToString(SealedBox.seal(key, plain, random)));
    JsonBody body =
        new JsonBody().begin().text("encrypted_value", sealed).text("key_id", keyId).end();
    calls.write("PUT", action, path + "/" + Calls.encode(name), body).close();
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
