package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.application.app.ApplyMode;
import com.thorbis.backup.application.app.ConfigurationPlace;
import com.thorbis.backup.application.app.Document;
import com.thorbis.backup.application.app.Gap;
import com.thorbis.backup.application.app.SecretPlace;
import com.thorbis.backup.application.app.Step;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;

/**
 * A project on Vercel: its settings, environments, the names of its variables, domains and their
 * DNS records. What it does not know of a project it does not keep, and says so.
 */
public final class VercelConfiguration implements ConfigurationPlace {
  /** The kind of this place. */
  public static final String KIND = "vercel";

  private static final List<String> PROJECT =
      List.of(
          "buildCommand",
          "devCommand",
          "directoryListing",
          "framework",
          "installCommand",
          "nodeVersion",
          "outputDirectory",
          "publicSource",
          "rootDirectory");
  private static final List<String> DEPLOYMENT =
      List.of(
          "autoAssignCustomDomains",
          "autoExposeSystemEnvs",
          "commandForIgnoringBuildStep",
          "customerSupportCodeVisibility",
          "enableAffectedProjectsDeployments",
          "gitForkProtection",
          "gitLFS",
          "previewDeploymentsDisabled",
          "serverlessFunctionRegion",
          "skewProtectionMaxAge",
          "sourceFilesOutsideRootDirectory",
          "ssoProtection");
  private static final Set<String> LINK =
      Set.of("link.type", "link.org", "link.repo", "link.repoId", "link.productionBranch");

  /** What a project says of itself that nobody sets, and what is asked for elsewhere. */
  private static final Set<String> STATE =
      Set.of(
          "accountId",
          "createdAt",
          "customEnvironments",
          "env",
          "features",
          "hasActiveBranches",
          "hasFloatingAliases",
          "lastAliasRequest",
          "lastRollbackTarget",
          "latestDeployments",
          "live",
          "permissions",
          "speedInsights",
          "targets",
          "tier",
          "updatedAt");

  private static final List<String> ENVIRONMENT =
      List.of("id", "slug", "description", "branchMatcher");
  private static final List<String> DOMAIN =
      List.of("name", "apexName", "gitBranch", "redirect", "redirectStatusCode");
  private static final List<String> RECORD =
      List.of("id", "name", "type", "value", "ttl", "mxPriority", "srv", "https", "comment");

  private final Calls calls;
  private final String project;
  private final String team;
  private final Optional<SecretPlace> secrets;

  private VercelConfiguration(
      Connection connection, String project, Optional<String> team, Optional<SecretPlace> secrets) {
    this.calls = new Calls(connection, VercelSecrets.ADDRESS, Map.of());
    this.project = project;
    this.team = team.map(id -> "teamId=" + Calls.encode(id)).orElse("");
    this.secrets = secrets;
  }

  /**
   * A project.
   *
   * @param project its id or name
   * @param team the id of the team that it belongs to; empty for a personal account
   * @param secrets where the values of its variables are backed up
   */
  public static VercelConfiguration of(
      Connection connection, String project, Optional<String> team, Optional<SecretPlace> secrets) {
    return new VercelConfiguration(connection, project, team, secrets);
  }

  @Override
  public String kind() {
    return KIND;
  }

  private String path(String path, String... query) {
    List<String> parts = new ArrayList<>();
    for (String part : query) {
      if (!part.isEmpty()) {
        parts.add(part);
      }
    }
    if (!team.isEmpty()) {
      parts.add(team);
    }
    return path + (parts.isEmpty() ? "" : "?" + String.join("&", parts));
  }

  private String ofProject(String version, String rest, String... query) {
    return path(version + "/projects/" + Calls.encode(project) + rest, query);
  }

