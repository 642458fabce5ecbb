/** How places of secrets are found by name. */
@NullMarked
package com.thorbis.backup.application.internal;

import org.jspecify.annotations.NullMarked;
