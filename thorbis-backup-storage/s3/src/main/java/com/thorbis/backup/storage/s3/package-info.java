/** Repositories in buckets of S3, and of what speaks its language. */
@NullMarked
package com.thorbis.backup.storage.s3;

import org.jspecify.annotations.NullMarked;
