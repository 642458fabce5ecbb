package com.thorbis.backup.storage.internal.session;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.lease.Holder;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which sessions this host began, so that each new one can vouch for those before it: what is taken
 * away of the last one shows by the next. Holds names, numbers and hashes, and may be lost.
 */
final class OwnSessions {
  private static final Logger LOG = LoggerFactory.getLogger(OwnSessions.class);
  private static final Pattern NAME = Pattern.compile("([0-9a-f]{32})\\.session");
  private static final String ENDED = "ended";

  private final Path folder;
  private final List<Path> settled = new ArrayList<>();

  OwnSessions(Path stateDirectory) {
    this.folder = stateDirectory;
  }

  /** What they say of those that were begun, and whether nobody goes on with them for certain. */
  List<Operation.Session.Earlier> earlier() throws IOException {
    List<Operation.Session.Earlier> earlier = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        Matcher name = NAME.matcher(String.valueOf(file.getFileName()));
        if (!name.matches()) {
          continue;
        }
        ObjectId session = ObjectId.parse(name.group(1));
        Optional<CommitLog.Seen> last = CommitLog.seen(folder, session);
        if (last.isEmpty()) {
          continue;
        }
        String process = Files.readString(file);
        boolean ended = process.equals(ENDED) || Holder.isDead(process);
        earlier.add(
            new Operation.Session.Earlier(
                session, last.get().sequence(), last.get().sha256(), ended));
        if (ended) {
          settled.add(file);
          settled.add(CommitLog.seenIn(folder, session));
        }
      }
    } catch (NoSuchFileException e) {
      return List.of();
    }
    return earlier;
  }

  /** From now on, this session is one of them. Those that it vouches for need no file any more. */
  void begin(ObjectId session) {
    write(session, Holder.process());
    for (Path file : settled) {
      delete(file);
    }
  }

  /** Nobody goes on with this session. */
  void end(ObjectId session) {
    write(session, ENDED);
  }

  /** A session that stored nothing never was. */
  void forget(ObjectId session) {
    delete(CommitLog.seenIn(folder, session));
  }

  private void write(ObjectId session, String content) {
    try {
      Files.createDirectories(folder);
      Files.writeString(folder.resolve(session + ".session"), content);
    } catch (IOException e) {
      // The session is whole all the same; only that it is taken away may not show.
      LOG.warn("Session {} could not be remembered in {}", session, folder, e);
    }
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      LOG.debug("{} stays", file, e);
    }
  }
}
