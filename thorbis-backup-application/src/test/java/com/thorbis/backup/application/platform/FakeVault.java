package com.thorbis.backup.application.platform;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A key-value engine of version 2 at {@code secret/}. */
final class FakeVault extends FakePlatform {
  private static final Pattern CAS = Pattern.compile("\\{\"options\":\\{\"cas\":(\\d+)},\"data\":");

  /** A version of a path. */
  static final class Version {
    final String data;
    final Instant created;
    String deletion = "";
    boolean destroyed;

    Version(String data, Instant created) {
      this.data = data;
      this.created = created;
    }
  }

  final Map<String, List<Version>> paths = new TreeMap<>();
  final Set<String> forbidden = new TreeSet<>();
  Instant now = Instant.parse("2026-03-01T10:00:00.123456789Z");

  FakeVault() throws IOException {}

  synchronized void put(String path, String json) {
    now = now.plusSeconds(60);
    paths.computeIfAbsent(path, key -> new ArrayList<>()).add(new Version(json, now));
  }

  synchronized void delete(String path) {
    newest(path).deletion = now.toString();
  }

  synchronized Version newest(String path) {
    List<Version> versions = paths.get(path);
    return versions.get(versions.size() - 1);
  }

  @Override
  String tokenHeader() {
    return "x-vault-token";
  }

  @Override
  String tokenPrefix() {
    return "";
  }

  @Override
  Answer unknownToken() {
    return Answer.of(403, "{\"errors\":[\"permission denied\"]}");
  }

  @Override
  Answer answer(Request request) {
    if (request.path().startsWith("/v1/secret/metadata/")) {
      String path = request.path().substring("/v1/secret/metadata/".length());
      if (forbidden.contains(path)) {
        return unknownToken();
      }
      return "true".equals(request.query().get("list")) ? list(path) : metadata(path);
    }
    if (request.path().startsWith("/v1/secret/data/")) {
      String path = request.path().substring("/v1/secret/data/".length());
      return request.method().equals("POST") ? write(path, request.body()) : read(path);
    }
    return Answer.of(404, "{\"errors\":[\"no handler for route\"]}");
  }

  private Answer list(String folder) {
    TreeSet<String> names = new TreeSet<>();
    for (String path : paths.keySet()) {
      if (path.startsWith(folder)) {
        String rest = path.substring(folder.length());
        int slash = rest.indexOf('/');
        names.add(json(slash < 0 ? rest : rest.substring(0, slash + 1)));
      }
    }
    return names.isEmpty()
        ? Answer.of(404, "{\"errors\":[]}")
        : Answer.of(200, "{\"data\":{\"keys\":[" + String.join(",", names) + "]}}");
  }

  private Answer metadata(String path) {
    List<Version> versions = paths.get(path);
    if (versions == null) {
      return Answer.of(404, "{\"errors\":[]}");
    }
    List<String> items = new ArrayList<>();
    for (int i = 0; i < versions.size(); i++) {
      items.add("\"" + (i + 1) + "\":" + about(versions.get(i)));
    }
    return Answer.of(
        200,
        "{\"data\":{\"current_version\":"
            + versions.size()
            + ",\"versions\":{"
            + String.join(",", items)
            + "}}}");
  }

  private static String about(Version version) {
    return "{\"created_time\":\""
        + version.created
        + "\",\"deletion_time\":\""
        + version.deletion
        + "\",\"destroyed\":"
        + version.destroyed
        + "}";
  }

  private Answer read(String path) {
    List<Version> versions = paths.get(path);
    if (versions == null) {
      return Answer.of(404, "{\"errors\":[]}");
    }
    Version newest = versions.get(versions.size() - 1);
    boolean gone = newest.destroyed || !newest.deletion.isEmpty();
    String about = about(newest);
    return Answer.of(
        gone ? 404 : 200,
        "{\"data\":{\"data\":"
            + (gone ? "null" : newest.data)
            + ",\"metadata\":"
            + about.substring(0, about.length() - 1)
            + ",\"version\":"
            + versions.size()
            + "}}}");
  }

  private Answer write(String path, String body) {
    Matcher cas = CAS.matcher(body);
    if (!cas.lookingAt()) {
      return Answer.of(400, "{\"errors\":[\"no options\"]}");
    }
    int version = paths.containsKey(path) ? paths.get(path).size() : 0;
    if (Integer.parseInt(cas.group(1)) != version) {
      return Answer.of(
          400, "{\"errors\":[\"check-and-set parameter did not match the current version\"]}");
    }
    put(path, body.substring(cas.end(), body.length() - 1));
    return Answer.of(200, "{\"data\":{\"version\":" + (version + 1) + "}}");
  }
}
