/** The repository: its format, the WAL archive, verification. */
@SuppressWarnings("requires-automatic") // two codecs' libraries have no module descriptor yet
module com.thorbis.backup.storage {
  requires transitive com.thorbis.backup.api;
  requires com.thorbis.backup.crypto;
  requires com.fasterxml.jackson.core;
  requires com.github.luben.zstd_jni;
  requires org.lz4.java;
  requires org.slf4j;
  requires zero.allocation.hashing;
  requires static org.jspecify;

  exports com.thorbis.backup.storage;

  provides com.thorbis.backup.spi.repository.RepositoryFactory with
      com.thorbis.backup.storage.SealedRepositoryFactory;
}
