/**
 * Services of clouds on this host, for tests: the real clients talk to them over HTTP. And what
 * networks do to what they say.
 */
@NullMarked
package com.thorbis.backup.testkit.cloud;

import org.jspecify.annotations.NullMarked;
