/** Services of clouds on this host, for tests: the real clients talk to them over HTTP. */
@NullMarked
package com.thorbis.backup.testkit.cloud;

import org.jspecify.annotations.NullMarked;
