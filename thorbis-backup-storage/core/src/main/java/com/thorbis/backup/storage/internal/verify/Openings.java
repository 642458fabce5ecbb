package com.thorbis.backup.storage.internal.verify;

import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.copies.Thawing;
import java.io.IOException;
import java.util.Collection;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Opens objects; what must be brought back first is waited for, or noted. Safe for threads. */
final class Openings {
  private final Services services;
  private final Findings findings;
  private final RunControl control;
  private volatile @Nullable Thawing thawing;

  /** Opens one object. */
  @FunctionalInterface
  interface Opening {
    void run() throws IOException;
  }

  Openings(Services services, Findings findings, RunControl control) {
    this.services = services;
    this.findings = findings;
    this.control = control;
  }

  /** From now on, what must be brought back is waited for; of these, all at once. */
  void thaw(Collection<ObjectKey> keys) throws IOException {
    Thawing all = Thawing.look(services, keys);
    all.request(control);
    thawing = all;
  }

  /** Waits, if that was asked for, until an object can be read; false if it is not to be waited. */
  boolean await(ObjectKey key, boolean again) throws IOException {
    Thawing all = thawing;
    return all != null && all.await(key, again, control);
  }

  /** Opens an object; false if it must be brought back first, which is noted. */
  boolean open(ObjectKey key, Opening opening) throws IOException {
    for (boolean again = false; ; again = true) {
      try {
        opening.run();
        return true;
      } catch (StorageException e) {
        if (!StorageException.isOffline(e)) {
          throw e;
        }
        if (!await(key, again)) {
          note(key);
          return false;
        }
      }
    }
  }

  private void note(ObjectKey key) throws IOException {
    Optional<ObjectInfo> there = services.store().head(key);
    findings.frozen(there.orElseThrow(() -> new StorageException.NotFound(key, null)));
  }
}
