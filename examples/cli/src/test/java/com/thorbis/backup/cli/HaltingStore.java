package com.thorbis.backup.cli;

import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.storage.ForwardingObjectStore;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;

/**
 * Keeps the records of runs in a folder, and ends the whole process at one of them as a kill would:
 * nothing runs after it, nothing is written, nobody is told.
 */
public final class HaltingStore extends ForwardingObjectStore {
  /** What a process ends with that was killed. */
  static final int KILLED = 137;

  private final ObjectStore folder;
  private final int last;
  private final boolean kept;
  private final AtomicInteger records = new AtomicInteger();

  private HaltingStore(ObjectStore folder, int last, boolean kept) {
    this.folder = folder;
    this.last = last;
    this.kept = kept;
  }

  @Override
  protected ObjectStore delegate() {
    return folder;
  }

  @Override
  public String describe() {
    return folder.describe();
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    boolean now = key.value().startsWith("runs/") && records.incrementAndGet() == last;
    if (now && !kept) {
      Runtime.getRuntime().halt(KILLED);
    }
    ObjectInfo put = folder.put(key, content);
    if (now) {
      Runtime.getRuntime().halt(KILLED);
    }
    return put;
  }

  /**
   * Opens folders under {@code halting:///absolute/path}. The process ends at its record number
   * {@code record}, which is {@code kept} or not.
   */
  public static final class Factory implements ObjectStoreFactory {
    /** For the service loader. */
    public Factory() {}

    @Override
    public String scheme() {
      return "halting";
    }

    @Override
    public ObjectStore open(URI location, ProviderContext context) throws IOException {
      return new HaltingStore(
          FileSystemObjectStore.builder()
              .root(Path.of(location.getPath()))
              .clock(context.clock())
              .build(),
          context.settings().integer("record", 1, 1, Integer.MAX_VALUE),
          context.settings().flag("kept", true));
    }
  }

  /** Packs it for the class path of a process. */
  static void writeTo(Path jar) throws IOException {
    try (OutputStream file = Files.newOutputStream(jar);
        JarOutputStream out = new JarOutputStream(file)) {
      for (Class<?> each : new Class<?>[] {HaltingStore.class, Factory.class}) {
        String name = each.getName().replace('.', '/') + ".class";
        out.putNextEntry(new JarEntry(name));
        try (var in = HaltingStore.class.getClassLoader().getResourceAsStream(name)) {
          in.transferTo(out);
        }
      }
      out.putNextEntry(new JarEntry("META-INF/services/" + ObjectStoreFactory.class.getName()));
      out.write((Factory.class.getName() + "\n").getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
  }
}
