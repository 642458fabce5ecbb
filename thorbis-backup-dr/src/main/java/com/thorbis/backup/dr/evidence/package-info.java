/** What was done and seen, in records that are linked by their digests and signed. */
@NullMarked
package com.thorbis.backup.dr.evidence;

import org.jspecify.annotations.NullMarked;
