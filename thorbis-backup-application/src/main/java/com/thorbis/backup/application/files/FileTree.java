package com.thorbis.backup.application.files;

import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.FileNode;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Walks folders into a backup: each folder before what is in it, names in the order of their bytes,
 * one folder's names in memory for each step down. Follows no symbolic link. What the backup's base
 * has as it is now is kept without being opened. Used by one thread, for one backup: a file with
 * several names in several of its folders is stored once.
 */
public final class FileTree {
  private static final int MOST_READS = 3;

  /** A file that was changed twice within what the clock of file systems tells apart looks same. */
  private static final Duration TICK = Duration.ofMillis(20);

  private static final String CACHE_TAG = "CACHEDIR.TAG";
  private static final byte[] CACHE_SIGNATURE =
      "Signature: 8a477f597d28d172789f06886806bc55".getBytes(StandardCharsets.US_ASCII);

  private final FileSelection selection;
  private final BackupWriter writer;
  private final RunControl control;
  private final Clock clock;
  private final Disk disk;
  private final ReadAhead reader = new ReadAhead();
  private final Map<Inode, Seen> severalNames = new HashMap<>();

  private final Tally unreadable = new Tally();
  private final Tally changing = new Tally();
  private final Tally special = new Tally();
  private final Tally unnamed = new Tally();
  private final List<String> notes = new ArrayList<>();
  private long files;
  private long folders;
  private long links;
  private long unchanged;
  private long excluded;
  private long vanished;
  private long bytes;

  /**
   * What walks into one backup.
   *
   * @param clock the time that files are stamped with
   */
  public FileTree(FileSelection selection, BackupWriter writer, RunControl control, Clock clock) {
    this(selection, writer, control, clock, new Disk());
  }

  FileTree(
      FileSelection selection, BackupWriter writer, RunControl control, Clock clock, Disk disk) {
    this.selection = selection;
    this.writer = writer;
    this.control = control;
    this.clock = clock;
    this.disk = disk;
  }

  /**
   * What came of a walk.
   *
   * @param files stored, unchanged ones too, and further names of a file not
   * @param folders stored
   * @param links symbolic links, and further names of files
   * @param unchanged files that the base had
   * @param excluded files, folders and links that the selection leaves out, without what is below
   * @param vanished what was removed between being listed and being read
   * @param bytes read
   * @param whole whether nothing is missing or torn that should be there
   * @param warnings what needs a look
   */
  public record Outcome(
      long files,
      long folders,
      long links,
      long unchanged,
      long excluded,
      long vanished,
      long bytes,
      boolean whole,
      List<String> warnings) {
    /** Copies the list. */
    public Outcome {
      warnings = List.copyOf(warnings);
    }
  }

  /** What came of all that was added so far. */
  public Outcome outcome() {
    List<String> warnings = new ArrayList<>(notes);
    unreadable.say("Not in the backup, because they could not be read", warnings);
    unnamed.say(
        "Not in the backup, because this locale cannot write their names or where they lead",
        warnings);
    changing.say("Changed each time they were read, and stored as they were read", warnings);
    special.say("Left out, because they are sockets, pipes or devices", warnings);
    return new Outcome(
        files,
        folders,
        links,
        unchanged,
        excluded,
        vanished,
        bytes,
        unreadable.count + changing.count + unnamed.count == 0 && notes.isEmpty(),
        warnings);
  }

  /**
   * Adds a folder with all below it, or a file.
   *
   * @param root where it is; nothing of the selection leaves it out
   * @param prefix the path that it is stored under; empty for what is in a folder, without itself
   * @return false, and nothing is added, if nothing is there
   */
  public boolean add(Path root, String prefix) throws IOException {
    Place place = new Place(root, full(root), prefix, "");
    Disk.Entry entry;
    try {
      entry = disk.look(root);
    } catch (NoSuchFileException e) {
      return false;
    } catch (IOException e) {
      unreadable.add(root, e);
      return true;
    }
    if (entry.kind().equals(Optional.of(StoredFile.Kind.SYMBOLIC_LINK))) {
      notes.add(
          Names.printable(root.toString())
              + " is a symbolic link: what it leads to is not in the backup");
    }
    Path parent = root.getParent();
    Path name = root.getFileName();
    if (parent == null || name == null) {
      try (Disk.Folder folder = open(() -> disk.open(root), place)) {
        content(folder, place, entry.device());
      } catch (SkippedException e) {
        count(e);
      }
      return true;
    }
    try (Disk.Folder folder = open(() -> above(parent), place)) {
      entry(folder, name, place, entry, entry.device());
    } catch (SkippedException e) {
      count(e);
    }
    return true;
  }

