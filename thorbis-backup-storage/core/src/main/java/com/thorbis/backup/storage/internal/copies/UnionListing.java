package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/** Listings of several stores as one, in key order. */
final class UnionListing {
  private UnionListing() {}

  /** A page that has objects, or is the last. */
  static ListPage page(ObjectStore store, String prefix, Optional<String> after)
      throws IOException {
    ListPage page = store.list(prefix, after);
    while (page.objects().isEmpty() && page.next().isPresent()) {
      page = store.list(prefix, page.next());
    }
    return page;
  }

  /**
   * What the pages of several stores add up to: only as far as each of them reaches, because behind
   * the end of a page its store may have more.
   */
  static ListPage merge(Collection<ListPage> pages) {
    Optional<ObjectKey> bound = Optional.empty();
    SortedMap<ObjectKey, ObjectInfo> all = new TreeMap<>();
    for (ListPage page : pages) {
      page.objects().forEach(info -> all.putIfAbsent(info.key(), info));
      if (page.next().isPresent()) {
        ObjectKey last = page.objects().get(page.objects().size() - 1).key();
        bound = bound.filter(least -> least.compareTo(last) <= 0).or(() -> Optional.of(last));
      }
    }
    if (bound.isEmpty()) {
      return new ListPage(new ArrayList<>(all.values()), Optional.empty());
    }
    ObjectKey end = bound.get();
    List<ObjectInfo> within =
        all.values().stream().filter(info -> info.key().compareTo(end) <= 0).toList();
    return new ListPage(within, Optional.of(end.value()));
  }
}
