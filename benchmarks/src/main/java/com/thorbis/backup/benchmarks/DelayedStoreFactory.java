package com.thorbis.backup.benchmarks;

import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Opens folders under {@code delayed:///absolute/path}, each request to which takes {@code delay}
 * longer. The system property {@value #COUNTS} names a file that gets a line when the process ends:
 * how many requests there were, and how many at once at most.
 */
public final class DelayedStoreFactory implements ObjectStoreFactory {
  static final String COUNTS = "thorbis.delayed.counts";

  /** For the service loader. */
  public DelayedStoreFactory() {}

  @Override
  public String scheme() {
    return "delayed";
  }

  @Override
  public ObjectStore open(URI location, ProviderContext context) throws IOException {
    return new DelayedStore(
        FileSystemObjectStore.builder()
            .root(Path.of(location.getPath()))
            .clock(context.clock())
            .build(),
        context.settings().duration("delay", Duration.ZERO));
  }
}
