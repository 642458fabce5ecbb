package com.thorbis.backup.testkit.cloud;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Stands between a client and a server of HTTP/1.1 without TLS and does to chosen requests what
 * networks, balancers and servers do. Whole messages are held in memory. Listens on loopback only;
 * what the requests are is decided by their number and head, so that a run repeats.
 */
public final class HttpFaultProxy implements AutoCloseable {
  private final URI server;
  private final ServerSocket listener;
  private final Set<Closeable> open = ConcurrentHashMap.newKeySet();
  private final List<Request> requests = Collections.synchronizedList(new ArrayList<>());
  private final List<Late> late = new ArrayList<>();
  private volatile Script script = request -> Fault.none();

  /** Decides what happens to a request. Called by several threads. */
  @FunctionalInterface
  public interface Script {
    /** The fault of this request. */
    Fault of(Request request);
  }

  /**
   * The head of a request.
   *
   * @param number counted from 1 since the script was set
   * @param method such as {@code PUT}
   * @param target path and query as they were sent
   * @param headers under lower-case names
   */
  public record Request(int number, String method, String target, Map<String, String> headers) {
    /** Copies the headers. */
    public Request {
      headers = Map.copyOf(headers);
    }

    @Override
    public String toString() {
      return number + " " + method + " " + target;
    }
  }

  /** What happens to a request and its answer. */
  public static final class Fault {
    private enum Kind {
      NONE,
      CUT_REQUEST,
      CUT_ANSWER,
      DELAY,
      ANSWER,
      ANSWER_AFTERWARDS,
      DUPLICATE,
      LATE
    }

    private final Kind kind;
    private final long number;
    private final String answer;

    private Fault(Kind kind, long number, String answer) {
      this.kind = kind;
      this.number = number;
      this.answer = answer;
    }

    /** Nothing. */
    public static Fault none() {
      return new Fault(Kind.NONE, 0, "");
    }

    /** The server gets only the first bytes of the request's body; then both connections end. */
    public static Fault cutRequest(long bytes) {
      return new Fault(Kind.CUT_REQUEST, bytes, "");
    }

    /** The server never hears of it: the connection ends. */
    public static Fault lostRequest() {
      return new Fault(Kind.CUT_REQUEST, -1, "");
    }

    /** The server does it; the client gets only the first bytes of the answer's body. */
    public static Fault cutAnswer(long bytes) {
      return new Fault(Kind.CUT_ANSWER, bytes, "");
    }

    /** The server does it; the client gets nothing. */
    public static Fault lostAnswer() {
      return new Fault(Kind.CUT_ANSWER, -1, "");
    }

    /** It goes on after a while. */
    public static Fault delay(Duration time) {
      return new Fault(Kind.DELAY, time.toMillis(), "");
    }

    /**
     * The server never hears of it and the client gets another answer.
     *
     * @param headers lines such as {@code Retry-After: 1}; a length may be that of an answer to
     *     {@code HEAD}
     */
    public static Fault answer(int status, String body, String... headers) {
      return new Fault(Kind.ANSWER, status, message(status, body, headers));
    }

    /** The server does it, and the client gets another answer. */
    public static Fault answerAfterwards(int status, String body, String... headers) {
      return new Fault(Kind.ANSWER_AFTERWARDS, status, message(status, body, headers));
    }

    /** The server gets it twice, one after the other; the client gets the second answer. */
    public static Fault duplicate() {
      return new Fault(Kind.DUPLICATE, 0, "");
    }

    /**
     * The connection ends, and the server gets it when some later requests were answered, or when
     * {@link HttpFaultProxy#deliver} is called.
     */
    public static Fault late(int requests) {
      return new Fault(Kind.LATE, requests, "");
    }

    @Override
    public String toString() {
      return kind.name().toLowerCase(Locale.ROOT).replace('_', '-') + " " + number;
    }

    private static String message(int status, String body, String... headers) {
      StringBuilder text = new StringBuilder("HTTP/1.1 " + status + " Planted\r\n");
      for (String header : headers) {
        text.append(header).append("\r\n");
      }
      byte[] content = body.getBytes(UTF_8);
      if (Arrays.stream(headers).noneMatch(header -> header.startsWith("Content-Length:"))) {
        text.append("Content-Length: ").append(content.length).append("\r\n");
      }
      return text.append("Content-Type: application/xml\r\n\r\n")
          .append(new String(content, ISO_8859_1))
          .toString();
    }
  }

  private record Message(byte[] head, byte[] body) {}

  private record Late(Message message, int due) {}

  private HttpFaultProxy(URI server, ServerSocket listener) {
    this.server = server;
    this.listener = listener;
  }

