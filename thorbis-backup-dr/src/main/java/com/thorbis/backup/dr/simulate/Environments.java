package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.StateFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The environments of a host, by what is written down in its state directory. Whoever uses one
 * holds a lock that ends with the process: who gets the lock knows that nobody uses it. Safe for
 * several threads and processes.
 */
public final class Environments {
  static final String MARKER = "thorbis-environment.json";

  private static final Pattern NAME = Pattern.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?");
  private static final String LEASE = ".json";
  private static final String LOCK = ".lock";
  private static final String STOP = "stop";

  /** To open and close a file again would end the lock that this process has on it. */
  private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

  private final Path folder;
  private final Clock clock;

  /**
   * Those of a state directory.
   *
   * @param stateDirectory of this host
   */
  public Environments(Path stateDirectory, Clock clock) {
    this.folder = stateDirectory.toAbsolutePath().normalize().resolve("environments");
    this.clock = clock;
  }

  /**
   * An environment that nobody used any more, or for longer than it was granted, and that was
   * removed.
   *
   * @param name its name
   * @param folder where it was
   * @param owner who made it
   * @param processes how many of its processes still ran
   * @param faults what was broken in it and not undone
   */
  public record Removed(
      String name, Path folder, String owner, int processes, List<String> faults) {
    /** Copies the list. */
    public Removed {
      faults = List.copyOf(faults);
    }
  }

  /**
   * Removes what tests that were killed have left, and what has outlived its lease. One that cannot
   * be removed keeps none of the others.
   *
   * @throws IOException if one could not be removed, or looked at
   * @throws BackupException code {@code environment.not-marked} or {@code
   *     environment.lease-unreadable}
   */
  public List<Removed> sweep() throws IOException {
    return sweep(Optional.empty());
  }

