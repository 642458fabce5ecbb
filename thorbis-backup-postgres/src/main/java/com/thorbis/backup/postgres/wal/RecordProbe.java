package com.thorbis.backup.postgres.wal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Picks the few fields that recovery targets are compared with out of one record's content, which
 * comes in pieces of any length. Holds a restore point's length at most.
 */
final class RecordProbe {
  enum Result {
    NOTHING,
    COMMIT,
    ABORT,
    RESTORE_POINT
  }

  private static final int RM_XLOG = 0;
  private static final int RM_XACT = 1;
  private static final int XLOG_RESTORE_POINT = 0x70;
  private static final int OP_MASK = 0x70;
  private static final int OP_COMMIT = 0x00;
  private static final int OP_ABORT = 0x20;
  private static final int OP_COMMIT_PREPARED = 0x30;
  private static final int OP_ABORT_PREPARED = 0x40;
  private static final int HAS_INFO = 0x80;

  private static final int ID_DATA_SHORT = 255;
  private static final int ID_DATA_LONG = 254;
  private static final int ID_ORIGIN = 253;
  private static final int ID_TOPLEVEL_XID = 252;

  private static final int HAS_DBINFO = 1 << 0;
  private static final int HAS_SUBXACTS = 1 << 1;
  private static final int HAS_RELFILELOCATORS = 1 << 2;
  private static final int HAS_INVALS = 1 << 3;
  private static final int HAS_TWOPHASE = 1 << 4;
  private static final int HAS_DROPPED_STATS = 1 << 8;

  private static final int RESTORE_POINT_NAME = 64;

  private enum Step {
    ID,
    HEADER_REST,
    SHORT_LENGTH,
    LONG_LENGTH,
    RESTORE_POINT,
    TIME,
    INFO,
    COUNT,
    TWOPHASE_XID,
    DONE
  }

  private final int statsItem;
  private final ByteBuffer field =
      ByteBuffer.allocate(8 + RESTORE_POINT_NAME).order(ByteOrder.LITTLE_ENDIAN);

  private Step step = Step.DONE;
  private int need;
  private long skip;
  private boolean restorePoint;
  private boolean prepared;
  private boolean info;

  /** The groups of the record that are still to be passed, one bit each. */
  private int groups;

  private int itemLength;
  private Result expected = Result.NOTHING;
  private Result result = Result.NOTHING;
  private long time;
  private long xid;
  private String name = "";

  RecordProbe(int major) {
    // From 18 on the object id in a dropped statistics entry has 64 bits.
    this.statsItem = major >= 18 ? 16 : 12;
  }

  /** Whether a record can say anything of interest; if so, its content must be given. */
  boolean begin(int resourceManager, int recordInfo, int recordXid) {
    result = Result.NOTHING;
    if (resourceManager == RM_XLOG && (recordInfo & 0xF0) == XLOG_RESTORE_POINT) {
      restorePoint = true;
    } else if (resourceManager == RM_XACT) {
      restorePoint = false;
      int op = recordInfo & OP_MASK;
      switch (op) {
        case OP_COMMIT, OP_COMMIT_PREPARED -> expected = Result.COMMIT;
        case OP_ABORT, OP_ABORT_PREPARED -> expected = Result.ABORT;
        default -> {
          return false;
        }
      }
      prepared = op == OP_COMMIT_PREPARED || op == OP_ABORT_PREPARED;
      info = (recordInfo & HAS_INFO) != 0;
      xid = recordXid & 0xFFFFFFFFL;
    } else {
      return false;
    }
    expect(Step.ID, 1);
    skip = 0;
    return true;
  }

  /** The next bytes after the record's header. */
  void take(byte[] bytes, int offset, int length) {
    int at = offset;
    int end = offset + length;
    while (at < end && step != Step.DONE) {
      if (skip > 0) {
        int passed = (int) Math.min(skip, end - at);
        skip -= passed;
        at += passed;
        continue;
      }
      int taken = Math.min(need - field.position(), end - at);
      field.put(bytes, at, taken);
      at += taken;
      if (field.position() == need) {
        field.flip();
        next();
      }
    }
  }

  /** What the record said; only after its whole content came and its checksum was right. */
  Result result() {
    return result;
  }

  long time() {
    return time;
  }

  long xid() {
    return xid;
  }

  String name() {
    return name;
  }

  private void expect(Step next, int bytes) {
    step = next;
    need = bytes;
    field.clear();
  }

  private void next() {
    switch (step) {
      case ID -> {
        switch (field.get() & 0xFF) {
          case ID_DATA_SHORT -> expect(Step.SHORT_LENGTH, 1);
          case ID_DATA_LONG -> expect(Step.LONG_LENGTH, 4);
          case ID_ORIGIN -> expect(Step.HEADER_REST, 2);
          case ID_TOPLEVEL_XID -> expect(Step.HEADER_REST, 4);
          // No server writes pages into these records.
          default -> step = Step.DONE;
        }
      }
      case HEADER_REST -> expect(Step.ID, 1);
      case SHORT_LENGTH, LONG_LENGTH -> {
        if (restorePoint) {
          expect(Step.RESTORE_POINT, 8 + RESTORE_POINT_NAME);
        } else {
          expect(Step.TIME, 8);
        }
      }
      case RESTORE_POINT -> {
        time = field.getLong();
        byte[] text = new byte[RESTORE_POINT_NAME];
        field.get(text);
        int length = 0;
        while (length < text.length && text[length] != 0) {
          length++;
        }
        name = new String(text, 0, length, StandardCharsets.UTF_8);
        done(Result.RESTORE_POINT);
      }
      case TIME -> {
        time = field.getLong();
        if (!prepared) {
          done(expected);
        } else if (info) {
          expect(Step.INFO, 4);
        } else {
          step = Step.DONE;
        }
      }
      case INFO -> {
        groups = field.getInt();
        if ((groups & HAS_DBINFO) != 0) {
          skip = 8;
        }
        nextGroup();
      }
      case COUNT -> {
        skip = (field.getInt() & 0xFFFFFFFFL) * itemLength;
        nextGroup();
      }
      case TWOPHASE_XID -> {
        xid = field.getInt() & 0xFFFFFFFFL;
        done(expected);
      }
      case DONE -> {}
    }
  }

  /** Goes on with the next counted group in the order they are written in. */
  private void nextGroup() {
    if (take(HAS_SUBXACTS)) {
      count(4);
    } else if (take(HAS_RELFILELOCATORS)) {
      count(12);
    } else if (take(HAS_DROPPED_STATS)) {
      count(statsItem);
    } else if (take(HAS_INVALS)) {
      count(16);
    } else if (take(HAS_TWOPHASE)) {
      expect(Step.TWOPHASE_XID, 4);
    } else {
      step = Step.DONE;
    }
  }

  private boolean take(int flag) {
    boolean present = (groups & flag) != 0;
    groups &= ~flag;
    return present;
  }

  private void count(int length) {
    itemLength = length;
    expect(Step.COUNT, 4);
  }

  private void done(Result found) {
    result = found;
    step = Step.DONE;
  }
}
