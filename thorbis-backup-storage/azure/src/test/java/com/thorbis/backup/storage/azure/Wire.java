package com.thorbis.backup.storage.azure;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.azure.core.http.HttpClient;
import com.azure.core.http.HttpHeaderName;
import com.azure.core.http.HttpHeaders;
import com.azure.core.http.HttpRequest;
import com.azure.core.http.HttpResponse;
import com.azure.core.util.Context;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** What carries the client's requests: notes them, answers itself, or fails on the way. */
final class Wire implements HttpClient {
  private final HttpClient behind;
  private final List<HttpRequest> requests = Collections.synchronizedList(new ArrayList<>());
  private volatile Script script = (request, next) -> next.sendSync(request, Context.NONE);

  /** What happens to a request. */
  @FunctionalInterface
  interface Script {
    HttpResponse answer(HttpRequest request, HttpClient next) throws IOException;
  }

  Wire(HttpClient behind) {
    this.behind = behind;
  }

  /** One that nobody listens to behind its script. */
  static Wire alone(Script script) {
    Wire wire = new Wire(request -> Mono.error(new IOException("nobody listens")));
    wire.script(script);
    return wire;
  }

  void script(Script next) {
    script = next;
    requests.clear();
  }

  /** From now on nothing happens on the way. */
  void heal() {
    script((request, next) -> next.sendSync(request, Context.NONE));
  }

  List<HttpRequest> requests() {
    return List.copyOf(requests);
  }

  static boolean isWrite(HttpRequest request) {
    String query = String.valueOf(request.getUrl().getQuery());
    return request.getHttpMethod().name().equals("PUT") && !query.contains("comp=block&");
  }

  @Override
  public Mono<HttpResponse> send(HttpRequest request) {
    return Mono.fromCallable(() -> answer(request));
  }

  @Override
  public HttpResponse sendSync(HttpRequest request, Context context) {
    try {
      return answer(request);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private HttpResponse answer(HttpRequest request) throws IOException {
    requests.add(request);
    return script.answer(request, behind);
  }

  /** An answer without the server. */
  static HttpResponse say(
      HttpRequest request, int status, String body, Map<String, String> headers) {
    return new Said(request, status, body.getBytes(UTF_8), headers);
  }

  /** An answer that says why not. */
  static HttpResponse refuse(HttpRequest request, int status, String code) {
    return say(
        request,
        status,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>" + code + "</Code></Error>",
        Map.of("x-ms-error-code", code, "Content-Type", "application/xml"));
  }

  private static final class Said extends HttpResponse {
    private final int status;
    private final byte[] body;
    private final HttpHeaders headers = new HttpHeaders();

    Said(HttpRequest request, int status, byte[] body, Map<String, String> given) {
      super(request);
      this.status = status;
      this.body = body;
      given.forEach((name, value) -> headers.set(HttpHeaderName.fromString(name), value));
      headers.set(HttpHeaderName.CONTENT_LENGTH, String.valueOf(body.length));
    }

    @Override
    public int getStatusCode() {
      return status;
    }

    @Override
    @Deprecated
    public String getHeaderValue(String name) {
      return headers.getValue(HttpHeaderName.fromString(name));
    }

    @Override
    public String getHeaderValue(HttpHeaderName name) {
      return headers.getValue(name);
    }

    @Override
    public HttpHeaders getHeaders() {
      return headers;
    }

    @Override
    public Flux<ByteBuffer> getBody() {
      return Flux.just(ByteBuffer.wrap(body));
    }

    @Override
    public Mono<byte[]> getBodyAsByteArray() {
      return Mono.just(body);
    }

    @Override
    public Mono<String> getBodyAsString() {
      return Mono.just(new String(body, UTF_8));
    }

    @Override
    public Mono<String> getBodyAsString(Charset charset) {
      return Mono.just(new String(body, charset));
    }
  }
}
