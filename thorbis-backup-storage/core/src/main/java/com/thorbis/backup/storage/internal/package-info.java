/** The repository behind the service: no part of it is for hosts. */
@NullMarked
package com.thorbis.backup.storage.internal;

import org.jspecify.annotations.NullMarked;
