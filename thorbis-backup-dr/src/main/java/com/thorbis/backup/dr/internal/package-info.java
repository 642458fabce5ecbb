/** What several packages of this module share. */
@NullMarked
package com.thorbis.backup.dr.internal;

import org.jspecify.annotations.NullMarked;
