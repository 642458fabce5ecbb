package com.thorbis.backup.dr.run;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;

/**
 * What a person says to a run. It lies beside the journal until whoever owns the run takes it in.
 *
 * @param id drawn at random; one message counts once
 * @param run to which run
 * @param at when it was said
 * @param what one of the constants
 * @param by who says it
 * @param task about which step; empty: about the run
 * @param text why, or a note
 * @param request which request an approval answers: the number of its record
 * @param expires until when an approval counts
 * @param signature over {@link #signedText}, in hexadecimal; empty: unsigned
 */
public record Message(
    String id,
    String run,
    Instant at,
    String what,
    String by,
    String task,
    String text,
    long request,
    Optional<Instant> expires,
    String signature) {
  /** Agrees to a step. */
  public static final String APPROVE = "approve";

  /** Has done a step by hand, or has looked and found it done. */
  public static final String DONE = "done";

  /** Tries a step again that failed, or whose end nobody could tell. */
  public static final String RETRY = "retry";

  /** Stops the run and undoes what it did. */
  public static final String ABORT = "abort";

  /** Lets the result count before its window closes. */
  public static final String COMMIT = "commit";

  /** Takes it upon themselves that nobody else owns the run while its store is away. */
  public static final String OVERRIDE = "override";

  /** Tells something. */
  public static final String NOTE = "note";

  private static final String FORMAT = "thorbis-run-message";
  private static final long VERSION = 2;
  private static final byte[] ED25519 = HexFormat.of().parseHex("302a300506032b6570032100");

  /** A message about a run or a step of it, unsigned. */
  static Message of(
      String id, String run, Instant at, String what, String by, String task, String text) {
    return new Message(id, run, at, what, by, task, text, 0, Optional.empty(), "");
  }

  /**
   * What an approver signs: one request of one step of one run of one plan, until one moment.
   *
   * @param planDigest of the plan that the run carries out
   * @param request the number of the record that asks for it
   */
  public static byte[] signedText(
      String run, String task, String planDigest, long request, Instant expires, String by) {
    return Json.write(
            Json.object(
                "format", "thorbis-approval",
                "version", VERSION,
                "run", run,
                "step", task,
                "plan", planDigest,
                "request", request,
                "expires", expires,
                "by", by))
        .getBytes(StandardCharsets.UTF_8);
  }

  /** Whether it was signed with a key, given in hexadecimal. */
  boolean signedWith(String key, String planDigest) {
    if (expires.isEmpty()) {
      return false;
    }
    try {
      byte[] raw = HexFormat.of().parseHex(key);
      byte[] encoded = new byte[ED25519.length + raw.length];
      System.arraycopy(ED25519, 0, encoded, 0, ED25519.length);
      System.arraycopy(raw, 0, encoded, ED25519.length, raw.length);
      PublicKey publicKey =
          KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded));
      Signature check = Signature.getInstance("Ed25519");
      check.initVerify(publicKey);
      check.update(signedText(run, task, planDigest, request, expires.get(), by));
      return check.verify(HexFormat.of().parseHex(signature));
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      return false;
    }
  }

  /** What the journal keeps of it. */
  Map<String, Object> data() {
    Map<String, Object> data = Json.object("id", id, "at", at, "what", what, "by", by);
    data.put("task", task);
    data.put("text", text);
    data.put("request", request);
    expires.ifPresent(until -> data.put("expires", until));
    data.put("signature", signature);
    return data;
  }

  byte[] encode() {
    Map<String, Object> document = Json.object("format", FORMAT, "version", VERSION, "run", run);
    document.putAll(data());
    return Json.write(document).getBytes(StandardCharsets.UTF_8);
  }

  /**
   * Reads one.
   *
   * @throws IllegalArgumentException if it is none
   */
  static Message read(byte[] bytes) {
    try {
      Fields fields = new Fields(Json.read(new String(bytes, StandardCharsets.UTF_8)));
      if (!fields.text("format").equals(FORMAT) || fields.number("version") != VERSION) {
        throw new IllegalArgumentException("is of another version");
      }
      return read(fields.text("run"), fields);
    } catch (Json.Malformed | RuntimeException e) {
      throw new IllegalArgumentException("is no message: " + e.getMessage(), e);
    }
  }

  static Message read(String run, Fields fields) {
    Message message =
        new Message(
            fields.text("id"),
            run,
            fields.instant("at").orElseThrow(),
            fields.text("what"),
            fields.text("by"),
            fields.text("task"),
            fields.text("text"),
            fields.number("request"),
            fields.instant("expires"),
            fields.text("signature"));
    fields.finish();
    return message;
  }
}
