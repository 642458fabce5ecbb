package com.thorbis.backup.dr.failover;

import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.spi.SecretValue;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/**
 * Patroni, through the REST API of its members: the first one that answers. What is asked for is
 * looked at afterwards, since an answer may get lost and Patroni may choose another than it was
 * told.
 */
public final class PatroniManager implements HaManager {
  private static final int MOST_ANSWER = 4 << 20;
  private static final int MOST_SHOWN = 300;
  private static final Duration CONNECT = Duration.ofSeconds(5);
  private static final Duration LOOK = Duration.ofSeconds(10);

  private final List<URI> members;
  private final @Nullable String user;
  private final @Nullable Supplier<SecretValue> password;
  private final Duration patience;
  private final HttpClient client;

  private PatroniManager(Builder builder) {
    this.members = List.copyOf(builder.members);
    this.user = builder.user;
    this.password = builder.password;
    this.patience = builder.patience;
    HttpClient.Builder http =
        HttpClient.newBuilder().connectTimeout(CONNECT).version(HttpClient.Version.HTTP_1_1);
    if (builder.tls != null) {
      http.sslContext(builder.tls);
    }
    this.client = http.build();
    if (members.isEmpty()) {
      throw new IllegalArgumentException("Needs the address of a member's REST API");
    }
    for (URI member : members) {
      boolean plain = "http".equals(member.getScheme());
      if (member.getHost() == null
          || member.getUserInfo() != null
          || !plain && !"https".equals(member.getScheme())) {
        throw new IllegalArgumentException("Not http(s)://HOST:PORT without a password");
      }
      if (plain && user != null && !isLoopback(member.getHost())) {
        throw new IllegalArgumentException(
            member + " would carry the password in the clear: use https");
      }
    }
  }

  private static boolean isLoopback(String host) {
    return host.equals("localhost") || host.equals("127.0.0.1") || host.equals("[::1]");
  }