  private Disk.Folder above(Path parent) throws IOException {
    try {
      return disk.open(parent);
    } catch (AccessDeniedException e) {
      return disk.pass(parent);
    }
  }

  private static String full(Path root) {
    String text = root.toString();
    return text.startsWith("/") ? text.substring(1) : text;
  }

  /** Where an entry is, as the disk, patterns and the backup call it. */
  private record Place(Path path, String full, String stored, String below) {
    Place child(String name) {
      return new Place(path.resolve(name), join(full, name), join(stored, name), join(below, name));
    }

    private static String join(String folder, String name) {
      return folder.isEmpty() ? name : folder + "/" + name;
    }
  }

  private record Inode(long device, long number) {}

  private static final class Seen {
    private final String stored;
    private long left;

    Seen(String stored, long left) {
      this.stored = stored;
      this.left = left;
    }
  }

  private void entry(Disk.Folder parent, Path name, Place place, Disk.Entry entry, long device)
      throws IOException, SkippedException {
    control.cancellation().check();
    if (entry.kind().isEmpty()) {
      special.add(place.path());
      return;
    }
    switch (entry.kind().get()) {
      case DIRECTORY -> {
        if (selection.oneFileSystem() && entry.device() != device) {
          prove(() -> parent.key(name), place, entry);
          folder(place, entry);
          excluded++;
          return;
        }
        Disk.Folder opened;
        try {
          opened = open(() -> parent.open(name), place);
        } catch (SkippedException e) {
          prove(() -> parent.key(name), place, entry);
          folder(place, entry);
          throw e;
        }
        try (Disk.Folder folder = opened) {
          Disk.Entry proven = entry;
          if (!open(folder::key, place).equals(entry.key())) {
            proven = open(() -> disk.look(place.path()), place); // opening it may have mounted it
            prove(folder::key, place, proven);
          }
          folder(place, proven);
          content(folder, place, device);
        }
      }
      case SYMBOLIC_LINK -> {
        prove(() -> parent.key(name), place, entry);
        String target = open(() -> disk.target(place.path()), place);
        prove(() -> disk.look(place.path()).key(), place, entry);
        writer.link(
            entry.stored(place.stored(), StoredFile.Kind.SYMBOLIC_LINK, Optional.of(target)));
        links++;
      }
      default -> {
        if (selection.oneFileSystem() && entry.device() != device) {
          excluded++;
        } else {
          file(parent, name, place, entry);
        }
      }
    }
  }

  private void folder(Place place, Disk.Entry entry) throws IOException {
    if (!place.stored().isEmpty()) {
      writer.directory(entry.stored(place.stored(), StoredFile.Kind.DIRECTORY, Optional.empty()));
      folders++;
    }
  }

  /**
   * Attributes are asked for by path, which a link may lead elsewhere by now, and content comes
   * from folders that are held open: both have to be of one entry.
   */
  private static void prove(Ask<Optional<Object>> held, Place place, Disk.Entry entry)
      throws IOException, SkippedException {
    if (!open(held, place).equals(entry.key())) {
      throw new SkippedException(place.path(), new ExchangedException());
    }
  }

