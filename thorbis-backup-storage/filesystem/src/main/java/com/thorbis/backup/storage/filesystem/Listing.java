package com.thorbis.backup.storage.filesystem;

import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * One page of keys. Walks folders in key order, where a folder sorts as its name and a slash, and
 * keeps one page of names for each folder on the way, however many it holds.
 */
final class Listing {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._=-]+");
  private static final int LONGEST_KEY = 900;

  private final Path root;
  private final String prefix;
  private final String after;
  private final int limit;
  private final List<ObjectInfo> page = new ArrayList<>();

  Listing(Path root, String prefix, String after, int limit) {
    this.root = root;
    this.prefix = prefix;
    this.after = after;
    this.limit = limit;
  }

  ListPage run() throws IOException {
    boolean more = walk(root, "");
    return new ListPage(
        page, more ? Optional.of(page.get(page.size() - 1).key().value()) : Optional.empty());
  }

  /** Adds what lies below a folder; true if there is an object too many. */
  private boolean walk(Path directory, String above) throws IOException {
    @Nullable String done = null;
    while (true) {
      SortedMap<String, BasicFileAttributes> batch = next(directory, above, done);
      for (var entry : batch.entrySet()) {
        String key = above + entry.getKey();
        if (entry.getValue().isDirectory()) {
          if (walk(root.resolve(key), key)) {
            return true;
          }
        } else if (page.size() == limit) {
          return true;
        } else {
          BasicFileAttributes file = entry.getValue();
          page.add(
              ObjectInfo.of(new ObjectKey(key), file.size(), file.lastModifiedTime().toInstant()));
        }
      }
      if (batch.size() <= limit) {
        return false;
      }
      done = batch.lastKey();
    }
  }

  /** The first names of a folder that may contribute and come after {@code done}. */
  private SortedMap<String, BasicFileAttributes> next(
      Path directory, String above, @Nullable String done) throws IOException {
    TreeMap<String, BasicFileAttributes> first = new TreeMap<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
      for (Path entry : entries) {
        String name = entry.getFileName().toString();
        // A folder sorts behind its bare name: what is too late as a file is too late as a folder.
        boolean late = first.size() > limit && name.compareTo(first.lastKey()) >= 0;
        if (late || !isName(name) || above.length() + name.length() > LONGEST_KEY) {
          continue;
        }
        boolean asFile = isWantedFile(above + name) && isAfter(name, done);
        boolean asFolder = isWantedFolder(above + name + "/") && isAfter(name + "/", done);
        if (asFile || asFolder) {
          BasicFileAttributes attributes = attributes(entry);
          if (asFile && attributes != null && attributes.isRegularFile()) {
            first.put(name, attributes);
          } else if (asFolder && attributes != null && attributes.isDirectory()) {
            first.put(name + "/", attributes);
          }
          if (first.size() > limit + 1) {
            first.pollLastEntry();
          }
        }
      }
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    } catch (NoSuchFileException | NotDirectoryException e) {
      return first; // removed meanwhile; the caller looks whether the root still is what it was
    }
    return first;
  }

  private static boolean isName(String name) {
    return NAME.matcher(name).matches() && !name.equals(".") && !name.equals("..");
  }

  private static boolean isAfter(String name, @Nullable String done) {
    return done == null || name.compareTo(done) > 0;
  }

  private boolean isWantedFile(String key) {
    return key.startsWith(prefix) && key.compareTo(after) > 0;
  }

  private boolean isWantedFolder(String key) {
    return (key.startsWith(prefix) || prefix.startsWith(key))
        && (key.compareTo(after) > 0 || after.startsWith(key));
  }

  private static @Nullable BasicFileAttributes attributes(Path path) throws IOException {
    try {
      return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    } catch (NoSuchFileException e) {
      return null; // removed meanwhile
    }
  }
}
