package com.thorbis.backup.application.platform;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** GitHub's API of the secrets of one repository: lists and takes them, and never gives a value. */
final class FakeGitHub extends FakePlatform {
  private static final Pattern SECRET = Pattern.compile("\"encrypted_value\":\"([^\"]+)\"");
  private static final Pattern KEY = Pattern.compile("\"key_id\":\"([^\"]+)\"");

  private final String base;
  private final SealedBoxTest.Keys keys;
  final Map<String, String> values = new TreeMap<>();
  final Map<String, Instant> updated = new TreeMap<>();
  private Instant now = Instant.parse("2026-03-01T10:00:00Z");

  FakeGitHub(String base) throws Exception {
    this.base = base;
    this.keys = SealedBoxTest.Keys.generate();
  }

  void put(String name, String value) {
    now = now.plusSeconds(60);
    values.put(name, value);
    updated.put(name, now);
  }

  @Override
  Answer answer(Request request) {
    if (!request.headers().containsKey("user-agent") || !request.path().startsWith(base)) {
      return Answer.of(404, "{\"message\":\"Not Found\"}");
    }
    String rest = request.path().substring(base.length());
    if (rest.isEmpty()) {
      int size = Math.min(100, Integer.parseInt(request.query().getOrDefault("per_page", "30")));
      int page = Integer.parseInt(request.query().getOrDefault("page", "1"));
      List<String> names = new ArrayList<>(values.keySet());
      int from = Math.min(names.size(), (page - 1) * size);
      List<String> items =
          names.subList(from, Math.min(names.size(), from + size)).stream()
              .map(this::item)
              .toList();
      return Answer.of(
          200,
          "{\"total_count\":" + names.size() + ",\"secrets\":[" + String.join(",", items) + "]}");
    }
    String name = rest.substring(1);
    if (name.equals("public-key")) {
      return Answer.of(
          200,
          "{\"key_id\":\"key-1\",\"key\":"
              + json(Base64.getEncoder().encodeToString(keys.publicKey()))
              + "}");
    }
    if (request.method().equals("PUT")) {
      return take(name, request.body());
    }
    return values.containsKey(name)
        ? Answer.of(200, item(name))
        : Answer.of(404, "{\"message\":\"Not Found\"}");
  }

  private Answer take(String name, String body) {
    Matcher sealed = SECRET.matcher(body);
    Matcher key = KEY.matcher(body);
    if (!sealed.find() || !key.find() || !key.group(1).equals("key-1")) {
      return Answer.of(422, "{}");
    }
    boolean fresh = !values.containsKey(name);
    try {
      put(
          name,
          new String(
              keys.open(Base64.getDecoder().decode(sealed.group(1))), StandardCharsets.UTF_8));
    } catch (Exception e) {
      return Answer.of(422, "{}");
    }
    return Answer.of(fresh ? 201 : 204, fresh ? "{}" : "");
  }

  private String item(String name) {
    return "{\"name\":"
        + json(name)
        + ",\"created_at\":\"2026-01-01T00:00:00Z\",\"updated_at\":\""
        + updated.get(name)
        + "\"}";
  }

  static FakeGitHub ofRepository() throws Exception {
    return new FakeGitHub("/repos/acme/shop/actions/secrets");
  }

  static FakeGitHub ofEnvironment() throws Exception {
    return new FakeGitHub("/repos/acme/shop/environments/production/secrets");
  }

  /** For signatures that throw less. */
  static FakeGitHub start() throws IOException {
    try {
      return ofRepository();
    } catch (Exception e) {
      throw new IOException(e);
    }
  }
}
