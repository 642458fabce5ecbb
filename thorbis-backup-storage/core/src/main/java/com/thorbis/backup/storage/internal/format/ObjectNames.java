package com.thorbis.backup.storage.internal.format;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageTier;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** Where objects lie. A sealed object's key is also the logical name that it is bound to. */
public final class ObjectNames {
  /** The plain header of the repository. */
  public static final ObjectKey HEADER = new ObjectKey("repository");

  /** What a copy says of itself; every copy has its own. */
  public static final ObjectKey COPY = new ObjectKey("copy");

  /** Says that commits name who may write. */
  public static final ObjectKey SIGNED = new ObjectKey("signed");

  /** What the keys of commits begin with. */
  public static final String COMMITS = "commits/";

  /** What the keys of key slots begin with. */
  public static final String KEYS = "keys/";

  /** What the keys of packs begin with. */
  public static final String PACKS = "packs/";

  /** What the keys of manifests begin with. */
  public static final String MANIFESTS = "manifests/";

  /** What the keys of WAL begin with. */
  public static final String WAL = "wal/";

  /** What the keys of summaries of WAL end with. */
  public static final String SUMMARY_SUFFIX = ".map";

  /** What the keys of records of missing WAL end with. */
  public static final String GAP_SUFFIX = ".gap";

  /** What the keys of objects that only try out a store begin with. */
  public static final String PROBE = "probe/";

  /** What the keys of checkpoints begin with. */
  public static final String CHECKPOINTS = "checkpoints/";

  /** What the keys of leases begin with. */
  public static final String LEASES = "leases/";

  /** What the keys of all that sealed writers store begin with. */
  public static final String SESSIONS = "sessions/";

  /** The first bit of the number in a pack's id, which no run counts up to. */
  private static final long MAPS = 0x8000_0000L;

  private static final int MAPS_DIGIT = 24;
  private static final int SEGMENT_NAME = 24;

  private ObjectNames() {}

  /** A sealed writer's session lies below, in a repository of its own. */
  public static String session(ObjectId session) {
    return SESSIONS + session + "/";
  }

  /** The catalogue as of a commit. */
  public static ObjectKey checkpoint(long sequence) {
    return new ObjectKey(CHECKPOINTS + HexFormat.of().toHexDigits(sequence));
  }

  /** One renewal of a run's lease. */
  public static ObjectKey lease(String run, long number) {
    return new ObjectKey(LEASES + run + "/" + HexFormat.of().toHexDigits(number));
  }

  /** The slots of one epoch of a tree lie below. */
  public static String slots(KeySlot place) {
    return slots(place.tree(), place.epoch());
  }

  /** The slots of one epoch of a tree lie below. */
  public static String slots(ObjectId tree, int epoch) {
    return KEYS + tree + "/" + HexFormat.of().toHexDigits(epoch) + "/";
  }

  /** One recipient's wrap. */
  public static ObjectKey slot(KeySlot place, String slot) {
    return new ObjectKey(slots(place) + slot);
  }

  /** A pack. */
  public static ObjectKey pack(ObjectId tree, ObjectId pack) {
    return new ObjectKey(PACKS + tree + "/" + pack);
  }

  /**
   * Marks the id of a pack that holds maps and tables, which a plan and the next backup read, and
   * no content: so that its name tells.
   */
  public static ObjectId ofMaps(ObjectId pack) {
    return new ObjectId(pack.high(), pack.low() | MAPS);
  }

  /** Whether a pack holds content of files, as far as its name tells. */
  public static boolean isContent(ObjectKey key) {
    String name = key.name();
    return key.value().startsWith(PACKS)
        && name.length() == 2 * ObjectId.LENGTH
        && (Character.digit(name.charAt(MAPS_DIGIT), 16) & 8) == 0;
  }

  /**
   * Where an object may be kept whose owner wants it in a tier: content of files there; whole
   * segments of log at most where they are read at once, because every plan and status reads their
   * headers; all else is small, and needed to know what there is.
   */
  public static StorageTier deepest(ObjectKey key, StorageTier wanted) {
    if (isContent(key)) {
      return wanted;
    }
    boolean log =
        key.value().startsWith(WAL)
            && key.name().length() == SEGMENT_NAME
            && WalSegment.isName(key.name());
    if (!log) {
      return StorageTier.HOT;
    }
    return wanted == StorageTier.ARCHIVE ? StorageTier.COLD : wanted;
  }

  /** A backup's manifest. */
  public static ObjectKey manifest(ObjectId tree, BackupId backup) {
    return new ObjectKey(MANIFESTS + tree + "/" + backup);
  }

  /** A commit. */
  public static ObjectKey commit(long sequence) {
    return new ObjectKey(COMMITS + HexFormat.of().toHexDigits(sequence));
  }

  /** Which commit this is; empty if it is none. */
  public static OptionalLong sequence(ObjectKey key) {
    return number(COMMITS, key);
  }

  /** For which commit this checkpoint stands; empty if it is none. */
  public static OptionalLong checkpointed(ObjectKey key) {
    return number(CHECKPOINTS, key);
  }

  private static OptionalLong number(String folder, ObjectKey key) {
    String name = key.name();
    if (!key.value().equals(folder + name) || !name.matches("[0-9a-f]{16}")) {
      return OptionalLong.empty();
    }
    long sequence = Long.parseUnsignedLong(name, 16);
    return sequence > 0 ? OptionalLong.of(sequence) : OptionalLong.empty();
  }

  /** Whether an object is a slot of a tree, or lies where its keys seal things. */
  public static boolean isOf(ObjectKey key, ObjectId tree) {
    return below(tree).stream().anyMatch(key.value()::startsWith);
  }

  /** What the keys of all objects of a tree begin with, its slots first. */
  public static List<String> below(ObjectId tree) {
    return Stream.of(KEYS, MANIFESTS, PACKS, WAL).map(kind -> kind + tree + "/").toList();
  }

  /** The WAL of an incarnation lies below. */
  public static String wal(ObjectId tree, String incarnation) {
    return WAL + tree + "/" + incarnation + "/";
  }

  /** The WAL of a timeline lies below. */
  public static String wal(ObjectId tree, String incarnation, Timeline timeline) {
    return wal(tree, incarnation) + timeline.hex() + "/";
  }

  /** A complete segment. */
  public static ObjectKey segment(ObjectId tree, String incarnation, WalSegment segment) {
    return new ObjectKey(wal(tree, incarnation, segment.timeline()) + segment.fileName());
  }

  /** A part of a segment. */
  public static ObjectKey part(ObjectId tree, String incarnation, WalSegment segment, int offset) {
    return new ObjectKey(
        wal(tree, incarnation, segment.timeline())
            + segment.fileName()
            + "."
            + HexFormat.of().toHexDigits(offset));
  }

  /**
   * What a stretch of WAL changes.
   *
   * @param first the segment that the stretch starts with
   */
  public static ObjectKey summary(ObjectId tree, String incarnation, WalSegment first) {
    return new ObjectKey(
        wal(tree, incarnation, first.timeline()) + first.fileName() + SUMMARY_SUFFIX);
  }

  /**
   * Why WAL is missing.
   *
   * @param first the segment in which what is missing begins
   */
  public static ObjectKey gap(ObjectId tree, String incarnation, WalSegment first) {
    return new ObjectKey(wal(tree, incarnation, first.timeline()) + first.fileName() + GAP_SUFFIX);
  }

  /** A timeline's history file. */
  public static ObjectKey history(ObjectId tree, String incarnation, Timeline timeline) {
    return new ObjectKey(wal(tree, incarnation, timeline) + timeline.historyFileName());
  }
}
