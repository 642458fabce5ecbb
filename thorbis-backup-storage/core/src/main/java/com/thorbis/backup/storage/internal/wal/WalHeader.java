package com.thorbis.backup.storage.internal.wal;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * What stands before the bytes of a WAL object.
 *
 * @param systemId which cluster
 * @param segment which segment
 * @param start the first byte's offset in it
 * @param end the offset after the last byte
 * @param crc CRC-32C of the bytes
 * @param fingerprint the keyed hash of the bytes
 * @param marks what its records say
 * @param predecessor SHA-256 of the part before it as stored; empty at offset 0
 */
record WalHeader(
    long systemId,
    WalSegment segment,
    int start,
    int end,
    int crc,
    Fingerprint fingerprint,
    WalMarks marks,
    String predecessor) {
  private static final String FORMAT = "thorbis-wal";
  private static final int VERSION = 1;

  static WalHeader of(
      ClusterIdentity cluster,
      WalSegment segment,
      int start,
      int length,
      int crc,
      Fingerprint fingerprint,
      WalMarks marks,
      String predecessor) {
    return new WalHeader(
        cluster.systemId(), segment, start, start + length, crc, fingerprint, marks, predecessor);
  }

  int length() {
    return end - start;
  }

  byte[] encode() {
    Map<String, Object> document = Json.object();
    document.put("format", FORMAT);
    document.put("version", VERSION);
    document.put("systemId", Long.toUnsignedString(systemId));
    document.put("segment", segment.fileName());
    document.put("segmentSize", segment.size().bytes());
    document.put("start", start);
    document.put("end", end);
    document.put("crc", HexFormat.of().toHexDigits(crc));
    ByteBuffer bytes = ByteBuffer.allocate(Fingerprint.LENGTH);
    fingerprint.write(bytes);
    document.put("fingerprint", HexFormat.of().formatHex(bytes.array()));
    document.put("predecessor", predecessor);
    document.put("marks", marksDocument(marks));
    return Json.write(document);
  }

  static WalHeader read(byte[] bytes, String object) throws RepositoryException {
    Json.Node node = Json.read(bytes, object);
    if (!node.text("format").equals(FORMAT) || node.number("version") != VERSION) {
      throw node.wrong("format", "not " + FORMAT + " of version " + VERSION);
    }
    int size = node.integer("segmentSize", 1 << 20, 1 << 30);
    if (Integer.bitCount(size) != 1) {
      throw node.wrong("segmentSize", Integer.toString(size));
    }
    int start = node.integer("start", 0, size - 1);
    return new WalHeader(
        node.parse("systemId", Long::parseUnsignedLong),
        node.parse("segment", name -> WalSegment.parse(name, new WalSegmentSize(size))),
        start,
        node.integer("end", start + 1, size),
        ByteBuffer.wrap(node.hex("crc", 4)).getInt(),
        Fingerprint.read(ByteBuffer.wrap(node.hex("fingerprint", Fingerprint.LENGTH))),
        readMarks(node.node("marks")),
        node.text("predecessor"));
  }

  private static Map<String, Object> marksDocument(WalMarks marks) {
    Map<String, Object> document = Json.object();
    marks.firstEnd().ifPresent(time -> document.put("firstEnd", time));
    marks.lastEnd().ifPresent(time -> document.put("lastEnd", time));
    marks.leastXid().ifPresent(xid -> document.put("leastXid", xid));
    marks.mostXid().ifPresent(xid -> document.put("mostXid", xid));
    List<Map<String, Object>> points = new ArrayList<>();
    for (WalMarks.RestorePoint point : marks.restorePoints()) {
      Map<String, Object> entry = Json.object();
      entry.put("name", point.name());
      entry.put("position", point.position());
      entry.put("time", point.time());
      points.add(entry);
    }
    document.put("restorePoints", points);
    marks.lastRecord().ifPresent(position -> document.put("lastRecord", position));
    marks.asOf().ifPresent(time -> document.put("asOf", time));
    return document;
  }

  private static WalMarks readMarks(Json.Node node) throws RepositoryException {
    List<WalMarks.RestorePoint> points = new ArrayList<>();
    for (Json.Node point : node.nodes("restorePoints")) {
      points.add(
          new WalMarks.RestorePoint(
              point.text("name"), point.parse("position", Lsn::parse), point.instant("time")));
    }
    Optional<Lsn> lastRecord =
        node.optionalText("lastRecord").isEmpty()
            ? Optional.empty()
            : Optional.of(node.parse("lastRecord", Lsn::parse));
    return new WalMarks(
        node.optionalInstant("firstEnd"),
        node.optionalInstant("lastEnd"),
        optional(node, "leastXid"),
        optional(node, "mostXid"),
        points,
        lastRecord,
        node.optionalInstant("asOf"));
  }

  private static OptionalLong optional(Json.Node node, String name) throws RepositoryException {
    Optional<Long> value = node.optionalNumber(name);
    return value.isPresent() ? OptionalLong.of(value.get()) : OptionalLong.empty();
  }

  /** What the marks of stretches in order add up to. */
  static WalMarks join(List<WalMarks> parts) {
    Optional<Instant> firstEnd = Optional.empty();
    Optional<Instant> lastEnd = Optional.empty();
    OptionalLong leastXid = OptionalLong.empty();
    OptionalLong mostXid = OptionalLong.empty();
    List<WalMarks.RestorePoint> points = new ArrayList<>();
    Optional<Lsn> lastRecord = Optional.empty();
    Optional<Instant> asOf = Optional.empty();
    for (WalMarks part : parts) {
      firstEnd = part.firstEnd().filter(least(firstEnd)).or(constant(firstEnd));
      lastEnd = part.lastEnd().filter(most(lastEnd)).or(constant(lastEnd));
      if (part.leastXid().isPresent()
          && (leastXid.isEmpty() || part.leastXid().getAsLong() < leastXid.getAsLong())) {
        leastXid = part.leastXid();
      }
      if (part.mostXid().isPresent()
          && (mostXid.isEmpty() || part.mostXid().getAsLong() > mostXid.getAsLong())) {
        mostXid = part.mostXid();
      }
      points.addAll(part.restorePoints());
      lastRecord = part.lastRecord().or(constant(lastRecord));
      // A moment is true of the stretch it came with, and so of the last one only.
      asOf = part.asOf();
    }
    return new WalMarks(firstEnd, lastEnd, leastXid, mostXid, points, lastRecord, asOf);
  }

  private static Predicate<Instant> least(Optional<Instant> than) {
    return time -> than.isEmpty() || time.isBefore(than.get());
  }

  private static Predicate<Instant> most(Optional<Instant> than) {
    return time -> than.isEmpty() || time.isAfter(than.get());
  }

  private static <T> Supplier<Optional<T>> constant(Optional<T> value) {
    return () -> value;
  }
}