  private void content(Disk.Folder folder, Place place, long device)
      throws IOException, SkippedException {
    List<String> names = names(folder, place);
    for (String name : names) {
      Place child = place.child(name);
      Path own = child.path().getFileName();
      if (own == null) {
        throw new IllegalStateException("A name without a name in " + place.path());
      }
      try {
        Disk.Entry entry = open(() -> disk.look(child.path()), child);
        if (selection.excludes(
            child.full(),
            child.below(),
            name,
            entry.kind().equals(Optional.of(StoredFile.Kind.DIRECTORY)))) {
          excluded++;
        } else {
          entry(folder, own, child, entry, device);
        }
      } catch (SkippedException e) {
        count(e);
      }
    }
  }

  private List<String> names(Disk.Folder folder, Place place) throws IOException, SkippedException {
    List<String> names = new ArrayList<>();
    open(
        () -> {
          folder.list(
              path -> {
                Path name = path.getFileName();
                if (name == null) {
                  return;
                }
                try {
                  names.add(Names.text(name));
                } catch (CharacterCodingException e) {
                  unnamed.add(path);
                }
              });
          return true;
        },
        place);
    if (selection.excludeCaches() && names.contains(CACHE_TAG) && isCache(folder, place)) {
      excluded += names.size() - 1;
      return List.of(CACHE_TAG);
    }
    names.sort(Names::compare);
    return names;
  }

  private boolean isCache(Disk.Folder folder, Place place) {
    try (SeekableByteChannel tag = folder.read(place.path().getFileSystem().getPath(CACHE_TAG))) {
      ByteBuffer start = ByteBuffer.allocate(CACHE_SIGNATURE.length);
      while (start.hasRemaining() && tag.read(start) >= 0) {
        control.cancellation().check();
      }
      return Arrays.equals(start.array(), CACHE_SIGNATURE);
    } catch (IOException e) {
      return false; // then it is backed up, and what is wrong with the tag is said there
    }
  }

  private void file(Disk.Folder parent, Path name, Place place, Disk.Entry entry)
      throws IOException, SkippedException {
    Optional<Inode> inode =
        entry.links() > 1 ? entry.node().map(node -> inode(entry, node)) : Optional.empty();
    if (inode.isPresent()) {
      Seen seen = severalNames.get(inode.get());
      if (seen != null) {
        prove(() -> parent.key(name), place, entry);
        writer.link(
            entry.stored(place.stored(), StoredFile.Kind.HARD_LINK, Optional.of(seen.stored)));
        links++;
        seen.left--;
        if (seen.left == 0) {
          severalNames.remove(inode.get());
        }
        return;
      }
    }
    Optional<Disk.Entry> stored = Optional.of(entry);
    if (writer.keep(entry.stored(place.stored(), StoredFile.Kind.FILE, Optional.empty()))) {
      unchanged++;
      files++;
    } else {
      stored = Optional.of(read(parent, name, place, entry));
      files++;
    }
    // Under the number that was read: the name may have been given to another file meanwhile.
    stored
        .filter(one -> one.links() > 1)
        .flatMap(one -> one.node().map(node -> inode(one, node)))
        .ifPresent(
            one -> severalNames.putIfAbsent(one, new Seen(place.stored(), entry.links() - 1)));
  }

  private static Inode inode(Disk.Entry entry, FileNode node) {
    return new Inode(entry.device(), node.inode());
  }

  /** Reads a file until it was the same before and after, or often enough. */
  private Disk.Entry read(Disk.Folder parent, Path name, Place place, Disk.Entry first)
      throws IOException, SkippedException {
    Disk.Entry before = settled(place, first);
    for (int attempt = 1; ; attempt++) {
      if (!before.kind().equals(Optional.of(StoredFile.Kind.FILE))) {
        throw new SkippedException(place.path(), null); // something else is there by now
      }
      if (!open(() -> parent.key(name), place).equals(before.key())) {
        if (attempt == MOST_READS) {
          throw new SkippedException(place.path(), new ExchangedException());
        }
        before = settled(place, open(() -> disk.look(place.path()), place));
        continue;
      }
      StoredFile file = before.stored(place.stored(), StoredFile.Kind.FILE, Optional.empty());
      try (SeekableByteChannel channel = open(() -> parent.read(name), place);
          BackupWriter.FileWriter out = writer.file(file, PieceCheck.NONE, new Arrival.Chunked())) {
        boolean whole = copy(channel, before.length(), out, place);
        Disk.Entry after = open(() -> disk.look(place.path()), place);
        boolean proven = open(() -> parent.key(name), place).equals(before.key());
        boolean same = whole && proven && unaltered(before, after);
        if (!proven && attempt == MOST_READS) {
          throw new SkippedException(place.path(), new ExchangedException());
        }
        if (same || attempt == MOST_READS) {
          out.finish();
          if (!same) {
            changing.add(place.path());
          }
          return before;
        }
        before = settled(place, after);
      }
    }
  }

