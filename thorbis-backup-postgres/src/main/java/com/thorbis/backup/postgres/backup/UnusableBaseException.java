package com.thorbis.backup.postgres.backup;

import java.io.IOException;

/** What this run was to build on turned out not to fit: a full backup still can be taken. */
final class UnusableBaseException extends IOException {
  private static final long serialVersionUID = 1L;

  UnusableBaseException(String problem) {
    super(problem);
  }
}