  @Override
  public Reading read() throws IOException {
    List<Gap> unread = new ArrayList<>();
    Document read =
        project(unread).orElseThrow(() -> Calls.refusal("read the project " + project, 404, false));
    Map<String, Object> document = new TreeMap<>();
    document.put("kind", KIND);
    document.put(
        "project",
        Map.of(
            "id", read.text("id"),
            "name", read.text("name"),
            "settings", only(read, PROJECT)));
    document.put("deploymentSettings", only(read, DEPLOYMENT));
    document.put("gitLink", read.object("link"));
    section("environments", unread, document, this::environments);
    section("variables", unread, document, () -> variables(unread));
    section("domains", unread, document, this::domains);
    Object domains = document.get("domains");
    if (domains instanceof List<?> list) {
      Set<String> apexes = new TreeSet<>();
      for (Object domain : list) {
        if (domain instanceof Document one) {
          one.text("apexName").ifPresent(apexes::add);
        }
      }
      apexes.removeIf(apex -> apex.equals("vercel.app"));
      List<Document> zones = new ArrayList<>();
      for (String apex : apexes) {
        Map<String, Object> zone = new TreeMap<>(Map.of("domain", apex));
        section("dns of " + apex, unread, zone, () -> records(apex));
        if (zone.containsKey("dns of " + apex)) {
          zones.add(Document.of(Map.of("domain", apex, "records", zone.get("dns of " + apex))));
        }
      }
      document.put("dns", zones);
    }
    return new Reading(Document.of(document), unread);
  }

  @FunctionalInterface
  private interface Part {
    List<Document> read() throws IOException;
  }

  private static void section(String name, List<Gap> unread, Map<String, Object> into, Part part) {
    try {
      into.put(name, part.read());
    } catch (IOException e) {
      unread.add(Gap.of(name, e));
    }
  }

  private Optional<Document> project(List<Gap> unread) throws IOException {
    String action = "read the project " + project;
    try (Calls.Reply reply = calls.get(action, ofProject("/v9", ""), 404)) {
      if (reply.status() == 404) {
        return Optional.empty();
      }
      Set<String> unknown = new TreeSet<>();
      Predicate<String> wanted =
          field -> {
            String top = field.replaceFirst("\\..*", "");
            if (top.equals("link")) {
              return field.equals("link") || LINK.contains(field);
            }
            boolean kept =
                Set.of("id", "name").contains(top)
                    || PROJECT.contains(top)
                    || DEPLOYMENT.contains(top);
            if (!kept && !STATE.contains(top)) {
              unknown.add(top);
            }
            return kept;
          };
      Document read = parse(action, reply, wanted);
      for (String field : unknown) {
        unread.add(
            Gap.part(
                field,
                "application.not-kept",
                "The setting "
                    + field
                    + " of the project is not kept: it is unknown here, or may"
                    + " hold a secret",
                "Note it elsewhere, and set it by hand."));
      }
      return Optional.of(read);
    }
  }

  private static Document parse(String action, Calls.Reply reply, Predicate<String> wanted)
      throws SecretException {
    try {
      return Document.parse(action, reply.body(), wanted);
    } catch (BackupException e) {
      throw JsonAnswer.unexpected(action, "is no JSON object");
    }
  }

  private static Map<String, Object> only(Document from, List<String> names) {
    Map<String, Object> kept = new TreeMap<>();
    for (String name : names) {
      from.value(name).ifPresent(value -> kept.put(name, value));
    }
    return kept;
  }

  /** All pages of a list; a page that comes again is an error. */
  private List<Document> pages(
      String action, String path, String list, String id, List<String> kept) throws IOException {
    List<Document> found = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    String next = "";
    do {
      try (Calls.Reply reply = calls.get(action, path(path, next))) {
        Document page =
            parse(
                action,
                reply,
                field ->
                    !field.startsWith(list + ".")
                        ? field.equals(list) || field.startsWith("pagination")
                        : kept.contains(
                            field.substring(list.length() + 1).replaceFirst("\\..*", "")));
        if (page.value(list).isEmpty()) {
          throw JsonAnswer.unexpected(action, "has no " + list);
        }
        for (Document item : page.list(list)) {
          if (!seen.add(item.text(id).orElse(""))) {
            throw JsonAnswer.unexpected(action, "brings the same page after page");
          }
          found.add(Document.of(only(item, kept)));
        }
        long until = page.object("pagination").number("next", -1);
        next = until < 0 ? "" : "until=" + until;
      }
    } while (!next.isEmpty());
    return found;
  }

  private List<Document> environments() throws IOException {
    return sorted(
        pages(
            "list the environments of " + project,
            "/v9/projects/" + Calls.encode(project) + "/custom-environments",
            "environments",
            "id",
            ENVIRONMENT),
        "slug");
  }

