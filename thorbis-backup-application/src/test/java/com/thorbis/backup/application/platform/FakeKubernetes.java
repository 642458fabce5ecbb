package com.thorbis.backup.application.platform;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An API server with one namespace, {@code shop}. */
final class FakeKubernetes extends FakePlatform {
  private static final String SECRETS = "/api/v1/namespaces/shop/secrets";
  private static final Pattern MEMBER = Pattern.compile("\"([^\"]+)\":(null|\"([^\"]*)\")");
  private static final Pattern DATA = Pattern.compile("\"data\":\\{([^}]*)}");
  private static final Pattern VERSION = Pattern.compile("\"resourceVersion\":\"(\\d+)\"");
  private static final Pattern NAME = Pattern.compile("\"name\":\"([^\"]+)\"");
  private static final Pattern TYPE = Pattern.compile("\"type\":\"([^\"]+)\"");

  /** A Secret. */
  static final class Stored {
    final String type;
    final Map<String, String> data = new TreeMap<>();
    int version;
    boolean immutable;
    String labels = "{}";

    Stored(String type) {
      this.type = type;
    }
  }

  final Map<String, Stored> secrets = new TreeMap<>();
  boolean hiddenNamespace;
  int expireLists;
  int mostPerPage = 500;
  private int version = 100;

  FakeKubernetes() throws IOException {}

  synchronized Stored put(String name, String type, Map<String, String> base64) {
    Stored stored = new Stored(type);
    stored.data.putAll(base64);
    stored.version = ++version;
    secrets.put(name, stored);
    return stored;
  }

  @Override
  Answer answer(Request request) {
    if (request.path().equals("/api/v1/namespaces/shop")) {
      return hiddenNamespace
          ? Answer.of(403, "{\"reason\":\"Forbidden\"}")
          : Answer.of(200, "{\"kind\":\"Namespace\"}");
    }
    if (request.path().matches("/api/v1/namespaces/[^/]+/secrets")
        && !request.path().equals(SECRETS)) {
      return Answer.of(200, "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}");
    }
    if (request.path().equals(SECRETS)) {
      return request.method().equals("POST") ? create(request.body()) : list(request);
    }
    if (!request.path().startsWith(SECRETS + "/")) {
      return Answer.of(404, "{\"reason\":\"NotFound\"}");
    }
    String name = request.path().substring(SECRETS.length() + 1);
    Stored stored = secrets.get(name);
    if (stored == null) {
      return Answer.of(404, "{\"reason\":\"NotFound\"}");
    }
    return request.method().equals("PATCH")
        ? patch(name, stored, request)
        : Answer.of(200, document(name, stored, true));
  }

  private Answer list(Request request) {
    if (!"type!=kubernetes.io/service-account-token".equals(request.query().get("fieldSelector"))) {
      return Answer.of(400, "{}");
    }
    String after = request.query().getOrDefault("continue", "");
    if (!after.isEmpty() && expireLists > 0) {
      expireLists--;
      return Answer.of(410, "{\"reason\":\"Expired\"}");
    }
    int size = Math.min(mostPerPage, Integer.parseInt(request.query().get("limit")));
    boolean metadata = request.headers().get("accept").contains("PartialObjectMetadataList");
    List<String> items = new ArrayList<>();
    String next = "";
    for (Map.Entry<String, Stored> secret : secrets.entrySet()) {
      if (secret.getKey().compareTo(after) > 0
          && !secret.getValue().type.equals("kubernetes.io/service-account-token")) {
        if (items.size() == size) {
          next = NAME.matcher(items.get(items.size() - 1)).results().findFirst().get().group(1);
          break;
        }
        items.add(document(secret.getKey(), secret.getValue(), !metadata));
      }
    }
    return Answer.of(
        200,
        "{\"metadata\":{\"continue\":"
            + json(next)
            + "},\"items\":["
            + String.join(",", items)
            + "]}");
  }

  private static String document(String name, Stored stored, boolean whole) {
    StringBuilder data = new StringBuilder();
    stored.data.forEach(
        (key, value) ->
            data.append(data.length() == 0 ? "" : ",")
                .append(json(key))
                .append(":")
                .append(json(value)));
    return "{\"metadata\":{\"name\":"
        + json(name)
        + ",\"labels\":"
        + stored.labels
        + ",\"resourceVersion\":\""
        + stored.version
        + "\"}"
        + (whole ? ",\"data\":{" + data + "},\"type\":" + json(stored.type) : "")
        + "}";
  }

  private Answer create(String body) {
    Matcher name = NAME.matcher(body);
    Matcher type = TYPE.matcher(body);
    if (!name.find() || !type.find()) {
      return Answer.of(422, "{}");
    }
    if (secrets.containsKey(name.group(1))) {
      return Answer.of(409, "{\"reason\":\"AlreadyExists\"}");
    }
    merge(put(name.group(1), type.group(1), Map.of()), body);
    return Answer.of(201, "{}");
  }

  private Answer patch(String name, Stored stored, Request request) {
    Matcher expected = VERSION.matcher(request.body());
    if (!"application/merge-patch+json".equals(request.headers().get("content-type"))) {
      return Answer.of(415, "{}");
    }
    if (!expected.find() || Integer.parseInt(expected.group(1)) != stored.version) {
      return Answer.of(409, "{\"reason\":\"Conflict\"}");
    }
    if (stored.immutable) {
      return Answer.of(422, "{\"reason\":\"Invalid\"}");
    }
    merge(stored, request.body());
    stored.version = ++version;
    return Answer.of(200, document(name, stored, true));
  }

  private static void merge(Stored stored, String body) {
    Matcher data = DATA.matcher(body);
    if (data.find()) {
      Matcher member = MEMBER.matcher(data.group(1));
      while (member.find()) {
        if (member.group(3) == null) {
          stored.data.remove(member.group(1));
        } else {
          stored.data.put(member.group(1), member.group(3));
        }
      }
    }
  }
}
