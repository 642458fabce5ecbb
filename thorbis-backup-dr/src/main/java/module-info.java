import com.thorbis.backup.dr.evidence.EvidenceEngineFactory;
import com.thorbis.backup.dr.point.RecoveryPointEngineFactory;
import com.thorbis.backup.spi.engine.SourceEngineFactory;

/** What holds the parts of a business together: recovery points over all of them, and evidence. */
module com.thorbis.backup.dr {
  requires transitive com.thorbis.backup.api;
  requires static org.jspecify;

  exports com.thorbis.backup.dr.drill;
  exports com.thorbis.backup.dr.evidence;
  exports com.thorbis.backup.dr.point;
  exports com.thorbis.backup.dr.schedule;

  provides SourceEngineFactory with
      EvidenceEngineFactory,
      RecoveryPointEngineFactory;
}
