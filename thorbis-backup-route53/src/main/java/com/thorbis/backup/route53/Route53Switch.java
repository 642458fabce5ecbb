package com.thorbis.backup.route53;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.traffic.SwitchException;
import com.thorbis.backup.dr.traffic.TrafficSwitch;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.AbortedException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.route53.Route53Client;
import software.amazon.awssdk.services.route53.model.Change;
import software.amazon.awssdk.services.route53.model.ChangeAction;
import software.amazon.awssdk.services.route53.model.ChangeInfo;
import software.amazon.awssdk.services.route53.model.ChangeStatus;
import software.amazon.awssdk.services.route53.model.InvalidChangeBatchException;
import software.amazon.awssdk.services.route53.model.PriorRequestNotCompleteException;
import software.amazon.awssdk.services.route53.model.ResourceRecord;
import software.amazon.awssdk.services.route53.model.ResourceRecordSet;

/**
 * All records of one name and type in a hosted zone of Amazon Route 53, with simple routing. A
 * place is their values: {@code 10.0.0.1, 10.0.0.2} or {@code db2.example.com}. One batch deletes
 * what was expected and creates what shall be, so that nothing happens if it is something else;
 * then it is waited until all servers have it. The time to live stays as it is.
 */
public final class Route53Switch implements TrafficSwitch {
  private static final Set<String> TYPES = Set.of("A", "AAAA", "CNAME");
  private static final Pattern VALUE = Pattern.compile("[A-Za-z0-9:._-]+");

  private final Route53Client client;
  private final Runnable release;
  private final String zone;
  private final String name;
  private final String type;
  private final Duration spread;
  private final Duration interval;
  private final String thing;

  private Route53Switch(Builder builder) {
    client = Objects.requireNonNull(builder.client, "client");
    zone = Objects.requireNonNull(builder.zone, "zone");
    name = Objects.requireNonNull(builder.name, "name");
    type = builder.type;
    spread = builder.spread;
    interval = builder.interval;
    release = builder.release;
    thing = "Route 53 " + type + " of " + name + " in zone " + zone;
  }