  private List<Document> domains() throws IOException {
    return sorted(
        pages(
            "list the domains of " + project,
            "/v9/projects/" + Calls.encode(project) + "/domains",
            "domains",
            "name",
            DOMAIN),
        "name");
  }

  private List<Document> records(String domain) throws IOException {
    List<Document> records =
        pages(
            "list the DNS records of " + domain,
            "/v4/domains/" + Calls.encode(domain) + "/records",
            "records",
            "id",
            RECORD);
    return records.stream().sorted(Comparator.comparing(VercelConfiguration::key)).toList();
  }

  private static String key(Document record) {
    return record.text("type").orElse("")
        + " "
        + record.text("name").filter(name -> !name.isEmpty()).orElse("@")
        + " "
        + record.text("value").orElse("");
  }

  private static List<Document> sorted(List<Document> list, String by) {
    return list.stream().sorted(Comparator.comparing(one -> one.text(by).orElse(""))).toList();
  }

  private List<SecretInfo> listVariables() throws IOException {
    String action = "list the variables of " + project;
    List<SecretInfo> found = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    String next = "";
    do {
      try (Calls.Reply reply = calls.get(action, ofProject("/v10", "/env", next));
          JsonAnswer answer = JsonAnswer.read(action, reply.body(), "envs.value")) {
        for (JsonAnswer.Fields variable : answer.fields().list("envs")) {
          if (!seen.add(variable.require("id"))) {
            throw JsonAnswer.unexpected(action, "brings the same page after page");
          }
          if (!"system".equals(variable.text("type").orElse(""))) {
            found.add(VercelSecrets.info(variable));
          }
        }
        next = VercelSecrets.next(answer.fields());
      }
    } while (!next.isEmpty());
    found.sort(Comparator.comparing(SecretInfo::name));
    return found;
  }

  private List<Document> variables(List<Gap> unread) throws IOException {
    List<Document> found = new ArrayList<>();
    for (SecretInfo info : listVariables()) {
      Map<String, Object> variable = new LinkedHashMap<>(info.attributes());
      variable.put(
          VercelSecrets.TARGET,
          List.of(info.attributes().getOrDefault(VercelSecrets.TARGET, "").split(",")));
      secrets.ifPresent(place -> variable.put("value", place.reference(info.name())));
      found.add(Document.of(variable));
      if (info.readability() != Readability.VALUE) {
        unread.add(
            Gap.part(
                "value of " + info.name(),
                "application.masked",
                "Vercel does not give the value of " + info.name(),
                "Keep the value where it is read from as well, or issue a new one."));
      } else if (secrets.isEmpty()) {
        unread.add(
            Gap.part(
                "value of " + info.name(),
                "application.no-secrets",
                "No source of secrets is named that holds the value of " + info.name(),
                "Back up its values with a source of type secrets, and name it and its place."));
      }
    }
    return found;
  }

  @Override
  public List<Step> plan(Document stored, ApplyMode mode) throws IOException {
    List<Step> steps = new ArrayList<>();
    Document wanted = stored.object("project");
    Optional<Document> now = project(new ArrayList<>());
    String name = wanted.text("name").orElse(project);
    if (now.isEmpty()) {
      if (!name.equals(project)) {
        return List.of(
            Step.none(
                "project " + name,
                Step.Action.BY_HAND,
                "is not there: a new one has another id than "
                    + project
                    + ". Write its name as project of this place, and run this again"));
      }
      Map<String, Object> body = new TreeMap<>(wanted.object("settings").fields());
      body.put("name", name);
      steps.add(
          Step.create(
              "project " + name,
              "is not there",
              () -> send("POST", "create the project " + name, path("/v11/projects"), body)));
    } else {
      steps.add(Step.none("project " + name, Step.Action.SAME, "is there"));
      settings("project setting ", wanted.object("settings"), now, mode, steps);
    }
    boolean there = now.isPresent();
    if (!stored.object("gitLink").fields().isEmpty()
        && !now.map(one -> one.object("link")).equals(Optional.of(stored.object("gitLink")))) {
      steps.add(
          Step.none(
              "git repository",
              Step.Action.BY_HAND,
              "connect it in the settings of the project: "
                  + stored.object("gitLink").text("org").orElse("")
                  + "/"
                  + stored.object("gitLink").text("repo").orElse("")));
    }
    planEnvironments(stored, there ? environments() : List.of(), mode, steps);
    planVariables(stored, there ? listVariables() : List.of(), steps);
    planDomains(stored, there ? domains() : List.of(), mode, steps);
    for (Document zone : stored.list("dns")) {
      planRecords(zone.require("domain"), zone.list("records"), mode, steps);
    }
    settings("deployment setting ", stored.object("deploymentSettings"), now, mode, steps);
    return steps;
  }

