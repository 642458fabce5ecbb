package com.thorbis.backup.dr.monitor;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.ServerLog;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.ThorbisBackup;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** What the repository of a host says. */
record StoredEvidence(ThorbisBackup thorbis) implements Evidence {
  @Override
  public List<Taken> backups(String source) {
    return thorbis.backups(Optional.of(source)).stream().map(Taken::of).toList();
  }

  @Override
  public SourceStatus status(String source) {
    return thorbis.status(source);
  }

  @Override
  public Optional<ServerLog> serverLog(String source) {
    return thorbis.serverLog(source);
  }

  @Override
  public KeysReport keys() {
    return thorbis.keys();
  }

  @Override
  public List<CheckItem> checkKeys() {
    return thorbis.checkKeys();
  }

  @Override
  public List<CheckItem> checkCopies() {
    return thorbis.checkCopies();
  }

  @Override
  public List<CheckItem> checkWriters() {
    return thorbis.checkWriters();
  }

  @Override
  public Duration clockSkew() throws IOException {
    return thorbis.repository().clockSkew();
  }
}
