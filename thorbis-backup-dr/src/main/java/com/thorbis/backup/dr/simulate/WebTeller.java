package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.simulate.Attempt.Outcome;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.sql.SQLException;
import java.time.Duration;

/** Books through the application, as a browser would. */
final class WebTeller implements Probe.Teller {
  private static final int DONE = 200;
  private static final int FAILED = 500;

  /** HAProxy says so of what it could hand to nobody. */
  private static final int NOBODY = 503;

  private static final int STATE = 5;

  private final URI url;
  private final Duration patience;
  private final HttpClient client;

  WebTeller(URI url, Duration patience) {
    this.url = url;
    this.patience = patience;
    this.client = HttpClient.newBuilder().connectTimeout(patience).build();
  }

  @Override
  public Probe.Told book(int account, long number) throws InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(url.resolve("/bookings?" + account + "-" + number))
            .timeout(patience)
            .POST(HttpRequest.BodyPublishers.noBody())
            .build();
    try {
      HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
      return told(answer.statusCode(), answer.body());
    } catch (ConnectException | HttpConnectTimeoutException e) {
      return new Probe.Told(Outcome.REFUSED, "does not answer"); // it was never sent
    } catch (IOException e) {
      return new Probe.Told(Outcome.UNKNOWN, e.getClass().getSimpleName());
    }
  }

  /** What the application says of an error of the database is what the database said. */
  static Probe.Told told(int status, String body) {
    return switch (status) {
      case DONE -> new Probe.Told(Outcome.ACKNOWLEDGED, "");
      case NOBODY -> new Probe.Told(Outcome.REFUSED, "answered " + status);
      case FAILED ->
          new Probe.Told(
              Probe.outcome(
                  new SQLException("", body.substring(0, Math.min(STATE, body.length())))),
              body);
      default -> new Probe.Told(Outcome.UNKNOWN, "answered " + status);
    };
  }

  @Override
  public void close() {
    // A client of HTTP ends with the last request.
  }
}
