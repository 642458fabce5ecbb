package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.copies.Locks;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** Keeps locked what kept backups need, on copies that lock what they hold. */
public final class LockRenewal {
  private LockRenewal() {}

  /**
   * Of the whole repository, as of the last commit that was read. Says what it could not do.
   *
   * @param narrowing what copies let go of is locked there no longer
   */
  public static void run(Services services, Narrowing narrowing, RunControl control)
      throws IOException {
    if (!Locks.any(services.store())) {
      return;
    }
    Belongings belongings = new Belongings(services);
    // Else the lock of a source's keys would never end, and they could never be destroyed.
    List<Operation.Erase> erasing = services.log().catalog().erasing();
    long renewed =
        Locks.renew(
            services.store(),
            copy -> {
              Optional<ObjectId> place = narrowing.narrowed(copy.store());
              return key ->
                  belongings.has(key, place)
                      && erasing.stream()
                          .noneMatch(
                              wanted ->
                                  key.value().startsWith(ObjectNames.KEYS + wanted.tree() + "/"));
            },
            control.progress()::warning);
    if (renewed > 0) {
      control.progress().note("The locks of " + renewed + " objects were renewed");
    }
  }
}
