package com.thorbis.backup.dr.run;

import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.EndpointProbe;
import com.thorbis.backup.dr.run.Result.Wait;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** Kinds of steps that need nothing but the JDK. */
final class BuiltIn {
  private static final Duration CONNECT = Duration.ofSeconds(5);
  private static final int MOST_OUTPUT = 64 << 10;
  private static final int MOST_SHOWN = 500;
  private static final Set<String> PROGRAM = Set.of("command", "check", "undo", "environment");

  private BuiltIn() {}

  static List<Action> all(Notifier notifier) {
    return List.of(
        Action.of("manual", Set.of(), Manual::new),
        Action.of("approve", Set.of(), Approved::new),
        Action.of("wait", Set.of("for"), Waits::new),
        Action.of("record", Set.of("text"), Recorded::new),
        Action.of("notify", Set.of("to", "text"), task -> new Told(task, notifier)),
        Action.of("http-check", Set.of("url", "paths", "status", "contains"), HttpCheck::new),
        Action.of("run-command", PROGRAM, Command::new),
        Action.of("freeze-writes", PROGRAM, Command::new));
  }

  /** Done by a person. */
  private record Manual(Task task) implements Step {
    @Override
    public Result check(StepContext context) {
      return context
          .confirmedBy()
          .map(
              name ->
                  Result.done("done by " + name)
                      .with(context.said().map(text -> Map.of("said", text)).orElse(Map.of())))
          .orElseGet(() -> Result.notDone("nobody has said that it is done"));
    }

    @Override
    public Result execute(StepContext context) {
      return Result.waiting(Wait.MANUAL, context.now().plus(task.deadline()), task.title());
    }

    @Override
    public String intent() {
      return "ask "
          + (task.people().isEmpty() ? "anybody" : String.join(", ", task.people()))
          + " to do: "
          + task.title();
    }
  }

  /** Nothing but the agreement of those whom the step names. */
  private record Approved(Task task) implements Step {
    Approved {
      if (task.approval().isEmpty()) {
        throw new IllegalArgumentException("names nobody who could approve");
      }
    }

    /** It does nothing, so whoever goes on after a crash just does that again. */
    @Override
    public Result check(StepContext context) {
      return context.returned() ? Result.done("approved") : Result.notDone("is not approved");
    }

    @Override
    public Result execute(StepContext context) {
      return Result.done("approved");
    }

    @Override
    public String intent() {
      return task.title();
    }
  }

  /** Lets time pass. */
  private record Waits(Task task, Duration span) implements Step {
    Waits(Task task) {
      this(task, span(task.require("for")));
    }

    private static Duration span(String text) {
      try {
        return Duration.parse(text);
      } catch (DateTimeException e) {
        throw new IllegalArgumentException("for: \"" + text + "\" is no duration", e);
      }
    }

    @Override
    public Result check(StepContext context) {
      Instant now = context.now();
      return context.waitingUntil().filter(until -> !now.isBefore(until)).isPresent()
          ? Result.done("waited " + span)
          : Result.notDone("the time is not over");
    }

    @Override
    public Result execute(StepContext context) {
      return Result.waiting(Wait.TIME, context.now().plus(span), intent());
    }

    @Override
    public String intent() {
      return "wait for " + span;
    }
  }

  /** Writes into the journal, as every step does, and nothing else. */
  private record Recorded(Task task, String text) implements Step {
    Recorded(Task task) {
      this(task, task.require("text"));
    }

    @Override
    public Result check(StepContext context) {
      return context.returned() ? Result.done(text) : Result.notDone("is not recorded");
    }

    @Override
    public Result execute(StepContext context) {
      return Result.done(text);
    }

    @Override
    public String intent() {
      return "record: " + text;
    }
  }

  /** Told to people: rather twice than never. */
  private record Told(Task task, Notifier notifier, String to, String text) implements Step {
    Told(Task task, Notifier notifier) {
      this(task, notifier, task.require("to"), task.require("text"));
    }

    @Override
    public Result check(StepContext context) {
      return context.returned() ? Result.done("told " + to) : Result.notDone("was not told");
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      notifier.tell(to, text, context.key());
      return Result.done("told " + to);
    }

    @Override
    public String intent() {
      return "tell " + to + ": " + text;
    }
  }

