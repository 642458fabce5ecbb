package com.thorbis.backup.postgres.wal;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Takes out of one record's content, which comes in pieces of any length, which blocks of main
 * forks it changed. What it cannot make out counts as a change of everything. Holds about a
 * kilobyte.
 *
 * <p>Nearly every record names its blocks in its head (PostgreSQL's xlogrecord.h). Those that
 * change files without naming blocks say so in their data: files made, cut and dropped (storage and
 * transactions), and databases copied, moved and dropped file by file.
 */
final class RecordBlocks {
  private static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  /** All that can stand before the data: 33 blocks, an origin, a transaction and a length. */
  private static final int MOST_HEAD = 33 * (4 + 5 + 2 + 12 + 4) + 3 + 5 + 5;

  private static final int ID_DATA_SHORT = 255;
  private static final int ID_DATA_LONG = 254;
  private static final int ID_ORIGIN = 253;
  private static final int ID_TOPLEVEL_XID = 252;
  private static final int MOST_BLOCK_ID = 32;

  private static final int FORK_MASK = 0x0F;
  private static final int HAS_IMAGE = 0x10;
  private static final int SAME_RELATION = 0x80;
  private static final int IMAGE_HAS_HOLE = 0x01;

  private static final int MAIN_FORK = 0;

  private static final int RM_XLOG = 0;
  private static final int RM_XACT = 1;
  private static final int RM_STORAGE = 2;
  private static final int RM_DATABASE = 4;
  private static final int RM_TABLESPACE = 5;

  private static final int XLOG_PARAMETER_CHANGE = 0x60;
  private static final int STORAGE_CREATE = 0x10;
  private static final int STORAGE_TRUNCATE = 0x20;
  private static final int TRUNCATE_MAIN = 1;

  private static final int XACT_MASK = 0x70;
  private static final int XACT_COMMIT = 0x00;
  private static final int XACT_ABORT = 0x20;
  private static final int XACT_COMMIT_PREPARED = 0x30;
  private static final int XACT_ABORT_PREPARED = 0x40;
  private static final int XACT_HAS_INFO = 0x80;
  private static final int HAS_DATABASE = 1;
  private static final int HAS_CHILDREN = 1 << 1;
  private static final int HAS_RELATIONS = 1 << 2;

  /** How the data of a record is read. */
  private enum Step {
    STORAGE_CREATED(16),
    STORAGE_CUT(20),
    DATABASE_MADE(8),
    DATABASE_DROPPED(8),
    DROPPED_FROM(4),
    TABLESPACE(4),
    PARAMETERS(24),
    TRANSACTION(8 + 4),
    CHILDREN(4),
    RELATIONS(4),
    RELATION(12),
    DONE(0);

    private final int length;

    Step(int length) {
      this.length = length;
    }
  }

  private final int compressed;
  private final int databaseDrop;
  private final byte[] head = new byte[MOST_HEAD];
  private final ByteBuffer field = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);

  private ChangedBlocks into = new ChangedBlocks();
  private long length;
  private long taken;
  private int headLength;
  private boolean headRead;
  private Step first = Step.DONE;
  private Step step = Step.DONE;
  private long dataStart;
  private long skip;
  private long left;
  private int database;

  RecordBlocks(int major) {
    // From 15 on other flags say that an image is compressed, and dropping moved to make room.
    this.compressed = major >= 15 ? 0x04 | 0x08 | 0x10 : 0x02;
    this.databaseDrop = major >= 15 ? 0x20 : 0x10;
  }

  /**
   * A record comes.
   *
   * @param contentLength what follows its header
   */
  void begin(ChangedBlocks target, int resourceManager, int recordInfo, int contentLength) {
    into = target;
    length = contentLength;
    taken = 0;
    headLength = Math.min(contentLength, MOST_HEAD);
    headRead = contentLength == 0;
    first = first(resourceManager, recordInfo);
    step = Step.DONE;
    skip = 0;
  }

  private Step first(int resourceManager, int recordInfo) {
    int info = recordInfo & 0xF0;
    return switch (resourceManager) {
      case RM_XLOG -> info == XLOG_PARAMETER_CHANGE ? Step.PARAMETERS : Step.DONE;
      case RM_XACT ->
          switch (recordInfo & XACT_MASK) {
            case XACT_COMMIT, XACT_ABORT, XACT_COMMIT_PREPARED, XACT_ABORT_PREPARED ->
                (recordInfo & XACT_HAS_INFO) == 0 ? Step.DONE : Step.TRANSACTION;
            default -> Step.DONE;
          };
      case RM_STORAGE ->
          switch (info) {
            case STORAGE_CREATE -> Step.STORAGE_CREATED;
            case STORAGE_TRUNCATE -> Step.STORAGE_CUT;
            default -> Step.DONE;
          };
      case RM_DATABASE -> info == databaseDrop ? Step.DATABASE_DROPPED : Step.DATABASE_MADE;
      case RM_TABLESPACE -> Step.TABLESPACE;
      default -> Step.DONE;
    };
  }

  /** The next bytes after the record's header. */
  void take(byte[] bytes, int offset, int count) {
    if (!headRead) {
      int missing = headLength - (int) taken;
      if (taken == 0 && count >= missing) {
        readHead(bytes, offset);
      } else {
        int more = Math.min(missing, count);
        System.arraycopy(bytes, offset, head, (int) taken, more);
        if (more == missing) {
          readHead(head, 0);
          // What lies in the head's copy of the data comes from there; the rest from here.
          if (step != Step.DONE) {
            data(head, 0, 0, (int) taken);
          }
        }
      }
    }
    if (step != Step.DONE) {
      data(bytes, offset, taken, count);
    }
    taken += count;
  }

  private void readHead(byte[] bytes, int offset) {
    headRead = true;
    if (!parseHead(bytes, offset)) {
      into.everything();
      step = Step.DONE;
    }
  }

  /** False if it is no head that a server of this version writes. */
  private boolean parseHead(byte[] bytes, int offset) {
    int at = offset;
    int end = offset + headLength;
    long behind = 0;
    boolean any = false;
    int tablespace = 0;
    int base = 0;
    int relation = 0;
    while (length - (at - offset) > behind) {
      if (at >= end) {
        return false;
      }
      int id = bytes[at++] & 0xFF;
      if (id <= MOST_BLOCK_ID) {
        if (at + 3 > end) {
          return false;
        }
        int flags = bytes[at] & 0xFF;
        behind += (short) SHORT.get(bytes, at + 1) & 0xFFFF;
        at += 3;
        if ((flags & HAS_IMAGE) != 0) {
          if (at + 5 > end) {
            return false;
          }
          behind += (short) SHORT.get(bytes, at) & 0xFFFF;
          int image = bytes[at + 4] & 0xFF;
          at += 5;
          if ((image & compressed) != 0 && (image & IMAGE_HAS_HOLE) != 0) {
            at += 2;
          }
        }
        if ((flags & SAME_RELATION) == 0) {
          if (at + 12 > end) {
            return false;
          }
          tablespace = (int) INT.get(bytes, at);
          base = (int) INT.get(bytes, at + 4);
          relation = (int) INT.get(bytes, at + 8);
          at += 12;
          any = true;
        } else if (!any) {
          return false;
        }
        if (at + 4 > end) {
          return false;
        }
        if ((flags & FORK_MASK) == MAIN_FORK) {
          into.block(tablespace, base, relation, (int) INT.get(bytes, at));
        }
        at += 4;
      } else if (id == ID_ORIGIN) {
        at += 2;
      } else if (id == ID_TOPLEVEL_XID) {
        at += 4;
      } else if (id == ID_DATA_SHORT || id == ID_DATA_LONG) {
        int size = id == ID_DATA_SHORT ? 1 : 4;
        if (at + size > end) {
          return false;
        }
        long data =
            id == ID_DATA_SHORT
                ? bytes[at] & 0xFF
                : Integer.toUnsignedLong((int) INT.get(bytes, at));
        at += size;
        behind += data;
        if (at - offset + behind != length) {
          return false;
        }
        dataStart = length - data;
        step = first;
        field.clear();
        return true;
      } else {
        return false;
      }
      if (at > end) {
        return false;
      }
    }
    // Records without data name all they change in their head.
    return at - offset + behind == length && first == Step.DONE;
  }

  /** Some of the content, of which the part that is data is read. */
  private void data(byte[] bytes, int offset, long position, int count) {
    long before = Math.max(0, dataStart - position);
    if (before >= count) {
      return;
    }
    int at = offset + (int) before;
    int end = offset + count;
    while (at < end && step != Step.DONE) {
      if (skip > 0) {
        int passed = (int) Math.min(skip, end - at);
        skip -= passed;
        at += passed;
        continue;
      }
      int wanted = Math.min(step.length - field.position(), end - at);
      field.put(bytes, at, wanted);
      at += wanted;
      if (field.position() == step.length) {
        field.flip();
        read();
        field.clear();
      }
    }
  }

  private void read() {
    switch (step) {
      case STORAGE_CREATED -> {
        if (field.getInt(12) == MAIN_FORK) {
          into.limit(field.getInt(0), field.getInt(4), field.getInt(8), 0);
        }
        step = Step.DONE;
      }
      case STORAGE_CUT -> {
        if ((field.getInt(16) & TRUNCATE_MAIN) != 0) {
          into.limit(field.getInt(4), field.getInt(8), field.getInt(12), field.getInt(0));
        }
        step = Step.DONE;
      }
      case DATABASE_MADE -> {
        into.database(field.getInt(4), field.getInt(0));
        step = Step.DONE;
      }
      case DATABASE_DROPPED -> {
        database = field.getInt(0);
        count(field.getInt(4), Step.DROPPED_FROM);
      }
      case DROPPED_FROM -> {
        into.database(field.getInt(0), database);
        count(left - 1, Step.DROPPED_FROM);
      }
      case TABLESPACE -> {
        into.tablespace(field.getInt(0));
        step = Step.DONE;
      }
      case PARAMETERS -> {
        if (field.getInt(20) == 0) { // wal_level is minimal: files change without a trace
          into.everything();
        }
        step = Step.DONE;
      }
      case TRANSACTION -> {
        int groups = field.getInt(8);
        skip = (groups & HAS_DATABASE) != 0 ? 8 : 0;
        if ((groups & HAS_RELATIONS) == 0) {
          step = Step.DONE;
        } else {
          step = (groups & HAS_CHILDREN) != 0 ? Step.CHILDREN : Step.RELATIONS;
        }
      }
      case CHILDREN -> {
        skip = 4 * Integer.toUnsignedLong(field.getInt(0));
        step = Step.RELATIONS;
      }
      case RELATIONS -> count(field.getInt(0), Step.RELATION);
      case RELATION -> {
        into.limit(field.getInt(0), field.getInt(4), field.getInt(8), 0);
        count(left - 1, Step.RELATION);
      }
      case DONE -> {}
    }
  }

  private void count(long items, Step item) {
    left = items;
    step = items > 0 ? item : Step.DONE;
  }

  /** All of it came; what was expected of it and did not come counts as a change of everything. */
  void end() {
    if (step != Step.DONE || !headRead || length == 0 && first != Step.DONE) {
      into.everything();
    }
  }
}
