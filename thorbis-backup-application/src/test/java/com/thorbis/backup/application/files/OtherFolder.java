package com.thorbis.backup.application.files;

import java.io.IOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;

/** A folder that asks another one; what a test is about, it overrides. */
class OtherFolder implements Disk.Folder {
  private final Disk.Folder inner;

  OtherFolder(Disk.Folder inner) {
    this.inner = inner;
  }

  @Override
  public void list(Consumer<Path> each) throws IOException {
    inner.list(each);
  }

  @Override
  public Disk.Folder open(Path name) throws IOException {
    return inner.open(name);
  }

  @Override
  public SeekableByteChannel read(Path name) throws IOException {
    return inner.read(name);
  }

  @Override
  public Optional<Object> key(Path name) throws IOException {
    return inner.key(name);
  }

  @Override
  public Optional<Object> key() throws IOException {
    return inner.key();
  }

  @Override
  public void close() throws IOException {
    inner.close();
  }
}
