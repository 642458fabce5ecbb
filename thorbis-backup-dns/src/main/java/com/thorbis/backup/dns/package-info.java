/** A switch that moves clients by DNS UPDATE (RFC 2136) with TSIG (RFC 8945). */
@NullMarked
package com.thorbis.backup.dns;

import org.jspecify.annotations.NullMarked;
