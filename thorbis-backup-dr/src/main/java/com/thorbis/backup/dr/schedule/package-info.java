/** When work is due, who of several processes does it, and what became of it. */
@NullMarked
package com.thorbis.backup.dr.schedule;

import org.jspecify.annotations.NullMarked;
