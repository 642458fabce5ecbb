package com.thorbis.backup.testkit.cloud;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Google Cloud Storage over JSON: objects with generations and preconditions, uploads by one
 * request and resumable ones, ranges, listing with offsets and pages, batches of deletions,
 * rewriting, object retention, soft delete and versions. One request is carried out at a time, so
 * that of writers who race exactly one finds the name free. Looks at no credentials.
 */
public final class FakeGcs extends FakeService {
  /** What a bucket is set to. */
  public enum Feature {
    /** Objects may be retained until a time. */
    RETENTION,
    /** What was deleted is kept for a week. */
    SOFT_DELETE,
    /** What was deleted or replaced stays as a version. */
    VERSIONS
  }

  private static final int MOST_LISTED = 1000;
  private static final Map<String, String> NO_HEADERS = Map.of();
  private static final DateTimeFormatter HTTP_DATE =
      DateTimeFormatter.RFC_1123_DATE_TIME.withZone(ZoneOffset.UTC);

  private final Map<String, Bucket> buckets = new TreeMap<>();
  private final Map<String, Session> sessions = new LinkedHashMap<>();
  private long generations = 1_700_000_000_000_000L;
  private boolean hidesBuckets;
  private boolean corrupts;

  /** Starts it, without any bucket. */
  public FakeGcs() throws IOException {
    super(null);
  }

  /** Makes an empty bucket. */
  public synchronized void createBucket(String name, Feature... features) {
    Bucket bucket = new Bucket();
    bucket.features.addAll(Arrays.asList(features));
    buckets.put(name, bucket);
  }

  /** Removes a bucket with all that is in it. */
  public synchronized void removeBucket(String name) {
    buckets.remove(name);
  }

  /** Whether it is forbidden to ask for a bucket's own facts, as to most accounts. */
  public synchronized void hideBuckets(boolean hidden) {
    hidesBuckets = hidden;
  }

  /** Whether a bit of all content that comes in is flipped on the way, unnoticed by the network. */
  public synchronized void corrupt(boolean on) {
    corrupts = on;
  }

  /** How many resumable uploads were begun and neither ended nor given up. */
  public synchronized int openUploads() {
    return (int) sessions.values().stream().filter(session -> session.done == null).count();
  }

  /** The facts of an object as the service tells them; empty if there is none. */
  public synchronized Map<String, Object> facts(String bucket, String name) {
    Bucket there = buckets.get(bucket);
    Stored stored = there == null ? null : there.live.get(name);
    return stored == null ? Map.of() : stored.facts();
  }

  @Override
  String operation(Request request) {
    String path = request.uri().getRawPath();
    String method = method(request);
    if (path.startsWith("/batch/")) {
      return "batch";
    }
    if (path.startsWith("/upload/")) {
      return switch (method) {
        case "PUT" -> "piece";
        case "DELETE" -> "cancel";
        default -> query(request.uri()).getOrDefault("uploadType", "");
      };
    }
    String[] parts = path.split("/");
    if (path.contains("/rewriteTo/")) {
      return "rewrite";
    }
    if (path.endsWith("/restore")) {
      return "restore";
    }
    if (path.endsWith("/o")) {
      return "list";
    }
    if (path.startsWith("/download/")) {
      return "content";
    }
    return parts.length == 5 ? "bucket" : method.toLowerCase(Locale.ROOT);
  }

  @Override
  synchronized Answer answer(Request request) {
    try {
      if (request.uri().getRawPath().startsWith("/batch/")) {
        return batch(request);
      }
      return one(operation(request), request.uri(), request.headers(), request.body());
    } catch (Refusal e) {
      return e.answer;
    }
  }

  @Override
  Answer throttled() {
    return error(429, "rateLimitExceeded", "The object exceeded the rate limit.").answer;
  }

  @Override
  Answer unavailable() {
    return error(503, "backendError", "We encountered an internal error. Please try again.").answer;
  }

