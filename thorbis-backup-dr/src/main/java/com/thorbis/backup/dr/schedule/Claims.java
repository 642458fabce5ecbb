package com.thorbis.backup.dr.schedule;

import com.thorbis.backup.spi.repository.Claim;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/** Decides which of several processes does something. */
@FunctionalInterface
public interface Claims {
  /** Claims a name, as {@link com.thorbis.backup.spi.repository.Repository#claim} does. */
  Optional<Claim> claim(String name, Duration lasts) throws IOException;
}
