/**
 * Another server takes over: what is down is established, fenced and proven so, and one promoted.
 */
@NullMarked
package com.thorbis.backup.dr.failover;

import org.jspecify.annotations.NullMarked;
