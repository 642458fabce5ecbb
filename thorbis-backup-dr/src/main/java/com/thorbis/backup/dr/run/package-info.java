/** Runs of recovery procedures that survive the machine that carries them out. */
@NullMarked
package com.thorbis.backup.dr.run;

import org.jspecify.annotations.NullMarked;
