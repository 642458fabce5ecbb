package com.thorbis.backup.storage.internal.verify;

import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.storage.internal.Services;

public final class Verifier {
  public Verifier(Services services, RunControl control) {}

  public VerifyReport verify(VerifyRequest request) throws java.io.IOException {
    throw new UnsupportedOperationException("verify is not there yet");
  }
}
