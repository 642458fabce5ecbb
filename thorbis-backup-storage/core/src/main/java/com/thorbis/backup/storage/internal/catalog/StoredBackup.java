package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.Json;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/** A backup in the catalogue. */
public record StoredBackup(
    BackupId id,
    String source,
    String incarnation,
    ClusterIdentity cluster,
    BackupType type,
    Optional<BackupId> base,
    BackupStatus status,
    Optional<String> label,
    Instant startedAt,
    Instant stoppedAt,
    Lsn startLsn,
    Lsn stopLsn,
    Timeline timeline,
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
        cluster,
        type,
        base,
        now,
        label,
        startedAt,
        stoppedAt,
        startLsn,
        stopLsn,
        timeline,
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
    document.put("cluster", clusterDocument(cluster));
    document.put("type", type.label());
    base.ifPresent(value -> document.put("base", value));
    document.put("status", status.label());
    label.ifPresent(value -> document.put("label", value));
    document.put("startedAt", startedAt);
    document.put("stoppedAt", stoppedAt);
    document.put("startLsn", startLsn);
    document.put("stopLsn", stopLsn);
    document.put("timeline", Integer.toUnsignedLong(timeline.number()));
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
    return new StoredBackup(
        node.parse("id", BackupId::new),
        node.text("source"),
        node.text("incarnation"),
        readCluster(node.node("cluster")),
        node.parse("type", labelled(BackupType.values(), BackupType::label)),
        optionalId(node, "base"),
        node.parse("status", labelled(BackupStatus.values(), BackupStatus::label)),
        node.optionalText("label"),
        node.instant("startedAt"),
        node.instant("stoppedAt"),
        node.parse("startLsn", Lsn::parse),
        node.parse("stopLsn", Lsn::parse),
        new Timeline((int) node.number("timeline", 1, 0xFFFFFFFFL)),
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
