/**
 * A recipient whose AES key a token keeps that speaks PKCS#11, such as a hardware security module.
 *
 * <p>A wrap is a byte 1, a random nonce of 12 bytes, and what AES-GCM made of the key in the token,
 * with a tag of 16 bytes, over the {@linkplain com.thorbis.backup.spi.crypto.KeyContext#encoded
 * encoded facts} as additional data.
 *
 * <p>Its artifact needs the JDK alone, and still is one of its own: it loads native code of
 * somebody else into the process, which nobody should get with the recipients that need none.
 */
@NullMarked
package com.thorbis.backup.crypto.pkcs11;

import org.jspecify.annotations.NullMarked;
