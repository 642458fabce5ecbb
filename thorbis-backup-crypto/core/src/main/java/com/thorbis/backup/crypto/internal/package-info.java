/** How the local recipients are found by name. */
@NullMarked
package com.thorbis.backup.crypto.internal;

import org.jspecify.annotations.NullMarked;