  private void settings(
      String what, Document wanted, Optional<Document> now, ApplyMode mode, List<Step> steps) {
    for (String name : wanted.names()) {
      Object value = wanted.value(name).orElseThrow();
      Step.Work work =
          () ->
              send(
                  "PATCH",
                  "set " + name + " of " + project,
                  ofProject("/v9", ""),
                  Map.of(name, value));
      steps.add(
          now.isEmpty()
              ? Step.create(what + name, "is not set", work)
              // Not set there counts as set to nothing: somebody may have cleared it on purpose.
              : Step.change(
                  what + name, now.get().value(name).orElse("not set"), value, mode, work));
    }
  }

  private void planEnvironments(
      Document stored, List<Document> now, ApplyMode mode, List<Step> steps) {
    Map<String, Document> there = byName(now, "slug");
    for (Document one : stored.list("environments")) {
      String slug = one.require("slug");
      String subject = "environment " + slug;
      Map<String, Object> body = only(one, List.of("slug", "description", "branchMatcher"));
      String at = "/custom-environments";
      Document other = there.remove(slug);
      if (other == null) {
        steps.add(
            Step.create(
                subject,
                "is not there",
                () -> send("POST", "create the " + subject, ofProject("/v9", at), body)));
      } else {
        String own = at + "/" + Calls.encode(other.require("id"));
        steps.add(
            Step.change(
                subject,
                only(other, List.copyOf(body.keySet())),
                body,
                mode,
                () -> send("PATCH", "change the " + subject, ofProject("/v9", own), body)));
      }
    }
    onlyThere("environment ", there, steps);
  }

  private static Map<String, Document> byName(List<Document> list, String name) {
    Map<String, Document> map = new TreeMap<>();
    list.forEach(one -> map.put(one.text(name).orElse(""), one));
    return map;
  }

  private static void onlyThere(String what, Map<String, Document> rest, List<Step> steps) {
    rest.keySet()
        .forEach(
            name ->
                steps.add(
                    Step.none(
                        what + name,
                        Step.Action.ONLY_THERE,
                        "is not in the backup, and is not deleted")));
  }

  /** No variable is written with something else in the place of its value. */
  private static void planVariables(Document stored, List<SecretInfo> now, List<Step> steps) {
    Set<String> there = new TreeSet<>();
    now.forEach(info -> there.add(info.name()));
    for (Document one : stored.list("variables")) {
      Map<String, String> attributes = new TreeMap<>();
      attributes.put(VercelSecrets.KEY, one.require(VercelSecrets.KEY));
      attributes.put(VercelSecrets.TARGET, String.join(",", one.texts(VercelSecrets.TARGET)));
      one.text(VercelSecrets.BRANCH).ifPresent(at -> attributes.put(VercelSecrets.BRANCH, at));
      one.text(VercelSecrets.CUSTOM).ifPresent(at -> attributes.put(VercelSecrets.CUSTOM, at));
      String name = VercelSecrets.name(attributes);
      if (there.remove(name)) {
        steps.add(
            Step.none(
                "variable " + name,
                Step.Action.SAME,
                "is there; its value is compared by secrets restore"));
      } else {
        Document secret = one.object("value").object("secret");
        steps.add(
            Step.none(
                "variable " + name,
                Step.Action.BY_HAND,
                secret.text("source").isPresent()
                    ? "run "
                        + new SecretPlace(secret.require("source"), secret.require("place"))
                            .command(secret.require("name"))
                    : "has its value in no backup of secrets"));
      }
    }
    for (String name : there) {
      steps.add(
          Step.none(
              "variable " + name,
              Step.Action.ONLY_THERE,
              "is not in the backup, and is not deleted"));
    }
  }

