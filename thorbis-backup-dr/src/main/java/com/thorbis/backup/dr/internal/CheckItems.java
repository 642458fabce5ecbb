package com.thorbis.backup.dr.internal;

import com.thorbis.backup.api.CheckItem;
import java.util.List;
import java.util.Map;

/** What was checked, as reports hold it. */
public final class CheckItems {
  private CheckItems() {}

  /** One object for each. */
  public static List<Map<String, String>> json(List<CheckItem> items) {
    return items.stream()
        .map(
            it ->
                Map.of(
                    "subject", it.subject(),
                    "outcome", it.outcome().label(),
                    "message", it.message()))
        .toList();
  }
}