  private static String method(Request request) {
    String said = request.header("x-http-method-override");
    return said.isEmpty() ? request.method() : said;
  }

  private Answer one(String operation, URI uri, Map<String, String> headers, byte[] body) {
    Map<String, String> query = query(uri);
    String[] path = uri.getRawPath().split("/");
    int at = Arrays.asList(path).indexOf("b") + 1;
    String bucketName = decode(path[at]);
    String name = path.length > at + 2 ? decode(path[at + 2]) : query.getOrDefault("name", "");
    if (operation.equals("piece")) {
      return piece(query, headers, body);
    }
    if (operation.equals("cancel")) {
      sessions.remove(query.get("upload_id"));
      return new Answer(499, NO_HEADERS, new byte[0]);
    }
    Bucket bucket = buckets.get(bucketName);
    if (bucket == null) {
      throw error(404, "notFound", "The specified bucket does not exist.");
    }
    return switch (operation) {
      case "bucket" -> Answer.ok(bucketFacts(bucketName, bucket));
      case "list" -> Answer.ok(list(bucket, query));
      case "get" -> Answer.ok(existing(bucket, bucketName, name, query).facts());
      case "content" -> content(existing(bucket, bucketName, name, query), headers);
      case "multipart" -> multipart(bucket, headers, query, body);
      case "resumable" -> resumable(bucketName, bucket, headers, query, body);
      case "delete" -> delete(bucket, bucketName, name, query);
      case "patch" -> patch(existing(bucket, bucketName, name, query), query, Json.read(body));
      case "rewrite" -> rewrite(bucket, bucketName, name, query, Json.read(body));
      case "restore" -> restore(bucket, name, query);
      default -> throw error(400, "invalid", "No such request: " + operation);
    };
  }

  private Map<String, Object> bucketFacts(String name, Bucket bucket) {
    if (hidesBuckets) {
      throw error(403, "forbidden", "does not have storage.buckets.get access");
    }
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("name", name);
    facts.put(
        "softDeletePolicy",
        Map.of(
            "retentionDurationSeconds",
            bucket.features.contains(Feature.SOFT_DELETE) ? "604800" : "0"));
    if (bucket.features.contains(Feature.RETENTION)) {
      facts.put("objectRetention", Map.of("mode", "Enabled"));
    }
    facts.put("versioning", Map.of("enabled", bucket.features.contains(Feature.VERSIONS)));
    return facts;
  }

  private static Map<String, Object> list(Bucket bucket, Map<String, String> query) {
    String prefix = query.getOrDefault("prefix", "");
    String start = query.getOrDefault("startOffset", "");
    String end = query.getOrDefault("endOffset", "\uffff");
    boolean softDeleted = query.getOrDefault("softDeleted", "").equals("true");
    boolean versions = query.getOrDefault("versions", "").equals("true");
    List<Stored> all = new ArrayList<>();
    if (!softDeleted) {
      all.addAll(bucket.live.values());
    }
    if (versions || softDeleted) {
      all.addAll(bucket.gone);
    }
    all.removeIf(
        one ->
            !one.name.startsWith(prefix)
                || one.name.compareTo(start) < 0
                || one.name.compareTo(end) >= 0);
    all.sort(Comparator.comparing((Stored one) -> one.name).thenComparing(one -> one.generation));
    int from = Integer.parseInt(query.getOrDefault("pageToken", "0"));
    int most = Math.min(MOST_LISTED, Integer.parseInt(query.getOrDefault("maxResults", "1000")));
    int to = Math.min(all.size(), from + most);
    Map<String, Object> page = new LinkedHashMap<>();
    page.put("kind", "storage#objects");
    if (from < to) {
      page.put("items", all.subList(from, to).stream().map(Stored::facts).toList());
    }
    if (to < all.size()) {
      page.put("nextPageToken", String.valueOf(to));
    }
    return page;
  }

