package com.thorbis.backup.host;

import java.net.http.HttpClient;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ApplicationContextInitializer;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.support.GenericApplicationContext;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.http.MediaType;
import org.springframework.http.client.JdkClientHttpRequestFactory;
import org.springframework.web.client.RestClient;

/** The service as a client sees it, and where it runs in this process, its context. */
record RunningHost(ConfigurableApplicationContext context, RestClient http)
    implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  static RunningHost start(
      String profile,
      List<String> arguments,
      ApplicationContextInitializer<GenericApplicationContext> beans) {
    ConfigurableApplicationContext context =
        new SpringApplicationBuilder(HostApplication.class)
            .profiles(profile)
            .initializers(beans)
            .registerShutdownHook(false)
            .run(arguments.toArray(String[]::new));
    String port = context.getEnvironment().getRequiredProperty("local.server.port");
    return new RunningHost(context, client(Integer.parseInt(port)));
  }

  static RestClient client(int port) {
    JdkClientHttpRequestFactory requests =
        new JdkClientHttpRequestFactory(HttpClient.newHttpClient());
    requests.setReadTimeout(PATIENCE);
    return RestClient.builder()
        .baseUrl("http://127.0.0.1:" + port)
        .requestFactory(requests)
        .build();
  }

  <T> T bean(Class<T> type) {
    return context.getBean(type);
  }

  /** The answer, also where it says that something is down. */
  static Map<String, Object> get(RestClient http, String path) {
    return http.get()
        .uri(path)
        .exchange(
            (request, answer) ->
                answer.bodyTo(new ParameterizedTypeReference<Map<String, Object>>() {}));
  }

  Map<String, Object> get(String path) {
    return get(http, path);
  }

  Map<String, Object> post(String path, Map<String, ?> body) {
    return http.post()
        .uri(path)
        .contentType(MediaType.APPLICATION_JSON)
        .body(body)
        .retrieve()
        .body(new ParameterizedTypeReference<Map<String, Object>>() {});
  }

  Map<String, Object> health() {
    return get("/actuator/health/backup");
  }

  @SuppressWarnings("unchecked")
  Map<String, Object> healthDetails() {
    return (Map<String, Object>) health().get("details");
  }

  /** Not a number, too, where there is no such figure yet. */
  @SuppressWarnings("unchecked")
  double metric(String name) {
    Map<String, Object> found = get("/actuator/metrics/" + name);
    if (found == null || !found.containsKey("measurements")) {
      return Double.NaN;
    }
    List<Map<String, Object>> measured = (List<Map<String, Object>>) found.get("measurements");
    return Double.parseDouble(String.valueOf(measured.get(0).get("value"))); // NaN is a text
  }

  static void await(String what, BooleanSupplier holds) {
    long until = System.nanoTime() + PATIENCE.toNanos();
    while (!holds.getAsBoolean()) {
      if (System.nanoTime() > until) {
        throw new AssertionError("Did not come: " + what);
      }
      LockSupport.parkNanos(Duration.ofMillis(20).toNanos());
    }
  }

  @Override
  public void close() {
    context.close();
  }
}
