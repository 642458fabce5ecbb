package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.app.Component;
import com.thorbis.backup.application.app.ComponentWriter;
import com.thorbis.backup.application.app.Document;
import com.thorbis.backup.application.app.Gap;
import com.thorbis.backup.application.app.Reference;
import com.thorbis.backup.application.app.RestoreWish;
import com.thorbis.backup.application.app.Step;
import com.thorbis.backup.application.app.StoredComponent;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** What is live of a project on Vercel: its production deployment, and the log of its build. */
public final class VercelDeployment implements Component {
  private static final String FILE = "deployment.json";
  private static final String LOG = "build-log.txt";
  private static final byte[] BEFORE = "{\"events\":".getBytes(StandardCharsets.US_ASCII);
  private static final Set<String> OF_EVENTS =
      Set.of(
          "events",
          "events.created",
          "events.date",
          "events.text",
          "events.type",
          "events.payload",
          "events.payload.date",
          "events.payload.text");
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
    Document live = live();
    String id = live.require("id");
    try {
      Optional<Log> log = log(id);
      return new Read(
          live,
          log.map(Log::text).orElse(new byte[0]),
          log.isPresent()
              ? List.of()
              : List.of(
                  Gap.part(
                      LOG,
                      "application.no-log",
                      "Deployment " + id + " has no build log, or none any more",
                      "It is in an earlier backup, if there is one of that deployment.")),
          Map.of("deployments", 1L, "logLines", log.map(Log::lines).orElse(0L)));
    } catch (IOException | BackupException e) {
      Gap why = Gap.of(LOG, e);
      return new Read(
          live,
          new byte[0],
          List.of(
              Gap.part(
                  LOG,
                  why.code(),
                  "The build log of " + id + " could not be read: " + why.message(),
                  why.remedy())),
          Map.of("deployments", 1L, "logLines", 0L));
    }
  }

  private record Log(byte[] text, long lines) {}

  /** The whole log in one answer, which is bounded; it comes as a list. */
  private Optional<Log> log(String id) throws IOException {
    String action = "read the build log of " + id;
    String query = (team.isEmpty() ? "?" : team + "&") + "direction=forward&follow=0&limit=-1";
    Document read;
    try (Calls.Reply reply =
        calls.get(action, "/v3/deployments/" + Calls.encode(id) + "/events" + query)) {
      byte[] body = reply.body();
      byte[] object = Arrays.copyOf(BEFORE, BEFORE.length + body.length + 1);
      System.arraycopy(body, 0, object, BEFORE.length, body.length);
      object[object.length - 1] = '}';
      try {
        read = Document.parse(action, object, OF_EVENTS::contains);
      } finally {
        Arrays.fill(object, (byte) 0);
      }
    }
    StringBuilder text = new StringBuilder();
    long lines = 0;
    for (Document event : read.list("events")) {
      Document payload = event.object("payload");
      Optional<String> words = event.text("text").or(() -> payload.text("text"));
      if (words.isPresent()) {
        long millis = event.number("created", event.number("date", payload.number("date", 0)));
        text.append(Instant.ofEpochMilli(millis))
            .append(' ')
            .append(event.text("type").orElse("event"))
            .append(' ')
            .append(words.get().stripTrailing())
            .append('\n');
        lines++;
      }
    }
    return lines == 0
        ? Optional.empty()
        : Optional.of(new Log(text.toString().getBytes(StandardCharsets.UTF_8), lines));
  }

  /** A build may print what it should not: its log is sealed, and erased here. */
  private static final class Read implements Prepared {
    private final Document live;
    private final byte[] log;
    private final List<Gap> gaps;
    private final Map<String, Long> counts;

    Read(Document live, byte[] log, List<Gap> gaps, Map<String, Long> counts) {
      this.live = live;
      this.log = log;
      this.gaps = gaps;
      this.counts = counts;
    }

    @Override
    public List<Gap> gaps() {
      return gaps;
    }

    @Override
    public Map<String, Long> counts() {
      return counts;
    }

    @Override
    public void write(ComponentWriter into) throws IOException {
      into.document(FILE, live);
      if (log.length > 0) {
        into.object(LOG, Reference.of(log), new ByteArrayInputStream(log));
      }
    }

    @Override
    public void close() {
      Arrays.fill(log, (byte) 0);
    }
  }

  @Override
  public List<Step> plan(StoredComponent stored, RestoreWish wish) throws IOException {
    List<Step> steps = new ArrayList<>();
    Reference log = stored.documents().get(LOG);
    if (log != null && wish.into().isPresent()) {
      Path file = wish.into().get().resolve(name()).resolve(LOG);
      steps.add(
          Step.lay(
              file.toString(),
              "the log of its build",
              () -> {
                stored.lay(Map.of(LOG, file), Map.of(LOG, log));
                return log.length() + " bytes were laid down";
              }));
    }
    steps.add(live(stored.document(FILE)));
    return steps;
  }

  private Step live(Document was) {
    String subject = "deployment " + was.require("id");
    String what = was.text("commit").map(id -> " of commit " + id).orElse("");
    try {
      if (live().text("id").equals(was.text("id"))) {
        return Step.none(subject, Step.Action.SAME, "is live" + what);
      }
    } catch (IOException | BackupException e) {
      // What is live there decides nothing here: somebody has to look anyway.
      return Step.none(
          subject,
          Step.Action.BY_HAND,
          "was live" + what + "; what is live now could not be read: deploy that commit");
    }
    return Step.none(
        subject,
        Step.Action.BY_HAND,
        "was live"
            + what
            + ", and another one is: promote it if it is still there, else deploy that commit");
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
