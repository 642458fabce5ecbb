package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.app.Component;
import com.thorbis.backup.application.app.Document;
import com.thorbis.backup.application.app.RestoreWish;
import com.thorbis.backup.application.app.Step;
import com.thorbis.backup.application.app.StoredComponent;
import com.thorbis.backup.application.app.WrittenDocuments;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** What is live of a project on Vercel: its production deployment. */
public final class VercelDeployment implements Component {
  private static final String FILE = "deployment.json";
  private static final List<String> COMMIT =
      List.of("githubCommitSha", "gitlabCommitSha", "bitbucketCommitSha");
  private static final List<String> REF =
      List.of("githubCommitRef", "gitlabCommitRef", "bitbucketCommitRef");

  private final Calls calls;
  private final String project;
  private final String team;

  private VercelDeployment(Connection connection, String project, Optional<String> team) {
    this.calls = new Calls(connection, VercelSecrets.ADDRESS, Map.of());
    this.project = project;
    this.team = team.map(id -> "?teamId=" + Calls.encode(id)).orElse("");
  }

  /**
   * Of a project.
   *
   * @param project its id or name
   * @param team the id of the team that it belongs to; empty for a personal account
   */
  public static VercelDeployment of(Connection connection, String project, Optional<String> team) {
    return new VercelDeployment(connection, project, team);
  }

  @Override
  public String name() {
    return "deployment";
  }

  private Document live() throws IOException {
    Document read;
    String action = "read what is live of " + project;
    try (Calls.Reply reply = calls.get(action, "/v9/projects/" + Calls.encode(project) + team)) {
      Set<String> kept =
          Set.of(
              "targets",
              "targets.production",
              "targets.production.id",
              "targets.production.url",
              "targets.production.readyState",
              "targets.production.createdAt",
              "targets.production.alias",
              "targets.production.meta");
      read =
          Document.parse(
              action,
              reply.body(),
              field ->
                  kept.contains(field)
                      || field.startsWith("targets.production.meta.")
                          && (COMMIT.contains(field.substring(24))
                              || REF.contains(field.substring(24))));
    }
    Document production = read.object("targets").object("production");
    if (production.text("id").isEmpty()) {
      throw BackupException.of(
              "application.nothing-live",
              FailureKind.PERMANENT,
              "Project " + project + " has no production deployment")
          .remedy("Deploy it, or set deployment to none.")
          .build();
    }
    Map<String, Object> live = new TreeMap<>();
    live.put("kind", VercelConfiguration.KIND);
    live.put("project", project);
    for (String name : List.of("id", "url", "createdAt")) {
      live.put(name, production.value(name));
    }
    live.put("state", production.value("readyState"));
    live.put("aliases", production.texts("alias").stream().sorted().toList());
    live.put("commit", first(production.object("meta"), COMMIT));
    live.put("branch", first(production.object("meta"), REF));
    return Document.of(live);
  }

  private static Optional<String> first(Document from, List<String> names) {
    return names.stream().flatMap(name -> from.text(name).stream()).findFirst();
  }

  @Override
  public Prepared prepare(Repository repository, RunControl control) throws IOException {
    return new WrittenDocuments(Map.of(FILE, live()), List.of(), Map.of("deployments", 1L));
  }

  @Override
  public List<Step> plan(StoredComponent stored, RestoreWish wish) throws IOException {
    Document was = stored.document(FILE);
    String subject = "deployment " + was.require("id");
    String what = was.text("commit").map(id -> " of commit " + id).orElse("");
    try {
      if (live().text("id").equals(was.text("id"))) {
        return List.of(Step.none(subject, Step.Action.SAME, "is live" + what));
      }
    } catch (IOException | BackupException e) {
      // What is live there decides nothing here: somebody has to look anyway.
      return List.of(
          Step.none(
              subject,
              Step.Action.BY_HAND,
              "was live" + what + "; what is live now could not be read: deploy that commit"));
    }
    return List.of(
        Step.none(
            subject,
            Step.Action.BY_HAND,
            "was live"
                + what
                + ", and another one is: promote it if it is still there, else deploy that"
                + " commit"));
  }

  @Override
  public String check() throws IOException {
    Document live = live();
    return live.require("id") + " is live, state " + live.text("state").orElse("unknown");
  }

  @Override
  public void close() {
    calls.close();
  }
}
