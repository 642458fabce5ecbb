package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Changes of the catalogue that are not backups. */
public final class Registrar {
  private static final int MOST_NAME = 200;

  private final RepositoryHeader header;
  private final ObjectStore store;
  private final KeyRing keys;
  private final CommitLog log;
  private final SecureRandom random;

  /** Over an opened repository. */
  public Registrar(Bootstrap.Opened opened, SecureRandom random) {
    this.header = opened.header();
    this.store = opened.store();
    this.keys = opened.keys();
    this.log = opened.log();
    this.random = random;
  }

  /**
   * Registers a source, or finds it registered with the same cluster.
   *
   * @param server empty if it has none
   */
  public SourceInfo register(String name, String type, Optional<ClusterIdentity> server)
      throws IOException {
    return register(name, type, server, drawIncarnation());
  }

  /**
   * Registers a source, or finds it registered with the same cluster.
   *
   * @param server empty if it has none
   * @param incarnation the id that its first life gets
   */
  public SourceInfo register(
      String name, String type, Optional<ClusterIdentity> server, String incarnation)
      throws IOException {
    if (name.isBlank() || name.length() > MOST_NAME) {
      throw new RepositoryException(
          "source.name-invalid",
          FailureKind.CONFIGURATION,
          "Not a name for a source: \"" + name + "\"",
          Map.of(),
          "Use 1 to " + MOST_NAME + " characters.",
          null);
    }
    log.refresh();
    Optional<Catalog.Source> known = log.catalog().source(name);
    if (known.isPresent()) {
      return requireSame(known.get(), type, server);
    }
    Instant now = store.now();
    SourceInfo.Incarnation first =
        new SourceInfo.Incarnation(incarnation, server, Optional.empty());
    try (CommitLog.Fence fence = log.fence()) {
      do {
        register(
            new Operation.Register(
                name, type, ObjectId.random(random), List.of(), first, Optional.of(now)),
            fence);
      } while (log.catalog().source(name).isEmpty());
    }
    return require(name).info();
  }

  /** Registers a source, unless the recipients of the repository change meanwhile. */
  private void register(Operation.Register wanted, CommitLog.Fence fence) throws IOException {
    List<Catalog.KeyEpoch> seen = log.catalog().epochs(header.tree());
    List<SlotRef> slots;
    try (EpochKey key = EpochKey.generate(new KeySlot(header.id(), wanted.tree(), 1), random)) {
      slots = keys.store(key, keys.recipientsLike(header.tree()), random);
    }
    log.append(
        catalog -> {
          Optional<Catalog.Source> meanwhile = catalog.source(wanted.source());
          if (meanwhile.isPresent()) {
            requireSame(meanwhile.get(), wanted.type(), wanted.incarnation().server());
            return List.of();
          }
          KeyChanges.requireKept(slots, fence);
          return catalog.epochs(header.tree()).equals(seen)
              ? List.of(wanted.with(slots))
              : List.of();
        });
  }

  /** Starts a new incarnation. */
  public SourceInfo adopt(String name, ClusterIdentity cluster, SourceInfo.Fork fork)
      throws IOException {
    SourceInfo.Incarnation next =
        new SourceInfo.Incarnation(drawIncarnation(), cluster, Optional.of(fork));
    log.append(
        catalog -> {
          Catalog.Source source = require(catalog, name);
          SourceInfo.Incarnation parent =
              source
                  .incarnation(fork.parent())
                  .orElseThrow(
                      () ->
                          new RepositoryException(
                              "source.incarnation-unknown",
                              FailureKind.NOT_FOUND,
                              "Source " + name + " has no incarnation " + fork.parent(),
                              Map.of("source", name, "incarnation", fork.parent()),
                              "",
                              null));
          requireServer(source, parent);
          if (parent.cluster().systemId() != cluster.systemId()
              || !parent.cluster().segmentSize().equals(cluster.segmentSize())) {
            throw mismatch(source, Optional.of(cluster));
          }
          return List.of(new Operation.Adopt(name, next));
        });
    return require(name).info();
  }

