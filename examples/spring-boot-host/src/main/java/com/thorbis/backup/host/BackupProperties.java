package com.thorbis.backup.host;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * What {@code application.yml} says of backups.
 *
 * @param source the database's name in the repository
 * @param settings the source's, with dotted keys, as the SDK knows them
 * @param stateDirectory for what may be lost
 * @param createRepository whether one is made where there is none: for the first start only, as a
 *     repository that is gone later is a disaster and no reason to begin another one
 * @param acceptSingleKeyRisk whether losing one key may lose everything
 * @param copies where the repository lies; with the wiring by name
 * @param recipients who opens it; likewise
 * @param lookEvery how often the repository is asked what is recoverable
 * @param oldestBackup the age of the last backup that is still healthy
 * @param mostUnstored how long what the database wrote may be without a copy
 */
@ConfigurationProperties("backup")
record BackupProperties(
    String source,
    @DefaultValue Map<String, String> settings,
    Path stateDirectory,
    boolean createRepository,
    boolean acceptSingleKeyRisk,
    @DefaultValue List<Part> copies,
    @DefaultValue List<Part> recipients,
    @DefaultValue("15s") Duration lookEvery,
    @DefaultValue("26h") Duration oldestBackup,
    @DefaultValue("5m") Duration mostUnstored) {

  /** Without the settings, among which are secrets. */
  @Override
  public String toString() {
    return "backup of " + source + " in " + copies;
  }

  /** Something that a provider opens by the scheme of its URI. */
  record Part(URI uri, @DefaultValue Map<String, String> settings) {
    @Override
    public String toString() {
      return uri.toString();
    }
  }
}
