/** Protects PostgreSQL clusters. Found by {@code ServiceLoader} under the type {@code postgres}. */
module com.thorbis.backup.postgres {
  requires com.thorbis.backup.api;
  requires java.sql;
  requires static org.jspecify;
  requires org.postgresql.jdbc;
  requires org.slf4j;

  exports com.thorbis.backup.postgres;

  provides com.thorbis.backup.spi.engine.SourceEngineFactory with
      com.thorbis.backup.postgres.PostgresEngineFactory;
}
