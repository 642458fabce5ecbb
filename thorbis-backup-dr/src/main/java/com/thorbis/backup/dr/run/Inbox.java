package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.StateFile;
import com.thorbis.backup.spi.storage.ObjectKey;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** What people say to a run: beside its journal, in both places, until its owner takes it in. */
final class Inbox {
  private static final String SUFFIX = ".json";

  /** How long a store that did not answer is not asked again. */
  private static final long SILENCE_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final Path folder;
  private final JournalStore store;
  private final String run;

  /** By {@link System#nanoTime}; 0: it answered. */
  private long silentSince;

  Inbox(Path folder, JournalStore store, String run) {
    this.folder = folder.resolve("inbox");
    this.store = store;
    this.run = run;
  }

  /**
   * Leaves a message.
   *
   * @throws BackupException code {@code run.message-lost} if neither place takes it
   */
  void leave(Message message) {
    byte[] content = message.encode();
    boolean kept = false;
    try {
      store.put(key(message.id()), content);
      kept = true;
    } catch (IOException e) {
      // The other place may do.
    }
    try {
      StateFile.write(folder.resolve(message.id() + SUFFIX), content);
      kept = true;
    } catch (IOException e) {
      if (!kept) {
        throw BackupException.of(
                "run.message-lost",
                FailureKind.TRANSIENT,
                "Neither the local folder nor " + store.describe() + " takes it: " + e)
            .remedy("Make room for one of them and say it again.")
            .cause(e)
            .build();
      }
    }
  }

  /**
   * What was said and not seen yet, in the order in which it was said; what cannot be read is told
   * by its id.
   */
  List<Message> take(Predicate<String> seen, List<String> unreadable) {
    Map<String, byte[]> found = new TreeMap<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*" + SUFFIX)) {
      for (Path file : files) {
        String name = file.getFileName().toString();
        String id = name.substring(0, name.length() - SUFFIX.length());
        if (!seen.test(id)) {
          found.put(id, Files.readAllBytes(file));
        }
      }
    } catch (NoSuchFileException e) {
      // Nobody said anything here.
    } catch (IOException e) {
      // The other place may tell.
    }
    if (silentSince != 0 && System.nanoTime() - silentSince < SILENCE_NANOS) {
      return messages(found, unreadable);
    }
    try {
      for (ObjectKey key : store.keys("inbox/" + run + "/")) {
        if (!seen.test(key.name()) && !found.containsKey(key.name())) {
          found.put(key.name(), store.read(key));
        }
      }
      silentSince = 0;
    } catch (IOException e) {
      // What was said there counts when it answers. Whoever recovers does not wait for it each
      // turn.
      silentSince = System.nanoTime() | 1;
    }
    return messages(found, unreadable);
  }

  private List<Message> messages(Map<String, byte[]> found, List<String> unreadable) {
    List<Message> messages = new ArrayList<>();
    found.forEach(
        (id, content) -> {
          try {
            Message message = Message.read(content);
            if (!message.id().equals(id) || !message.run().equals(run)) {
              throw new IllegalArgumentException("is another");
            }
            messages.add(message);
          } catch (IllegalArgumentException e) {
            unreadable.add(id);
          }
        });
    messages.sort(Comparator.comparing(Message::at).thenComparing(Message::id));
    return messages;
  }

  private ObjectKey key(String id) {
    return new ObjectKey("inbox/" + run + "/" + id);
  }
}
