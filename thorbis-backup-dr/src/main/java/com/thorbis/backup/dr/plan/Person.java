package com.thorbis.backup.dr.plan;

import java.util.List;

/**
 * Somebody who does or decides something.
 *
 * @param id how the plan names them
 * @param name their name
 * @param contacts how to reach them, best first; at least one that works while all is down
 * @param roles what else the plan calls them; an owner may be a role
 */
public record Person(String id, String name, List<String> contacts, List<String> roles) {
  /** Copies the lists. */
  public Person {
    contacts = List.copyOf(contacts);
    roles = List.copyOf(roles);
  }
}
