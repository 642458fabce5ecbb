package com.thorbis.backup.storage.internal.copies;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.StateFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What this machine has found of the stores of a repository, so that whoever opens it need not try
 * them each time. It is kept outside the repository: what holds for this machine's client and way
 * there need not hold for another's, and whoever can change a store could change what lies in it.
 * May be lost; then they are tried again. Safe for several threads.
 */
public final class KnownStores {
  private static final Logger LOG = LoggerFactory.getLogger(KnownStores.class);

  /** So long, what was found is taken as it is. */
  public static final Duration FRESH = Duration.ofDays(7);

  /** Raised when more is tried: what was found before says nothing of that. */
  private static final int VERSION = 1;

  private final Path folder;
  private final List<Copy> copies;
  private final Clock clock;
  private final SecureRandom random;
  private boolean tried;

  /** Of the copies of one repository, in a folder for state that may be lost. */
  public KnownStores(
      Path stateDirectory,
      ObjectId repository,
      List<Copy> copies,
      Clock clock,
      SecureRandom random) {
    this.folder = stateDirectory.resolve("probes").resolve(repository.toString());
    this.copies = copies;
    this.clock = clock;
    this.random = random;
  }

  /**
   * What was found.
   *
   * @param at when, by this machine's clock
   * @param fresh whether it can be taken as it is
   */
  public record Known(StoreProbe probe, Instant at, boolean fresh) {}

  /**
   * Tries every store of which nothing is known, or nothing that holds any more; once for each
   * opening.
   *
   * @throws RepositoryException if a store ignores conditions, as {@code init} does
   * @throws StorageException if the first copy could not be asked
   */
  public synchronized void requireTried() throws IOException {
    if (tried) {
      return;
    }
    for (Copy copy : copies) {
      if (find(copy).filter(Known::fresh).isEmpty()) {
        tryAnew(copy);
      }
    }
    tried = true;
  }

  private void tryAnew(Copy copy) throws IOException {
    StoreProbe probe;
    try {
      probe = StoreProbe.of(copy, clock, random);
    } catch (StorageException e) {
      if (copy.equals(copies.get(0))) {
        throw e;
      }
      LOG.warn(
          "{} could not be tried, and is tried at the next start: {}", copy.name(), e.getMessage());
      return;
    }
    probe.require();
    record(probe);
    probe.items("").stream()
        .filter(item -> item.outcome() != CheckItem.Outcome.OK)
        .forEach(item -> LOG.warn("{}. {}", item.message(), item.remedy()));
  }

  /** Remembers what was found, of a store that is not refused for it. */
  public void record(StoreProbe probe) {
    Copy copy = probe.copy();
    Map<String, Object> document = Json.object();
    document.put("version", VERSION);
    document.put("copy", copy.name());
    document.put("at", clock.instant().toString());
    document.put("lists", probe.lists() ? 1 : 0);
    document.put("lock", probe.lock().label());
    document.put("offsetMillis", probe.offset().toMillis());
    try {
      document.put("service", copy.store().service());
      StateFile.replace(file(copy), Json.write(document));
    } catch (IOException e) {
      LOG.warn(
          "What {} enforces could not be remembered in the state directory, and is tried again at"
              + " the next start: {}",
          copy.name(),
          e.toString());
    }
  }

  /** What is known of a copy, of late or not. */
  public Optional<Known> find(Copy copy) {
    Path file = file(copy);
    try {
      Json.Node node = Json.read(Files.readAllBytes(file), file.toString());
      StoreProbe.Lock lock = node.parse("lock", KnownStores::lock);
      if (node.number("version") != VERSION
          || !node.text("copy").equals(copy.name())
          || !node.text("service").equals(copy.store().service())
          || (lock == StoreProbe.Lock.NOT_ASKED) != copy.lock().isEmpty()) {
        return Optional.empty();
      }
      StoreProbe probe =
          new StoreProbe(
              copy,
              true,
              true,
              node.number("lists") == 1,
              lock,
              Duration.ofMillis(node.number("offsetMillis")));
      Instant at = node.instant("at");
      Duration age = Duration.between(at, clock.instant());
      return Optional.of(new Known(probe, at, !age.isNegative() && age.compareTo(FRESH) < 0));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException e) {
      LOG.debug("What was found of {} is not known", copy.name(), e);
      return Optional.empty();
    }
  }

  private Path file(Copy copy) {
    return folder.resolve(Digests.sha256(copy.name().getBytes(UTF_8)).substring(0, 32) + ".json");
  }

  private static StoreProbe.Lock lock(String label) {
    return Arrays.stream(StoreProbe.Lock.values())
        .filter(lock -> lock.label().equals(label))
        .findFirst()
        .orElseThrow(IllegalArgumentException::new);
  }
}