  private static Stored existing(
      Bucket bucket, String bucketName, String name, Map<String, String> query) {
    Stored live = bucket.live.get(name);
    String generation = query.get("generation");
    if (live == null || generation != null && !generation.equals(live.generation + "")) {
      throw error(404, "notFound", "No such object: " + bucketName + "/" + name);
    }
    return live;
  }

  private static Answer content(Stored stored, Map<String, String> headers) {
    byte[] bytes = stored.bytes;
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("Content-Type", "application/octet-stream");
    facts.put("x-goog-generation", String.valueOf(stored.generation));
    facts.put("x-goog-stored-content-length", String.valueOf(bytes.length));
    facts.put("x-goog-storage-class", stored.storageClass);
    facts.put("Last-Modified", HTTP_DATE.format(stored.updated));
    String range = headers.get("range");
    if (range == null) {
      return new Answer(200, facts, bytes);
    }
    String[] ends = range.substring("bytes=".length()).split("-", 2);
    long from = Long.parseLong(ends[0]);
    long last = ends[1].isEmpty() ? Long.MAX_VALUE : Long.parseLong(ends[1]);
    if (from >= bytes.length) {
      return new Answer(
          416, NO_HEADERS, "Request range not satisfiable".getBytes(StandardCharsets.UTF_8));
    }
    int to = (int) Math.min(bytes.length - 1, last);
    facts.put("Content-Range", "bytes " + from + "-" + to + "/" + bytes.length);
    return new Answer(206, facts, Arrays.copyOfRange(bytes, (int) from, to + 1));
  }

  private Answer multipart(
      Bucket bucket, Map<String, String> headers, Map<String, String> query, byte[] body) {
    List<byte[]> parts = parts(headers.getOrDefault("content-type", ""), body);
    Map<String, Object> facts = Json.read(afterHeaders(parts.get(0)));
    return Answer.ok(create(bucket, facts, query, afterHeaders(parts.get(1))).facts());
  }

  private Answer resumable(
      String bucketName,
      Bucket bucket,
      Map<String, String> headers,
      Map<String, String> query,
      byte[] body) {
    requireGeneration(bucket, query.get("name"), query);
    Session session = new Session(bucketName, Json.read(body), query);
    String id = "upload-" + sessions.size() + "-" + generations++;
    sessions.put(id, session);
    return new Answer(
        200,
        Map.of(
            "Location",
            "http://"
                + headers.get("host") // whatever lies between stays there
                + "/upload/storage/v1/b/"
                + bucketName
                + "/o?uploadType=resumable&upload_id="
                + id),
        new byte[0]);
  }

  private Answer piece(Map<String, String> query, Map<String, String> headers, byte[] body) {
    Session session = sessions.get(query.get("upload_id"));
    Bucket bucket = session == null ? null : buckets.get(session.bucket);
    if (session == null || bucket == null) {
      throw error(404, "notFound", "No such upload");
    }
    if (session.done != null) {
      return Answer.ok(session.done.facts());
    }
    // "bytes 0-9/*", "bytes 0-9/10" or, to ask what is there, "bytes */*"
    String[] said =
        headers.getOrDefault("content-range", "bytes */*").substring("bytes ".length()).split("/");
    String total = said[1];
    if (!said[0].equals("*")) {
      long from = Long.parseLong(said[0].substring(0, said[0].indexOf('-')));
      long last = Long.parseLong(said[0].substring(said[0].indexOf('-') + 1));
      if (from > session.content.size() || last - from + 1 != body.length) {
        throw error(400, "invalid", "Wrong range: " + said[0] + " of " + session.content.size());
      }
      if (total.equals("*") && body.length % (1 << 18) != 0) {
        throw error(400, "invalid", "Pieces are multiples of 256 KiB");
      }
      int known = (int) Math.min(body.length, session.content.size() - from); // sent again
      session.content.write(body, known, body.length - known);
    }
    if (!total.equals("*") && Long.parseLong(total) == session.content.size()) {
      session.done = create(bucket, session.facts, session.query, session.content.toByteArray());
      session.content.reset();
      return Answer.ok(session.done.facts());
    }
    return new Answer(
        308,
        session.content.size() == 0
            ? NO_HEADERS
            : Map.of("Range", "bytes=0-" + (session.content.size() - 1)),
        new byte[0]);
  }

