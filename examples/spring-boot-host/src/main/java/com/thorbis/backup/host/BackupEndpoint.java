package com.thorbis.backup.host;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupType;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.springframework.boot.actuate.endpoint.annotation.Endpoint;
import org.springframework.boot.actuate.endpoint.annotation.ReadOperation;
import org.springframework.boot.actuate.endpoint.annotation.WriteOperation;
import org.springframework.lang.Nullable;
import org.springframework.stereotype.Component;

/** {@code /actuator/backup}: starts a backup, and tells what came of the last one. */
@Component
@Endpoint(id = "backup")
class BackupEndpoint {
  private final BackupService backups;

  BackupEndpoint(BackupService backups) {
    this.backups = backups;
  }

  /** Returns at once. */
  @WriteOperation
  Map<String, String> start(@Nullable BackupType type) {
    return tell(backups.backup(type == null ? BackupType.INCREMENTAL : type));
  }

  @ReadOperation
  Map<String, String> latest() {
    return tell(backups.latest());
  }

  private static Map<String, String> tell(CompletableFuture<BackupDescriptor> backup) {
    if (!backup.isDone()) {
      return Map.of("state", "running");
    }
    return backup
        .handle(
            (made, failure) ->
                failure == null
                    ? Map.of("state", made.status().label(), "id", made.id().toString())
                    : Map.of("state", "none", "problem", String.valueOf(failure.getMessage())))
        .join();
  }
}