  /** Starts with no member. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public String describe() {
    return "Patroni at " + members.get(0) + (members.size() > 1 ? " and others" : "");
  }

  @Override
  public Status status() throws IOException, InterruptedException {
    Answer answer = call("GET", "/cluster", null, LOOK);
    if (answer.status() != 200) {
      throw HaException.unavailable(describe(), "answers " + answer, null);
    }
    Map<?, ?> cluster = object(answer.body());
    List<Member> found = new ArrayList<>();
    String leader = null;
    if (!(cluster.get("members") instanceof List<?> listed)) {
      throw HaException.unavailable(describe(), "lists no members", null);
    }
    for (Object each : listed) {
      if (!(each instanceof Map<?, ?> fields)) {
        throw HaException.unavailable(describe(), "lists what is no member", null);
      }
      Member member =
          new Member(
              String.valueOf(fields.get("name")),
              fields.get("lag") instanceof Number number
                  ? Optional.of(number.longValue())
                  : Optional.empty());
      found.add(member);
      if ("leader".equals(fields.get("role")) || "master".equals(fields.get("role"))) {
        leader = member.name();
      }
    }
    return new Status(
        Optional.ofNullable(leader), found, Boolean.TRUE.equals(cluster.get("pause")));
  }

  @Override
  public void switchover(String from, String to) throws IOException, InterruptedException {
    change("/switchover", Map.of("leader", from, "candidate", to), to);
  }

  @Override
  public void failover(String to) throws IOException, InterruptedException {
    change("/failover", Map.of("candidate", to), to);
  }

  private void change(String path, Map<String, String> wish, String to)
      throws IOException, InterruptedException {
    Answer answer = call("POST", path, CanonicalJson.encode(wish), patience);
    switch (answer.status()) {
      case 200 -> {
        Optional<String> leader = status().leader();
        if (!leader.equals(Optional.of(to))) {
          throw HaException.outcomeUnknown(
              describe(),
              "says \"" + answer + "\", and the leader is " + leader.orElse("nobody"),
              null);
        }
      }
      case 400, 401, 403, 404, 405, 412 ->
          throw HaException.refused(describe(), "answers " + answer);
      default -> throw HaException.outcomeUnknown(describe(), "answers " + answer, null);
    }
  }

  private record Answer(int status, String body) {
    @Override
    public String toString() {
      String text = body.strip();
      return status
          + " "
          + (text.length() <= MOST_SHOWN ? text : text.substring(0, MOST_SHOWN) + "…");
    }
  }

  /** Goes on to the next member only while it is certain that the one before has heard nothing. */
  private Answer call(String method, String path, byte @Nullable [] body, Duration within)
      throws IOException, InterruptedException {
    IOException last = null;
    for (URI member : members) {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(member.resolve(path))
              .timeout(within)
              .method(
                  method,
                  body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
      if (body != null) {
        request.header("Content-Type", "application/json");
        authorize(request);
      }
      try {
        HttpResponse<InputStream> response =
            client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        try (InputStream in = response.body()) {
          // The time of the request ends with the head of the answer.
          CompletableFuture<Void> end =
              CompletableFuture.runAsync(
                  () -> close(in),
                  CompletableFuture.delayedExecutor(within.toMillis(), TimeUnit.MILLISECONDS));
          try {
            byte[] content = in.readNBytes(MOST_ANSWER);
            return new Answer(response.statusCode(), new String(content, StandardCharsets.UTF_8));
          } finally {
            boolean unused = end.cancel(false);
          }
        }
      } catch (ConnectException | HttpConnectTimeoutException e) {
        last = e;
      } catch (IOException e) {
        if (body != null) {
          throw HaException.outcomeUnknown(describe(), member + " did not answer", e);
        }
        last = e;
      }
    }
    throw HaException.unavailable(
        describe(), "no member answers: " + (last == null ? "" : last.getMessage()), last);
  }

  private static void close(InputStream in) {
    try {
      in.close();
    } catch (IOException e) {
      // Whoever reads it learns that.
    }
  }

  private void authorize(HttpRequest.Builder request) {
    if (user == null || password == null) {
      return;
    }
    String name = user;
    try (SecretValue secret = password.get()) {
      request.header(
          "Authorization",
          secret.useBytes(
              bytes -> {
                ByteArrayOutputStream pair = new ByteArrayOutputStream();
                pair.writeBytes((name + ":").getBytes(StandardCharsets.UTF_8));
                pair.writeBytes(bytes);
                return "Basic " + Base64.getEncoder().encodeToString(pair.toByteArray());
              }));
    }
  }

  private Map<?, ?> object(String json) throws HaException {
    try {
      // JSON is a part of YAML 1.2.
      Object value = new Load(LoadSettings.builder().build()).loadFromString(json);
      if (value instanceof Map<?, ?> fields) {
        return fields;
      }
    } catch (YamlEngineException e) {
      throw HaException.unavailable(describe(), "answers with what is no JSON", e);
    }
    throw HaException.unavailable(describe(), "answers with what is no JSON object", null);
  }

  /** Collects what is needed to reach it. */
  public static final class Builder {
    private final List<URI> members = new ArrayList<>();
    private @Nullable String user;
    private @Nullable Supplier<SecretValue> password;
    private @Nullable SSLContext tls;
    private Duration patience = Duration.ofSeconds(90);

    private Builder() {}

    /** One more member's REST API, such as {@code https://db1:8008}. */
    public Builder member(URI address) {
      members.add(address);
      return this;
    }

    /**
     * How it knows us.
     *
     * @param secret asked for each request, which closes it
     */
    public Builder login(String name, Supplier<SecretValue> secret) {
      this.user = name;
      this.password = secret;
      return this;
    }

    /** What certificates of members are checked by; the JDK's else. */
    public Builder tls(SSLContext context) {
      this.tls = context;
      return this;
    }

    /** How long a change of the primary may take; it waits for the end of it. */
    public Builder patience(Duration span) {
      this.patience = span;
      return this;
    }

    /** The manager. */
    public PatroniManager build() {
      return new PatroniManager(this);
    }
  }
}