  /** An answer of a service, waited for. */
  private record HttpCheck(
      Task task, URI url, int status, String contains, Optional<EndpointProbe> endpoints)
      implements Step {
    HttpCheck(Task task) {
      this(
          task,
          address(task.require("url")),
          status(task.inputs().getOrDefault("status", "200")),
          task.inputs().getOrDefault("contains", ""),
          endpoints(task));
    }

    /** With {@code paths}, several of one host, {@code standard} or one a line. */
    private static Optional<EndpointProbe> endpoints(Task task) {
      if (!task.inputs().containsKey("paths")) {
        return Optional.empty();
      }
      if (task.inputs().containsKey("status") || task.inputs().containsKey("contains")) {
        throw new IllegalArgumentException("paths go without status and contains");
      }
      String paths = task.require("paths");
      return Optional.of(
          EndpointProbe.of(
              address(task.require("url")),
              paths.equals("standard") ? EndpointProbe.STANDARD : paths.lines().toList(),
              task.timeout()));
    }

    private static URI address(String text) {
      URI url = URI.create(text);
      if (url.getHost() == null
          || url.getUserInfo() != null
          || !"http".equals(url.getScheme()) && !"https".equals(url.getScheme())) {
        throw new IllegalArgumentException(
            "url is not http(s)://HOST without a password: a journal would keep it");
      }
      return url;
    }

    private static int status(String text) {
      if (!text.matches("[1-5][0-9]{2}")) {
        throw new IllegalArgumentException("status: \"" + text + "\" is no status of HTTP");
      }
      return Integer.parseInt(text);
    }

    /** What is waited for may already be so: it counts only once it was asked within this run. */
    @Override
    public Result check(StepContext context) throws InterruptedException {
      return context.waitingSince().isPresent()
          ? ask()
          : Result.notDone("was not asked in this run");
    }

    @Override
    public Result execute(StepContext context) throws InterruptedException {
      Result now = ask();
      return now.outcome() == Result.Outcome.DONE
          ? now
          : Result.waiting(
              Wait.CONDITION, context.now().plus(task.deadline()), intent() + "; " + now.detail());
    }

    @Override
    public Result verify(StepContext context) throws InterruptedException {
      return ask();
    }

    private Result ask() throws InterruptedException {
      if (endpoints.isPresent()) {
        DrillCheck check = endpoints.get().check();
        String seen = url + ": " + check.detail();
        return check.holds() ? Result.done(seen) : Result.notDone(seen);
      }
      try {
        HttpResponse<InputStream> answer =
            HttpClient.newBuilder()
                .connectTimeout(CONNECT)
                .build()
                .send(
                    HttpRequest.newBuilder(url).timeout(task.timeout()).GET().build(),
                    HttpResponse.BodyHandlers.ofInputStream());
        String body;
        try (InputStream in = answer.body()) {
          body = new String(in.readNBytes(MOST_OUTPUT), StandardCharsets.UTF_8);
        }
        if (answer.statusCode() != status) {
          return Result.notDone(url + " answers " + answer.statusCode());
        }
        return body.contains(contains)
            ? Result.done(url + " answers " + status)
            : Result.notDone(url + " answers " + status + " without \"" + contains + "\"");
      } catch (IOException e) {
        return Result.notDone(url + " does not answer: " + e.getMessage());
      }
    }

    @Override
    public String intent() {
      if (endpoints.isPresent()) {
        return "wait up to " + task.deadline() + " until every endpoint of " + url + " answers";
      }
      return "wait up to " + task.deadline() + " until " + url + " answers " + status;
    }
  }

  /**
   * A program, without a shell: each line of an input is one argument. Its environment is empty but
   * for what the plan names, and for how it can tell one run and owner from another.
   */
  private record Command(
      Task task, List<String> command, List<String> check, List<String> undo, List<String> passed)
      implements Step {
    Command(Task task) {
      this(
          task,
          lines(task.require("command")),
          lines(task.inputs().getOrDefault("check", "")),
          lines(task.inputs().getOrDefault("undo", "")),
          lines(task.inputs().getOrDefault("environment", "")));
    }

    private static List<String> lines(String text) {
      return text.lines().filter(line -> !line.isEmpty()).toList();
    }

    @Override
    public Result check(StepContext context) throws IOException, InterruptedException {
      if (check.isEmpty()) {
        return Step.super.check(context);
      }
      Ended ended = run(check, context);
      return switch (ended.code()) {
        case 0 -> Result.done(ended.said());
        case 1 -> Result.notDone(ended.said());
        default -> Result.unknown(check.get(0) + " ended with " + ended);
      };
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      Ended ended = run(command, context);
      if (ended.code() == 0) {
        return Result.done(ended.said());
      }
      String detail = command.get(0) + " ended with " + ended;
      return check.isEmpty() ? Result.notDone(detail) : Result.unknown(detail);
    }

    @Override
    public boolean compensates() {
      return !undo.isEmpty();
    }

    @Override
    public Result compensate(StepContext context, Map<String, String> value)
        throws IOException, InterruptedException {
      Ended ended = run(undo, context);
      return ended.code() == 0
          ? Result.done(ended.said())
          : Result.notDone(undo.get(0) + " ended with " + ended);
    }

    private record Ended(int code, String said) {
      @Override
      public String toString() {
        return code + (said.isEmpty() ? "" : ": " + said);
      }
    }

    private Ended run(List<String> arguments, StepContext context)
        throws IOException, InterruptedException {
      ProcessBuilder builder = new ProcessBuilder(new ArrayList<>(arguments));
      Map<String, String> environment = builder.environment();
      environment.keySet().removeIf(name -> !passed.contains(name));
      environment.putIfAbsent("PATH", "/usr/local/bin:/usr/bin:/bin");
      environment.put("THORBIS_RUN", context.run());
      environment.put("THORBIS_STEP", task.id());
      environment.put("THORBIS_KEY", context.key());
      environment.put("THORBIS_FENCE", Long.toString(context.fence()));
      Process process = builder.redirectErrorStream(true).start();
      try {
        process.getOutputStream().close();
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        byte[] part = new byte[4096];
        InputStream out = process.getInputStream();
        while (true) {
          // A read of a pipe is not interrupted: looks whether there is something first.
          if (out.available() > 0) {
            int length = out.read(part);
            if (said.size() < MOST_OUTPUT) {
              said.write(part, 0, Math.max(length, 0));
            }
          } else if (process.waitFor(20, TimeUnit.MILLISECONDS)) {
            break;
          }
        }
        while (out.available() > 0 && said.size() < MOST_OUTPUT) {
          said.write(part, 0, Math.max(out.read(part), 0));
        }
        String text = said.toString(StandardCharsets.UTF_8).strip();
        return new Ended(
            process.exitValue(),
            text.length() <= MOST_SHOWN ? text : "…" + text.substring(text.length() - MOST_SHOWN));
      } finally {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
      }
    }

    @Override
    public String intent() {
      return "run " + String.join(" ", command);
    }
  }
}
