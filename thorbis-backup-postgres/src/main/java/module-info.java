/** Protects PostgreSQL clusters. Found by {@code ServiceLoader} under the type {@code postgres}. */
module com.thorbis.backup.postgres {
  requires com.fasterxml.jackson.core;
  requires com.ongres.saslprep;
  requires transitive com.thorbis.backup.api;
  requires java.sql;
  requires static org.checkerframework.checker.qual;
  requires static org.jspecify;
  requires org.postgresql.jdbc;
  requires org.slf4j;

  exports com.thorbis.backup.postgres;
  // The driver instantiates these by name.
  exports com.thorbis.backup.postgres.wire.driver to
      org.postgresql.jdbc;

  provides com.thorbis.backup.spi.engine.SourceEngineFactory with
      com.thorbis.backup.postgres.PostgresEngineFactory;
}
