package com.thorbis.backup.application.secrets;

import com.thorbis.backup.crypto.ObjectId;
import java.time.Instant;

/**
 * Which set of a name is which: what a host remembers of the newest one that it wrote or saw, to
 * notice when an older one is put in its place.
 *
 * @param set the name of the set
 * @param id the id of this one
 * @param sequence 1 for the first of its name, and one more for each that follows
 * @param digest SHA-256 of its bytes, 64 hexadecimal digits
 * @param created when it was made
 */
public record SetOrigin(String set, ObjectId id, long sequence, String digest, Instant created) {}
