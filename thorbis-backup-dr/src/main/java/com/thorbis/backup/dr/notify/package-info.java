/** Tells people what is wrong, and somebody elsewhere that somebody still looks. */
@NullMarked
package com.thorbis.backup.dr.notify;

import org.jspecify.annotations.NullMarked;
