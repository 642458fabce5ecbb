package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.SecretException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import javax.net.ssl.SSLHandshakeException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks one service. Repeats what may succeed later: any read, and a write that the service says it
 * did not carry out. What a service answers in words is not passed on, as it may repeat what it was
 * sent. Used by one thread.
 */
final class Calls implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Calls.class);
  private static final int MOST_ANSWER_BYTES = 32 << 20;
  private static final long FIRST_PAUSE_MILLIS = 200;
  private static final long LONGEST_BACKOFF_MILLIS = 8_000;

  private final Connection connection;
  private final SecretValue token;
  private final String base;
  private final String credentialHeader;
  private final String credentialPrefix;
  private final Map<String, String> headers;
  private boolean closed;

  /** The services of one connection under an address, as {@code Authorization: Bearer}. */
  Calls(Connection connection, String otherwise, Map<String, String> headers) {
    this(connection, otherwise, "Authorization", "Bearer ", headers);
  }

  Calls(
      Connection connection,
      String otherwise,
      String credentialHeader,
      String credentialPrefix,
      Map<String, String> headers) {
    this.connection = connection;
    this.token = connection.copyOfToken();
    this.base = connection.endpoint(otherwise).toString().replaceFirst("/+$", "");
    this.credentialHeader = credentialHeader;
    this.credentialPrefix = credentialPrefix;
    this.headers = new LinkedHashMap<>(headers);
  }

  /** What a service answered. Closing it erases the body. */
  record Reply(int status, byte[] body) implements AutoCloseable {
    @Override
    public void close() {
      Arrays.fill(body, (byte) 0);
    }

    /** Says only how it ended. */
    @Override
    public String toString() {
      return "Reply[" + status + "]";
    }
  }

  /** The address of the service, without secrets. */
  String base() {
    return base;
  }

  /** One segment of a path, or a value of a query. */
  static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  /**
   * Reads.
   *
   * @param action what messages call it
   * @param path from the address on, encoded
   * @param expected statuses that are answers too, besides 200
   */
  Reply get(String action, String path, Integer... expected) throws IOException {
    return call("GET", action, path, null, Map.of(), Set.of(expected));
  }

  /** Reads, with headers of its own. */
  Reply get(String action, String path, Map<String, String> more, Integer... expected)
      throws IOException {
    return call("GET", action, path, null, more, Set.of(expected));
  }

  /** Writes JSON; the body is erased. */
  Reply write(String method, String action, String path, JsonBody body, Integer... expected)
      throws IOException {
    return write(method, action, path, body, Map.of(), expected);
  }

  Reply write(
      String method,
      String action,
      String path,
      JsonBody body,
      Map<String, String> more,
      Integer... expected)
      throws IOException {
    byte[] bytes = body.bytes();
    try {
      return call(method, action, path, bytes, more, Set.of(expected));
    } finally {
      Arrays.fill(bytes, (byte) 0);
      body.close();
    }
  }

  /** Forgets the credential. */
  @Override
  public void close() {
    closed = true;
    token.close();
  }

  private Reply call(
      String method,
      String action,
      String path,
      byte @Nullable [] body,
      Map<String, String> more,
      Set<Integer> expected)
      throws IOException {
    if (closed) {
      throw new IllegalStateException("It was closed");
    }
    boolean write = body != null;
    for (int attempt = 1; ; attempt++) {
      String problem;
      Optional<Duration> asked = Optional.empty();
      try {
        HttpResponse<byte[]> answer = once(method, path, body, more);
        Reply reply = new Reply(answer.statusCode(), answer.body());
        int status = reply.status();
        if (status / 100 == 2 || expected.contains(status)) {
          return reply;
        }
        reply.close();
        problem = "the service answered " + status;
        asked = pauseAsked(answer);
        // A 503 may come from something in between, after the service has done it.
        if (!isThrottled(answer) && (write || !isTrouble(status))) {
          throw refusal(action, status, write);
        }
      } catch (NotSentException e) {
        problem = e.problem;
      } catch (BrokenException e) {
        if (write) {
          throw unknown(action, e.problem);
        }
        problem = e.problem;
      } catch (InterruptedException e) {
        throw interrupted(action, write);
      }
      pause(action, problem, attempt, asked);
    }
  }

  private static SecretException interrupted(String action, boolean write) {
    Thread.currentThread().interrupt();
    return write
        ? unknown(action, "interrupted while waiting for the answer")
        : new SecretException(
            "cancelled", FailureKind.CANCELLED, action + ": interrupted", action, "", null);
  }

  private HttpResponse<byte[]> once(
      String method, String path, byte @Nullable [] body, Map<String, String> more)
      throws NotSentException, BrokenException, InterruptedException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(base + path)).timeout(connection.timeout());
    headers.forEach(request::setHeader);
    if (body == null) {
      request.method(method, BodyPublishers.noBody());
    } else {
      request.setHeader("Content-Type", "application/json");
      request.method(method, BodyPublishers.ofByteArray(body));
    }
    more.forEach(request::setHeader);
    String credential = token.useBytes(bytes -> new String(bytes, StandardCharsets.US_ASCII));
    request.setHeader(credentialHeader, credentialPrefix + credential);
    HttpClient client = connection.client();
    CompletableFuture<HttpResponse<byte[]>> answer =
        client.sendAsync(request.build(), head -> new BoundedBody(MOST_ANSWER_BYTES));
    try {
      // The request's own limit ends with the first byte of the answer.
      return answer.get(connection.timeout().toMillis() + 500, TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      if (cause instanceof ConnectException
          || cause instanceof HttpConnectTimeoutException
          || cause instanceof SSLHandshakeException) {
        throw new NotSentException("could not connect: " + name(cause));
      }
      throw new BrokenException("no whole answer: " + name(cause));
    } catch (TimeoutException e) {
      answer.cancel(true);
      throw new BrokenException("no whole answer within " + connection.timeout());
    } catch (InterruptedException e) {
      answer.cancel(true);
      throw e;
    }
  }

  /** The message of a failed request could quote it. */
  private static String name(@Nullable Throwable cause) {
    return cause == null ? "unknown" : cause.getClass().getSimpleName();
  }

  private static boolean isTrouble(int status) {
    return status == 412 || status / 100 == 5 && status != 501;
  }

  /** GitHub says "too often" with 403, too. */
  private static boolean isThrottled(HttpResponse<?> answer) {
    return answer.statusCode() == 429
        || answer.statusCode() == 403
            && (answer.headers().firstValue("Retry-After").isPresent()
                || answer
                    .headers()
                    .firstValue("x-ratelimit-remaining")
                    .filter("0"::equals)
                    .isPresent());
  }

  private Optional<Duration> pauseAsked(HttpResponse<?> answer) {
    Optional<Duration> after = answer.headers().firstValue("Retry-After").flatMap(this::pauseOf);
    if (after.isPresent() || !isThrottled(answer)) {
      return after;
    }
    return answer
        .headers()
        .firstValue("x-ratelimit-reset")
        .filter(text -> text.matches("[0-9]{1,12}"))
        .map(
            seconds ->
                Duration.between(
                    connection.clock().instant(), Instant.ofEpochSecond(Long.parseLong(seconds))));
  }

  private Optional<Duration> pauseOf(String text) {
    if (text.strip().matches("[0-9]{1,9}")) {
      return Optional.of(Duration.ofSeconds(Long.parseLong(text.strip())));
    }
    try {
      return Optional.of(
          Duration.between(
              connection.clock().instant(),
              ZonedDateTime.parse(text.strip(), DateTimeFormatter.RFC_1123_DATE_TIME)));
    } catch (DateTimeException e) {
      return Optional.empty();
    }
  }

  private void pause(String action, String problem, int attempt, Optional<Duration> asked)
      throws SecretException {
    if (attempt >= connection.attempts()) {
      throw unavailable(action, problem + ", " + attempt + " times", "Try again later.");
    }
    long backoff = Math.min(LONGEST_BACKOFF_MILLIS, FIRST_PAUSE_MILLIS << Math.min(attempt, 10));
    Duration pause =
        asked
            .map(wanted -> wanted.isNegative() ? Duration.ZERO : wanted)
            .orElseGet(
                () ->
                    Duration.ofMillis(
                        ThreadLocalRandom.current().nextLong(backoff / 2, backoff + 1)));
    if (pause.compareTo(connection.longestPause()) > 0) {
      throw unavailable(
          action,
          problem + " and wants to be left alone for " + pause.toSeconds() + " s",
          "Try again after that.");
    }
    LOG.debug("{}: {}; again in {}", action, problem, pause);
    try {
      connection.pauses().pause(pause);
    } catch (InterruptedException e) {
      throw interrupted(action, false);
    }
  }

  private static SecretException unavailable(String action, String problem, String remedy) {
    return new SecretException(
        SecretException.UNAVAILABLE,
        FailureKind.TRANSIENT,
        action + ": " + problem,
        action,
        remedy,
        null);
  }

  private static SecretException unknown(String action, String problem) {
    return new SecretException(
        SecretException.OUTCOME_UNKNOWN,
        FailureKind.OUTCOME_UNKNOWN,
        action + ": the service did not say whether it was done: " + problem,
        action,
        "Look at what stands there now before writing it again.",
        null);
  }

  /** What a status means that was answered to a call, and is no answer to it. */
  static SecretException refusal(String action, int status, boolean write) {
    String said = action + ": the service answered " + status;
    Function<String, SecretException> unexpected =
        remedy ->
            new SecretException(
                SecretException.UNEXPECTED, FailureKind.PERMANENT, said, action, remedy, null);
    return switch (status) {
      case 401 ->
          new SecretException(
              SecretException.UNAUTHORIZED,
              FailureKind.PERMANENT,
              said + ": the token is not accepted",
              action,
              "Give a token that is valid; nothing was looked at.",
              null);
      case 403 ->
          new SecretException(
              SecretException.FORBIDDEN,
              FailureKind.PERMANENT,
              said + ": the token may not do this",
              action,
              "Allow it to; nothing was looked at.",
              null);
      case 404 ->
          new SecretException(
              SecretException.NO_SUCH_PLACE,
              FailureKind.PERMANENT,
              said + ": there is no such place, or it is hidden from this token",
              action,
              "Correct the name, or let the token see it; nothing was looked at.",
              null);
      case 301, 302, 303, 307, 308 ->
          unexpected.apply(
              "It sends to another address, where the token does not follow: write the present"
                  + " name or address.");
      default -> {
        if (status / 100 == 5 && write) {
          yield unknown(action, "it answered " + status);
        }
        yield write
            ? new SecretException(
                SecretException.REFUSED,
                FailureKind.PERMANENT,
                said + ": it does not take this",
                action,
                "Nothing was written. Look at the name, the length and the kind of the secret.",
                null)
            : unexpected.apply("Check the address and the names.");
      }
    };
  }

  /** Nothing reached the service. */
  private static final class NotSentException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String problem;

    NotSentException(String problem) {
      super(problem);
      this.problem = problem;
    }
  }

  /** The answer did not arrive whole. */
  private static final class BrokenException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String problem;

    BrokenException(String problem) {
      super(problem);
      this.problem = problem;
    }
  }
}