  /** What has to be said: client, zone and name. */
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
    return text(values(look()));
  }

  /** What the zone says; {@link #set} also waits until its servers have it. */
  @Override
  public boolean points(String place) throws SwitchException {
    return values(look()).equals(parse(place));
  }

  @Override
  public Duration set(String expected, String place) throws SwitchException {
    Set<String> from = parse(expected);
    Set<String> to = parse(place);
    ResourceRecordSet found = look();
    if (!values(found).equals(to) && !values(found).equals(from)) {
      throw SwitchException.changed(thing, expected, text(values(found)));
    }
    // If it is there already, the same again: when that has spread, so has what came before.
    ResourceRecordSet wanted =
        values(found).equals(to)
            ? found
            : found.toBuilder()
                .resourceRecords(
                    to.stream().map(each -> ResourceRecord.builder().value(each).build()).toList())
                .build();
    await(change(found, wanted, expected).id());
    return Duration.ofSeconds(found.ttl());
  }

  @Override
  public void close() {
    release.run();
  }

  @Override
  public String toString() {
    return thing;
  }

  private ChangeInfo change(ResourceRecordSet from, ResourceRecordSet to, String expected)
      throws SwitchException {
    try {
      return client
          .changeResourceRecordSets(
              request ->
                  request
                      .hostedZoneId(zone)
                      .changeBatch(
                          batch ->
                              batch.changes(
                                  step(ChangeAction.DELETE, from), step(ChangeAction.CREATE, to))))
          .changeInfo();
    } catch (InvalidChangeBatchException e) {
      ResourceRecordSet now = look();
      if (!from.equals(to) && values(now).equals(values(to))) {
        return change(now, now, expected); // the first answer was lost, and the client asked again
      }
      if (!now.equals(from)) {
        throw SwitchException.changed(thing, expected, text(values(now)));
      }
      throw SwitchException.invalid(thing, "is not changed: " + said(e));
    } catch (PriorRequestNotCompleteException e) {
      throw new SwitchException(
          "traffic.busy",
          FailureKind.TRANSIENT,
          thing,
          "an earlier change of the zone is not complete; nothing was changed",
          "Wait, and try again.",
          e);
    } catch (SdkException e) {
      if (e instanceof AwsServiceException answer && answer.statusCode() < 500) {
        throw translate(e);
      }
      throw SwitchException.outcomeUnknown(thing, "no answer to a change: " + said(e), e);
    }
  }

  private static Change step(ChangeAction action, ResourceRecordSet records) {
    return Change.builder().action(action).resourceRecordSet(records).build();
  }

  private void await(String id) throws SwitchException {
    long deadline = System.nanoTime() + spread.toNanos();
    SdkException last = null;
    while (true) {
      try {
        ChangeInfo info = client.getChange(request -> request.id(id)).changeInfo();
        if (info.status() == ChangeStatus.INSYNC) {
          return;
        }
      } catch (SdkException e) {
        last = e;
      }
      if (System.nanoTime() > deadline || last instanceof AbortedException) {
        throw SwitchException.outcomeUnknown(
            thing, "was changed, and not all servers are known to have it: change " + id, last);
      }
      try {
        Thread.sleep(interval.toMillis());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw SwitchException.outcomeUnknown(thing, "was changed; interrupted after " + id, e);
      }
    }
  }

  private ResourceRecordSet look() throws SwitchException {
    List<ResourceRecordSet> all =
        ask(
            () ->
                client
                    .listResourceRecordSets(
                        request ->
                            request
                                .hostedZoneId(zone)
                                .startRecordName(name)
                                .startRecordType(type)
                                .maxItems("2"))
                    .resourceRecordSets());
    Optional<ResourceRecordSet> found =
        all.stream()
            .filter(each -> name.equals(absolute(each.name())) && type.equals(each.typeAsString()))
            .findFirst();
    if (found.isEmpty()) {
      throw SwitchException.invalid(thing, "there is no such record");
    }
    ResourceRecordSet records = found.get();
    if (records.aliasTarget() != null || records.setIdentifier() != null) {
      throw SwitchException.invalid(
          thing, "is an alias or has a routing policy; only simple records are moved");
    }
    if (records.ttl() == null || records.resourceRecords().isEmpty()) {
      throw SwitchException.unavailable(thing, "gave an answer of another form", null);
    }
    return records;
  }

  private <T> T ask(Supplier<T> call) throws SwitchException {
    try {
      return call.get();
    } catch (SdkException e) {
      throw translate(e);
    }
  }

  private SwitchException translate(SdkException e) {
    int status = e instanceof AwsServiceException answer ? answer.statusCode() : 0;
    return switch (status) {
      case 401, 403 -> SwitchException.refused(thing, said(e), e);
      case 400 ->
          throttled(e)
              ? SwitchException.unavailable(thing, said(e), e)
              : SwitchException.refused(thing, said(e), e);
      case 404 -> SwitchException.invalid(thing, said(e));
      default -> SwitchException.unavailable(thing, said(e), e);
    };
  }

  private static boolean throttled(SdkException e) {
    return e instanceof AwsServiceException answer && answer.isThrottlingException();
  }

  private static String said(SdkException e) {
    return e instanceof AwsServiceException answer && answer.awsErrorDetails() != null
        ? answer.awsErrorDetails().errorCode() + ": " + answer.awsErrorDetails().errorMessage()
        : String.valueOf(e.getMessage());
  }

  private Set<String> values(ResourceRecordSet records) {
    Set<String> values = new TreeSet<>();
    records.resourceRecords().forEach(each -> values.add(plain(each.value())));
    return values;
  }

  private Set<String> parse(String place) throws SwitchException {
    Set<String> values = new TreeSet<>();
    for (String each : place.split(",", -1)) {
      if (!VALUE.matcher(each.strip()).matches()) {
        throw SwitchException.invalid(
            thing, "\"" + each.strip() + "\" is no value of a record " + type);
      }
      values.add(plain(each.strip()));
    }
    if (type.equals("CNAME") && values.size() > 1) {
      throw SwitchException.invalid(thing, "a name has one CNAME");
    }
    return values;
  }

  private String plain(String value) {
    return type.equals("CNAME") ? absolute(value) : value.toLowerCase(Locale.ROOT);
  }

  private static String text(Set<String> values) {
    return String.join(", ", values);
  }

  private static String absolute(String text) {
    String lower = text.toLowerCase(Locale.ROOT);
    return lower.endsWith(".") ? lower : lower + ".";
  }

  /** Says which records. */
  public static final class Builder {
    private @Nullable Route53Client client;
    private @Nullable String zone;
    private @Nullable String name;
    private String type = "A";
    private Duration spread = Duration.ofMinutes(3);
    private Duration interval = Duration.ofSeconds(2);
    private Runnable release = () -> {};

    private Builder() {}

    /** The client, which stays the caller's. */
    public Builder client(Route53Client theirs) {
      client = theirs;
      return this;
    }

    /** The id of the hosted zone, such as {@code Z0123456789ABCDEFGHIJ}. */
    public Builder zone(String id) {
      if (!id.matches("[A-Z0-9]{1,32}")) {
        throw new IllegalArgumentException("\"" + id + "\" is no id of a hosted zone");
      }
      zone = id;
      return this;
    }

    /** The whole name that clients ask for. */
    public Builder name(String text) {
      if (!text.matches("[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*\\.?")) {
        throw new IllegalArgumentException("\"" + text + "\" is no name");
      }
      name = absolute(text);
      return this;
    }

    /** {@code A}, unless it is said to be {@code AAAA} or {@code CNAME}. */
    public Builder type(String text) {
      if (!TYPES.contains(text)) {
        throw new IllegalArgumentException("\"" + text + "\" is none of A, AAAA, CNAME");
      }
      type = text;
      return this;
    }

    /** How long the servers may take to follow; 3 minutes unless said. */
    public Builder spread(Duration longest) {
      spread = longest;
      return this;
    }

    Builder interval(Duration between) {
      interval = between;
      return this;
    }

    Builder release(Runnable atEnd) {
      release = atEnd;
      return this;
    }

    /** The switch. */
    public Route53Switch build() {
      return new Route53Switch(this);
    }
  }
}
