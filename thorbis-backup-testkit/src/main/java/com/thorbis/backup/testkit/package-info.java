/**
 * Contract suites that every provider passes, stores that misbehave on demand, and a settable
 * clock. Nothing here registers itself as a service.
 */
@NullMarked
package com.thorbis.backup.testkit;

import org.jspecify.annotations.NullMarked;
