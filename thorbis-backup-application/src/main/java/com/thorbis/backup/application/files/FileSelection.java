package com.thorbis.backup.application.files;

import com.thorbis.backup.api.BackupException;
import java.util.ArrayList;
import java.util.List;

/** What of a tree is left out of a backup. */
public final class FileSelection {
  private final List<Glob> excluded;
  private final boolean oneFileSystem;
  private final boolean excludeCaches;

  private FileSelection(Builder builder) {
    excluded = List.copyOf(builder.excluded);
    oneFileSystem = builder.oneFileSystem;
    excludeCaches = builder.excludeCaches;
  }

  /** Starts with one that leaves nothing out. */
  public static Builder builder() {
    return new Builder();
  }

  boolean excludes(String path, String below, String name, boolean folder) {
    for (Glob glob : excluded) {
      if (glob.matches(path, below, name, folder)) {
        return true;
      }
    }
    return false;
  }

  boolean oneFileSystem() {
    return oneFileSystem;
  }

  boolean excludeCaches() {
    return excludeCaches;
  }

  /** Collects what is left out. */
  public static final class Builder {
    private final List<Glob> excluded = new ArrayList<>();
    private boolean oneFileSystem;
    private boolean excludeCaches;

    private Builder() {}

    /**
     * Leaves out what a pattern matches, and all that is below. Without a slash it stands for a
     * name at any depth, such as {@code *.tmp}; with one at its start for a path from the root of
     * the file system; with one elsewhere for a path from where the walk begins. A slash at its end
     * lets it match folders alone. {@code *} and {@code ?} stand for characters of one name, {@code
     * [a-z]} and {@code [!a-z]} for one, {@code **} between slashes for any number of folders.
     *
     * @throws BackupException of kind CONFIGURATION if it is no pattern
     */
    public Builder exclude(String pattern) {
      excluded.add(Glob.parse("exclude", pattern));
      return this;
    }

    /** Leaves out what lies on other file systems; the folders that they hang in are kept. */
    public Builder oneFileSystem(boolean only) {
      this.oneFileSystem = only;
      return this;
    }

    /** Leaves out the content of folders with a {@code CACHEDIR.TAG}; the tag itself is kept. */
    public Builder excludeCaches(boolean exclude) {
      this.excludeCaches = exclude;
      return this;
    }

    /** The selection. */
    public FileSelection build() {
      return new FileSelection(this);
    }
  }
}
