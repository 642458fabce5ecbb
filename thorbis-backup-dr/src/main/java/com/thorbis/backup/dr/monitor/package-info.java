/** Says from what is stored whether everything that is expected is there. */
@NullMarked
package com.thorbis.backup.dr.monitor;

import org.jspecify.annotations.NullMarked;
