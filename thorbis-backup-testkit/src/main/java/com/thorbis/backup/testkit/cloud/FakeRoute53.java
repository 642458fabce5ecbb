package com.thorbis.backup.testkit.cloud;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.jspecify.annotations.Nullable;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.SAXException;

/**
 * Amazon Route 53 with one hosted zone: lists records, changes them in batches that are carried out
 * wholly or not at all, and says when a change has spread. Of the signature of a request the access
 * key is looked at, not the rest.
 */
public final class FakeRoute53 extends FakeService {
  /** Its hosted zone. */
  public static final String ZONE = "Z0123456789ABCDEFGHIJ";

  /** The access key that it accepts. */
  public static final String ACCESS_KEY = "AKIDFAKE";

  private static final String NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/";
  private static final Pattern PATH =
      Pattern.compile("/2013-04-01/(?:hostedzone/([^/]+)/rrset/?|change/([^/]+))");

  private final Map<String, Records> records = new TreeMap<>();
  private final Map<String, Integer> pending = new LinkedHashMap<>();
  private int spread = 1;
  private boolean denied;
  private boolean lost;
  private @Nullable Runnable beforeChange;

  private record Records(String name, String type, String ttl, List<String> values, String more) {
    String key() {
      return name + " " + type;
    }
  }

  /** Starts it, without any record. */
  public FakeRoute53() throws IOException {
    super(null);
  }

  /** Puts the records of a name, with simple routing. */
  public synchronized void put(String name, String type, int ttl, String... values) {
    put(new Records(name, type, Integer.toString(ttl), List.of(values), ""));
  }

  /** Puts the records of a name with a weight. */
  public synchronized void putWeighted(String name, String type, int ttl, String value) {
    String more = "<SetIdentifier>one</SetIdentifier><Weight>1</Weight>";
    put(new Records(name, type, Integer.toString(ttl), List.of(value), more));
  }

  /** The values of a name. */
  public synchronized List<String> values(String name, String type) {
    Records found = records.get(name + " " + type);
    return found == null ? List.of() : found.values();
  }

  /** How often a change is looked at before it has spread. */
  public synchronized void spreads(int looks) {
    spread = looks;
  }

  /** From now on the account may change nothing, or may. */
  public synchronized void deny(boolean all) {
    denied = all;
  }

  /** What somebody else does just before the next change. */
  public synchronized void beforeChange(Runnable what) {
    beforeChange = what;
  }

  /** The next change is carried out, and answered as if the service could not. */
  public synchronized void loseNextAnswer() {
    lost = true;
  }

  private void put(Records one) {
    records.put(one.key(), one);
  }

  @Override
  String operation(Request request) {
    return request.method().equals("POST")
        ? "ChangeResourceRecordSets"
        : request.path().contains("/change/") ? "GetChange" : "ListResourceRecordSets";
  }

  @Override
  synchronized Answer answer(Request request) {
    if (!request.header("authorization").contains("Credential=" + ACCESS_KEY + "/")) {
      return error(403, "InvalidClientTokenId", "The security token is invalid.");
    }
    Matcher path = PATH.matcher(request.path());
    if (!path.matches()) {
      return error(404, "NotFound", "No such operation.");
    }
    if (path.group(2) != null) {
      return change(path.group(2));
    }
    if (!path.group(1).equals(ZONE)) {
      return error(404, "NoSuchHostedZone", "No hosted zone found with ID: " + path.group(1));
    }
    return request.method().equals("POST") ? change(request.body()) : list(request);
  }

  private Answer list(Request request) {
    String query = String.valueOf(request.uri().getQuery());
    String from = parameter(query, "name") + " " + parameter(query, "type");
    StringBuilder all = new StringBuilder();
    records.values().stream()
        .filter(each -> each.key().compareTo(from) >= 0)
        .limit(Long.parseLong(parameter(query, "maxitems")))
        .forEach(each -> all.append(xml(each)));
    return ok(
        "ListResourceRecordSets",
        "<ResourceRecordSets>"
            + all
            + "</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>2</MaxItems>");
  }

  private static String parameter(String query, String name) {
    for (String each : query.split("&", -1)) {
      if (each.startsWith(name + "=")) {
        return each.substring(name.length() + 1);
      }
    }
    return "";
  }

