package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.postgres.wire.ProtocolException;
import java.io.IOException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Compares the keys that a table had with those that it has, both in the same order, with the
 * memory of two keys.
 */
public final class KeyMerge {
  private final KeyOrder order;
  private final Present present;
  private final Target target;
  private final boolean all;
  private KeyOrder.@Nullable Key lastStored;
  private KeyOrder.@Nullable Key now;
  private boolean nowChanged;
  private byte @Nullable [] ahead;
  private boolean begun;
  private long keys;
  private long gone;
  private long replaced;
  private long appeared;
  private long unexplained;

  /** Hands out the keys that are there. */
  @FunctionalInterface
  public interface Present {
    /**
     * The next one as {@code COPY} writes it: the key, then {@code t} if its row is to be stored
     * anew, else {@code f}, then the end of the line; null behind the last. A key may come twice,
     * and is {@code t} if it is so once.
     */
    byte @Nullable [] next() throws IOException;
  }

  /** What takes the differences. */
  @FunctionalInterface
  public interface Target {
    /** This row must go, as it was; what takes its place comes with the rows that are stored. */
    void remove(byte[] key) throws IOException;
  }

  /**
   * Begins.
   *
   * @param all whether every key is handed out that is there; else none is gone
   */
  public KeyMerge(KeyOrder order, Present present, Target target, boolean all) {
    this.all = all;
    this.order = order;
    this.present = present;
    this.target = target;
  }

  /** The next key that the table had. */
  public void stored(byte[] line) throws IOException {
    KeyOrder.Key stored = order.key(line);
    if (lastStored != null && order.compare(lastStored, stored) >= 0) {
      throw new IOException("Damaged: stored keys are not in order");
    }
    lastStored = stored;
    advance();
    while (now != null && order.compare(now, stored) < 0) {
      appear();
    }
    if (now != null && order.compare(now, stored) == 0) {
      if (nowChanged) {
        replaced++;
        target.remove(line);
      }
      take();
    } else if (all) {
      gone++;
      target.remove(line);
    }
  }

  /** There were no more. */
  public void end() throws IOException {
    advance();
    while (now != null) {
      appear();
    }
  }

  private void appear() throws IOException {
    if (nowChanged) {
      appeared++;
    } else {
      unexplained++;
    }
    take();
  }

  private void advance() throws IOException {
    if (!begun) {
      begun = true;
      ahead = present.next();
      take();
    }
  }

  /** Goes on to the next key that is there, however often it comes. */
  private void take() throws IOException {
    KeyOrder.Key before = now;
    now = null;
    nowChanged = false;
    while (ahead != null) {
      byte[] line = ahead;
      int flag = line.length - 2;
      if (flag < 1 || line[flag + 1] != '\n' || line[flag - 1] != '\t') {
        throw new ProtocolException("a key without an end");
      }
      KeyOrder.Key next = order.key(Arrays.copyOf(line, flag - 1));
      if (now != null && order.compare(now, next) < 0) {
        return;
      }
      if (now == null) {
        if (before != null && order.compare(before, next) >= 0) {
          throw new ProtocolException("keys in another order than was asked for");
        }
        now = next;
        keys++;
      } else if (order.compare(now, next) != 0) {
        throw new ProtocolException("keys in another order than was asked for");
      }
      nowChanged |= line[flag] == 't';
      ahead = present.next();
    }
  }

  /** How many keys there are. */
  public long keys() {
    return keys;
  }

  /** How many there were that are no more. */
  public long gone() {
    return gone;
  }

  /** How many there were whose row is to be stored anew. */
  public long replaced() {
    return replaced;
  }

  /** How many there were not, whose row is to be stored. */
  public long appeared() {
    return appeared;
  }

  /** How many there were not, though nothing says that their row is new. */
  public long unexplained() {
    return unexplained;
  }
}
