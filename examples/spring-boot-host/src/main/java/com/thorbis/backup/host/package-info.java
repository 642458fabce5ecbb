/** A service that protects its own database. */
@NullMarked
package com.thorbis.backup.host;

import org.jspecify.annotations.NullMarked;
