package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Backups of clusters that no server ever saw. */
final class Clusters {
  static final long SYSTEM = 7301934857210394857L;
  static final String LABEL =
      "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n"
          + "CHECKPOINT LOCATION: 0/2000060\n";

  private Clusters() {}

  /** The least that a restore takes for a backup. */
  static FolderRepository small(Path folder) throws IOException {
    return new FolderRepository(
            new ClusterIdentity(SYSTEM, 15, WalSegmentSize.DEFAULT),
            Files.createDirectory(folder.resolve("archive")),
            facts())
        .add(Area.DATA, "backup_label", Kind.FILE, bytes(LABEL))
        .add(Area.DATA, "global/pg_control", Kind.FILE, controlFile(SYSTEM))
        .add(Area.DATA, "base/5/1259", Kind.FILE, new byte[8192]);
  }

  static BackupFacts facts(BackupFacts.Tablespace... tablespaces) {
    return new BackupFacts(
        Lsn.parse("0/2000028"),
        Lsn.parse("0/2000100"),
        new Timeline(1),
        Instant.parse("2026-01-02T03:04:05Z"),
        Instant.parse("2026-01-02T03:04:06Z"),
        List.of(tablespaces),
        Map.of(),
        List.of());
  }

  static byte[] controlFile(long systemId) {
    ByteBuffer bytes = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(0, systemId);
    bytes.putInt(180, 321);
    return bytes.array();
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** Removes a folder and all in it, if it is there. */
  static void remove(Path place) throws IOException {
    if (!Files.exists(place, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (Stream<Path> files = Files.walk(place)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
