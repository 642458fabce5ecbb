package com.thorbis.backup.dr.run;

import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The half of a journal that lies in another failure domain: an object for each record, written
 * only if its number is free. Nothing here waits for longer than {@code patience}, as the store may
 * be what is down.
 */
final class JournalStore implements AutoCloseable {
  private static final String RECORD = "[0-9a-f]{16}";

  private final ObjectStore store;
  private final Duration patience;
  private final ExecutorService calls =
      Executors.newCachedThreadPool(
          task -> {
            Thread thread = new Thread(task, "thorbis-journal");
            thread.setDaemon(true);
            return thread;
          });

  JournalStore(ObjectStore store, Duration patience) {
    this.store = store;
    this.patience = patience;
  }

  /** What became of a write. */
  enum Put {
    WRITTEN,
    /** Another's record has this number. */
    TAKEN
  }

  static ObjectKey key(String run, long sequence) {
    return new ObjectKey("runs/" + run + "/" + String.format("%016x", sequence));
  }

  String describe() {
    return store.describe();
  }

  /**
   * Writes what only one can write.
   *
   * @throws IOException if it is not known to be written; it may be
   */
  Put put(ObjectKey key, byte[] content) throws IOException {
    return within(
        () -> {
          try {
            store.put(key, ObjectSource.of(content));
          } catch (StorageException.AlreadyExists | StorageException.OutcomeUnknown e) {
            try {
              return Arrays.equals(fetch(key), content) ? Put.WRITTEN : Put.TAKEN;
            } catch (IOException looking) {
              e.addSuppressed(looking);
              throw e;
            }
          }
          // Stores have said "done" and kept nothing: what counts is what they show.
          Optional<ObjectInfo> shown = store.head(key);
          if (shown.isEmpty() || shown.get().length() != content.length) {
            throw new StorageException.OutcomeUnknown(key, null);
          }
          return Put.WRITTEN;
        });
  }

  /** Every record of a run, by number. */
  SortedMap<Long, byte[]> records(String run) throws IOException {
    SortedMap<Long, byte[]> records = new TreeMap<>();
    for (ObjectKey key : keys("runs/" + run + "/")) {
      if (key.name().matches(RECORD)) {
        records.put(Long.parseUnsignedLong(key.name(), 16), read(key));
      }
    }
    return records;
  }

  byte[] read(ObjectKey key) throws IOException {
    return within(() -> fetch(key));
  }

  void delete(ObjectKey key) throws IOException {
    within(
        () -> {
          store.delete(key);
          return true;
        });
  }

  /** The store's own time. */
  Instant now() throws IOException {
    return within(store::now);
  }

  /** Every key below a prefix. */
  List<ObjectKey> keys(String prefix) throws IOException {
    return infos(prefix).stream().map(ObjectInfo::key).toList();
  }

  List<ObjectInfo> infos(String prefix) throws IOException {
    return within(
        () -> {
          List<ObjectInfo> found = new ArrayList<>();
          Optional<String> after = Optional.empty();
          do {
            ListPage page = store.list(prefix, after);
            found.addAll(page.objects());
            after = page.next();
          } while (after.isPresent());
          return found;
        });
  }

  private byte[] fetch(ObjectKey key) throws IOException {
    try (ObjectRead read = store.get(key)) {
      byte[] content = read.body().readNBytes(JournalRecord.MOST_BYTES + 1);
      if (content.length > JournalRecord.MOST_BYTES) {
        throw JournalRecord.damaged(key.value(), "is too long");
      }
      return content;
    }
  }

  private <T> T within(Callable<T> call) throws IOException {
    Future<T> answer = calls.submit(call);
    try {
      return answer.get(patience.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      answer.cancel(true);
      throw new StorageException.Unavailable("Ask", store.describe(), e);
    } catch (InterruptedException e) {
      answer.cancel(true);
      Thread.currentThread().interrupt();
      throw new StorageException.Unavailable("Ask", store.describe(), e);
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      if (cause instanceof IOException failure) {
        throw failure;
      }
      if (cause instanceof Error failure) {
        throw failure;
      }
      if (cause instanceof RuntimeException failure) {
        throw failure;
      }
      throw new IllegalStateException(cause);
    }
  }

  @Override
  public void close() {
    calls.shutdownNow();
  }
}
