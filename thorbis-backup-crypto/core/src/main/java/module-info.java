/** Sealing, key trees, and the recipients that need no service. */
module com.thorbis.backup.crypto {
  requires transitive com.thorbis.backup.api;
  requires org.bouncycastle.provider;
  requires static org.jspecify;

  exports com.thorbis.backup.crypto;
}
