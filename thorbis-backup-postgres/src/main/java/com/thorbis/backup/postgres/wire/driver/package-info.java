/** What the JDBC driver instantiates by name. */
@NullMarked
package com.thorbis.backup.postgres.wire.driver;

import org.jspecify.annotations.NullMarked;
