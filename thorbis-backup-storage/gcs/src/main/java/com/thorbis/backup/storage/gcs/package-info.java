/** Objects in a bucket of Google Cloud Storage. */
@NullMarked
package com.thorbis.backup.storage.gcs;

import org.jspecify.annotations.NullMarked;
