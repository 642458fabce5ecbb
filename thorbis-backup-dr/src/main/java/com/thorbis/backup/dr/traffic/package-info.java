/**
 * What sends clients to one server or another, each with the value that brings back how it was.
 * Move it only after the old place takes no writes any more; nothing here proves that.
 */
@NullMarked
package com.thorbis.backup.dr.traffic;

import org.jspecify.annotations.NullMarked;