  private void planDomains(Document stored, List<Document> now, ApplyMode mode, List<Step> steps) {
    Map<String, Document> there = byName(now, "name");
    for (Document one : stored.list("domains")) {
      String name = one.require("name");
      String subject = "domain " + name;
      Map<String, Object> settings =
          only(one, List.of("gitBranch", "redirect", "redirectStatusCode"));
      Document other = there.remove(name);
      if (other == null) {
        if (name.endsWith(".vercel.app")) {
          steps.add(Step.none(subject, Step.Action.SAME, "comes with the project"));
          continue;
        }
        Map<String, Object> body = new TreeMap<>(settings);
        body.put("name", name);
        steps.add(
            Step.create(
                subject,
                "is not there",
                () -> send("POST", "add the " + subject, ofProject("/v10", "/domains"), body)));
      } else {
        steps.add(
            Step.change(
                subject,
                only(other, List.of("gitBranch", "redirect", "redirectStatusCode")),
                settings,
                mode,
                () ->
                    send(
                        "PATCH",
                        "change the " + subject,
                        ofProject("/v9", "/domains/" + Calls.encode(name)),
                        settings)));
      }
    }
    onlyThere("domain ", there, steps);
  }

  /** What one name and type has in the backup and there once each is changed; else added. */
  private void planRecords(String domain, List<Document> wanted, ApplyMode mode, List<Step> steps) {
    List<Document> now;
    try {
      now = new ArrayList<>(records(domain));
    } catch (IOException e) {
      steps.add(
          Step.none(
              "DNS of " + domain,
              Step.Action.UNAVAILABLE,
              "could not be looked at, so nothing is changed there: " + e.getMessage()));
      return;
    }
    List<Document> missing = new ArrayList<>();
    for (Document record : wanted) {
      Optional<Document> other =
          now.stream().filter(one -> key(one).equals(key(record))).findFirst();
      if (other.isEmpty()) {
        missing.add(record);
        continue;
      }
      now.remove(other.get());
      change(domain, record, other.get(), mode, steps);
    }
    for (Document record : missing) {
      List<Document> others = now.stream().filter(one -> sameName(one, record)).toList();
      long rivals = missing.stream().filter(one -> sameName(one, record)).count();
      if (others.size() == 1 && rivals == 1) {
        now.remove(others.get(0));
        change(domain, record, others.get(0), mode, steps);
      } else if (!others.isEmpty()) {
        steps.add(
            Step.none(
                "DNS of " + domain + " " + key(record),
                Step.Action.BY_HAND,
                "is not there, and others of its name and type are: which of them count, nobody can"
                    + " tell from here"));
      } else {
        Map<String, Object> body = body(record);
        steps.add(
            Step.create(
                "DNS of " + domain + " " + key(record),
                "is not there",
                () ->
                    send(
                        "POST",
                        "add a DNS record of " + domain,
                        path("/v2/domains/" + Calls.encode(domain) + "/records"),
                        body)));
      }
    }
    Map<String, Document> rest = new TreeMap<>();
    now.forEach(one -> rest.put(key(one), one));
    onlyThere("DNS of " + domain + " ", rest, steps);
  }

  private static boolean sameName(Document one, Document other) {
    return one.text("type").equals(other.text("type"))
        && one.text("name").orElse("").equals(other.text("name").orElse(""));
  }

  private static Map<String, Object> body(Document record) {
    Map<String, Object> body = new TreeMap<>(record.fields());
    body.remove("id");
    return body;
  }

  private void change(
      String domain, Document wanted, Document there, ApplyMode mode, List<Step> steps) {
    Map<String, Object> body = body(wanted);
    String id = there.text("id").orElse("");
    steps.add(
        Step.change(
            "DNS of " + domain + " " + key(wanted),
            body(there),
            body,
            mode,
            () ->
                send(
                    "PATCH",
                    "change a DNS record of " + domain,
                    path("/v1/domains/records/" + Calls.encode(id)),
                    body)));
  }

  private String send(String method, String action, String path, Map<String, Object> body)
      throws IOException {
    calls.write(method, action, path, JsonBody.of(Document.of(body))).close();
    return "done";
  }

  @Override
  public void close() {
    calls.close();
  }
}
