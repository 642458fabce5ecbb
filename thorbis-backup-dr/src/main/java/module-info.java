import com.thorbis.backup.dr.evidence.EvidenceEngineFactory;
import com.thorbis.backup.dr.notify.ExecNotifier;
import com.thorbis.backup.dr.notify.LogNotifier;
import com.thorbis.backup.dr.notify.NotifierFactory;
import com.thorbis.backup.dr.notify.WebhookNotifier;
import com.thorbis.backup.dr.point.RecoveryPointEngineFactory;
import com.thorbis.backup.dr.traffic.ConnectionFile;
import com.thorbis.backup.dr.traffic.HaProxySwitch;
import com.thorbis.backup.dr.traffic.PgBouncerSwitch;
import com.thorbis.backup.dr.traffic.TrafficSwitchFactory;
import com.thorbis.backup.spi.engine.SourceEngineFactory;

/**
 * What holds the parts of a business together: recovery points over all of them, drills, and
 * somebody who looks whether everything that is expected is there.
 */
module com.thorbis.backup.dr {
  requires transitive com.thorbis.backup.api;
  requires com.fasterxml.jackson.core;
  requires java.net.http;
  requires static jdk.httpserver;
  requires org.snakeyaml.engine;
  requires static org.jspecify;

  exports com.thorbis.backup.dr.drill;
  exports com.thorbis.backup.dr.evidence;
  exports com.thorbis.backup.dr.failover;
  exports com.thorbis.backup.dr.monitor;
  exports com.thorbis.backup.dr.notify;
  exports com.thorbis.backup.dr.plan;
  exports com.thorbis.backup.dr.point;
  exports com.thorbis.backup.dr.report;
  exports com.thorbis.backup.dr.run;
  exports com.thorbis.backup.dr.schedule;
  exports com.thorbis.backup.dr.simulate;
  exports com.thorbis.backup.dr.traffic;

  provides NotifierFactory with
      ExecNotifier.Factory,
      LogNotifier.Factory,
      WebhookNotifier.Factory;
  provides SourceEngineFactory with
      EvidenceEngineFactory,
      RecoveryPointEngineFactory;
  provides TrafficSwitchFactory with
      ConnectionFile.Factory,
      HaProxySwitch.Factory,
      PgBouncerSwitch.Factory;
}
