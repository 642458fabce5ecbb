/** PostgreSQL's page checksums. */
@NullMarked
package com.thorbis.backup.postgres.page;

import org.jspecify.annotations.NullMarked;
