package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.BackupReader.FileInput;
import com.thorbis.backup.spi.repository.BackupReader.FileOutput;
import com.thorbis.backup.spi.repository.BackupReader.FileTarget;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Lays the files of a data directory and its tablespaces down. A file that was there is compared
 * page by page with what comes, and only pages that differ are written; it is made durable all the
 * same, as whoever wrote it may not have done that. Safe for several threads.
 */
final class Laying implements FileTarget {
  private final TargetTree tree;
  private final Map<Long, TargetTree> outside;
  private final Tablespaces tablespaces;
  private final ManifestWriter manifest;
  private final Syncer syncer;
  private final RunControl control;
  private final AtomicLong files = new AtomicLong();
  private final AtomicLong bytes = new AtomicLong();
  private final AtomicLong kept = new AtomicLong();

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
  public Optional<FileInput> existing(StoredFile file) throws IOException {
    Place place = place(EntryPath.names(file.path()));
    return place.tree().read(place.names()).map(Input::new);
  }

  @Override
  public FileOutput begin(StoredFile file) throws IOException {
    return open(file);
  }

  /** Lays a file of the right length that holds nothing. */
  void empty(StoredFile file) throws IOException {
    try (Output output = open(file)) {
      output.zeros(file.length());
      output.finishEmpty();
    }
  }

  private Output open(StoredFile file) throws IOException {
    control.cancellation().check();
    List<String> names = EntryPath.names(file.path());
    Place place = place(names);
    if (place.names().isEmpty()) {
      throw EntryPath.hostile(file.path(), "is a file where a tablespace lies");
    }
    Optional<FileChannel> there = place.tree().change(place.names());
    if (there.isPresent()) {
      return new Patch(file, there.get());
    }
    place.tree().discard(place.names());
    return new Fresh(file, place.tree().create(place.names()));
  }

  /** How many files were made or changed. */
  long files() {
    return files.get();
  }

  /** How many bytes were written. */
  long bytes() {
    return bytes.get();
  }

  /** How many bytes lay there already. */
  long kept() {
    return kept.get();
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

  private static final class Input implements FileInput {
    private final FileChannel channel;

    Input(FileChannel channel) {
      this.channel = channel;
    }

    @Override
    public void read(long offset, ByteBuffer into) throws IOException {
      TargetTree.readFully(channel, offset, into);
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }

  private abstract class Output implements FileOutput {
    final StoredFile file;
    final FileChannel channel;

    /** Where the next byte goes. */
    long position;

    long written;
    boolean changed;
    private boolean handedOver;

    Output(StoredFile file, FileChannel channel) {
      this.file = file;
      this.channel = channel;
    }

    @Override
    public final void finish(int crc32c) throws IOException {
      end();
      manifest.file(file.path(), position, file.modifiedAt(), crc32c);
      handOver();
    }

    final void finishEmpty() throws IOException {
      end();
      manifest.unsummed(file.path(), position, file.modifiedAt());
      handOver();
    }

    private void end() throws IOException {
      if (position != file.length()) {
        throw BackupException.of(
                "restore.wrong-length",
                FailureKind.DAMAGED,
                file.path() + " has " + position + " bytes instead of " + file.length())
            .remedy("Run verify to see what else is damaged.")
            .build();
      }
      endContent();
    }

    /** Gives the file its length. */
    abstract void endContent() throws IOException;

    private void handOver() throws IOException {
      if (changed) {
        files.incrementAndGet();
      }
      bytes.addAndGet(written);
      kept.addAndGet(position - written);
      handedOver = true;
      syncer.submit(channel);
    }

    @Override
    public final void close() throws IOException {
      if (!handedOver) {
        channel.close();
      }
    }
  }

  /** A file that was not there. */
  private final class Fresh extends Output {
    Fresh(StoredFile file, FileChannel channel) {
      super(file, channel);
      changed = true;
    }

    @Override
    public void write(ByteBuffer plain) throws IOException {
      control.cancellation().check();
      position += plain.remaining();
      written = position;
      TargetTree.writeFully(channel, plain);
    }

    @Override
    public void zeros(long length) throws IOException {
      control.cancellation().check();
      position += length;
      written = position;
      TargetTree.skip(channel, length);
    }

    @Override
    void endContent() throws IOException {
      TargetTree.endHole(channel);
    }
  }

  /** A file that was there. */
  private final class Patch extends Output {
    private static final int PAGE = 8192;
    private static final int MOST_AT_ONCE = 1 << 20;

    private final long length;
    private final ByteBuffer there;

    Patch(StoredFile file, FileChannel channel) throws IOException {
      super(file, channel);
      this.length = channel.size();
      this.there = ByteBuffer.allocate((int) Math.min(Math.max(length, 1), MOST_AT_ONCE));
    }

    @Override
    public void write(ByteBuffer plain) throws IOException {
      control.cancellation().check();
      while (plain.hasRemaining()) {
        long inside = Math.min(plain.remaining(), Math.max(0, length - position));
        there.clear().limit((int) Math.min(inside, there.capacity()));
        TargetTree.readFully(channel, position, there);
        there.flip();
        if (!there.hasRemaining()) { // behind its end
          replace(plain, plain.remaining());
          return;
        }
        compare(plain);
      }
    }

    /** Writes the runs of pages that differ from what was read. */
    private void compare(ByteBuffer plain) throws IOException {
      while (there.hasRemaining()) {
        int same = run(plain, true);
        there.position(there.position() + same);
        plain.position(plain.position() + same);
        position += same;
        int other = run(plain, false);
        there.position(there.position() + other);
        replace(plain, other);
      }
    }

    /** How many of the next bytes lie in pages that are the same, or that are not. */
    private int run(ByteBuffer plain, boolean same) {
      int count = 0;
      while (count < there.remaining()) {
        int page = (int) Math.min(PAGE - (position + count) % PAGE, there.remaining() - count);
        boolean equal =
            there
                .slice(there.position() + count, page)
                .equals(plain.slice(plain.position() + count, page));
        if (equal != same) {
          break;
        }
        count += page;
      }
      return count;
    }

    private void replace(ByteBuffer plain, int count) throws IOException {
      if (count == 0) {
        return;
      }
      ByteBuffer bytes = plain.slice(plain.position(), count);
      while (bytes.hasRemaining()) {
        channel.write(bytes, position + bytes.position());
      }
      plain.position(plain.position() + count);
      position += count;
      written += count;
      changed = true;
    }

    @Override
    public void zeros(long count) throws IOException {
      ByteBuffer zeros = TargetTree.ZEROS.duplicate();
      long inside = Math.min(count, Math.max(0, length - position));
      for (long left = inside; left > 0; left -= zeros.limit()) {
        zeros.clear().limit((int) Math.min(left, zeros.capacity()));
        write(zeros.duplicate());
      }
      position += count - inside;
    }

    @Override
    public void keep(long count) throws IOException {
      control.cancellation().check();
      position += count;
    }

    @Override
    void endContent() throws IOException {
      if (channel.size() > position) {
        channel.truncate(position);
        changed = true;
      } else if (channel.size() < position) {
        channel.position(position);
        TargetTree.endHole(channel);
        changed = true;
      }
    }
  }
}
