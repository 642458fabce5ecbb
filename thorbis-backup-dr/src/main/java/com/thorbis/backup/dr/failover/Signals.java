package com.thorbis.backup.dr.failover;

import static java.util.concurrent.TimeUnit.MILLISECONDS;

import com.thorbis.backup.dr.internal.Program;
import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.NoRouteToHostException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Ways to see whether a server works. */
public final class Signals {
  /** The question whether a server would encrypt, which each server answers to everybody. */
  private static final byte[] SSL_REQUEST =
      ByteBuffer.allocate(8).putInt(8).putInt(80_877_103).array();

  private Signals() {}

  /** Whether a PostgreSQL server answers at the server's port, here: it need not let us in. */
  public static Signal port(String id, String from, ServerAccess server, Duration patience) {
    return signal(id, from, () -> port(server.host(), server.port(), patience));
  }

  static Sighting port(String host, int port, Duration patience) {
    InetSocketAddress address = new InetSocketAddress(host, port);
    String place = host + ":" + port;
    if (address.isUnresolved()) {
      return Sighting.cannotTell("the name " + host + " leads nowhere from here");
    }
    int millis = (int) Math.max(1, patience.toMillis());
    try (Socket socket = new Socket()) {
      socket.connect(address, millis);
      socket.setSoTimeout(millis);
      socket.getOutputStream().write(SSL_REQUEST);
      int answer = socket.getInputStream().read();
      // 'E' is how a server says that it has no room for one more.
      return answer == 'S' || answer == 'N' || answer == 'E'
          ? Sighting.up("a server answers at " + place)
          : Sighting.cannotTell("something at " + place + " answers, and is no PostgreSQL server");
    } catch (IOException e) {
      return silent(e)
          ? Sighting.down(place + " does not answer within " + patience)
          : refused(e)
              ? Sighting.down("nothing listens at " + place)
              : Sighting.cannotTell(place + ": " + e.getMessage());
    }
  }

  /** Nobody was there: not even a host that says that nobody listens. */
  private static boolean silent(@Nullable Throwable failure) {
    return failure instanceof SocketTimeoutException || failure instanceof NoRouteToHostException;
  }

  /** The host said no. That our own network is away is a ConnectException, too. */
  private static boolean refused(@Nullable Throwable failure) {
    return failure instanceof ConnectException
        && String.valueOf(failure.getMessage()).contains("refused");
  }

  /** Whether the server answers a question of SQL, here: one that hangs does not. */
  public static Signal query(String id, String from, ServerAccess server) {
    return signal(
        id,
        from,
        () -> {
          try {
            ServerView view = ServerView.of(server);
            return Sighting.up(
                server + " answers as a " + (view.standby() ? "standby" : "primary"));
          } catch (SQLException e) {
            String state = String.valueOf(e.getSQLState());
            String detail = server + ": " + e.getMessage();
            // 28: it looked at us and let us not in; 53300: it is full; 57P03: it starts or stops.
            return switch (state.length() < 2 ? "" : state.substring(0, 2)) {
              case "28", "42", "53" -> Sighting.up(detail);
              case "08" -> absent(e) ? Sighting.down(detail) : Sighting.cannotTell(detail);
              default ->
                  state.equals("57014") ? Sighting.down(detail) : Sighting.cannotTell(detail);
            };
          }
        });
  }

  /**
   * Whether a failed connection says that nobody is there. A name that leads nowhere, a certificate
   * that is not trusted, or a network that is away say nothing about the server.
   */
  private static boolean absent(SQLException failure) {
    // Where the driver itself gives up waiting, it names no cause.
    return failure.getCause() == null
        || Stream.iterate((Throwable) failure, Objects::nonNull, Throwable::getCause)
            .anyMatch(cause -> silent(cause) || refused(cause) || cause instanceof EOFException);
  }

  /**
   * Whether the standby hears from the primary, which it must follow directly. A connection that is
   * there and silent tells nothing: an idle primary is silent for up to 30 s, and one that is cut
   * off for up to {@code wal_receiver_timeout}.
   *
   * @param from from where that is seen: the standby's host, or {@code here} if this is it
   * @param fresh within what it must have heard to say that the primary works
   */
  public static Signal standby(String id, String from, ServerAccess standby, Duration fresh) {
    return signal(
        id,
        from,
        () -> {
          ServerView view;
          try {
            view = ServerView.of(standby);
          } catch (SQLException e) {
            return Sighting.cannotTell(standby + " cannot be asked: " + e.getMessage());
          }
          return hears(standby, view, fresh);
        });
  }

