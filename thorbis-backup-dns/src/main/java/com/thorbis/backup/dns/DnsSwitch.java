package com.thorbis.backup.dns;

import com.thorbis.backup.dr.traffic.SwitchException;
import com.thorbis.backup.dr.traffic.TrafficSwitch;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.xbill.DNS.DClass;
import org.xbill.DNS.Flags;
import org.xbill.DNS.Message;
import org.xbill.DNS.Name;
import org.xbill.DNS.Rcode;
import org.xbill.DNS.Record;
import org.xbill.DNS.Section;
import org.xbill.DNS.SimpleResolver;
import org.xbill.DNS.TSIG;
import org.xbill.DNS.TSIGRecord;
import org.xbill.DNS.TextParseException;
import org.xbill.DNS.Type;
import org.xbill.DNS.Update;

/**
 * All records of one name and type in a zone that takes signed updates. A place is their values:
 * {@code 10.0.0.1, 10.0.0.2} or {@code db2.example.com.}. The zone's primary changes them only if
 * they are what was expected, and every server that is named has to answer with the new ones. The
 * time to live stays as it is: it is how long resolvers may go on with the old place, and is made
 * short before, not when it is needed.
 */
public final class DnsSwitch implements TrafficSwitch {
  private static final Set<String> TYPES = Set.of("A", "AAAA", "CNAME");
  private static final Map<String, Name> ALGORITHMS =
      Map.of(
          "hmac-sha224", TSIG.HMAC_SHA224,
          "hmac-sha256", TSIG.HMAC_SHA256,
          "hmac-sha384", TSIG.HMAC_SHA384,
          "hmac-sha512", TSIG.HMAC_SHA512);
  private static final long LOOK_AGAIN_MILLIS = 200;

  private final Name name;
  private final Name zone;
  private final int type;
  private final Server primary;
  private final List<Server> others;
  private final Key key;
  private final Duration timeout;
  private final Duration spread;
  private final String thing;

  private DnsSwitch(Builder builder) {
    name = Objects.requireNonNull(builder.name, "name");
    zone = Objects.requireNonNull(builder.zone, "zone");
    type = builder.type;
    primary = Objects.requireNonNull(builder.primary, "primary");
    others = List.copyOf(builder.others);
    key = Objects.requireNonNull(builder.key, "key");
    timeout = builder.timeout;
    spread = builder.spread;
    thing = "DNS " + Type.string(type) + " of " + name;
    if (!name.subdomain(zone)) {
      throw new IllegalArgumentException(name + " is not in the zone " + zone);
    }
  }

  /** What has to be said: name, zone, primary and key. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public String kind() {
    return "dns";
  }

  @Override
  public String describe() {
    return thing;
  }

  @Override
  public String current() throws SwitchException {
    Answer configured = ask(primary);
    for (Server other : others) {
      Answer running = ask(other);
      if (!running.values().equals(configured.values())) {
        throw SwitchException.inBetween(thing, configured.toString(), other + ": " + running);
      }
    }
    return configured.toString();
  }

  @Override
  public boolean points(String place) throws SwitchException {
    Set<Record> wanted = parse(place);
    boolean all = ask(primary).values().equals(wanted);
    for (Server other : others) {
      all &= ask(other).values().equals(wanted);
    }
    return all;
  }

  @Override
  public Duration set(String expected, String place) throws SwitchException {
    Set<Record> from = parse(expected);
    Set<Record> to = parse(place);
    Answer found = ask(primary);
    if (!found.values().equals(to)) {
      if (!found.values().equals(from)) {
        throw SwitchException.changed(thing, expected, found.toString());
      }
      update(from, to, found.ttl(), expected);
    }
    await(to);
    return Duration.ofSeconds(found.ttl());
  }

  @Override
  public String toString() {
    return thing;
  }

  private void update(Set<Record> from, Set<Record> to, long ttl, String expected)
      throws SwitchException {
    Update update = new Update(zone);
    String problem;
    IOException cause = null;
    try {
      for (Record record : from) {
        update.present(record);
      }
      update.delete(name, type);
      for (Record record : to) {
        update.add(
            Record.fromString(name, type, DClass.IN, ttl, record.rdataToString(), Name.root));
      }
      Message answer = resolver(primary, key.open()).send(update);
      problem = problem(answer, to, expected);
      if (problem.isEmpty()) {
        return;
      }
    } catch (SwitchException e) {
      throw e;
    } catch (IOException e) {
      problem = primary + " did not answer while it was changed: " + e.getMessage();
      cause = e;
    }
    // Whether it came true can be seen.
    Set<Record> now;
    boolean interrupted = Thread.interrupted();
    try {
      now = ask(primary).values();
    } catch (SwitchException e) {
      if (cause != null) {
        e.addSuppressed(cause);
      }
      throw SwitchException.outcomeUnknown(thing, problem, e);
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    if (!now.equals(to)) {
      throw SwitchException.outcomeUnknown(thing, problem, cause);
    }
  }

  /** Nothing if it was done, why nobody can tell, or the failure that it was not done. */
  private String problem(Message answer, Set<Record> to, String expected) throws SwitchException {
    String said = primary + " says " + Rcode.string(answer.getRcode());
    switch (answer.getRcode()) {
      case Rcode.NOERROR -> {
        return answer.isVerified() ? "" : said + ", and its answer is not signed with the key";
      }
      case Rcode.NXRRSET, Rcode.NXDOMAIN -> {
        Answer now = ask(primary);
        if (now.values().equals(to)) {
          return "";
        }
        throw SwitchException.changed(thing, expected, now.toString());
      }
      case Rcode.REFUSED, Rcode.NOTAUTH -> {
        TSIGRecord signature = answer.getTSIG();
        String why = signature == null ? "" : " (" + Rcode.TSIGstring(signature.getError()) + ")";
        throw SwitchException.refused(thing, said + why + "; key " + key, null);
      }
      case Rcode.SERVFAIL -> throw SwitchException.unavailable(thing, said, null);
      default -> throw SwitchException.invalid(thing, said + " to an update of zone " + zone);
    }
  }

