/** The public face of Thorbis Backup. Needs the JDK alone. */
module com.thorbis.backup.api {
  requires transitive java.sql;
  requires static transitive org.jspecify;

  exports com.thorbis.backup.api;
  exports com.thorbis.backup.spi;
  exports com.thorbis.backup.spi.crypto;
  exports com.thorbis.backup.spi.engine;
  exports com.thorbis.backup.spi.repository;
  exports com.thorbis.backup.spi.secret;
  exports com.thorbis.backup.spi.storage;

  uses com.thorbis.backup.spi.crypto.KeyProviderFactory;
  uses com.thorbis.backup.spi.engine.SourceEngineFactory;
  uses com.thorbis.backup.spi.repository.RepositoryFactory;
  uses com.thorbis.backup.spi.secret.SecretTargetFactory;
  uses com.thorbis.backup.spi.storage.ObjectStoreFactory;
}
