package com.thorbis.backup.application.files;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Backups in memory, of one source. */
final class MemoryRepository {
  private final List<MemoryBackup> begun = new ArrayList<>();

  /** Whether what it holds cannot be read. */
  boolean sealed;

  /** It, as engines see it. */
  Repository asRepository() {
    return (Repository)
        Proxy.newProxyInstance(
            Repository.class.getClassLoader(),
            new Class<?>[] {Repository.class},
            (proxy, method, arguments) ->
                switch (method.getName()) {
                  case "register" -> null;
                  case "source" ->
                      Optional.of(new SourceInfo((String) arguments[0], "files", List.of()));
                  case "backups" -> backups();
                  case "begin" -> begin((BackupStart) arguments[0]);
                  case "open" -> open((BackupId) arguments[0]);
                  default -> throw new UnsupportedOperationException(method.getName());
                });
  }

  private List<BackupDescriptor> backups() {
    return begun.stream().flatMap(one -> one.committed().stream()).toList();
  }

  private MemoryBackup find(BackupId id) {
    return begun.stream().filter(one -> one.id().equals(id)).findFirst().orElseThrow();
  }

  private BackupWriter begin(BackupStart start) {
    MemoryBackup backup =
        new MemoryBackup(begun.size(), start.base().map(this::find), Optional.of(start));
    begun.add(backup);
    return backup;
  }

  private BackupReader open(BackupId id) throws IOException {
    if (sealed) {
      throw new IOException("No key opens " + id);
    }
    return find(id);
  }

  /** An object whose methods without parameters answer with these. */
  static <T> T saying(Class<T> type, Map<String, Object> said) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> {
              if (!said.containsKey(method.getName())) {
                throw new UnsupportedOperationException(method.getName());
              }
              return said.get(method.getName());
            }));
  }
}
