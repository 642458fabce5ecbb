/**
 * Disasters made on purpose in environments of their own, recovered from by the code that recovers
 * production, and measured from outside.
 */
@NullMarked
package com.thorbis.backup.dr.simulate;

import org.jspecify.annotations.NullMarked;
