package com.thorbis.backup.dr.drill;

import com.thorbis.backup.dr.drill.DrillCheck.Category;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Whether the endpoints of applications answer, all of them. Redirects are not followed. */
public final class EndpointProbe {
  /** The name of the check. */
  public static final String NAME = "application-availability";

  /** What is asked where nobody says otherwise. */
  public static final List<String> STANDARD =
      List.of(
          "/api/health",
          "/api/hs/health",
          "/api/rest/health",
          "/api/auto/health",
          "/api/ret/health");

  /** How long each may take until its answer is whole, where nobody says otherwise. */
  public static final Duration TIMEOUT = Duration.ofSeconds(10);

  private final URI base;
  private final List<String> paths;
  private final Duration timeout;

  private EndpointProbe(URI base, List<String> paths, Duration timeout) {
    this.base = base;
    this.paths = paths;
    this.timeout = timeout;
  }

  /**
   * Asks a host.
   *
   * @param base {@code http(s)://HOST}, with a port or without
   * @param paths each from {@code /} on
   * @throws IllegalArgumentException if one of them is something else
   */
  public static EndpointProbe of(URI base, List<String> paths, Duration timeout) {
    if (base.getHost() == null
        || base.getUserInfo() != null
        || !"http".equals(base.getScheme()) && !"https".equals(base.getScheme())) {
      throw new IllegalArgumentException("Not http(s)://HOST without a password");
    }
    if (paths.isEmpty()) {
      throw new IllegalArgumentException("No endpoint is named");
    }
    for (String path : paths) {
      if (!path.startsWith("/") || path.startsWith("//")) {
        throw new IllegalArgumentException(
            "\"" + path + "\" is no path of this host: it does not begin with one /");
      }
      URI unused = base.resolve(path);
    }
    return new EndpointProbe(base, List.copyOf(paths), timeout);
  }

  /**
   * What came of one.
   *
   * @param endpoint its path
   * @param available whether it answered with a status from 200 to 299 in time
   * @param millis how long it took, as it was measured here
   * @param status what it answered
   * @param claimed what it says itself of how long it took, in {@code x-response-time}
   * @param problem why it is not available; may be empty
   */
  public record Answer(
      String endpoint,
      boolean available,
      long millis,
      OptionalInt status,
      Optional<String> claimed,
      String problem) {}

  /** Asks all of them at the same time; the answers are in the order of the paths. */
  public List<Answer> ask() throws InterruptedException {
    HttpClient client =
        HttpClient.newBuilder()
            .connectTimeout(timeout)
            .followRedirects(HttpClient.Redirect.NEVER)
            .build();
    List<CompletableFuture<Answer>> asked = new ArrayList<>();
    for (String path : paths) {
      asked.add(ask(client, path));
    }
    List<Answer> answers = new ArrayList<>();
    for (CompletableFuture<Answer> one : asked) {
      try {
        answers.add(one.get());
      } catch (ExecutionException e) {
        throw new IllegalStateException(e); // failures are answers
      }
    }
    return answers;
  }

  private CompletableFuture<Answer> ask(HttpClient client, String path) {
    long begun = System.nanoTime();
    CompletableFuture<HttpResponse<Void>> sent =
        client.sendAsync(
            HttpRequest.newBuilder(base.resolve(path)).GET().build(),
            HttpResponse.BodyHandlers.discarding());
    return sent.copy()
        .orTimeout(timeout.toMillis(), TimeUnit.MILLISECONDS)
        .handle(
            (answer, failure) -> {
              if (failure != null) {
                boolean unused = sent.cancel(true);
              }
              return answer(path, (System.nanoTime() - begun) / 1_000_000, answer, failure);
            });
  }

  private Answer answer(
      String path, long millis, @Nullable HttpResponse<Void> answer, @Nullable Throwable failure) {
    if (answer == null) {
      return new Answer(
          path, false, millis, OptionalInt.empty(), Optional.empty(), problem(failure));
    }
    int status = answer.statusCode();
    boolean available = status >= 200 && status < 300;
    return new Answer(
        path,
        available,
        millis,
        OptionalInt.of(status),
        answer
            .headers()
            .firstValue("x-response-time")
            .filter(text -> text.matches("[\\x20-\\x7E]{1,40}")),
        available ? "" : "answers " + status);
  }

  private String problem(@Nullable Throwable failure) {
    Throwable cause =
        failure instanceof CompletionException && failure.getCause() != null
            ? failure.getCause()
            : failure;
    if (cause instanceof TimeoutException || cause instanceof HttpTimeoutException) {
      return "has not answered within " + timeout.toMillis() + " ms";
    }
    return "does not answer" + (cause == null ? "" : ": " + cause.getClass().getSimpleName());
  }

  /** Passes only if every one is available. */
  public DrillCheck check() throws InterruptedException {
    List<Answer> answers = ask();
    long available = answers.stream().filter(Answer::available).count();
    return new DrillCheck(
        NAME,
        Category.AVAILABILITY,
        true,
        available == answers.size() ? Outcome.PASSED : Outcome.FAILED,
        available
            + "/"
            + answers.size()
            + " endpoints available"
            + answers.stream()
                .filter(answer -> !answer.available())
                .map(answer -> "; " + answer.endpoint() + " " + answer.problem())
                .collect(Collectors.joining()),
        answers.stream().mapToLong(Answer::millis).max().orElse(0));
  }
}