  private static boolean unaltered(Disk.Entry before, Disk.Entry after) {
    return before.kind().equals(after.kind())
        && before.length() == after.length()
        && before.modifiedAt().equals(after.modifiedAt())
        && before.node().equals(after.node());
  }

  /** Copies what the file is said to have; what is added meanwhile belongs to the next backup. */
  private boolean copy(
      SeekableByteChannel channel, long length, BackupWriter.FileWriter out, Place place)
      throws IOException, SkippedException {
    ReadAhead.Stretches stretches = reader.of(channel, length);
    for (long left = length; left > 0; ) {
      control.cancellation().check();
      ByteBuffer now = open(stretches::next, place);
      int count = now.remaining();
      if (count == 0) {
        return false;
      }
      out.write(now.array(), 0, count);
      left -= count;
      bytes += count;
      control.progress().advance(bytes, -1);
    }
    return true;
  }

  /** Waits until another change would have another time. */
  private Disk.Entry settled(Place place, Disk.Entry entry) throws IOException, SkippedException {
    Optional<Duration> age =
        entry.node().map(node -> Duration.between(node.changedAt(), clock.instant()).abs());
    if (age.isEmpty() || age.get().compareTo(TICK) > 0) {
      return entry;
    }
    try {
      Thread.sleep(TICK.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while files were read");
    }
    return open(() -> disk.look(place.path()), place);
  }

  /** Asks the disk: what goes wrong there leaves out one entry, and not the backup. */
  private static <T> T open(Ask<T> ask, Place place) throws IOException, SkippedException {
    try {
      return ask.get();
    } catch (ClosedByInterruptException | InterruptedIOException e) {
      throw e; // the run is to end; nothing is wrong with the file
    } catch (IOException e) {
      throw new SkippedException(place.path(), e);
    }
  }

  private void count(SkippedException skipped) {
    IOException why = skipped.why;
    if (why == null || why instanceof NoSuchFileException) {
      vanished++;
    } else if (why instanceof CharacterCodingException) {
      unnamed.add(skipped.path);
    } else {
      unreadable.add(skipped.path, why);
    }
  }

  @FunctionalInterface
  private interface Ask<T> {
    T get() throws IOException;
  }

  private static final class SkippedException extends Exception {
    private static final long serialVersionUID = 1L;

    private final transient Path path;
    private final transient @Nullable IOException why;

    SkippedException(Path path, @Nullable IOException why) {
      super(why);
      this.path = path;
      this.why = why;
    }
  }

  private static final class ExchangedException extends IOException {
    private static final long serialVersionUID = 1L;
  }

  /** How many, and the first of them. */
  private static final class Tally {
    private static final int MOST_EXAMPLES = 5;

    private final List<String> examples = new ArrayList<>();
    private long count;

    void add(Path path) {
      count++;
      if (examples.size() < MOST_EXAMPLES) {
        examples.add(Names.printable(path.toString()));
      }
    }

    void add(Path path, IOException why) {
      add(path);
      if (examples.size() == count) {
        String said =
            why instanceof ExchangedException
                ? "was exchanged while it was read"
                : why.getClass().getSimpleName().replace("Exception", "");
        examples.set(examples.size() - 1, examples.get(examples.size() - 1) + " (" + said + ")");
      }
    }

    void say(String what, List<String> warnings) {
      if (count > 0) {
        warnings.add(what + ": " + count + ", such as " + String.join(", ", examples));
      }
    }
  }
}
