package com.thorbis.backup.dr.plan;

import java.util.List;
import java.util.Optional;

/**
 * Somebody who does or decides something.
 *
 * @param id how the plan names them
 * @param name their name
 * @param contacts how to reach them, best first; at least one that works while all is down
 * @param roles what else the plan calls them; an owner may be a role
 * @param signsWith the public half of the Ed25519 key that they sign approvals with, as {@code
 *     thorbis keys signing-key} prints it
 */
public record Person(
    String id, String name, List<String> contacts, List<String> roles, Optional<String> signsWith) {
  /** Copies the lists. */
  public Person {
    contacts = List.copyOf(contacts);
    roles = List.copyOf(roles);
  }
}
