package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Says that somebody works on a run, by the store's time, so that nobody takes it over in vain. Who
 * owns the run does not rest on it: that is whoever wrote the last record. A store that does not
 * answer is no reason to stop. Safe for several threads.
 */
final class RunLease {
  private static final String FORMAT = "thorbis-run-lease";
  private static final long VERSION = 1;

  private final JournalStore store;
  private final String run;
  private final String holder;
  private final String place;
  private final Duration lasts;
  private long number;
  private long renewed;
  private boolean ended;

  RunLease(JournalStore store, String run, String holder, String place, Duration lasts) {
    this.store = store;
    this.run = run;
    this.holder = holder;
    this.place = place;
    this.lasts = lasts;
  }

  private String prefix() {
    return "leases/" + run + "/";
  }

  /**
   * Begins.
   *
   * @param force whether it is taken from whoever has it
   * @throws BackupException code {@code run.busy} if somebody else has it
   */
  synchronized void take(boolean force) {
    try {
      List<ObjectInfo> leases = store.infos(prefix());
      if (!leases.isEmpty()) {
        ObjectInfo last = leases.get(leases.size() - 1);
        number = Long.parseLong(last.key().name(), 16);
        if (!force) {
          requireLapsed(last);
        }
      }
      put();
      for (ObjectInfo old : leases) {
        store.delete(old.key());
      }
    } catch (IOException | NumberFormatException e) {
      return; // the journal decides
    }
  }

  private void requireLapsed(ObjectInfo last) throws IOException {
    Map<String, Object> said;
    try {
      said = Json.read(new String(store.read(last.key()), StandardCharsets.UTF_8));
    } catch (Json.Malformed e) {
      return;
    }
    Duration counts = Duration.ofSeconds(said.get("seconds") instanceof Long some ? some : 0);
    Instant until = last.modifiedAt().plus(counts);
    boolean here = place.equals(said.get("place")); // its folder is locked by this process now
    if (!here && store.now().isBefore(until)) {
      throw BackupException.of(
              "run.busy",
              FailureKind.REFUSED,
              said.get("holder") + " carries out run " + run + ", at least until " + until)
          .remedy(
              "Wait until then, or take it over in somebody's name: whoever has it is stopped at"
                  + " its next record.")
          .detail("holder", String.valueOf(said.get("holder")))
          .detail("until", until.toString())
          .build();
    }
  }

  /** Goes on, if a third of its time is over. */
  synchronized void beat() {
    if (ended || System.nanoTime() - renewed < lasts.toNanos() / 3) {
      return;
    }
    try {
      put();
      store.delete(key(number - 1));
    } catch (IOException e) {
      renewed = System.nanoTime(); // not at each turn
    }
  }

  /** Ends it. */
  synchronized void end() {
    ended = true;
    try {
      store.delete(key(number));
    } catch (IOException e) {
      return; // it lapses
    }
  }

  private void put() throws IOException {
    byte[] content =
        Json.write(
                Json.object(
                    "format", FORMAT,
                    "version", VERSION,
                    "run", run,
                    "holder", holder,
                    "place", place,
                    "seconds", lasts.toSeconds()))
            .getBytes(StandardCharsets.UTF_8);
    number++;
    store.put(key(number), content);
    renewed = System.nanoTime();
  }

  private ObjectKey key(long which) {
    return new ObjectKey(prefix() + String.format("%016x", which));
  }

  /** Who says that they work on it, and until when. */
  static Optional<String> holder(JournalStore store, String run) {
    try {
      List<ObjectInfo> leases = store.infos("leases/" + run + "/");
      if (leases.isEmpty()) {
        return Optional.empty();
      }
      ObjectInfo last = leases.get(leases.size() - 1);
      Map<String, Object> said =
          Json.read(new String(store.read(last.key()), StandardCharsets.UTF_8));
      Instant until =
          last.modifiedAt().plusSeconds(said.get("seconds") instanceof Long some ? some : 0);
      return store.now().isBefore(until)
          ? Optional.of(String.valueOf(said.get("holder")))
          : Optional.empty();
    } catch (IOException | Json.Malformed e) {
      return Optional.empty();
    }
  }
}
