/** Moves clients by changing a zone. Found by {@code ServiceLoader} under the type {@code dns}. */
module com.thorbis.backup.dns {
  requires transitive com.thorbis.backup.dr;
  requires org.dnsjava;
  requires static org.jspecify;

  exports com.thorbis.backup.dns;

  provides com.thorbis.backup.dr.traffic.TrafficSwitchFactory with
      com.thorbis.backup.dns.DnsSwitchFactory;
}