  @SuppressWarnings("unchecked") // as the client wrote it
  private Stored create(
      Bucket bucket, Map<String, Object> facts, Map<String, String> query, byte[] content) {
    String name = (String) facts.getOrDefault("name", query.getOrDefault("name", ""));
    requireGeneration(bucket, name, query);
    byte[] bytes = content.clone();
    if (corrupts && bytes.length > 0) {
      bytes[bytes.length / 2] ^= 1;
    }
    Stored stored = new Stored(name, generations++, bytes);
    if (facts.get("crc32c") != null && !facts.get("crc32c").equals(stored.crc32c())) {
      throw error(400, "invalid", "Provided CRC32C does not match calculated CRC32C");
    }
    stored.storageClass = (String) facts.getOrDefault("storageClass", "STANDARD");
    stored.metadata = (Map<String, Object>) facts.getOrDefault("metadata", Map.of());
    Map<String, Object> retention = (Map<String, Object>) facts.get("retention");
    if (retention != null) {
      retain(bucket, stored, retention, false);
    }
    replace(bucket, stored);
    return stored;
  }

  private static void replace(Bucket bucket, Stored stored) {
    Stored before = bucket.live.get(stored.name);
    if (before != null) {
      requireUnlocked(before);
      bucket.bury(before);
    }
    bucket.live.put(stored.name, stored);
  }

