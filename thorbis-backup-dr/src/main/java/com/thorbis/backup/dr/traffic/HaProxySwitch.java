package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.spi.Settings;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The servers of one HAProxy backend, through the runtime API at its Unix socket (level admin). A
 * place is what each server is: {@code a=10.0.0.1:5432 maint, b=10.0.0.2:5432 ready}. One that
 * names some servers leaves the others as they are. Sessions with a server that is taken out of
 * service or gets another address are closed, and servers are taken out before others come in, so
 * that clients never reach two. HAProxy forgets all of it when it reads its configuration again:
 * change that file too.
 */
public final class HaProxySwitch implements TrafficSwitch {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_.:-]+");
  private static final Pattern SERVER =
      Pattern.compile("([A-Za-z0-9_.:-]+)=([0-9A-Fa-f.:\\[\\]]+):([0-9]{1,5}) (ready|maint|drain)");
  // Not 0x04, which remembers that the configuration once said "disabled".
  private static final int ADMIN_MAINT = 0x01 | 0x02 | 0x20;
  private static final int ADMIN_DRAIN = 0x08 | 0x10;
  private static final int LONGEST_ANSWER = 4 << 20;

  private final Path socket;
  private final String backend;
  private final Duration timeout;
  private final String thing;

  private HaProxySwitch(Builder builder) {
    socket = Objects.requireNonNull(builder.socket, "socket");
    backend = Objects.requireNonNull(builder.backend, "backend");
    timeout = builder.timeout;
    thing = "HAProxy backend " + backend + " at " + socket;
  }

  /** What has to be said: socket and backend. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public String kind() {
    return "haproxy";
  }

  @Override
  public String describe() {
    return thing;
  }

  @Override
  public String current() throws SwitchException {
    return text(look());
  }

  @Override
  public boolean points(String place) throws SwitchException {
    Map<String, Server> wanted = parse(place);
    Map<String, Server> now = look();
    requireKnown(wanted, now);
    return now.entrySet().containsAll(wanted.entrySet());
  }

  @Override
  public Duration set(String expected, String place) throws SwitchException {
    Map<String, Server> from = parse(expected);
    Map<String, Server> to = parse(place);
    Map<String, Server> now = look();
    requireKnown(from, now);
    requireKnown(to, now);
    if (now.entrySet().containsAll(to.entrySet())) {
      return Duration.ZERO;
    }
    for (Map.Entry<String, Server> each : now.entrySet()) {
      Server old = from.get(each.getKey());
      if (old != null && !between(each.getValue(), old, to.getOrDefault(each.getKey(), old))) {
        throw SwitchException.changed(thing, expected, text(now));
      }
    }
    Map<String, Server> then = new LinkedHashMap<>(now);
    then.putAll(to);
    if (then.values().stream().noneMatch(server -> server.state().equals("ready"))) {
      throw SwitchException.unsafe(
          thing,
          "no server would be ready; nothing was changed",
          "Name a server that shall be ready.");
    }
    // One line: HAProxy runs the commands one after the other.
    String said;
    try {
      said = call(String.join("; ", commands(now, to)));
    } catch (SwitchException e) {
      if (e.code().equals("traffic.refused")) {
        throw e; // nothing was sent
      }
      throw SwitchException.outcomeUnknown(thing, "did not answer while it was changed", e);
    }
    Map<String, Server> after;
    try {
      after = look();
    } catch (SwitchException e) {
      throw SwitchException.outcomeUnknown(thing, "was changed, and could not be looked at", e);
    }
    if (after.entrySet().containsAll(to.entrySet())) {
      return Duration.ZERO;
    }
    if (said.contains("Permission denied") && after.equals(now)) {
      throw SwitchException.refused(thing, "the socket does not have level admin", null);
    }
    throw SwitchException.outcomeUnknown(
        thing, "is \"" + text(after) + "\" after the change, and said: " + said.strip(), null);
  }

  @Override
  public String toString() {
    return thing;
  }

  /** Whether each part is what it was or what it shall be, as a call that broke off leaves it. */
  private static boolean between(Server now, Server from, Server to) {
    boolean place = now.place().equals(from.place()) || now.place().equals(to.place());
    boolean state =
        now.state().equals(from.state())
            || now.state().equals(to.state())
            || now.state().equals("maint");
    return place && state;
  }

  private List<String> commands(Map<String, Server> now, Map<String, Server> to) {
    List<String> out = new ArrayList<>();
    List<String> in = new ArrayList<>();
    to.forEach(
        (name, wanted) -> {
          Server old = Objects.requireNonNull(now.get(name));
          if (old.equals(wanted)) {
            return;
          }
          String server = backend + "/" + name;
          boolean moves = !old.place().equals(wanted.place());
          if (moves || !wanted.state().equals("ready")) {
            out.add("set server " + server + " state maint");
            out.add("shutdown sessions server " + server);
          }
          if (moves) {
            Place place = wanted.place();
            in.add("set server " + server + " addr " + place.host() + " port " + place.port());
          }
          if (!wanted.state().equals("maint")) {
            in.add("set server " + server + " state " + wanted.state());
          }
        });
    out.addAll(in);
    return out;
  }

  private void requireKnown(Map<String, Server> named, Map<String, Server> now)
      throws SwitchException {
    for (String name : named.keySet()) {
      if (!now.containsKey(name)) {
        throw SwitchException.invalid(thing, "has no server " + name);
      }
    }
  }

  private Map<String, Server> parse(String text) throws SwitchException {
    Map<String, Server> servers = new LinkedHashMap<>();
    for (String each : text.split(",", -1)) {
      Matcher form = SERVER.matcher(each.strip());
      if (!form.matches()) {
        throw SwitchException.invalid(
            thing, "\"" + each.strip() + "\" is not of the form a=10.0.0.1:5432 ready");
      }
      Place place = Place.parse(thing, form.group(2) + ":" + form.group(3));
      if (servers.put(form.group(1), new Server(place, form.group(4))) != null) {
        throw SwitchException.invalid(thing, "names " + form.group(1) + " twice");
      }
    }
    return servers;
  }

  private static String text(Map<String, Server> servers) {
    return servers.entrySet().stream()
        .map(each -> each.getKey() + "=" + each.getValue())
        .collect(Collectors.joining(", "));
  }

  private Map<String, Server> look() throws SwitchException {
    String answer = call("show servers state " + backend);
    if (answer.contains("Can't find backend")) {
      throw SwitchException.invalid(thing, "there is no such backend");
    }
    if (answer.contains("Permission denied")) {
      throw SwitchException.refused(thing, "may not be looked at", null);
    }
    List<String> columns = List.of();
    Map<String, Server> servers = new LinkedHashMap<>();
    for (String line : answer.split("\n", -1)) {
      if (line.startsWith("# ")) {
        columns = Arrays.asList(line.substring(2).split(" ", -1));
      } else if (line.contains(" ")) {
        List<String> fields = Arrays.asList(line.split(" ", -1));
        servers.put(field(columns, fields, "srv_name"), server(columns, fields));
      }
    }
    if (servers.isEmpty()) {
      throw SwitchException.unavailable(thing, "did not say which servers it has", null);
    }
    return servers;
  }

  private Server server(List<String> columns, List<String> fields) throws SwitchException {
    try {
      int admin = Integer.parseInt(field(columns, fields, "srv_admin_state"));
      String state =
          (admin & ADMIN_MAINT) != 0 ? "maint" : (admin & ADMIN_DRAIN) != 0 ? "drain" : "ready";
      Place place =
          new Place(field(columns, fields, "srv_addr"), field(columns, fields, "srv_port"));
      return new Server(place, state);
    } catch (NumberFormatException e) {
      throw SwitchException.unavailable(thing, "gave an answer of another form", e);
    }
  }

  private String field(List<String> columns, List<String> fields, String name)
      throws SwitchException {
    int column = columns.indexOf(name);
    if (column < 0 || column >= fields.size()) {
      throw SwitchException.unavailable(thing, "gave an answer without " + name, null);
    }
    return fields.get(column);
  }

  private String call(String command) throws SwitchException {
    try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
      return exchange(channel, command + "\n");
    } catch (AccessDeniedException e) {
      throw SwitchException.refused(thing, "this account may not use the socket", e);
    } catch (SwitchException e) {
      throw e;
    } catch (IOException e) {
      if ("Permission denied".equals(e.getMessage())
          || (Files.exists(socket) && !Files.isWritable(socket))) {
        throw SwitchException.refused(thing, "this account may not use the socket", e);
      }
      throw SwitchException.unavailable(thing, "no answer: " + e.getMessage(), e);
    }
  }

  private String exchange(SocketChannel channel, String command) throws IOException {
    channel.configureBlocking(false);
    long deadline = System.nanoTime() + timeout.toNanos();
    ByteArrayOutputStream answer = new ByteArrayOutputStream();
    try (Selector selector = Selector.open()) {
      SelectionKey key = channel.register(selector, SelectionKey.OP_WRITE);
      ByteBuffer out = ByteBuffer.wrap(command.getBytes(StandardCharsets.UTF_8));
      ByteBuffer in = ByteBuffer.allocate(8192);
      while (true) {
        long left = (deadline - System.nanoTime()) / 1_000_000;
        if (left <= 0 || answer.size() > LONGEST_ANSWER) {
          throw SwitchException.unavailable(thing, "no whole answer within " + timeout, null);
        }
        selector.select(left);
        if (out.hasRemaining()) {
          channel.write(out);
          if (!out.hasRemaining()) {
            key.interestOps(SelectionKey.OP_READ);
          }
        } else {
          int count = channel.read(in.clear());
          if (count < 0) {
            return answer.toString(StandardCharsets.UTF_8);
          }
          answer.write(in.array(), 0, count);
        }
      }
    }
  }

  private record Server(Place place, String state) {
    @Override
    public String toString() {
      return place + " " + state;
    }
  }

  /** Says where HAProxy is. */
  public static final class Builder {
    private @Nullable Path socket;
    private @Nullable String backend;
    private Duration timeout = Duration.ofSeconds(10);

    private Builder() {}

    /** The socket of {@code stats socket ... level admin}. */
    public Builder socket(Path path) {
      socket = path;
      return this;
    }

    /** The backend's name. */
    public Builder backend(String name) {
      if (!NAME.matcher(name).matches()) {
        throw new IllegalArgumentException("Not the name of a backend: \"" + name + "\"");
      }
      backend = name;
      return this;
    }

    /** How long one answer may take; 10 s unless said. */
    public Builder timeout(Duration longest) {
      timeout = longest;
      return this;
    }

    /** The switch. */
    public HaProxySwitch build() {
      return new HaProxySwitch(this);
    }
  }

  /** Makes them by settings: {@code socket}, {@code backend} and {@code timeout}. */
  public static final class Factory implements TrafficSwitchFactory {
    /** For the service loader. */
    public Factory() {}

    @Override
    public String type() {
      return "haproxy";
    }

    @Override
    public TrafficSwitch open(Settings settings) {
      return BuiltIn.haProxy(settings);
    }
  }
}
