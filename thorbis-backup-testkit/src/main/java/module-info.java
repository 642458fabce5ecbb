/** What tests of Thorbis Backup, and of providers written for it, are built from. */
module com.thorbis.backup.testkit {
  requires static org.jspecify;
  requires transitive com.thorbis.backup.api;
  requires transitive java.sql;
  requires transitive org.junit.jupiter.api;
  requires com.fasterxml.jackson.core;
  requires jdk.httpserver;
  requires org.apache.commons.compress;
  requires java.net.http;
  requires org.assertj.core;

  exports com.thorbis.backup.testkit;
  exports com.thorbis.backup.testkit.cloud;
  exports com.thorbis.backup.testkit.postgres;
}
