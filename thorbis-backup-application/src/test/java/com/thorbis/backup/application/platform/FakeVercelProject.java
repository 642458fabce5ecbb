package com.thorbis.backup.application.platform;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The project {@code shop}: settings, domains, environments, DNS of {@code acme.example}. */
final class FakeVercelProject extends FakePlatform {
  /** Fields of the project, as JSON; empty if there is none. */
  final Map<String, String> project = new LinkedHashMap<>();

  final List<String> environments = new ArrayList<>();
  final List<String> variables = new ArrayList<>();
  final List<String> domains = new ArrayList<>();
  final List<String> records = new ArrayList<>();
  final List<String> written = new ArrayList<>();
  int mostPerPage = 2;
  boolean endless;
  int domainStatus = 200;
  int recordStatus = 200;

  FakeVercelProject() throws IOException {
    project.put("id", "\"prj_1\"");
    project.put("name", "\"shop\"");
    project.put("framework", "\"nextjs\"");
    project.put("nodeVersion", "\"22.x\"");
    project.put("gitForkProtection", "true");
    project.put("updatedAt", "1");
  }

  @Override
  Answer answer(Request request) {
    String what = request.path();
    if (!request.method().equals("GET")) {
      written.add(request.method() + " " + what + " " + request.body());
      return Answer.of(200, "{}");
    }
    if (what.equals("/v9/projects/shop")) {
      List<String> fields = new ArrayList<>();
      project.forEach((name, value) -> fields.add("\"" + name + "\":" + value));
      return project.isEmpty()
          ? Answer.of(404, "{}")
          : Answer.of(200, "{" + String.join(",", fields) + "}");
    }
    return switch (what) {
      case "/v9/projects/shop/custom-environments" -> page("environments", environments, request);
      case "/v10/projects/shop/env" -> page("envs", variables, request);
      case "/v9/projects/shop/domains" ->
          domainStatus == 200 ? page("domains", domains, request) : Answer.of(domainStatus, "{}");
      case "/v4/domains/acme.example/records" ->
          recordStatus == 200 ? page("records", records, request) : Answer.of(recordStatus, "{}");
      default -> Answer.of(404, "{}");
    };
  }

  private Answer page(String name, List<String> all, Request request) {
    int from = endless ? 0 : Integer.parseInt(request.query().getOrDefault("until", "0"));
    int to = Math.min(all.size(), from + mostPerPage);
    String next = to < all.size() || endless ? Integer.toString(to) : "null";
    return Answer.of(
        200,
        "{\""
            + name
            + "\":["
            + String.join(",", all.subList(from, to))
            + "],\"pagination\":{\"next\":"
            + next
            + "}}");
  }
}
