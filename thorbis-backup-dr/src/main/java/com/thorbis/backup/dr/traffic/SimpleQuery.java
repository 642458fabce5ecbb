package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.spi.SecretValue;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One login and one command of PostgreSQL's simple query protocol. PostgreSQL's driver cannot be
 * used here: it begins with commands that the console does not know. Without TLS, as whoever edits
 * the pooler's file is on its machine.
 *
 * @param socket where the socket is; null for a host
 */
record SimpleQuery(
    @Nullable Path socket, String host, int port, String user, @Nullable SecretValue password)
    implements Console {
  private static final int PROTOCOL_3_0 = 3 << 16;
  private static final int LONGEST_MESSAGE = 1 << 20;
  private static final int MOST_ROWS = 100_000;
  private static final String MECHANISM = "SCRAM-SHA-256";

  @Override
  public List<Map<String, String>> ask(String command, Duration longest) throws IOException {
    try (Conversation talk = new Conversation(longest)) {
      talk.connect();
      talk.login();
      return talk.query(command);
    } catch (BufferUnderflowException | IndexOutOfBoundsException | IllegalArgumentException e) {
      throw new IOException("an answer of another form", e);
    }
  }

  @Override
  public String toString() {
    return user + " at " + (socket == null ? host + ":" + port : socket);
  }

  private final class Conversation implements AutoCloseable {
    private final Duration longest;
    private final long deadline;
    private final SocketChannel channel;
    private final Selector selector;
    private final ByteBuffer received = ByteBuffer.allocate(8192).limit(0);

    Conversation(Duration longest) throws IOException {
      this.longest = longest;
      deadline = System.nanoTime() + longest.toNanos();
      selector = Selector.open();
      try {
        channel =
            socket == null ? SocketChannel.open() : SocketChannel.open(StandardProtocolFamily.UNIX);
      } catch (IOException e) {
        selector.close();
        throw e;
      }
    }

    void connect() throws IOException {
      channel.configureBlocking(socket != null); // a local socket does not wait
      if (!channel.connect(address())) {
        SelectionKey key = channel.register(selector, SelectionKey.OP_CONNECT);
        while (!channel.finishConnect()) {
          await(key, SelectionKey.OP_CONNECT);
        }
      }
      channel.configureBlocking(false);
    }

    private SocketAddress address() throws IOException {
      if (socket != null) {
        return UnixDomainSocketAddress.of(socket);
      }
      InetSocketAddress address = new InetSocketAddress(host, port);
      if (address.isUnresolved()) {
        throw new UnknownHostException("no such host: " + host);
      }
      return address;
    }

    void login() throws IOException {
      ByteArrayOutputStream body = new ByteArrayOutputStream();
      body.writeBytes(ByteBuffer.allocate(4).putInt(PROTOCOL_3_0).array());
      for (String word :
          List.of("user", user, "database", "pgbouncer", "application_name", "thorbis")) {
        body.writeBytes(terminated(word));
      }
      body.write(0);
      send(0, body.toByteArray());
      while (true) {
        Message message = next();
        switch (message.type()) {
          case 'R' -> prove(message.body());
          case 'E' -> throw new Refused(reason(message.body()));
          case 'Z' -> {
            return;
          }
          default -> {
            // parameters, a key to cancel with, notices
          }
        }
      }
    }

    private void prove(ByteBuffer request) throws IOException {
      int kind = request.getInt();
      switch (kind) {
        case 0 -> {
          // accepted
        }
        case 3 -> {
          if (socket == null) {
            throw new Refused("asks for the password itself, which is sent over a socket only");
          }
          secret(bytes -> Arrays.copyOf(bytes, bytes.length + 1));
        }
        case 5 -> {
          byte[] salt = new byte[4];
          request.get(salt);
          secret(bytes -> md5(bytes, salt));
        }
        case 10 -> scram(request);
        default -> throw new Refused("asks for a login of kind " + kind);
      }
    }

    private void scram(ByteBuffer offered) throws IOException {
      boolean known = false;
      for (String name = text(offered); !name.isEmpty(); name = text(offered)) {
        known |= name.equals(MECHANISM);
      }
      if (!known) {
        throw new Refused("does not offer " + MECHANISM);
      }
      SecretValue ours = secret();
      Scram scram = new Scram();
      byte[] first = scram.first();
      byte[] name = terminated(MECHANISM);
      send(
          'p',
          ByteBuffer.allocate(name.length + 4 + first.length)
              .put(name)
              .putInt(first.length)
              .put(first)
              .array());
      send('p', scram.answer(sasl(11), ours));
      scram.verify(sasl(12));
    }

    private byte[] sasl(int kind) throws IOException {
      Message message = next();
      if (message.type() == 'E') {
        throw new Refused(reason(message.body()));
      }
      if (message.type() != 'R' || message.body().getInt() != kind) {
        throw new IOException("a break in the middle of SCRAM");
      }
      byte[] rest = new byte[message.body().remaining()];
      message.body().get(rest);
      return rest;
    }

    private SecretValue secret() throws Refused {
      if (password == null) {
        throw new Refused("asks for a password, and none is configured");
      }
      return password;
    }

    private void secret(Function<byte[], byte[]> form) throws IOException {
      byte[] sent = secret().useBytes(form);
      try {
        send('p', sent);
      } finally {
        Arrays.fill(sent, (byte) 0);
      }
    }

    private byte[] md5(byte[] secret, byte[] salt) {
      try {
        MessageDigest md5 = MessageDigest.getInstance("MD5");
        md5.update(secret);
        md5.update(user.getBytes(StandardCharsets.UTF_8));
        md5.update(HexFormat.of().formatHex(md5.digest()).getBytes(StandardCharsets.US_ASCII));
        md5.update(salt);
        return terminated("md5" + HexFormat.of().formatHex(md5.digest()));
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException(e); // every JDK has it
      }
    }

    List<Map<String, String>> query(String command) throws IOException {
      send('Q', terminated(command));
      List<String> columns = new ArrayList<>();
      List<Map<String, String>> rows = new ArrayList<>();
      String refusal = "";
      while (true) {
        Message message = next();
        ByteBuffer body = message.body();
        switch (message.type()) {
          case 'T' -> {
            columns.clear();
            for (int left = body.getShort(); left > 0; left--) {
              columns.add(text(body));
              body.position(body.position() + 18);
            }
          }
          case 'D' -> rows.add(row(columns, body));
          case 'E' -> refusal = reason(body);
          case 'Z' -> {
            if (!refusal.isEmpty()) {
              throw new Refused(refusal);
            }
            return rows;
          }
          default -> {
            // what was done, notices
          }
        }
        if (rows.size() > MOST_ROWS) {
          throw new IOException("an answer of more than " + MOST_ROWS + " rows");
        }
      }
    }

    private Map<String, String> row(List<String> columns, ByteBuffer body) throws IOException {
      Map<String, String> row = new LinkedHashMap<>();
      if (body.getShort() != columns.size()) {
        throw new IOException("a row that does not fit its columns");
      }
      for (String column : columns) {
        int length = body.getInt();
        if (length >= 0) {
          row.put(column, StandardCharsets.UTF_8.decode(body.slice(body.position(), length)) + "");
          body.position(body.position() + length);
        }
      }
      return row;
    }

    private Message next() throws IOException {
      if (System.nanoTime() > deadline) {
        throw new Late(longest);
      }
      ByteBuffer head = read(5);
      int type = head.get();
      int length = head.getInt() - 4;
      if (length < 0 || length > LONGEST_MESSAGE) {
        throw new IOException("an answer of another form");
      }
      return new Message((char) type, read(length));
    }

    private ByteBuffer read(int length) throws IOException {
      ByteBuffer whole = ByteBuffer.allocate(length);
      while (whole.hasRemaining()) {
        if (!received.hasRemaining()) {
          int count = channel.read(received.clear());
          received.flip();
          if (count < 0) {
            throw new EOFException("the connection was closed");
          }
          if (count == 0) {
            await(channel.register(selector, SelectionKey.OP_READ), SelectionKey.OP_READ);
          }
        } else {
          int count = Math.min(whole.remaining(), received.remaining());
          whole.put(received.slice(received.position(), count));
          received.position(received.position() + count);
        }
      }
      return whole.flip();
    }

    /** A message; without a type if that is 0. */
    private void send(int type, byte[] body) throws IOException {
      ByteBuffer out = ByteBuffer.allocate(5 + body.length);
      if (type != 0) {
        out.put((byte) type);
      }
      out.putInt(4 + body.length).put(body).flip();
      while (out.hasRemaining()) {
        if (channel.write(out) == 0) {
          await(channel.register(selector, SelectionKey.OP_WRITE), SelectionKey.OP_WRITE);
        }
      }
      Arrays.fill(out.array(), (byte) 0);
    }

    private void await(SelectionKey key, int operation) throws IOException {
      key.interestOps(operation);
      long left = (deadline - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        throw new Late(longest);
      }
      selector.select(left);
      selector.selectedKeys().clear();
      if (Thread.currentThread().isInterrupted()) {
        throw new InterruptedIOException("was interrupted");
      }
    }

    @Override
    public void close() throws IOException {
      try (selector) {
        channel.close();
      }
    }
  }

  private record Message(char type, ByteBuffer body) {}

  private static String reason(ByteBuffer body) {
    String reason = "";
    for (int field = body.get(); field != 0; field = body.get()) {
      String value = text(body);
      if (field == 'M') {
        reason = value.replaceAll("\\p{Cntrl}", " ");
      }
    }
    return reason.isEmpty() ? "said no without a reason" : reason;
  }

  private static String text(ByteBuffer body) {
    int from = body.position();
    while (body.get() != 0) {
      // up to the zero
    }
    return StandardCharsets.UTF_8.decode(body.slice(from, body.position() - 1 - from)).toString();
  }

  private static byte[] terminated(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return Arrays.copyOf(bytes, bytes.length + 1);
  }
}
