/** PostgreSQL servers for tests and demonstrations: unpacked, started, crashed and restarted. */
@NullMarked
package com.thorbis.backup.testkit.postgres;

import org.jspecify.annotations.NullMarked;
