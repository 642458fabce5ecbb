package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Providers;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.storage.ForwardingObjectStore;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The store of a journal, opened by name. One that is away is tried again whenever it is asked. */
public final class JournalPlace extends ForwardingObjectStore {
  private final URI location;
  private final ObjectStoreFactory factory;
  private final Map<String, ?> values;
  private final Path stateDirectory;
  private final Clock clock;
  private @Nullable ObjectStore store;

  private JournalPlace(
      URI location,
      ObjectStoreFactory factory,
      Map<String, ?> values,
      Path stateDirectory,
      Clock clock) {
    this.location = location;
    this.factory = factory;
    this.values = values;
    this.stateDirectory = stateDirectory;
    this.clock = clock;
  }

  /**
   * Opens it, now or when it is there.
   *
   * @throws BackupException of kind CONFIGURATION if it could never be opened so
   */
  public static JournalPlace open(
      URI location,
      Map<String, ?> values,
      Path stateDirectory,
      Clock clock,
      ProviderLoader loader) {
    JournalPlace place =
        new JournalPlace(
            location,
            Providers.load(ObjectStoreFactory.class, "store", ObjectStoreFactory::scheme, loader)
                .require(location.getScheme()),
            Map.copyOf(values),
            stateDirectory,
            clock);
    try {
      place.delegate();
    } catch (IOException e) {
      if (e instanceof ClassifiedFailure failure && failure.kind() == FailureKind.CONFIGURATION) {
        throw BackupException.from(e);
      }
    }
    return place;
  }

  @Override
  public String describe() {
    return location.toString();
  }

  @Override
  protected synchronized ObjectStore delegate() throws IOException {
    ObjectStore opened = store;
    if (opened == null) {
      Settings settings = Settings.of(location.getScheme(), values);
      opened = factory.open(location, new Context(settings, clock, stateDirectory));
      settings.requireAllRead();
      store = opened;
    }
    return opened;
  }

  @Override
  public synchronized void close() throws IOException {
    ObjectStore opened = store;
    if (opened != null) {
      opened.close();
    }
  }

  private record Context(Settings settings, Clock clock, Path stateDirectory)
      implements ProviderContext {}
}
