package com.thorbis.backup.application.platform;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The environment variables of the project {@code shop}. Lists ciphertext, and pages. */
final class FakeVercel extends FakePlatform {
  private static final Pattern TEXT =
      Pattern.compile("\"(key|type|value|gitBranch)\":(\"(?:[^\"\\\\]|\\\\.)*\")");
  private static final Pattern TARGET = Pattern.compile("\"target\":(\\[[^]]*])");

  /** A variable; texts as JSON. */
  static final class Variable {
    final String id;
    String key;
    String type;
    String value;
    String target;
    String branch;
    String custom;
    long updated;

    Variable(String id) {
      this.id = id;
    }
  }

  final List<Variable> variables = new ArrayList<>();
  String team;
  int mostPerPage = 100;
  boolean hasMore;
  boolean decrypts = true;
  boolean failedList;
  private long now = 1_770_000_000_000L;
  private int ids;

  FakeVercel() throws IOException {}

  synchronized Variable put(String key, String type, String value, String target) {
    Variable variable = new Variable("id" + ++ids);
    variable.key = json(key);
    variable.type = json(type);
    variable.value = json(value);
    variable.target = target;
    variable.updated = ++now;
    variables.add(variable);
    return variable;
  }

  @Override
  Answer answer(Request request) {
    if (team != null && !team.equals(request.query().get("teamId"))) {
      return Answer.of(403, "{\"error\":{\"code\":\"forbidden\",\"message\":\"no\"}}");
    }
    if (request.path().equals("/v10/projects/shop/env")) {
      return request.method().equals("POST") ? create(request.body()) : list(request);
    }
    Matcher one = Pattern.compile("/v[19]/projects/shop/env/(\\w+)").matcher(request.path());
    if (!one.matches()) {
      return Answer.of(404, "{\"error\":{\"code\":\"not_found\"}}");
    }
    for (Variable variable : variables) {
      if (variable.id.equals(one.group(1))) {
        if (request.method().equals("PATCH")) {
          fill(variable, request.body());
          variable.updated = ++now;
        }
        String item = item(variable, variable.value);
        return Answer.of(
            200, item.substring(0, item.length() - 1) + ",\"decrypted\":" + decrypts + "}");
      }
    }
    return Answer.of(404, "{\"error\":{\"code\":\"not_found\"}}");
  }

  private Answer list(Request request) {
    long until = Long.parseLong(request.query().getOrDefault("until", "0"));
    List<String> items = new ArrayList<>();
    String next = "null";
    for (int i = (int) until; i < variables.size(); i++) {
      if (items.size() == mostPerPage) {
        next = Integer.toString(i);
        break;
      }
      items.add(item(variables.get(i), json("ciphertext of " + variables.get(i).id)));
    }
    return Answer.of(
        200,
        "{\"envs\":["
            + String.join(",", items)
            + "],\"hasMore\":"
            + hasMore
            + ",\"pagination\":{\"count\":"
            + items.size()
            + ",\"next\":"
            + next
            + ",\"prev\":null}}");
  }

  private Answer create(String body) {
    Variable fresh = new Variable("id" + ++ids);
    fill(fresh, body);
    Matcher target = TARGET.matcher(body);
    fresh.target = target.find() ? target.group(1) : "[]";
    fresh.updated = ++now;
    for (Variable variable : variables) {
      if (variable.key.equals(fresh.key) && variable.target.equals(fresh.target)) {
        String error =
            "{\"code\":\"ENV_CONFLICT\",\"message\":\"taken\",\"value\":" + fresh.value + "}";
        return failedList
            ? Answer.of(201, "{\"created\":[],\"failed\":[{\"error\":" + error + "}]}")
            : Answer.of(403, "{\"error\":" + error.replace("CONFLICT", "ALREADY_EXISTS") + "}");
      }
    }
    variables.add(fresh);
    return Answer.of(201, "{\"created\":" + item(fresh, fresh.value) + ",\"failed\":[]}");
  }

  private static void fill(Variable variable, String body) {
    Matcher text = TEXT.matcher(body);
    while (text.find()) {
      switch (text.group(1)) {
        case "key" -> variable.key = text.group(2);
        case "type" -> variable.type = text.group(2);
        case "gitBranch" -> variable.branch = text.group(2);
        default -> variable.value = text.group(2);
      }
    }
  }

  private static String item(Variable variable, String value) {
    return "{\"id\":"
        + json(variable.id)
        + ",\"key\":"
        + variable.key
        + ",\"type\":"
        + variable.type
        + (variable.type.equals("\"sensitive\"") ? "" : ",\"value\":" + value)
        + ",\"target\":"
        + variable.target
        + (variable.custom == null ? "" : ",\"customEnvironmentIds\":" + variable.custom)
        + (variable.branch == null ? "" : ",\"gitBranch\":" + variable.branch)
        + ",\"updatedAt\":"
        + variable.updated
        + "}";
  }
}
