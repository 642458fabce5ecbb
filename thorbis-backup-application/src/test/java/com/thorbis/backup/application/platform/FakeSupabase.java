package com.thorbis.backup.application.platform;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The management of the project {@code abc}. Gives digests of secrets, and keys if it may. */
final class FakeSupabase extends FakePlatform {
  private static final Pattern WRITTEN =
      Pattern.compile("\\[\\{\"name\":\"([^\"]+)\",\"value\":\"([^\"]*)\"}]");
  private static final Pattern ROOT = Pattern.compile("\\{\"root_key\":\"([^\"]*)\"}");

  final Map<String, String> secrets = new TreeMap<>();
  final Map<String, String> updated = new TreeMap<>();
  String rootKey = "00".repeat(32);
  boolean mayReveal = true;
  boolean mayReadRootKey = true;
  boolean dates = true;
  Optional<String> digest = Optional.empty();
  private int second;

  FakeSupabase() throws IOException {}

  synchronized void put(String name, String value) {
    secrets.put(name, value);
    updated.put(name, String.format("2026-03-01T10:00:%02d.000Z", ++second));
  }

  @Override
  Answer answer(Request request) {
    return switch (request.method() + " " + request.path()) {
      case "GET /v1/projects/abc/secrets" -> list();
      case "POST /v1/projects/abc/secrets" -> write(request.body());
      case "GET /v1/projects/abc/api-keys" -> keys("true".equals(request.query().get("reveal")));
      case "GET /v1/projects/abc/pgsodium" ->
          mayReadRootKey
              ? Answer.of(200, "{\"root_key\":" + json(rootKey) + "}")
              : Answer.of(403, "{}");
      case "PUT /v1/projects/abc/pgsodium" -> root(request.body());
      default -> Answer.of(404, "{\"message\":\"Project not found\"}");
    };
  }

  private Answer list() {
    List<String> items = new ArrayList<>();
    secrets.forEach(
        (name, value) ->
            items.add(
                "{\"name\":"
                    + json(name)
                    + ",\"value\":"
                    + json(digest.orElseGet(() -> sha256(value)))
                    + (dates ? ",\"updated_at\":" + json(updated.get(name)) : "")
                    + "}"));
    return Answer.of(200, "[" + String.join(",", items) + "]");
  }

  private static String sha256(String value) {
    try {
      return HexFormat.of()
          .formatHex(
              MessageDigest.getInstance("SHA-256").digest(value.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private Answer keys(boolean reveal) {
    String secret = reveal && mayReveal ? "sb_secret_abcdef" : "sb_secret_ab·····";
    return Answer.of(
        200,
        "[{\"name\":\"anon\",\"api_key\":\"eyJanon\"},"
            + "{\"name\":\"default\",\"type\":\"secret\",\"id\":\"1\",\"api_key\":"
            + json(secret)
            + "}]");
  }

  private Answer write(String body) {
    Matcher written = WRITTEN.matcher(body);
    if (!written.matches()) {
      return Answer.of(400, "{}");
    }
    put(written.group(1), written.group(2));
    return Answer.of(201, "");
  }

  private Answer root(String body) {
    Matcher written = ROOT.matcher(body);
    if (!written.matches()) {
      return Answer.of(400, "{}");
    }
    rootKey = written.group(1);
    return Answer.of(200, body);
  }
}