  /**
   * Records that a backup's WAL is stored.
   *
   * @param alongside what else is recorded if that is news
   */
  public void complete(BackupId id, List<Operation> alongside) throws IOException {
    log.append(
        catalog -> {
          Catalog.Entry entry =
              catalog
                  .backup(id)
                  .orElseThrow(
                      () ->
                          new RepositoryException(
                              "backup.not-found",
                              FailureKind.NOT_FOUND,
                              "The repository has no backup " + id,
                              Map.of("backup", id.value()),
                              "Look with list.",
                              null));
          if (entry.backup().status() != BackupStatus.AWAITING_WAL) {
            return List.of();
          }
          List<Operation> operations = new ArrayList<>(alongside);
          operations.add(new Operation.Complete(id));
          return operations;
        });
  }

  private SourceInfo requireSame(
      Catalog.Source source, String type, Optional<ClusterIdentity> server)
      throws RepositoryException {
    if (!source.info().current().server().equals(server)) {
      throw mismatch(source, server);
    }
    if (!source.info().type().equals(type)) {
      throw new RepositoryException(
          "source.identity-mismatch",
          FailureKind.REFUSED,
          "Source "
              + source.info().name()
              + " is of type "
              + source.info().type()
              + "; this one is of type "
              + type,
          Map.of("known", source.info().type(), "found", type),
          "Give the other source a name of its own, or correct its type.",
          null);
    }
    return source.info();
  }

  /**
   * Of a source that has none, nothing is done that needs a server.
   *
   * @throws RepositoryException code {@code source.no-server}
   */
  public static void requireServer(Catalog.Source source, SourceInfo.Incarnation life)
      throws RepositoryException {
    if (life.server().isEmpty()) {
      throw RepositoryException.noServer("Source " + source.info().name());
    }
  }

  private static RepositoryException mismatch(
      Catalog.Source source, Optional<ClusterIdentity> found) {
    Optional<ClusterIdentity> known = source.info().current().server();
    return new RepositoryException(
        "source.identity-mismatch",
        FailureKind.REFUSED,
        "Source "
            + source.info().name()
            + " belongs to "
            + known.map(Registrar::describe).orElse("no server")
            + "; this one is "
            + found.map(Registrar::describe).orElse("without a server"),
        Map.of(
            "known",
            known.map(ClusterIdentity::systemIdText).orElse(""),
            "found",
            found.map(ClusterIdentity::systemIdText).orElse("")),
        "Give the other one a name of its own, or connect to the right server.",
        null);
  }

  private static String describe(ClusterIdentity cluster) {
    return "the cluster "
        + cluster.systemIdText()
        + " (version "
        + cluster.majorVersion()
        + ", WAL segments of "
        + cluster.segmentSize().bytes()
        + " bytes)";
  }

  private Catalog.Source require(String name) throws RepositoryException {
    return require(log.catalog(), name);
  }

  /**
   * A source that is there.
   *
   * @throws RepositoryException code {@code source.erased} or {@code source.not-registered}
   */
  public static Catalog.Source require(Catalog catalog, String name) throws RepositoryException {
    Optional<Catalog.Source> source = catalog.source(name);
    if (source.isPresent()) {
      return source.get();
    }
    Optional<ErasedSource> erased = catalog.erased(name);
    throw erased.isPresent()
        ? erased.get().refusal()
        : new RepositoryException(
            "source.not-registered",
            FailureKind.NOT_FOUND,
            "The repository has no source " + name,
            Map.of("source", name),
            "Correct the name, or take a first backup, which registers it.",
            null);
  }

  /** Why a backup is not there: its source was erased, or nobody ever made it. */
  public static RepositoryException missing(Catalog catalog, BackupId id) {
    return catalog
        .erased(id)
        .map(erased -> erased.refusal(id))
        .orElseGet(
            () ->
                new RepositoryException(
                    "backup.not-found",
                    FailureKind.NOT_FOUND,
                    "The repository has no backup " + id,
                    Map.of("backup", id.value()),
                    "Look with list.",
                    null));
  }

  /** An id for a life of a cluster. */
  public String drawIncarnation() {
    byte[] id = new byte[8];
    random.nextBytes(id);
    return HexFormat.of().formatHex(id);
  }
}
