package com.thorbis.backup.dr.evidence;

import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.engine.SourceEngineFactory;

/**
 * Opens engines for sources of the type {@code evidence}: {@code keep} is how old a record must be
 * before retention may let go of it.
 */
public final class EvidenceEngineFactory implements SourceEngineFactory {
  /** Called by the service loader. */
  public EvidenceEngineFactory() {}

  @Override
  public String type() {
    return EvidenceLog.TYPE;
  }

  @Override
  public SourceEngine open(String name, ProviderContext context) {
    return new EvidenceEngine(
        name,
        context.stateDirectory(),
        context.settings().duration("keep", EvidenceLog.KEEP),
        context.clock());
  }
}
