import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStoreFactory;

/** Objects as files of a folder. */
module com.thorbis.backup.storage.filesystem {
  requires static org.jspecify;
  requires transitive com.thorbis.backup.api;

  exports com.thorbis.backup.storage.filesystem;

  provides ObjectStoreFactory with
      FileSystemObjectStoreFactory;
}
