package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Shows a secret to a service in a header. What the service says in words is not read. */
final class HttpProbe implements SecretProbe {
  private static final Pattern HEADER =
      Pattern.compile("([A-Za-z0-9-]+): *([\\x20-\\x7e]*)\\{\\}([\\x20-\\x7e]*)");

  private final URI address;
  private final String name;
  private final String before;
  private final String after;
  private final Duration deadline;

  HttpProbe(URI address, String header, Duration deadline) {
    this.address = Endpoints.parse("url", address.toString());
    Matcher form = HEADER.matcher(header);
    if (!form.matches()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              "header: \"" + header + "\" says not where the secret goes")
          .remedy("Write a name, a colon and a value with {} in it: Authorization: Bearer {}")
          .build();
    }
    this.name = form.group(1);
    this.before = form.group(2);
    this.after = form.group(3);
    this.deadline = deadline;
  }

  @Override
  public Optional<String> refusal(SecretValue value) throws IOException {
    if (!value.useBytes(HttpProbe::fitsHeader)) {
      return Optional.of("no header can hold it: it is empty, or not of visible ASCII");
    }
    int status = status(value);
    if (status / 100 == 2) {
      return Optional.empty();
    }
    if (status == 401 || status == 403) {
      return Optional.of(address.getHost() + " does not accept it: it answered " + status);
    }
    throw new IOException(address.getHost() + " answered " + status);
  }

  private int status(SecretValue value) throws IOException {
    HttpClient client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(deadline)
            .build();
    String text = value.useBytes(bytes -> new String(bytes, StandardCharsets.US_ASCII));
    CompletableFuture<HttpResponse<Void>> answer =
        client.sendAsync(
            HttpRequest.newBuilder(address)
                .timeout(deadline)
                .setHeader(name, before + text + after)
                .build(),
            HttpResponse.BodyHandlers.discarding());
    try {
      // The request's own limit ends with the first byte of the answer.
      return answer.get(deadline.toMillis(), TimeUnit.MILLISECONDS).statusCode();
    } catch (ExecutionException e) {
      Throwable cause = e.getCause(); // whose message could quote the request
      throw new IOException(
          "no answer from "
              + address.getHost()
              + ": "
              + (cause == null ? "unknown" : cause.getClass().getSimpleName()));
    } catch (TimeoutException e) {
      answer.cancel(true);
      throw new IOException("no answer from " + address.getHost() + " within " + deadline);
    } catch (InterruptedException e) {
      answer.cancel(true);
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while " + address.getHost() + " was asked");
    }
  }

  private static boolean fitsHeader(byte[] bytes) {
    for (byte one : bytes) {
      if (one < ' ' || one > '~') {
        return false;
      }
    }
    return bytes.length > 0;
  }
}
