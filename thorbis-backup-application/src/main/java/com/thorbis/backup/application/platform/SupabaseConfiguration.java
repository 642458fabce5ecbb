package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.application.app.ApplyMode;
import com.thorbis.backup.application.app.ConfigurationPlace;
import com.thorbis.backup.application.app.Document;
import com.thorbis.backup.application.app.Gap;
import com.thorbis.backup.application.app.Step;
import com.thorbis.backup.spi.secret.SecretException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * What a project on Supabase is configured as: sign-in, database, pooler, storage and network.
 * Fields that may hold a secret by their name are not kept, and each that is set is named.
 */
public final class SupabaseConfiguration implements ConfigurationPlace {
  /** The kind of this place. */
  public static final String KIND = "supabase";

  private static final Pattern SECRET =
      Pattern.compile(
          ".*(secret|pass$|password|passwd|token|credential|private|api_?key|_key$|_keys$"
              + "|connection_?string|service_role|anon_key|jwt|otp$).*");
  private static final Set<String> HARMLESS =
      Set.of(
          "password_min_length",
          "password_required_characters",
          "password_hibp_enabled",
          "refresh_token_rotation_enabled",
          "security_update_password_require_reauthentication",
          "security_refresh_token_reuse_interval",
          "jwt_exp");
  private static final Pattern WITH_PASSWORD = Pattern.compile("[a-zA-Z0-9+.-]+://[^/@\\s]*@.*");

  /**
   * A part of the configuration.
   *
   * @param path below the project
   * @param method how it is written; empty if nothing of it is
   */
  private record Part(String name, String path, String method) {}

  private static final List<Part> PARTS =
      List.of(
          new Part("auth", "/config/auth", "PATCH"),
          new Part("postgres", "/config/database/postgres", "PUT"),
          new Part("pooler", "/config/database/pgbouncer", ""),
          new Part("storage", "/config/storage", "PATCH"),
          new Part("rest", "/postgrest", "PATCH"),
          new Part("network", "/network-restrictions", ""),
          new Part("ssl", "/ssl-enforcement", ""));

  private final Calls calls;
  private final String project;
  private final String path;

  private SupabaseConfiguration(Connection connection, String project) {
    this.calls = new Calls(connection, SupabaseSecrets.ADDRESS, Map.of());
    this.project = project;
    this.path = "/v1/projects/" + Calls.encode(project);
  }

  /** Of a project, by its reference. */
  public static SupabaseConfiguration of(Connection connection, String project) {
    return new SupabaseConfiguration(connection, project);
  }

  @Override
  public String kind() {
    return KIND;
  }

  private Document get(String action, String at, Set<String> masked) throws IOException {
    try (Calls.Reply reply = calls.get(action, path + at)) {
      try {
        return withoutPasswords(
            Document.parse(
                action,
                reply.body(),
                field -> {
                  String name = field.substring(field.lastIndexOf('.') + 1);
                  boolean secret =
                      !HARMLESS.contains(name)
                          && SECRET.matcher(name.toLowerCase(Locale.ROOT)).matches();
                  if (secret) {
                    masked.add(field);
                  }
                  return !secret;
                }),
            masked);
      } catch (BackupException e) {
        throw JsonAnswer.unexpected(action, "is no JSON object");
      }
    }
  }

  /** An address may hold a password, whatever its field is called. */
  private static Document withoutPasswords(Document read, Set<String> masked) {
    Map<String, Object> kept = new TreeMap<>();
    read.fields()
        .forEach(
            (name, value) -> {
              if (value instanceof String text && WITH_PASSWORD.matcher(text).matches()) {
                masked.add(name);
              } else {
                kept.put(name, value);
              }
            });
    return Document.of(kept);
  }

  @Override
  public Reading read() throws IOException {
    List<Gap> unread = new ArrayList<>();
    Document about = get("read the project " + project, "", new TreeSet<>());
    Map<String, Object> document = new TreeMap<>();
    document.put("kind", KIND);
    Map<String, Object> id = new LinkedHashMap<>();
    for (String name : List.of("id", "name", "region", "organization_id")) {
      id.put(name, about.value(name));
    }
    document.put("project", id);
    for (Part part : PARTS) {
      Set<String> masked = new TreeSet<>();
      try {
        document.put(part.name(), get(action("read", part), part.path(), masked));
      } catch (SecretException e) {
        unread.add(Gap.of(part.name(), e));
      }
      for (String field : masked) {
        unread.add(
            Gap.part(
                part.name() + "." + field,
                "application.masked",
                "The field " + field + " of " + part.name() + " may hold a secret and is not kept",
                "Issue it again where it comes from, and set it by hand."));
      }
    }
    return new Reading(Document.of(document), unread);
  }

  private String action(String what, Part part) {
    return what + " the " + part.name() + " configuration of " + project;
  }

  @Override
  public List<Step> plan(Document stored, ApplyMode mode) throws IOException {
    get("read the project " + project, "", new TreeSet<>());
    List<Step> steps = new ArrayList<>();
    for (Part part : PARTS) {
      Document wanted = stored.object(part.name());
      if (wanted.fields().isEmpty()) {
        continue;
      }
      Document now;
      try {
        now = get(action("read", part), part.path(), new TreeSet<>());
      } catch (SecretException e) {
        steps.add(
            Step.none(
                part.name(),
                Step.Action.UNAVAILABLE,
                "could not be looked at, so nothing is changed there: " + e.getMessage()));
        continue;
      }
      for (Map.Entry<String, Object> field : wanted.fields().entrySet()) {
        steps.add(step(part, field.getKey(), field.getValue(), now, mode));
      }
    }
    return steps;
  }

  private Step step(Part part, String name, Object value, Document now, ApplyMode mode) {
    String subject = part.name() + "." + name;
    Optional<Object> there = now.value(name);
    Step.Work work =
        () -> {
          Document body = Document.of(Map.of(name, value));
          calls
              .write(part.method(), action("change", part), path + part.path(), JsonBody.of(body))
              .close();
          return "done";
        };
    Step step =
        // One that is not set counts as set to nothing: somebody may have cleared it on purpose.
        Step.change(subject, there.orElse("not set"), value, mode, work);
    return part.method().isEmpty() && step.action() != Step.Action.SAME
        ? new Step(
            subject,
            Step.Action.BY_HAND,
            "is another than in the backup: set it in the settings of the project",
            step.previous(),
            Optional.empty())
        : step;
  }

  @Override
  public void close() {
    calls.close();
  }
}
