package com.thorbis.backup.storage.gcs;

import com.google.api.services.storage.Storage;
import com.google.api.services.storage.model.Objects;
import com.google.api.services.storage.model.StorageObject;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What was deleted: in a bucket with versioning, versions that are no longer current; otherwise
 * what its soft delete policy keeps.
 */
final class Deleted {
  private final Bucket bucket;
  private final boolean versions;
  private final int pageSize;

  Deleted(Bucket bucket, boolean versions, int pageSize) {
    this.bucket = bucket;
    this.versions = versions;
    this.pageSize = pageSize;
  }

  /** The newest of each name, in order, and where the next page starts. */
  record Page(List<StorageObject> objects, Optional<String> last) {
    ListPage toPage(
        Function<StorageObject, Optional<ObjectKey>> key,
        BiFunction<ObjectKey, StorageObject, ObjectInfo> info) {
      List<ObjectInfo> infos = new ArrayList<>();
      Optional<String> next = Optional.empty();
      for (StorageObject object : objects) {
        Optional<ObjectKey> known = key.apply(object);
        if (known.isPresent()) {
          infos.add(info.apply(known.get(), object));
          next = last.map(name -> known.get().value());
        }
      }
      return new ListPage(infos, next);
    }
  }

  /**
   * One page. Has at least one object unless it is the last.
   *
   * @param exclusive whether the name it starts from is left out
   */
  Page page(String prefix, String from, boolean exclusive) throws IOException {
    TreeMap<String, StorageObject> found = new TreeMap<>();
    @Nullable String token = null;
    while (true) {
      Storage.Objects.List request = request(prefix, from).setPageToken(token);
      Objects answer = bucket.list(request);
      String lastSeen = "";
      for (StorageObject object : items(answer)) {
        lastSeen = object.getName();
        if (isDeleted(object) && !(exclusive && lastSeen.equals(from))) {
          found.merge(lastSeen, object, Deleted::newer);
        }
      }
      token = answer.getNextPageToken();
      StorageObject unfinished = token == null ? null : found.remove(lastSeen);
      removeLive(found);
      if (token == null || !found.isEmpty()) {
        return new Page(
            List.copyOf(found.values()),
            token == null ? Optional.empty() : Optional.of(found.lastKey()));
      }
      if (unfinished != null) { // more of its generations may follow
        found.put(lastSeen, unfinished);
      }
    }
  }

  /** What was deleted last under a name. */
  Optional<StorageObject> last(String name) throws IOException {
    @Nullable StorageObject last = null;
    @Nullable String token = null;
    do {
      Storage.Objects.List request = request(name, name).setPageToken(token);
      Objects answer = bucket.list(request);
      token = answer.getNextPageToken();
      for (StorageObject object : items(answer)) {
        if (!object.getName().equals(name)) { // names that go on come after it
          return Optional.ofNullable(last);
        }
        if (isDeleted(object)) {
          last = last == null ? object : newer(last, object);
        }
      }
    } while (token != null);
    return Optional.ofNullable(last);
  }

  private Storage.Objects.List request(String prefix, String from) throws IOException {
    Storage.Objects.List request = bucket.listing(prefix, from, pageSize);
    return versions ? request.setVersions(true) : request.setSoftDeleted(true);
  }

  private boolean isDeleted(StorageObject object) {
    return !versions || object.getTimeDeleted() != null;
  }

  private static StorageObject newer(StorageObject one, StorageObject other) {
    return other.getGeneration() > one.getGeneration() ? other : one;
  }

  /** A name that was written again, or moved to another tier, is not one that was deleted. */
  private void removeLive(SortedMap<String, StorageObject> found) throws IOException {
    @Nullable String token = null;
    while (!found.isEmpty()) {
      Storage.Objects.List request =
          bucket
              .listing("", found.firstKey(), pageSize)
              .setEndOffset(found.lastKey() + " ") // the first name behind it that is a key's
              .setPageToken(token);
      Objects answer = bucket.list(request);
      items(answer).forEach(object -> found.remove(object.getName()));
      token = answer.getNextPageToken();
      if (token == null) {
        return;
      }
    }
  }

  private static List<StorageObject> items(Objects answer) {
    return answer.getItems() == null ? List.of() : answer.getItems();
  }
}