  private Answer change(byte[] body) {
    if (denied) {
      return error(403, "AccessDenied", "You may not route53:ChangeResourceRecordSets.");
    }
    Runnable first = beforeChange;
    beforeChange = null;
    if (first != null) {
      first.run();
    }
    Map<String, Records> then = new TreeMap<>(records);
    NodeList changes = read(body).getElementsByTagNameNS("*", "Change");
    for (int i = 0; i < changes.getLength(); i++) {
      Element change = (Element) changes.item(i);
      Records named =
          new Records(
              text(change, "Name").get(0),
              text(change, "Type").get(0),
              text(change, "TTL").get(0),
              text(change, "Value"),
              "");
      Records there = then.get(named.key());
      boolean deletes = text(change, "Action").get(0).equals("DELETE");
      if (deletes && !named.equals(there)) {
        return error(
            400,
            "InvalidChangeBatch",
            "Tried to delete resource record set but the values provided do not match");
      }
      if (!deletes && there != null) {
        return error(400, "InvalidChangeBatch", "Tried to create what already exists");
      }
      if (deletes) {
        then.remove(named.key());
      } else {
        then.put(named.key(), named);
      }
    }
    records.clear();
    records.putAll(then);
    String id = "C" + UUID.randomUUID().toString().replace("-", "").substring(0, 20);
    pending.put(id, spread);
    if (lost) {
      lost = false;
      return unavailable();
    }
    return ok("ChangeResourceRecordSets", info(id, "PENDING"));
  }

  private Answer change(String id) {
    Integer left = pending.get(id);
    if (left == null) {
      return error(404, "NoSuchChange", "Could not find resource with ID: " + id);
    }
    pending.put(id, left - 1);
    return ok("GetChange", info(id, left > 0 ? "PENDING" : "INSYNC"));
  }

  private static String info(String id, String status) {
    return "<ChangeInfo><Id>/change/"
        + id
        + "</Id><Status>"
        + status
        + "</Status><SubmittedAt>2030-01-01T00:00:00Z</SubmittedAt></ChangeInfo>";
  }

  private static String xml(Records one) {
    StringBuilder values = new StringBuilder();
    for (String value : one.values()) {
      values.append("<ResourceRecord><Value>").append(value).append("</Value></ResourceRecord>");
    }
    return "<ResourceRecordSet><Name>"
        + one.name()
        + "</Name><Type>"
        + one.type()
        + "</Type>"
        + one.more()
        + "<TTL>"
        + one.ttl()
        + "</TTL><ResourceRecords>"
        + values
        + "</ResourceRecords></ResourceRecordSet>";
  }

  private static List<String> text(Element in, String name) {
    List<String> all = new ArrayList<>();
    NodeList nodes = in.getElementsByTagNameNS("*", name);
    for (int i = 0; i < nodes.getLength(); i++) {
      all.add(nodes.item(i).getTextContent());
    }
    return all;
  }

  private static Document read(byte[] body) {
    try {
      DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
      factory.setNamespaceAware(true);
      factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
      return factory.newDocumentBuilder().parse(new ByteArrayInputStream(body));
    } catch (ParserConfigurationException | SAXException | IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  Answer throttled() {
    return error(400, "Throttling", "Rate exceeded");
  }

  @Override
  Answer unavailable() {
    return error(503, "ServiceUnavailable", "Service unavailable");
  }

  @Override
  String contentType() {
    return "text/xml";
  }

  private static Answer ok(String operation, String content) {
    return answer(200, operation + "Response", content);
  }

  private static Answer error(int status, String code, String message) {
    return answer(
        status,
        "ErrorResponse",
        "<Error><Type>Sender</Type><Code>"
            + code
            + "</Code><Message>"
            + message
            + "</Message></Error><RequestId>fake</RequestId>");
  }

  private static Answer answer(int status, String root, String content) {
    String text = "<" + root + " xmlns=\"" + NAMESPACE + "\">" + content + "</" + root + ">";
    return new Answer(status, Map.of(), text.getBytes(StandardCharsets.UTF_8));
  }
}
