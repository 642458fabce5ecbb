package com.thorbis.backup.application.app;

import java.util.Map;

/**
 * Where the secrets of something are backed up.
 *
 * @param source the source of secrets
 * @param place the place of that source
 */
public record SecretPlace(String source, String place) {
  /** What stands in a document instead of a value. */
  public Map<String, Object> reference(String name) {
    return Map.of("secret", Map.of("source", source, "place", place, "name", name));
  }

  /** How its values are brought back. */
  public String command(String name) {
    return "secrets restore " + source + " --into " + place + " --secret " + name;
  }
}
