package com.thorbis.backup.storage.filesystem;

import com.thorbis.backup.testkit.CrashingTree;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/** Does what it is told, and keeps the log of which a power cut may have left what. */
class SimulatedDisk extends UnforcedDisk {
  private final Path root;
  private final CrashingTree tree;
  private final Runnable afterEach;

  /**
   * Over a root that exists and is empty.
   *
   * @param afterEach what to do after each change
   */
  SimulatedDisk(Path root, CrashingTree tree, Runnable afterEach) {
    this.root = root;
    this.tree = tree;
    this.afterEach = afterEach;
  }

  private String name(Path path) {
    return root.relativize(path).toString();
  }

  @Override
  void createDirectory(Path directory) throws IOException {
    super.createDirectory(directory);
    tree.createFolder(name(directory));
    afterEach.run();
  }

  @Override
  FileChannel create(Path file) throws IOException {
    FileChannel channel = super.create(file);
    tree.createFile(name(file));
    afterEach.run();
    return channel;
  }

  @Override
  void write(Path file, FileChannel to, ByteBuffer bytes) throws IOException {
    long offset = to.position();
    ByteBuffer copy = bytes.duplicate();
    super.write(file, to, bytes);
    tree.write(name(file), offset, copy);
    afterEach.run();
  }

  @Override
  void force(Path file, FileChannel channel) throws IOException {
    super.force(file, channel);
    tree.force(name(file));
    afterEach.run();
  }

  @Override
  void forceDirectory(Path directory) throws IOException {
    super.forceDirectory(directory);
    tree.forceFolder(name(directory));
    afterEach.run();
  }

  @Override
  void link(Path target, Path existing) throws IOException {
    super.link(target, existing);
    tree.link(name(target), name(existing));
    afterEach.run();
  }

  @Override
  void delete(Path file) throws IOException {
    boolean there = Files.exists(file);
    super.delete(file);
    if (there) {
      tree.delete(name(file));
      afterEach.run();
    }
  }
}