  static Sighting hears(ServerAccess standby, ServerView view, Duration fresh) {
    if (!view.standby()) {
      return Sighting.cannotTell(standby + " is no standby");
    }
    if (view.receiver().isEmpty()) {
      return view.follows()
          ? Sighting.down(standby + " has no connection to the one it follows")
          : Sighting.cannotTell(standby + " follows nobody");
    }
    ServerView.Receiver receiver = view.receiver().get();
    Optional<Duration> silence = receiver.silence();
    if (receiver.streams() && silence.isPresent() && silence.get().compareTo(fresh) <= 0) {
      return Sighting.up(standby + " heard from the one it follows " + silence.get() + " ago");
    }
    return Sighting.cannotTell(
        standby
            + " is connected to the one it follows, and "
            + silence.map(span -> "has heard nothing for " + span).orElse("does not say more"));
  }

  /** Whether the server's processes are there, on the host that its files lie on: this one. */
  public static Signal process(String id, String from, ServerAccess server) {
    ServerAccess.Cluster cluster =
        server
            .cluster()
            .orElseThrow(() -> new IllegalArgumentException(server + " has no files on this host"));
    return signal(
        id,
        from,
        () -> {
          try {
            List<Long> found = LocalFence.processes(cluster.dataDirectory());
            return found.isEmpty()
                ? Sighting.down("no process works in " + cluster.dataDirectory())
                : Sighting.up("process " + found.get(0) + " works in " + cluster.dataDirectory());
          } catch (IOException e) {
            return Sighting.cannotTell(String.valueOf(e.getMessage()));
          }
        });
  }

  /**
   * What an address elsewhere says about the server: one status for up and one for down; any other,
   * or no answer, tells nothing about the server.
   */
  public static Signal http(String id, String from, URI url, int up, int down, Duration patience) {
    HttpClient client = HttpClient.newBuilder().connectTimeout(patience).build();
    HttpRequest request = HttpRequest.newBuilder(url).timeout(patience).GET().build();
    return signal(
        id,
        from,
        () -> {
          CompletableFuture<HttpResponse<Void>> sent =
              client.sendAsync(request, HttpResponse.BodyHandlers.discarding());
          try {
            // The time of the request ends with the head of the answer.
            int status = sent.get(patience.multipliedBy(2).toMillis(), MILLISECONDS).statusCode();
            String detail = url + " answers " + status;
            return status == up
                ? Sighting.up(detail)
                : status == down ? Sighting.down(detail) : Sighting.cannotTell(detail);
          } catch (ExecutionException e) {
            return Sighting.cannotTell(url + " does not answer: " + e.getCause());
          } catch (TimeoutException e) {
            return Sighting.cannotTell(url + " does not end its answer within " + patience);
          } finally {
            boolean unused = sent.cancel(true);
          }
        });
  }

  /**
   * What a program says, such as one that looks from another host: it ends with 0 for up, 1 for
   * down, and anything else if it could not look. No shell.
   */
  public static Signal command(String id, String from, List<String> words, Duration patience) {
    List<String> command = List.copyOf(words);
    return signal(
        id,
        from,
        () -> {
          try {
            Program.Ended ended = Program.run(command, Map.of(), patience);
            String detail = command.get(0) + " ended with " + ended.code() + " " + ended.said();
            return switch (ended.code()) {
              case 0 -> Sighting.up(detail.strip());
              case 1 -> Sighting.down(detail.strip());
              default -> Sighting.cannotTell(detail.strip());
            };
          } catch (IOException e) {
            return Sighting.cannotTell(String.valueOf(e.getMessage()));
          }
        });
  }

  private interface Look {
    Sighting look() throws InterruptedException;
  }

  private static Signal signal(String id, String from, Look look) {
    return new Signal() {
      @Override
      public String id() {
        return id;
      }

      @Override
      public String from() {
        return from;
      }

      @Override
      public Sighting look() throws InterruptedException {
        return look.look();
      }
    };
  }
}
