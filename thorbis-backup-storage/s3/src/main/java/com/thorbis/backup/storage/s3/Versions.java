package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.s3.model.DeleteMarkerEntry;
import software.amazon.awssdk.services.s3.model.ListObjectVersionsResponse;
import software.amazon.awssdk.services.s3.model.ObjectVersion;

/** What lies below the markers that a delete leaves in a bucket with versions. */
final class Versions {
  private final S3ObjectStore store;

  /** All that a bucket holds under one name. */
  private static final class History {
    final List<DeleteMarkerEntry> markers = new ArrayList<>();
    final List<ObjectVersion> versions = new ArrayList<>();

    /** What a delete has hidden; empty if there is nothing, or nothing is hidden. */
    Optional<ObjectVersion> hidden() {
      boolean deleted = markers.stream().anyMatch(marker -> Boolean.TRUE.equals(marker.isLatest()));
      return deleted
          ? versions.stream().max(Comparator.comparing(ObjectVersion::lastModified))
          : Optional.empty();
    }
  }

  Versions(S3ObjectStore store) {
    this.store = store;
  }

  ListPage deleted(String prefix, Optional<String> after, int atLeast) throws StorageException {
    List<ObjectInfo> deleted = new ArrayList<>();
    String keyMarker = after.map(last -> store.prefix() + last).orElse(null);
    String versionMarker = null;
    TreeMap<String, History> open = new TreeMap<>();
    int seen = 0;
    while (true) {
      ListObjectVersionsResponse page = page(store.prefix() + prefix, keyMarker, versionMarker);
      collect(page, open);
      seen += page.versions().size() + page.deleteMarkers().size();
      keyMarker = page.nextKeyMarker();
      versionMarker = page.nextVersionIdMarker();
      boolean last = !page.isTruncated() || keyMarker == null;
      // The newest name of a page may go on on the next one.
      String unfinished = last || open.isEmpty() ? null : open.lastKey();
      String finished = null;
      while (!open.isEmpty() && !open.firstKey().equals(unfinished)) {
        Map.Entry<String, History> one = open.pollFirstEntry();
        finished = one.getKey();
        if (after.isEmpty() || finished.compareTo(store.prefix() + after.get()) > 0) {
          add(one.getKey(), one.getValue(), deleted);
        }
      }
      if (last) {
        return new ListPage(deleted, Optional.empty());
      }
      if (seen >= atLeast && finished != null) {
        return new ListPage(deleted, Optional.of(finished.substring(store.prefix().length())));
      }
    }
  }

  private void add(String name, History history, List<ObjectInfo> deleted) {
    Optional<ObjectKey> key = store.key(name);
    Optional<ObjectVersion> hidden = history.hidden();
    if (key.isPresent() && hidden.isPresent()) {
      ObjectVersion version = hidden.get();
      deleted.add(
          S3ObjectStore.info(
              key.get(),
              version.size(),
              version.lastModified(),
              Tiers.tier(version.storageClassAsString(), false),
              null));
    }
  }

  void undelete(ObjectKey key) throws StorageException {
    History history = history(key);
    if (history.versions.stream().anyMatch(version -> Boolean.TRUE.equals(version.isLatest()))) {
      throw new StorageException.AlreadyExists(key, null);
    }
    ObjectVersion hidden =
        history.hidden().orElseThrow(() -> new StorageException.NotFound(key, null));
    for (DeleteMarkerEntry marker : history.markers) {
      if (!marker.lastModified().isBefore(hidden.lastModified())) {
        store
            .attempts()
            .run(
                () ->
                    store
                        .client()
                        .deleteObject(
                            marked ->
                                marked
                                    .bucket(store.bucket())
                                    .key(store.name(key))
                                    .versionId(marker.versionId())),
                e -> store.failures().translate("Undelete", key, e));
      }
    }
    boolean current =
        history(key).versions.stream()
            .anyMatch(
                version ->
                    Boolean.TRUE.equals(version.isLatest())
                        && version.versionId().equals(hidden.versionId()));
    if (!current) {
      throw new StorageException.AlreadyExists(key, null);
    }
  }

  private History history(ObjectKey key) throws StorageException {
    TreeMap<String, History> all = new TreeMap<>();
    String keyMarker = null;
    String versionMarker = null;
    while (true) {
      ListObjectVersionsResponse page = page(store.name(key), keyMarker, versionMarker);
      collect(page, all);
      keyMarker = page.nextKeyMarker();
      versionMarker = page.nextVersionIdMarker();
      if (!page.isTruncated() || keyMarker == null || !keyMarker.equals(store.name(key))) {
        return all.getOrDefault(store.name(key), new History());
      }
    }
  }

  private static void collect(ListObjectVersionsResponse page, Map<String, History> all) {
    page.versions()
        .forEach(one -> all.computeIfAbsent(one.key(), key -> new History()).versions.add(one));
    page.deleteMarkers()
        .forEach(one -> all.computeIfAbsent(one.key(), key -> new History()).markers.add(one));
  }

  private ListObjectVersionsResponse page(
      String prefix, @Nullable String keyMarker, @Nullable String versionMarker)
      throws StorageException {
    return store
        .attempts()
        .run(
            () -> {
              ListObjectVersionsResponse answer =
                  store
                      .client()
                      .listObjectVersions(
                          list ->
                              list.bucket(store.bucket())
                                  .prefix(prefix)
                                  .keyMarker(keyMarker)
                                  .versionIdMarker(versionMarker));
              S3ObjectStore.require(answer.isTruncated() != null);
              return answer;
            },
            e -> store.failures().translate("List versions below", prefix, e));
  }
}
