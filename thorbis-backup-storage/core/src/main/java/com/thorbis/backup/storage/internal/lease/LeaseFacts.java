package com.thorbis.backup.storage.internal.lease;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.Json;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a lease says, in plain.
 *
 * @param run which run
 * @param holder who, for people
 * @param purpose such as {@code backup}
 * @param pins backups whose bytes it refers to
 * @param lasts how long it counts from when the store took it
 * @param since when the store took the first of this run; empty in that one
 * @param trace what a backup leaves if it dies
 * @param by in a lease of purpose {@link #TAKEN}: which run has what this one left
 */
public record LeaseFacts(
    String run,
    String holder,
    String purpose,
    List<BackupId> pins,
    Duration lasts,
    Optional<Instant> since,
    Optional<Trace> trace,
    Optional<String> by) {
  /** A backup that is being written. */
  public static final String BACKUP = "backup";

  /** A run that deletes and sweeps. Only one at a time. */
  public static final String PRUNE = "prune";

  /** A backup that ended without a commit. */
  public static final String ENDED = "ended";

  /** A backup that died, and whose packs another run has taken. */
  public static final String TAKEN = "taken";

  /** A run that others are to leave some work to. It relies on no object that it does not name. */
  public static final String CLAIM = "claim";

  static final long MOST_BYTES = 1 << 20;

  private static final String FORMAT = "thorbis-lease";
  private static final int VERSION = 1;
  private static final int NAME_DIGITS = 32;
  private static final long MOST_SECONDS = Duration.ofDays(1).toSeconds();

  /**
   * How to find what a backup has stored, and what it relies on that no commit names.
   *
   * @param tree of its source
   * @param packs what the text of its packs' ids begins with
   * @param head the last commit when it began: no earlier one can know of its packs
   * @param process tells whether it still runs, on the machine where it does; may be empty
   * @param reachesTo when the oldest of the runs began whose packs it takes
   */
  public record Trace(
      ObjectId tree, String packs, long head, String process, Optional<Instant> reachesTo) {
    private Map<String, Object> document() {
      Map<String, Object> document = Json.object();
      document.put("tree", tree);
      document.put("packs", packs);
      document.put("head", head);
      document.put("process", process);
      reachesTo.ifPresent(at -> document.put("reachesTo", at));
      return document;
    }

    private static Trace read(Json.Node node) throws RepositoryException {
      String packs = node.text("packs");
      if (!packs.matches("[0-9a-f]{16,32}")) {
        throw node.wrong("packs", packs);
      }
      return new Trace(
          node.parse("tree", ObjectId::parse),
          packs,
          node.number("head", 0, Long.MAX_VALUE),
          node.text("process"),
          node.optionalInstant("reachesTo"));
    }
  }

  /** Copies the list. */
  public LeaseFacts {
    pins = List.copyOf(pins);
  }

  LeaseFacts(String run, String holder, String purpose, List<BackupId> pins, Duration lasts) {
    this(run, holder, purpose, pins, lasts, Optional.empty(), Optional.empty(), Optional.empty());
  }

  /** The folder of the claims on a name; what is in the name does not matter. */
  static String claim(String name) {
    return CLAIM
        + "-"
        + Digests.sha256(name.getBytes(StandardCharsets.UTF_8)).substring(0, NAME_DIGITS);
  }

  LeaseFacts since(Optional<Instant> first) {
    return new LeaseFacts(run, holder, purpose, pins, lasts, first, trace, by);
  }

  LeaseFacts trace(Trace left) {
    return new LeaseFacts(run, holder, purpose, pins, lasts, since, Optional.of(left), by);
  }

  LeaseFacts reachingTo(Instant oldest) {
    Trace now = trace.orElseThrow();
    return trace(
        new Trace(now.tree(), now.packs(), now.head(), now.process(), Optional.of(oldest)));
  }

  LeaseFacts ended() {
    return new LeaseFacts(run, holder, ENDED, pins, lasts, since, trace, by);
  }

  LeaseFacts taken(String whose, Instant started, String taker) {
    return new LeaseFacts(
        run, whose, TAKEN, List.of(), lasts, Optional.of(started), trace, Optional.of(taker));
  }

  byte[] encode() {
    Map<String, Object> document = Json.object();
    document.put("format", FORMAT);
    document.put("version", VERSION);
    document.put("run", run);
    document.put("holder", holder);
    document.put("purpose", purpose);
    document.put("pins", pins);
    document.put("seconds", lasts.toSeconds());
    since.ifPresent(first -> document.put("since", first));
    trace.ifPresent(left -> document.put("trace", left.document()));
    by.ifPresent(taker -> document.put("by", taker));
    return Json.write(document);
  }

  static LeaseFacts read(byte[] bytes, String object) throws RepositoryException {
    Json.Node node = Json.read(bytes, object);
    if (!node.text("format").equals(FORMAT) || node.number("version") != VERSION) {
      throw node.wrong("format", "not " + FORMAT + " " + VERSION);
    }
    Optional<Json.Node> trace = node.optionalNode("trace");
    return new LeaseFacts(
        node.text("run"),
        node.text("holder"),
        node.text("purpose"),
        node.parseAll("pins", BackupId::new),
        Duration.ofSeconds(node.number("seconds", 1, MOST_SECONDS)),
        node.optionalInstant("since"),
        trace.isEmpty() ? Optional.empty() : Optional.of(Trace.read(trace.get())),
        node.optionalText("by"));
  }
}
