package com.thorbis.backup.dr.evidence;

import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.Ed25519;
import com.thorbis.backup.dr.internal.Sha256;
import com.thorbis.backup.spi.crypto.Signer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * One thing that was done, seen or decided. Persisted as JSON in the form of RFC 8785, of which its
 * digest is taken; docs/evidence.md describes it for readers without this library.
 *
 * @param repository the repository's id: a record counts in no other
 * @param id names it for ever
 * @param kind what it is about; one of the constants here, or the host's own in the same form
 * @param at when it was made, by the clock of its host
 * @param actor who had it done
 * @param host where
 * @param subject what it is about, such as a source's name
 * @param outcome a word for what came of it, such as {@link #PASSED}
 * @param document all else, as objects, arrays, texts, whole numbers and truth values
 * @param previous the digests of all records that nobody had referred to when it was written
 * @param signature whose it is; empty where no key was configured
 */
public record EvidenceRecord(
    String repository,
    String id,
    String kind,
    Instant at,
    String actor,
    String host,
    String subject,
    String outcome,
    Map<String, Object> document,
    List<String> previous,
    Optional<Signature> signature) {
  /** A restore that was tried out. */
  public static final String DRILL = "drill";

  /** A restore that somebody needed. */
  public static final String RESTORE = "restore";

  /** A plan that was executed. */
  public static final String DR_RUN = "dr-run";

  /** A tabletop, a walkthrough or a simulated disaster. */
  public static final String EXERCISE = "exercise";

  /** A backup that was restored to its own end, or stored bytes that were read back. */
  public static final String VERIFICATION = "verification";

  /** What retention kept and let go of, and why. */
  public static final String RETENTION = "retention";

  /** Somebody's consent, or that it was withheld. */
  public static final String APPROVAL = "approval";

  /** Something expected, or a criterion, that somebody said need not be there until a date. */
  public static final String WAIVER = "waiver";

  /** What evidence was let go of when it was old enough. */
  static final String ANCHOR = "evidence-anchor";

  /** The outcome of what did what it must. */
  public static final String PASSED = "passed";

  /** The outcome of what did not. */
  public static final String FAILED = "failed";

  /** The outcome of what was broken off, and proves nothing. */
  public static final String ABORTED = "aborted";

  private static final String FORMAT = "thorbis-evidence/1";
  private static final byte[] LABEL = (FORMAT + "\n").getBytes(StandardCharsets.US_ASCII);
  private static final Set<String> MEMBERS =
      Set.of(
          "format",
          "repository",
          "id",
          "kind",
          "at",
          "actor",
          "host",
          "subject",
          "outcome",
          "document",
          "previous",
          "signature");
  private static final Pattern WORD = Pattern.compile("[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?");
  private static final Pattern ID = Pattern.compile("ev-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}");
  private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");
  private static final HexFormat HEX = HexFormat.of();

  /**
   * Who vouches for a record.
   *
   * @param key the Ed25519 public key, 64 hexadecimal digits
   * @param value the signature, 128 hexadecimal digits
   */
  public record Signature(String key, String value) {
    private static final Pattern KEY = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern VALUE = Pattern.compile("[0-9a-f]{128}");

    /** Checks the form. */
    public Signature {
      if (!KEY.matcher(key).matches() || !VALUE.matcher(value).matches()) {
        throw new IllegalArgumentException("Not a signature");
      }
    }
  }

  /** Checks the form and copies. */
  public EvidenceRecord {
    if (!ID.matcher(id).matches()) {
      throw new IllegalArgumentException("Not the id of a record: \"" + id + "\"");
    }
    requireWord("kind", kind);
    requireWord("outcome", outcome);
    if (!at.equals(at.truncatedTo(ChronoUnit.MILLIS))) {
      throw new IllegalArgumentException("Finer than milliseconds: " + at);
    }
    for (String digest : previous) {
      if (!DIGEST.matcher(digest).matches()) {
        throw new IllegalArgumentException("Not a digest: \"" + digest + "\"");
      }
    }
    document = CanonicalJson.copy(document);
    previous = List.copyOf(previous);
  }

  static void requireWord(String what, String word) {
    if (!WORD.matcher(word).matches()) {
      throw new IllegalArgumentException(
          "Not a word for a record's " + what + ": \"" + word + "\" (such as " + DR_RUN + ")");
    }
  }

  /** What a digest is taken of. */
  public byte[] bytes() {
    return CanonicalJson.encode(json());
  }

  /** SHA-256 of {@link #bytes}, 64 hexadecimal digits. */
  public String digest() {
    return digest(bytes());
  }

  static String digest(byte[] bytes) {
    return Sha256.hex(bytes);
  }

  /** As JSON, for a document that contains it. */
  public Map<String, Object> json() {
    Map<String, Object> json = unsigned();
    signature.ifPresent(by -> json.put("signature", Map.of("key", by.key(), "value", by.value())));
    return json;
  }

  private Map<String, Object> unsigned() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("format", FORMAT);
    json.put("repository", repository);
    json.put("id", id);
    json.put("kind", kind);
    json.put("at", at.toString());
    json.put("actor", actor);
    json.put("host", host);
    json.put("subject", subject);
    json.put("outcome", outcome);
    json.put("document", document);
    json.put("previous", previous);
    return json;
  }

  private byte[] message() {
    byte[] json = CanonicalJson.encode(unsigned());
    byte[] message = new byte[LABEL.length + json.length];
    System.arraycopy(LABEL, 0, message, 0, LABEL.length);
    System.arraycopy(json, 0, message, LABEL.length, json.length);
    return message;
  }

  /** The same with a signature. */
  EvidenceRecord signed(Signer signer) throws IOException {
    Signature by =
        new Signature(HEX.formatHex(signer.publicKey()), HEX.formatHex(signer.sign(message())));
    EvidenceRecord signed =
        new EvidenceRecord(
            repository,
            id,
            kind,
            at,
            actor,
            host,
            subject,
            outcome,
            document,
            previous,
            Optional.of(by));
    if (!signed.genuine()) {
      throw new IOException("The signing key gives a signature that is not its own");
    }
    return signed;
  }

  /** Whether its signature is that of the key it names; false without one. */
  boolean genuine() {
    return signature.isPresent()
        && Ed25519.verifies(
            HEX.parseHex(signature.get().key()), message(), HEX.parseHex(signature.get().value()));
  }

  /**
   * Reads a record.
   *
   * @throws IllegalArgumentException if it is none, is not in its one form, or has a member that
   *     this version does not know
   */
  public static EvidenceRecord parse(byte[] bytes) {
    return of(CanonicalJson.parse(bytes));
  }

  /** Reads a record out of a document that contains it. */
  public static EvidenceRecord of(Map<String, Object> json) {
    for (String name : json.keySet()) {
      if (!MEMBERS.contains(name)) {
        throw new IllegalArgumentException("An unknown member: \"" + name + "\"");
      }
    }
    if (!FORMAT.equals(json.get("format"))) {
      throw new IllegalArgumentException("Another format: " + json.get("format"));
    }
    Optional<Signature> signature = Optional.empty();
    if (json.containsKey("signature")) {
      Map<String, Object> by = object(json, "signature");
      if (by.size() != 2) {
        throw new IllegalArgumentException("A signature with other members");
      }
      signature = Optional.of(new Signature(text(by, "key"), text(by, "value")));
    }
    List<String> previous = new ArrayList<>();
    if (!(json.get("previous") instanceof List<?> digests)) {
      throw new IllegalArgumentException("\"previous\" is missing");
    }
    for (Object digest : digests) {
      previous.add(String.valueOf(digest));
    }
    Instant at;
    try {
      at = Instant.parse(text(json, "at"));
    } catch (DateTimeException e) {
      throw new IllegalArgumentException("\"at\" is no moment", e);
    }
    EvidenceRecord record =
        new EvidenceRecord(
            text(json, "repository"),
            text(json, "id"),
            text(json, "kind"),
            at,
            text(json, "actor"),
            text(json, "host"),
            text(json, "subject"),
            text(json, "outcome"),
            object(json, "document"),
            previous,
            signature);
    if (!record.json().equals(json)) {
      throw new IllegalArgumentException("Not in its one form");
    }
    return record;
  }

  private static String text(Map<String, Object> json, String name) {
    if (json.get(name) instanceof String text) {
      return text;
    }
    throw new IllegalArgumentException("\"" + name + "\" is missing, or no text");
  }

  @SuppressWarnings("unchecked") // the parser makes no other maps
  private static Map<String, Object> object(Map<String, Object> json, String name) {
    if (json.get(name) instanceof Map<?, ?> object) {
      return (Map<String, Object>) object;
    }
    throw new IllegalArgumentException("\"" + name + "\" is missing, or no object");
  }
}
