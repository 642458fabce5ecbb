import com.thorbis.backup.dr.point.RecoveryPointEngineFactory;
import com.thorbis.backup.spi.engine.SourceEngineFactory;

/** What holds the parts of a business together: one recovery point over all of them. */
module com.thorbis.backup.dr {
  requires transitive com.thorbis.backup.api;
  requires static org.jspecify;

  exports com.thorbis.backup.dr.point;
  exports com.thorbis.backup.dr.traffic;

  provides SourceEngineFactory with
      RecoveryPointEngineFactory;
}
