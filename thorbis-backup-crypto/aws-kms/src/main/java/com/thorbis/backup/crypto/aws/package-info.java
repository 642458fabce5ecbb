/**
 * A recipient whose key AWS Key Management Service keeps.
 *
 * <p>A wrap is the ciphertext of the service as it is. The facts of its context are its encryption
 * context, so that key policies can ask for them and CloudTrail shows them.
 *
 * <p>And a place of secrets, {@code aws-secrets-manager}: it is here because it needs the same SDK.
 */
@NullMarked
package com.thorbis.backup.crypto.aws;

import org.jspecify.annotations.NullMarked;
