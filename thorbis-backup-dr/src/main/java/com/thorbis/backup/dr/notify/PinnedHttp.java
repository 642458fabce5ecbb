package com.thorbis.backup.dr.notify;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Settings;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/**
 * Sends one HTTP request to an address that was looked at before, over a connection to that very
 * address: a name that resolves to another one the next time leads nowhere else. The certificate is
 * still that of the name. Follows no redirect, uses no proxy, and reads the status alone.
 */
final class PinnedHttp {
  private static final int MOST_HEADER = 16 << 10;

  private final URI target;
  private final boolean allowPrivate;
  private final Duration timeout;
  private final SSLSocketFactory tls;
  private final Resolver resolver;

  /** Looks a name up. */
  @FunctionalInterface
  interface Resolver {
    InetAddress[] resolve(String host) throws UnknownHostException;
  }

  PinnedHttp(
      URI target, boolean allowPrivate, Duration timeout, SSLSocketFactory tls, Resolver resolver) {
    this.target = target;
    this.allowPrivate = allowPrivate;
    this.timeout = timeout;
    this.tls = tls;
    this.resolver = resolver;
  }

  /** By the settings {@code url}, {@code allow-http}, {@code allow-private} and {@code timeout}. */
  static PinnedHttp of(Settings settings) {
    URI target =
        target(
            settings.describe("url"), settings.require("url"), settings.flag("allow-http", false));
    return new PinnedHttp(
        target,
        settings.flag("allow-private", false),
        settings.duration("timeout", Duration.ofSeconds(10)),
        (SSLSocketFactory) SSLSocketFactory.getDefault(),
        InetAddress::getAllByName);
  }

  /** An address that can be sent to. What it says is not repeated: parts of it may be a secret. */
  static URI target(String setting, String text, boolean allowHttp) {
    URI uri;
    try {
      uri = new URI(text);
    } catch (URISyntaxException e) {
      throw invalid(setting, "is no address", "Write https://HOST/PATH.");
    }
    String scheme = String.valueOf(uri.getScheme()).toLowerCase(Locale.ROOT);
    if (uri.getHost() == null || uri.getRawUserInfo() != null || uri.getRawFragment() != null) {
      throw invalid(
          setting, "is no address, or has a user or a fragment", "Write https://HOST/PATH.");
    }
    if (!scheme.equals("https") && !(scheme.equals("http") && allowHttp)) {
      throw invalid(
          setting,
          "is not https, so anybody on the way could read and change what is sent",
          "Write https://, or set allow-http: true where that is meant.");
    }
    return uri;
  }

  private static BackupException invalid(String setting, String problem, String remedy) {
    return BackupException.of(
            "configuration.invalid", FailureKind.CONFIGURATION, setting + " " + problem)
        .remedy(remedy)
        .build();
  }

  /** The same server, with something behind the path. */
  PinnedHttp below(String suffix) {
    String path = target.getRawPath() == null ? "" : target.getRawPath().replaceFirst("/+$", "");
    String query = target.getRawQuery() == null ? "" : "?" + target.getRawQuery();
    return new PinnedHttp(
        URI.create(target.getScheme() + "://" + target.getRawAuthority() + path + suffix + query),
        allowPrivate,
        timeout,
        tls,
        resolver);
  }

  /** Whom it goes to, without what may be secret. */
  String host() {
    return target.getHost();
  }

  /**
   * Sends it.
   *
   * @throws IOException if the answer was not 2xx, or there was none
   */
  void send(String method, Map<String, String> headers, byte[] body) throws IOException {
    long deadline = System.nanoTime() + timeout.toNanos();
    boolean secure = target.getScheme().equalsIgnoreCase("https");
    int port = target.getPort() >= 0 ? target.getPort() : secure ? 443 : 80;
    try (Socket plain = connect(port, deadline);
        Socket socket = secure ? handshake(plain, port, deadline) : plain) {
      OutputStream out = socket.getOutputStream();
      out.write(head(method, headers, body.length).getBytes(StandardCharsets.ISO_8859_1));
      out.write(body);
      out.flush();
      int status = status(socket, deadline);
      if (status / 100 == 3) {
        throw new IOException(
            host() + " answered " + status + ", a redirect, and those are not followed");
      }
      if (status / 100 != 2) {
        throw new IOException(host() + " answered " + status);
      }
    }
  }

  private Socket connect(int port, long deadline) throws IOException {
    String name = host();
    InetAddress[] addresses =
        resolver.resolve(name.startsWith("[") ? name.substring(1, name.length() - 1) : name);
    for (InetAddress address : addresses) {
      if (!allowPrivate && Addresses.refused(address)) {
        throw new IOException(
            name
                + " leads to "
                + address.getHostAddress()
                + ", which is not of the public Internet: nothing was sent. Set allow-private:"
                + " true where that is meant");
      }
    }
    IOException failure = new UnknownHostException(name);
    for (InetAddress address : addresses) {
      Socket socket = new Socket();
      try {
        socket.connect(new InetSocketAddress(address, port), left(deadline));
        return socket;
      } catch (IOException e) {
        socket.close();
        failure = new IOException(name + " cannot be reached: " + e.getMessage(), e);
      }
    }
    throw failure;
  }

  private SSLSocket handshake(Socket plain, int port, long deadline) throws IOException {
    plain.setSoTimeout(left(deadline));
    SSLSocket socket = (SSLSocket) tls.createSocket(plain, host(), port, true);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    socket.setSSLParameters(parameters);
    socket.startHandshake();
    return socket;
  }

  private String head(String method, Map<String, String> headers, int length) {
    String path =
        target.getRawPath() == null || target.getRawPath().isEmpty() ? "/" : target.getRawPath();
    StringBuilder head =
        new StringBuilder(method)
            .append(' ')
            .append(path)
            .append(target.getRawQuery() == null ? "" : "?" + target.getRawQuery())
            .append(" HTTP/1.1\r\nHost: ")
            .append(target.getRawAuthority())
            .append("\r\nUser-Agent: thorbis-backup\r\nConnection: close\r\nContent-Length: ")
            .append(length)
            .append("\r\n");
    headers.forEach((name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
    return head.append("\r\n").toString();
  }

  /** The first status that is final. */
  private int status(Socket socket, long deadline) throws IOException {
    InputStream in = socket.getInputStream();
    while (true) {
      String head = readHead(socket, in, deadline);
      if (!head.matches("(?s)HTTP/1\\.[01] [0-9]{3}[ \r\n].*")) {
        throw new IOException(host() + " does not speak HTTP/1.1");
      }
      int status = Integer.parseInt(head.substring(9, 12));
      if (status / 100 != 1) {
        return status;
      }
    }
  }

  private String readHead(Socket socket, InputStream in, long deadline) throws IOException {
    ByteArrayOutputStream head = new ByteArrayOutputStream();
    while (head.size() < MOST_HEADER) {
      socket.setSoTimeout(left(deadline)); // a drop now and then must not outlast the deadline
      int next = in.read();
      if (next < 0) {
        throw new IOException(host() + " closed the connection without an answer");
      }
      head.write(next);
      if (next == '\n' && head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
        return head.toString(StandardCharsets.ISO_8859_1);
      }
    }
    throw new IOException(host() + " answers with too long a header");
  }

  private int left(long deadline) throws SocketTimeoutException {
    long millis = (deadline - System.nanoTime()) / 1_000_000;
    if (millis <= 0) {
      throw new SocketTimeoutException(
          host() + " did not answer within " + timeout.toMillis() + " ms");
    }
    return (int) Math.min(Integer.MAX_VALUE, millis);
  }
}
