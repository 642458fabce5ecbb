/** The operator's command: a thin face over the builder that a host uses. */
@NullMarked
package com.thorbis.backup.cli;

import org.jspecify.annotations.NullMarked;
