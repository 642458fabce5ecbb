/**
 * What sends clients to one server or another, each with the value that brings back how it was.
 * Move it after the old place takes no writes any more: see {@code com.thorbis.backup.dr.failover}.
 */
@NullMarked
package com.thorbis.backup.dr.traffic;

import org.jspecify.annotations.NullMarked;
