package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.BackupReader.FileOutput;
import com.thorbis.backup.spi.repository.BackupReader.FileTarget;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32C;

/** Lays the files of a data directory and its tablespaces down. Safe for several threads. */
final class Laying implements FileTarget {
  private final TargetTree tree;
  private final Map<Long, TargetTree> outside;
  private final Tablespaces tablespaces;
  private final ManifestWriter manifest;
  private final Syncer syncer;
  private final RunControl control;
  private final AtomicLong files = new AtomicLong();
  private final AtomicLong bytes = new AtomicLong();

  Laying(
      TargetTree tree,
      Map<Long, TargetTree> outside,
      Tablespaces tablespaces,
      ManifestWriter manifest,
      Syncer syncer,
      RunControl control) {
    this.tree = tree;
    this.outside = outside;
    this.tablespaces = tablespaces;
    this.manifest = manifest;
    this.syncer = syncer;
    this.control = control;
  }

  void folder(List<String> names) throws IOException {
    Place place = place(names);
    place.tree().folder(place.names());
  }

  @Override
  public FileOutput begin(StoredFile file) throws IOException {
    control.cancellation().check();
    List<String> names = EntryPath.names(file.path());
    Place place = place(names);
    if (place.names().isEmpty()) {
      throw EntryPath.hostile(file.path(), "is a file where a tablespace lies");
    }
    return new Output(file, place.tree().create(place.names()));
  }

  long files() {
    return files.get();
  }

  long bytes() {
    return bytes.get();
  }

  /** A tree, and the way in it. */
  private record Place(TargetTree tree, List<String> names) {}

  private Place place(List<String> names) {
    if (names.size() > 1 && names.get(0).equals("pg_tblspc")) {
      if (!tablespaces.has(names.get(1))) {
        throw EntryPath.hostile(
            String.join("/", names), "lies in a tablespace that the backup does not have");
      }
      TargetTree elsewhere = Tablespaces.oid(names.get(1)).map(outside::get).orElse(null);
      if (elsewhere != null) {
        return new Place(elsewhere, names.subList(2, names.size()));
      }
    }
    return new Place(tree, names);
  }

  private final class Output implements FileOutput {
    private final StoredFile file;
    private final FileChannel channel;
    private final CRC32C crc = new CRC32C();
    private long written;
    private boolean handedOver;

    Output(StoredFile file, FileChannel channel) {
      this.file = file;
      this.channel = channel;
    }

    @Override
    public void write(ByteBuffer plain) throws IOException {
      control.cancellation().check();
      crc.update(plain.duplicate());
      written += plain.remaining();
      TargetTree.writeFully(channel, plain);
    }

    @Override
    public void zeros(long length) throws IOException {
      control.cancellation().check();
      ByteBuffer zeros = TargetTree.ZEROS.duplicate();
      for (long left = length; left > 0; left -= zeros.limit()) {
        crc.update(zeros.clear().limit((int) Math.min(left, zeros.capacity())));
      }
      written += length;
      TargetTree.skip(channel, length);
    }

    @Override
    public void finish() throws IOException {
      TargetTree.endHole(channel);
      if (written != file.length()) {
        throw BackupException.of(
                "restore.wrong-length",
                FailureKind.DAMAGED,
                file.path() + " has " + written + " bytes instead of " + file.length())
            .remedy("Run verify to see what else is damaged.")
            .build();
      }
      manifest.file(file.path(), written, file.modifiedAt(), (int) crc.getValue());
      files.incrementAndGet();
      bytes.addAndGet(written);
      handedOver = true;
      syncer.submit(channel);
    }

    @Override
    public void close() throws IOException {
      if (!handedOver) {
        channel.close();
      }
    }
  }
}
