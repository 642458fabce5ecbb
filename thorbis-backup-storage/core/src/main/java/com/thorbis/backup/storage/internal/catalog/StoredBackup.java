package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.Json;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * A backup in the catalogue.
 *
 * @param server which cluster it was taken of; empty if its source has no server
 * @param log from where replay begins to where the cluster is consistent; there if the server is
 */
public record StoredBackup(
    BackupId id,
    String source,
    String incarnation,
    Optional<ClusterIdentity> server,
    Optional<WalRange> log,
    BackupType type,
    Optional<BackupId> base,
    BackupStatus status,
    Optional<String> label,
    Instant startedAt,
    Instant stoppedAt,
    long files,
    long bytes,
    long bytesRead,
    long bytesChanged,
    long bytesStored,
    long durationMillis,
    List<String> copies,
    List<String> letGoBy,
    List<String> warnings,
    Optional<BackupId> rekeyedFrom,
    boolean partial)
    implements BackupDescriptor {
  /** Copies the lists. */
  public StoredBackup {
    copies = List.copyOf(copies);
    letGoBy = List.copyOf(letGoBy);
    warnings = List.copyOf(warnings);
  }

  @Override
  public ClusterIdentity cluster() {
    return ofServer(server);
  }

  @Override
  public Lsn startLsn() {
    return ofServer(log).start();
  }

  @Override
  public Lsn stopLsn() {
    return ofServer(log).end();
  }

  @Override
  public Timeline timeline() {
    return ofServer(log).timeline();
  }

  private <T> T ofServer(Optional<T> part) {
    return part.orElseThrow(
        () -> BackupException.from(RepositoryException.noServer("Source " + source)));
  }

  /** The same backup, further on. */
  public StoredBackup with(BackupStatus next) {
    return with(next, copies, letGoBy);
  }

  /** The same backup, and where it lies now. */
  public StoredBackup at(List<String> places, List<String> without) {
    return with(status, places, without);
  }

  private StoredBackup with(BackupStatus now, List<String> places, List<String> without) {
    return new StoredBackup(
        id,
        source,
        incarnation,
        server,
        log,
        type,
        base,
        now,
        label,
        startedAt,
        stoppedAt,
        files,
        bytes,
        bytesRead,
        bytesChanged,
        bytesStored,
        durationMillis,
        places,
        without,
        warnings,
        rekeyedFrom,
        partial);
  }

  /** What is written of it; where it is stored is not. */
  public Map<String, Object> document() {
    Map<String, Object> document = Json.object();
    document.put("id", id);
    document.put("source", source);
    document.put("incarnation", incarnation);
    server.ifPresent(cluster -> document.put("cluster", clusterDocument(cluster)));
    document.put("type", type.label());
    base.ifPresent(value -> document.put("base", value));
    document.put("status", status.label());
    label.ifPresent(value -> document.put("label", value));
    document.put("startedAt", startedAt);
    document.put("stoppedAt", stoppedAt);
    log.ifPresent(
        stretch -> {
          document.put("startLsn", stretch.start());
          document.put("stopLsn", stretch.end());
          document.put("timeline", Integer.toUnsignedLong(stretch.timeline().number()));
        });
    document.put("files", files);
    document.put("bytes", bytes);
    document.put("bytesRead", bytesRead);
    document.put("bytesChanged", bytesChanged);
    document.put("bytesStored", bytesStored);
    document.put("durationMillis", durationMillis);
    document.put("warnings", warnings);
    rekeyedFrom.ifPresent(value -> document.put("rekeyedFrom", value));
    if (partial) {
      document.put("partial", 1);
    }
    return document;
  }

  /** Takes a document apart. */
  public static StoredBackup read(Json.Node node, List<String> copies) throws RepositoryException {
    Optional<ClusterIdentity> server = readServer(node);
    Optional<WalRange> log = readLog(node);
    BackupType type = node.parse("type", labelled(BackupType.values(), BackupType::label));
    BackupStatus status =
        node.parse("status", labelled(BackupStatus.values(), BackupStatus::label));
    if (server.isPresent() != log.isPresent()) {
      throw node.wrong(
          log.isPresent() ? "cluster" : "startLsn", "missing, and the rest of a server is there");
    }
    if (server.isEmpty() && (!type.physical() || status == BackupStatus.AWAITING_WAL)) {
      throw node.wrong("cluster", "missing in a backup that only a server can have");
    }
    return new StoredBackup(
        node.parse("id", BackupId::new),
        node.text("source"),
        node.text("incarnation"),
        server,
        log,
        type,
        optionalId(node, "base"),
        status,
        node.optionalText("label"),
        node.instant("startedAt"),
        node.instant("stoppedAt"),
        node.number("files", 0, Long.MAX_VALUE),
        node.number(
            node.optionalNumber("bytes").isPresent() ? "bytes" : "bytesRead", 0, Long.MAX_VALUE),
        node.number("bytesRead", 0, Long.MAX_VALUE),
        node.number("bytesChanged", 0, Long.MAX_VALUE),
        node.number("bytesStored", 0, Long.MAX_VALUE),
        node.number("durationMillis", 0, Long.MAX_VALUE),
        copies,
        List.of(),
        node.texts("warnings"),
        optionalId(node, "rekeyedFrom"),
        node.optionalNumber("partial").isPresent() && node.number("partial", 0, 1) == 1);
  }

  private static Optional<BackupId> optionalId(Json.Node node, String name)
      throws RepositoryException {
    return node.optionalText(name).isEmpty()
        ? Optional.empty()
        : Optional.of(node.parse(name, BackupId::new));
  }

  /** The cluster that a document names, if it names one. */
  static Optional<ClusterIdentity> readServer(Json.Node node) throws RepositoryException {
    Optional<Json.Node> cluster = node.optionalNode("cluster");
    return cluster.isEmpty() ? Optional.empty() : Optional.of(readCluster(cluster.get()));
  }

  /** The stretch of log that a document names: all three parts of it, or none. */
  public static Optional<WalRange> readLog(Json.Node node) throws RepositoryException {
    if (Stream.of("startLsn", "stopLsn", "timeline").noneMatch(node.names()::contains)) {
      return Optional.empty();
    }
    return Optional.of(
        new WalRange(
            new Timeline((int) node.number("timeline", 1, 0xFFFFFFFFL)),
            node.parse("startLsn", Lsn::parse),
            node.parse("stopLsn", Lsn::parse)));
  }

  static Map<String, Object> clusterDocument(ClusterIdentity cluster) {
    Map<String, Object> document = Json.object();
    document.put("systemId", cluster.systemIdText());
    document.put("majorVersion", cluster.majorVersion());
    document.put("segmentSize", cluster.segmentSize().bytes());
    return document;
  }

  static ClusterIdentity readCluster(Json.Node node) throws RepositoryException {
    long size = node.number("segmentSize", 1 << 20, 1 << 30);
    if (Long.bitCount(size) != 1) {
      throw node.wrong("segmentSize", Long.toString(size));
    }
    return new ClusterIdentity(
        node.parse("systemId", Long::parseUnsignedLong),
        node.integer("majorVersion", 1, 10_000),
        new com.thorbis.backup.api.WalSegmentSize((int) size));
  }

  private static <T> Function<String, T> labelled(T[] values, Function<T, String> label) {
    return text ->
        Arrays.stream(values)
            .filter(value -> label.apply(value).equals(text))
            .findFirst()
            .orElseThrow(() -> new IllegalArgumentException(text));
  }
}
