/** The engine that protects PostgreSQL clusters. */
@NullMarked
package com.thorbis.backup.postgres;

import org.jspecify.annotations.NullMarked;
