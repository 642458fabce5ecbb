/**
 * A recipient whose key Google Cloud Key Management Service keeps.
 *
 * <p>A wrap is the ciphertext of the service as it is. The {@linkplain
 * com.thorbis.backup.spi.crypto.KeyContext#encoded encoded facts} of its context are its additional
 * authenticated data. The service is asked over REST: its own client would bring gRPC for two
 * calls.
 */
@NullMarked
package com.thorbis.backup.crypto.gcp;

import org.jspecify.annotations.NullMarked;
