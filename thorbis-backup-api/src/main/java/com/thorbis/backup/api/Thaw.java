package com.thorbis.backup.api;

import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/**
 * What lies, on every copy that has it, where it must be asked for before it can be read.
 *
 * @param objects how many objects
 * @param bytes how many bytes they have, as stored
 * @param requested how many of the objects somebody asked for already
 * @param time how long it takes at most, from being asked for on, until all can be read, by what
 *     the vendor says; zero if there is nothing
 * @param copies where they will be read from, by name
 */
public record Thaw(long objects, long bytes, long requested, Duration time, List<String> copies) {
  /** Nothing. */
  public static final Thaw NONE = new Thaw(0, 0, 0, Duration.ZERO, List.of());

  /** Copies the list. */
  public Thaw {
    copies = List.copyOf(copies);
  }

  /** Whether all can be read at once. */
  public boolean isNone() {
    return objects == 0;
  }

  /** Of this and another one together, if they have nothing in common. */
  public Thaw plus(Thaw other) {
    return new Thaw(
        objects + other.objects,
        bytes + other.bytes,
        requested + other.requested,
        time.compareTo(other.time) < 0 ? other.time : time,
        Stream.concat(copies.stream(), other.copies.stream()).distinct().toList());
  }
}
