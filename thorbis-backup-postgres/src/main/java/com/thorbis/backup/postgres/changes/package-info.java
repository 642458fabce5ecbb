/**
 * What was changed in a database since it was dumped: decoded by the server from its log, for a
 * logical slot, in the order of commits. Who reads it, how it is stored, and how it is applied to a
 * copy.
 */
@NullMarked
package com.thorbis.backup.postgres.changes;

import org.jspecify.annotations.NullMarked;
