package com.thorbis.backup.crypto.gcp;

import com.google.auth.Credentials;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;

/** Calls of the service: each may be made again, so one whose answer is lost is. */
final class Calls {
  private static final int MOST_ANSWER_BYTES = 1 << 20;
  private static final long FIRST_PAUSE_MILLIS = 100;
  private static final long LONGEST_PAUSE_MILLIS = 8_000;

  private final HttpClient client;
  private final Login login;
  private final URI endpoint;
  private final Duration timeout;
  private final int attempts;
  private final Failures failures;

  Calls(
      HttpClient client,
      Login login,
      URI endpoint,
      Duration timeout,
      int attempts,
      Failures failures) {
    this.client = client;
    this.login = login;
    this.endpoint = endpoint;
    this.timeout = timeout;
    this.attempts = attempts;
    this.failures = failures;
  }

  /** As whom to call. */
  interface Login {
    Credentials credentials() throws IOException;
  }

  <T> T post(String path, String action, Message request, Function<JsonObject, T> read)
      throws IOException {
    byte[] body = request.finish();
    try {
      return call(
          to(path)
              .header("Content-Type", "application/json")
              .POST(BodyPublishers.ofByteArray(body)),
          action,
          read);
    } finally {
      Arrays.fill(body, (byte) 0);
    }
  }

  JsonObject get(String path, String action) throws IOException {
    return call(to(path).GET(), action, answer -> answer);
  }

  private HttpRequest.Builder to(String path) {
    String base = endpoint.toString().replaceFirst("/+$", "");
    return HttpRequest.newBuilder(URI.create(base + "/v1/" + path)).timeout(timeout);
  }

  private <T> T call(HttpRequest.Builder request, String action, Function<JsonObject, T> read)
      throws IOException {
    for (int attempt = 1; ; attempt++) {
      try {
        return once(request, action, read);
      } catch (Failures.LaterException e) {
        if (attempt >= attempts) {
          throw failures.unreachable(action, e);
        }
      } catch (InterruptedException e) {
        throw failures.interrupted(action, e);
      }
      pause(attempt, action);
    }
  }

  private <T> T once(HttpRequest.Builder request, String action, Function<JsonObject, T> read)
      throws IOException, InterruptedException, Failures.LaterException {
    Map<String, List<String>> headers;
    try {
      headers = login.credentials().getRequestMetadata(endpoint);
    } catch (IOException e) {
      throw failures.ofLogin(action, e);
    }
    headers.forEach((name, values) -> request.setHeader(name, values.get(0)));
    int status;
    byte[] body;
    try {
      HttpResponse<InputStream> response =
          client.send(request.build(), BodyHandlers.ofInputStream());
      status = response.statusCode();
      try (InputStream in = response.body()) {
        body = in.readNBytes(MOST_ANSWER_BYTES);
      }
    } catch (IOException e) {
      throw new Failures.LaterException(e);
    }
    try {
      JsonObject answer =
          JsonParser.parseString(new String(body, StandardCharsets.UTF_8)).getAsJsonObject();
      if (status != 200) {
        throw failures.ofAnswer(action, status, answer);
      }
      return read.apply(answer);
    } catch (JsonParseException | IllegalStateException e) {
      throw failures.ofAnswer(action, status, new JsonObject());
    } catch (Message.GarbledException e) {
      throw new Failures.LaterException(e);
    } finally {
      Arrays.fill(body, (byte) 0);
    }
  }

  private void pause(int attempt, String action) throws IOException {
    long longest = Math.min(LONGEST_PAUSE_MILLIS, FIRST_PAUSE_MILLIS << Math.min(attempt, 10));
    try {
      Thread.sleep(ThreadLocalRandom.current().nextLong(longest / 2, longest + 1));
    } catch (InterruptedException e) {
      throw failures.interrupted(action, e);
    }
  }
}