  /** Until all servers that are named say the same. */
  private void await(Set<Record> to) throws SwitchException {
    long deadline = System.nanoTime() + spread.toNanos();
    List<Server> left = new ArrayList<>(others);
    left.add(0, primary);
    SwitchException last = null;
    while (true) {
      String seen = "";
      for (Server server : List.copyOf(left)) {
        try {
          Answer answer = ask(server);
          if (answer.values().equals(to)) {
            left.remove(server);
          } else {
            seen = server + " still says " + answer;
          }
        } catch (SwitchException e) {
          seen = server + " could not be asked";
          last = e;
        }
      }
      if (left.isEmpty()) {
        return;
      }
      if (System.nanoTime() > deadline) {
        throw SwitchException.outcomeUnknown(
            thing, "was changed, and after " + spread + " " + seen, last);
      }
      try {
        Thread.sleep(LOOK_AGAIN_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw SwitchException.outcomeUnknown(thing, "was changed; interrupted while " + seen, e);
      }
    }
  }

  private Answer ask(Server server) throws SwitchException {
    Message answer;
    try {
      Message question = Message.newQuery(Record.newRecord(name, type, DClass.IN));
      question.getHeader().unsetFlag(Flags.RD);
      answer = resolver(server, null).send(question);
    } catch (IOException e) {
      throw SwitchException.unavailable(thing, server + ": " + e.getMessage(), e);
    }
    int code = answer.getRcode();
    if (code == Rcode.REFUSED) {
      throw SwitchException.refused(thing, server + " does not answer us: REFUSED", null);
    }
    if (code != Rcode.NOERROR && code != Rcode.NXDOMAIN) {
      throw SwitchException.unavailable(thing, server + " says " + Rcode.string(code), null);
    }
    if (!answer.getHeader().getFlag(Flags.AA)) {
      throw SwitchException.invalid(thing, server + " is not authoritative for " + name);
    }
    List<Record> records =
        answer.getSection(Section.ANSWER).stream()
            .filter(each -> each.getName().equals(name) && each.getType() == type)
            .toList();
    if (records.isEmpty()) {
      throw SwitchException.invalid(thing, server + " has no such record");
    }
    long ttl = records.stream().mapToLong(Record::getTTL).max().orElse(0);
    return new Answer(Set.copyOf(records), ttl);
  }

  private SimpleResolver resolver(Server server, @Nullable TSIG signature) throws IOException {
    InetSocketAddress address = new InetSocketAddress(server.host(), server.port());
    if (address.isUnresolved()) {
      throw new IOException("no such host");
    }
    SimpleResolver resolver = new SimpleResolver(address);
    resolver.setTimeout(timeout);
    if (signature != null) {
      resolver.setTCP(true);
      resolver.setTSIGKey(signature);
    }
    return resolver;
  }

  private Set<Record> parse(String place) throws SwitchException {
    List<Record> records = new ArrayList<>();
    for (String value : place.split(",", -1)) {
      try {
        records.add(Record.fromString(name, type, DClass.IN, 0, value.strip(), Name.root));
      } catch (IOException e) {
        throw SwitchException.invalid(
            thing, "\"" + value.strip() + "\" is no value of a record " + Type.string(type));
      }
    }
    Set<Record> all = records.stream().collect(Collectors.toUnmodifiableSet());
    if (type == Type.CNAME && all.size() > 1) {
      throw SwitchException.invalid(thing, "a name has one CNAME");
    }
    return all;
  }

  private record Answer(Set<Record> values, long ttl) {
    @Override
    public String toString() {
      return values.stream().map(Record::rdataToString).sorted().collect(Collectors.joining(", "));
    }
  }

  private record Server(String host, int port) {
    @Override
    public String toString() {
      return (host.contains(":") ? "[" + host + "]" : host) + (port == 53 ? "" : ":" + port);
    }
  }

  private record Key(Name name, Name algorithm, SecretValue secret) {
    TSIG open() {
      return secret.useBytes(
          text -> {
            byte[] bytes = decoded(text);
            try {
              return new TSIG(algorithm, name, bytes);
            } finally {
              Arrays.fill(bytes, (byte) 0);
            }
          });
    }

    static byte[] decoded(byte[] text) {
      int end = text.length;
      while (end > 0 && text[end - 1] <= ' ') {
        end--; // a file ends with a line feed
      }
      byte[] written = Arrays.copyOf(text, end);
      try {
        return Base64.getDecoder().decode(written);
      } finally {
        Arrays.fill(written, (byte) 0);
      }
    }

    @Override
    public String toString() {
      return name + " " + algorithm;
    }
  }

  /** Says which records, and who holds them. */
  public static final class Builder {
    private @Nullable Name name;
    private @Nullable Name zone;
    private int type = Type.A;
    private @Nullable Server primary;
    private final List<Server> others = new ArrayList<>();
    private @Nullable Key key;
    private Duration timeout = Duration.ofSeconds(5);
    private Duration spread = Duration.ofSeconds(30);

    private Builder() {}

    /** The whole name that clients ask for. */
    public Builder name(String text) {
      name = absolute(text);
      return this;
    }

    /** The zone that it is in. */
    public Builder zone(String text) {
      zone = absolute(text);
      return this;
    }

    /** {@code A}, unless it is said to be {@code AAAA} or {@code CNAME}. */
    public Builder type(String text) {
      if (!TYPES.contains(text)) {
        throw new IllegalArgumentException("\"" + text + "\" is none of A, AAAA, CNAME");
      }
      type = Type.value(text);
      return this;
    }

    /** The server that takes updates: an address rather than a name, which may be away. */
    public Builder primary(String host, int port) {
      primary = new Server(host, port);
      return this;
    }

    /**
     * One more authoritative server, which has to give the new answer too before the change counts.
     * Leave out those that may be away with the old place.
     */
    public Builder other(String host, int port) {
      others.add(new Server(host, port));
      return this;
    }

    /**
     * What updates are signed with.
     *
     * @param algorithm {@code hmac-sha256} or another of its family
     * @param secret in Base64, as tsig-keygen prints it; the caller closes it
     */
    public Builder key(String keyName, String algorithm, SecretValue secret) {
      Name known = ALGORITHMS.get(algorithm.toLowerCase(Locale.ROOT));
      if (known == null) {
        throw new IllegalArgumentException(
            "\"" + algorithm + "\" is none of " + ALGORITHMS.keySet().stream().sorted().toList());
      }
      boolean readable =
          secret.useBytes(
              text -> {
                try {
                  byte[] bytes = Key.decoded(text);
                  boolean some = bytes.length > 0;
                  Arrays.fill(bytes, (byte) 0);
                  return some;
                } catch (IllegalArgumentException e) {
                  return false;
                }
              });
      if (!readable) {
        throw new IllegalArgumentException("the secret of the key is not Base64");
      }
      key = new Key(absolute(keyName), known, secret);
      return this;
    }

    /** How long one answer may take; 5 s unless said. */
    public Builder timeout(Duration longest) {
      timeout = longest;
      return this;
    }

    /** How long the other servers may take to follow the primary; 30 s unless said. */
    public Builder spread(Duration longest) {
      spread = longest;
      return this;
    }

    /** The switch. */
    public DnsSwitch build() {
      return new DnsSwitch(this);
    }

    private static Name absolute(String text) {
      try {
        return Name.fromString(text, Name.root);
      } catch (TextParseException e) {
        throw new IllegalArgumentException("\"" + text + "\" is no name", e);
      }
    }
  }
}