  private List<Removed> sweep(Optional<String> held) throws IOException {
    List<Removed> removed = new ArrayList<>();
    List<Path> leases = new ArrayList<>();
    try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, "[a-z0-9]*" + LEASE)) {
      found.forEach(leases::add);
    } catch (NoSuchFileException e) {
      return List.of();
    }
    List<Exception> failures = new ArrayList<>();
    for (Path file : leases) {
      try {
        sweep(file, held).ifPresent(removed::add);
      } catch (IOException | BackupException e) {
        failures.add(e);
      }
    }
    if (!failures.isEmpty()) {
      Exception first = failures.get(0);
      failures.subList(1, failures.size()).forEach(first::addSuppressed);
      if (first instanceof IOException unseen) {
        throw unseen;
      }
      throw (BackupException) first;
    }
    return removed;
  }

  private Optional<Removed> sweep(Path file, Optional<String> held) throws IOException {
    String name = String.valueOf(file.getFileName());
    name = name.substring(0, name.length() - LEASE.length());
    if (held.isPresent() && held.get().equals(name)) {
      return remove(file);
    }
    try (Held lock = tryLock(name)) {
      return lock != null || expired(file) ? remove(file) : Optional.empty();
    }
  }

  private boolean expired(Path file) throws IOException {
    return read(file).filter(it -> clock.instant().isAfter(it.until())).isPresent();
  }

  private static Optional<EnvironmentLease> read(Path file) throws IOException {
    try {
      return Optional.of(EnvironmentLease.parse(Files.readAllBytes(file)));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IllegalArgumentException e) {
      throw BackupException.of(
              "environment.lease-unreadable",
              FailureKind.DAMAGED,
              file + " does not say what to remove: " + e.getMessage())
          .remedy("Remove by hand what it names, and then the file.")
          .cause(e)
          .build();
    }
  }

  private static Optional<Removed> remove(Path file) throws IOException {
    Optional<EnvironmentLease> lease = read(file);
    if (lease.isEmpty()) {
      return Optional.empty();
    }
    int processes = destroy(lease.get());
    Files.deleteIfExists(file);
    return Optional.of(
        new Removed(
            lease.get().name(),
            lease.get().folder(),
            lease.get().owner(),
            processes,
            lease.get().faults().stream()
                .filter(it -> !it.undone())
                .map(EnvironmentLease.Fault::disaster)
                .toList()));
  }

  /**
   * Ends what runs in an environment and removes its folder, if it is marked as one.
   *
   * @return how many processes there were
   */
  static int destroy(EnvironmentLease lease) throws IOException {
    Path place = lease.folder();
    if (!Files.exists(place)) {
      return 0;
    }
    Path marker = place.resolve(MARKER);
    boolean ours =
        Files.exists(marker)
            ? Files.readString(marker, StandardCharsets.UTF_8).equals(lease.id())
            : isEmpty(place);
    if (!ours) {
      throw BackupException.of(
              "environment.not-marked",
              FailureKind.REFUSED,
              place + " is not marked as environment " + lease.id() + ", and stays as it is")
          .remedy("Look whose it is; remove it by hand if it is of a test.")
          .build();
    }
    int processes = Leftover.kill(place);
    try (DirectoryStream<Path> servers = Files.newDirectoryStream(place)) {
      servers.forEach(Leftover::freeSharedMemory);
    }
    Leftover.remove(place);
    return processes;
  }

  private static boolean isEmpty(Path place) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(place)) {
      return !files.iterator().hasNext();
    }
  }

  /**
   * Ends every simulation of this host, removes its environment, and lets no other begin until
   * {@link #release}.
   *
   * @param by who wants it
   */
  public void stop(String by) throws IOException {
    make();
    StateFile.write(folder.resolve(STOP), by.getBytes(StandardCharsets.UTF_8));
    sweep();
  }

  /** Lets simulations begin again. */
  public void release() throws IOException {
    Files.deleteIfExists(folder.resolve(STOP));
  }

  /** Who has stopped all of them. */
  public Optional<String> stopped() throws IOException {
    try {
      return Optional.of(Files.readString(folder.resolve(STOP), StandardCharsets.UTF_8));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  /** Fails if all were stopped. */
  void requireNotStopped() throws IOException {
    Optional<String> by = stopped();
    if (by.isPresent()) {
      throw BackupException.of(
              "environment.stopped",
              FailureKind.REFUSED,
              "Simulations on this host were stopped by " + by.get())
          .remedy("Ask them, and release it: dr test release.")
          .build();
    }
  }

  private void make() throws IOException {
    Files.createDirectories(folder);
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
  }

  /** A name that is in use as long as this is open. */
  record Held(Path file, FileChannel channel) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      channel.close();
      HELD.remove(file);
    }
  }

  /**
   * Takes a name, and removes what is left of an earlier one.
   *
   * @throws BackupException code {@code environment.busy} if somebody uses it
   */
  Held take(String name) throws IOException {
    if (!NAME.matcher(name).matches()) {
      throw BackupException.of(
              "environment.name-invalid",
              FailureKind.CONFIGURATION,
              "\"" + name + "\" does not name an environment")
          .remedy("Write up to 63 of a-z, 0-9 and \"-\", such as dr-test-primary.")
          .build();
    }
    make();
    Held held = tryLock(name);
    if (held == null) {
      throw BackupException.of(
              "environment.busy",
              FailureKind.REFUSED,
              "Environment "
                  + name
                  + " is in use"
                  + read(lease(name))
                      .map(it -> " by " + it.owner() + " until " + it.until())
                      .orElse(""))
          .remedy("Wait for it, or name another.")
          .build();
    }
    return held;
  }

  /** Removes what is left of killed ones, also under a name that we hold. */
  List<Removed> sweepWith(String held) throws IOException {
    return sweep(Optional.of(held));
  }

  private @Nullable Held tryLock(String name) throws IOException {
    Path file = folder.resolve(name + LOCK);
    if (!HELD.add(file)) {
      return null;
    }
    @Nullable Held held = null;
    FileChannel channel;
    try {
      channel =
          FileChannel.open(
              file,
              Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    } catch (IOException e) {
      HELD.remove(file);
      throw e;
    }
    try {
      FileLock lock = channel.tryLock();
      if (lock != null) {
        held = new Held(file, channel);
      }
    } finally {
      if (held == null) {
        channel.close();
        HELD.remove(file);
      }
    }
    return held;
  }

  Path lease(String name) {
    return folder.resolve(name + LEASE);
  }
}
