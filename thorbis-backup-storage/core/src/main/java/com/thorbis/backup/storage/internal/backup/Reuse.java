package com.thorbis.backup.storage.internal.backup;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The mark of a stretch of a file that needs no bytes: extents that exist already, or a whole part
 * of the base's map.
 *
 * @param state the file it belongs to
 * @param extents what comes next in the file
 * @param map what comes next, if it is a part of a map
 */
record Reuse(FileState state, List<Extent> extents, @Nullable MapRef map) implements OfFile {}
