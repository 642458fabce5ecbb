/** One recovery point over a database, files, applications and secrets. */
@NullMarked
package com.thorbis.backup.dr.point;

import org.jspecify.annotations.NullMarked;
