package com.thorbis.backup.storage.internal.lease;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.Json;
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
 */
public record LeaseFacts(
    String run,
    String holder,
    String purpose,
    List<BackupId> pins,
    Duration lasts,
    Optional<Instant> since) {
  /** A backup that is being written. */
  public static final String BACKUP = "backup";

  /** A run that deletes and sweeps. Only one at a time. */
  public static final String PRUNE = "prune";

  static final long MOST_BYTES = 1 << 20;

  private static final String FORMAT = "thorbis-lease";
  private static final int VERSION = 1;
  private static final long MOST_SECONDS = Duration.ofDays(1).toSeconds();

  /** Copies the list. */
  public LeaseFacts {
    pins = List.copyOf(pins);
  }

  LeaseFacts since(Optional<Instant> first) {
    return new LeaseFacts(run, holder, purpose, pins, lasts, first);
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
    return Json.write(document);
  }

  static LeaseFacts read(byte[] bytes, String object) throws RepositoryException {
    Json.Node node = Json.read(bytes, object);
    if (!node.text("format").equals(FORMAT) || node.number("version") != VERSION) {
      throw node.wrong("format", "not " + FORMAT + " " + VERSION);
    }
    return new LeaseFacts(
        node.text("run"),
        node.text("holder"),
        node.text("purpose"),
        node.parseAll("pins", BackupId::new),
        Duration.ofSeconds(node.number("seconds", 1, MOST_SECONDS)),
        node.optionalInstant("since"));
  }
}
