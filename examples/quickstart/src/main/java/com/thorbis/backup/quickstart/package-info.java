/** A whole round in one program: protect a server, lose data, get it back. */
@NullMarked
package com.thorbis.backup.quickstart;

import org.jspecify.annotations.NullMarked;
