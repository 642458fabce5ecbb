/**
 * Drills: a source is brought back on a throw-away server, looked at by checks that are proven to
 * find damage, and thrown away; what was seen is kept.
 */
@NullMarked
package com.thorbis.backup.dr.drill;

import org.jspecify.annotations.NullMarked;
