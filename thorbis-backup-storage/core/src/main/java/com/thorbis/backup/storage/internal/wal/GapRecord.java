package com.thorbis.backup.storage.internal.wal;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.format.Json;
import java.io.IOException;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** Why log is missing, as it is stored. */
final class GapRecord {
  private static final int VERSION = 1;
  private static final int MOST_REASON = 2000;

  private GapRecord() {}

  static byte[] encode(WalRange range, Instant noticedAt, String reason) {
    Map<String, Object> document = Json.object();
    document.put("version", VERSION);
    document.put("timeline", range.timeline().number());
    document.put("start", range.start());
    document.put("end", range.end());
    document.put("noticedAt", noticedAt);
    document.put("reason", reason.substring(0, Math.min(reason.length(), MOST_REASON)));
    return Json.write(document);
  }

  static WalGap read(Services services, ObjectId tree, ObjectKey key) throws IOException {
    return decode(StoredWal.openGap(services, tree, key), key);
  }

  private static WalGap decode(byte[] bytes, ObjectKey key) throws RepositoryException {
    Json.Node node = Json.read(bytes, key.value());
    if (node.number("version") != VERSION) {
      throw node.wrong("version", "not " + VERSION);
    }
    WalRange range =
        new WalRange(
            new Timeline(Math.toIntExact(node.number("timeline"))),
            node.parse("start", Lsn::parse),
            node.parse("end", Lsn::parse));
    return new WalGap(
        range,
        Optional.of(node.parse("noticedAt", Instant::parse)),
        Optional.of(node.text("reason")));
  }
}