  private static void requireGeneration(
      Bucket bucket, @Nullable String name, Map<String, String> query) {
    String wanted = query.get("ifGenerationMatch");
    Stored live = bucket.live.get(String.valueOf(name));
    if (wanted != null && Long.parseLong(wanted) != (live == null ? 0 : live.generation)) {
      throw error(
          412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
    }
  }

  private static void retain(
      Bucket bucket, Stored stored, Map<String, Object> wanted, boolean override) {
    if (!bucket.features.contains(Feature.RETENTION)) {
      throw error(400, "invalid", "Object retention is not enabled for the bucket");
    }
    Instant until = Instant.parse((String) wanted.get("retainUntilTime"));
    String mode = (String) wanted.get("mode");
    Map<String, Object> now = stored.retention;
    if (now != null) {
      boolean shorter = until.isBefore(Instant.parse((String) now.get("retainUntilTime")));
      boolean wasLocked = "Locked".equals(now.get("mode"));
      if (wasLocked && (shorter || !"Locked".equals(mode))) {
        throw error(403, "retentionPolicyNotMet", "A locked retention can only grow");
      }
      if (!wasLocked && (shorter || "Locked".equals(mode)) && !override) {
        throw error(403, "forbidden", "overrideUnlockedRetention is needed");
      }
    }
    stored.retention = Map.of("mode", mode, "retainUntilTime", until.toString());
  }

  private static void requireUnlocked(Stored stored) {
    if (stored.retention != null
        && Instant.parse((String) stored.retention.get("retainUntilTime")).isAfter(Instant.now())) {
      throw error(
          403,
          "retentionPolicyNotMet",
          "Object is subject to object retention and cannot be deleted or overwritten until "
              + stored.retention.get("retainUntilTime"));
    }
  }

  private static Answer delete(
      Bucket bucket, String bucketName, String name, Map<String, String> query) {
    requireGeneration(bucket, name, query);
    Stored stored = existing(bucket, bucketName, name, Map.of());
    requireUnlocked(stored);
    bucket.live.remove(name);
    bucket.bury(stored);
    return new Answer(204, NO_HEADERS, new byte[0]);
  }

  @SuppressWarnings("unchecked") // as the client wrote it
  private Answer patch(Stored stored, Map<String, String> query, Map<String, Object> body) {
    String wanted = query.get("ifMetagenerationMatch");
    if (wanted != null && Long.parseLong(wanted) != stored.metageneration) {
      throw error(
          412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
    }
    Bucket bucket =
        buckets.values().stream()
            .filter(one -> one.live.get(stored.name) == stored)
            .findFirst()
            .orElseThrow();
    retain(
        bucket,
        stored,
        (Map<String, Object>) body.getOrDefault("retention", Map.of()),
        "true".equals(query.get("overrideUnlockedRetention")));
    stored.metageneration++;
    stored.updated = now();
    return Answer.ok(stored.facts());
  }

  /** Of one bucket over itself; needs two requests for anything but small objects. */
  @SuppressWarnings("unchecked") // as the client wrote it
  private Answer rewrite(
      Bucket bucket,
      String bucketName,
      String name,
      Map<String, String> query,
      Map<String, Object> body) {
    long generation = Long.parseLong(query.get("sourceGeneration"));
    Stored live = bucket.live.get(name);
    Stored from =
        live != null && live.generation == generation
            ? live
            : bucket.gone.stream()
                .filter(one -> one.name.equals(name) && one.generation == generation)
                .findFirst()
                .orElseThrow(
                    () -> error(404, "notFound", "No such object: " + bucketName + "/" + name));
    requireGeneration(bucket, name, query);
    if (from.bytes.length > 500 && query.get("rewriteToken") == null) {
      return Answer.ok(Map.of("done", false, "rewriteToken", "half"));
    }
    Stored stored = new Stored(name, generations++, from.bytes);
    stored.storageClass = (String) body.getOrDefault("storageClass", from.storageClass);
    stored.metadata = (Map<String, Object>) body.getOrDefault("metadata", from.metadata);
    replace(bucket, stored);
    return Answer.ok(Map.of("done", true, "resource", stored.facts()));
  }

  private Answer restore(Bucket bucket, String name, Map<String, String> query) {
    long generation = Long.parseLong(query.get("generation"));
    requireGeneration(bucket, name, query);
    Stored from =
        bucket.gone.stream()
            .filter(one -> one.name.equals(name) && one.generation == generation)
            .findFirst()
            .orElseThrow(() -> error(404, "notFound", "No such soft-deleted object: " + name));
    Stored stored = new Stored(name, generations++, from.bytes);
    stored.storageClass = from.storageClass;
    stored.metadata = from.metadata;
    bucket.live.put(name, stored);
    return Answer.ok(stored.facts());
  }

  private Answer batch(Request request) {
    StringBuilder out = new StringBuilder();
    int number = 0;
    for (byte[] part : parts(request.header("content-type"), request.body())) {
      String[] line =
          new String(afterHeaders(part), StandardCharsets.UTF_8).split("\r?\n")[0].split(" ");
      URI uri = URI.create(line[1]);
      Answer answer;
      try {
        answer =
            one(
                operation(new Request(line[0], uri, NO_HEADERS, new byte[0])),
                uri,
                NO_HEADERS,
                new byte[0]);
      } catch (Refusal e) {
        answer = e.answer;
      }
      out.append("--answers\r\nContent-Type: application/http\r\nContent-ID: <response-")
          .append(++number)
          .append(">\r\n\r\nHTTP/1.1 ")
          .append(answer.status())
          .append(" Said\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: ")
          .append(answer.body().length)
          .append("\r\n\r\n")
          .append(new String(answer.body(), StandardCharsets.UTF_8))
          .append("\r\n");
    }
    out.append("--answers--\r\n");
    return new Answer(
        200,
        Map.of("Content-Type", "multipart/mixed; boundary=answers"),
        out.toString().getBytes(StandardCharsets.UTF_8));
  }

  /** The parts of a body, each with its headers. */
  private static List<byte[]> parts(String contentType, byte[] body) {
    String boundary = contentType.replaceAll(".*boundary=\"?([^\";]+)\"?.*", "$1");
    String text = new String(body, StandardCharsets.ISO_8859_1); // one character for each byte
    String mark = "--" + boundary;
    List<byte[]> parts = new ArrayList<>();
    int from = text.indexOf(mark) + mark.length();
    for (int to = text.indexOf("\r\n" + mark, from);
        to >= 0;
        to = text.indexOf("\r\n" + mark, from)) {
      parts.add(Arrays.copyOfRange(body, text.indexOf('\n', from) + 1, to));
      from = to + 2 + mark.length();
    }
    return parts;
  }

  private static byte[] afterHeaders(byte[] part) {
    String text = new String(part, StandardCharsets.ISO_8859_1);
    return Arrays.copyOfRange(part, text.indexOf("\r\n\r\n") + 4, part.length);
  }

  private static Map<String, String> query(URI uri) {
    Map<String, String> query = new LinkedHashMap<>();
    String raw = uri.getRawQuery() == null ? "" : uri.getRawQuery();
    for (String pair : raw.split("&")) {
      int equals = pair.indexOf('=');
      if (equals > 0) {
        query.put(pair.substring(0, equals), decode(pair.substring(equals + 1)));
      }
    }
    return query;
  }

  private static String decode(String text) {
    return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  private static Instant now() {
    return Instant.now().truncatedTo(ChronoUnit.MILLIS);
  }

  private static Refusal error(int status, String reason, String message) {
    return new Refusal(
        new Answer(
            status,
            NO_HEADERS,
            Map.of(
                "error",
                Map.of(
                    "code",
                    status,
                    "message",
                    message,
                    "errors",
                    List.of(Map.of("reason", reason, "message", message, "domain", "global"))))));
  }

  private static final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private final transient Answer answer;

    Refusal(Answer answer) {
      super("refused", null, false, false);
      this.answer = answer;
    }
  }

  private static final class Bucket {
    final Set<Feature> features = EnumSet.noneOf(Feature.class);
    final TreeMap<String, Stored> live = new TreeMap<>();
    final List<Stored> gone = new ArrayList<>();

    void bury(Stored stored) {
      if (features.contains(Feature.SOFT_DELETE) || features.contains(Feature.VERSIONS)) {
        stored.deleted = now();
        gone.add(stored);
      }
    }
  }

  private static final class Session {
    final String bucket;
    final Map<String, Object> facts;
    final Map<String, String> query;
    final ByteArrayOutputStream content = new ByteArrayOutputStream();
    @Nullable Stored done;

    Session(String bucket, Map<String, Object> facts, Map<String, String> query) {
      this.bucket = bucket;
      this.facts = facts;
      this.query = query;
    }
  }

  private static final class Stored {
    final String name;
    final long generation;
    final byte[] bytes;
    final Instant created = now();
    Instant updated = created;
    long metageneration = 1;
    String storageClass = "STANDARD";
    Map<String, Object> metadata = Map.of();
    @Nullable Map<String, Object> retention;
    @Nullable Instant deleted;

    Stored(String name, long generation, byte[] bytes) {
      this.name = name;
      this.generation = generation;
      this.bytes = bytes;
    }

    String crc32c() {
      CRC32C crc = new CRC32C();
      crc.update(bytes);
      return Base64.getEncoder()
          .encodeToString(ByteBuffer.allocate(4).putInt((int) crc.getValue()).array());
    }

    Map<String, Object> facts() {
      Map<String, Object> facts = new LinkedHashMap<>();
      facts.put("kind", "storage#object");
      facts.put("name", name);
      facts.put("size", String.valueOf(bytes.length));
      facts.put("generation", String.valueOf(generation));
      facts.put("metageneration", String.valueOf(metageneration));
      facts.put("timeCreated", created.toString());
      facts.put("updated", updated.toString());
      facts.put("storageClass", storageClass);
      facts.put("metadata", metadata);
      facts.put("crc32c", crc32c());
      if (retention != null) {
        facts.put("retention", retention);
      }
      if (deleted != null) {
        facts.put("timeDeleted", deleted.toString());
      }
      return facts;
    }
  }
}
