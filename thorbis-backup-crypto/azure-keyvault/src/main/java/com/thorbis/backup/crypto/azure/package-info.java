/**
 * A recipient whose key Azure Key Vault keeps.
 *
 * <p>The vault's keys are RSA and know no context, so a wrap holds what it is bound to. What is
 * wrapped, with RSA-OAEP-256, is a byte 1, the SHA-256 of the {@linkplain
 * com.thorbis.backup.spi.crypto.KeyContext#encoded encoded facts}, and the key: at most 1 + 32 +
 * 128 = 161 bytes of the 190 that the smallest key of a vault, one of 2048 bits, takes (256 - 2 ×
 * 32 - 2). A wrap is a byte with the length of the name of the version that made it, that name in
 * ASCII, and what the vault made of it.
 */
@NullMarked
package com.thorbis.backup.crypto.azure;

import org.jspecify.annotations.NullMarked;
