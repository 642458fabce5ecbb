package com.thorbis.backup.dr.schedule;

import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.spi.repository.Claim;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/** What several processes see: stored backups, and claims that lapse. */
final class FakeRepository implements Claims {
  final List<Stored> stored = new CopyOnWriteArrayList<>();
  private final Map<String, Instant> claims = new HashMap<>();
  private final Clock clock;
  volatile boolean reachable = true;

  FakeRepository(Clock clock) {
    this.clock = clock;
  }

  record Stored(BackupType type, Instant startedAt) {}

  @Override
  public synchronized Optional<Claim> claim(String name, Duration lasts) throws IOException {
    requireReachable();
    Instant now = clock.instant();
    Instant until = claims.get(name);
    if (until != null && !until.isBefore(now)) {
      return Optional.empty();
    }
    claims.put(name, now.plus(lasts));
    return Optional.of(() -> giveBack(name));
  }

  private synchronized void giveBack(String name) {
    claims.remove(name);
  }

  private void requireReachable() throws IOException {
    if (!reachable) {
      throw new IOException("The store cannot be reached");
    }
  }

  /** Backups of the one source. */
  Job backup(BackupType type, Consumer<RunControl> work) {
    return new Job() {
      @Override
      public String name() {
        return "orders." + type.label();
      }

      @Override
      public String subject() {
        return "orders";
      }

      @Override
      public Optional<Instant> lastDone() {
        if (!reachable) {
          throw new IllegalStateException("The store cannot be reached");
        }
        return stored.stream()
            .filter(one -> one.type() == type || one.type() == BackupType.FULL)
            .map(Stored::startedAt)
            .max(Comparator.naturalOrder());
      }

      @Override
      public boolean covers(Job other) {
        return type == BackupType.FULL && other.name().equals("orders.incremental");
      }

      @Override
      public void run(RunControl control) {
        Instant began = clock.instant();
        work.accept(control);
        stored.add(new Stored(type, began));
      }
    };
  }

  Job backup(BackupType type) {
    return backup(type, control -> {});
  }
}
