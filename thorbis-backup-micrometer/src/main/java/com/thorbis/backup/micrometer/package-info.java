/** What the last look found, as figures for Micrometer. */
@NullMarked
package com.thorbis.backup.micrometer;

import org.jspecify.annotations.NullMarked;
