package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.util.List;

/**
 * Objects that must be asked for before they can be read, as far as they were looked at. Safe for
 * several threads.
 */
public interface Frozen {
  /** Nothing. */
  Frozen NOTHING = of(List.of());

  /** What they are. */
  Thaw thaw();

  /**
   * Asks for what nobody asked for yet, several at once, and does not wait. The vendor charges for
   * it. Whatever interrupts it, the next one asks for the rest.
   */
  void request(RunControl control) throws IOException;

  /**
   * Waits until all can be read, or the run is cancelled. Asks again for what could be read and
   * cannot any more.
   */
  void await(RunControl control) throws IOException;

  /** Whether a failure says that something must be asked for before it can be read. */
  static boolean isWhy(Throwable failure) {
    return StorageException.isOffline(failure);
  }

  /** Several as one. */
  static Frozen of(List<Frozen> parts) {
    List<Frozen> all = List.copyOf(parts);
    return new Frozen() {
      @Override
      public Thaw thaw() {
        return all.stream().map(Frozen::thaw).reduce(Thaw.NONE, Thaw::plus);
      }

      @Override
      public void request(RunControl control) throws IOException {
        for (Frozen part : all) {
          part.request(control);
        }
      }

      @Override
      public void await(RunControl control) throws IOException {
        for (Frozen part : all) {
          part.await(control);
        }
      }
    };
  }
}
