package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/**
 * Removes key slots that do not count: those that others replaced, once their grace is over, and
 * those that a dead process left, once they are as old. A commit names them before they go, and
 * whoever wrote one of them and reads that gives it up: the log is the only judge.
 */
public final class KeySweeper {
  private final Services services;
  private final Instant now;
  private final Duration grace;
  private final RunControl control;
  private final Set<String> problems = new LinkedHashSet<>();
  private long objects;
  private long bytes;

  /**
   * A sweep of what does not count by now.
   *
   * @param now the store's time
   * @param grace how old a slot is that no commit ever named
   */
  public KeySweeper(Services services, Instant now, Duration grace, RunControl control) {
    this.services = services;
    this.now = now;
    this.grace = grace;
    this.control = control;
  }

  /** How many slots it removed. */
  public long objects() {
    return objects;
  }

  long bytes() {
    return bytes;
  }

  /** What somebody must look at. */
  public List<String> problems() {
    return List.copyOf(problems);
  }

  /** Removes them. */
  public void run() throws IOException {
    services.log().refresh();
    List<Operation.Swept> done = new ArrayList<>();
    for (Operation.SweepKeys pending : services.log().catalog().keySweeps()) {
      remove(pending, done);
    }
    List<ObjectKey> going = find(services.log().catalog());
    String id = draw();
    if (!going.isEmpty() || !done.isEmpty()) {
      List<Operation.Swept> before = List.copyOf(done);
      done.clear();
      services
          .log()
          .append(
              catalog -> {
                List<Operation> operations = ended(catalog, before);
                List<ObjectKey> still = uncounted(catalog, going);
                if (!still.isEmpty()) {
                  operations.add(new Operation.SweepKeys(id, still));
                }
                return operations;
              });
    }
    for (Operation.SweepKeys pending : services.log().catalog().keySweeps()) {
      if (pending.sweep().equals(id)) {
        remove(pending, done);
      }
    }
    if (!done.isEmpty()) {
      services.log().append(catalog -> ended(catalog, done));
    }
  }

  private static List<Operation> ended(Catalog catalog, List<Operation.Swept> done) {
    List<Operation> operations = new ArrayList<>();
    for (Operation.Swept one : done) {
      if (catalog.keySweeps().stream().anyMatch(sweep -> sweep.sweep().equals(one.sweep()))) {
        operations.add(one);
      }
    }
    return operations;
  }

  private List<ObjectKey> find(Catalog catalog) throws IOException {
    Map<ObjectKey, Instant> retired = catalog.retiredSlots();
    List<ObjectKey> found = new ArrayList<>();
    retired.forEach(
        (slot, sweepAfter) -> {
          if (!now.isBefore(sweepAfter)) {
            found.add(slot);
          }
        });
    Optional<String> after = Optional.empty();
    do {
      control.cancellation().check();
      ListPage page = services.store().list(ObjectNames.KEYS, after);
      for (ObjectInfo info : page.objects()) {
        if (!retired.containsKey(info.key())
            && info.modifiedAt().isBefore(now.minus(grace))
            && catalog.erasures().stream().noneMatch(each -> each.owns(info.key()))) {
          found.add(info.key());
        }
      }
      after = page.next();
    } while (after.isPresent());
    return uncounted(catalog, found);
  }

  /** Those of them that no key has, and no sweep names. */
  private static List<ObjectKey> uncounted(Catalog catalog, List<ObjectKey> slots) {
    Set<ObjectKey> others = new HashSet<>();
    catalog.plainObjects().stream().map(SlotRef::key).forEach(others::add);
    catalog.keySweeps().forEach(sweep -> others.addAll(sweep.slots()));
    return slots.stream().filter(slot -> !others.contains(slot)).distinct().toList();
  }

  private void remove(Operation.SweepKeys sweep, List<Operation.Swept> done) throws IOException {
    Removal removal = new Removal(services.store(), services.log().catalog().commitOf(sweep));
    long count = objects;
    long freed = bytes;
    for (ObjectKey slot : sweep.slots()) {
      control.cancellation().check();
      OptionalLong length = removal.remove(slot, Optional.empty());
      if (length.isPresent()) {
        objects++;
        bytes += length.getAsLong();
      }
    }
    problems.addAll(removal.problems());
    if (removal.complete()) {
      done.add(new Operation.Swept(sweep.sweep(), objects - count, bytes - freed));
    }
  }

  private String draw() {
    byte[] id = new byte[16];
    services.random().nextBytes(id);
    return HexFormat.of().formatHex(id);
  }
}
