package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.copies.Locks;
import java.io.IOException;
import java.util.List;

/** Keeps locked what kept backups need, on copies that lock what they hold. */
public final class LockRenewal {
  private LockRenewal() {}

  /** Of the whole repository, as of the last commit that was read. Says what it could not do. */
  public static void run(Services services, RunControl control) throws IOException {
    if (!Locks.any(services.store())) {
      return;
    }
    Belongings belongings = new Belongings(services);
    long renewed =
        Locks.renew(services.store(), List.of(""), belongings::has, control.progress()::warning);
    if (renewed > 0) {
      control.progress().note("The locks of " + renewed + " objects were renewed");
    }
  }
}
