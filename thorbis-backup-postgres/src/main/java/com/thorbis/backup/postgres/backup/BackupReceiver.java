package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.Progress;
import com.thorbis.backup.postgres.page.PageChecksums;
import com.thorbis.backup.postgres.page.RelationFiles;
import com.thorbis.backup.postgres.wire.BaseBackupListener;
import com.thorbis.backup.postgres.wire.ProtocolException;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Lays a base backup into a repository as it comes, and checks it against the server's manifest.
 */
final class BackupReceiver implements BaseBackupListener, TarReader.Target, AutoCloseable {
  /** The names under which a restore finds them. */
  static final String MANIFEST = "backup_manifest";

  static final String TABLESPACE_MAP = "tablespace_map";

  private static final String LABEL = "backup_label";

  private static final int FILE_MODE = 0600;

  private final BackupWriter writer;
  private final Progress progress;
  private final boolean checkPages;
  private ChangeDetection detection;
  private final Begun begun;
  private final Instant now;
  private final ReceivedFiles files = new ReceivedFiles();
  private final ManifestCheck manifest;
  private final CRC32C crc = new CRC32C();
  private final List<Archive> tablespaces = new ArrayList<>();

  private @Nullable PageChecksums pages;
  private @Nullable WalPosition start;
  private TarReader tar = new TarReader(this);
  private String prefix = "";
  private long expected;
  private long received;

  private BackupWriter.@Nullable FileWriter open;
  private @Nullable IncrementalFile changes;
  private @Nullable ByteArrayOutputStream label;
  private String openPath = "";
  private long openLength;
  private BackupWriter.@Nullable FileWriter manifestFile;

  /** Told where a backup begins; may refuse it. */
  @FunctionalInterface
  interface Begun {
    /** It begins; returns how it is found out what changed, now that this is known. */
    ChangeDetection at(WalPosition start, ChangeDetection planned) throws IOException;
  }

  /**
   * Receives one backup.
   *
   * @param systemId the cluster's
   * @param checkPages whether the cluster's pages have checksums that are to be checked
   * @param planned how it is to be found out what changed
   * @param begun told where the backup begins, before its first file
   * @param now what the manifest is dated with
   */
  BackupReceiver(
      BackupWriter writer,
      Progress progress,
      long systemId,
      boolean checkPages,
      ChangeDetection planned,
      Begun begun,
      Instant now)
      throws IOException {
    this.writer = writer;
    this.progress = progress;
    this.checkPages = checkPages;
    this.detection = planned;
    this.begun = begun;
    this.now = now;
    this.manifest = new ManifestCheck(files, systemId);
  }

  @Override
  public void begin(WalPosition position, List<Archive> archives, long expectedBytes)
      throws IOException {
    start = position;
    expected = expectedBytes;
    if (checkPages) {
      pages = new PageChecksums(position.lsn());
    }
    detection = begun.at(position, detection);
    progress.begin("copy", expectedBytes);
  }

  @Override
  public void archive(Archive archive) throws IOException {
    tar = new TarReader(this);
    if (archive.oid() == 0) {
      prefix = "";
    } else {
      prefix = "pg_tblspc/" + archive.oid() + "/";
      tablespaces.add(archive);
      writer.directory(
          new StoredFile(
              Area.DATA,
              prefix.substring(0, prefix.length() - 1),
              StoredFile.Kind.DIRECTORY,
              0,
              0700,
              now));
    }
  }

  @Override
  public void data(byte[] bytes, int offset, int length) throws IOException {
    tar.feed(bytes, offset, length);
    received += length;
    progress.advance(received, Math.max(expected, received));
  }

  @Override
  public void endArchive() throws IOException {
    tar.end();
  }

