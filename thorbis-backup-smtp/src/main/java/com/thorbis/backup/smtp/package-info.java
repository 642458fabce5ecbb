/** Tells people of alarms by mail. */
@NullMarked
package com.thorbis.backup.smtp;

import org.jspecify.annotations.NullMarked;