  /** Starts one before a server of this machine. */
  public static HttpFaultProxy before(URI server) throws IOException {
    HttpFaultProxy proxy =
        new HttpFaultProxy(server, new ServerSocket(0, 100, InetAddress.getLoopbackAddress()));
    Thread accepting = new Thread(proxy::accept, "http-fault-proxy");
    accepting.setDaemon(true);
    accepting.start();
    return proxy;
  }

  /** Where it listens. */
  public URI endpoint() {
    return URI.create("http://127.0.0.1:" + listener.getLocalPort());
  }

  /** Decides from now on; requests are counted from 1 again. */
  public void script(Script next) {
    synchronized (requests) {
      requests.clear();
      script = next;
    }
  }

  /** What was asked since the script was set. */
  public List<Request> requests() {
    synchronized (requests) {
      return List.copyOf(requests);
    }
  }

  /**
   * Gives the server what is still held back, in the order it came.
   *
   * @return how many requests
   */
  public int deliver() throws IOException {
    return deliver(Integer.MAX_VALUE);
  }

  @Override
  public void close() throws IOException {
    listener.close();
    for (Closeable each : open) {
      each.close();
    }
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        Socket client = listener.accept();
        open.add(client);
        Thread serving = new Thread(() -> serve(client), "http-fault-proxy");
        serving.setDaemon(true);
        serving.start();
      } catch (IOException e) {
        return; // closed
      }
    }
  }

  private void serve(Socket client) {
    Connection upstream = new Connection();
    try (client;
        upstream) {
      client.setTcpNoDelay(true);
      InputStream in = new BufferedInputStream(client.getInputStream(), 1 << 16);
      OutputStream out = client.getOutputStream();
      while (true) {
        Optional<byte[]> head = readHead(in);
        if (head.isEmpty()) {
          return;
        }
        Head parsed = Head.of(head.get());
        if ("100-continue".equalsIgnoreCase(parsed.headers.get("expect"))) {
          out.write("HTTP/1.1 100 Continue\r\n\r\n".getBytes(ISO_8859_1));
          out.flush();
        }
        Message message = new Message(parsed.without("expect"), body(in, parsed, false));
        if (!exchange(parsed, message, upstream, out)) {
          return;
        }
      }
    } catch (IOException e) {
      return; // one of them has gone: the other learns of it by the end of its connection
    } finally {
      open.remove(client);
    }
  }

  /** Whether the connection goes on. */
  private boolean exchange(Head head, Message message, Connection upstream, OutputStream out)
      throws IOException {
    Request request;
    Fault fault;
    synchronized (requests) {
      request = new Request(requests.size() + 1, head.words[0], head.words[1], head.headers);
      requests.add(request);
      fault = script.of(request);
    }
    boolean noBody = head.words[0].equals("HEAD");
    switch (fault.kind) {
      case CUT_REQUEST -> {
        if (fault.number >= 0) {
          upstream.write(
              message.head,
              Arrays.copyOf(
                  message.body,
                  (int) Math.min(fault.number, Math.max(0, message.body.length - 1))));
        }
        return false;
      }
      case LATE -> {
        synchronized (late) {
          late.add(new Late(message, request.number + (int) fault.number));
        }
        return false;
      }
      case ANSWER -> {
        write(out, fault.answer, noBody);
        deliver(request.number);
        return true;
      }
      case ANSWER_AFTERWARDS -> {
        upstream.exchange(message, noBody);
        write(out, fault.answer, noBody);
      }
      case CUT_ANSWER -> {
        Message answer = upstream.exchange(message, noBody);
        if (fault.number >= 0) {
          out.write(answer.head);
          out.write(
              answer.body, 0, (int) Math.min(fault.number, Math.max(0, answer.body.length - 1)));
          out.flush();
        }
        deliver(request.number);
        return false;
      }
      default -> {
        if (fault.kind == Fault.Kind.DELAY) {
          pause(fault.number);
        }
        if (fault.kind == Fault.Kind.DUPLICATE) {
          upstream.exchange(message, noBody);
        }
        Message answer = upstream.exchange(message, noBody);
        out.write(answer.head);
        out.write(answer.body);
        out.flush();
      }
    }
    deliver(request.number);
    return true;
  }

  private int deliver(int answered) throws IOException {
    List<Late> due = new ArrayList<>();
    synchronized (late) {
      late.removeIf(one -> one.due <= answered && due.add(one));
      for (Late one : due) {
        try (Connection connection = new Connection()) {
          connection.exchange(one.message, one.message.head[0] == 'H');
        }
      }
    }
    return due.size();
  }

  private static void write(OutputStream out, String message, boolean noBody) throws IOException {
    int end = noBody ? message.indexOf("\r\n\r\n") + 4 : message.length();
    out.write(message.substring(0, end).getBytes(ISO_8859_1));
    out.flush();
  }

  private static void pause(long millis) throws IOException {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
  }

  /** A connection to the server, opened when it is needed. */
  private final class Connection implements Closeable {
    private Optional<Socket> socket = Optional.empty();
    private InputStream in = InputStream.nullInputStream();

    Message exchange(Message message, boolean noBody) throws IOException {
      write(message.head, message.body);
      while (true) {
        byte[] bytes = readHead(in).orElseThrow(() -> new EOFException("The server has gone"));
        Head head = Head.of(bytes);
        int status = Integer.parseInt(head.words[1]);
        if (status / 100 == 1) {
          continue;
        }
        boolean empty = noBody || status == 204 || status == 304;
        Message answer = new Message(bytes, empty ? new byte[0] : body(in, head, true));
        if ("close".equalsIgnoreCase(head.headers.get("connection"))) {
          close();
        }
        return answer;
      }
    }

    void write(byte[] head, byte[] body) throws IOException {
      if (socket.isEmpty()) {
        Socket opened = new Socket(server.getHost(), server.getPort());
        opened.setTcpNoDelay(true);
        open.add(opened);
        socket = Optional.of(opened);
        in = new BufferedInputStream(opened.getInputStream(), 1 << 16);
      }
      OutputStream out = socket.get().getOutputStream();
      out.write(head);
      out.write(body);
      out.flush();
    }

    @Override
    public void close() throws IOException {
      if (socket.isPresent()) {
        open.remove(socket.get());
        socket.get().close();
        socket = Optional.empty();
      }
    }
  }

  /** A start line and headers. */
  private record Head(String start, String[] words, Map<String, String> headers) {
    static Head of(byte[] bytes) throws IOException {
      String[] lines = new String(bytes, ISO_8859_1).split("\r\n");
      String[] words = lines[0].split(" ", 3);
      if (words.length < 2) {
        throw new IOException("Not HTTP: " + lines[0]);
      }
      Map<String, String> headers = new LinkedHashMap<>();
      for (int i = 1; i < lines.length; i++) {
        int colon = lines[i].indexOf(':');
        if (colon > 0) {
          headers.put(
              lines[i].substring(0, colon).toLowerCase(Locale.ROOT),
              lines[i].substring(colon + 1).strip());
        }
      }
      return new Head(lines[0], words, headers);
    }

    byte[] without(String name) {
      StringBuilder text = new StringBuilder(start).append("\r\n");
      headers.forEach(
          (header, value) -> {
            if (!header.equals(name)) {
              text.append(header).append(": ").append(value).append("\r\n");
            }
          });
      return text.append("\r\n").toString().getBytes(ISO_8859_1);
    }
  }

  private static Optional<byte[]> readHead(InputStream in) throws IOException {
    ByteArrayOutputStream head = new ByteArrayOutputStream();
    int matched = 0;
    while (matched < 4) {
      int b = in.read();
      if (b < 0) {
        if (head.size() == 0) {
          return Optional.empty();
        }
        throw new EOFException("Cut in a head");
      }
      head.write(b);
      matched = b == "\r\n\r\n".charAt(matched) ? matched + 1 : b == '\r' ? 1 : 0;
    }
    return Optional.of(head.toByteArray());
  }

  /** The body as it was sent, with its framing. */
  private static byte[] body(InputStream in, Head head, boolean answer) throws IOException {
    String length = head.headers.get("content-length");
    if ("chunked".equalsIgnoreCase(head.headers.get("transfer-encoding"))) {
      ByteArrayOutputStream body = new ByteArrayOutputStream();
      int size;
      do {
        String line = line(in, body);
        size = Integer.parseInt(line.split(";")[0].strip(), 16);
        body.write(exactly(in, size));
        String after = line(in, body); // the end of a chunk, or trailers
        while (!after.isEmpty()) {
          after = line(in, body);
        }
      } while (size > 0);
      return body.toByteArray();
    }
    if (length != null) {
      return exactly(in, Integer.parseInt(length));
    }
    return answer ? in.readAllBytes() : new byte[0];
  }

  private static String line(InputStream in, ByteArrayOutputStream copy) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    int b;
    do {
      b = in.read();
      if (b < 0) {
        throw new EOFException("Cut in a body");
      }
      copy.write(b);
      line.write(b);
    } while (b != '\n');
    return line.toString(ISO_8859_1).stripTrailing();
  }

  private static byte[] exactly(InputStream in, int length) throws IOException {
    byte[] bytes = in.readNBytes(length);
    if (bytes.length != length) {
      throw new EOFException("Cut in a body");
    }
    return bytes;
  }
}