  @Override
  public void entry(TarReader.Entry entry) throws IOException {
    String path = prefix + entry.path();
    switch (entry.kind()) {
      case DIRECTORY ->
          writer.directory(
              new StoredFile(
                  Area.DATA, path, StoredFile.Kind.DIRECTORY, 0, entry.mode(), entry.modifiedAt()));
      case LINK -> {
        // Tablespaces are known from the list in front; where they lie is a fact, not a file.
        if (!path.matches("pg_tblspc/[0-9]{1,10}")) {
          throw new ProtocolException("a link named " + path);
        }
      }
      case FILE -> {
        boolean map = path.equals(TABLESPACE_MAP);
        Optional<String> changed = changed(path);
        String name = changed.orElse(path);
        StoredFile file =
            new StoredFile(
                map ? Area.META : Area.DATA,
                name,
                StoredFile.Kind.FILE,
                entry.length(),
                entry.mode(),
                entry.modifiedAt());
        openPath = path;
        openLength = entry.length();
        crc.reset();
        Arrival arrival = changed.isPresent() ? new Arrival.Sparse() : detection.arrival(name);
        BackupWriter.FileWriter to =
            writer.file(file, pages == null ? PieceCheck.NONE : pages.forFile(name), arrival);
        open = to;
        label = detection.incremental() && path.equals(LABEL) ? new ByteArrayOutputStream() : null;
        changes = changed.isPresent() ? new IncrementalFile(path, to, entry.length()) : null;
      }
    }
  }

  /** What is stored is whole, and a server would refuse to start from what says otherwise. */
  private static byte[] ofWholeBackup(byte[] incrementalLabel) {
    String text = new String(incrementalLabel, StandardCharsets.ISO_8859_1);
    return text.replaceAll("(?m)^INCREMENTAL FROM (LSN|TLI): [^\\n]*\\n", "")
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  /** The name of the file of which only changes come; empty for a file that comes whole. */
  private Optional<String> changed(String path) {
    int name = path.lastIndexOf('/') + 1;
    if (!detection.incremental() || !path.startsWith(IncrementalFile.PREFIX, name)) {
      return Optional.empty();
    }
    String whole = path.substring(0, name) + path.substring(name + IncrementalFile.PREFIX.length());
    return RelationFiles.firstBlock(whole).isPresent() ? Optional.of(whole) : Optional.empty();
  }

  @Override
  public void content(byte[] bytes, int offset, int length) throws IOException {
    BackupWriter.FileWriter file = open;
    if (file == null) {
      throw new IllegalStateException("Content of no file");
    }
    crc.update(bytes, offset, length);
    if (label != null) {
      label.write(bytes, offset, length);
    } else if (changes == null) {
      file.write(bytes, offset, length);
    } else {
      changes.write(bytes, offset, length);
    }
  }

  @Override
  public void endFile() throws IOException {
    BackupWriter.FileWriter file = open;
    if (file == null) {
      throw new IllegalStateException("The end of no file");
    }
    if (label != null) {
      byte[] whole = ofWholeBackup(label.toByteArray());
      file.write(whole, 0, whole.length);
    }
    if (changes == null) {
      file.finish();
    } else {
      changes.finish();
    }
    file.close();
    open = null;
    files.add(openPath, openLength, (int) crc.getValue());
  }

  @Override
  public void manifest(byte[] bytes, int offset, int length) throws IOException {
    if (manifestFile == null) {
      progress.end("copy");
      manifestFile =
          writer.file(
              new StoredFile(Area.META, MANIFEST, StoredFile.Kind.FILE, 0, FILE_MODE, now),
              PieceCheck.NONE);
    }
    manifestFile.write(bytes, offset, length);
    manifest.feed(bytes, offset, length);
  }

  @Override
  public void endManifest() throws IOException {
    if (manifestFile == null) {
      throw new ProtocolException("a backup without a manifest");
    }
    manifestFile.finish();
    manifestFile.close();
    manifestFile = null;
    manifest.finish();
  }

  /** Whether anything came. */
  boolean begun() {
    return start != null;
  }

  /** Where it began. */
  WalPosition start() throws ProtocolException {
    if (start == null) {
      throw new ProtocolException("a backup that did not begin");
    }
    return start;
  }

  /** The tablespaces that came. */
  List<Archive> tablespaces() {
    return tablespaces;
  }

  /** What the pages say, when the writer has taken everything; empty if they are not checked. */
  Optional<PageChecksums> pages() {
    return Optional.ofNullable(pages);
  }

  @Override
  public void close() throws IOException {
    BackupWriter.FileWriter file = open;
    BackupWriter.FileWriter last = manifestFile;
    open = null;
    manifestFile = null;
    try {
      manifest.close();
    } finally {
      try {
        if (file != null) {
          file.close();
        }
      } finally {
        if (last != null) {
          last.close();
        }
      }
    }
  }
}
