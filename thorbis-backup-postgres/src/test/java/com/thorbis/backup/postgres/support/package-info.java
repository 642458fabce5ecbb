/** What the tests of this module share. */
@NullMarked
package com.thorbis.backup.postgres.support;

import org.jspecify.annotations.NullMarked;
